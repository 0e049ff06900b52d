/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cameras that come and go in one pipeline, all looked at through one session.
 *
 *   gcc multicamera.c -o multicamera $(pkg-config --cflags --libs gstreamer-video-1.0)
 *   ./multicamera [--help] [test | FILE | URI]...
 *
 * While it runs it reads commands: "+ SOURCE" adds a camera, "- NAME" removes one; Ctrl-C ends.
 * Standard output gets a line a frame (camera, time, objects from left to right), standard error
 * the rest. Without arguments: two synthetic cameras and the networks of pipelines/clocks. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12 "
/* The caps filter at the end makes the overlays paint into the pixels that inferdetect sees. */
#define TEST_SOURCE                                                                              \
  "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=360,framerate=10/1 ! " \
  "timeoverlay time-mode=running-time halignment=left valignment=top " TEXT "! "                 \
  "textoverlay name=number halignment=right valignment=bottom " TEXT "! video/x-raw"
/* Of its pads the one with pictures is linked. */
#define URI_SOURCE "uridecodebin name=decoder"

typedef struct Program {
  GMainLoop *loop;
  GstElement *pipeline; /* its children are the cameras: bins from source to sink */
  guint n_added;
  gboolean has_failed; /* some camera: matters where none is left */
  char *model, *classifier, *labels, *device, **sources;
} Program;

static gint by_x (gconstpointer a, gconstpointer b)
{
  const GstVideoRegionOfInterestMeta *const *left = a, *const *right = b;
  return ((*left)->x > (*right)->x) - ((*left)->x < (*right)->x);
}

/* What a classifier says of the object, else what the detector does. Each region has a structure
 * "detection" (confidence, label_id, x_min ... y_max as fractions) and one per attribute (label,
 * label_id, confidence, model), called what the network calls it: "character", "emotion", ... */
static const char *label_of (const GstVideoRegionOfInterestMeta *region)
{
  for (GList *item = region->params; item; item = item->next)
    if (!gst_structure_has_name (item->data, "detection") &&
        gst_structure_has_field (item->data, "label"))
      return gst_structure_get_string (item->data, "label");
  return g_quark_to_string (region->roi_type);
}

/* Results are on the buffer that leaves the last inference element. This is the stream's own
 * thread: be quick, and change no state here. */
static GstPadProbeReturn on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer name)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GPtrArray) regions = g_ptr_array_new ();
  g_autoptr (GString) line = g_string_new (name);
  gpointer state = NULL, meta;
  (void) pad;
  while ((meta = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    g_ptr_array_add (regions, meta); /* its x, y, w, h are pixels of this buffer */
  g_ptr_array_sort (regions, by_x);
  g_string_append_printf (line, " %" GST_TIME_FORMAT, GST_TIME_ARGS (GST_BUFFER_PTS (buffer)));
  for (guint i = 0; i < regions->len; i++)
    g_string_append_printf (line, " %s", label_of (regions->pdata[i]));
  puts (line->str);
  return GST_PAD_PROBE_OK;
}

/* A file's time begins at 0 when it is added, the pipeline's began long ago: without this offset
 * all its frames would be late. Live sources know the time themselves. */
static void on_decoded_pad (GstElement *decoder, GstPad *pad, gpointer pipeline)
{
  g_autoptr (GstQuery) latency = gst_query_new_latency ();
  gboolean is_live = FALSE;
  (void) decoder;
  if (gst_pad_query (pad, latency))
    gst_query_parse_latency (latency, &is_live, NULL, NULL);
  if (!is_live)
    gst_pad_set_offset (pad, (gint64) gst_element_get_current_running_time (pipeline));
}

/* Text of the user never goes into a launch line, where a blank would change its meaning. */
static gboolean set_source (Program *program, GstBin *bin, const char *source, GError **error)
{
  g_autoptr (GstElement) decoder = gst_bin_get_by_name (bin, "decoder");
  g_autoptr (GstElement) number = gst_bin_get_by_name (bin, "number");
  g_autofree char *text = g_strdup_printf ("#%u", program->n_added);
  g_autofree char *uri = NULL;
  if (number) {
    g_object_set (number, "text", text, NULL);
    return TRUE;
  }
  uri = gst_uri_is_valid (source) ? g_strdup (source) : gst_filename_to_uri (source, error);
  g_object_set (decoder, "uri", uri, NULL);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_decoded_pad), program->pipeline);
  return uri != NULL;
}

