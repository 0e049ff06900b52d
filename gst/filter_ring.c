/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs and the ring of WeirFilter: who owns a frame when. Locks: see filter.c. */
#include "gst/filter_private.h"

#include "gst/frame_map.h"

GstFlowReturn weir_ring_flow (const WeirFilterPrivate *priv)
{
  return priv->flow == GST_FLOW_OK && priv->downstream_eos ? GST_FLOW_EOS : priv->flow;
}

/* An orphan whose request is done, taken out of the list. */
static WeirFilterJob *find_done_orphan (WeirFilterPrivate *priv)
{
  for (guint i = 0; i < priv->orphans->len; i++) {
    WeirFilterJob *job = g_ptr_array_index (priv->orphans, i);
    if (job->done)
      return g_ptr_array_steal_index_fast (priv->orphans, i);
  }
  return NULL;
}

gboolean weir_ring_release_orphan (WeirFilterPrivate *priv)
{
  WeirFilterJob *orphan = find_done_orphan (priv);
  if (!orphan)
    return FALSE;
  g_mutex_unlock (&priv->lock);
  weir_ring_release_job (priv, orphan);
  g_mutex_lock (&priv->lock);
  return TRUE;
}

WeirFilterJob *weir_ring_take_job (WeirFilterPrivate *priv, gboolean leaky, GstFlowReturn *flow)
{
  WeirFilterJob *job = NULL;
  g_mutex_lock (&priv->lock);
  while (weir_ring_flow (priv) == GST_FLOW_OK &&
         priv->n_busy >= (leaky ? WEIR_MAX_DEPTH : priv->depth))
    if (!weir_ring_release_orphan (priv)) /* the task may be held up downstream */
      g_cond_wait (&priv->space, &priv->lock);
  *flow = weir_ring_flow (priv);
  if (*flow != GST_FLOW_OK) {
    g_mutex_unlock (&priv->lock);
    return NULL;
  }
  priv->n_busy++;
  const guint64 frame = priv->n_frames++;
  if (priv->idle->len > 0)
    job = g_ptr_array_steal_index_fast (priv->idle, priv->idle->len - 1);
  g_mutex_unlock (&priv->lock);
  if (!job)
    job = weir_filter_job_new (priv);
  job->base.id.number = frame;
  return job;
}

gboolean weir_ring_begin_inference (WeirFilterPrivate *priv, gboolean leaky)
{
  g_mutex_lock (&priv->lock);
  const gboolean may = !leaky || priv->n_inferring < priv->depth;
  priv->n_inferring += may;
  g_mutex_unlock (&priv->lock);
  return may;
}

void weir_ring_end_inference (WeirFilterPrivate *priv)
{
  g_mutex_lock (&priv->lock);
  priv->n_inferring--;
  g_mutex_unlock (&priv->lock);
}

static void let_buffer_go (WeirFilterJob *job)
{
  if (job->map.buffer)
    weir_frame_unmap (&job->map);
  gst_clear_buffer (&job->buffer);
}

void weir_ring_release_job (WeirFilterPrivate *priv, WeirFilterJob *job)
{
  let_buffer_go (job);
  g_clear_pointer (&job->message, g_free);
  job->base.reason = NULL;
  job->base.status = WEIR_STATUS_INFERRED;
  job->base.n_reused = job->base.reused_age = 0;
  job->done = FALSE;
  weir_request_reset (job->base.request);
  g_array_set_size (job->base.targets, 0);
  g_mutex_lock (&priv->lock);
  priv->n_busy--;
  g_ptr_array_add (priv->idle, job);
  g_cond_broadcast (&priv->space);
  g_mutex_unlock (&priv->lock);
}

void weir_ring_reap (WeirFilterPrivate *priv)
{
  g_mutex_lock (&priv->lock);
  while (weir_ring_release_orphan (priv))
    ;
  g_mutex_unlock (&priv->lock);
}

/* An orphan that is not done is nobody else's. Its picture goes now: after an error the task
 * sleeps, and whoever takes the orphan may come late. */
void weir_ring_on_done (WeirRequest *request, void *user)
{
  WeirFilterJob *job = user;
  WeirFilterPrivate *priv = job->priv;
  g_mutex_lock (&priv->lock);
  if (g_ptr_array_find (priv->orphans, job, NULL)) {
    g_mutex_unlock (&priv->lock);
    let_buffer_go (job);
    g_mutex_lock (&priv->lock);
  }
  job->done = TRUE;
  priv->n_inferring--;
  g_cond_broadcast (&priv->item);
  g_cond_broadcast (&priv->space);
  g_mutex_unlock (&priv->lock);
}

/* Nobody sends caps twice. What an event says that FLUSH_STOP makes every pad forget is over. */
static gboolean survives_flush (GstEvent *event)
{
  const GstEventType type = GST_EVENT_TYPE (event);
  return GST_EVENT_IS_STICKY (event) && type != GST_EVENT_SEGMENT && type != GST_EVENT_EOS &&
         type != GST_EVENT_STREAM_GROUP_DONE;
}

