/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers: each takes a batch, writes its rows, runs the plan for exactly that n, reads the rows.
 *
 * A worker's slots of different n share one block of memory, since only one of them runs at a time.
 */
#include "engine/sched/calibrate.h"

#include <stdlib.h>

/* What became of a batch. */
typedef struct WeirRun {
  uint32_t n_run;                 /* items that ran together, and well */
  uint32_t n_retried;             /* that did not, and ran again: one by one, or elsewhere */
  uint32_t n_left;                /* the last ones: the device cannot be used any more */
  uint64_t service_ns, helped_ns; /* helped: what other threads computed of it */
} WeirRun;

static void free_slots (WeirWorker *worker)
{
  for (uint32_t n = 0; n <= WEIR_MAX_BATCH; n++)
    g_clear_pointer (&worker->slots[n], weir_slot_free);
  weir_worker_close_pictures (worker);
}

static bool grow_block (WeirWorker *worker, size_t n_bytes, GError **error)
{
  if (n_bytes <= worker->block_bytes)
    return true;
  free_slots (worker);
  free (worker->block);
  worker->block = aligned_alloc (64, n_bytes);
  weir_mutex_lock (&worker->session->lock);
  worker->block_bytes = worker->block ? n_bytes : 0;
  weir_mutex_unlock (&worker->session->lock);
  if (worker->block)
    return true;
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for %zu bytes of activations", n_bytes);
  return false;
}

void weir_worker_open (WeirWorker *worker)
{
  const WeirModel *model = worker->session->model;
  worker->site = weir_session_ref_site (worker->session);
  if (model->has_picture)
    worker->pre = weir_pre_new (&model->input);
  if (!worker->site->target)
    return;
  weir_target_enter_thread (worker->site->target);
  weir_worker_open_pictures (worker);
}

void weir_worker_close (WeirWorker *worker)
{
  free_slots (worker);
  free (worker->block);
  worker->block = NULL;
  if (worker->device_memory)
    weir_target_device_memory_free (worker->site->target, worker->device_memory);
  worker->device_memory = NULL;
  weir_mutex_lock (&worker->session->lock);
  worker->block_bytes = worker->device_bytes = 0;
  weir_mutex_unlock (&worker->session->lock);
  g_clear_pointer (&worker->pre, weir_pre_free);
  g_clear_pointer (&worker->site, weir_site_unref);
}

/* In memory of the device's own, where the plan needs more of it than there is. */
static bool grow_device_memory (WeirWorker *worker, const WeirPlan *plan, GError **error)
{
  WeirSession *session = worker->session;
  size_t n_bytes = weir_plan_device_bytes (plan);
  if (n_bytes <= worker->device_bytes)
    return true;
  free_slots (worker);
  weir_target_device_memory_free (worker->site->target, worker->device_memory);
  worker->device_memory = weir_plan_device_memory_new (plan, error);
  weir_mutex_lock (&session->lock);
  worker->device_bytes = worker->device_memory ? n_bytes : 0;
  weir_mutex_unlock (&session->lock);
  return worker->device_memory != NULL;
}

static WeirSlot *make_slot (WeirWorker *worker, uint32_t n, GError **error)
{
  WeirPlan *plan = weir_site_plan (worker->site, n, error);
  if (!plan || !grow_block (worker, weir_plan_slot_bytes (plan), error) ||
      !grow_device_memory (worker, plan, error))
    return NULL;
  return weir_slot_new_in (plan, worker->block, worker->device_memory, error);
}

/* A batch of n cannot be had: from now on at most half of it is taken. */
static void lower_batch_max (WeirSession *session, uint32_t n, const GError *error)
{
  const char *reason = g_error_matches (error, WEIR_ERROR, WEIR_ERROR_MEMORY) ? "memory" : "device";
  uint32_t half = MAX (n / 2, 1);
  weir_mutex_lock (&session->lock);
  bool is_lower = half < session->queue.batch_max;
  if (is_lower) {
    session->queue.batch_max = half;
    session->batch_max_reason = reason;
  }
  weir_mutex_unlock (&session->lock);
  if (is_lower)
    g_warning ("%s: batches of %u fail, at most %u from now on: %s", session->model->path, n, half,
        error->message);
}

/* Whether what failed with a batch of n can be had no more, or never will be, of this device: it is
 * lost, others have given it up, or it has no memory for one item and there is another device. */
