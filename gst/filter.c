/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data flow of inferdetect and inferclassify, after the model of `queue`: the streaming thread
 * puts buffers, serialized events and serialized queries into one ring; the src pad's task takes
 * them out in that order. A buffer is taken out when its request is done, so what happens in the
 * engine, in whatever order, cannot reorder anything.
 *
 *   chain: take a job (waits while all are busy) → map → prepare → submit → ring
 *   engine: done → job->done, wake the task
 *   task: head of the ring → unmap → finish → push → the job is idle again
 *
 * A flush empties the ring. Jobs whose request still runs become orphans: their picture stays
 * mapped until done, and the task cleans them up. FLUSH_STOP takes the sink pad's stream lock, so
 * no chain that began before a flush can put its buffer into the ring after it.
 *
 * Locks, outermost first:
 *   1. stream lock of the sink pad (held by GStreamer around chain and serialized events)
 *   2. stream lock of the src pad (held by GStreamer around the task)
 *   3. ring lock, WeirFilterPrivate.lock
 *   4. object locks of pads and element
 * No lock but 1 or 2 is held while a pad is pushed or the engine is called, but for what only
 * counts: references and statistics of sessions, streams and requests are taken under 4, and wait
 * for nothing that calls back. Messages are posted without 3 and 4; only GStreamer's own
 * STREAM_STATUS comes under 3, where the task starts, as in `queue`. The engine calls on_done
 * without any lock of its own. */
#include "gst/filter_private.h"

#include "gst/bus_errors.h"
#include "gst/filter_alloc.h"
#include "gst/frame_map.h"

#define GST_CAT_DEFAULT weir_debug

/* The engine learns what batches take while it runs: after so many frames it is asked again how
 * many it can use. */
#define DEPTH_FRAMES 32

/* Streaming thread ---------------------------------------------------------------------------- */

/* Why this frame is not looked at; NULL: it is. */
static const gchar *skip_reason (WeirFilter *self, const WeirLiveSettings *live, GstBuffer *buffer)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  if (priv->n_since_restart++ % live->interval != 0)
    return "interval";
  if (!live->qos || priv->segment.format != GST_FORMAT_TIME)
    return NULL;
  const GstClockTime running_ns =
      gst_segment_to_running_time (&priv->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  g_mutex_lock (&priv->lock);
  const gboolean late = weir_qos_is_late (&priv->qos, running_ns);
  GstMessage *message =
      late ? weir_qos_message (&priv->qos, GST_OBJECT (self), &priv->segment, buffer) : NULL;
  g_mutex_unlock (&priv->lock);
  if (message)
    gst_element_post_message (GST_ELEMENT (self), message);
  return late ? "qos" : NULL;
}

/* The frame passes without inference. */
static void settle_job (WeirFilterJob *job, WeirStatus status, const gchar *reason, gchar *message)
{
  job->base.status = status;
  job->base.reason = message ? message : reason;
  job->message = message;
  job->done = TRUE;
}

/* The engine refuses none of these, so it does not count them. */
static void skip_job (WeirFilter *self, WeirFilterJob *job)
{
  GST_OBJECT_LOCK (self);
  job->priv->past.n_skipped += weir_request_n_items (job->base.request);
  GST_OBJECT_UNLOCK (self);
  settle_job (job, WEIR_STATUS_SKIPPED, "queue full", NULL);
}

static void submit_job (WeirFilter *self, WeirFilterJob *job, gboolean leaky)
{
  g_autoptr (GError) error = NULL;
  bool full = false;
  WeirRequest *request = job->base.request;
  if (!weir_ring_begin_inference (job->priv, leaky)) {
    skip_job (self, job);
    return;
  }
  const bool submitted =
      leaky ? weir_request_try_submit (request, weir_ring_on_done, job, &full, &error)
            : weir_request_submit (request, weir_ring_on_done, job, &error);
  if (submitted)
    return;
  weir_ring_end_inference (job->priv);
  if (full)
    settle_job (job, WEIR_STATUS_SKIPPED, "queue full", NULL);
  else
    settle_job (job, WEIR_STATUS_FAILED, NULL, g_strdup (error ? error->message : "not accepted"));
}

