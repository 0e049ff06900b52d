/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cameras that replay one clip through inferdetect and inferclassify, each from another frame on:
 *
 *     streams --clip FILE --detect 'PROPERTIES' --classify 'PROPERTIES' --output DIR [--streams N]
 *         [--rate FPS] [--frames M] [--shift K] [--in-step G]
 *
 * Camera k begins with frame k * K of the clip and ends after M; with a rate its frames come when a
 * camera's would, G cameras at the same moments. Writes DIR/k.jsonl, and to the standard output one
 * JSON object with what each camera's sink saw and with the elements' `stats`. */
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Options {
  char *clip, *detect, *classify, *output;
  int n_streams, n_frames, shift, in_step;
  double rate;
} Options;

typedef struct Camera {
  GstElement *detect, *classify;                       /* owned by the pipeline */
  guint64 n_decoded, first, n_most, n_untimed, n_kept; /* streaming thread of the decoder */
  GstClockTime period, phase;
  guint64 n_shown; /* streaming thread of the sink */
  gint64 first_us, last_us;
  guint64 detect_bound_us, classify_bound_us; /* half way; at the end there are no cameras */
} Camera;

/* Frames before the camera's first are left out; the others get its timestamps. */
static GstPadProbeReturn on_decoded (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Camera *camera = user;

  if (camera->n_decoded++ < camera->first)
    return GST_PAD_PROBE_DROP;
  if (camera->n_kept == camera->n_most) {
    gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
    GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_EOS;
    return GST_PAD_PROBE_HANDLED;
  }
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_BUFFER_PTS (buffer) = camera->phase + camera->n_kept++ * camera->period;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = camera->period;
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

static guint64 read_bound_us (GstElement *element)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 bound_us = 0;

  g_object_get (element, "stats", &stats, NULL);
  if (stats)
    gst_structure_get_uint64 (stats, "wait-bound-us", &bound_us);
  return bound_us;
}

static GstPadProbeReturn on_shown (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Camera *camera = user;

  camera->last_us = g_get_monotonic_time ();
  if (camera->n_shown++ == camera->n_untimed)
    camera->first_us = camera->last_us;
  if (camera->n_shown == camera->n_most / 2) {
    camera->detect_bound_us = read_bound_us (camera->detect);
    camera->classify_bound_us = read_bound_us (camera->classify);
  }
  return GST_PAD_PROBE_OK;
}

static GstElement *find (GstElement *pipeline, const char *what, int k)
{
  g_autofree char *name = g_strdup_printf ("%s%d", what, k);

  return gst_bin_get_by_name (GST_BIN (pipeline), name);
}

static void probe (GstElement *pipeline, const char *what, int k, const char *pad_name,
    GstPadProbeCallback callback, Camera *camera)
{
  g_autoptr (GstElement) element = find (pipeline, what, k);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, camera, NULL);
}

static GstElement *make_pipeline (const Options *options, Camera *cameras, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const char *pace = options->rate > 0 ? "! clocksync " : "";
  double rate = options->rate > 0 ? options->rate : 25;

  for (int k = 0; k < options->n_streams; k++)
    g_string_append_printf (text,
        "filesrc location=\"%s\" ! h264parse ! avdec_h264 name=head%d max-threads=1 %s"
        "! inferdetect name=detect%d stream=%d %s ! inferclassify name=classify%d "
        "stream=%d %s ! inferpublish location=\"%s/%d.jsonl\" ! fakesink name=sink%d sync=false ",
        options->clip, k, pace, k, k, options->detect, k, k, options->classify, options->output, k,
        k);
  GstElement *pipeline = gst_parse_launch (text->str, error);
  if (*error) {
    g_clear_object (&pipeline);
    return NULL;
  }
  for (int k = 0; k < options->n_streams; k++) {
    int n_groups = (options->n_streams + options->in_step - 1) / options->in_step;
    Camera *camera = &cameras[k];
    camera->first = (guint64) k * (guint64) options->shift;
    camera->n_most = options->n_frames > 0 ? (guint64) options->n_frames : G_MAXUINT64;
    camera->n_untimed = (guint64) options->rate; /* models are loaded in the first second */
    camera->period = (GstClockTime) (GST_SECOND / rate);
    camera->phase = camera->period * (guint64) (k / options->in_step) / (guint64) n_groups;
    g_autoptr (GstElement) detect = find (pipeline, "detect", k);
    g_autoptr (GstElement) classify = find (pipeline, "classify", k);
    camera->detect = detect;
    camera->classify = classify;
    probe (pipeline, "head", k, "src", on_decoded, camera);
    probe (pipeline, "sink", k, "sink", on_shown, camera);
  }
  return pipeline;
}

