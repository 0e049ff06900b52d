/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings become a session at NULL→READY, where everything that is knowable is checked, and a
 * stream of it at READY→PAUSED. */
#include "gst/filter_private.h"

#include "gst/analytics.h"
#include "gst/bus_errors.h"
#include "gst/filter_stats.h"
#include <string.h>

#define GST_CAT_DEFAULT weir_debug

#define MIN_DEPTH       4u

static gboolean check_settings (const WeirSettings *settings, GError **error)
{
  if (!settings->model || !*settings->model) {
    g_set_error_literal (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "property 'model' is not set: name the file of a network, for example model=yolox.onnx");
    return FALSE;
  }
  const gboolean wants_analytics =
      settings->meta == WEIR_META_ANALYTICS || settings->meta == WEIR_META_BOTH;
  if (wants_analytics && !weir_analytics_is_available ()) {
    g_set_error_literal (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "property 'meta': this build has no GstAnalyticsRelationMeta (it needs GStreamer 1.24 with "
        "gstreamer-analytics-1.0 at build time); expected auto or roi");
    return FALSE;
  }
  return TRUE;
}

static WeirSession *open_session (const WeirSettings *settings, GError **error)
{
  const WeirSessionOptions options = {
    .model = settings->model,
    .model_options = { .labels = settings->labels,
        .decoder = settings->decoder,
        .color_format = weir_settings_nick (settings, "color-format"),
        .input_shape = settings->input_shape,
        .model_proc = settings->model_proc,
        .constant_inputs = settings->constant_inputs,
        .mean = settings->mean,
        .scale = settings->scale,
        .resize = weir_settings_nick (settings, "resize") },
    .device = settings->device,
    .precision = weir_settings_nick (settings, "precision"),
    .performance_hint = weir_settings_nick (settings, "performance-hint"),
    .config = settings->config,
    .instance = settings->instance,
    .num_requests = settings->num_requests,
    .batch_size = settings->batch_size,
    .batch_timeout_ms = settings->batch_timeout_ms,
    .disallow_auto_batching = !settings->allow_auto_batching,
    .deterministic = settings->deterministic,
  };
  return weir_session_open (&options, error);
}

static gchar **split_list (const gchar *text)
{
  if (!text || !*text)
    return NULL;
  gchar **words = g_strsplit (text, ",", -1);
  for (gchar **word = words; *word; word++)
    g_strstrip (*word);
  return words;
}

gboolean weir_filter_open (WeirFilter *filter, GError **error)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  GST_OBJECT_LOCK (filter);
  weir_settings_copy (&priv->active, &priv->settings);
  memset (&priv->past, 0, sizeof priv->past);
  priv->n_reused = 0;
  GST_OBJECT_UNLOCK (filter);
  if (!check_settings (&priv->active, error))
    return FALSE;
  WeirSession *session = open_session (&priv->active, error);
  if (!session)
    return FALSE;
  WeirModel *model = weir_session_model (session);
  if (!weir_model_check_picture (model, error) ||
      !WEIR_FILTER_GET_CLASS (filter)->configure (filter, model, error)) {
    weir_session_unref (session);
    return FALSE;
  }
  priv->classes = split_list (priv->active.classes);
  priv->stream_name = priv->active.stream ? g_strdup (priv->active.stream)
                                          : gst_object_get_name (GST_OBJECT (filter));
  GST_OBJECT_LOCK (filter);
  priv->session = session;
  GST_OBJECT_UNLOCK (filter);
  GST_INFO_OBJECT (filter, "stream '%s' of a session with %s on %s, which can use %u requests",
      priv->stream_name, priv->active.model, priv->active.device,
      weir_session_optimal_requests (session));
  return TRUE;
}

void weir_filter_close (WeirFilter *filter)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  if (!priv->session)
    return;
  GstStructure *stats = weir_filter_make_stats (filter);
  GST_OBJECT_LOCK (filter);
  WeirSession *session = g_steal_pointer (&priv->session);
  g_clear_pointer (&priv->last_stats, gst_structure_free);
  priv->last_stats = stats;
  GST_OBJECT_UNLOCK (filter);
  weir_session_unref (session);
  g_clear_pointer (&priv->classes, g_strfreev);
  g_clear_pointer (&priv->stream_name, g_free);
}

