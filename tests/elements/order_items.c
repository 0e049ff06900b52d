/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of events and queries; each row says how to make one. */
#include "order_items.h"

#include <gst/video/video.h>
#include <string.h>

#define FRAME_NS (G_GUINT64_CONSTANT (40000000))

guint order_draw (OrderDice *dice, guint n)
{
  *dice = *dice * 1664525u + 1013904223u;
  return (*dice >> 12) % n;
}

/* Buffers ----------------------------------------------------------------------------------- */

static const struct {
  GstVideoFormat format;
  gint width, height;
} pictures[] = {
  { GST_VIDEO_FORMAT_GRAY8, 32, 16 },
  { GST_VIDEO_FORMAT_GRAY8, 48, 24 },
  { GST_VIDEO_FORMAT_NV12, 16, 8 },
  { GST_VIDEO_FORMAT_RGB, 17, 5 },
};

guint order_n_caps (void)
{
  return G_N_ELEMENTS (pictures);
}

static void make_info (guint index, GstVideoInfo *info)
{
  gst_video_info_set_format (
      info, pictures[index].format, (guint) pictures[index].width, (guint) pictures[index].height);
  info->fps_n = 25;
  info->fps_d = 1;
}

GstCaps *order_caps_new (guint index)
{
  GstVideoInfo info;
  make_info (index, &info);
  return gst_video_info_to_caps (&info);
}

static const GstBufferFlags buffer_flags[] = { 0, GST_BUFFER_FLAG_DISCONT, GST_BUFFER_FLAG_GAP,
  GST_BUFFER_FLAG_DELTA_UNIT, GST_BUFFER_FLAG_HEADER | GST_BUFFER_FLAG_MARKER,
  GST_BUFFER_FLAG_DROPPABLE | GST_BUFFER_FLAG_RESYNC, (GstBufferFlags) GST_BUFFER_FLAG_LAST << 2,
  GST_BUFFER_FLAG_CORRUPTED };

static void add_metas (GstBuffer *buffer, guint n, OrderDice *dice)
{
  static gsize once;
  static const gchar *const tags[] = { NULL };
  if (g_once_init_enter (&once)) {
    gst_meta_register_custom ("order-mark", (const gchar **) tags, NULL, NULL, NULL);
    g_once_init_leave (&once, 1);
  }
  if (order_draw (dice, 2)) {
    GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, "order-mark");
    gst_structure_set (gst_custom_meta_get_structure (meta), "n", G_TYPE_UINT, n, NULL);
  }
  if (order_draw (dice, 4) == 0) {
    static GstStaticCaps reference = GST_STATIC_CAPS ("timestamp/x-order");
    GstCaps *caps = gst_static_caps_get (&reference);
    gst_buffer_add_reference_timestamp_meta (buffer, caps, n, GST_CLOCK_TIME_NONE);
    gst_caps_unref (caps);
  }
}

GstBuffer *order_buffer_new (guint n, guint caps, OrderDice *dice)
{
  GstVideoInfo info;
  make_info (caps, &info);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_memset (buffer, 0, (guint8) (n % 200), info.size);
  GST_BUFFER_FLAG_SET (buffer, buffer_flags[order_draw (dice, G_N_ELEMENTS (buffer_flags))]);
  const guint missing = order_draw (dice, 8);
  GST_BUFFER_PTS (buffer) = missing == 0 ? GST_CLOCK_TIME_NONE : n * FRAME_NS + n;
  GST_BUFFER_DTS (buffer) = missing == 1 ? n * FRAME_NS : GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = missing == 2 ? GST_CLOCK_TIME_NONE : FRAME_NS + n;
  GST_BUFFER_OFFSET (buffer) = missing == 3 ? GST_BUFFER_OFFSET_NONE : n;
  GST_BUFFER_OFFSET_END (buffer) = missing == 4 ? n + 1 : GST_BUFFER_OFFSET_NONE;
  add_metas (buffer, n, dice);
  return buffer;
}

