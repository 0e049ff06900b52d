/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of faults share: a network whose answer tells which item it was asked about, and
 * requests that remember how they ended. All of it asserts. */
#pragma once

#include "engine/base/sync.h"
#include "engine/weir.h"
#include "tests/batching/faulty_backend.h"
#include <check.h>

#define FAULT_KIT_MAX_ITEMS 16
#define FAULT_KIT_POISON    13

/* Runs the suite, each test in a process of its own; the exit status of main. */
int fault_kit_run (Suite *suite);

/* A new session of the small network on the faulty device with batches up to `batch_size`.
 * `options` says what else (hint, num_requests, batch_timeout_ms; as the device SIM(a,b), one of
 * OpenCL's, AUTO where weir_session_auto_hook is set); NULL: one worker. */
WeirSession *fault_kit_open (uint32_t batch_size, const WeirSessionOptions *options);

/* A request of items 1..63, and how it ended. */
typedef struct FaultJob {
  WeirRequest *request;
  uint32_t n_items, values[FAULT_KIT_MAX_ITEMS];
  WeirRegion regions[FAULT_KIT_MAX_ITEMS];
  gint n_done;     /* atomic */
  int error_code;  /* of the whole request; -1: none */
  uint64_t end_ns; /* monotonic */
  gint *counter;   /* of jobs that ended, NULL: nobody counts */
  int place;       /* among those */
} FaultJob;

/* Items first, first + 1, … */
void fault_job_init (FaultJob *job, WeirStream *stream, uint32_t first, uint32_t n_items);
/* Instead of item i: any region of the picture, and no value that could be right. */
void fault_job_set_region (FaultJob *job, uint32_t i, const WeirRegion *region);
void fault_job_submit (FaultJob *job);
/* Within 10 s. */
void fault_job_wait (FaultJob *job);
void fault_job_run (FaultJob *job);
void fault_job_clear (FaultJob *job);
/* done was called once, without an error, and item i was inferred as its value wants. */
bool fault_job_is_right (const FaultJob *job, uint32_t i);
/* All items. */
bool fault_job_is_all_right (const FaultJob *job);
/* Item i failed, and its reason contains `text`. */
void fault_job_assert_failed (const FaultJob *job, uint32_t i, const char *text);
/* The WeirDoneFn of jobs; `user` is the job. */
void fault_job_done (WeirRequest *request, void *user);

/* Makes the device hang with one item of a stream of its own, so that what is submitted then stays
 * queued. It has ended right when fault_gate_open returns, from which on `faults` act. */
typedef struct FaultGate {
  WeirStream *stream;
  FaultJob job;
} FaultGate;

void fault_gate_close (FaultGate *gate, WeirSession *session);
void fault_gate_open (FaultGate *gate, const Faulty *faults);

WeirStats *fault_kit_stats (WeirSession *session); /* newly allocated */
