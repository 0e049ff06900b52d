/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session under a virtual clock: the real WeirQueue (engine/sched/queue.h) with cameras, callers
 * and a device that only takes time. Nothing sleeps; the same seed gives the same run, to the ns.
 */
#pragma once

#include "engine/sched/queue.h"

#define VIRTUAL_MS          1000000.0
#define VIRTUAL_MAX_STREAMS 64

typedef struct VirtualStream {
  double fps; /* of a camera; 0: a caller that comes back think_ms after its results */
  double think_ms;
  uint32_t n_items; /* of a frame */
  uint32_t depth;   /* frames in flight at most; 0: 4 of a camera, 1 of a caller */
  double phase_ms;  /* of the first frame */
  double jitter_ms; /* frames come up to so much later, evenly spread */
  double end_ms;    /* no frames from then on; 0: never */
} VirtualStream;

typedef struct VirtualCase {
  double fixed_ms, per_item_ms; /* S(n) */
  uint32_t batch_max, num_requests, n_workers;
  int32_t batch_timeout_ms;
  double seconds, warmup_s; /* frames that end between them count */
  uint32_t seed;
  bool learns; /* S(n) is learned from running alone; else known from the start */
  uint32_t n_streams;
  VirtualStream streams[VIRTUAL_MAX_STREAMS];
} VirtualCase;

typedef struct VirtualStreamResult {
  uint64_t n_submitted, n_done,
      n_dropped;                 /* whole run; a camera drops while depth frames are under way */
  double fps;                    /* done a second */
  GArray *latency_ms, *added_ms; /* double; of frames: due to done; of items: see below */
} VirtualStreamResult;

typedef struct VirtualResult {
  double mean_batch, busy; /* busy: share of the workers' time */
  uint64_t n_batches, n_items, histogram[WEIR_MAX_BATCH + 1], n_cuts[WEIR_N_CUTS];
  uint32_t most_in_flight;
  double most_late_ms; /* by which an item overstepped the bound that held when it was cut */
  VirtualStreamResult streams[VIRTUAL_MAX_STREAMS];
  GArray *latency_ms, *added_ms; /* of all streams */
} VirtualResult;

/* Runs the case and fails the test (ck_assert) where an item is lost, mixed up, run twice or out of
 * its stream's order, or more items are in flight than the limit allows. added_ms is the time that
 * an item waited while a worker was idle: what batching added. */
VirtualResult *virtual_run (const VirtualCase *c);
void virtual_result_free (VirtualResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VirtualResult, virtual_result_free)
/* Percentile (0..100) of an array of doubles, which it sorts. 0 where it is empty. */
double virtual_percentile (GArray *values, double percent);
