/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting by marginal cost: wait for the next arrivals while what they save is worth more than what
 * the queued items lose. */
#include "engine/sched/policy.h"

/* What a ms of a saturated device is worth in ms of waiting items. With S(n) = 4 + n ms and eight
 * cameras of 30 frames a second it makes batches of three: 56 % of the device, done within 17 ms.
 */
#define WORTH 4.5
/* The wait that a bound without cameras allows: callers that wait for their results come back at
 * once. */
#define BOUND_NS 10000000u
/* Finishing early by so much makes up for late wake-ups. */
#define MARGIN_NS 200000u
/* What part of S(1) batching might save, before it is known. */
#define GUESS 0.8
/* Less than this cannot be waited for: a sleep takes as long. */
#define MIN_WORTH_NS 50e3

uint64_t weir_policy_bound_ns (uint64_t frame_ns, int32_t timeout_ms)
{
  uint64_t bound_ns = frame_ns == WEIR_NEVER_NS ? BOUND_NS : frame_ns / 2;
  return timeout_ms < 0 ? bound_ns : MIN (bound_ns, (uint64_t) timeout_ms * 1000000u);
}

/* The largest n in n_least..batch_max that takes most_ns. */
static uint32_t batch_within (const WeirSnapshot *s, uint32_t n_least, uint64_t most_ns)
{
  uint32_t n = n_least;
  while (n < s->batch_max && weir_service_ns (s->service, n + 1) <= most_ns)
    n++;
  return n;
}

uint32_t weir_policy_crowd_max (const WeirSnapshot *s, const WeirCrowd *crowd, uint64_t *wake_ns)
{
  uint64_t alone_ns = weir_service_ns (s->service, 1);
  if (crowd->frame_ns == WEIR_NEVER_NS || alone_ns == 0)
    return s->batch_max;
  if (crowd->n_quiet)
    return batch_within (s, MIN (crowd->n_lanes, s->batch_max),
        weir_service_ns (s->service, crowd->n_quiet) * 6 / 5);
  if (crowd->next.at_ns == WEIR_NEVER_NS)
    return s->batch_max;
  uint64_t gap_ns = crowd->next.at_ns - s->now_ns, end_ns = crowd->since_ns + s->bound_ns;
  bool is_only = s->n_idle_workers + s->n_busy_workers == 1;
  if (alone_ns <= gap_ns || !is_only || s->is_draining || crowd->next.at_ns >= end_ns)
    return batch_within (s, 1, gap_ns);
  *wake_ns = MIN (crowd->next.latest_ns, end_ns);
  return 0;
}

/* When the oldest item has waited long enough: its bound, and early enough to be done within about
 * half a camera's interval. */
static uint64_t deadline_of (const WeirSnapshot *s)
{
  uint64_t bound_ns = s->oldest_ns + s->bound_ns;
  uint64_t run_ns = weir_service_ns (s->service, MIN (s->n_queued, s->batch_max)) + MARGIN_NS;
  if (s->frame_ns == WEIR_NEVER_NS)
    return bound_ns;
  uint64_t due_ns = s->oldest_ns + s->frame_ns * 21 / 40;
  return MIN (bound_ns, due_ns > run_ns ? due_ns - run_ns : 0);
}

/* S(n) = a + c n as far as it is known: where only one size has ever run, a guess that makes it
 * worth waiting for a second one, which then tells. */
static void know (const WeirService *service, double *fixed_ns, double *per_item_ns)
{
  bool is_guess = service->n_sizes == 1;
  double alone_ns = (double) weir_service_ns (service, 1);
  *fixed_ns = is_guess ? GUESS * alone_ns : service->fixed_ns;
  *per_item_ns = is_guess ? (1 - GUESS) * alone_ns : service->per_item_ns;
}

/* Until when to wait for the next arrival; 0 where no number of arrivals is worth it. */
static uint64_t wait_until (const WeirSnapshot *s, uint64_t deadline_ns)
{
  double fixed_ns, per_item_ns, loss = 0, best = 0;
  uint64_t at_ns = s->now_ns;
  uint32_t n = s->n_queued;
  know (s->service, &fixed_ns, &per_item_ns);
  double share = fixed_ns / MAX (fixed_ns + per_item_ns, 1);
  double worth = WORTH * MIN (s->load, 1) * share * fixed_ns;
  if (worth < MIN_WORTH_NS)
    return 0;
  for (uint32_t k = 0; k < s->n_expected && n < s->batch_max; k++) {
    const WeirExpected *next = &s->expected[k];
    uint32_t n_more = MIN (next->n_items, s->batch_max - n);
    if (next->at_ns >= deadline_ns)
      break;
    loss += n * ((double) (next->at_ns - at_ns) + n_more * per_item_ns);
    at_ns = next->at_ns;
    n += n_more;
    best = MAX (best, (k + 1) * worth - loss);
  }
  return best > 0 ? MIN (s->expected[0].latest_ns, deadline_ns) : 0;
}

/* What a worker may take at most while others work. */
static uint32_t fair_share (const WeirSnapshot *s)
{
  uint32_t n_workers = s->n_idle_workers + s->n_busy_workers;
  return MAX ((s->n_queued + s->n_running - 1) / n_workers, 1);
}

WeirDecision weir_policy_decide (const WeirSnapshot *s)
{
  uint32_t share = (s->n_queued + s->n_idle_workers - 1) / s->n_idle_workers;
  WeirDecision decision = { .n = MIN (share, s->batch_max), .wake_ns = WEIR_NEVER_NS };
  uint64_t deadline_ns, wake_ns = 0;
  if (s->n_queued == 0)
    return decision;
  if (s->n_busy_workers && decision.n > fair_share (s))
    decision.n = fair_share (s);
  if (s->n_queued >= s->batch_max)
    decision.cut = WEIR_CUT_FULL;
  else if (s->is_draining)
    decision.cut = WEIR_CUT_DRAIN;
  else if (!s->can_grow)
    decision.cut = WEIR_CUT_COMPLETE;
  else if (s->bound_ns == 0)
    decision.cut = WEIR_CUT_IDLE;
  else if ((deadline_ns = deadline_of (s)) <= s->now_ns)
    decision.cut = WEIR_CUT_DEADLINE;
  else if ((wake_ns = wait_until (s, deadline_ns)) <= s->now_ns)
    decision.cut = WEIR_CUT_IDLE;
  else
    decision = (WeirDecision){ .wake_ns = wake_ns };
  return decision;
}
