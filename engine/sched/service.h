/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n), what a batch of n items takes, as it is learned: S(n) = a + c n, a straight line through
 * the mean times of the batch sizes that ran. Pure: no clock, no lock. */
#pragma once

#include "engine/sched/settings.h"

/* No batch takes longer: what is over counts as this. */
#define WEIR_SERVICE_MAX_NS 3600000000000u
/* Runs from which on a size's own mean says more than the line. Calibration makes as many. */
#define WEIR_SERVICE_N_OFTEN 3

/* All zero: nothing is known. */
typedef struct WeirService {
  double mean_ns[WEIR_MAX_BATCH + 1]; /* by n; of the latest runs, stalls left out */
  uint32_t n_runs[WEIR_MAX_BATCH + 1];
  uint16_t sizes[WEIR_MAX_BATCH]; /* the n that ran, in the order they were first seen */
  uint32_t n_sizes;
  uint32_t n_largest; /* that ran; 0: none */
  double fixed_ns;    /* a >= 0: what batching saves; 0 until two sizes are known */
  double per_item_ns; /* c >= 0 */
} WeirService;

/* A batch of n (1..WEIR_MAX_BATCH) took ns. A single run that took over three times the mean counts
 * as three times the mean: a stall of the machine is not the network's time. A change that lasts
 * gets through, for the mean grows by a quarter with each such run. Of the first runs one that is
 * three times as quick as their mean begins anew: they held the stall. */
void weir_service_add (WeirService *service, uint32_t n, uint64_t ns);
/* What was known before of batches of n: their mean, 1..WEIR_SERVICE_MAX_NS, and its runs. */
void weir_service_set (WeirService *service, uint32_t n, double mean_ns, uint32_t n_runs);
/* What a batch of n is expected to take; 0 while nothing is known. A size that ran often answers
 * its own mean, others the line. */
uint64_t weir_service_ns (const WeirService *service, uint32_t n);
/* The smallest n in 1..n_max with 90 % of the items per second that n_max gives; n_max while
 * nothing is known. */
uint32_t weir_service_useful_batch (const WeirService *service, uint32_t n_max);
/* What is known of batches of n counts as one run from now on. */
void weir_service_doubt (WeirService *service, uint32_t n);
