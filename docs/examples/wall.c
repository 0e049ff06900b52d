/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A wall of cameras with what was found on them: in a window, a video or a picture.
 *
 *   gcc wall.c -o wall $(pkg-config --cflags --libs gstreamer-video-1.0)
 *   ./wall [--help] [--output wall.mkv | wall.png] [--seconds N] [test | FILE | URI]...
 *
 * Boxes are drawn on each camera's own pixels; compositor then scales them along with the picture.
 * Ctrl-C ends it, and a file is complete. Without arguments: a window with four synthetic cameras
 * and the networks of pipelines/clocks. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdlib.h>

#define TEXT "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12 "
/* The caps filter at the end makes the overlays paint into the pixels that inferdetect sees. */
#define TEST_SOURCE                                                              \
  "videotestsrc is-live=true pattern=%s ! video/x-raw,framerate=10/1,%s ! "      \
  "timeoverlay time-mode=running-time halignment=left valignment=top " TEXT "! " \
  "textoverlay text=\"#%u\" halignment=right valignment=bottom " TEXT "! video/x-raw ! "

static const struct {
  const char *pattern, *caps;
} tests[] = {
  { "smpte100", "format=I420,width=640,height=360" },
  { "gradient", "format=NV12,width=854,height=480" },
  { "gradient", "format=RGB,width=960,height=540" },
  { "spokes", "format=BGRx,width=1280,height=720" },
};

/* A picture is the last that came to the sink. */
static const struct {
  const char *suffix, *launch;
} outputs[] = {
  /* one colorimetry, whichever camera comes first: a file cannot change it */
  { ".mkv", "video/x-raw,format=I420,colorimetry=bt601,chroma-site=jpeg ! "
            "vp8enc deadline=1 cpu-used=8 target-bitrate=4000000 ! matroskamux ! "
            "filesink name=file" },
  { ".png", "fakesink name=last sync=true" },
  { "", "autovideosink" },
};

typedef struct Program {
  GMainLoop *loop;
  GstElement *pipeline, *wall;
  GstSample *last; /* for a picture */
  gboolean is_ending, has_failed;
  char *model, *classifier, *labels, *device, *output, **sources;
  int width, height, seconds;
} Program;

/* Sinks keep the last buffer they showed, with its caps. */
static void keep_picture (Program *program)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (program->pipeline), "last");
  if (sink && !program->last)
    g_object_get (sink, "last-sample", &program->last, NULL);
}

static gboolean on_too_late (gpointer user)
{
  Program *program = user;
  g_printerr ("the end did not come through\n");
  program->has_failed = TRUE;
  g_main_loop_quit (program->loop);
  return G_SOURCE_REMOVE;
}

/* EOS goes in at the sources and comes out at the sink when all that is on its way has been
 * written: without that a file lacks its end. Asked a second time it does not wait. */
