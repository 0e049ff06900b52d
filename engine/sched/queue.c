/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes, tickets and turns. What a decision needs is gathered from the lanes each time: they are
 * few, and counters that are kept up to date by hand go wrong. */
#include "engine/sched/queue.h"

#include <math.h>

/* By how many items a lane that had nothing to do may then be ahead of the busiest one's share. */
#define MAX_CREDIT 8
/* By how many items a lane may be ahead of one that is about to come back, and how long it is then
 * held back at most. */
#define MAX_AHEAD   2
#define MAX_HOLD_NS 1000000u
/* More arrivals than this are not looked at: waiting for so many never pays. */
#define MAX_EXPECTED 32
/* Items a request, at most, of a quiet stream. */
#define QUIET_ITEMS 2

void weir_queue_init (WeirQueue *queue)
{
  *queue = (WeirQueue){
    .batch_max = 1, .batch_timeout_ms = -1, .n_workers = 1, .frame_ns = WEIR_NEVER_NS
  };
  queue->lanes = g_ptr_array_new ();
}

void weir_queue_clear (WeirQueue *queue)
{
  g_ptr_array_unref (queue->lanes);
}

static WeirLane *lane_at (const WeirQueue *queue, guint i)
{
  return queue->lanes->pdata[i];
}

void weir_queue_add_lane (WeirQueue *queue, WeirLane *lane)
{
  g_ptr_array_add (queue->lanes, lane);
  queue->n_active++;
}

void weir_queue_remove_lane (WeirQueue *queue, WeirLane *lane, uint64_t now_ns)
{
  g_ptr_array_remove (queue->lanes, lane);
  weir_queue_set_drained (queue, lane, true, now_ns);
}

void weir_queue_set_drained (WeirQueue *queue, WeirLane *lane, bool is_drained, uint64_t now_ns)
{
  if (is_drained == lane->is_drained)
    return;
  queue->n_active += is_drained ? -1u : 1u;
  lane->is_drained = is_drained;
  if (is_drained)
    weir_arrivals_break (&lane->arrivals);
  weir_queue_admit (queue, now_ns);
}

uint32_t weir_queue_batch_max (const WeirQueue *queue, const char *own, const char **reason)
{
  bool is_hint = queue->num_requests && queue->num_requests < queue->batch_max;
  *reason = is_hint ? "hint" : own;
  return is_hint ? queue->num_requests : queue->batch_max;
}

/* What options and memory allow. */
static uint32_t allowed_batch (const WeirQueue *queue)
{
  const char *reason;
  return weir_queue_batch_max (queue, NULL, &reason);
}

uint32_t weir_queue_target (const WeirQueue *queue)
{
  uint32_t n = allowed_batch (queue);
  return queue->is_adaptive ? weir_climb_best (&queue->climb, n) : n;
}

static uint32_t next_batch (const WeirQueue *queue)
{
  uint32_t n = allowed_batch (queue);
  return queue->is_adaptive ? weir_climb_next (&queue->climb, &queue->service, n) : n;
}

void weir_queue_learn (WeirQueue *queue, uint32_t n, uint64_t service_ns)
{
  if (service_ns)
    weir_service_add (&queue->service, n, service_ns);
  weir_climb_step (&queue->climb, &queue->service, allowed_batch (queue));
}

uint32_t weir_queue_limit (const WeirQueue *queue)
{
  return queue->num_requests ? queue->num_requests
                             : queue->n_workers * 2 * weir_queue_target (queue);
}

uint32_t weir_queue_lane_limit (const WeirQueue *queue, const WeirLane *lane)
{
  uint32_t n_active = MAX (queue->n_active, 1);
  uint32_t share = (weir_queue_limit (queue) + n_active - 1) / n_active;
  return lane->max_in_flight ? MIN (lane->max_in_flight, share) : share;
}

uint32_t weir_queue_room (const WeirQueue *queue, const WeirLane *lane)
{
  uint32_t limit = weir_queue_limit (queue), own = weir_queue_lane_limit (queue, lane);
  if (lane->is_flushing || queue->n_in_flight >= limit || lane->n_in_flight >= own)
    return 0;
  return MIN (limit - queue->n_in_flight, own - lane->n_in_flight);
}

static void admit_item (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns)
{
  ticket->queued_ns[ticket->n_admitted++] = now_ns;
  ticket->lane->n_queued++;
  ticket->lane->n_in_flight++;
  queue->n_queued++;
  queue->n_in_flight++;
}