/* No queue, no videoconvert: the elements take what a decoder gives, and do not hold it up. All
 * that name the same model, device and options share one session and its batches by themselves. */
static void set_networks (const Program *program, GstBin *bin, const char *name)
{
  g_autoptr (GstElement) detect = gst_bin_get_by_name (bin, "detect");
  g_autoptr (GstElement) classify = gst_bin_get_by_name (bin, "classify");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (classify ? classify : detect, "src");
  g_object_set (detect, "model", program->model, "labels", program->labels, "device",
      program->device, "stream", name, NULL);
  if (classify)
    g_object_set (classify, "model", program->classifier, "device", program->device, NULL);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, g_strdup (name), g_free);
}

static void add_camera (Program *program, const char *source)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("camera%u", ++program->n_added);
  /* async=false: the pipeline need not wait for the first frame of a camera that joins it. */
  g_autofree char *text = g_strdup_printf ("%s ! inferdetect name=detect %s ! fakesink sync=true "
                                           "async=false",
      g_str_equal (source, "test") ? TEST_SOURCE : URI_SOURCE,
      program->classifier ? "! inferclassify name=classify" : "");
  GstElement *bin =
      gst_parse_bin_from_description_full (text, FALSE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (bin)
    gst_object_ref_sink (bin);
  if (bin && set_source (program, GST_BIN (bin), source, &error)) {
    gst_object_set_name (GST_OBJECT (bin), name);
    set_networks (program, GST_BIN (bin), name);
    g_printerr ("%s: added, %s\n", name, source);
    gst_bin_add (GST_BIN (program->pipeline), bin);
    /* Only now, in the pipeline, may it start. What goes wrong comes as a message. */
    gst_element_sync_state_with_parent (bin);
  } else {
    g_printerr ("%s: %s\n", source, error->message);
    program->has_failed = TRUE;
  }
  gst_clear_object (&bin);
}

/* The whole branch goes at once, so nothing need be blocked or unlinked: in state NULL its threads
 * have ended. Never from one of them: they would wait for themselves. */
static void remove_camera (Program *program, GstElement *camera, const char *why)
{
  g_printerr ("%s: removed %s\n", GST_OBJECT_NAME (camera), why);
  gst_element_set_locked_state (camera, TRUE); /* the pipeline must not start it again */
  gst_element_set_state (camera, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (program->pipeline), camera);
  if (GST_BIN_NUMCHILDREN (program->pipeline) == 0)
    g_main_loop_quit (program->loop);
}

/* The camera that `object` is part of; NULL where it has been removed meanwhile. */
static GstElement *find_camera (Program *program, GstObject *object)
{
  while (object && GST_OBJECT_PARENT (object) != GST_OBJECT (program->pipeline))
    object = GST_OBJECT_PARENT (object);
  return (GstElement *) object;
}

static void on_error (Program *program, GstMessage *message)
{
  GstElement *camera = find_camera (program, GST_MESSAGE_SRC (message));
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  gst_message_parse_error (message, &error, &debug);
  g_printerr ("%s: %s\n  %s\n", GST_MESSAGE_SRC_NAME (message), error->message, debug);
  if (!camera)
    return; /* a last word of one that is gone */
  program->has_failed = TRUE;
  remove_camera (program, camera, "as it failed");
}

/* The pipeline says EOS when all cameras have ended; with message-forward=true also of each. */
static void on_forwarded (Program *program, GstMessage *message)
{
  const GstStructure *structure = gst_message_get_structure (message);
  g_autoptr (GstMessage) inner = NULL;
  if (gst_structure_has_name (structure, "GstBinForwarded"))
    gst_structure_get (structure, "message", GST_TYPE_MESSAGE, &inner, NULL);
  GstElement *camera = inner ? find_camera (program, GST_MESSAGE_SRC (inner)) : NULL;
  if (camera && GST_MESSAGE_TYPE (inner) == GST_MESSAGE_EOS)
    remove_camera (program, camera, "at its end");
}

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer program)
{
  (void) bus;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    on_error (program, message);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT)
    on_forwarded (program, message);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_bin_recalculate_latency (GST_BIN (((Program *) program)->pipeline));
  return G_SOURCE_CONTINUE;
}

