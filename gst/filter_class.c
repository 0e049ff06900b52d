/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The class WeirFilter: pads, states, properties, and what the src pad is asked. */
#include "gst/filter_private.h"

#include "gst/bus_errors.h"
#include "gst/frame_map.h"

#define GST_CAT_DEFAULT weir_debug

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (WeirFilter, weir_filter, GST_TYPE_ELEMENT)

GST_DEBUG_CATEGORY (weir_debug);

#define PROP_STATS WEIR_PROP_OTHER

WeirFilterPrivate *weir_filter_private (WeirFilter *filter)
{
  return weir_filter_get_instance_private (filter);
}

static gboolean answer_latency (WeirFilter *self, GstQuery *query)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  gboolean live;
  GstClockTime min, max;
  if (!gst_pad_peer_query (priv->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  g_mutex_lock (&priv->lock);
  const GstClockTime frame_ns = priv->frame_ns;
  g_mutex_unlock (&priv->lock);
  const GstClockTime bound_ns = weir_filter_bound_ns (self, frame_ns);
  g_mutex_lock (&priv->lock);
  const GstClockTime own_ns = weir_latency_report (&priv->latency, bound_ns);
  const GstClockTime ring_ns = MAX (priv->depth * frame_ns, own_ns);
  priv->live = live;
  g_mutex_unlock (&priv->lock);
  GST_DEBUG_OBJECT (self,
      "latency: own %" GST_TIME_FORMAT ", a full ring %" GST_TIME_FORMAT ", upstream %s",
      GST_TIME_ARGS (own_ns), GST_TIME_ARGS (ring_ns), live ? "live" : "not live");
  gst_query_set_latency (
      query, live, min + own_ns, GST_CLOCK_TIME_IS_VALID (max) ? max + ring_ns : max);
  return TRUE;
}

static gboolean src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return answer_latency (WEIR_FILTER (parent), query);
  if (GST_QUERY_TYPE (query) == GST_QUERY_SCHEDULING) {
    gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH); /* nobody pulls through a ring */
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

static gboolean src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  WeirFilterPrivate *priv = weir_filter_private (WEIR_FILTER (parent));
  g_mutex_lock (&priv->lock);
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    weir_qos_update (&priv->qos, event, priv->frame_ns);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE && priv->flow == GST_FLOW_NOT_LINKED) {
    /* Somebody was linked: what stands in the ring can go on. */
    priv->flow = GST_FLOW_OK;
    gst_pad_start_task (priv->srcpad, weir_filter_loop, priv->srcpad, NULL);
  }
  g_mutex_unlock (&priv->lock);
  return gst_pad_event_default (pad, parent, event);
}

static gboolean activate_sink (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  WeirFilterPrivate *priv = weir_filter_private (WEIR_FILTER (parent));
  if (mode != GST_PAD_MODE_PUSH || !priv->stream)
    return FALSE;
  if (!active)
    weir_ring_interrupt (priv);
  return TRUE;
}

static gboolean activate_src (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  WeirFilterPrivate *priv = weir_filter_private (WEIR_FILTER (parent));
  if (mode != GST_PAD_MODE_PUSH || !priv->stream)
    return FALSE;
  if (active) {
    weir_ring_restart (priv);
    return TRUE;
  }
  weir_ring_interrupt (priv);
  return gst_pad_stop_task (pad);
}

static GstStateChangeReturn change_state (GstElement *element, GstStateChange transition)
{
  WeirFilter *self = WEIR_FILTER (element);
  g_autoptr (GError) error = NULL;
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !weir_filter_open (self, &error)) {
    weir_bus_error (element, error);
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    weir_filter_start (self);
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) /* others need not wait for it */
    weir_ring_with_stream (weir_filter_private (self), weir_stream_drain);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (weir_filter_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE)) {
    weir_ring_settle (weir_filter_private (self));
    weir_filter_stop (self);
  }
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    weir_filter_close (self);
  return result;
}

static void set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  WeirFilter *self = WEIR_FILTER (object);
  GST_OBJECT_LOCK (self);
  const gboolean found = weir_props_set (&weir_filter_private (self)->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (found)
    weir_filter_apply_live (self, spec->name);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
}