static gboolean on_end (gpointer user)
{
  Program *program = user;
  if (program->is_ending) {
    g_main_loop_quit (program->loop);
  } else {
    program->is_ending = TRUE;
    keep_picture (program); /* now, as the cameras do not end with the same frame */
    gst_element_send_event (program->pipeline, gst_event_new_eos ());
    g_timeout_add_seconds (30, on_too_late, program);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Program *program = user;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  (void) bus;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, &debug);
    g_printerr ("%s: %s\n  %s\n", GST_MESSAGE_SRC_NAME (message), error->message, debug);
    program->has_failed = TRUE;
    g_main_loop_quit (program->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    g_main_loop_quit (program->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY) {
    /* Live inputs are mixed when they are all there: compositor must know how late that is. */
    gst_bin_recalculate_latency (GST_BIN (program->pipeline));
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_second (gpointer user)
{
  Program *program = user;
  g_autoptr (GString) line = g_string_new ("frames:");
  for (GList *item = GST_BIN_CHILDREN (program->pipeline); item; item = item->next) {
    g_autoptr (GstElement) detect =
        GST_IS_BIN (item->data) ? gst_bin_get_by_name (item->data, "detect") : NULL;
    g_autoptr (GstStructure) stats = NULL;
    guint64 n_frames;
    if (detect)
      g_object_get (detect, "stats", &stats, NULL);
    if (stats && gst_structure_get_uint64 (stats, "frames", &n_frames))
      g_string_append_printf (
          line, " %s %" G_GUINT64_FORMAT, GST_OBJECT_NAME (item->data), n_frames);
  }
  g_printerr ("%s\n", line->str);
  return G_SOURCE_CONTINUE;
}

static char *describe_camera (const Program *program, const char *source, guint k)
{
  guint row = k % G_N_ELEMENTS (tests);
  g_autofree char *test = g_strdup_printf (TEST_SOURCE, tests[row].pattern, tests[row].caps, k);
  return g_strdup_printf ("%s inferdetect name=detect ! %s inferoverlay name=overlay",
      g_str_equal (source, "test") ? test : "uridecodebin name=decoder !",
      program->classifier ? "inferclassify name=classify !" : "");
}

/* Text of the user never goes into a launch line, where a blank would change its meaning. */
static gboolean set_properties (
    const Program *program, GstBin *bin, const char *source, GError **error)
{
  g_autoptr (GstElement) detect = gst_bin_get_by_name (bin, "detect");
  g_autoptr (GstElement) classify = gst_bin_get_by_name (bin, "classify");
  g_autoptr (GstElement) decoder = gst_bin_get_by_name (bin, "decoder");
  g_autofree char *uri = NULL;
  g_object_set (detect, "model", program->model, "labels", program->labels, "device",
      program->device, "stream", GST_OBJECT_NAME (bin), NULL);
  if (classify)
    g_object_set (classify, "model", program->classifier, "device", program->device, NULL);
  if (!decoder)
    return TRUE;
  uri = gst_uri_is_valid (source) ? g_strdup (source) : gst_filename_to_uri (source, error);
  g_object_set (decoder, "uri", uri, NULL);
  return uri != NULL;
}

/* Tile k of a square of n: a pad of compositor says where it is and how large. */
static GstPad *new_tile (const Program *program, guint k, guint n)
{
  GstPad *pad = gst_element_request_pad_simple (program->wall, "sink_%u");
  int per_side = 1;
  while (per_side * per_side < (int) n)
    per_side++;
  int width = program->width / per_side, height = program->height / per_side;
  g_object_set (pad, "xpos", (int) k % per_side * width, "ypos", (int) k / per_side * height,
      "width", width, "height", height, NULL);
  gst_util_set_object_arg (G_OBJECT (pad), "sizing-policy", "keep-aspect-ratio");
  return pad;
}

static gboolean add_camera (Program *program, const char *source, guint k, guint n, GError **error)
{
  g_autofree char *text = describe_camera (program, source, k);
  g_autofree char *name = g_strdup_printf ("camera%u", k);
  /* FALSE, as otherwise every pad left unlinked becomes one of the bin, textoverlay for texts
   * too, which then waits for some. */
  GstElement *bin =
      gst_parse_bin_from_description_full (text, FALSE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!bin)
    return FALSE;
  gst_object_set_name (GST_OBJECT (bin), name);
  gst_bin_add (GST_BIN (program->pipeline), bin);
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (bin), "overlay");
  g_autoptr (GstPad) last = gst_element_get_static_pad (overlay, "src");
  GstPad *src = gst_ghost_pad_new ("src", last);
  g_autoptr (GstPad) tile = new_tile (program, k, n);
  gst_element_add_pad (bin, src);
  return set_properties (program, GST_BIN (bin), source, error) &&
         gst_pad_link (src, tile) == GST_PAD_LINK_OK;
}

static gboolean build (Program *program, GError **error)
{
  static char *four_tests[] = { "test", "test", "test", "test", NULL };
  char **sources = program->sources ? program->sources : four_tests;
  guint n = g_strv_length (sources), row = 0;
  while (!g_str_has_suffix (program->output ? program->output : "", outputs[row].suffix))
    row++;
  if (program->output && !*outputs[row].suffix) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%s: expected is a name that ends in .mkv or .png", program->output);
    return FALSE;
  }
  g_autofree char *text = g_strdup_printf (
      "compositor name=wall background=black ! video/x-raw,width=%d,height=%d ! videoconvert ! %s",
      program->width, program->height, outputs[row].launch);
  program->pipeline = gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!program->pipeline)
    return FALSE;
  program->wall = gst_bin_get_by_name (GST_BIN (program->pipeline), "wall");
  g_autoptr (GstElement) file = gst_bin_get_by_name (GST_BIN (program->pipeline), "file");
  if (file)
    g_object_set (file, "location", program->output, NULL);
  for (guint k = 0; k < n; k++)
    if (!add_camera (program, sources[k], k, n, error))
      return FALSE;
  return TRUE;
}