/* Somebody who had less comes within moments, and others keep the workers busy until then: callers
 * that come back one after the other would else be served in that order for ever, the first ones
 * twice as often where batches are smaller than their number. */
static bool is_held_back (WeirQueue *queue, const WeirLane *lane, uint64_t now_ns)
{
  WeirExpected next;
  if (queue->n_queued == 0 || queue->batch_timeout_ms == 0)
    return false;
  for (guint i = 0; i < queue->lanes->len; i++) {
    const WeirLane *other = lane_at (queue, i);
    if (other->n_turns + MAX_AHEAD >= lane->n_turns || other->is_drained || other->is_flushing ||
        other->first || !weir_arrivals_expect (&other->arrivals, now_ns, &next) ||
        next.latest_ns > now_ns + MAX_HOLD_NS)
      continue;
    queue->held_ns = MAX (queue->held_ns, next.latest_ns);
    return true;
  }
  return false;
}

/* What the lane has had, and is about to have. */
static uint64_t turns_of (const WeirLane *lane)
{
  return lane->n_turns + lane->n_queued;
}

/* The lane that gets the next place: of those that wait for one and may have it the one that had
 * least, the next in turn among equals. */
static WeirLane *choose_waiting (WeirQueue *queue, uint64_t now_ns)
{
  WeirLane *chosen = NULL;
  guint n_lanes = queue->lanes->len, first = queue->next_admitted;
  for (guint k = 0; k < n_lanes; k++) {
    guint turn = (first + k) % n_lanes;
    WeirLane *lane = lane_at (queue, turn);
    if (!lane->waiting || !weir_queue_room (queue, lane) ||
        (chosen && turns_of (lane) >= turns_of (chosen)) || is_held_back (queue, lane, now_ns))
      continue;
    chosen = lane;
    queue->next_admitted = turn + 1;
  }
  return chosen;
}

void weir_queue_admit (WeirQueue *queue, uint64_t now_ns)
{
  WeirLane *lane;
  queue->held_ns = 0;
  while (queue->n_waiting && (lane = choose_waiting (queue, now_ns))) {
    WeirTicket *ticket = lane->waiting;
    admit_item (queue, ticket, now_ns);
    if (ticket->n_admitted < ticket->n_items)
      continue;
    lane->waiting = ticket->next;
    queue->n_waiting--;
    if (queue->entered)
      queue->entered (ticket);
  }
}

void weir_queue_push (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns)
{
  WeirLane *lane = ticket->lane;
  weir_arrivals_add (&lane->arrivals, now_ns, ticket->n_items, weir_queue_room (queue, lane) == 0);
  ticket->n_admitted = ticket->n_taken = 0;
  ticket->n_left = ticket->n_items;
  ticket->is_cancelled = false;
  ticket->next = NULL;
  if (lane->last)
    lane->last->next = ticket;
  else
    lane->first = ticket;
  lane->last = ticket;
  if (!lane->waiting)
    lane->waiting = ticket;
  queue->n_waiting++;
  weir_queue_admit (queue, now_ns);
}

/* Takes the ticket out of its lane's list, wherever it stands. */
static void unlink_ticket (WeirTicket *ticket)
{
  WeirLane *lane = ticket->lane;
  WeirTicket *before = NULL;
  for (WeirTicket *t = lane->first; t && t != ticket; t = t->next)
    before = t;
  if (before)
    before->next = ticket->next;
  else
    lane->first = ticket->next;
  if (lane->last == ticket)
    lane->last = before;
  if (lane->waiting == ticket)
    lane->waiting = ticket->next;
}

bool weir_queue_cancel (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns)
{
  WeirLane *lane = ticket->lane;
  uint32_t n_queued = ticket->n_admitted - ticket->n_taken;
  if (ticket->n_left == 0)
    return false;
  ticket->is_cancelled = true;
  if (ticket->n_taken == ticket->n_items)
    return false; /* all of it runs */
  queue->n_waiting -= ticket->n_admitted < ticket->n_items;
  ticket->n_left -= ticket->n_items - ticket->n_taken;
  lane->n_queued -= n_queued;
  lane->n_in_flight -= n_queued;
  queue->n_queued -= n_queued;
  queue->n_in_flight -= n_queued;
  unlink_ticket (ticket);
  ticket->n_taken = ticket->n_items;
  weir_queue_admit (queue, now_ns);
  return ticket->n_left == 0;
}

