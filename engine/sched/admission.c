/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams and the way of items into the queue.
 *
 * A request stands in its stream's list until a worker has taken its last item. Items are admitted
 * as room allows, so a request of 40 crops passes a queue bounded to 4. Whoever makes room hands it
 * on (weir_session_admit), to one stream after the other; so whoever waits could not enter now, and
 * a thread that waits only sleeps until its request is in. */
#include "engine/sched/session_types.h"

uint32_t weir_session_batch_max (const WeirSession *session, const char **reason)
{
  uint32_t requests = session->settings.num_requests;
  if (requests && requests < session->batch_max) {
    *reason = "hint";
    return requests;
  }
  *reason = session->batch_max_reason;
  return session->batch_max;
}

uint32_t weir_session_limit (const WeirSession *session)
{
  return session->settings.num_requests ? session->settings.num_requests
                                        : 2 * session->n_workers * MAX (session->batch_max, 2);
}

uint32_t weir_stream_limit (const WeirStream *stream)
{
  const WeirSession *session = stream->session;
  uint32_t share = weir_session_limit (session) / MAX (session->n_active, 1);
  share = MAX (share, 1);
  return stream->max_in_flight ? MIN (stream->max_in_flight, share) : share;
}

/* Items of this stream that may enter now. [lock] */
static uint32_t room_for (const WeirStream *stream)
{
  const WeirSession *session = stream->session;
  uint32_t limit = weir_session_limit (session), own = weir_stream_limit (stream);
  if (session->n_in_flight >= limit || stream->n_in_flight >= own)
    return 0;
  return MIN (limit - session->n_in_flight, own - stream->n_in_flight);
}

/* [lock] */
static void admit (WeirRequest *request, uint32_t n)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  uint64_t now_ns = weir_now_ns ();
  for (uint32_t i = 0; i < n; i++)
    weir_request_item (request, request->n_admitted + i)->queued_ns = now_ns;
  request->n_admitted += n;
  stream->n_queued += n;
  stream->n_in_flight += n;
  session->n_queued += n;
  session->n_in_flight += n;
  for (uint32_t i = 0; i < MIN (n, session->n_idle); i++)
    weir_cond_signal (&session->work);
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

/* False where the stream had no use for room, or there was none. [lock] */
static bool admit_from (WeirStream *stream)
{
  WeirRequest *request;
  uint32_t n, n_admitted = 0;
  while ((request = stream->waiting) &&
         (n = MIN (room_for (stream), request->n_items - request->n_admitted))) {
    admit (request, n);
    n_admitted += n;
    if (request->n_admitted < request->n_items)
      continue;
    stream->waiting = request->next;
    stream->session->n_waiting--;
    end_wait (request, true);
  }
  return n_admitted > 0;
}

void weir_session_admit (WeirSession *session)
{
  guint n_streams = session->streams->len, first = session->next_admitted;
  for (guint k = 0; k < n_streams && session->n_waiting; k++) {
    guint turn = (first + k) % n_streams;
    if (admit_from (session->streams->pdata[turn]))
      session->next_admitted = turn + 1;
  }
}

/* Streams that have ended for now leave their share to the others. [lock] */
static void set_drained (WeirStream *stream, bool is_drained)
{
  if (is_drained && !stream->is_drained)
    stream->session->n_active--;
  if (!is_drained && stream->is_drained)
    stream->session->n_active++;
  stream->is_drained = is_drained;
  weir_session_admit (stream->session);
}

WeirStream *weir_stream_new (WeirSession *session, const char *name, uint32_t max_in_flight)
{
  WeirStream *stream = g_new0 (WeirStream, 1);
  stream->session = weir_session_ref (session);
  stream->name = g_strdup (name);
  stream->max_in_flight = max_in_flight;
  weir_cond_init (&stream->admitted);
  weir_mutex_lock (&session->lock);
  g_ptr_array_add (session->streams, stream);
  session->n_active++;
  weir_mutex_unlock (&session->lock);
  return stream;
}

/* Takes what is queued out of the stream: admitted items leave, requests that nothing runs of are
 * collected in *done, or refused where a thread still waits to submit them. [lock] */
