/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferpublish
 * @title: inferpublish
 * @short_description: writes the results of inference as JSON
 *
 * Writes one JSON object for every buffer that passes, layout "weir/1"
 * ([weir-1.schema.json](weir-1.schema.json)), and passes the buffer on untouched. Several elements
 * may name the same file or the standard output: their lines do not mix. Whatever cannot be written
 * is an error on the bus.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! inferdetect model=yolox_nano.onnx ! \
 *     inferpublish location=street.jsonl ! fakesink
 * ]|
 *
 * Since: 0.1
 *
 * Thread-safety: properties are guarded by the object lock and take effect at the next start; all
 * other state belongs to the streaming thread, or to the state change while there is none.
 */
#include "gst/publish.h"

#include "gst/json.h"
#include "gst/publishfile.h"

GST_DEBUG_CATEGORY_STATIC (weir_publish_debug);
#define GST_CAT_DEFAULT weir_publish_debug

enum { PROP_0, PROP_METHOD, PROP_LOCATION, PROP_FORMAT, PROP_APPEND, PROP_STREAM };

typedef enum WeirPublishMethod { WEIR_PUBLISH_METHOD_FILE = 0 } WeirPublishMethod;

struct _InferPublish {
  GstBaseTransform parent;
  /* properties: object lock */
  WeirPublishMethod method;
  WeirPublishFormat format;
  gchar *location, *stream;
  gboolean append;

  WeirPublishFile *file;
  GString *line;
  gchar *own_stream; /* of buffers without metadata */
  guint64 n_frames;
  guint width, height;
};

G_DEFINE_FINAL_TYPE (InferPublish, weir_publish, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (inferpublish, "inferpublish", GST_RANK_NONE, WEIR_TYPE_PUBLISH)

static GType method_get_type (void)
{
  static const GEnumValue values[] = {
    { WEIR_PUBLISH_METHOD_FILE, "A file, a named pipe or the standard output", "file" },
    { 0, NULL, NULL },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("WeirPublishMethod", values));
  return type;
}

static GType format_get_type (void)
{
  static const GEnumValue values[] = {
    { WEIR_PUBLISH_JSON_LINES, "One JSON object a line", "json-lines" },
    { WEIR_PUBLISH_JSON, "One JSON array, closed at the end of the stream", "json" },
    { 0, NULL, NULL },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("WeirPublishFormat", values));
  return type;
}

static void post_error (InferPublish *self, const GError *error)
{
  if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC))
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT, ("inferpublish: %s", error->message), (NULL));
  else if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_INVAL))
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("inferpublish: %s", error->message), (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE, ("inferpublish: %s", error->message), (NULL));
}

static GstFlowReturn transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  InferPublish *self = WEIR_PUBLISH (base);
  WeirJsonFrame frame = { .stream = self->own_stream,
    .frame = self->n_frames++,
    .pts = GST_BUFFER_PTS (buffer),
    .width = self->width,
    .height = self->height };
  g_autoptr (GError) error = NULL;

  g_string_truncate (self->line, 0);
  weir_json_append_frame (self->line, weir_buffer_get_meta (buffer), &frame);
  if (!weir_publish_file_write (self->file, self->line->str, self->line->len, &error)) {
    post_error (self, error);
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

static gboolean sink_event (GstBaseTransform *base, GstEvent *event)
{
  InferPublish *self = WEIR_PUBLISH (base);
  g_autoptr (GError) error = NULL;

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && !weir_publish_file_finish (self->file, &error))
    post_error (self, error);
  return GST_BASE_TRANSFORM_CLASS (weir_publish_parent_class)->sink_event (base, event);
}

static gboolean set_caps (GstBaseTransform *base, GstCaps *sink_caps, GstCaps *src_caps)
{
  InferPublish *self = WEIR_PUBLISH (base);
  const GstStructure *structure = gst_caps_get_structure (sink_caps, 0);
  gint width = 0, height = 0;

  gst_structure_get (structure, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL);
  self->width = (guint) MAX (width, 0);
  self->height = (guint) MAX (height, 0);
  return TRUE;
}

typedef struct Target {
  gchar *location;
  WeirPublishFormat format;
  gboolean append;
} Target;

/* The location is the caller's. */
static Target copy_target (InferPublish *self)
{
  GST_OBJECT_LOCK (self);
  const Target target = {
    .location = g_strdup (self->location && *self->location ? self->location : "-"),
    .format = self->format,
    .append = self->append,
  };
  GST_OBJECT_UNLOCK (self);
  return target;
}

