/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Four different streams in one process share one session, and each gives what it gives alone,
 * frame by frame: on the embedded networks with synthetic video, and on a face detector with real
 * videos where they are at hand. */
#include "tests/run_suite.h"
#include "tests/slowdown.h"
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <math.h>

#define N_STREAMS 4

typedef struct Rig {
  const char *inference; /* %1: folder of models, %2: stream number */
  const char *sources[N_STREAMS];
  const char *folder; /* environment variable of the folder that both name */
} Rig;

#define CAMERA(pattern, caps)                                                             \
  "videotestsrc num-buffers=40 pattern=" pattern " ! video/x-raw," caps " ! timeoverlay " \
  "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12"

static const Rig rigs[] = {
  { "inferdetect name=infer%2$d batch-size=8 stream=s%2$d "
    "model=%1$s/pipelines/clocks/find-characters.onnx ! "
    "inferclassify model=%1$s/pipelines/clocks/read-characters.onnx stream=s%2$d",
      { CAMERA ("smpte", "format=I420,width=320,height=240,framerate=25/1"),
          CAMERA ("ball", "format=NV12,width=353,height=289,framerate=15/1"),
          CAMERA ("pinwheel", "format=RGB,width=640,height=360,framerate=30/1"),
          CAMERA ("circular", "format=BGRx,width=640,height=480,framerate=30/1") },
      "WEIR_SOURCE_ROOT" },
  { "inferdetect name=infer%2$d batch-size=8 threshold=0.3 "
    "model=%1$s/models/onnx/version-RFB-320.onnx "
    "stream=s%2$d",
      { "filesrc location=%s/videos/faces-768x432.h264 ! h264parse ! avdec_h264",
          "filesrc location=%s/videos/car-detection.mp4 ! qtdemux ! h264parse ! avdec_h264",
          "filesrc location=%s/videos/bottle-detection.mp4 ! qtdemux ! h264parse ! avdec_h264",
          "filesrc location=%s/videos/traffic-720p.mp4 ! qtdemux ! h264parse ! avdec_h264" },
      "WEIR_SHARED" },
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static char *describe (const Rig *rig, int stream, const char *output)
{
  const char *folder = g_getenv (rig->folder);
  g_autofree char *source = g_strdup_printf (rig->sources[stream], folder);
  g_autofree char *inference = g_strdup_printf (rig->inference, folder, stream);
  return g_strdup_printf ("%s ! identity eos-after=%u ! %s ! inferpublish location=%s ! fakesink ",
      source, repeat (61, 12), inference, output);
}
#pragma GCC diagnostic pop

static GstStructure *run (const char *text, const char *element)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, &error);
  ck_assert_msg (pipeline != NULL, "%s", error ? error->message : "");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      bus, patience (90) * GST_SECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  ck_assert_msg (message != NULL, "no end after %u s: %s", patience (90), text);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  ck_assert_msg (!error, "%s", error ? error->message : "");
  GstStructure *stats = NULL;
  g_autoptr (GstElement) inference = gst_bin_get_by_name (GST_BIN (pipeline), element);
  g_object_get (inference, "stats", &stats, NULL);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return stats;
}

/* Numbers may differ by what another order of summation does to them; all else must be equal. */
static gboolean nodes_agree (JsonNode *a, JsonNode *b);

static gboolean objects_agree (JsonObject *a, JsonObject *b)
{
  g_autoptr (GList) members = json_object_get_members (a);
  gboolean agree = json_object_get_size (a) == json_object_get_size (b);
  for (GList *l = members; agree && l; l = l->next)
    agree = json_object_has_member (b, l->data) &&
            nodes_agree (json_object_get_member (a, l->data), json_object_get_member (b, l->data));
  return agree;
}

static gboolean arrays_agree (JsonArray *a, JsonArray *b)
{
  gboolean agree = json_array_get_length (a) == json_array_get_length (b);
  for (guint i = 0; agree && i < json_array_get_length (a); i++)
    agree = nodes_agree (json_array_get_element (a, i), json_array_get_element (b, i));
  return agree;
}

static gboolean nodes_agree (JsonNode *a, JsonNode *b)
{
  if (json_node_get_node_type (a) != json_node_get_node_type (b))
    return FALSE;
  if (JSON_NODE_HOLDS_OBJECT (a))
    return objects_agree (json_node_get_object (a), json_node_get_object (b));
  if (JSON_NODE_HOLDS_ARRAY (a))
    return arrays_agree (json_node_get_array (a), json_node_get_array (b));
  if (json_node_get_value_type (a) == G_TYPE_DOUBLE ||
      json_node_get_value_type (b) == G_TYPE_DOUBLE)
    return fabs (json_node_get_double (a) - json_node_get_double (b)) <= 1e-4;
  return json_node_equal (a, b);
}

