/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When to cut a batch, and how large: a pure function of a snapshot of the queue. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum WeirCut {
  WEIR_CUT_NONE = 0, /* nothing is there */
  WEIR_CUT_FULL,     /* the target is reached */
  WEIR_CUT_COMPLETE, /* no stream could still add an item */
  WEIR_CUT_DEADLINE, /* the oldest item's bound is reached */
  WEIR_CUT_IDLE,     /* the worker is idle and waiting gains nothing */
  WEIR_CUT_DRAIN,    /* end of stream, flush, stop */
  WEIR_N_CUTS
} WeirCut;

typedef struct WeirQueueView {
  uint32_t n_queued;       /* items that wait */
  uint32_t n_idle_workers; /* the asking one included; >= 1 */
  uint32_t batch_max;      /* >= 1 */
  bool can_grow;           /* some stream could add an item now */
  bool is_draining;        /* some stream with queued items has ended */
  uint32_t n_running;      /* items that busy workers hold */
  uint32_t n_busy_workers;
} WeirQueueView;

/* Runs what is there: the queued items are shared evenly among the idle workers, so that one does
 * not take all while another sleeps. Where streams wait for their results, each worker gets its own
 * streams back; then one with three items would serve its streams a third as often as a neighbour
 * with one, time after time. So while others work, a batch is smaller than an even share of all
 * items in flight: what is left over changes the company, and lets those go first that had less.
 * Returns the batch, 0 with WEIR_CUT_NONE where nothing waits. */
uint32_t weir_policy_cut (const WeirQueueView *view, WeirCut *cut);
