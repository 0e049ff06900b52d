/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The demo: cameras that everybody has (videotestsrc with burnt-in clock and number), read by two
 * tiny networks through one shared queue each, and checked against the buffers' own time and
 * stream. */
#include "pipelines/clocks/checker.h"
#include "pipelines/clocks/mosaic.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#define LEAST_SHARE_RIGHT 0.995

/* Camera K is line K; further ones begin again. */
static const struct {
  int width, height;
  const char *format, *rate, *pattern;
} cameras[] = {
  { 320, 240, "I420", "25/1", "smpte" },
  { 352, 288, "NV12", "15/1", "ball" },
  { 640, 360, "RGB", "30/1", "pinwheel" },
  { 640, 480, "BGRx", "30/1", "snow" },
  { 768, 432, "I420", "24/1", "spokes" },
  { 854, 480, "NV12", "30000/1001", "gamut" },
  { 960, 540, "BGRx", "10/1", "colors" },
  { 1280, 720, "I420", "50/1", "chroma-zone-plate" },
};

#define OVERLAY "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12"

typedef struct Demo {
  int n_streams;
  double seconds;
  char *device, *precision, *models, *output;
  gboolean view, inject_error;
  GstElement *pipeline;
  Checker **checkers;
  gint64 start_us, end_us;
  char *failure;
} Demo;

static char *describe_stream (const Demo *demo, int k)
{
  int row = k % (int) G_N_ELEMENTS (cameras), numerator = 1, denominator = 1;
  sscanf (cameras[row].rate, "%d/%d", &numerator, &denominator);
  int n_buffers = MAX ((int) (demo->seconds * numerator / denominator), 1);
  g_autofree char *sink =
      demo->view
          ? g_strdup_printf (
                "videoconvert ! videoscale ! video/x-raw,width=480,height=270 ! mosaic.sink_%d", k)
          : g_strdup ("fakesink sync=false");
  return g_strdup_printf (
      "videotestsrc pattern=%s num-buffers=%d ! "
      "video/x-raw,format=%s,width=%d,height=%d,framerate=%s ! "
      "timeoverlay time-mode=running-time halignment=left valignment=top " OVERLAY
      " ! textoverlay text=\"#%d\" halignment=right valignment=bottom " OVERLAY
      " ! inferdetect name=find%d model=\"%s/find-characters.onnx\" device=%s "
      "precision=%s stream=camera%d ! "
      "inferclassify name=read%d model=\"%s/read-characters.onnx\" device=%s "
      "precision=%s stream=camera%d ! "
      "inferpublish location=\"%s/readings.jsonl\" ! "
      "inferoverlay name=overlay%d ! %s ",
      cameras[row].pattern, n_buffers, cameras[row].format, cameras[row].width, cameras[row].height,
      cameras[row].rate, k, k, demo->models, demo->device, demo->precision, k, k, demo->models,
      demo->device, demo->precision, k, demo->output, k, sink);
}

static char *describe_pipeline (const Demo *demo)
{
  GString *text = g_string_new (NULL);
  if (demo->view) {
    g_string_append (text, "compositor name=mosaic background=black");
    for (int k = 0; k < demo->n_streams; k++)
      g_string_append_printf (
          text, " sink_%d::xpos=%d sink_%d::ypos=%d", k, k % 3 * 480, k, k / 3 * 270);
    g_string_append (text, " ! videoconvert ! autovideosink ");
  }
  for (int k = 0; k < demo->n_streams; k++) {
    g_autofree char *stream = describe_stream (demo, k);
    g_string_append (text, stream);
  }
  return g_string_free (text, FALSE);
}

static gboolean build (Demo *demo, GError **error)
{
  g_autofree char *text = describe_pipeline (demo);
  demo->pipeline = gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!demo->pipeline)
    return FALSE;
  demo->checkers = g_new0 (Checker *, demo->n_streams);
  for (int k = 0; k < demo->n_streams; k++) {
    g_autofree char *name = g_strdup_printf ("overlay%d", k);
    g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (demo->pipeline), name);
    g_autoptr (GstPad) pad = gst_element_get_static_pad (overlay, "src");
    demo->checkers[k] = checker_new (pad, (guint) k, demo->inject_error && k == 1);
  }
  return TRUE;
}