static gboolean start (GstBaseTransform *base)
{
  InferPublish *self = WEIR_PUBLISH (base);
  g_autoptr (GError) error = NULL;
  const Target target = copy_target (self);
  g_autofree gchar *location = target.location;

  GST_OBJECT_LOCK (self);
  self->own_stream = g_strdup (self->stream ? self->stream : GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);
  self->n_frames = 0;
  self->width = self->height = 0;
  if (weir_publish_file_check (location, target.format, target.append, &error))
    self->file = weir_publish_file_open (location, target.format, target.append, &error);
  if (!self->file) {
    g_clear_pointer (&self->own_stream, g_free);
    post_error (self, error);
    return FALSE;
  }
  return TRUE;
}

/* What cannot be written is told before anything runs. */
static GstStateChangeReturn change_state (GstElement *element, GstStateChange transition)
{
  InferPublish *self = WEIR_PUBLISH (element);
  g_autoptr (GError) error = NULL;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    const Target target = copy_target (self);
    g_autofree gchar *location = target.location;
    if (!weir_publish_file_check (location, target.format, target.append, &error)) {
      post_error (self, error);
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  return GST_ELEMENT_CLASS (weir_publish_parent_class)->change_state (element, transition);
}

static gboolean stop (GstBaseTransform *base)
{
  InferPublish *self = WEIR_PUBLISH (base);
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->own_stream, g_free);
  if (self->file && !weir_publish_file_close (g_steal_pointer (&self->file), &error))
    post_error (self, error);
  return TRUE;
}

static void set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  InferPublish *self = WEIR_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_METHOD:
    self->method = (WeirPublishMethod) g_value_get_enum (value);
    break;
  case PROP_LOCATION:
    g_free (self->location);
    self->location = g_value_dup_string (value);
    break;
  case PROP_FORMAT:
    self->format = (WeirPublishFormat) g_value_get_enum (value);
    break;
  case PROP_APPEND:
    self->append = g_value_get_boolean (value);
    break;
  case PROP_STREAM:
    g_free (self->stream);
    self->stream = g_value_dup_string (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  InferPublish *self = WEIR_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_METHOD:
    g_value_set_enum (value, (gint) self->method);
    break;
  case PROP_LOCATION:
    g_value_set_string (value, self->location);
    break;
  case PROP_FORMAT:
    g_value_set_enum (value, (gint) self->format);
    break;
  case PROP_APPEND:
    g_value_set_boolean (value, self->append);
    break;
  case PROP_STREAM:
    g_value_set_string (value, self->stream);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void finalize (GObject *object)
{
  InferPublish *self = WEIR_PUBLISH (object);

  g_free (self->location);
  g_free (self->stream);
  g_string_free (self->line, TRUE);
  G_OBJECT_CLASS (weir_publish_parent_class)->finalize (object);
}

static void install_properties (GObjectClass *class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (class, PROP_METHOD,
      g_param_spec_enum ("method", "Method", "Where the JSON goes", method_get_type (),
          WEIR_PUBLISH_METHOD_FILE, flags));
  g_object_class_install_property (class, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Path of the file, which several elements may share; - = the standard output", "-",
          flags));
  g_object_class_install_property (class, PROP_FORMAT,
      g_param_spec_enum ("format", "Format", "How the objects stand in the file",
          format_get_type (), WEIR_PUBLISH_JSON_LINES, flags));
  g_object_class_install_property (class, PROP_APPEND,
      g_param_spec_boolean ("append", "Append",
          "Write behind what the file holds instead of emptying it (format json-lines only)", FALSE,
          flags));
  g_object_class_install_property (class, PROP_STREAM,
      g_param_spec_string ("stream", "Stream",
          "Name of the stream of frames without inference metadata (unset: the element's name)",
          NULL, flags));
}

static void weir_publish_class_init (InferPublishClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GstBaseTransformClass *base_class = GST_BASE_TRANSFORM_CLASS (class);
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw(ANY)");

  GST_DEBUG_CATEGORY_INIT (weir_publish_debug, "inferpublish", 0, "writes inference results");
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);
  gst_element_class_set_static_metadata (element_class, "Inference publisher",
      "Filter/Analyzer/Video", "Writes what inference found as JSON, one object a buffer",
      "The Weir developers");
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  element_class->change_state = change_state;
  base_class->set_caps = set_caps;
  base_class->start = start;
  base_class->stop = stop;
  base_class->sink_event = sink_event;
  base_class->transform_ip = transform_ip;
  base_class->passthrough_on_same_caps = TRUE;
  gst_type_mark_as_plugin_api (method_get_type (), 0);
  gst_type_mark_as_plugin_api (format_get_type (), 0);
}

static void weir_publish_init (InferPublish *self)
{
  self->location = g_strdup ("-");
  self->line = g_string_new (NULL);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_gap_aware (GST_BASE_TRANSFORM (self), TRUE);
}