/* Until all cameras have ended. */
static gboolean run (GstElement *pipeline, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 200 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return TRUE;
  if (message)
    gst_message_parse_error (message, error, NULL);
  else
    g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED, "no end after 200 s");
  return FALSE;
}

static void add_value (JsonBuilder *builder, const GValue *value)
{
  if (GST_VALUE_HOLDS_ARRAY (value)) {
    json_builder_begin_array (builder);
    for (guint i = 0; i < gst_value_array_get_size (value); i++)
      add_value (builder, gst_value_array_get_value (value, i));
    json_builder_end_array (builder);
  } else if (G_VALUE_HOLDS_STRING (value)) {
    json_builder_add_string_value (builder, g_value_get_string (value));
  } else {
    GValue number = G_VALUE_INIT;
    g_value_init (&number, G_TYPE_DOUBLE);
    if (g_value_transform (value, &number))
      json_builder_add_double_value (builder, g_value_get_double (&number));
    else
      json_builder_add_null_value (builder);
    g_value_unset (&number);
  }
}

static gboolean add_field (GQuark field, const GValue *value, gpointer user)
{
  json_builder_set_member_name (user, g_quark_to_string (field));
  add_value (user, value);
  return TRUE;
}

static void add_stats (
    JsonBuilder *builder, const char *what, GstElement *element, guint64 bound_us)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  json_builder_set_member_name (builder, what);
  json_builder_begin_object (builder);
  if (stats)
    gst_structure_foreach (stats, add_field, builder);
  json_builder_set_member_name (builder, "bound-us-half-way");
  json_builder_add_int_value (builder, (gint64) bound_us);
  json_builder_end_object (builder);
}

/* After the first second. */
static double frames_per_second (const Camera *camera)
{
  gint64 took_us = camera->last_us - camera->first_us;

  if (camera->n_shown <= camera->n_untimed + 1 || took_us <= 0)
    return 0;
  return (double) (camera->n_shown - camera->n_untimed - 1) * 1e6 / (double) took_us;
}

static void report (const Options *options, const Camera *cameras)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (int k = 0; k < options->n_streams; k++) {
    const Camera *camera = &cameras[k];
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "frames");
    json_builder_add_int_value (builder, (gint64) camera->n_shown);
    json_builder_set_member_name (builder, "per-second");
    json_builder_add_double_value (builder, frames_per_second (camera));
    add_stats (builder, "detect", camera->detect, camera->detect_bound_us);
    add_stats (builder, "classify", camera->classify, camera->classify_bound_us);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);
  printf ("%s\n", text);
}

static gboolean parse (int *argc, char ***argv, Options *options, GError **error)
{
  const GOptionEntry entries[] = {
    { "clip", 0, 0, G_OPTION_ARG_FILENAME, &options->clip, "Raw H.264", "FILE" },
    { "detect", 0, 0, G_OPTION_ARG_STRING, &options->detect, "For inferdetect", "PROPERTIES" },
    { "classify", 0, 0, G_OPTION_ARG_STRING, &options->classify, "For inferclassify",
        "PROPERTIES" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &options->output, "Folder for JSON lines", "DIR" },
    { "streams", 0, 0, G_OPTION_ARG_INT, &options->n_streams, "Cameras (default 1)", "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &options->rate, "Default: as fast as it goes", "FPS" },
    { "frames", 0, 0, G_OPTION_ARG_INT, &options->n_frames, "Of each; default all", "M" },
    { "shift", 0, 0, G_OPTION_ARG_INT, &options->shift, "Frames between beginnings", "K" },
    { "in-step", 0, 0, G_OPTION_ARG_INT, &options->in_step, "Cameras at the same moment", "G" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  gboolean ok = g_option_context_parse (context, argc, argv, error);
  g_option_context_free (context);
  if (!ok)
    return FALSE;
  if (options->clip && options->detect && options->classify && options->output &&
      options->n_streams > 0 && options->in_step > 0 && options->shift >= 0)
    return TRUE;
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--clip, --detect, --classify and --output are needed; numbers must be positive");
  return FALSE;
}

int main (int argc, char **argv)
{
  Options options = { .n_streams = 1, .n_frames = -1, .in_step = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autofree Camera *cameras = NULL;
  gboolean ok = parse (&argc, &argv, &options, &error);

  if (ok) {
    cameras = g_new0 (Camera, (gsize) options.n_streams);
    pipeline = make_pipeline (&options, cameras, &error);
    ok = pipeline && run (pipeline, &error);
  }
  if (ok)
    report (&options, cameras);
  else
    fprintf (stderr, "%s\n", error->message);
  if (pipeline)
    gst_element_set_state (pipeline, GST_STATE_NULL);
  g_free (options.clip);
  g_free (options.detect);
  g_free (options.classify);
  g_free (options.output);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