static gboolean is_inference (const GstMeta *meta)
{
  static const gchar *const apis[] = { "WeirMetaAPI", "GstVideoRegionOfInterestMetaAPI",
    "GstAnalyticsRelationMetaAPI" };
  for (guint i = 0; i < G_N_ELEMENTS (apis); i++)
    if (g_str_equal (g_type_name (meta->info->api), apis[i]))
      return TRUE;
  return FALSE;
}

gchar *order_describe_buffer (GstBuffer *buffer)
{
  GString *text = g_string_new (NULL);
  guint8 first = 0, last = 0;
  gpointer state = NULL;
  gst_buffer_extract (buffer, 0, &first, 1);
  gst_buffer_extract (buffer, gst_buffer_get_size (buffer) - 1, &last, 1);
  g_string_printf (text,
      "buffer %u..%u size %" G_GSIZE_FORMAT " pts %" G_GINT64_FORMAT " dts %" G_GINT64_FORMAT
      " duration %" G_GINT64_FORMAT " offset %" G_GINT64_FORMAT "..%" G_GINT64_FORMAT " flags %x",
      first, last, gst_buffer_get_size (buffer), (gint64) GST_BUFFER_PTS (buffer),
      (gint64) GST_BUFFER_DTS (buffer), (gint64) GST_BUFFER_DURATION (buffer),
      (gint64) GST_BUFFER_OFFSET (buffer), (gint64) GST_BUFFER_OFFSET_END (buffer),
      GST_BUFFER_FLAGS (buffer) & ~(guint) GST_BUFFER_FLAG_TAG_MEMORY);
  for (GstMeta *meta; (meta = gst_buffer_iterate_meta (buffer, &state));) {
    if (is_inference (meta))
      continue;
    guint n = 0;
    if (gst_meta_info_is_custom (meta->info))
      gst_structure_get_uint (gst_custom_meta_get_structure ((GstCustomMeta *) meta), "n", &n);
    else if (meta->info->api == GST_REFERENCE_TIMESTAMP_META_API_TYPE)
      n = (guint) ((GstReferenceTimestampMeta *) meta)->timestamp;
    g_string_append_printf (text, " +%s(%u)", g_type_name (meta->info->api), n);
  }
  return g_string_free (text, FALSE);
}

/* Events ------------------------------------------------------------------------------------ */

GstStructure *order_mark (guint n)
{
  return gst_structure_new ("mark", "n", G_TYPE_INT, (gint) n, NULL);
}

static GstEvent *new_stream_start (guint n, OrderDice *dice)
{
  g_autofree gchar *id = g_strdup_printf ("stream-%u", n);
  GstEvent *event = gst_event_new_stream_start (id);
  if (order_draw (dice, 2))
    gst_event_set_group_id (event, n + 1);
  if (order_draw (dice, 2))
    gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  return event;
}

static GstEvent *new_segment (guint n, OrderDice *dice)
{
  static const gdouble rates[] = { 1, 1, 2, 0.5, -1 };
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = rates[order_draw (dice, G_N_ELEMENTS (rates))];
  segment.base = order_draw (dice, 2) * n * GST_SECOND;
  segment.start = segment.position = order_draw (dice, 2) * FRAME_NS;
  segment.time = order_draw (dice, 2) * n * GST_MSECOND;
  if (segment.rate < 0 || order_draw (dice, 3) == 0)
    segment.stop = (n + 500) * GST_SECOND;
  if (order_draw (dice, 4) == 0)
    segment.flags = GST_SEGMENT_FLAG_RESET | GST_SEGMENT_FLAG_SEGMENT;
  return gst_event_new_segment (&segment);
}

static GstEvent *new_tag (guint n, OrderDice *dice)
{
  GstTagList *tags = gst_tag_list_new (GST_TAG_TRACK_NUMBER, n, NULL);
  if (order_draw (dice, 2))
    gst_tag_list_set_scope (tags, GST_TAG_SCOPE_GLOBAL);
  return gst_event_new_tag (tags);
}

static GstEvent *new_gap (guint n, OrderDice *dice)
{
  return gst_event_new_gap (n * FRAME_NS, order_draw (dice, 2) ? FRAME_NS : GST_CLOCK_TIME_NONE);
}