static void get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  WeirFilter *self = WEIR_FILTER (object);
  if (id == PROP_STATS) {
    g_value_take_boxed (value, weir_filter_make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  const gboolean found = weir_props_get (&weir_filter_private (self)->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!found)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
}

static void finalize (GObject *object)
{
  WeirFilterPrivate *priv = weir_filter_private (WEIR_FILTER (object));
  weir_settings_clear (&priv->settings);
  weir_settings_clear (&priv->active);
  g_clear_pointer (&priv->last_stats, gst_structure_free);
  gst_queue_array_free (priv->ring);
  g_ptr_array_unref (priv->idle);
  g_ptr_array_unref (priv->orphans);
  g_mutex_clear (&priv->lock);
  g_cond_clear (&priv->item);
  g_cond_clear (&priv->space);
  g_cond_clear (&priv->query_done);
  G_OBJECT_CLASS (weir_filter_parent_class)->finalize (object);
}

static GstPad *add_pad (WeirFilter *self, const gchar *name, GstPadActivateModeFunction activate)
{
  GstPadTemplate *template = gst_element_get_pad_template (GST_ELEMENT (self), name);
  GstPad *pad = gst_pad_new_from_template (template, name);
  gst_pad_set_activatemode_function (pad, activate);
  GST_PAD_SET_PROXY_CAPS (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);
  return pad;
}

static void weir_filter_init (WeirFilter *self)
{
  WeirFilterPrivate *priv = weir_filter_private (self);
  g_mutex_init (&priv->lock);
  g_cond_init (&priv->item);
  g_cond_init (&priv->space);
  g_cond_init (&priv->query_done);
  priv->ring = gst_queue_array_new_for_struct (sizeof (WeirCell), 32);
  priv->idle = g_ptr_array_new_with_free_func ((GDestroyNotify) weir_filter_job_free);
  priv->orphans = g_ptr_array_new ();
  priv->flow = GST_FLOW_FLUSHING;
}

static void constructed (GObject *object)
{
  WeirFilter *self = WEIR_FILTER (object);
  WeirFilterPrivate *priv = weir_filter_private (self);
  WeirFilterClass *klass = WEIR_FILTER_GET_CLASS (self);
  G_OBJECT_CLASS (weir_filter_parent_class)->constructed (object);
  weir_settings_init (&priv->settings, klass->owner, klass->region_default);
  priv->sinkpad = add_pad (self, "sink", activate_sink);
  gst_pad_set_chain_function (priv->sinkpad, weir_filter_chain);
  gst_pad_set_event_full_function (priv->sinkpad, weir_filter_sink_event);
  gst_pad_set_query_function (priv->sinkpad, weir_filter_sink_query);
  priv->srcpad = add_pad (self, "src", activate_src);
  gst_pad_set_event_function (priv->srcpad, src_event);
  gst_pad_set_query_function (priv->srcpad, src_query);
}

static void weir_filter_class_init (WeirFilterClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  object->get_property = get_property;
  object->finalize = finalize;
  object->constructed = constructed;
  GST_ELEMENT_CLASS (klass)->change_state = change_state;
  GST_DEBUG_CATEGORY_INIT (weir_debug, "weir", 0, "Weir inference");
  gst_type_mark_as_plugin_api (WEIR_TYPE_FILTER, 0);
  g_object_class_install_property (object, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "What the session and this element did: a structure weir-stats, fields in docs/stats.md",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void weir_filter_class_setup (WeirFilterClass *klass)
{
  static GstStaticPadTemplate sink = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
      GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (WEIR_VIDEO_FORMATS)));
  static GstStaticPadTemplate src = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
      GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (WEIR_VIDEO_FORMATS)));
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  /* GObject does not let classes inherit these two. */
  object->set_property = set_property;
  object->get_property = get_property;
  gst_element_class_add_static_pad_template (element, &sink);
  gst_element_class_add_static_pad_template (element, &src);
  weir_props_install (object, klass->owner, klass->region_default);
}
