/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The elements over the real engine and the two small networks of pipelines/clocks: a clock that
 * was drawn is read, streams share a session, wrong files are told on the bus. */
#include "clock_kit.h"
#include "element_kit.h"

#include "tests/slowdown.h"
#include <string.h>

static gchar *models; /* folder of the networks */

typedef struct Count {
  gint n_frames, n_right; /* atomic: sinks have threads of their own */
} Count;

static GstPadProbeReturn check_clock (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Count *count = user;
  WeirMeta *meta = weir_buffer_get_meta (GST_PAD_PROBE_INFO_BUFFER (info));
  g_atomic_int_inc (&count->n_frames);
  if (clock_is_read (meta, GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info))))
    g_atomic_int_inc (&count->n_right);
  return GST_PAD_PROBE_OK;
}

/* Counts from the last flush. */
static GstPadProbeReturn restart_count (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Count *count = user;
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_FLUSH_STOP)
    count->n_frames = count->n_right = 0;
  return GST_PAD_PROBE_OK;
}

static void count_clocks (GstElement *pipeline, const gchar *sink, Count *count)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), sink);
  GstPad *pad = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, check_clock, count, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH, restart_count, count, NULL);
  gst_object_unref (pad);
  gst_object_unref (element);
}

/* Three cameras of different size and format: every clock is read, and both networks are loaded
 * once for all of them. */