/* Once a second. All cameras have one session, so what one says of it is true of all. */
static gboolean on_second (gpointer user)
{
  Program *program = user;
  g_autoptr (GString) line = g_string_new ("frames:");
  guint64 n_frames = 0, latency_us = 0;
  double mean_batch = 0;
  for (GList *item = GST_BIN_CHILDREN (program->pipeline); item; item = item->next) {
    g_autoptr (GstElement) detect = gst_bin_get_by_name (item->data, "detect");
    g_autoptr (GstStructure) stats = NULL; /* docs/stats.md has all its fields */
    g_object_get (detect, "stats", &stats, NULL);
    if (stats &&
        gst_structure_get (stats, "frames", G_TYPE_UINT64, &n_frames, "mean-batch", G_TYPE_DOUBLE,
            &mean_batch, "latency-us-p99", G_TYPE_UINT64, &latency_us, NULL))
      g_string_append_printf (
          line, " %s %" G_GUINT64_FORMAT ",", GST_OBJECT_NAME (item->data), n_frames);
  }
  g_printerr ("%s mean batch %.2f, latency p99 %.1f ms\n", line->str, mean_batch,
      (double) latency_us / 1e3);
  return G_SOURCE_CONTINUE;
}

static gboolean on_command (GIOChannel *input, GIOCondition condition, gpointer user)
{
  Program *program = user;
  g_autofree char *line = NULL;
  (void) condition;
  if (g_io_channel_read_line (input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
    return G_SOURCE_REMOVE; /* no more commands; the cameras go on */
  char *word = g_strstrip (*line ? line + 1 : line);
  g_autoptr (GstElement) camera = gst_bin_get_by_name (GST_BIN (program->pipeline), word);
  if (*line == '+' && *word)
    add_camera (program, word);
  else if (*line == '-' && camera && find_camera (program, GST_OBJECT (camera)) == camera)
    remove_camera (program, camera, "as you say");
  else
    g_printerr ("expected is '+ SOURCE' or '- NAME' of a camera, not '%s'\n", word);
  return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE; /* a second Ctrl-C ends the program the hard way */
}

static void run (Program *program)
{
  static char *two_tests[] = { "test", "test", NULL };
  g_autoptr (GstBus) bus = gst_element_get_bus (program->pipeline);
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  g_autoptr (GIOChannel) input = g_io_channel_unix_new (0);
  gst_bus_add_watch (bus, on_message, program);
  g_unix_signal_add (SIGINT, on_interrupt, program->loop);
  g_timeout_add_seconds (1, on_second, program);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_command, program);
  g_object_set (program->pipeline, "message-forward", TRUE, NULL);
  /* A clock that does not go with a camera, and a pipeline that plays before it has one: the first
   * ones come as any other does, and one that fails fails alone. */
  gst_pipeline_use_clock (GST_PIPELINE (program->pipeline), clock);
  gst_element_set_state (program->pipeline, GST_STATE_PLAYING);
  for (char **source = program->sources ? program->sources : two_tests; *source; source++)
    add_camera (program, *source);
  if (GST_BIN_NUMCHILDREN (program->pipeline) > 0)
    g_main_loop_run (program->loop);
  gst_element_set_state (program->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
}

static gboolean parse (Program *program, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &program->model, "Network that finds objects", "FILE" },
    { "classifier", 0, 0, G_OPTION_ARG_FILENAME, &program->classifier,
        "Network that looks at each of them", "FILE" },
    { "labels", 0, 0, G_OPTION_ARG_STRING, &program->labels, "The model's labels", "FILE|A,B,C" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &program->device, "Where the networks run", "DEVICE" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &program->sources, NULL, "SOURCE..." },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, argc, argv, &error)) {
    g_printerr ("%s\n", error->message);
    return FALSE;
  }
  program->device = program->device ? program->device : "CPU";
  if (!program->model) {
    program->model = "pipelines/clocks/find-characters.onnx";
    program->classifier = "pipelines/clocks/read-characters.onnx";
  }
  return TRUE;
}

int main (int argc, char **argv)
{
  static Program program; /* its strings live as long as it */
  if (!parse (&program, &argc, &argv))
    return EXIT_FAILURE;
  setvbuf (stdout, NULL, _IOLBF, 0);
  program.loop = g_main_loop_new (NULL, FALSE);
  program.pipeline = gst_pipeline_new ("cameras");
  run (&program);
  gboolean is_good = GST_BIN_NUMCHILDREN (program.pipeline) > 0 || !program.has_failed;
  gst_object_unref (program.pipeline);
  g_main_loop_unref (program.loop);
  gst_deinit (); /* for GST_TRACERS=leaks, which then tells what is still alive */
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
