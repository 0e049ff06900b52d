/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams and the way of requests into the queue and out of it before they ran. A thread that waits
 * in submit only sleeps until its request is in. */
#include "engine/sched/session_types.h"

/* One worker is to be woken; what it leaves it hands on to the next. [lock] */
static bool has_work (const WeirSession *session)
{
  return session->queue.n_queued && session->queue.n_idle;
}

static void wake_worker (WeirSession *session)
{
  if (has_work (session))
    weir_cond_signal (&session->work);
}

/* A worker that wakes to a lock that is held sleeps twice. The session outlives the call. */
static void unlock_and_wake (WeirSession *session)
{
  bool wakes = has_work (session);
  weir_mutex_unlock (&session->lock);
  if (wakes)
    weir_cond_signal (&session->work);
}

void weir_session_queue_changed (WeirSession *session)
{
  weir_queue_admit (&session->queue, weir_now_ns ());
  wake_worker (session);
}

/* Lets the thread go on that waits in submit, if one does. [lock] */
static void end_wait (WeirRequest *request, bool is_accepted)
{
  if (!request->waiter)
    return;
  *request->waiter = (WeirWaiter){ .is_over = true, .is_accepted = is_accepted };
  request->waiter = NULL;
  weir_cond_broadcast (&request->stream->admitted);
}

void weir_request_entered (WeirTicket *ticket)
{
  end_wait ((WeirRequest *) ticket, true);
}

WeirStream *weir_stream_new (WeirSession *session, const char *name, uint32_t max_in_flight)
{
  WeirStream *stream = g_new0 (WeirStream, 1);
  stream->session = weir_session_ref (session);
  stream->name = g_strdup (name);
  stream->lane.max_in_flight = max_in_flight;
  weir_cond_init (&stream->admitted);
  weir_mutex_lock (&session->lock);
  weir_queue_add_lane (&session->queue, &stream->lane);
  weir_mutex_unlock (&session->lock);
  return stream;
}

/* True: done must be called by the caller, who has no lock then. A request that a thread still
 * waits to submit is refused there instead. [lock] */
static bool cancel (WeirRequest *request)
{
  WeirSession *session = request->stream->session;
  bool is_out = weir_queue_cancel (&session->queue, &request->ticket, weir_now_ns ());
  bool is_refused = is_out && request->waiter;
  end_wait (request, !is_out);
  if (is_out)
    g_atomic_int_set (&request->is_submitted, false);
  request->stream->n_callbacks += is_out && !is_refused;
  return is_out && !is_refused;
}

static void call_cancelled (WeirStream *stream, WeirRequest *const *requests, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    requests[i]->error = g_error_new (WEIR_ERROR, WEIR_ERROR_CANCELLED, "cancelled");
    requests[i]->done_ns = weir_now_ns ();
    requests[i]->done (requests[i], requests[i]->user);
  }
  weir_mutex_lock (&stream->session->lock);
  stream->n_callbacks -= n;
  weir_cond_broadcast (&stream->session->change);
  weir_mutex_unlock (&stream->session->lock);
}

void weir_request_cancel (WeirRequest *request)
{
  WeirStream *stream = request->stream;
  weir_mutex_lock (&stream->session->lock);
  bool is_done = g_atomic_int_get (&request->is_submitted) && cancel (request);
  wake_worker (stream->session);
  weir_mutex_unlock (&stream->session->lock);
  if (is_done)
    call_cancelled (stream, &request, 1);
}

void weir_stream_flush (WeirStream *stream)
{
  g_autoptr (GPtrArray) done = g_ptr_array_new ();
  weir_mutex_lock (&stream->session->lock);
  stream->lane.is_flushing = true;
  weir_arrivals_break (&stream->lane.arrivals);
  for (WeirTicket *ticket = stream->lane.first, *next; ticket; ticket = next) {
    next = ticket->next;
    if (cancel ((WeirRequest *) ticket))
      g_ptr_array_add (done, ticket);
  }
  wake_worker (stream->session);
  weir_mutex_unlock (&stream->session->lock);
  call_cancelled (stream, (WeirRequest **) done->pdata, done->len);
}

void weir_stream_resume (WeirStream *stream)
{
  weir_mutex_lock (&stream->session->lock);
  stream->lane.is_flushing = false;
  weir_mutex_unlock (&stream->session->lock);
}

/* Streams that have ended for now leave their share to the others. [lock] */
static void set_drained (WeirStream *stream, bool is_drained)
{
  weir_queue_set_drained (&stream->session->queue, &stream->lane, is_drained, weir_now_ns ());
  wake_worker (stream->session);
}