static void cancel_queued (WeirStream *stream, GPtrArray *done)
{
  WeirSession *session = stream->session;
  for (WeirRequest *request = stream->first, *next; request; request = next) {
    uint32_t n_queued = request->n_admitted - request->n_taken;
    next = request->next;
    session->n_waiting -= request->n_admitted < request->n_items;
    request->is_cancelled = true;
    request->n_left -= request->n_items - request->n_taken;
    stream->n_queued -= n_queued;
    stream->n_in_flight -= n_queued;
    session->n_queued -= n_queued;
    session->n_in_flight -= n_queued;
    if (request->n_left == 0 && !request->waiter) {
      g_ptr_array_add (done, request);
      stream->n_callbacks++;
    }
    end_wait (request, request->n_left > 0);
  }
  stream->first = stream->last = stream->waiting = NULL;
  weir_session_admit (session);
}

static void call_cancelled (WeirStream *stream, GPtrArray *done)
{
  for (guint i = 0; i < done->len; i++) {
    WeirRequest *request = done->pdata[i];
    request->error = g_error_new (WEIR_ERROR, WEIR_ERROR_CANCELLED, "cancelled");
    request->done_ns = weir_now_ns ();
    request->done (request, request->user);
  }
  weir_mutex_lock (&stream->session->lock);
  stream->n_callbacks -= done->len;
  weir_cond_broadcast (&stream->session->change);
  weir_mutex_unlock (&stream->session->lock);
}

void weir_stream_flush (WeirStream *stream)
{
  g_autoptr (GPtrArray) done = g_ptr_array_new ();
  weir_mutex_lock (&stream->session->lock);
  stream->is_flushing = true;
  cancel_queued (stream, done);
  weir_mutex_unlock (&stream->session->lock);
  call_cancelled (stream, done);
}

void weir_stream_resume (WeirStream *stream)
{
  weir_mutex_lock (&stream->session->lock);
  stream->is_flushing = false;
  weir_mutex_unlock (&stream->session->lock);
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
  while (stream->n_in_flight || stream->n_callbacks || stream->n_submitting)
    weir_cond_wait (&session->change, &session->lock);
  g_ptr_array_remove (session->streams, stream);
  set_drained (stream, true); /* the others' shares grow */
  weir_mutex_unlock (&session->lock);
  weir_cond_clear (&stream->admitted);
  g_free (stream->name);
  g_free (stream);
  weir_session_unref (session);
}

uint64_t weir_stream_n_items (const WeirStream *stream)
{
  weir_mutex_lock (&stream->session->lock);
  uint64_t n_items = stream->n_items;
  weir_mutex_unlock (&stream->session->lock);
  return n_items;
}

/* [lock] */
static void append (WeirStream *stream, WeirRequest *request)
{
  request->next = NULL;
  if (stream->last)
    stream->last->next = request;
  else
    stream->first = request;
  stream->last = request;
  if (!stream->waiting)
    stream->waiting = request;
  stream->session->n_waiting++;
}

static bool set_cancelled (GError **error)
{
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_CANCELLED, "the stream is flushed or the session stops");
  return false;
}

/* Queues the request; true where done is or will be called. A thread that may block stays until
 * everything has room. [lock] */
static bool enqueue (WeirRequest *request, bool may_block)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  WeirWaiter waiter = { .is_over = !may_block, .is_accepted = true };
  request->n_admitted = request->n_taken = 0;
  request->n_left = request->n_items;
  request->is_cancelled = false;
  request->waiter = may_block ? &waiter : NULL;
  append (stream, request);
  weir_session_admit (session);
  stream->n_submitting++;
  while (!waiter.is_over)
    weir_cond_wait (&stream->admitted, &session->lock);
  stream->n_submitting--;
  if (stream->is_flushing)
    weir_cond_broadcast (&session->change);
  return waiter.is_accepted;
}

static bool submit (WeirRequest *request, bool may_block, bool *full, GError **error)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  bool ok = false;
  weir_mutex_lock (&session->lock);
  set_drained (stream, false);
  if (!stream->is_flushing && !session->is_stopping) {
    uint32_t n_needed = MIN (request->n_items, weir_stream_limit (stream));
    *full = !may_block && room_for (stream) < n_needed;
    session->n_skipped += *full ? request->n_items : 0;
    ok = !*full && enqueue (request, may_block);
  }
  weir_mutex_unlock (&session->lock);
  return ok || *full ? ok : set_cancelled (error);
}

static bool start (
    WeirRequest *request, WeirDoneFn done, void *user, bool may_block, bool *full, GError **error)
{
  *full = false;
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