static gboolean write_picture (const Program *program, GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("image/png");
  g_autoptr (GstSample) picture = NULL;
  GstMapInfo map;
  if (!program->last) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "no picture came");
    return FALSE;
  }
  picture = gst_video_convert_sample (program->last, caps, 10 * GST_SECOND, error);
  if (!picture || !gst_buffer_map (gst_sample_get_buffer (picture), &map, GST_MAP_READ))
    return FALSE;
  gboolean is_good =
      g_file_set_contents (program->output, (char *) map.data, (gssize) map.size, error);
  gst_buffer_unmap (gst_sample_get_buffer (picture), &map);
  return is_good;
}

static gboolean run (Program *program, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (program->pipeline);
  gst_bus_add_watch (bus, on_message, program);
  g_unix_signal_add (SIGINT, on_end, program);
  g_timeout_add_seconds (1, on_second, program);
  if (program->seconds > 0)
    g_timeout_add_seconds ((guint) program->seconds, on_end, program);
  gst_element_set_state (program->pipeline, GST_STATE_PLAYING); /* what fails is on the bus */
  g_main_loop_run (program->loop);
  keep_picture (program);
  gboolean is_good =
      !program->has_failed && (!g_str_has_suffix (program->output ? program->output : "", ".png") ||
                                  write_picture (program, error));
  gst_element_set_state (program->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  return is_good;
}

static gboolean parse (Program *program, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &program->model, "Network that finds objects", "FILE" },
    { "classifier", 0, 0, G_OPTION_ARG_FILENAME, &program->classifier,
        "Network that looks at each of them", "FILE" },
    { "labels", 0, 0, G_OPTION_ARG_STRING, &program->labels, "The model's labels", "FILE|A,B,C" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &program->device, "Where the networks run", "DEVICE" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &program->output, "A video or a picture", "FILE" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &program->seconds, "Ends after so long", "N" },
    { "width", 0, 0, G_OPTION_ARG_INT, &program->width, "Of the wall, in pixels (1280)", "W" },
    { "height", 0, 0, G_OPTION_ARG_INT, &program->height, "Of the wall, in pixels (720)", "H" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &program->sources, NULL, "SOURCE..." },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  program->device = program->device ? program->device : "CPU";
  if (!program->model) {
    program->model = "pipelines/clocks/find-characters.onnx";
    program->classifier = "pipelines/clocks/read-characters.onnx";
  }
  return TRUE;
}

int main (int argc, char **argv)
{
  static Program program = { .width = 1280, .height = 720 }; /* its strings live as long as it */
  g_autoptr (GError) error = NULL;
  gboolean is_good = parse (&program, &argc, &argv, &error);
  program.loop = g_main_loop_new (NULL, FALSE);
  is_good = is_good && build (&program, &error) && run (&program, &error);
  if (error)
    g_printerr ("%s\n", error->message);
  g_clear_pointer (&program.last, gst_sample_unref);
  gst_clear_object (&program.wall);
  gst_clear_object (&program.pipeline);
  g_main_loop_unref (program.loop);
  gst_deinit (); /* for GST_TRACERS=leaks, which then tells what is still alive */
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