static GstEvent *new_toc (guint n, OrderDice *dice)
{
  GstToc *toc = gst_toc_new (order_draw (dice, 2) ? GST_TOC_SCOPE_GLOBAL : GST_TOC_SCOPE_CURRENT);
  GstEvent *event = gst_event_new_toc (toc, n % 2);
  gst_toc_unref (toc);
  return event;
}

static GstEvent *new_protection (guint n, OrderDice *dice)
{
  GstBuffer *data = gst_buffer_new_memdup (&n, sizeof n);
  g_autofree gchar *system = g_strdup_printf ("system-%u", order_draw (dice, 3));
  GstEvent *event = gst_event_new_protection (system, data, "order");
  gst_buffer_unref (data);
  return event;
}

static GstEvent *new_custom (guint n, OrderDice *dice)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, order_mark (n));
}

static GstEvent *new_custom_sticky (guint n, OrderDice *dice)
{
  static const gchar *const names[] = { "red", "green", "blue" };
  const gchar *name = names[order_draw (dice, G_N_ELEMENTS (names))];
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new (name, "n", G_TYPE_INT, (gint) n, NULL));
}

static GstEvent *new_both (guint n, OrderDice *dice)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_BOTH, order_mark (n));
}

static GstEvent *new_oob (guint n, OrderDice *dice)
{
  return gst_event_new_custom (
      order_draw (dice, 2) ? GST_EVENT_CUSTOM_DOWNSTREAM_OOB : GST_EVENT_CUSTOM_BOTH_OOB,
      order_mark (n));
}

static GstEvent *new_segment_done (guint n, OrderDice *dice)
{
  return gst_event_new_segment_done (GST_FORMAT_TIME, n * GST_MSECOND);
}

static GstEvent *new_group_done (guint n, OrderDice *dice)
{
  return gst_event_new_stream_group_done (n + 1);
}

static GstEvent *new_instant_rate (guint n, OrderDice *dice)
{
  return gst_event_new_instant_rate_change (1.0 + order_draw (dice, 4), GST_SEGMENT_FLAG_NONE);
}

static GstEvent *new_sink_message (guint n, OrderDice *dice)
{
  GstMessage *message = gst_message_new_application (NULL, order_mark (n));
  GstEvent *event = gst_event_new_sink_message (order_draw (dice, 2) ? "order" : "other", message);
  gst_message_unref (message);
  return event;
}

static GstEvent *new_collection (guint n, OrderDice *dice)
{
  g_autofree gchar *id = g_strdup_printf ("collection-%u", n);
  GstStreamCollection *collection = gst_stream_collection_new (id);
  GstEvent *event = gst_event_new_stream_collection (collection);
  gst_object_unref (collection);
  return event;
}

static GstEvent *new_buffer_size (guint n, OrderDice *dice)
{
  return gst_event_new_buffer_size (GST_FORMAT_BYTES, n, n + 1, order_draw (dice, 2));
}

static GstEvent *new_eos (guint n, OrderDice *dice)
{
  return gst_event_new_eos ();
}

static GstEvent *new_qos (guint n, OrderDice *dice)
{
  return gst_event_new_qos (order_draw (dice, 2) ? GST_QOS_TYPE_OVERFLOW : GST_QOS_TYPE_UNDERFLOW,
      0.5 + order_draw (dice, 3), (gint64) order_draw (dice, 9) * GST_SECOND, n * FRAME_NS);
}

static GstEvent *new_seek (guint n, OrderDice *dice)
{
  static const GstSeekFlags flags[] = { GST_SEEK_FLAG_NONE, GST_SEEK_FLAG_ACCURATE,
    GST_SEEK_FLAG_SEGMENT, GST_SEEK_FLAG_FLUSH };
  return gst_event_new_seek (1, GST_FORMAT_TIME, flags[order_draw (dice, G_N_ELEMENTS (flags))],
      GST_SEEK_TYPE_SET, n * GST_MSECOND, GST_SEEK_TYPE_NONE, -1);
}

