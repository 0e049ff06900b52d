/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers: each takes a batch, writes its rows, runs the plan for exactly that n, reads the rows.
 *
 * A worker's slots of different n share one block of memory, since only one of them runs at a time.
 */
#include "engine/sched/calibrate.h"

#include <stdlib.h>

/* What became of a batch. */
typedef struct WeirRun {
  uint32_t n_run;     /* items that ran together, and well */
  uint32_t n_retried; /* that did not, and ran again one by one */
  uint64_t service_ns;
} WeirRun;

WeirPlan *weir_session_plan (WeirSession *session, uint32_t n, GError **error)
{
  weir_mutex_lock (&session->lock);
  while (session->is_plan_building[n])
    weir_cond_wait (&session->change, &session->lock);
  WeirPlan *plan = session->plans[n];
  session->is_plan_building[n] = !plan;
  weir_mutex_unlock (&session->lock);
  if (plan)
    return plan;
  plan = weir_plan_new (session->target, n, error);
  weir_mutex_lock (&session->lock);
  session->plans[n] = plan;
  session->is_plan_building[n] = false;
  weir_cond_broadcast (&session->change);
  weir_mutex_unlock (&session->lock);
  return plan;
}

static void free_slots (WeirWorker *worker)
{
  for (uint32_t n = 0; n <= WEIR_MAX_BATCH; n++)
    g_clear_pointer (&worker->slots[n], weir_slot_free);
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

static WeirSlot *make_slot (WeirWorker *worker, uint32_t n, GError **error)
{
  WeirPlan *plan = weir_session_plan (worker->session, n, error);
  if (!plan || !grow_block (worker, weir_plan_slot_bytes (plan), error))
    return NULL;
  return weir_slot_new (plan, worker->block, error);
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

/* The worker's slot for n, made where it is not there; smaller batches from then on where it cannot
 * be. */
static WeirSlot *slot_for (WeirWorker *worker, uint32_t n, GError **error)
{
  GError *failure = NULL;
  if (worker->slots[n])
    return worker->slots[n];
  worker->slots[n] = make_slot (worker, n, &failure);
  worker->is_warm = false;
  if (failure) {
    lower_batch_max (worker->session, n, failure);
    g_propagate_error (error, failure);
  }
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
  for (uint32_t i = 0; i < n; i++)
    if (!weir_rows_write (worker, slot, weir_taken_request (&batch[i]), batch[i].item, i, error))
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

/* A batch that fails is tried again item by item, once, so that only the bad one fails. */
static WeirRun run_batch (WeirWorker *worker, const WeirTaken *batch, uint32_t n)
{
  g_autoptr (GError) error = NULL;
  if (n == 0 || run_together (worker, batch, n, &error))
    return (WeirRun){ .n_run = n };
  if (n == 1) {
    fail_item (&batch[0], g_steal_pointer (&error));
    return (WeirRun){ 0 };
  }
  for (uint32_t i = 0; i < n; i++) {
    GError *item_error = NULL;
    if (!run_together (worker, &batch[i], 1, &item_error))
      fail_item (&batch[i], item_error);
  }
  return (WeirRun){ .n_retried = n };
}

/* [lock] */
static void count_waits (WeirSession *session, const WeirTaken *batch, uint32_t n, uint64_t now_ns)
{
  for (uint32_t i = 0; i < n; i++)
    weir_histogram_add (
        &session->wait_us, (now_ns - batch[i].ticket->queued_ns[batch[i].item]) / 1000);
}

/* Waits for work. 0: the session stops. */
static uint32_t take_batch (WeirSession *session, WeirTaken batch[WEIR_MAX_BATCH])
{
  WeirQueue *queue = &session->queue;
  uint64_t now_ns = 0, wake_ns;
  uint32_t n = 0;
  weir_mutex_lock (&session->lock);
  queue->n_idle++;
  while (!session->is_stopping) {
    now_ns = weir_now_ns ();
    n = weir_queue_take (queue, batch, now_ns, &wake_ns);
    if (n)
      break;
    if (wake_ns == WEIR_NEVER_NS)
      weir_cond_wait (&session->work, &session->lock);
    else
      weir_cond_wait_until (&session->work, &session->lock, wake_ns);
  }
  queue->n_idle--;
  count_waits (session, batch, n, now_ns);
  if (queue->n_queued && queue->n_idle)
    weir_cond_signal (&session->work);
  weir_mutex_unlock (&session->lock);
  return n;
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
  if (run->n_run && worker->is_warm)
    weir_service_add (&session->queue.service, run->n_run, run->service_ns);
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

static void *work (void *user)
{
  WeirWorker *worker = user;
  WeirSession *session = worker->session;
  uint32_t n;
  weir_target_enter_thread (session->target);
  /* The last one: it starts when nothing is left of loading that it could delay. */
  if (worker == &session->workers[session->n_workers - 1])
    weir_calibrate (worker);
  while ((n = take_batch (session, worker->batch))) {
    uint64_t start_ns = weir_now_ns ();
    WeirRun run = run_batch (worker, worker->batch, check_items (worker->batch, n));
    run.service_ns = weir_now_ns () - start_ns;
    uint32_t n_done = count_finished (worker, n, &run);
    for (uint32_t i = 0; i < n_done; i++)
      call_done (session, worker->done[i]);
  }
  return NULL;
}

bool weir_workers_start (WeirSession *session, GError **error)
{
  session->workers = g_new0 (WeirWorker, session->n_workers);
  for (uint32_t i = 0; i < session->n_workers; i++) {
    WeirWorker *worker = &session->workers[i];
    worker->session = session;
    if (session->model->has_picture)
      worker->pre = weir_pre_new (&session->model->input);
    if (pthread_create (&worker->thread, NULL, work, worker) != 0) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no thread for worker %u", i);
      return false;
    }
    worker->is_started = true;
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
    free_slots (worker);
    free (worker->block);
    weir_pre_free (worker->pre);
  }
  g_free (session->workers);
}
