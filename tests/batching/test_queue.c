/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue's books under anything that can happen to it, in any order: its counters are those of
 * its tickets, nobody waits who could enter, nothing is lost, and a wait ends in the future. */
#include "engine/sched/queue.h"

#include "tests/must.h"
#include "tests/run_suite.h"

#define N_SCHEDULES 40
#define N_STEPS     4000
#define MAX_LANES   6
#define MAX_TICKETS 24
#define MAX_ITEMS   9
#define MAX_WORKERS 3
#define BATCH_MAX   8

typedef struct Job {
  WeirTicket ticket;
  uint64_t queued_ns[MAX_ITEMS];
  bool is_in;
  uint32_t n_running;
} Job;

typedef struct Worker {
  WeirTaken batch[WEIR_MAX_BATCH];
  uint32_t n;
} Worker;

typedef struct World {
  GRand *rand;
  WeirQueue queue;
  uint64_t now_ns;
  WeirLane lanes[MAX_LANES];
  Job jobs[MAX_TICKETS];
  Worker workers[MAX_WORKERS];
  uint32_t n_entered, n_pushed, n_over, n_batches;
} World;

static World *world; /* for `entered`, which is told no more than the ticket */

static uint32_t pick (uint32_t n)
{
  return (uint32_t) g_rand_int_range (world->rand, 0, (gint32) n);
}

static void entered (WeirTicket *ticket)
{
  must (ticket->n_admitted == ticket->n_items);
  world->n_entered++;
}

static void leave (WeirTicket *ticket)
{
  Job *job = (Job *) ticket;
  must (job->is_in && job->n_running == 0);
  job->is_in = false;
  world->n_over++;
}

static void push (void)
{
  Job *job = &world->jobs[pick (MAX_TICKETS)];
  WeirLane *lane = &world->lanes[pick (MAX_LANES)];
  if (job->is_in || lane->is_flushing)
    return;
  job->is_in = true;
  job->ticket =
      (WeirTicket){ .lane = lane, .n_items = 1 + pick (MAX_ITEMS), .queued_ns = job->queued_ns };
  world->n_pushed++;
  weir_queue_set_drained (&world->queue, lane, false, world->now_ns);
  weir_queue_push (&world->queue, &job->ticket, world->now_ns);
}

static void cancel (Job *job)
{
  if (job->is_in && weir_queue_cancel (&world->queue, &job->ticket, world->now_ns))
    leave (&job->ticket);
}

static void flush (WeirLane *lane)
{
  lane->is_flushing = !lane->is_flushing;
  weir_arrivals_break (&lane->arrivals);
  for (uint32_t i = 0; i < MAX_TICKETS && lane->is_flushing; i++)
    if (world->jobs[i].ticket.lane == lane)
      cancel (&world->jobs[i]);
  must (!lane->is_flushing || (!lane->first && !lane->last && !lane->waiting));
  weir_queue_admit (&world->queue, world->now_ns);
}

static void take (Worker *worker)
{
  uint64_t wake_ns = 0;
  if (worker->n)
    return;
  worker->n = weir_queue_take (&world->queue, worker->batch, world->now_ns, &wake_ns);
  must (worker->n || wake_ns > world->now_ns);
  must (worker->n <= BATCH_MAX);
  for (uint32_t i = 0; i < worker->n; i++)
    ((Job *) worker->batch[i].ticket)->n_running++;
  world->queue.n_idle -= worker->n > 0;
  world->n_batches += worker->n > 0;
}

static void finish (Worker *worker)
{
  if (worker->n == 0)
    return;
  for (uint32_t i = 0; i < worker->n; i++) {
    WeirTicket *ticket = worker->batch[i].ticket;
    ((Job *) ticket)->n_running--;
    if (weir_queue_finish (&world->queue, ticket, world->now_ns))
      leave (ticket);
  }
  worker->n = 0;
  world->queue.n_idle++;
  weir_queue_admit (&world->queue, world->now_ns);
}

