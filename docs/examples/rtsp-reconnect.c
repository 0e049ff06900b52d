/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network cameras that fail and come back: each has a pipeline of its own, all share one session.
 *
 *   gcc rtsp-reconnect.c -o rtsp-reconnect $(pkg-config --cflags --libs gstreamer-1.0)
 *   ./rtsp-reconnect [--help] [rtsp://... | test]...
 *
 * Nothing that happens to one pipeline stops another. One whose camera is gone waits in READY,
 * where its network stays loaded, and tries again after 0.5, 1, 2 ... seconds. Standard output gets
 * one JSON object a frame from inferpublish, standard error the rest; Ctrl-C ends. Without
 * arguments: one synthetic camera and the networks of pipelines/clocks. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <stdlib.h>

#define TEXT "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12 "
/* The caps filter at the end makes the overlays paint into the pixels that inferdetect sees. */
#define TEST_SOURCE                                                                              \
  "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=360,framerate=10/1 ! " \
  "timeoverlay time-mode=running-time halignment=left valignment=top " TEXT "! video/x-raw"

#define FIRST_DELAY_MS 500u

typedef struct Program {
  GMainLoop *loop;
  GstClock *clock;
  GstClockTime base_time;
  GPtrArray *cameras; /* Camera */
  char *model, *classifier, *labels, *device, **sources;
  double max_delay_s, timeout_s;
} Program;

typedef struct Camera {
  Program *program;
  char *name;
  GstElement *pipeline;
  gint64 frame_us;     /* when the last frame came; under the pipeline's object lock */
  guint64 n_frames;    /* in all; object lock */
  gboolean is_playing; /* frames come, or came until now */
  guint retry_id;      /* the timeout after which it tries again; 0: it is connected, or tries */
  guint delay_ms;
} Camera;

/* Results are inferpublish's affair; here it is enough that there are any. This is the stream's own
 * thread: what it has to tell goes over the bus. */
static GstPadProbeReturn on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Camera *camera = user;
  (void) info;
  GST_OBJECT_LOCK (camera->pipeline);
  gboolean is_first = !camera->is_playing;
  camera->is_playing = TRUE;
  camera->n_frames++;
  camera->frame_us = g_get_monotonic_time ();
  GST_OBJECT_UNLOCK (camera->pipeline);
  if (is_first)
    gst_element_post_message (camera->pipeline,
        gst_message_new_application (GST_OBJECT (pad), gst_structure_new_empty ("first-frame")));
  return GST_PAD_PROBE_OK;
}

/* TCP goes through firewalls and loses nothing; latency is what rtspsrc holds back to even out the
 * network's delays. */
static void on_source (GstElement *decoder, GstElement *source, gpointer user)
{
  (void) decoder;
  (void) user;
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (source), "protocols")) {
    gst_util_set_object_arg (G_OBJECT (source), "protocols", "tcp");
    g_object_set (source, "latency", 100u, NULL);
  }
}

/* Pads come anew with each connection; "!" in a launch line would link only the first. */
static void on_decoded_pad (GstElement *decoder, GstPad *pad, gpointer detect)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (detect, "sink");
  (void) decoder;
  if (!gst_pad_is_linked (sink))
    gst_pad_link (pad, sink); /* refused where it is sound */
}

static gboolean on_retry (gpointer user);

static void note_frame_time (Camera *camera, gboolean is_playing)
{
  GST_OBJECT_LOCK (camera->pipeline);
  camera->is_playing = is_playing;
  camera->frame_us = g_get_monotonic_time ();
  GST_OBJECT_UNLOCK (camera->pipeline);
}

/* READY closes the connection and forgets all of the stream; NULL would unload the network, too,
 * where no other camera has it. */
static void lose (Camera *camera, const char *why)
{
  if (camera->retry_id)
    return; /* one loss often has several messages */
  gst_element_set_state (camera->pipeline, GST_STATE_READY);
  note_frame_time (camera, FALSE);
  g_printerr ("%s: lost: %s; next attempt in %.1f s\n", camera->name, why, camera->delay_ms / 1e3);
  camera->retry_id = g_timeout_add (camera->delay_ms, on_retry, camera);
  camera->delay_ms = MIN (2 * camera->delay_ms, (guint) (camera->program->max_delay_s * 1e3));
}

/* rtspsrc connects in a thread of its own, so this does not wait for the network. */
static gboolean on_retry (gpointer user)
{
  Camera *camera = user;
  camera->retry_id = 0;
  g_printerr ("%s: connecting\n", camera->name);
  note_frame_time (camera, FALSE);
  gst_element_set_state (camera->pipeline, GST_STATE_PLAYING);
  return G_SOURCE_REMOVE;
}

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Camera *camera = user;
  g_autoptr (GError) error = NULL;
  (void) bus;
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_ERROR:
    gst_message_parse_error (message, &error, NULL);
    lose (camera, error->message);
    break;
  case GST_MESSAGE_EOS: /* how a server that closes the connection looks */
    lose (camera, "end of stream");
    break;
  case GST_MESSAGE_APPLICATION:
    g_printerr ("%s: connected\n", camera->name);
    camera->delay_ms = FIRST_DELAY_MS;
    break;
  case GST_MESSAGE_LATENCY:
    gst_bin_recalculate_latency (GST_BIN (camera->pipeline));
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

