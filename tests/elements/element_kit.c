/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Helpers of the element tests. */
#include "element_kit.h"

#include "gst/classify.h"
#include "gst/detect.h"
#include <stdio.h>
#include <string.h>

void kit_register (void)
{
  gst_element_register (NULL, "inferdetect", GST_RANK_NONE, WEIR_TYPE_DETECT);
  gst_element_register (NULL, "inferclassify", GST_RANK_NONE, WEIR_TYPE_CLASSIFY);
}

GstCaps *kit_caps (gint width, gint height)
{
  return gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT,
      width, "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);
}

GstHarness *kit_harness (const gchar *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  return h;
}

GstBuffer *kit_buffer_sized (guint index, guint8 value, gint width, gint height)
{
  GstVideoInfo info;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, (guint) width, (guint) height);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_memset (buffer, 0, value, info.size);
  GST_BUFFER_PTS (buffer) = index * KIT_FRAME_NS;
  GST_BUFFER_DURATION (buffer) = KIT_FRAME_NS;
  return buffer;
}

GstBuffer *kit_buffer (guint index, guint8 value)
{
  return kit_buffer_sized (index, value, KIT_WIDTH, KIT_HEIGHT);
}

GstBuffer *kit_pull (GstHarness *h, WeirMeta **meta)
{
  GstBuffer *buffer = gst_harness_pull (h);
  ck_assert (buffer != NULL);
  *meta = weir_buffer_get_meta (buffer);
  ck_assert (*meta != NULL);
  return buffer;
}

WeirMetaObject *kit_object (WeirMeta *meta, guint index)
{
  ck_assert_uint_lt (index, meta->objects->len);
  return &g_array_index (meta->objects, WeirMetaObject, index);
}

GstElement *kit_find (GstHarness *h, const gchar *factory)
{
  GstElement *element = gst_harness_find_element (h, factory);
  ck_assert (element != NULL);
  return element;
}

void kit_assert_status (const WeirMeta *meta, WeirStatus status, const gchar *reason)
{
  ck_assert_str_eq (weir_status_name (meta->status), weir_status_name (status));
  ck_assert_str_eq (meta->reason ? meta->reason : "none", reason ? reason : "none");
}

static void append (KitLog *log, GstMiniObject *item)
{
  if (GST_IS_BUFFER (item)) {
    g_string_append_printf (
        log->text, " buffer-%" G_GUINT64_FORMAT, GST_BUFFER_PTS (item) / KIT_FRAME_NS);
  } else if (GST_IS_EVENT (item)) {
    GstEvent *event = GST_EVENT (item);
    const GstStructure *structure = gst_event_get_structure (event);
    gint n = -1;
    if (structure)
      gst_structure_get_int (structure, "n", &n);
    g_string_append_printf (log->text, " %s", GST_EVENT_TYPE_NAME (event));
    if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
      GstCaps *caps;
      gst_event_parse_caps (event, &caps);
      gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &n);
    }
    if (n >= 0)
      g_string_append_printf (log->text, "-%d", n);
    log->eos |= GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  } else {
    g_string_append_printf (log->text, " query-%s", GST_QUERY_TYPE_NAME (item));
  }
}

static GstPadProbeReturn probe (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  KitLog *log = user;
  GstMiniObject *item = info->data;
  if (GST_IS_QUERY (item) && !GST_QUERY_IS_SERIALIZED (item))
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&log->lock);
  append (log, item);
  const GstFlowReturn flow = log->flow;
  g_cond_broadcast (&log->grown);
  g_mutex_unlock (&log->lock);
  if (!GST_IS_BUFFER (item) || flow == GST_FLOW_OK)
    return GST_PAD_PROBE_OK;
  gst_buffer_unref (GST_BUFFER (item));
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = flow;
  return GST_PAD_PROBE_HANDLED;
}

void kit_log_init (KitLog *log, GstPad *pad)
{
  memset (log, 0, sizeof *log);
  g_mutex_init (&log->lock);
  g_cond_init (&log->grown);
  log->text = g_string_new (NULL);
  log->pad = gst_object_ref (pad);
  log->probe = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM | GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM |
          GST_PAD_PROBE_TYPE_PUSH,
      probe, log, NULL);
}

void kit_log_wait_eos (KitLog *log)
{
  g_mutex_lock (&log->lock);
  while (!log->eos)
    g_cond_wait (&log->grown, &log->lock);
  g_mutex_unlock (&log->lock);
}

void kit_log_wait (KitLog *log, const gchar *words)
{
  g_mutex_lock (&log->lock);
  while (!strstr (log->text->str, words))
    g_cond_wait (&log->grown, &log->lock);
  g_mutex_unlock (&log->lock);
}

void kit_log_set_flow (KitLog *log, GstFlowReturn flow)
{
  g_mutex_lock (&log->lock);
  log->flow = flow;
  g_mutex_unlock (&log->lock);
}

void kit_log_clear (KitLog *log)
{
  gst_pad_remove_probe (log->pad, log->probe);
  gst_object_unref (log->pad);
  g_string_free (log->text, TRUE);
  g_mutex_clear (&log->lock);
  g_cond_clear (&log->grown);
}

GstElement *kit_launch (const gchar *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;
  va_start (args, format);
  g_autofree gchar *text = g_strdup_vprintf (format, args);
  va_end (args);
  GstElement *pipeline = gst_parse_launch (text, &error);
  ck_assert_msg (pipeline && !error, "%s", error ? error->message : text);
  return pipeline;
}

void kit_play (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_error (message, &error, NULL);
    ck_abort_msg ("%s", error->message);
  }
  gst_message_unref (message);
  gst_object_unref (bus);
}

guint64 kit_stat (GstElement *pipeline, const gchar *name, const gchar *field)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GstStructure *stats;
  guint64 value = G_MAXUINT64;
  guint small;
  g_object_get (element, "stats", &stats, NULL);
  if (gst_structure_get_uint (stats, field, &small))
    value = small;
  else
    gst_structure_get_uint64 (stats, field, &value);
  gst_structure_free (stats);
  gst_object_unref (element);
  return value;
}

/* Where nothing is forked what a failed test leaves behind may end the process later: so each
 * result is printed as it comes. */
int kit_run (TCase *tcase)
{
  Suite *suite = suite_create ("elements");
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (srunner_fork_status (runner) == CK_NOFORK)
    srunner_set_log (runner, "-");
  srunner_run_all (runner, CK_NORMAL);
  const int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  if (n_failed == 0) /* what a failed test left running would be waited for */
    gst_deinit ();   /* lets the leaks tracer report when nothing is forked */
  return n_failed != 0;
}