static void start_job (
    WeirFilter *self, const WeirLiveSettings *live, WeirFilterJob *job, GstBuffer *buffer)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  WeirFilterClass *klass = WEIR_FILTER_GET_CLASS (self);
  const gchar *reason = skip_reason (self, live, buffer);
  job->buffer = buffer;
  job->info = priv->info;
  job->base.id.first = priv->first_frame;
  job->base.live = *live;
  job->base.frame = (WeirFrame){ .width_px = (guint) GST_VIDEO_INFO_WIDTH (&priv->info),
    .height_px = (guint) GST_VIDEO_INFO_HEIGHT (&priv->info) };
  if (reason) {
    settle_job (job, WEIR_STATUS_SKIPPED, reason, NULL);
    return;
  }
  if (!weir_frame_map (&job->map, &job->info, buffer, &job->base.frame, &reason)) {
    settle_job (job, WEIR_STATUS_FAILED, reason, NULL);
    return;
  }
  const WeirRequestOptions options = { .threshold = live->threshold,
    .iou_threshold = live->iou_threshold,
    .max_detections = live->max_detections,
    .top_k = live->top_k,
    .attach_tensors = live->attach_tensors };
  weir_request_set_options (job->base.request, &options);
  weir_request_set_frame (job->base.request, &job->base.frame);
  klass->prepare (self, buffer, &job->base);
  submit_job (self, job, live->leaky == WEIR_LEAKY_DOWNSTREAM);
  if (job->base.status != WEIR_STATUS_INFERRED && klass->refused)
    klass->refused (self, &job->base);
}

/* Into the ring, unless a flush or an error came in between. */
static GstFlowReturn enqueue_job (WeirFilterPrivate *priv, WeirFilterJob *job)
{
  WeirCell cell = { .kind = WEIR_CELL_BUFFER, .job = job };
  g_mutex_lock (&priv->lock);
  const GstFlowReturn flow = weir_ring_flow (priv);
  if (flow == GST_FLOW_OK)
    gst_queue_array_push_tail_struct (priv->ring, &cell);
  else
    weir_ring_drop_cell (priv, &cell, FALSE);
  g_cond_broadcast (&priv->item);
  g_mutex_unlock (&priv->lock);
  if (flow != GST_FLOW_OK)
    weir_ring_reap (priv);
  return flow;
}

GstFlowReturn weir_filter_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  WeirFilter *self = WEIR_FILTER (parent);
  WeirFilterPrivate *priv = weir_filter_private (self);
  const WeirLiveSettings live = weir_filter_live (self);
  const gboolean leaky = live.leaky == WEIR_LEAKY_DOWNSTREAM;
  GstFlowReturn flow = GST_FLOW_NOT_NEGOTIATED;
  WeirFilterJob *job = priv->info.finfo ? weir_ring_take_job (priv, leaky, &flow) : NULL;
  if (!job) {
    gst_buffer_unref (buffer);
    return flow;
  }
  start_job (self, &live, job, buffer);
  return enqueue_job (priv, job);
}

/* Events after which no picture may come for a while: batches need not wait for this stream. */
static gboolean event_drains (GstEventType type)
{
  static const GstEventType types[] = { GST_EVENT_EOS, GST_EVENT_CAPS, GST_EVENT_SEGMENT_DONE,
    GST_EVENT_GAP, GST_EVENT_STREAM_GROUP_DONE };
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i] == type)
      return TRUE;
  return FALSE;
}

/* 0: unknown. A rate of less than one an hour says nothing of when the next frame comes. */
static GstClockTime frame_interval (const GstVideoInfo *info)
{
  if (info->fps_n <= 0)
    return 0;
  const GstClockTime ns =
      gst_util_uint64_scale (GST_SECOND, (guint64) info->fps_d, (guint64) info->fps_n);
  return ns <= 3600 * GST_SECOND ? ns : 0;
}

/* A live pipeline asks for its latency before its first frames, when no source has told a frame
 * rate yet: neither ours nor what those in front of us add is known then. */
static void expect_latency (WeirFilter *self)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  const GstClockTime bound_ns = weir_filter_bound_ns (self, priv->frame_ns);
  g_mutex_lock (&priv->lock);
  const gboolean moved = weir_latency_expect (&priv->latency, bound_ns) && priv->live;
  g_mutex_unlock (&priv->lock);
  if (moved)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static gboolean parse_caps (WeirFilter *self, GstEvent *event)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  GstCaps *caps;
  GstVideoInfo info;
  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&info, caps))
    return FALSE;
  priv->info = info;
  g_mutex_lock (&priv->lock);
  priv->frame_ns = frame_interval (&info);
  g_mutex_unlock (&priv->lock);
  expect_latency (self);
  return TRUE;
}

/* Into the ring; takes the event. Once the flow has stopped, sticky events are dropped in silence
 * (the next buffer tells), others and EOS are refused. */
