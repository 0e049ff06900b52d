/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When to cut a batch, and how large: a pure function of a snapshot of the queue. */
#pragma once

#include "engine/sched/arrivals.h"
#include "engine/sched/service.h"

typedef enum WeirCut {
  WEIR_CUT_NONE = 0, /* nothing is there, or waiting pays */
  WEIR_CUT_FULL,     /* the target is reached */
  WEIR_CUT_COMPLETE, /* no stream could still add an item */
  WEIR_CUT_DEADLINE, /* the oldest item's bound is reached, or its slack used up */
  WEIR_CUT_IDLE,     /* the worker is idle and waiting gains nothing */
  WEIR_CUT_DRAIN,    /* end of stream, flush, stop */
  WEIR_N_CUTS
} WeirCut;

#define WEIR_NEVER_NS UINT64_MAX

typedef struct WeirSnapshot {
  uint32_t n_queued;       /* items that wait */
  uint32_t n_idle_workers; /* the asking one included; >= 1 */
  uint32_t batch_max;      /* the target: >= 1 */
  bool can_grow;           /* some stream could add an item now */
  bool is_draining;        /* some stream with queued items has ended */
  uint32_t n_running;      /* items that busy workers hold */
  uint32_t n_busy_workers;
  uint64_t now_ns, oldest_ns; /* the oldest queued item came then */
  uint64_t bound_ns;          /* longest wait that batching may add; 0: never wait */
  uint64_t frame_ns;          /* interval of the fastest camera; WEIR_NEVER_NS: there is none */
  double load; /* of the workers, if every request ran alone: 1 is all of their time */
  const WeirService *service;
  const WeirExpected *expected; /* the next arrivals, by at_ns */
  uint32_t n_expected;
} WeirSnapshot;

typedef struct WeirDecision {
  uint32_t n; /* items to take now; 0: wait */
  WeirCut cut;
  uint64_t wake_ns; /* where n is 0: decide again then at the latest, or when something changes */
} WeirDecision;

/* The queued items are shared evenly among the idle workers, so that one does not take all while
 * another sleeps. Where streams wait for their results, each worker gets its own streams back; then
 * one with three items would serve its streams a third as often as a neighbour with one, time after
 * time. So while others work, a batch is smaller than an even share of all items in flight: what is
 * left over changes the company, and lets those go first that had less.
 *
 * It waits only where that pays. One more item in the batch saves a of S(n) = a + c n; waiting for
 * it costs each queued item that time, and c. What a saved ms is worth in ms of waiting grows with
 * the load (an idle device has nothing to save for) and with the share of S(1) that can be saved.
 */
WeirDecision weir_policy_decide (const WeirSnapshot *snapshot);
/* How long batching may make an item wait: half an interval of the fastest camera (frame_ns,
 * WEIR_NEVER_NS where there is none: then 10 ms), never above timeout_ms where that is not
 * negative. */
uint64_t weir_policy_bound_ns (uint64_t frame_ns, int32_t timeout_ms);

/* Streams with many items a frame beside cameras with about one. */
typedef struct WeirCrowd {
  uint64_t frame_ns; /* interval of the fastest quiet camera; WEIR_NEVER_NS: there is none */
  WeirExpected next; /* of the quiet cameras' frames; at WEIR_NEVER_NS: unknown */
  uint32_t n_quiet;  /* quiet cameras with queued items */
  uint32_t n_lanes;  /* streams with queued items */
  uint64_t since_ns; /* the worker has left items waiting since then; now where it has not */
} WeirCrowd;

/* How many items a batch may have where second and further items of one stream are among them; all
 * streams' first items go in any case. batch_max without quiet cameras, or where none of their next
 * frames can be told. A batch with items of quiet
 * cameras takes at most a fifth longer than without the crowd's; one of the crowd alone ends before
 * the next quiet camera's frame comes. 0: not even one item does, so the only worker waits for that
 * frame, until *wake_ns, but no longer than bound_ns. */
uint32_t weir_policy_crowd_max (
    const WeirSnapshot *snapshot, const WeirCrowd *crowd, uint64_t *wake_ns);