static bool is_given_up (const WeirWorker *worker, uint32_t n, const GError *error)
{
  WeirSession *session = worker->session;
  weir_mutex_lock (&session->lock);
  bool is_moving = session->is_moving, has_next = session->n_tried < session->n_candidates;
  weir_mutex_unlock (&session->lock);
  return is_moving || weir_target_health (worker->site->target) == WEIR_HEALTH_LOST ||
         (n == 1 && has_next && g_error_matches (error, WEIR_ERROR, WEIR_ERROR_MEMORY));
}

/* The worker's slot for n, made where it is not there; smaller batches from then on where it cannot
 * be. */
static WeirSlot *slot_for (WeirWorker *worker, uint32_t n, GError **error)
{
  GError *failure = NULL;
  if (worker->slots[n])
    return worker->slots[n];
  worker->is_warm = false;
  worker->slots[n] = make_slot (worker, n, &failure);
  if (failure && !is_given_up (worker, n, failure))
    lower_batch_max (worker->session, n, failure);
  if (failure)
    g_propagate_error (error, failure);
  return worker->slots[n];
}

static void fail_item (const WeirTaken *taken, GError *error)
{
  WeirItem *item = weir_request_item (weir_taken_request (taken), taken->item);
  item->error = error;
  item->result.status = WEIR_STATUS_FAILED;
  item->result.reason = error->message;
}

/* Drops items that cannot be written (a bad region fails alone); the others are moved up. */
static uint32_t check_items (WeirTaken *batch, uint32_t n)
{
  uint32_t n_good = 0;
  for (uint32_t i = 0; i < n; i++) {
    WeirRequest *request = weir_taken_request (&batch[i]);
    GError *error = NULL;
    if (request->has_frame &&
        !weir_pre_check (&request->frame,
            &g_array_index (request->regions, WeirRegion, batch[i].item), &error)) {
      fail_item (&batch[i], error);
      continue;
    }
    WeirTaken good = batch[i];
    batch[i] = batch[n_good];
    batch[n_good++] = good;
  }
  return n_good;
}

static bool run_together (WeirWorker *worker, const WeirTaken *batch, uint32_t n, GError **error)
{
  WeirSlot *slot = slot_for (worker, n, error);
  if (!slot)
    return false;
  if (!weir_rows_write (worker, slot, batch, n, error))
    return false;
  if (!weir_slot_run (slot, error))
    return false;
  for (uint32_t i = 0; i < n; i++) {
    GError *item_error = NULL;
    if (!weir_rows_read (
            worker, slot, n, weir_taken_request (&batch[i]), batch[i].item, i, &item_error))
      fail_item (&batch[i], item_error);
  }
  return true;
}

/* Items that have to run elsewhere: that is remembered, and why. */
static bool give_up (WeirWorker *worker, uint32_t n, GError **error)
{
  if (!is_given_up (worker, n, *error))
    return false;
  g_clear_error (&worker->failure);
  worker->failure = g_steal_pointer (error);
  return true;
}

static WeirRun run_singly (WeirWorker *worker, const WeirTaken *batch, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    GError *error = NULL;
    if (run_together (worker, &batch[i], 1, &error))
      continue;
    if (give_up (worker, 1, &error))
      return (WeirRun){ .n_retried = i, .n_left = n - i };
    fail_item (&batch[i], error);
  }
  return (WeirRun){ .n_retried = n };
}

static WeirRun fail_all (const WeirTaken *batch, uint32_t n, const GError *error)
{
  for (uint32_t i = 0; i < n; i++)
    fail_item (&batch[i], g_error_copy (error));
  return (WeirRun){ 0 };
}

/* A batch that fails is tried again item by item, once, so that only the bad one fails; one item
 * where it may be the device's fault. */
static WeirRun run_batch (WeirWorker *worker, const WeirTaken *batch, uint32_t n)
{
  g_autoptr (GError) error = NULL;
  if (worker->site->failure)
    return fail_all (batch, n, worker->site->failure);
  if (n == 0 || run_together (worker, batch, n, &error))
    return (WeirRun){ .n_run = n };
  if (give_up (worker, n, &error))
    return (WeirRun){ .n_left = n };
  if (n > 1 || weir_target_health (worker->site->target) == WEIR_HEALTH_DOUBTFUL)
    return run_singly (worker, batch, n);
  fail_item (&batch[0], g_steal_pointer (&error));
  return (WeirRun){ 0 };
}