static void show_progress (const Demo *demo)
{
  gint64 position_ns;
  if (isatty (STDERR_FILENO) &&
      gst_element_query_position (demo->pipeline, GST_FORMAT_TIME, &position_ns))
    fprintf (stderr, "\r%5.1f of %.1f s ", (double) position_ns * 1e-9, demo->seconds);
}

static gboolean run (Demo *demo)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (demo->pipeline);
  gboolean is_done = FALSE;
  demo->start_us = g_get_monotonic_time ();
  gst_element_set_state (demo->pipeline, GST_STATE_PLAYING);
  while (!is_done) {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (bus, GST_SECOND / 2, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
    if (!message) {
      show_progress (demo);
      continue;
    }
    is_done = TRUE;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) error = NULL;
      gst_message_parse_error (message, &error, NULL);
      demo->failure = g_strdup_printf ("%s: %s", GST_OBJECT_NAME (message->src), error->message);
    }
  }
  demo->end_us = g_get_monotonic_time ();
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "\r                      \r");
  return !demo->failure;
}

static void add_up (const Demo *demo, Tally *sum)
{
  *sum = (Tally){ 0 };
  for (int k = 0; k < demo->n_streams; k++) {
    const Tally *tally = checker_tally (demo->checkers[k]);
    sum->n_frames += tally->n_frames;
    sum->n_clocks_read += tally->n_clocks_read;
    sum->n_clocks_right += tally->n_clocks_right;
    sum->n_cameras_right += tally->n_cameras_right;
    sum->n_wrong_frame += tally->n_wrong_frame;
    sum->n_wrong_stream += tally->n_wrong_stream;
    sum->n_characters += tally->n_characters;
  }
}

static guint64 get_count (const GstStructure *stats, const char *name)
{
  guint64 value = 0;
  guint small = 0;
  if (!gst_structure_get_uint64 (stats, name, &value) &&
      gst_structure_get_uint (stats, name, &small))
    value = small;
  return value;
}

static void print_session (const Demo *demo, const char *element, const char *what)
{
  g_autoptr (GstElement) inference = gst_bin_get_by_name (GST_BIN (demo->pipeline), element);
  g_autoptr (GstStructure) stats = NULL;
  double mean_batch = 0;
  g_object_get (inference, "stats", &stats, NULL);
  if (!stats)
    return;
  gst_structure_get_double (stats, "mean-batch", &mean_batch);
  printf ("  %-10s %s %s: %" G_GUINT64_FORMAT " items of %" G_GUINT64_FORMAT
          " streams, mean batch %.2f, "
          "wait %.1f ms (p99 %.1f), service %.1f ms (p99 %.1f)\n",
      what, gst_structure_get_string (stats, "device"),
      gst_structure_get_string (stats, "precision"), get_count (stats, "items"),
      get_count (stats, "streams"), mean_batch, (double) get_count (stats, "wait-us-p50") * 1e-3,
      (double) get_count (stats, "wait-us-p99") * 1e-3,
      (double) get_count (stats, "service-us-p50") * 1e-3,
      (double) get_count (stats, "service-us-p99") * 1e-3);
}

static void write_picture (const Demo *demo)
{
  g_autofree char *path = g_build_filename (demo->output, "last-frames.png", NULL);
  g_autoptr (GPtrArray) samples = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  for (int k = 0; k < demo->n_streams; k++)
    g_ptr_array_add (samples, checker_last_sample (demo->checkers[k]));
  if (mosaic_write (path, (GstSample *const *) samples->pdata, samples->len, &error))
    printf ("  picture    %s\n", path);
  else
    printf ("  no picture: %s\n", error ? error->message : "encoding failed");
  for (guint k = 0; k < samples->len; k++)
    if (samples->pdata[k])
      gst_sample_unref (samples->pdata[k]);
}