static GstFlowReturn enqueue_event (WeirFilter *self, GstEvent *event)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  const GstEventType type = GST_EVENT_TYPE (event);
  const WeirCell cell = { .kind = WEIR_CELL_EVENT, .event = event };
  g_mutex_lock (&priv->lock);
  if (priv->eos && type == GST_EVENT_STREAM_START)
    weir_ring_begin_stream (priv);
  const GstFlowReturn flow = priv->flow;
  if (flow != GST_FLOW_OK && (type == GST_EVENT_EOS || !GST_EVENT_IS_STICKY (event))) {
    g_mutex_unlock (&priv->lock);
    gst_event_unref (event);
    if (type == GST_EVENT_EOS && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS))
      GST_ELEMENT_FLOW_ERROR (self, flow);
    return flow;
  }
  if (type == GST_EVENT_SEGMENT)
    priv->downstream_eos = FALSE;
  else if (type == GST_EVENT_EOS)
    priv->eos = TRUE;
  gst_queue_array_push_tail_struct (priv->ring, (gpointer) &cell);
  g_cond_broadcast (&priv->item);
  g_mutex_unlock (&priv->lock);
  return GST_FLOW_OK;
}

/* Frames go at once. Events stay until the flush is over: before that an src pad that has passed
 * EOS takes none, and FLUSH_STOP makes it forget that some still have to be sent. */
static gboolean flush_start (WeirFilterPrivate *priv, GstEvent *event)
{
  const gboolean result = gst_pad_push_event (priv->srcpad, event);
  weir_ring_interrupt (priv);
  gst_pad_pause_task (priv->srcpad);
  g_mutex_lock (&priv->lock);
  weir_ring_drop_frames (priv);
  g_mutex_unlock (&priv->lock);
  weir_ring_reap (priv);
  return result;
}

/* What comes now has nothing to do with what came before. */
static void start_anew (WeirFilterPrivate *priv)
{
  g_mutex_lock (&priv->lock);
  priv->first_frame = priv->n_frames;
  g_mutex_unlock (&priv->lock);
}

static gboolean flush_stop (WeirFilterPrivate *priv, GstEvent *event)
{
  const gboolean result = gst_pad_push_event (priv->srcpad, event);
  weir_ring_empty (priv, TRUE);
  gst_segment_init (&priv->segment, GST_FORMAT_TIME);
  priv->n_since_restart = 0;
  start_anew (priv);
  g_mutex_lock (&priv->lock);
  weir_qos_reset (&priv->qos);
  g_mutex_unlock (&priv->lock);
  weir_ring_restart (priv);
  return result;
}

