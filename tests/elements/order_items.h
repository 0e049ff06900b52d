/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be sent through an element: buffers, events and queries by kind, and each as one line of
 * text with all that an element must not change. */
#pragma once

#include <gst/gst.h>

/* Numbers that are the same in each run of a step. */
typedef guint32 OrderDice;
guint order_draw (OrderDice *dice, guint n);

/* Sequence numbers from here on are a driver's; what elements make themselves has lower ones. */
#define ORDER_SEQNUM_BASE (1u << 28)

/* A structure with a number. */
GstStructure *order_mark (guint n);
/* The event of that kind; NULL: there is no such kind. `n` is in it. */
GstEvent *order_event_new (const gchar *kind, guint n, OrderDice *dice);
GstQuery *order_query_new (const gchar *kind, guint n, OrderDice *dice);

/* Formats and sizes; the number of the one that a CAPS event or a buffer is about. */
guint order_n_caps (void);
GstCaps *order_caps_new (guint index);
/* A picture of these caps: its first byte is `n`, and so are timestamps, offsets and flags. */
GstBuffer *order_buffer_new (guint n, guint caps, OrderDice *dice);

/* Metas that inference adds are left out. */
gchar *order_describe_buffer (GstBuffer *buffer);
/* Without the sequence number where `seqnum` is FALSE. */
gchar *order_describe_event (GstEvent *event, gboolean seqnum);
/* A query with its answer, so far as elements on the way may not change it. */
gchar *order_describe_query (GstQuery *query, gboolean answered);
/* Answers as a peer does. */
gboolean order_answer (GstQuery *query);