/* True where the readings are what they must be. */
static gboolean report (const Demo *demo)
{
  Tally sum;
  double seconds = (double) (demo->end_us - demo->start_us) * 1e-6;
  add_up (demo, &sum);
  double frames = (double) MAX (sum.n_frames, 1);
  printf ("Weir demo: %d cameras, %" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT
          " characters in %.1f s: %.0f frames/s\n",
      demo->n_streams, sum.n_frames, sum.n_characters, seconds, (double) sum.n_frames / seconds);
  printf ("  clocks     %" G_GUINT64_FORMAT " read, %" G_GUINT64_FORMAT " right (%.2f %%)\n",
      sum.n_clocks_read, sum.n_clocks_right, 100.0 * (double) sum.n_clocks_right / frames);
  printf ("  cameras    %" G_GUINT64_FORMAT " numbers right (%.2f %%)\n", sum.n_cameras_right,
      100.0 * (double) sum.n_cameras_right / frames);
  printf ("  mixed up   %" G_GUINT64_FORMAT " from a wrong frame, %" G_GUINT64_FORMAT
          " from a wrong stream\n",
      sum.n_wrong_frame, sum.n_wrong_stream);
  print_session (demo, "find0", "detect");
  print_session (demo, "read0", "classify");
  write_picture (demo);
  printf ("  JSON lines %s/readings.jsonl\n", demo->output);
  return sum.n_frames > 0 && sum.n_wrong_frame == 0 && sum.n_wrong_stream == 0 &&
         (double) sum.n_clocks_right >= LEAST_SHARE_RIGHT * frames &&
         (double) sum.n_cameras_right >= LEAST_SHARE_RIGHT * frames;
}

static gboolean parse (Demo *demo, int *argc, char ***argv, GError **error)
{
  GOptionEntry entries[] = { { "streams", 0, 0, G_OPTION_ARG_INT, &demo->n_streams,
                                 "Cameras to run (8)", "N" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &demo->seconds, "Length of each stream (10)", "S" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &demo->device, "Where the networks run (CPU)", "D" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &demo->precision, "auto, f32 or bf16 (auto)", "P" },
    { "view", 0, 0, G_OPTION_ARG_NONE, &demo->view, "Show a window, in real time", NULL },
    { "inject-error", 0, 0, G_OPTION_ARG_NONE, &demo->inject_error,
        "Hand on camera 1's readings one frame late: the demo must fail", NULL },
    { "models", 0, 0, G_OPTION_ARG_FILENAME, &demo->models, "Folder of the two networks", "DIR" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &demo->output, "Folder for picture and JSON lines",
        "DIR" },
    { NULL } };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- reads burnt-in clocks and checks itself");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1 || demo->n_streams < 1 || demo->n_streams > 64 || !(demo->seconds > 0)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "expected are --streams from 1 to 64, --seconds above 0 and no other words; see --help");
    return FALSE;
  }
  return TRUE;
}

int main (int argc, char **argv)
{
  Demo demo = { .n_streams = 8, .seconds = 10 };
  g_autoptr (GError) error = NULL;
  if (!parse (&demo, &argc, &argv, &error)) {
    fprintf (stderr, "demo: %s\n", error->message);
    return 2;
  }
  demo.device = demo.device ? demo.device : g_strdup ("CPU");
  demo.precision = demo.precision ? demo.precision : g_strdup ("auto");
  demo.models = demo.models ? demo.models : g_strdup ("pipelines/clocks");
  demo.output = demo.output ? demo.output : g_strdup (".");
  g_mkdir_with_parents (demo.output, 0755);
  gboolean ok = build (&demo, &error) && run (&demo);
  if (!ok)
    fprintf (stderr, "demo: %s\n", error ? error->message : demo.failure);
  else
    ok = report (&demo);
  if (demo.pipeline)
    gst_element_set_state (demo.pipeline, GST_STATE_NULL);
  for (int k = 0; demo.checkers && k < demo.n_streams; k++)
    checker_free (demo.checkers[k]);
  gst_clear_object (&demo.pipeline);
  g_free (demo.checkers);
  g_free (demo.device);
  g_free (demo.precision);
  g_free (demo.models);
  g_free (demo.output);
  g_free (demo.failure);
  gst_deinit (); /* lets the leaks tracer speak */
  puts (ok ? "demo: every check holds" : "demo: FAILED");
  return ok ? 0 : 1;
}