GstFlowReturn weir_filter_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  WeirFilter *self = WEIR_FILTER (parent);
  WeirFilterPrivate *priv = weir_filter_private (self);
  const GstEventType type = GST_EVENT_TYPE (event);
  if (type == GST_EVENT_FLUSH_START)
    return flush_start (priv, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
  if (type == GST_EVENT_FLUSH_STOP)
    return flush_stop (priv, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
  if (!GST_EVENT_IS_SERIALIZED (event))
    return gst_pad_event_default (pad, parent, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
  if (type == GST_EVENT_CAPS && !parse_caps (self, event)) {
    gst_event_unref (event);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (type == GST_EVENT_SEGMENT)
    gst_event_copy_segment (event, &priv->segment);
  if (type == GST_EVENT_STREAM_START)
    start_anew (priv);
  if (event_drains (type))
    weir_ring_with_stream (priv, weir_stream_drain);
  return enqueue_event (self, event);
}

/* Serialized queries wait for their turn; nothing has one after EOS. There is at most one, at the
 * tail: its sender waits here with the stream lock. One that the task is just asking downstream
 * must be seen through, for it uses the caller's query. */
gboolean weir_filter_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  WeirFilterPrivate *priv = weir_filter_private (WEIR_FILTER (parent));
  const WeirCell cell = { .kind = WEIR_CELL_QUERY, .query = query };
  if (!GST_QUERY_IS_SERIALIZED (query))
    return gst_pad_query_default (pad, parent, query);
  weir_ring_with_stream (priv, weir_stream_drain);
  g_mutex_lock (&priv->lock);
  if (priv->flow == GST_FLOW_OK && !priv->eos) {
    gst_queue_array_push_tail_struct (priv->ring, (gpointer) &cell);
    priv->query_state = WEIR_QUERY_QUEUED;
    g_cond_broadcast (&priv->item);
  }
  while (priv->query_state == WEIR_QUERY_RUNNING ||
         (priv->query_state == WEIR_QUERY_QUEUED && priv->flow == GST_FLOW_OK))
    g_cond_wait (&priv->query_done, &priv->lock);
  if (priv->query_state == WEIR_QUERY_QUEUED)
    gst_queue_array_pop_tail_struct (priv->ring);
  const gboolean result = priv->query_state == WEIR_QUERY_DONE && priv->query_result;
  priv->query_state = WEIR_QUERY_NONE;
  g_mutex_unlock (&priv->lock);
  return result;
}

/* Task ---------------------------------------------------------------------------------------- */

/* The first element that looked at a frame says its status; a later one only that it failed. */
static void note_status (WeirMeta *meta, gboolean fresh, const WeirJob *job)
{
  if (!fresh && (job->status != WEIR_STATUS_FAILED || meta->status == WEIR_STATUS_FAILED))
    return;
  meta->status = job->status;
  meta->reused_age = job->status == WEIR_STATUS_REUSED ? job->reused_age : 0;
  g_free (meta->reason);
  meta->reason = g_strdup (job->reason);
}

/* The request is done: did it fail as a whole? */
static void check_request (WeirJob *job)
{
  const GError *error =
      job->status == WEIR_STATUS_INFERRED ? weir_request_error (job->request) : NULL;
  if (!error)
    return;
  job->status = WEIR_STATUS_FAILED;
  job->reason = error->message;
}

/* The frame has failed where one of its items has. */
static void check_items (WeirJob *job)
{
  for (guint i = 0; job->status == WEIR_STATUS_INFERRED && i < weir_request_n_items (job->request);
       i++) {
    const WeirResult *result = weir_request_result (job->request, i);
    if (result->status != WEIR_STATUS_FAILED)
      continue;
    job->status = WEIR_STATUS_FAILED;
    job->reason = result->reason;
  }
}

static void warn_of_failure (WeirFilter *self, WeirFilterJob *job)
{
  const gchar *reason = job->base.reason;
  WeirFilterPrivate *priv = weir_filter_private (self);
  const guint64 n = ++priv->n_failures;
  GST_DEBUG_OBJECT (self, "frame %" G_GUINT64_FORMAT ": %s", job->base.id.number, reason);
  if (weir_bus_is_told (n))
    weir_bus_warning (GST_ELEMENT (self),
        "frame %" G_GUINT64_FORMAT " of stream '%s' was not inferred: %s (%" G_GUINT64_FORMAT
        " such frames so far)",
        job->base.id.number, priv->stream_name, reason ? reason : "unknown reason", n);
}

static void count_reused (WeirFilter *self, guint n_objects)
{
  GST_OBJECT_LOCK (self);
  weir_filter_private (self)->n_reused += n_objects;
  GST_OBJECT_UNLOCK (self);
}

/* Takes the buffer out of the job, writable and with its results. */
static GstBuffer *finish_job (WeirFilter *self, WeirFilterJob *job)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  if (job->map.buffer)
    weir_frame_unmap (&job->map);
  GstBuffer *buffer = gst_buffer_make_writable (g_steal_pointer (&job->buffer));
  if (priv->caps_layout_only && weir_buffer_has_other_layout (buffer, &job->info))
    buffer = weir_buffer_to_caps_layout (buffer, &job->info);
  const gboolean fresh = !weir_buffer_get_meta (buffer);
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  if (fresh) {
    meta->stream = g_strdup (priv->stream_name);
    meta->frame = job->base.id.number;
  }
  check_request (&job->base);
  WEIR_FILTER_GET_CLASS (self)->finish (self, buffer, meta, &job->base);
  check_items (&job->base);
  note_status (meta, fresh, &job->base);
  if (job->base.n_reused > 0)
    count_reused (self, job->base.n_reused);
  if (job->base.status == WEIR_STATUS_FAILED)
    warn_of_failure (self, job);
  GST_LOG_OBJECT (self, "frame %" G_GUINT64_FORMAT ": %s, %u objects", job->base.id.number,
      weir_status_name (job->base.status), meta->objects->len);
  return buffer;
}

/* TRUE where the pipeline should hear of another latency. */
static gboolean note_latency (WeirFilterPrivate *priv, WeirFilterJob *job)
{
  if (job->base.status != WEIR_STATUS_INFERRED || weir_request_n_items (job->base.request) == 0)
    return FALSE;
  const guint64 sample_ns = weir_request_latency_ns (job->base.request);
  g_mutex_lock (&priv->lock);
  const gboolean moved = weir_latency_add (&priv->latency, sample_ns) && priv->live;
  g_mutex_unlock (&priv->lock);
  return moved;
}

static GstFlowReturn push_buffer (WeirFilter *self, WeirCell *cell)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  const guint64 frame = cell->job->base.id.number;
  const gboolean moved = note_latency (priv, cell->job);
  GstBuffer *buffer = finish_job (self, cell->job);
  weir_ring_release_job (priv, cell->job);
  if ((frame + 1) % DEPTH_FRAMES == 0)
    weir_filter_update_depth (priv, priv->session);
  if (moved)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  return gst_pad_push (priv->srcpad, buffer);
}