/* A stream alone keeps the workers busy while its head waits to be pushed. Among several each must
 * only be able to keep them busy while the others pause: what it holds beyond that is memory. */
void weir_filter_update_depth (WeirFilterPrivate *priv, WeirSession *session)
{
  const guint enough = MIN (weir_session_optimal_requests (session), WEIR_MAX_DEPTH);
  const guint wanted = weir_session_n_streams (session) > 1 ? enough : 2 * enough;
  g_mutex_lock (&priv->lock);
  priv->depth = CLAMP (wanted, MIN_DEPTH, WEIR_MAX_DEPTH);
  g_cond_broadcast (&priv->space);
  g_mutex_unlock (&priv->lock);
}

void weir_filter_start (WeirFilter *filter)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  WeirStream *stream = weir_stream_new (priv->session, priv->stream_name, 0);
  weir_filter_update_depth (priv, priv->session);
  GST_OBJECT_LOCK (filter);
  priv->stream = stream;
  GST_OBJECT_UNLOCK (filter);
  priv->n_since_restart = priv->first_frame = 0;
  priv->n_failures = 0;
  priv->caps_layout_only = FALSE;
  priv->info.finfo = NULL;
  gst_segment_init (&priv->segment, GST_FORMAT_TIME);
  g_mutex_lock (&priv->lock);
  priv->has_stream = TRUE;
  priv->n_frames = 0;
  priv->n_inferring = 0;
  priv->live = FALSE;
  priv->frame_ns = 0;
  memset (&priv->latency, 0, sizeof priv->latency);
  weir_qos_reset (&priv->qos);
  g_mutex_unlock (&priv->lock);
}

/* What a stream adds to those before it. */
static WeirStreamStats count_items (WeirStreamStats sum, const WeirStream *stream)
{
  WeirStreamStats own;
  weir_stream_stats (stream, &own);
  sum.n_items += own.n_items;
  sum.n_failed += own.n_failed;
  sum.n_skipped += own.n_skipped;
  return sum;
}

void weir_filter_stop (WeirFilter *filter)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  g_ptr_array_set_size (priv->idle, 0);
  weir_ring_close_stream (priv);
  GST_OBJECT_LOCK (filter);
  WeirStream *stream = g_steal_pointer (&priv->stream);
  if (stream)
    priv->past = count_items (priv->past, stream);
  GST_OBJECT_UNLOCK (filter);
  if (stream)
    weir_stream_free (stream);
}

GstStructure *weir_filter_make_stats (WeirFilter *filter)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  g_mutex_lock (&priv->lock);
  const guint64 n_frames = priv->n_frames;
  g_mutex_unlock (&priv->lock);
  GST_OBJECT_LOCK (filter);
  g_autoptr (WeirSession) session = priv->session ? weir_session_ref (priv->session) : NULL;
  const guint64 n_reused = priv->n_reused;
  const WeirStreamStats own = priv->stream ? count_items (priv->past, priv->stream) : priv->past;
  GstStructure *last = !session && priv->last_stats ? gst_structure_copy (priv->last_stats) : NULL;
  GST_OBJECT_UNLOCK (filter);
  if (last)
    return last;
  g_autofree WeirStats *stats = session ? g_new0 (WeirStats, 1) : NULL;
  if (session)
    weir_session_stats (session, stats);
  GstStructure *structure = weir_stats_to_structure (stats, n_frames, &own);
  gst_structure_set (structure, "stream-reused", G_TYPE_UINT64, n_reused, NULL);
  return structure;
}

/* What of `config` can take effect now does, the rest is told on the bus; pairs that the session
 * was opened with are no news. */
