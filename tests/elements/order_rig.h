/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One or two elements between a pad that feeds them and a pad that takes what they give, with a log
 * of everything that crosses and a gate that holds it up.
 *
 * There are two logs. What happens in the driver's own thread (returns, answers, events that are
 * not serialized, everything that goes upstream) is `told`, in the order of the schedule. What the
 * elements' own threads push is `crossed`. Each is deterministic; how they interleave is not, but
 * where the gate is closed and something stuck in it. */
#pragma once

#include "order_items.h"

typedef struct OrderElement {
  const gchar *factory;
  const gchar *properties; /* a=b c=d */
} OrderElement;

/* What is tested; `capacity`: buffers that it takes while one is stuck downstream; capacity_one: of
 * these the first element. */
typedef struct OrderSubject {
  const gchar *name;
  OrderElement elements[2];
  guint capacity, capacity_one;
  gboolean classifies;
} OrderSubject;

/* The reference is `identity ! queue`, or `queue` alone: `identity` makes CAPS events of its own
 * and answers some queries itself, where nothing can be compared. */
typedef enum OrderRole {
  ORDER_TESTED,
  ORDER_TESTED_PLAIN, /* the reference is `queue` alone */
  ORDER_IDENTITY_QUEUE,
  ORDER_QUEUE
} OrderRole;

typedef struct OrderRig {
  const OrderSubject *subject;
  OrderRole role;
  GstElement *elements[2];
  guint n_elements;
  GstPad *up, *down;
  GstBus *bus;
  GThread *driver;
  GPtrArray *told;         /* lines */
  GMutex lock;             /* of what follows */
  GCond changed;           /* n_stuck, n_eos, last_barrier, closed, flushing */
  GPtrArray *crossed;      /* lines */
  gboolean closed;         /* the gate */
  gboolean flushing;       /* the gate lets nothing wait, and nothing pass */
  GstFlowReturn next_flow; /* what the next buffer gets; OK after that */
  guint n_stuck, n_eos;
  gint last_barrier;
  guint32 last_unserialized; /* sequence number */
  gint n_alive;              /* atomic: buffers and events that were made and not yet freed */
} OrderRig;

void order_rig_init (OrderRig *rig, const OrderSubject *subject, OrderRole role);
/* Everything to NULL; the logs stay readable until order_rig_clear. FALSE: something is left over,
 * which is told. */
gboolean order_rig_close (OrderRig *rig);
void order_rig_clear (OrderRig *rig);

gboolean order_rig_is_plain (const OrderRig *rig);

void order_rig_tell (OrderRig *rig, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
/* A line into `crossed` at which the comparison of what follows begins anew. `is_prefix`: of what
 * came since the last such line any number of lines may be missing at the end. */
void order_rig_mark (OrderRig *rig, const gchar *line, gboolean is_prefix);
gboolean order_rig_is_mark (const gchar *line);
gboolean order_rig_is_prefix_mark (const gchar *line);

/* Counts it among n_alive. */
gpointer order_rig_watch (OrderRig *rig, gpointer mini_object);
/* Pushes from `up` (events: or from `down`) and tells the return. */
GstFlowReturn order_rig_push (OrderRig *rig, GstBuffer *buffer);
gboolean order_rig_push_event (OrderRig *rig, GstPad *from, GstEvent *event);
void order_rig_query (OrderRig *rig, GstPad *from, GstQuery *query);

void order_rig_close_gate (OrderRig *rig);
void order_rig_wait_stuck (OrderRig *rig);
/* The first buffer that passes gets `flow`. */
void order_rig_open_gate (OrderRig *rig, GstFlowReturn flow);
/* Sends an event through and waits until it has left. FALSE: it was refused. */
gboolean order_rig_barrier (OrderRig *rig);
void order_rig_wait_eos (OrderRig *rig, guint n);
/* Waits until the last element's task has given up. */
void order_rig_wait_paused (OrderRig *rig);
/* Waits until the reference holds no buffers: it takes one that waits for room even where it has
 * just learned that downstream wants no more. */
void order_rig_wait_empty (OrderRig *rig);
/* The pads and elements, downstream first. */
void order_rig_stop (OrderRig *rig, GstState state);
void order_rig_start (OrderRig *rig);
GstPad *order_rig_sink (OrderRig *rig); /* of the first element; transfer full */
GstPad *order_rig_src (OrderRig *rig);  /* of the last one; transfer full */
