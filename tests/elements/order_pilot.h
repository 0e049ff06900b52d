/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schedules: lists of steps, made from a seed or written as text, and the pilot that takes a rig
 * through one. Steps can be left out of a schedule: the pilot knows what state the stream is in and
 * sends what is missing (caps, segment) first.
 *
 * What in `queue` itself depends on timing is taken out like this:
 *   - Before a step that interrupts, the pilot waits until all that was sent has left ("settled").
 *   - `hold` closes a gate downstream, with a first item stuck in it: what is sent then stands in
 *     the element for certain, whether a flush, a stop or an opening of the gate ends that.
 *   - A flush or a stop that is not settled may cut off any number of items at the end: one log of
 *     what crossed since the last settling is then a prefix of the other. There sticky events are
 *     settled first, since which come after a flush depends on which came before it.
 *   - A refusal is told when the element's task has given up (or, for EOS, when chain says so):
 *     until then chain may say OK. */
#pragma once

#include "order_rig.h"

typedef struct OrderStep {
  guint kind; /* a row of the table in order_pilot.c */
  OrderDice dice;
} OrderStep;

/* Of OrderStep. */
GArray *order_schedule_random (guint32 seed);
/* "buffer:7 hold flush:1"; NULL: there is no such step, which is printed. */
GArray *order_schedule_parse (const gchar *text);
gchar *order_schedule_text (const GArray *schedule);
guint order_n_kinds (void);
const gchar *order_kind_name (guint kind);

/* Runs it; the logs are the caller's to free with order_rig_clear. FALSE: something leaked. */
gboolean order_run (
    OrderRig *rig, const OrderSubject *subject, OrderRole role, const GArray *schedule);
/* What is going on, for a watchdog: any thread, no lock. */
void order_print_state (void);
/* Steps taken, ever; atomic. */
extern gint order_n_steps;