static guint compare_files (const char *alone, const char *together)
{
  g_autofree char *a = NULL, *b = NULL;
  ck_assert (g_file_get_contents (alone, &a, NULL, NULL));
  ck_assert (g_file_get_contents (together, &b, NULL, NULL));
  g_auto (GStrv) lines_a = g_strsplit (a, "\n", -1);
  g_auto (GStrv) lines_b = g_strsplit (b, "\n", -1);
  guint n = g_strv_length (lines_a), n_objects = 0;
  ck_assert_uint_eq (n, g_strv_length (lines_b));
  ck_assert_uint_gt (n, repeat (30, 8));
  for (guint i = 0; i + 1 < n; i++) {
    g_autoptr (JsonNode) x = json_from_string (lines_a[i], NULL);
    g_autoptr (JsonNode) y = json_from_string (lines_b[i], NULL);
    ck_assert_msg (x && y && nodes_agree (x, y), "line %u\nalone    %s\ntogether %s", i, lines_a[i],
        lines_b[i]);
    ck_assert_int_eq (json_object_get_int_member (json_node_get_object (x), "frame"), (gint64) i);
    n_objects +=
        json_array_get_length (json_object_get_array_member (json_node_get_object (x), "objects"));
  }
  return n_objects;
}

static guint get_count (const GstStructure *stats, const char *name)
{
  guint value = 0;
  guint64 wide = 0;
  return gst_structure_get_uint (stats, name, &value)    ? value
         : gst_structure_get_uint64 (stats, name, &wide) ? (guint) wide
                                                         : 0;
}

START_TEST (test_shared_session_equals_solo)
{
  const Rig *rig = &rigs[_i];
  g_autofree char *probe = g_build_filename (g_getenv ("WEIR_SHARED"), "videos", NULL);
  if (_i == 1 && !g_file_test (probe, G_FILE_TEST_IS_DIR)) {
    g_print ("skipped: no videos (%s)\n", probe);
    return;
  }
  if (_i == 1 && slowdown () > 10) {
    g_print ("left out: a real network takes minutes here\n");
    return;
  }
  g_autofree char *folder = g_dir_make_tmp ("weir-XXXXXX", NULL);
  g_autoptr (GString) all = g_string_new (NULL);
  guint n_objects = 0;
  double mean_batch = 0;
  for (int k = 0; k < N_STREAMS; k++) {
    g_autofree char *alone = g_strdup_printf ("%s/alone%d", folder, k);
    g_autofree char *together = g_strdup_printf ("%s/together%d", folder, k);
    g_autofree char *solo = describe (rig, k, alone), *part = describe (rig, k, together);
    g_autofree char *element = g_strdup_printf ("infer%d", k);
    gst_structure_free (run (solo, element));
    g_string_append (all, part);
  }
  GstStructure *stats = run (all->str, "infer0");
  gst_structure_get_double (stats, "mean-batch", &mean_batch);
  ck_assert_uint_eq (get_count (stats, "streams"), N_STREAMS);
  ck_assert_uint_eq (get_count (stats, "loads"), 1);
  ck_assert_msg (mean_batch > 1, "mean batch is %f", mean_batch);
  gst_structure_free (stats);
  for (int k = 0; k < N_STREAMS; k++) {
    g_autofree char *alone = g_strdup_printf ("%s/alone%d", folder, k);
    g_autofree char *together = g_strdup_printf ("%s/together%d", folder, k);
    n_objects += compare_files (alone, together);
    g_unlink (alone);
    g_unlink (together);
  }
  ck_assert_uint_gt (n_objects, 50);
  g_rmdir (folder);
}
END_TEST

int main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  Suite *suite = suite_create ("shared session");
  TCase *tcase = tcase_create ("shared session");
  tcase_set_timeout (tcase, 300);
  tcase_add_loop_test (tcase, test_shared_session_equals_solo, 0, G_N_ELEMENTS (rigs));
  suite_add_tcase (suite, tcase);
  int status = run_suite (suite, CK_NOFORK);
  gst_deinit (); /* lets the leaks tracer report */
  return status;
}