static void add_expected (WeirExpected *expected, uint32_t *n, const WeirExpected *next)
{
  uint32_t i = *n < MAX_EXPECTED ? (*n)++ : MAX_EXPECTED;
  if (i == MAX_EXPECTED && expected[--i].at_ns <= next->at_ns)
    return;
  for (; i > 0 && expected[i - 1].at_ns > next->at_ns; i--)
    expected[i] = expected[i - 1];
  expected[i] = *next;
}

/* What one decision needs to know. */
typedef struct View {
  WeirSnapshot s;
  WeirCrowd crowd;
  WeirExpected expected[MAX_EXPECTED];
  double quiet_load; /* see WeirSnapshot.load: of all but the crowds */
} View;

static void look_at_queued (View *view, const WeirLane *lane)
{
  const WeirTicket *ticket = lane->first;
  view->s.is_draining |= lane->is_drained;
  view->s.oldest_ns = MIN (view->s.oldest_ns, ticket->queued_ns[ticket->n_taken]);
  view->crowd.n_lanes++;
}

static void look_at_quiet (View *view, const WeirLane *lane, const WeirExpected *next)
{
  WeirCrowd *crowd = &view->crowd;
  crowd->frame_ns = MIN (crowd->frame_ns, (uint64_t) lane->arrivals.interval_ns.mean);
  crowd->n_quiet += lane->n_queued > 0;
  if (next && next->at_ns < crowd->next.at_ns)
    crowd->next = *next;
}

/* What the lane's requests cost where each ran alone: items of one request are together anyway. */
static double lane_load (const View *view, const WeirLane *lane)
{
  const WeirArrivals *arrivals = &lane->arrivals;
  double n_batches = ceil (arrivals->n_items.mean / view->s.batch_max);
  double n = arrivals->n_items.mean / fmax (n_batches, 1);
  return weir_arrivals_rate (arrivals, view->s.now_ns) * n_batches *
         (double) weir_service_ns (view->s.service, (uint32_t) (n + 0.5));
}

static void look_at_rhythm (View *view, const WeirLane *lane, bool can_add)
{
  const WeirArrivals *arrivals = &lane->arrivals;
  WeirSnapshot *s = &view->s;
  WeirExpected next;
  bool is_paced = weir_arrivals_is_paced (arrivals, s->now_ns);
  bool is_expected = can_add && weir_arrivals_expect (arrivals, s->now_ns, &next);
  double load = lane_load (view, lane);
  bool is_crowd = arrivals->n_items.mean >= QUIET_ITEMS;
  s->load += load;
  view->quiet_load += is_crowd ? 0 : load;
  if (is_expected)
    add_expected (view->expected, &s->n_expected, &next);
  if (!is_paced)
    return;
  s->frame_ns = MIN (s->frame_ns, (uint64_t) arrivals->interval_ns.mean);
  if (!is_crowd)
    look_at_quiet (view, lane, is_expected ? &next : NULL);
}

/* Where there are quiet cameras nobody waits for a crowd, of which little goes into a batch with
 * them, nor longer because of its load. */
static void forget_crowds (View *view)
{
  uint32_t n = 0;
  view->s.load = view->quiet_load;
  for (uint32_t i = 0; i < view->s.n_expected; i++)
    if (view->expected[i].n_items < QUIET_ITEMS)
      view->expected[n++] = view->expected[i];
  view->s.n_expected = n;
}

static void look_at_lanes (WeirQueue *queue, View *view)
{
  for (guint i = 0; i < queue->lanes->len; i++) {
    const WeirLane *lane = lane_at (queue, i);
    bool can_add = !lane->is_drained && weir_queue_room (queue, lane) > 0;
    if (lane->n_queued)
      look_at_queued (view, lane);
    view->s.can_grow |= can_add;
    look_at_rhythm (view, lane, can_add);
  }
  if (view->crowd.frame_ns != WEIR_NEVER_NS)
    forget_crowds (view);
  view->s.load /= queue->n_workers;
}