static WeirRun run_timed (WeirWorker *worker, const WeirTaken *batch, uint32_t n)
{
  WeirTarget *target = worker->site->target;
  uint64_t start_ns = weir_now_ns (), helped_ns = 0;
  if (target)
    weir_target_begin_batch (target);
  WeirRun run = run_batch (worker, batch, n);
  if (target)
    helped_ns = weir_target_end_batch (target);
  run.helped_ns = helped_ns;
  run.service_ns = weir_now_ns () - start_ns;
  return run;
}

/* At most n and what a batch may be now. */
static uint32_t next_piece (WeirSession *session, uint32_t n)
{
  weir_mutex_lock (&session->lock);
  n = MIN (n, session->queue.batch_max);
  weir_mutex_unlock (&session->lock);
  return n;
}

/* Runs the first n of the worker's batch, from device to device where it must. */
static WeirRun run_everywhere (WeirWorker *worker, uint32_t n)
{
  WeirRun all = run_timed (worker, worker->batch, n);
  while (all.n_left) {
    const WeirTaken *rest = worker->batch + n - all.n_left;
    if (worker->failure)
      weir_session_move (worker);
    uint32_t n_piece = next_piece (worker->session, all.n_left);
    WeirRun run = run_timed (worker, rest, n_piece);
    all.n_left -= n_piece - run.n_left;
    all.n_retried += n_piece - run.n_left;
    all.service_ns += run.service_ns;
    all.helped_ns += run.helped_ns;
  }
  return all;
}

/* [lock] */
static void count_waits (WeirSession *session, const WeirTaken *batch, uint32_t n, uint64_t now_ns)
{
  for (uint32_t i = 0; i < n; i++)
    weir_histogram_add (
        &session->wait_us, (now_ns - batch[i].ticket->queued_ns[batch[i].item]) / 1000);
}

/* Between batches. The next device may be lost by the time that this worker is there. [lock] */
static void move_along (WeirWorker *worker)
{
  while (worker->session->is_moving) {
    weir_mutex_unlock (&worker->session->lock);
    weir_session_move (worker);
    weir_mutex_lock (&worker->session->lock);
  }
}

/* Waits for work. 0: the session stops. */
static uint32_t take_batch (WeirWorker *worker)
{
  WeirSession *session = worker->session;
  WeirQueue *queue = &session->queue;
  uint64_t now_ns = 0, wake_ns;
  uint32_t n = 0;
  weir_mutex_lock (&session->lock);
  queue->n_idle++;
  while (!session->is_stopping) {
    move_along (worker);
    now_ns = weir_now_ns ();
    n = weir_queue_take (queue, worker->batch, now_ns, &wake_ns);
    if (n)
      break;
    if (wake_ns == WEIR_NEVER_NS)
      weir_cond_wait (&session->work, &session->lock);
    else
      weir_cond_wait_until (&session->work, &session->lock, wake_ns);
  }
  queue->n_idle--;
  count_waits (session, worker->batch, n, now_ns);
  if (queue->n_queued && queue->n_idle)
    weir_cond_signal (&session->work);
  weir_mutex_unlock (&session->lock);
  return n;
}

/* What a batch takes of a worker's time where no idle core helps it, which is what S(n) means:
 * under load none does. The only worker of a session is always alone. */
static uint64_t unhelped_ns (const WeirSession *session, const WeirRun *run)
{
  return run->service_ns + (session->n_workers > 1 ? run->helped_ns : 0);
}

/* A batch that failed, or made its plan first, says nothing about S(n). [lock] */
static void count_batch (WeirWorker *worker, uint32_t n, const WeirRun *run)
{
  WeirSession *session = worker->session;
  session->n_items += n;
  session->n_batches++;
  session->batch_histogram[n]++;
  session->n_largest = MAX (session->n_largest, n);
  session->n_retried += run->n_retried;
  session->busy_ns += run->service_ns;
  weir_histogram_add (&session->service_us, run->service_ns / 1000);
  bool tells = run->n_run && worker->is_warm;
  weir_queue_learn (&session->queue, run->n_run, tells ? unhelped_ns (session, run) : 0);
  worker->is_warm = true;
}