static GstEvent *new_navigation (guint n, OrderDice *dice)
{
  return gst_event_new_navigation (order_mark (n));
}

static GstEvent *new_latency (guint n, OrderDice *dice)
{
  return gst_event_new_latency (n * GST_MSECOND);
}

static GstEvent *new_reconfigure (guint n, OrderDice *dice)
{
  return gst_event_new_reconfigure ();
}

static GstEvent *new_custom_upstream (guint n, OrderDice *dice)
{
  static const GstEventType types[] = { GST_EVENT_CUSTOM_UPSTREAM, GST_EVENT_CUSTOM_BOTH,
    GST_EVENT_CUSTOM_BOTH_OOB };
  return gst_event_new_custom (types[order_draw (dice, G_N_ELEMENTS (types))], order_mark (n));
}

static GstEvent *new_step (guint n, OrderDice *dice)
{
  return gst_event_new_step (GST_FORMAT_BUFFERS, n, 1, order_draw (dice, 2), FALSE);
}

static GstEvent *new_toc_select (guint n, OrderDice *dice)
{
  return gst_event_new_toc_select ("chapter");
}

static const struct {
  const gchar *kind;
  GstEvent *(*make) (guint n, OrderDice *dice);
} events[] = {
  { "stream-start", new_stream_start },
  { "segment", new_segment },
  { "tag", new_tag },
  { "gap", new_gap },
  { "toc", new_toc },
  { "protection", new_protection },
  { "custom", new_custom },
  { "custom-sticky", new_custom_sticky },
  { "both", new_both },
  { "oob", new_oob },
  { "segment-done", new_segment_done },
  { "group-done", new_group_done },
  { "instant-rate", new_instant_rate },
  { "sink-message", new_sink_message },
  { "collection", new_collection },
  { "buffer-size", new_buffer_size },
  { "eos", new_eos },
  { "up-qos", new_qos },
  { "up-seek", new_seek },
  { "up-navigation", new_navigation },
  { "up-latency", new_latency },
  { "up-reconfigure", new_reconfigure },
  { "up-custom", new_custom_upstream },
  { "up-step", new_step },
  { "up-toc-select", new_toc_select },
};

GstEvent *order_event_new (const gchar *kind, guint n, OrderDice *dice)
{
  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    if (g_str_equal (events[i].kind, kind))
      return events[i].make (n, dice);
  return NULL;
}

/* Boxed types of which GStreamer prints the address. */
static gchar *describe_contents (GstEvent *event)
{
  gboolean updated;
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_TOC: {
    GstToc *toc;
    gst_event_parse_toc (event, &toc, &updated);
    gchar *text = g_strdup_printf ("scope %d updated %d", gst_toc_get_scope (toc), updated);
    gst_toc_unref (toc);
    return text;
  }
  case GST_EVENT_STREAM_COLLECTION: {
    GstStreamCollection *collection;
    gst_event_parse_stream_collection (event, &collection);
    gchar *text = g_strdup (gst_stream_collection_get_upstream_id (collection));
    gst_object_unref (collection);
    return text;
  }
  case GST_EVENT_SINK_MESSAGE: {
    GstMessage *message;
    gst_event_parse_sink_message (event, &message);
    gchar *text = gst_structure_to_string (gst_message_get_structure (message));
    gst_message_unref (message);
    return text;
  }
  default: {
    const GstStructure *structure = gst_event_get_structure (event);
    return structure ? gst_structure_to_string (structure) : g_strdup ("");
  }
  }
}

gchar *order_describe_event (GstEvent *event, gboolean seqnum)
{
  const guint32 number = gst_event_get_seqnum (event);
  g_autofree gchar *contents = describe_contents (event);
  const gint64 shown =
      seqnum && number >= ORDER_SEQNUM_BASE ? (gint64) (number - ORDER_SEQNUM_BASE) : -1;
  return g_strdup_printf ("%s #%" G_GINT64_FORMAT " offset %" G_GINT64_FORMAT " %s",
      GST_EVENT_TYPE_NAME (event), shown, gst_event_get_running_time_offset (event), contents);
}