START_TEST (test_engine_reads_clocks)
{
  Count count = { 0 };
  const guint n = repeat (20, 4), n_all = 3 * n;
  g_autofree gchar *tail = g_strdup_printf (
      "inferdetect model=%s/find-characters.onnx ! inferclassify model=%s/read-characters.onnx",
      models, models);
  g_autofree gchar *tail_named =
      g_strdup_printf ("inferdetect name=d model=%s/find-characters.onnx ! inferclassify name=c "
                       "model=%s/read-characters.onnx",
          models, models);
  GstElement *pipeline = kit_launch (CLOCK
      "! %s ! fakesink name=s0 " CLOCK "! %s ! fakesink name=s1 " CLOCK "! %s ! fakesink name=s2",
      n, "smpte", "I420", 640, 480, tail_named, n, "pinwheel", "RGB", 640, 360, tail, n, "ball",
      "NV12", 352, 288, tail);
  for (guint i = 0; i < 3; i++)
    count_clocks (pipeline, (const gchar *[]){ "s0", "s1", "s2" }[i], &count);
  kit_play (pipeline);
  ck_assert_uint_eq ((guint) count.n_frames, n_all);
  ck_assert_uint_eq ((guint) count.n_right, n_all);
  ck_assert_uint_eq (kit_stat (pipeline, "d", "streams"), 3);
  ck_assert_uint_eq (kit_stat (pipeline, "c", "streams"), 3);
  ck_assert_uint_eq (kit_stat (pipeline, "d", "loads"), 1);
  ck_assert_uint_eq (kit_stat (pipeline, "d", "items"), n_all);
  ck_assert_uint_eq (kit_stat (pipeline, "d", "stream-items"), n);
  ck_assert_uint_eq (kit_stat (pipeline, "d", "frames"), n);
  ck_assert_uint_eq (kit_stat (pipeline, "c", "items"), n_all * strlen ("0:00:00.000"));
  ck_assert_uint_eq (kit_stat (pipeline, "d", "failed"), 0);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
END_TEST

/* Streams come and go while another one plays. */
START_TEST (test_engine_streams_come_and_go)
{
  Count count = { 0 };
  const guint n = repeat (200, 20);
  GstElement *pipeline =
      kit_launch (CLOCK "! inferdetect model=%s/find-characters.onnx ! inferclassify "
                        "model=%s/read-characters.onnx ! fakesink name=s",
          n, "smpte", "I420", 640, 480, models, models);
  count_clocks (pipeline, "s", &count);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < repeat (10, 4); i++) {
    GstElement *other = kit_launch (CLOCK "! inferdetect model=%s/find-characters.onnx ! fakesink",
        1000, "snow", "BGRx", 320, 240, models);
    gst_element_set_state (other, GST_STATE_PLAYING);
    if (i % 2)
      gst_element_get_state (other, NULL, NULL, GST_CLOCK_TIME_NONE);
    gst_element_set_state (other, GST_STATE_NULL);
    gst_object_unref (other);
  }
  kit_play (pipeline);
  ck_assert_uint_eq ((guint) count.n_frames, n);
  ck_assert_uint_eq ((guint) count.n_right, n);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
END_TEST

/* Seeks flush while work is in flight; what comes after is right. */
START_TEST (test_engine_seeks)
{
  Count count = { 0 };
  const guint n = repeat (25, 4);
  const GstClockTime step_ns = n * 40 * GST_MSECOND; /* n frames */
  GstElement *pipeline =
      kit_launch (CLOCK "! inferdetect model=%s/find-characters.onnx ! inferclassify "
                        "model=%s/read-characters.onnx ! fakesink name=s",
          -1, "smpte", "I420", 640, 480, models, models);
  count_clocks (pipeline, "s", &count);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 8; i++) {
    g_usleep (15 * 1000);
    ck_assert (gst_element_seek (pipeline, 1, GST_FORMAT_TIME,
        GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
        (gint64) ((9 - i) * step_ns / 2), GST_SEEK_TYPE_SET, (gint64) (8 * step_ns)));
  }
  gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  kit_play (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  ck_assert_uint_eq ((guint) count.n_frames, 7 * n); /* from one step to eight */
  ck_assert_uint_eq ((guint) count.n_right, 7 * n);
}
END_TEST

static const struct {
  const gchar *properties; /* %s: the folder of the networks */
  GQuark (*domain) (void);
  const gchar *text;
} errors[] = {
  { "model=%s/nowhere.onnx", gst_resource_error_quark, "nowhere.onnx" },
  { "model=%s/README.md", gst_resource_error_quark, "README.md" },
  { "model=%s/find-characters.onnx device=CPU(4x)", gst_resource_error_quark, "CPU(4x)" },
  { "model=%s/find-characters.onnx config=NO_SUCH_KEY=1", gst_resource_error_quark, "NO_SUCH_KEY" },
  { "model=%s/find-characters.onnx labels=/nowhere/labels.txt", gst_resource_error_quark,
      "labels.txt" },
  { "model=%s/find-characters.onnx labels=a,b", gst_resource_error_quark,
      "2 labels are given, the network has 1 classes" },
  { "model=%s/find-characters.onnx precision=int8", gst_resource_error_quark,
      "model is not quantised" },
  { "model=%s/read-characters.onnx", gst_stream_error_quark, "use inferclassify" },
  { "model=%s/find-characters.onnx decoder=nosuch", gst_resource_error_quark, "nosuch" },
  { "model=%s/find-characters.onnx mean=a,b", gst_resource_error_quark, "a,b" },
};

START_TEST (test_engine_errors)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_strdup (models);
  g_auto (GStrv) halves = g_strsplit (errors[_i].properties, "%s", 2);
  GstElement *element = kit_launch ("inferdetect %s%s%s", halves[0], folder, halves[1]);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  gst_message_unref (message);
  ck_assert_msg (error->domain == errors[_i].domain (), "%s", error->message);
  ck_assert_msg (strstr (error->message, errors[_i].text) != NULL, "%s", error->message);
  ck_assert_msg (g_str_has_prefix (error->message, "inferdetect: "), "%s", error->message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
}
END_TEST

/* One name, two sets of options. */
START_TEST (test_engine_instance_conflict)
{
  GstElement *a = kit_launch ("inferdetect instance=shared model=%s/find-characters.onnx", models);
  GstElement *b =
      kit_launch ("inferdetect instance=shared model=%s/find-characters.onnx batch-size=3", models);
  GstElement *c = kit_launch (
      "inferdetect instance=shared model=%s/find-characters.onnx threshold=0.1", models);
  g_autoptr (GError) error = NULL;
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (b, bus);
  ck_assert_int_eq (gst_element_set_state (a, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  ck_assert_int_eq (gst_element_set_state (b, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  ck_assert_msg (
      strstr (error->message, "options: batch-size is '0' there and '3' here; expected") != NULL,
      "%s", error->message);
  gst_element_set_bus (b, NULL);
  gst_object_unref (bus);
  ck_assert_int_eq (gst_element_set_state (c, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (a, GST_STATE_NULL);
  gst_element_set_state (b, GST_STATE_NULL);
  gst_element_set_state (c, GST_STATE_NULL);
  gst_object_unref (a);
  gst_object_unref (b);
  gst_object_unref (c);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-engine");
  gst_init (&argc, &argv);
  kit_register ();
  models = clock_models ();
  if (!models)
    return 77;
  tcase_add_test (tcase, test_engine_reads_clocks);
  tcase_add_test (tcase, test_engine_streams_come_and_go);
  tcase_add_test (tcase, test_engine_seeks);
  tcase_add_loop_test (tcase, test_engine_errors, 0, G_N_ELEMENTS (errors));
  tcase_add_test (tcase, test_engine_instance_conflict);
  return kit_run (tcase);
}
