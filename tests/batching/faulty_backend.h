/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device that fails, takes its time or stops answering on command: the reference backend with
 * faults in front. It is opened by way of weir_session_backend_hook.
 *
 * Faults act in the step that makes the network's output, so once a run. Runs on zeros alone, which
 * is how a session measures itself, take their time but never fail, hang or count. Thread-safety:
 * safe; one set of faults for all sessions. */
#pragma once

#include "engine/plan/backend.h"

#define FAULTY_MAX_RUNS 512

typedef struct Faulty {
  bool fails_batches;   /* of more than one item */
  bool fails_always;    /* every run */
  uint32_t n_failures;  /* so many runs from now on */
  float poison;         /* a run of an item whose values are this; 0: none */
  uint32_t n_stalls;    /* so many runs from now on hang until faulty_resume, and then pass */
  uint32_t fixed_us;    /* S(n) = fixed + per item · n */
  uint32_t per_item_us; /* of each run */
  uint32_t helped_us;   /* that idle cores are said to have computed of each batch */
} Faulty;

extern const WeirBackend faulty_backend;

/* Forgets the runs so far. */
void faulty_set (const Faulty *faults);
/* Until n runs hang. */
void faulty_wait_stalled (uint32_t n);
/* The device answers again. */
void faulty_resume (void);
/* The batch sizes that ran (or failed) since faulty_set, in order, as "4 1 1". Newly allocated. */
char *faulty_runs (void);
uint32_t faulty_n_runs (void);