static GstFlowReturn push_event (WeirFilter *self, WeirCell *cell)
{
  gst_pad_push_event (weir_filter_private (self)->srcpad, cell->event);
  return GST_FLOW_OK;
}

/* Everything that came before it has left: a query about allocation finds the ring empty. */
static GstFlowReturn ask_downstream (WeirFilter *self, WeirCell *cell)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  gboolean result = gst_pad_peer_query (priv->srcpad, cell->query);
  g_mutex_lock (&priv->lock);
  const guint n_held = priv->depth + 1;
  g_mutex_unlock (&priv->lock);
  if (GST_QUERY_TYPE (cell->query) == GST_QUERY_ALLOCATION) {
    priv->caps_layout_only = weir_allocation_amend (cell->query, result, n_held);
    result = !weir_ring_is_flushing (priv);
  }
  g_mutex_lock (&priv->lock);
  priv->query_result = result;
  priv->query_state = WEIR_QUERY_DONE;
  g_cond_broadcast (&priv->query_done);
  g_mutex_unlock (&priv->lock);
  return GST_FLOW_OK;
}

/* The task pauses; whoever waits gets the flow. Only where nobody is linked what stands in the ring
 * can go on later. An error after upstream has sent EOS would be seen by nobody, so it goes to the
 * bus. Releases the ring lock. */
static void pause_and_unlock (WeirFilter *self)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  const GstFlowReturn flow = priv->flow;
  const gboolean tell = priv->eos && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS);
  gst_pad_pause_task (priv->srcpad);
  if (flow != GST_FLOW_NOT_LINKED)
    weir_ring_drop_frames (priv);
  g_cond_broadcast (&priv->space);
  g_cond_broadcast (&priv->query_done);
  g_mutex_unlock (&priv->lock);
  GST_DEBUG_OBJECT (self, "the task pauses: %s", gst_flow_get_name (flow));
  weir_ring_reap (priv);
  if (!tell)
    return;
  GST_ELEMENT_FLOW_ERROR (self, flow);
  gst_pad_push_event (priv->srcpad, gst_event_new_eos ());
}

/* Waits until the head of the ring can go and takes it. FALSE: the task pauses. */
static gboolean next_cell (WeirFilter *self, WeirCell *cell)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  g_mutex_lock (&priv->lock);
  for (;;) {
    if (priv->flow != GST_FLOW_OK) {
      pause_and_unlock (self);
      return FALSE;
    }
    if (weir_ring_release_orphan (priv))
      continue;
    const WeirCell *head = gst_queue_array_peek_head_struct (priv->ring);
    if (head && (head->kind != WEIR_CELL_BUFFER || head->job->done))
      break;
    g_cond_wait (&priv->item, &priv->lock);
  }
  *cell = *(WeirCell *) gst_queue_array_pop_head_struct (priv->ring);
  if (cell->kind == WEIR_CELL_QUERY)
    priv->query_state = WEIR_QUERY_RUNNING;
  g_mutex_unlock (&priv->lock);
  return TRUE;
}

void weir_filter_loop (gpointer user)
{
  static GstFlowReturn (*const handlers[]) (WeirFilter *, WeirCell *) = {
    [WEIR_CELL_BUFFER] = push_buffer,
    [WEIR_CELL_EVENT] = push_event,
    [WEIR_CELL_QUERY] = ask_downstream,
  };
  WeirFilter *self = WEIR_FILTER (GST_PAD_PARENT (user));
  WeirFilterPrivate *priv = weir_filter_private (self);
  WeirCell cell;
  if (!next_cell (self, &cell))
    return;
  const GstFlowReturn flow = handlers[cell.kind](self, &cell);
  g_mutex_lock (&priv->lock);
  if (flow == GST_FLOW_EOS)
    weir_ring_drop_until_restart (priv);
  else if (flow != GST_FLOW_OK && priv->flow == GST_FLOW_OK)
    priv->flow = flow;
  g_mutex_unlock (&priv->lock);
}