static void look (WeirQueue *queue, View *view, uint64_t now_ns)
{
  view->s = (WeirSnapshot){
    .n_queued = queue->n_queued,
    .n_idle_workers = MAX (queue->n_idle, 1),
    .n_running = queue->n_in_flight - queue->n_queued,
    .n_busy_workers = queue->n_workers - MIN (queue->n_idle, queue->n_workers),
    .batch_max = next_batch (queue),
    .now_ns = now_ns,
    .oldest_ns = now_ns,
    .frame_ns = WEIR_NEVER_NS,
    .service = &queue->service,
    .expected = view->expected,
  };
  view->quiet_load = 0;
  view->crowd = (WeirCrowd){ .since_ns = queue->waits_ns ? queue->waits_ns : now_ns,
    .frame_ns = WEIR_NEVER_NS,
    .next = { WEIR_NEVER_NS, WEIR_NEVER_NS } };
  look_at_lanes (queue, view);
  view->s.bound_ns = weir_policy_bound_ns (view->s.frame_ns, queue->batch_timeout_ms);
  queue->frame_ns = view->s.frame_ns;
  queue->bound_ns = view->s.bound_ns;
}

/* The lane with queued items that has had the fewest of late, the next in turn among equals: a lane
 * whose items ran in small batches, and so came back sooner, lets the others pass. no_crowd: only
 * lanes that have nothing in this batch yet. */
static WeirLane *choose_lane (WeirQueue *queue, bool no_crowd)
{
  WeirLane *chosen = NULL;
  guint n_lanes = queue->lanes->len, first = queue->next_taken;
  for (guint k = 0; k < n_lanes; k++) {
    guint turn = (first + k) % n_lanes;
    WeirLane *lane = lane_at (queue, turn);
    if (!lane->n_queued || (no_crowd && lane->n_in_batch) ||
        (chosen && lane->n_turns >= chosen->n_turns))
      continue;
    chosen = lane;
    queue->next_taken = turn + 1;
  }
  return chosen;
}

static WeirTaken take_one (WeirQueue *queue, WeirLane *lane)
{
  WeirTicket *ticket = lane->first;
  WeirTaken taken = { ticket, ticket->n_taken++ }; /* items are admitted in order */
  lane->n_queued--;
  lane->n_in_batch++;
  queue->n_queued--;
  if (queue->n_turns > lane->n_turns + MAX_CREDIT)
    lane->n_turns = queue->n_turns - MAX_CREDIT;
  lane->n_turns++;
  queue->n_turns = MAX (queue->n_turns, lane->n_turns);
  if (ticket->n_taken == ticket->n_items) {
    lane->first = ticket->next;
    if (!lane->first)
      lane->last = NULL;
  }
  return taken;
}

static uint32_t take_items (
    WeirQueue *queue, uint32_t n_wanted, uint32_t crowd_max, WeirTaken *batch)
{
  WeirLane *lane;
  uint32_t n = 0;
  for (guint i = 0; i < queue->lanes->len; i++)
    lane_at (queue, i)->n_in_batch = 0;
  while (n < n_wanted && (lane = choose_lane (queue, n >= crowd_max)))
    batch[n++] = take_one (queue, lane);
  return n;
}

uint32_t weir_queue_take (WeirQueue *queue, WeirTaken *batch, uint64_t now_ns, uint64_t *wake_ns)
{
  View view;
  *wake_ns = WEIR_NEVER_NS;
  if (queue->held_ns)
    weir_queue_admit (queue, now_ns);
  if (queue->n_queued == 0) {
    queue->waits_ns = 0;
    return 0;
  }
  look (queue, &view, now_ns);
  WeirDecision decision = weir_policy_decide (&view.s);
  uint32_t crowd_max =
      decision.n ? weir_policy_crowd_max (&view.s, &view.crowd, &decision.wake_ns) : 0;
  queue->waits_ns = crowd_max ? 0 : view.crowd.since_ns;
  if (crowd_max == 0) {
    *wake_ns = queue->held_ns ? MIN (decision.wake_ns, queue->held_ns) : decision.wake_ns;
    return 0;
  }
  queue->n_cuts[decision.cut]++;
  uint32_t n = take_items (queue, decision.n, crowd_max, batch);
  if (queue->held_ns)
    weir_queue_admit (queue, now_ns); /* nobody is held back by an empty queue */
  return n;
}

bool weir_queue_finish (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns)
{
  queue->n_in_flight--;
  ticket->lane->n_in_flight--;
  if (--ticket->n_left)
    return false;
  weir_arrivals_end (&ticket->lane->arrivals, now_ns);
  return true;
}
