/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams and the way of items into the queue.
 *
 * A request stands in its stream's list until a worker has taken its last item. Items are admitted
 * one by one as room allows, so a request of 40 crops passes a queue bounded to 4; submits that
 * wait are served in the order they came, except that one whose own stream is full lets others
 * pass. */
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
  uint32_t share = weir_session_limit (stream->session) / MAX (stream->session->streams->len, 1);
  share = MAX (share, 1);
  return stream->max_in_flight ? MIN (stream->max_in_flight, share) : share;
}

WeirStream *weir_stream_new (WeirSession *session, const char *name, uint32_t max_in_flight)
{
  WeirStream *stream = g_new0 (WeirStream, 1);
  stream->session = weir_session_ref (session);
  stream->name = g_strdup (name);
  stream->max_in_flight = max_in_flight;
  weir_mutex_lock (&session->lock);
  g_ptr_array_add (session->streams, stream);
  weir_mutex_unlock (&session->lock);
  return stream;
}

/* Takes what is queued out of the stream: admitted items leave, requests that nothing runs of are
 * collected in *done. [lock] */
static void cancel_queued (WeirStream *stream, GPtrArray *done)
{
  WeirSession *session = stream->session;
  while (stream->first) {
    WeirRequest *request = stream->first;
    uint32_t n_queued = request->n_admitted - request->n_taken;
    stream->first = request->next;
    request->is_cancelled = true;
    request->n_left -= request->n_items - request->n_taken;
    stream->n_queued -= n_queued;
    stream->n_in_flight -= n_queued;
    session->n_queued -= n_queued;
    session->n_in_flight -= n_queued;
    if (request->n_left == 0 && !request->is_submitting) {
      g_ptr_array_add (done, request);
      stream->n_callbacks++;
    }
  }
  stream->last = NULL;
  weir_cond_broadcast (&session->room);
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
  weir_cond_broadcast (&stream->session->room);
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
  stream->is_drained = true;
  weir_cond_signal (&stream->session->work);
  weir_mutex_unlock (&stream->session->lock);
}

void weir_stream_free (WeirStream *stream)
{
  if (!stream)
    return;
  WeirSession *session = stream->session;
  weir_stream_flush (stream);
  weir_mutex_lock (&session->lock);
  while (stream->n_in_flight || stream->n_callbacks)
    weir_cond_wait (&session->room, &session->lock);
  g_ptr_array_remove (session->streams, stream);
  weir_cond_broadcast (&session->room); /* the others' shares grow */
  weir_mutex_unlock (&session->lock);
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

/* Items of this stream that may enter now; older waiters that could enter go first. [lock] */
static uint32_t room_for (const WeirStream *stream, const WeirWaiter *self)
{
  const WeirSession *session = stream->session;
  uint32_t limit = weir_session_limit (session), own = weir_stream_limit (stream);
  if (session->n_in_flight >= limit || stream->n_in_flight >= own)
    return 0;
  for (const WeirWaiter *w = session->first_waiter; w && w != self; w = w->next)
    if (w->stream != stream && w->stream->n_in_flight < weir_stream_limit (w->stream))
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
  if (request->n_admitted == request->n_items)
    request->is_submitting = false; /* from here on a worker may call done */
  for (uint32_t i = 0; i < MIN (n, session->n_idle); i++)
    weir_cond_signal (&session->work);
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
}

/* [lock] */
static void remove_waiter (WeirSession *session, WeirWaiter *waiter)
{
  WeirWaiter **link = &session->first_waiter;
  while (*link != waiter)
    link = &(*link)->next;
  *link = waiter->next;
  weir_cond_broadcast (&session->room);
}

/* Blocks until every item is in, or the stream is flushed. False: cancelled with nothing running.
 * [lock] */
static bool admit_all (WeirRequest *request)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  WeirWaiter self = { .stream = stream };
  bool is_waiting = false;
  uint32_t n_rest = request->n_items, n;
  while (n_rest && !request->is_cancelled) {
    if ((n = MIN (room_for (stream, is_waiting ? &self : NULL), n_rest))) {
      n_rest -= n;
      admit (request, n); /* with the last item the request is no longer ours to read */
      continue;
    }
    if (!is_waiting) {
      WeirWaiter **link = &session->first_waiter;
      while (*link)
        link = &(*link)->next;
      *link = &self;
      is_waiting = true;
    }
    weir_cond_wait (&session->room, &session->lock);
  }
  if (is_waiting)
    remove_waiter (session, &self);
  if (n_rest == 0)
    return true;
  request->is_submitting = false;
  return request->n_left > 0;
}

static bool set_cancelled (GError **error)
{
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_CANCELLED, "the stream is flushed or the session stops");
  return false;
}

static bool submit (WeirRequest *request, bool may_block, bool *full, GError **error)
{
  WeirStream *stream = request->stream;
  WeirSession *session = stream->session;
  bool ok = true;
  weir_mutex_lock (&session->lock);
  stream->is_drained = false;
  if (stream->is_flushing || session->is_stopping) {
    weir_mutex_unlock (&session->lock);
    return set_cancelled (error);
  }
  if (!may_block && room_for (stream, NULL) < request->n_items) {
    *full = true;
    session->n_skipped += request->n_items;
    weir_mutex_unlock (&session->lock);
    return false;
  }
  request->n_admitted = request->n_taken = 0;
  request->n_left = request->n_items;
  request->is_submitting = true;
  request->is_cancelled = false;
  append (stream, request);
  ok = admit_all (request);
  weir_mutex_unlock (&session->lock);
  return ok ? true : set_cancelled (error);
}

static bool start (
    WeirRequest *request, WeirDoneFn done, void *user, bool may_block, bool *full, GError **error)
{
  request->done = done;
  request->user = user;
  request->submit_ns = weir_now_ns ();
  if (request->n_items)
    return weir_request_prepare_outputs (request, error) &&
           submit (request, may_block, full, error);
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
  *full = false;
  return start (request, done, user, false, full, error);
}