void weir_stream_drain (WeirStream *stream)
{
  weir_mutex_lock (&stream->session->lock);
  set_drained (stream, true);
  weir_mutex_unlock (&stream->session->lock);
}

void weir_stream_free (WeirStream *stream)
{
  if (!stream)
    return;
  WeirSession *session = stream->session;
  weir_stream_flush (stream);
  weir_mutex_lock (&session->lock);
  while (stream->lane.n_in_flight || stream->n_callbacks || stream->n_submitting)
    weir_cond_wait (&session->change, &session->lock);
  weir_queue_remove_lane (&session->queue, &stream->lane, weir_now_ns ());
  wake_worker (session);
  weir_mutex_unlock (&session->lock);
  weir_cond_clear (&stream->admitted);
  g_free (stream->name);
  g_free (stream);
  weir_session_unref (session);
}

void weir_stream_stats (const WeirStream *stream, WeirStreamStats *stats)
{
  WeirSession *session = stream->session;
  weir_mutex_lock (&session->lock);
  *stats = (WeirStreamStats){
    .n_items = stream->n_items,
    .n_failed = stream->n_failed,
    .n_skipped = stream->n_skipped,
    .in_flight = stream->lane.n_in_flight,
    .max_in_flight = weir_queue_lane_limit (&session->queue, &stream->lane),
  };
  weir_mutex_unlock (&session->lock);
}

uint64_t weir_stream_n_items (const WeirStream *stream)
{
  WeirStreamStats stats;
  weir_stream_stats (stream, &stats);
  return stats.n_items;
}

static bool set_cancelled (GError **error)
{
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_CANCELLED, "the stream is flushed or the session stops");
  return false;
}

/* Queues the request; true where done is or will be called. A thread that may block stays until
 * everything has room. The queue's time is read under the lock: submit_ns may lie before the end of
 * a batch that was counted while this thread waited for it. [lock] */
static bool enqueue (WeirRequest *request, bool may_block)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  WeirWaiter waiter = { .is_over = !may_block, .is_accepted = true };
  request->ticket.lane = &stream->lane;
  request->ticket.n_items = request->n_items;
  request->ticket.queued_ns = (uint64_t *) request->queued_ns->data;
  request->n_frame = ++session->n_submitted;
  request->waiter = may_block ? &waiter : NULL;
  g_atomic_int_set (&request->is_submitted, true);
  weir_queue_push (&session->queue, &request->ticket, weir_now_ns ());
  stream->n_submitting++;
  if (!waiter.is_over)
    wake_worker (session);
  while (!waiter.is_over)
    weir_cond_wait (&stream->admitted, &session->lock);
  stream->n_submitting--;
  if (stream->lane.is_flushing)
    weir_cond_broadcast (&session->change);
  return waiter.is_accepted;
}

static bool submit (WeirRequest *request, bool may_block, bool *full, GError **error)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  bool ok = false;
  weir_mutex_lock (&session->lock);
  if (!stream->lane.is_flushing && !session->is_stopping) {
    set_drained (stream, false);
    uint32_t limit = weir_queue_lane_limit (&session->queue, &stream->lane);
    uint32_t room = weir_queue_room (&session->queue, &stream->lane);
    *full = !may_block && room < MIN (request->n_items, limit);
    session->n_skipped += *full ? request->n_items : 0;
    stream->n_skipped += *full ? request->n_items : 0;
    ok = !*full && enqueue (request, may_block);
  }
  unlock_and_wake (session);
  return ok || *full ? ok : set_cancelled (error);
}

/* What stands in the queue must not be touched, let alone queued again. */
static bool check_at_rest (WeirRequest *request, GError **error)
{
  bool is_at_rest = !g_atomic_int_get (&request->is_submitted);
  if (!is_at_rest)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "the request still runs: it can be submitted again once it is done");
  return is_at_rest;
}

static bool start (
    WeirRequest *request, WeirDoneFn done, void *user, bool may_block, bool *full, GError **error)
{
  *full = false;
  if (!check_at_rest (request, error))
    return false;
  request->done = done;
  request->user = user;
  request->submit_ns = weir_now_ns ();
  if (!weir_request_prepare (request, error))
    return false;
  if (request->n_items)
    return submit (request, may_block, full, error);
  request->done_ns = request->submit_ns;
  done (request, user);
  return true;
}

bool weir_request_submit (WeirRequest *request, WeirDoneFn done, void *user, GError **error)
{
  bool full;
  return start (request, done, user, true, &full, error);
}

bool weir_request_try_submit (
    WeirRequest *request, WeirDoneFn done, void *user, bool *full, GError **error)
{
  return start (request, done, user, false, full, error);
}