/* Once a second. A camera that lost its power says nothing at all: only its silence tells. */
static gboolean on_second (gpointer user)
{
  Program *program = user;
  for (guint i = 0; i < program->cameras->len; i++) {
    Camera *camera = program->cameras->pdata[i];
    GST_OBJECT_LOCK (camera->pipeline);
    double silence_s = (double) (g_get_monotonic_time () - camera->frame_us) / 1e6;
    gboolean is_playing = camera->is_playing;
    guint64 n_frames = camera->n_frames;
    GST_OBJECT_UNLOCK (camera->pipeline);
    g_printerr ("%s: %s, %" G_GUINT64_FORMAT " frames\n", camera->name,
        is_playing ? "playing" : "waiting", n_frames);
    if (!camera->retry_id && silence_s > program->timeout_s)
      lose (camera, "no frames");
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE; /* a second Ctrl-C ends the program the hard way */
}

/* Text of the user never goes into a launch line, where a blank would change its meaning. */
static void set_properties (Camera *camera, const char *uri)
{
  Program *program = camera->program;
  GstBin *bin = GST_BIN (camera->pipeline);
  g_autoptr (GstElement) detect = gst_bin_get_by_name (bin, "detect");
  g_autoptr (GstElement) classify = gst_bin_get_by_name (bin, "classify");
  g_autoptr (GstElement) decoder = gst_bin_get_by_name (bin, "decoder");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (classify ? classify : detect, "src");
  g_object_set (detect, "model", program->model, "labels", program->labels, "device",
      program->device, "stream", camera->name, NULL);
  if (classify)
    g_object_set (classify, "model", program->classifier, "device", program->device, NULL);
  if (decoder) {
    g_object_set (decoder, "uri", uri, NULL);
    g_signal_connect (decoder, "source-setup", G_CALLBACK (on_source), NULL);
    g_signal_connect (decoder, "pad-added", G_CALLBACK (on_decoded_pad), detect);
  }
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, camera, NULL);
}

/* All pipelines count the time from the same moment on the same clock, so a camera that comes back
 * goes on where the time is, and times of different cameras can be compared. */
static void share_time (Camera *camera)
{
  gst_pipeline_use_clock (GST_PIPELINE (camera->pipeline), camera->program->clock);
  gst_element_set_start_time (camera->pipeline, GST_CLOCK_TIME_NONE);
  gst_element_set_base_time (camera->pipeline, camera->program->base_time);
}

static gboolean add_camera (Program *program, const char *source, GError **error)
{
  g_autofree char *text = g_strdup_printf (
      "%s inferdetect name=detect %s ! inferpublish location=- ! fakesink sync=true",
      g_str_equal (source, "test") ? TEST_SOURCE " ! " : "uridecodebin name=decoder",
      program->classifier ? "! inferclassify name=classify" : "");
  g_autoptr (GstElement) pipeline =
      gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!pipeline)
    return FALSE;
  Camera *camera = g_new0 (Camera, 1);
  camera->program = program;
  camera->name = g_strdup_printf ("camera%u", program->cameras->len + 1);
  camera->pipeline = gst_object_ref (pipeline);
  camera->delay_ms = FIRST_DELAY_MS;
  g_ptr_array_add (program->cameras, camera);
  set_properties (camera, source);
  share_time (camera);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  /* What is wrong with networks and settings is said on the way to READY: no reason to try again.
   */
  if (gst_element_set_state (pipeline, GST_STATE_READY) == GST_STATE_CHANGE_FAILURE) {
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    if (message)
      gst_message_parse_error (message, error, NULL);
    return FALSE;
  }
  gst_bus_add_watch (bus, on_message, camera);
  on_retry (camera);
  return TRUE;
}

static void free_camera (gpointer data)
{
  Camera *camera = data;
  g_autoptr (GstBus) bus = gst_element_get_bus (camera->pipeline);
  if (camera->retry_id)
    g_source_remove (camera->retry_id);
  gst_element_set_state (camera->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (camera->pipeline);
  g_free (camera->name);
  g_free (camera);
}

static gboolean run (Program *program, GError **error)
{
  static char *one_test[] = { "test", NULL };
  for (char **source = program->sources ? program->sources : one_test; *source; source++)
    if (!add_camera (program, *source, error))
      return FALSE;
  g_unix_signal_add (SIGINT, on_interrupt, program->loop);
  g_timeout_add_seconds (1, on_second, program);
  g_main_loop_run (program->loop);
  return TRUE;
}

static gboolean parse (Program *program, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &program->model, "Network that finds objects", "FILE" },
    { "classifier", 0, 0, G_OPTION_ARG_FILENAME, &program->classifier,
        "Network that looks at each of them", "FILE" },
    { "labels", 0, 0, G_OPTION_ARG_STRING, &program->labels, "The model's labels", "FILE|A,B,C" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &program->device, "Where the networks run", "DEVICE" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &program->timeout_s,
        "A camera without frames for so long is lost (10)", "SECONDS" },
    { "max-delay", 0, 0, G_OPTION_ARG_DOUBLE, &program->max_delay_s,
        "Longest time between two attempts (30)", "SECONDS" },
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
  static Program program = { .timeout_s = 10, .max_delay_s = 30 }; /* strings live as long as it */
  g_autoptr (GError) error = NULL;
  if (!parse (&program, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  program.loop = g_main_loop_new (NULL, FALSE);
  program.clock = gst_system_clock_obtain ();
  program.base_time = gst_clock_get_time (program.clock);
  program.cameras = g_ptr_array_new_with_free_func (free_camera);
  gboolean is_good = run (&program, &error);
  if (!is_good)
    g_printerr ("%s\n", error->message);
  g_ptr_array_unref (program.cameras);
  gst_object_unref (program.clock);
  g_main_loop_unref (program.loop);
  gst_deinit (); /* for GST_TRACERS=leaks, which then tells what is still alive */
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
