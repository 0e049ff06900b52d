/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boards on which runs offer parts of their steps, and the threads that look at them.
 *
 * A board's ticket holds the number of the offer, the next part and how many there are. A part is
 * taken by counting the ticket up; that succeeds only while the offer is the one whose body and
 * job were read before. The worker goes on when as many parts are done as there are.
 *
 * Threads that found nothing look again for SPIN_NS and then sleep: a network's steps follow each
 * other within microseconds, and waking a core that sleeps takes some tens of them. The worker
 * spins as long for the last part of another thread, then sleeps, so that a thread that has lost
 * its core gets this one. A worker whose last batch was shared out wakes them as soon as it begins
 * the next. With as many runs as cores, or none, nobody spins. */
#include "engine/cpu/cpu_crew.h"

#include "engine/base/cores.h"
#include "engine/base/sync.h"
#include "engine/cpu/cpu.h"

#include <stdatomic.h>

#define MAX_BOARDS 64
#define SPIN_NS    50000u
/* Looks between two looks at the clock. */
#define N_LOOKS     16

#define PART_BITS   8
#define PART_MASK   ((UINT64_C (1) << PART_BITS) - 1)
#define NEXT_PART   (UINT64_C (1) << PART_BITS)
#define NEXT_OFFER  (UINT64_C (1) << 2 * PART_BITS)
#define CACHE_LINES 128

typedef void (*BodyFn) (const void *job, uint32_t part);

/* What one run offers. On cache lines of its own. */
typedef struct Board {
  _Alignas(CACHE_LINES) _Atomic uint64_t ticket; /* offer, next part, parts */
  _Atomic (BodyFn) body;
  _Atomic (const void *) job;
  _Alignas(CACHE_LINES) _Atomic uint32_t n_done;
  atomic_bool is_awaited; /* the worker sleeps until the last part is done */
  _Atomic uint64_t helped_ns;
  atomic_bool is_taken; /* by a run */
} Board;

_Static_assert(WEIR_CPU_MAX_PARTS <= PART_MASK, "a part's number fits the ticket");

static struct {
  WeirMutex lock;
  WeirCond work, done; /* an offer came; an offer's last part is done */
  uint32_t n_refs;     /* [life_lock] */
  uint32_t n_threads;  /* since the first ref: constant, as the next two */
  pthread_t threads[MAX_BOARDS];
  atomic_bool is_stopping;
  _Atomic uint32_t n_cores, n_runs, n_asleep;
  Board boards[MAX_BOARDS];
} crew = { .lock = PTHREAD_MUTEX_INITIALIZER,
  .work = PTHREAD_COND_INITIALIZER,
  .done = PTHREAD_COND_INITIALIZER };

/* Held while threads start and stop; those that stop need the other lock. */
static WeirMutex life_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local Board *own_board;
static _Thread_local bool has_offered; /* in the batch at hand, or the last one */

static void relax (void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause ();
#endif
}

static uint32_t next_part (uint64_t ticket)
{
  return (uint32_t) (ticket >> PART_BITS & PART_MASK);
}

static uint32_t count_parts (uint64_t ticket)
{
  return (uint32_t) (ticket & PART_MASK);
}

static bool is_offering (Board *board)
{
  uint64_t ticket = atomic_load (&board->ticket);
  return next_part (ticket) < count_parts (ticket);
}

/* True where a core is left beside those that run batches, and somebody runs one. */
static bool is_core_idle (void)
{
  uint32_t n_runs = atomic_load (&crew.n_runs);
  return n_runs > 0 && n_runs < atomic_load (&crew.n_cores);
}

/* True where as many threads that are awake and runs fit on the cores. */
static bool is_room_for_awake (void)
{
  uint32_t n_runs = atomic_load (&crew.n_runs);
  return n_runs > 0 &&
         crew.n_threads + n_runs <= atomic_load (&crew.n_cores) + atomic_load (&crew.n_asleep);
}

/* Takes a part and runs it. False: there is none. */
static bool run_part (Board *board, bool is_helper)
{
  uint64_t ticket = atomic_load (&board->ticket);
  while (next_part (ticket) < count_parts (ticket)) {
    BodyFn body = atomic_load_explicit (&board->body, memory_order_relaxed);
    const void *job = atomic_load_explicit (&board->job, memory_order_relaxed);
    if (!atomic_compare_exchange_weak (&board->ticket, &ticket, ticket + NEXT_PART))
      continue;
    uint64_t start_ns = is_helper ? weir_now_ns () : 0;
    body (job, next_part (ticket));
    if (is_helper)
      atomic_fetch_add (&board->helped_ns, weir_now_ns () - start_ns);
    if (atomic_fetch_add (&board->n_done, 1) + 1 == count_parts (ticket) &&
        atomic_load (&board->is_awaited)) {
      weir_mutex_lock (&crew.lock);
      weir_cond_broadcast (&crew.done);
      weir_mutex_unlock (&crew.lock);
    }
    return true;
  }
  return false;
}

static bool help_somebody (void)
{
  uint32_t n_boards = MIN (atomic_load (&crew.n_cores), MAX_BOARDS);
  for (uint32_t i = 0; i < n_boards; i++)
    if (run_part (&crew.boards[i], true))
      return true;
  return false;
}

static bool has_offer (void)
{
  for (uint32_t i = 0; i < MAX_BOARDS; i++)
    if (is_offering (&crew.boards[i]))
      return true;
  return false;
}

