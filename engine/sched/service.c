/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n): running means by size, and the straight line that fits them best.
 *
 * The noise of a time grows with the time, so the line has the least sum of squared relative
 * errors: each size weighs 1 / mean², times its runs up to N_STEADY. */
#include "engine/sched/service.h"

/* Up to here a mean is that of all runs, then the latest count by 1/N_STEADY. */
#define N_STEADY 8
#define STALL    3.0
/* Shorter times are the clock's: without this a mean of nothing could not grow. */
#define LEAST_NS 1000.0

/* Of all sizes that are known: sums of w, w n, w n², w m, w n m. */
typedef struct Sums {
  double w, n, nn, m, nm;
} Sums;

static Sums sum_up (const WeirService *service)
{
  Sums sums = { 0 };
  for (uint32_t i = 0; i < service->n_sizes; i++) {
    uint32_t size = service->sizes[i];
    double n = size, m = MAX (service->mean_ns[size], LEAST_NS);
    double w = (double) MIN (service->n_runs[size], N_STEADY) / (m * m);
    sums.w += w;
    sums.n += w * n;
    sums.nn += w * n * n;
    sums.m += w * m;
    sums.nm += w * n * m;
  }
  return sums;
}

/* Where the best line has a negative part, the best one without it goes through the origin, or is
 * level. */
static void fit_line (WeirService *service)
{
  const Sums s = sum_up (service);
  service->fixed_ns = 0;
  service->per_item_ns = s.nm / s.nn;
  if (service->n_sizes < 2)
    return;
  double slope = (s.w * s.nm - s.n * s.m) / (s.w * s.nn - s.n * s.n);
  double fixed = (s.m - slope * s.n) / s.w;
  if (slope <= 0) {
    service->fixed_ns = s.m / s.w;
    service->per_item_ns = 0;
  } else if (fixed > 0) {
    service->fixed_ns = fixed;
    service->per_item_ns = slope;
  }
}

void weir_service_set (WeirService *service, uint32_t n, double mean_ns, uint32_t n_runs)
{
  g_return_if_fail (n >= 1 && n <= WEIR_MAX_BATCH && n_runs >= 1);
  if (!service->n_runs[n])
    service->sizes[service->n_sizes++] = (uint16_t) n;
  service->mean_ns[n] = mean_ns;
  service->n_runs[n] = n_runs;
  service->n_largest = MAX (service->n_largest, n);
  fit_line (service);
}

void weir_service_add (WeirService *service, uint32_t n, uint64_t ns)
{
  g_return_if_fail (n >= 1 && n <= WEIR_MAX_BATCH);
  double run_ns = (double) MIN (ns, WEIR_SERVICE_MAX_NS);
  double mean_ns = service->mean_ns[n];
  uint32_t n_runs = service->n_runs[n];
  bool is_anew = n_runs < N_STEADY && run_ns * STALL < mean_ns;
  if (n_runs == 0 || is_anew) {
    weir_service_set (service, n, run_ns, 1);
    return;
  }
  run_ns = MIN (run_ns, STALL * MAX (mean_ns, LEAST_NS));
  mean_ns += (run_ns - mean_ns) / (double) MIN (n_runs + 1, N_STEADY);
  weir_service_set (service, n, mean_ns, MIN (n_runs, G_MAXINT32) + 1);
}

uint64_t weir_service_ns (const WeirService *service, uint32_t n)
{
  if (n == 0)
    return 0;
  if (n <= WEIR_MAX_BATCH && service->n_runs[n] >= WEIR_SERVICE_N_OFTEN)
    return (uint64_t) service->mean_ns[n];
  return (uint64_t) (service->fixed_ns + service->per_item_ns * (double) n);
}

uint32_t weir_service_useful_batch (const WeirService *service, uint32_t n_max)
{
  double most_ns = (double) weir_service_ns (service, n_max);
  uint32_t n = 1;
  if (most_ns <= 0)
    return n_max;
  /* n / S(n) >= 0.9 n_max / S(n_max) */
  while (n < n_max && (double) n * most_ns < 0.9 * n_max * (double) weir_service_ns (service, n))
    n++;
  return n;
}

void weir_service_doubt (WeirService *service, uint32_t n)
{
  service->n_runs[n] = MIN (service->n_runs[n], 1);
}