static void apply_config (
    WeirFilter *filter, WeirSession *session, const gchar *config, const gchar *opened_with)
{
  g_auto (GStrv) pairs = split_list (config);
  g_auto (GStrv) known = split_list (opened_with);
  g_autoptr (GError) whole = NULL;
  gboolean has_failed = FALSE;
  if (!pairs || weir_session_set_config (session, config, &whole))
    return;
  for (gchar **pair = pairs; *pair; pair++) {
    g_autoptr (GError) error = NULL;
    if (weir_session_set_config (session, *pair, &error))
      continue;
    has_failed = TRUE;
    if (!known || !g_strv_contains ((const gchar *const *) known, *pair))
      weir_bus_warning (GST_ELEMENT (filter), "%s", error->message);
  }
  if (!has_failed)
    weir_bus_warning (GST_ELEMENT (filter), "%s", whole->message);
}

/* Only what was set: the session is shared, and the other value may be somebody else's. */
void weir_filter_apply_live (WeirFilter *filter, const gchar *property)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  GST_OBJECT_LOCK (filter);
  g_autoptr (WeirSession) session = priv->session ? weir_session_ref (priv->session) : NULL;
  const guint num_requests = priv->settings.num_requests;
  const gint batch_timeout_ms = priv->settings.batch_timeout_ms;
  g_autofree gchar *config = g_strdup (priv->settings.config);
  g_autofree gchar *opened_with = g_strdup (priv->active.config);
  GST_OBJECT_UNLOCK (filter);
  if (!session)
    return;
  if (g_str_equal (property, "batch-timeout"))
    weir_session_set_batch_timeout (session, batch_timeout_ms);
  else if (g_str_equal (property, "num-requests"))
    weir_session_set_num_requests (session, num_requests);
  else if (g_str_equal (property, "config"))
    apply_config (filter, session, config, opened_with);
  else
    return;
  weir_filter_update_depth (priv, session);
}

WeirLiveSettings weir_filter_live (WeirFilter *filter)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  GST_OBJECT_LOCK (filter);
  const WeirLiveSettings live = priv->settings.live;
  GST_OBJECT_UNLOCK (filter);
  return live;
}

/* The session's, whoever has set it; -1: learned. */
static gint64 read_timeout_ms (WeirSession *session)
{
  g_autofree gchar *text = weir_session_get_config (session, "AUTO_BATCH_TIMEOUT", NULL);
  return g_ascii_strtoll (text, NULL, 10);
}

GstClockTime weir_filter_bound_ns (WeirFilter *filter, GstClockTime frame_ns)
{
  WeirFilterPrivate *priv = weir_filter_private (filter);
  GST_OBJECT_LOCK (filter);
  g_autoptr (WeirSession) session = priv->session ? weir_session_ref (priv->session) : NULL;
  GST_OBJECT_UNLOCK (filter);
  if (!session)
    return 0;
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  const gint64 timeout_ms = read_timeout_ms (session);
  GstClockTime wait_ns = stats->batch_max > 1 ? frame_ns / 2 : 0;
  if (timeout_ms >= 0)
    wait_ns = MIN (wait_ns, (GstClockTime) timeout_ms * GST_MSECOND);
  return wait_ns + stats->service_us_p90 * GST_USECOND;
}

gboolean weir_filter_wants_class (WeirFilter *filter, const gchar *label)
{
  gchar **classes = weir_filter_private (filter)->classes;
  return !classes || (label && g_strv_contains ((const gchar *const *) classes, label));
}

const WeirSettings *weir_filter_settings (WeirFilter *filter)
{
  return &weir_filter_private (filter)->active;
}

const gchar *weir_filter_model_name (WeirFilter *filter)
{
  return weir_model_name (weir_session_model (weir_filter_private (filter)->session));
}

WeirFilterJob *weir_filter_job_new (WeirFilterPrivate *priv)
{
  WeirFilterJob *job = g_new0 (WeirFilterJob, 1);
  job->priv = priv;
  job->base.request = weir_request_new (priv->stream);
  job->base.targets = g_array_new (FALSE, FALSE, sizeof (guint));
  return job;
}

void weir_filter_job_free (WeirFilterJob *job)
{
  weir_request_free (job->base.request);
  g_array_unref (job->base.targets);
  g_free (job);
}