/* Takes the finished items off the books; the requests that are done go to worker->done. */
static uint32_t count_finished (WeirWorker *worker, uint32_t n, const WeirRun *run)
{
  WeirSession *session = worker->session;
  uint32_t n_done = 0;
  weir_mutex_lock (&session->lock);
  uint64_t now_ns = weir_now_ns ();
  count_batch (worker, n, run);
  for (uint32_t i = 0; i < n; i++) {
    WeirRequest *request = weir_taken_request (&worker->batch[i]);
    WeirStream *stream = request->stream;
    bool has_failed = weir_request_item (request, worker->batch[i].item)->error != NULL;
    session->n_failed += has_failed;
    stream->n_failed += has_failed;
    stream->n_items++;
    if (weir_queue_finish (&session->queue, &request->ticket, now_ns)) {
      request->done_ns = now_ns;
      g_atomic_int_set (&request->is_submitted, false);
      weir_histogram_add (&session->latency_us, (now_ns - request->submit_ns) / 1000);
      stream->n_callbacks++;
      worker->done[n_done++] = request;
    }
  }
  weir_session_queue_changed (session);
  weir_cond_broadcast (&session->change);
  weir_mutex_unlock (&session->lock);
  return n_done;
}

/* The request is its owner's again once done is called. */
static void call_done (WeirSession *session, WeirRequest *request)
{
  WeirStream *stream = request->stream;
  if (request->ticket.is_cancelled)
    request->error = g_error_new (WEIR_ERROR, WEIR_ERROR_CANCELLED, "cancelled");
  request->done (request, request->user);
  weir_mutex_lock (&session->lock);
  stream->n_callbacks--;
  weir_cond_broadcast (&session->change);
  weir_mutex_unlock (&session->lock);
}

/* Where it was told to: at the beginning, and on a device that it has opened. */
static void calibrate_once (WeirWorker *worker)
{
  if (worker->calibrates)
    weir_calibrate (worker);
  worker->calibrates = false;
}

static void *work (void *user)
{
  WeirWorker *worker = user;
  WeirSession *session = worker->session;
  uint32_t n;
  weir_worker_open (worker);
  calibrate_once (worker);
  while ((n = take_batch (worker))) {
    WeirRun run = run_everywhere (worker, check_items (worker->batch, n));
    uint32_t n_done = count_finished (worker, n, &run);
    for (uint32_t i = 0; i < n_done; i++)
      call_done (session, worker->done[i]);
    calibrate_once (worker);
  }
  return NULL;
}

static bool start (WeirWorker *worker)
{
  WeirSession *session = worker->session;
  weir_mutex_lock (&session->lock);
  session->n_on_site++;
  weir_mutex_unlock (&session->lock);
  worker->is_started = pthread_create (&worker->thread, NULL, work, worker) == 0;
  if (worker->is_started)
    return true;
  weir_mutex_lock (&session->lock);
  session->n_on_site--;
  weir_mutex_unlock (&session->lock);
  return false;
}

/* As many as any of its devices wants, since threads keep the addresses. */
static WeirWorker *new_workers (WeirSession *session)
{
  uint32_t n = session->n_workers;
  for (uint32_t i = 0; i < session->n_candidates; i++)
    n = MAX (n, weir_candidate_n_workers (&session->candidates[i], session));
  WeirWorker *workers = g_new0 (WeirWorker, n);
  for (uint32_t i = 0; i < n; i++)
    workers[i].session = session;
  /* The last one: it starts when nothing is left of loading that it could delay. */
  workers[session->n_workers - 1].calibrates = true;
  return workers;
}

bool weir_workers_start (WeirSession *session, GError **error)
{
  if (!session->workers)
    session->workers = new_workers (session);
  for (uint32_t i = 0; i < session->n_workers; i++) {
    if (session->workers[i].is_started || start (&session->workers[i]))
      continue;
    weir_mutex_lock (&session->lock);
    session->n_workers = session->queue.n_workers = i;
    weir_mutex_unlock (&session->lock);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no thread for worker %u", i);
    return false;
  }
  return true;
}

void weir_workers_stop (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  session->is_stopping = true;
  weir_cond_broadcast (&session->work);
  weir_cond_broadcast (&session->change);
  weir_mutex_unlock (&session->lock);
  for (uint32_t i = 0; session->workers && i < session->n_workers; i++) {
    WeirWorker *worker = &session->workers[i];
    if (worker->is_started)
      pthread_join (worker->thread, NULL);
    weir_worker_close (worker);
  }
  g_free (session->workers);
}