/* Until nothing has come for a while, or the cores are needed for runs. */
static void help_while_needed (void)
{
  uint64_t end_ns = weir_now_ns () + SPIN_NS;
  for (uint32_t i = 1; is_room_for_awake (); i++) {
    if (help_somebody ())
      end_ns = weir_now_ns () + SPIN_NS;
    else if (i % N_LOOKS == 0 && weir_now_ns () >= end_ns)
      return;
    else
      relax ();
  }
}

static void *help (void *unused)
{
  weir_cpu_thread_enter ();
  weir_mutex_lock (&crew.lock);
  while (!atomic_load (&crew.is_stopping)) {
    atomic_fetch_add (&crew.n_asleep, 1);
    if (!has_offer ())
      weir_cond_wait (&crew.work, &crew.lock);
    atomic_fetch_sub (&crew.n_asleep, 1);
    weir_mutex_unlock (&crew.lock);
    help_while_needed ();
    weir_mutex_lock (&crew.lock);
  }
  weir_mutex_unlock (&crew.lock);
  return NULL;
}

/* Fewer threads than wanted are no error: what they would have done the workers do. */
static void start_threads (void)
{
  uint32_t n_cores = MIN (weir_n_cores (), MAX_BOARDS);
  atomic_store (&crew.n_cores, n_cores);
  atomic_store (&crew.is_stopping, false);
  crew.n_threads = 0;
  while (crew.n_threads + 1 < n_cores &&
         pthread_create (&crew.threads[crew.n_threads], NULL, help, NULL) == 0)
    crew.n_threads++;
}

static void stop_threads (void)
{
  weir_mutex_lock (&crew.lock);
  atomic_store (&crew.is_stopping, true);
  weir_cond_broadcast (&crew.work);
  weir_mutex_unlock (&crew.lock);
  for (uint32_t i = 0; i < crew.n_threads; i++)
    pthread_join (crew.threads[i], NULL);
}

void weir_cpu_crew_ref (void)
{
  weir_mutex_lock (&life_lock);
  if (crew.n_refs++ == 0)
    start_threads ();
  weir_mutex_unlock (&life_lock);
}

void weir_cpu_crew_unref (void)
{
  weir_mutex_lock (&life_lock);
  if (--crew.n_refs == 0)
    stop_threads ();
  weir_mutex_unlock (&life_lock);
}

static void wake (uint32_t n_wanted)
{
  if (atomic_load (&crew.n_asleep) == 0)
    return;
  weir_mutex_lock (&crew.lock);
  uint32_t n_asleep = atomic_load (&crew.n_asleep);
  for (uint32_t i = 0; i < n_wanted && i < n_asleep; i++)
    weir_cond_signal (&crew.work);
  weir_mutex_unlock (&crew.lock);
}

/* Threads wake while the batch is written, if it may be like the one before. */
void weir_cpu_crew_begin (void)
{
  uint32_t n_runs = atomic_fetch_add (&crew.n_runs, 1) + 1;
  uint32_t n_boards = MIN (atomic_load (&crew.n_cores), MAX_BOARDS);
  if (n_runs >= atomic_load (&crew.n_cores))
    return;
  for (uint32_t i = 0; i < n_boards && !own_board; i++)
    if (!atomic_exchange (&crew.boards[i].is_taken, true))
      own_board = &crew.boards[i];
  if (!own_board)
    return;
  atomic_store (&own_board->helped_ns, 0);
  if (has_offered)
    wake (crew.n_threads);
  has_offered = false;
}

uint64_t weir_cpu_crew_end (void)
{
  Board *board = own_board;
  uint64_t helped_ns = board ? atomic_load (&board->helped_ns) : 0;
  own_board = NULL;
  if (board)
    atomic_store (&board->is_taken, false);
  atomic_fetch_sub (&crew.n_runs, 1);
  return helped_ns;
}

bool weir_cpu_crew_helps (void)
{
  return own_board && is_core_idle ();
}

static void offer (Board *board, uint32_t n_parts, BodyFn body, const void *job)
{
  uint64_t ticket = atomic_load_explicit (&board->ticket, memory_order_relaxed);
  atomic_store_explicit (&board->body, body, memory_order_relaxed);
  atomic_store_explicit (&board->job, job, memory_order_relaxed);
  atomic_store_explicit (&board->n_done, 0, memory_order_relaxed);
  atomic_store (&board->ticket, ((ticket | (NEXT_OFFER - 1)) + 1) | n_parts);
  has_offered = true;
  wake (n_parts - 1);
}

static bool is_done (Board *board, uint32_t n_parts)
{
  return atomic_load (&board->n_done) == n_parts;
}

static void await_done (Board *board, uint32_t n_parts)
{
  uint64_t end_ns = 0;
  for (uint32_t i = 1; !is_done (board, n_parts); i++) {
    relax ();
    if (i % N_LOOKS)
      continue;
    uint64_t now_ns = weir_now_ns ();
    if (end_ns == 0)
      end_ns = now_ns + SPIN_NS;
    else if (now_ns >= end_ns)
      break;
  }
  if (is_done (board, n_parts))
    return;
  weir_mutex_lock (&crew.lock);
  atomic_store (&board->is_awaited, true);
  while (!is_done (board, n_parts))
    weir_cond_wait (&crew.done, &crew.lock);
  atomic_store (&board->is_awaited, false);
  weir_mutex_unlock (&crew.lock);
}

void weir_cpu_crew_run (uint32_t n_parts, BodyFn body, const void *job)
{
  Board *board = own_board;
  if (n_parts < 2 || !weir_cpu_crew_helps ()) {
    for (uint32_t i = 0; i < n_parts; i++)
      body (job, i);
    return;
  }
  offer (board, n_parts, body, job);
  while (run_part (board, false))
    ;
  await_done (board, n_parts);
}
