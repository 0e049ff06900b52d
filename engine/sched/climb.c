/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hill climbing over batch sizes, by factors of two.
 *
 * Times change with what else runs: at the start everything does. So sizes beside a new best one
 * are measured anew, by every second batch; then they have a trial now and then. */
#include "engine/sched/climb.h"

/* Batches from one trial to the next; before as many have run trials are more frequent. */
#define N_BETWEEN 32
/* A larger size must give so many times the items per second, for it costs latency and memory. */
#define GAIN 1.05

static bool is_known (const WeirService *service, uint32_t n)
{
  return service->n_runs[n] >= WEIR_SERVICE_N_OFTEN;
}

/* Items per nanosecond. */
static double rate_of (const WeirService *service, uint32_t n)
{
  return n / MAX (service->mean_ns[n], 1);
}

uint32_t weir_climb_best (const WeirClimb *climb, uint32_t n_max)
{
  return CLAMP (climb->n, 1, n_max);
}

static uint32_t smaller (uint32_t n)
{
  return MAX (n / 2, 1);
}

uint32_t weir_climb_next (const WeirClimb *climb, const WeirService *service, uint32_t n_max)
{
  uint32_t n = weir_climb_best (climb, n_max), larger = MIN (2 * n, n_max);
  uint32_t period = climb->n_batches < N_BETWEEN ? 2 : N_BETWEEN;
  if (!is_known (service, n) || (climb->n_batches + 1) % period)
    return n;
  return climb->n_batches / period % 2 ? smaller (n) : larger;
}

/* The largest above n, up to twice n, that is known: there may not be items enough for more. n:
 * none is. */
static uint32_t known_above (const WeirService *service, uint32_t n, uint32_t n_max)
{
  uint32_t larger = MIN (2 * n, n_max);
  while (larger > n && !is_known (service, larger))
    larger--;
  return larger;
}

static void move (WeirClimb *climb, WeirService *service, uint32_t n, uint32_t n_max)
{
  *climb = (WeirClimb){ .n = n };
  weir_service_doubt (service, smaller (n));
  for (uint32_t larger = n + 1; larger <= MIN (2 * n, n_max); larger++)
    weir_service_doubt (service, larger);
}

void weir_climb_step (WeirClimb *climb, WeirService *service, uint32_t n_max)
{
  uint32_t n = weir_climb_best (climb, n_max), less = smaller (n);
  climb->n_batches++;
  if (!is_known (service, n))
    return;
  uint32_t more = known_above (service, n, n_max);
  if (rate_of (service, more) > GAIN * rate_of (service, n))
    move (climb, service, more, n_max);
  else if (less < n && is_known (service, less) &&
           rate_of (service, n) < GAIN * rate_of (service, less))
    move (climb, service, less, n_max);
}
