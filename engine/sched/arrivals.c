/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Means forget with 1/8 a sample, as TCP's estimate of the round trip does (RFC 6298). */
#include "engine/sched/arrivals.h"

#include <glib.h>
#include <math.h>

#define WEIGHT      0.125
#define MIN_SAMPLES 4
/* How long a stream may be away before its rhythm counts for nothing, in intervals. */
#define MAX_MISSED 3
/* Threads wake up late by so much: callers whom a result wakes, cameras that a clock does. */
#define WAKE_NS  100e3
#define SLEEP_NS 1e6

static void add_sample (WeirDrift *drift, double value)
{
  double error = value - drift->mean;
  if (drift->n == 0)
    *drift = (WeirDrift){ .mean = value, .spread = value / 2, .n = 1 };
  else {
    double weight = drift->n < MIN_SAMPLES ? 1.0 / (drift->n + 1) : WEIGHT;
    drift->mean += weight * error;
    drift->spread += weight * (fabs (error) - drift->spread);
    drift->n += drift->n < MIN_SAMPLES;
  }
}

/* What was left out (a skipped frame, a full queue) does not make the rhythm slower; but what keeps
 * being longer is the rhythm. */
static void add_interval (WeirArrivals *arrivals, double ns)
{
  WeirDrift *interval = &arrivals->interval_ns;
  bool is_long = interval->n >= MIN_SAMPLES && ns > 1.5 * interval->mean;
  arrivals->n_long = is_long ? arrivals->n_long + 1 : 0;
  if (arrivals->n_long >= MIN_SAMPLES)
    *interval = (WeirDrift){ .n = 0 };
  if (!is_long || arrivals->n_long >= MIN_SAMPLES)
    add_sample (interval, ns);
}

void weir_arrivals_add (WeirArrivals *arrivals, uint64_t now_ns, uint32_t n_items, bool is_blocked)
{
  if (arrivals->last_ns)
    add_interval (arrivals, (double) (now_ns - arrivals->last_ns));
  if (arrivals->done_ns)
    add_sample (&arrivals->after_ns, (double) (now_ns - arrivals->done_ns));
  add_sample (&arrivals->n_items, n_items);
  add_sample (&arrivals->is_blocked, is_blocked);
  arrivals->last_ns = now_ns;
}

void weir_arrivals_end (WeirArrivals *arrivals, uint64_t now_ns)
{
  if (arrivals->last_ns) /* else it ended what a break has cut off */
    arrivals->done_ns = now_ns;
}

void weir_arrivals_break (WeirArrivals *arrivals)
{
  arrivals->last_ns = arrivals->done_ns = 0;
}

static double tolerance (const WeirDrift *drift, double wake_ns)
{
  return 2 * drift->spread + wake_ns;
}

static bool expect_at (double at_ns, double late_ns, uint64_t now_ns, WeirExpected *expected)
{
  if (at_ns + late_ns <= (double) now_ns)
    return false;
  expected->at_ns = at_ns > (double) now_ns ? (uint64_t) at_ns : now_ns;
  expected->latest_ns = MAX ((uint64_t) (at_ns + late_ns), now_ns + 1);
  return true;
}

static bool expect_by_rhythm (const WeirArrivals *arrivals, uint64_t now_ns, WeirExpected *expected)
{
  const WeirDrift *interval = &arrivals->interval_ns;
  double away_ns = (double) (now_ns - arrivals->last_ns), late_ns = tolerance (interval, SLEEP_NS);
  if (interval->n < MIN_SAMPLES || interval->spread > interval->mean / 2 ||
      away_ns > MAX_MISSED * interval->mean + late_ns)
    return false;
  double n_periods = fmax (ceil ((away_ns - late_ns) / interval->mean), 1);
  return expect_at (
      (double) arrivals->last_ns + n_periods * interval->mean, late_ns, now_ns, expected);
}

/* Who waits for results comes only once one has come. */
static bool expect_after_end (const WeirArrivals *arrivals, uint64_t now_ns, WeirExpected *expected)
{
  const WeirDrift *after = &arrivals->after_ns;
  if (arrivals->done_ns <= arrivals->last_ns || after->n < MIN_SAMPLES)
    return false;
  return expect_at (
      (double) arrivals->done_ns + after->mean, tolerance (after, WAKE_NS), now_ns, expected);
}

bool weir_arrivals_expect (const WeirArrivals *arrivals, uint64_t now_ns, WeirExpected *expected)
{
  bool follows = arrivals->after_ns.n >= MIN_SAMPLES &&
                 arrivals->after_ns.spread < arrivals->interval_ns.spread / 2;
  if (!arrivals->last_ns)
    return false;
  expected->n_items = (uint32_t) (arrivals->n_items.mean + 0.5);
  if (follows && !weir_arrivals_is_paced (arrivals, now_ns))
    return expect_after_end (arrivals, now_ns, expected);
  return expect_by_rhythm (arrivals, now_ns, expected);
}

/* A caller that waits for its results comes back within a small part of its interval. */
bool weir_arrivals_is_paced (const WeirArrivals *arrivals, uint64_t now_ns)
{
  const WeirDrift *interval = &arrivals->interval_ns;
  return arrivals->last_ns && interval->n >= MIN_SAMPLES && interval->spread < interval->mean / 4 &&
         arrivals->after_ns.mean > interval->mean / 8 && arrivals->is_blocked.mean < 0.5 &&
         (double) (now_ns - arrivals->last_ns) < MAX_MISSED * interval->mean;
}

double weir_arrivals_rate (const WeirArrivals *arrivals, uint64_t now_ns)
{
  if (arrivals->interval_ns.n == 0 || !arrivals->last_ns)
    return 0;
  double away_ns = (double) (now_ns - arrivals->last_ns);
  return 1 / fmax (fmax (arrivals->interval_ns.mean, away_ns), 1);
}
