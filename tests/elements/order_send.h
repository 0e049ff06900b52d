/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pilot's hands: it knows what state the stream is in, sends, and waits. Not thread-safe. */
#pragma once

#include "order_pilot.h"

typedef struct OrderPilot {
  OrderRig *rig;
  const OrderStep *step;
  guint index;   /* of the step */
  guint n_items; /* sent, of any kind */
  guint caps;
  gboolean has_stream, has_caps, has_segment;
  gboolean is_eos;          /* EOS was sent */
  gboolean took_eos;        /* and accepted */
  guint n_eos;              /* accepted and not flushed */
  gboolean is_held;         /* something is stuck in the gate */
  guint n_held;             /* buffers behind it */
  guint room;               /* for so many */
  gboolean is_sticky_since; /* sticky events since the last settling */
  GstFlowReturn refused;    /* what the task has given up with */
  gboolean is_unexpected;   /* downstream wants no buffers until the next segment */
  GThread *helper;          /* sends what has to wait */
  GstBuffer *burden;        /* what it pushes */
  GstQuery *question;       /* or asks */
} OrderPilot;

void order_join_helper (OrderPilot *p, gboolean is_stop);
void order_open_gate (OrderPilot *p);
void order_make_way (OrderPilot *p);
/* All that was sent has left. */
void order_settle (OrderPilot *p);
void order_note_flush (OrderPilot *p);
/* FALSE: it was refused. */
gboolean order_send_from (OrderPilot *p, GstPad *from, GstEvent *event);
gboolean order_send_event (OrderPilot *p, GstEvent *event);
void order_send_kind (OrderPilot *p, const gchar *kind, OrderDice *dice);
void order_send_caps (OrderPilot *p, guint caps);
/* Sends what buffers and events must not be without. */
void order_need_caps (OrderPilot *p, OrderDice *dice);
void order_need_segment (OrderPilot *p, OrderDice *dice);
GstFlowReturn order_send_buffer (OrderPilot *p, OrderDice *dice);
/* Sends what has to wait, in a thread of its own; `data` is the pilot. */
gpointer order_help (gpointer data);