static void change_limits (void)
{
  world->queue.num_requests = pick (3) ? 1 + pick (12) : 0;
  world->queue.batch_timeout_ms = (int32_t) pick (4) - 1;
  world->queue.batch_max = 1 + pick (BATCH_MAX);
  weir_queue_admit (&world->queue, world->now_ns);
}

static void step (void)
{
  uint32_t what = pick (100);
  world->now_ns += pick (400000);
  if (what < 35)
    push ();
  else if (what < 60)
    take (&world->workers[pick (MAX_WORKERS)]);
  else if (what < 80)
    finish (&world->workers[pick (MAX_WORKERS)]);
  else if (what < 90)
    cancel (&world->jobs[pick (MAX_TICKETS)]);
  else if (what < 94)
    flush (&world->lanes[pick (MAX_LANES)]);
  else if (what < 98)
    weir_queue_set_drained (
        &world->queue, &world->lanes[pick (MAX_LANES)], pick (2), world->now_ns);
  else
    change_limits ();
}

/* What the tickets say, against what the queue has counted. */
static void check_books (void)
{
  const WeirQueue *queue = &world->queue;
  uint32_t n_queued = 0, n_in_flight = 0, n_waiting = 0, n_active = 0;
  bool could_enter = false;
  for (uint32_t i = 0; i < MAX_LANES; i++) {
    const WeirLane *lane = &world->lanes[i];
    const WeirTicket *last = NULL;
    uint32_t n_own = 0;
    for (const WeirTicket *ticket = lane->first; ticket; last = ticket, ticket = ticket->next) {
      must (ticket->n_taken < ticket->n_items);
      n_own += ticket->n_admitted - ticket->n_taken;
      n_waiting += ticket->n_admitted < ticket->n_items;
    }
    ck_assert_ptr_eq (lane->last, last);
    must (lane->n_queued == n_own);
    could_enter |= lane->waiting && weir_queue_room (queue, lane) > 0;
    n_queued += n_own;
    n_in_flight += lane->n_in_flight;
    n_active += !lane->is_drained;
  }
  must (could_enter == (queue->held_ns != 0)); /* but who is held back for a moment */
  must (queue->n_queued == n_queued);
  must (queue->n_in_flight == n_in_flight);
  must (queue->n_waiting == n_waiting);
  must (queue->n_active == n_active);
}

static bool is_over (void)
{
  return world->n_over == world->n_pushed && world->queue.n_in_flight == 0;
}

START_TEST (test_queue_keeps_its_books)
{
  World w = { .rand = g_rand_new_with_seed ((guint32) _i), .now_ns = 1000000000 };
  uint64_t n_cuts = 0;
  world = &w;
  weir_queue_init (&w.queue);
  w.queue.entered = entered;
  w.queue.n_workers = w.queue.n_idle = MAX_WORKERS;
  w.queue.batch_max = BATCH_MAX;
  for (uint32_t n = 1; n <= 2; n++)
    weir_service_set (&w.queue.service, n, 4e5 + 1e5 * n, 8);
  for (uint32_t i = 0; i < MAX_LANES; i++)
    weir_queue_add_lane (&w.queue, &w.lanes[i]);
  for (uint32_t i = 0; i < N_STEPS; i++) {
    step ();
    check_books ();
  }
  for (uint32_t i = 0; i < N_STEPS && !is_over (); i++) {
    w.now_ns += 1000000;
    take (&w.workers[0]);
    for (uint32_t k = 0; k < MAX_WORKERS; k++)
      finish (&w.workers[k]);
    check_books ();
  }
  must (is_over ());
  must (w.n_entered > 0);
  for (uint32_t i = 0; i < WEIR_N_CUTS; i++)
    n_cuts += w.queue.n_cuts[i];
  must (n_cuts == w.n_batches);
  for (uint32_t i = 0; i < MAX_LANES; i++)
    weir_queue_remove_lane (&w.queue, &w.lanes[i], w.now_ns);
  must (w.queue.n_active == 0);
  weir_queue_clear (&w.queue);
  g_rand_free (w.rand);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("queue");
  TCase *tcase = tcase_create ("queue");
  tcase_add_loop_test (tcase, test_queue_keeps_its_books, 0, N_SCHEDULES);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