void weir_ring_drop_cell (WeirFilterPrivate *priv, WeirCell *cell, gboolean keep_sticky)
{
  switch (cell->kind) {
  case WEIR_CELL_BUFFER:
    g_ptr_array_add (priv->orphans, cell->job);
    break;
  case WEIR_CELL_EVENT:
    if (keep_sticky && survives_flush (cell->event))
      gst_pad_store_sticky_event (priv->srcpad, cell->event);
    gst_event_unref (cell->event);
    break;
  case WEIR_CELL_QUERY:
    priv->query_result = FALSE;
    priv->query_state = WEIR_QUERY_DONE;
    g_cond_broadcast (&priv->query_done);
    break;
  }
}

void weir_ring_drop_frames (WeirFilterPrivate *priv)
{
  for (guint n = gst_queue_array_get_length (priv->ring); n > 0; n--) {
    WeirCell cell = *(WeirCell *) gst_queue_array_pop_head_struct (priv->ring);
    if (cell.kind == WEIR_CELL_EVENT)
      gst_queue_array_push_tail_struct (priv->ring, &cell);
    else
      weir_ring_drop_cell (priv, &cell, FALSE);
  }
}

void weir_ring_empty (WeirFilterPrivate *priv, gboolean keep_sticky)
{
  g_mutex_lock (&priv->lock);
  while (!gst_queue_array_is_empty (priv->ring))
    weir_ring_drop_cell (priv, gst_queue_array_pop_head_struct (priv->ring), keep_sticky);
  priv->eos = FALSE;
  priv->downstream_eos = FALSE;
  g_mutex_unlock (&priv->lock);
  weir_ring_reap (priv);
}

void weir_ring_drop_until_restart (WeirFilterPrivate *priv)
{
  WeirCell *head;
  while ((head = gst_queue_array_peek_head_struct (priv->ring))) {
    const GstEventType type =
        head->kind == WEIR_CELL_EVENT ? GST_EVENT_TYPE (head->event) : GST_EVENT_UNKNOWN;
    if (type == GST_EVENT_EOS || type == GST_EVENT_SEGMENT || type == GST_EVENT_STREAM_START)
      return;
    weir_ring_drop_cell (priv, gst_queue_array_pop_head_struct (priv->ring), FALSE);
  }
  priv->downstream_eos = TRUE;
  g_cond_broadcast (&priv->space);
}

void weir_ring_with_stream (WeirFilterPrivate *priv, void (*use) (WeirStream *stream))
{
  g_mutex_lock (&priv->lock);
  const gboolean has_stream = priv->has_stream;
  priv->n_stream_users += has_stream;
  g_mutex_unlock (&priv->lock);
  if (!has_stream)
    return;
  use (priv->stream);
  g_mutex_lock (&priv->lock);
  priv->n_stream_users--;
  g_cond_broadcast (&priv->item);
  g_mutex_unlock (&priv->lock);
}

void weir_ring_close_stream (WeirFilterPrivate *priv)
{
  g_mutex_lock (&priv->lock);
  priv->has_stream = FALSE;
  while (priv->n_stream_users > 0)
    g_cond_wait (&priv->item, &priv->lock);
  g_mutex_unlock (&priv->lock);
}

void weir_ring_interrupt (WeirFilterPrivate *priv)
{
  g_mutex_lock (&priv->lock);
  priv->flow = GST_FLOW_FLUSHING;
  g_cond_broadcast (&priv->item);
  g_cond_broadcast (&priv->space);
  g_cond_broadcast (&priv->query_done);
  g_mutex_unlock (&priv->lock);
  weir_ring_with_stream (priv, weir_stream_flush);
}

gboolean weir_ring_is_flushing (const WeirFilterPrivate *priv)
{
  GST_OBJECT_LOCK (priv->srcpad);
  const gboolean is_flushing = GST_PAD_IS_FLUSHING (priv->srcpad);
  GST_OBJECT_UNLOCK (priv->srcpad);
  return is_flushing;
}

void weir_ring_begin_stream (WeirFilterPrivate *priv)
{
  if (weir_ring_is_flushing (priv))
    return;
  priv->flow = GST_FLOW_OK;
  priv->eos = priv->downstream_eos = FALSE;
  gst_pad_start_task (priv->srcpad, weir_filter_loop, priv->srcpad, NULL);
}

void weir_ring_restart (WeirFilterPrivate *priv)
{
  weir_ring_with_stream (priv, weir_stream_resume);
  g_mutex_lock (&priv->lock);
  if (gst_pad_is_active (priv->srcpad)) {
    priv->flow = GST_FLOW_OK;
    gst_pad_start_task (priv->srcpad, weir_filter_loop, priv->srcpad, NULL);
  }
  g_mutex_unlock (&priv->lock);
}

void weir_ring_settle (WeirFilterPrivate *priv)
{
  weir_ring_empty (priv, FALSE);
  g_mutex_lock (&priv->lock);
  while (priv->n_busy > 0)
    if (!weir_ring_release_orphan (priv))
      g_cond_wait (&priv->item, &priv->lock);
  g_mutex_unlock (&priv->lock);
}
