/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n), what a batch of n items takes, as it is learned: S(n) = a + c n, a straight line through
 * the mean times of the batch sizes that ran. Pure: no clock, no lock. */
#pragma once

#include "engine/sched/settings.h"

typedef struct WeirService {
  double mean_ns[WEIR_MAX_BATCH + 1]; /* by n; of the latest runs, stalls left out */
  uint32_t n_runs[WEIR_MAX_BATCH + 1];
  uint32_t n_largest; /* that ran; 0: none */
  double fixed_ns;    /* a >= 0: what batching saves; 0 until two sizes are known */
  double per_item_ns; /* c >= 0 */
} WeirService;

/* A batch of n (1..WEIR_MAX_BATCH) took ns. A single run that took over three times the mean counts
 * as three times the mean: a stall of the machine is not the network's time. */
void weir_service_add (WeirService *service, uint32_t n, uint64_t ns);
/* What a batch of n is expected to take; 0 while nothing is known. */
uint64_t weir_service_ns (const WeirService *service, uint32_t n);
/* The smallest n in 1..n_max with 90 % of the items per second that n_max gives. */
uint32_t weir_service_useful_batch (const WeirService *service, uint32_t n_max);
