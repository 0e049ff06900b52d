/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every property is a row: name, text, kind, offset, range, default. The id of a property is its
 * row plus one, so that get and set need no code of their own. Defaults come from the param specs,
 * so that what gst-inspect-1.0 prints is what an instance starts with. */
#include "gst/props.h"

#include "engine/model.h"

typedef enum Kind { KIND_STRING, KIND_BOOL, KIND_INT, KIND_UINT, KIND_FLOAT, KIND_ENUM } Kind;

typedef struct Row {
  const gchar *name, *nick, *blurb;
  Kind kind;
  gsize offset;
  gdouble min, max, value; /* value: the default of numbers and enums */
  const gchar *text;       /* the default of strings */
  const gchar *enum_name;
  const GEnumValue *enum_values;
  guint owners;
  gboolean playing; /* may change while playing; else at NULL→READY */
} Row;

#define BOTH     (WEIR_OWNER_DETECT | WEIR_OWNER_CLASSIFY)
#define DETECT   WEIR_OWNER_DETECT
#define CLASSIFY WEIR_OWNER_CLASSIFY

static const GEnumValue precisions[] = {
  { 0, "The best that the device does well", "auto" },
  { 1, "32-bit float", "f32" },
  { 2, "bfloat16", "bf16" },
  { 3, "16-bit float", "f16" },
  { 4, "8-bit integer, where the model is quantised", "int8" },
  { 0 },
};
static const GEnumValue hints[] = {
  { 0, "Many streams: batch across them", "throughput" },
  { 1, "One answer as early as possible", "latency" },
  { 0 },
};
static const GEnumValue colors[] = {
  { 0, "From the model", "auto" },
  { 1, "Red, green, blue", "rgb" },
  { 2, "Blue, green, red", "bgr" },
  { 3, "Luma only", "gray" },
  { 0 },
};
static const GEnumValue resizes[] = {
  { 0, "From the model", "auto" },
  { 1, "Width and height each to its size", "stretch" },
  { 2, "Aspect kept, borders on both sides", "letterbox-centre" },
  { 3, "Aspect kept, borders right or below", "letterbox-top-left" },
  { 4, "Aspect kept, the middle of the picture", "crop" },
  { 0 },
};
static const GEnumValue leaks[] = {
  { WEIR_LEAKY_NO, "Upstream waits", "no" },
  { WEIR_LEAKY_DOWNSTREAM, "Frames pass without inference, marked as skipped", "downstream" },
  { 0 },
};
static const GEnumValue regions[] = {
  { WEIR_REGION_FULL_FRAME, "The whole picture", "full-frame" },
  { WEIR_REGION_ROI_LIST, "Every object that was found upstream", "roi-list" },
  { 0 },
};
static const GEnumValue metas[] = {
  { WEIR_META_AUTO, "What this build can do", "auto" },
  { WEIR_META_ROI, "GstVideoRegionOfInterestMeta", "roi" },
  { WEIR_META_ANALYTICS, "GstAnalyticsRelationMeta", "analytics" },
  { WEIR_META_BOTH, "Both", "both" },
  { 0 },
};

#define AT(field)   G_STRUCT_OFFSET (WeirSettings, field)
#define LIVE(field) G_STRUCT_OFFSET (WeirSettings, live.field)
/* clang-format off */
#define STRING(name, nick, field, text, blurb) \
  { name, nick, blurb, KIND_STRING, AT (field), 0, 0, 0, text, NULL, NULL, BOTH, FALSE }
#define LIVE_STRING(name, nick, field, blurb) \
  { name, nick, blurb, KIND_STRING, AT (field), 0, 0, 0, NULL, NULL, NULL, BOTH, TRUE }
#define BOOL(name, nick, offset, value, playing, blurb) \
  { name, nick, blurb, KIND_BOOL, offset, 0, 1, value, NULL, NULL, NULL, BOTH, playing }
#define NUMBER(kind, name, nick, offset, min, max, value, owners, playing, blurb) \
  { name, nick, blurb, kind, offset, min, max, value, NULL, NULL, NULL, owners, playing }
#define ENUM(name, nick, offset, type, values, value, playing, blurb) \
  { name, nick, blurb, KIND_ENUM, offset, 0, 0, value, NULL, type, values, BOTH, playing }
/* clang-format on */

static const Row rows[] = {
  STRING ("model", "Model", model, NULL,
      "The network: an .onnx file, an .xml file of OpenVINO IR, or a folder with one of them"),
  STRING ("labels", "Labels", labels, NULL,
      "Names of the classes: a file with one a line, or a list a,b,c (unset: from the model)"),
  STRING ("model-proc", "Model-proc", model_proc, NULL,
      "Model-proc file of DL Streamer, schema 2.x: how inputs are prepared and outputs are "
      "read (unset: as the model says)"),
  STRING ("device", "Device", device, "CPU",
      "Where to run: CPU, GPU, GPU.1, GPU.pocl (by a part of its name), AUTO (the first GPU "
      "that works, else the CPU). BATCH: in front asks for automatic batching "
      "whatever the performance hint, (N) behind gives the largest batch, as in BATCH:CPU(8). "
      "SIM(A,B) only takes A + B n ms for a batch of n and gives zeros, for planning"),
  ENUM ("precision", "Precision", AT (precision), "WeirPrecision", precisions, 0, FALSE,
      "Arithmetic to run in (auto: int8 for quantised models, bf16 or f32, as the CPU does "
      "best); `stats` says what was really executed"),
  ENUM ("performance-hint", "Performance hint", AT (performance_hint), "WeirPerformanceHint", hints,
      0, FALSE, "What to optimise for"),
  NUMBER (KIND_UINT, "num-requests", "Number of requests", AT (num_requests), 0, 1024, 0, BOTH,
      TRUE,
      "Most items in flight, queued and running; 0 = as many as the device can use. A change "
      "while playing is for all elements that share the session"),
  NUMBER (KIND_UINT, "batch-size", "Batch size", AT (batch_size), 0, 1024, 0, BOTH, FALSE,
      "Largest batch, in items; 0 = what the device and the model allow"),
  NUMBER (KIND_INT, "batch-timeout", "Batch timeout", AT (batch_timeout_ms), -1, G_MAXINT, -1, BOTH,
      TRUE,
      "Longest wait in ms that batching adds to the oldest item; 0 = never wait, -1 = as long "
      "as it is seen to pay. A change while playing is for all elements that share the session"),
  BOOL ("allow-auto-batching", "Allow automatic batching", AT (allow_auto_batching), TRUE, FALSE,
      "Group the items of all streams into batches; false = one by one"),
  LIVE_STRING ("config", "Configuration", config,
      "KEY=VALUE,KEY=VALUE in OpenVINO's spelling, as PERFORMANCE_HINT=LATENCY; they go before "
      "the properties of the same meaning. While playing, PERFORMANCE_HINT_NUM_REQUESTS and "
      "AUTO_BATCH_TIMEOUT take effect at once, for all elements that share the session, other "
      "keys at the next start"),
  STRING ("instance", "Instance", instance, NULL,
      "Share one session by this name (unset: elements with equal settings share anyway)"),
  ENUM ("region", "Region", AT (region), "WeirRegionSource", regions, 0, FALSE, "Where to look"),
  STRING ("classes", "Classes", classes, NULL,
      "Labels a,b,c: inferdetect keeps only these objects, inferclassify looks only at them "
      "(unset: all)"),
  NUMBER (KIND_UINT, "interval", "Interval", LIVE (interval), 1, G_MAXUINT, 1, BOTH, TRUE,
      "Look at every N-th frame; the others pass, marked as skipped"),
  ENUM ("color-format", "Colour format", AT (color_format), "WeirColorFormat", colors, 0, FALSE,
      "Colours of the network's input and their order"),
  STRING ("mean", "Mean", mean, NULL,
      "What is taken off each pixel: x' = (x - mean) * scale, x in 0..255. One number, or one "
      "per channel of the network's input a,b,c (unset: from the model)"),
  STRING ("scale", "Scale", scale, NULL,
      "What each pixel is then multiplied by; written like mean (unset: from the model)"),
  STRING ("input-shape", "Input shape", input_shape, NULL,
      "Sizes of the input where the network leaves them open, as 1x3x320x320 (unset: from the "
      "model)"),
  STRING ("constant-inputs", "Constant inputs", constant_inputs, NULL,
      "NAME=VALUE,NAME=VALUE: what fills inputs that take no picture; one number, or a:b:c for "
      "each of their elements (unset: from the model, its model-proc file or their names)"),
  ENUM ("resize", "Resize", AT (resize), "WeirResize", resizes, 0, FALSE,
      "How a region becomes the network's input"),
  STRING ("decoder", "Decoder", decoder, "auto", NULL),
  ENUM ("leaky", "Leaky", LIVE (leaky), "WeirLeaky", leaks, WEIR_LEAKY_NO, TRUE,
      "What happens while the session's queue is full"),
  BOOL ("qos", "Quality of service", LIVE (qos), FALSE, TRUE,
      "Let frames that are late at the sink pass without inference, marked as skipped"),
  ENUM ("meta", "Metadata", AT (meta), "WeirMetaKind", metas, WEIR_META_AUTO, FALSE,
      "Public metadata to attach beside WeirMeta; analytics needs GStreamer 1.24 at build time and "
      "holds up to 4096 results of a frame"),
  BOOL ("attach-tensors", "Attach tensors", LIVE (attach_tensors), FALSE, TRUE,
      "Attach all outputs of the network as tensors"),
  BOOL ("deterministic", "Deterministic", AT (deterministic), FALSE, FALSE,
      "Bit-identical results whatever the batch, at some cost in speed"),
  STRING ("stream", "Stream", stream, NULL,
      "Name of the stream in the results (unset: the element's name)"),
  NUMBER (KIND_FLOAT, "threshold", "Threshold", LIVE (threshold), 0, 1, 0.5, DETECT, TRUE,
      "Least confidence of an object, 0 to 1"),
  NUMBER (KIND_FLOAT, "threshold", "Threshold", LIVE (threshold), 0, 1, 0, CLASSIFY, TRUE,
      "Least confidence of a class, 0 to 1"),
  NUMBER (KIND_FLOAT, "iou-threshold", "IoU threshold", LIVE (iou_threshold), 0, 1, 0.45, DETECT,
      TRUE,
      "Of two boxes of a class that overlap by more than this, the better one stays "
      "(intersection over union, 0 to 1)"),
  NUMBER (KIND_UINT, "max-detections", "Maximum detections", LIVE (max_detections), 1, 100000, 200,
      DETECT, TRUE, "Most objects of a region, the best ones"),
  NUMBER (KIND_UINT, "top-k", "Top k", LIVE (top_k), 1, 1000, 1, CLASSIFY, TRUE,
      "Most classes of an attribute, best first"),
  NUMBER (KIND_UINT, "reclassify-interval", "Reclassify interval", LIVE (reclassify_interval), 0,
      G_MAXUINT, 1, CLASSIFY, TRUE,
      "A tracked object is looked at again after so many frames, until then it keeps what is known "
      "of it; 0 = once"),
};

static gpointer field (const WeirSettings *settings, const Row *row)
{
  return (guint8 *) settings + row->offset;
}

static GType enum_type (const Row *row)
{
  GType type = g_type_from_name (row->enum_name);
  if (!type) {
    type = g_enum_register_static (row->enum_name, row->enum_values);
    gst_type_mark_as_plugin_api (type, 0);
  }
  return type;
}

/* The decoders of this build, so that gst-inspect-1.0 lists them. */
static gchar *decoder_blurb (void)
{
  GString *text = g_string_new ("How the outputs are read: auto (recognised by names and shapes)");
  for (const char *const *name = weir_decoder_names (); *name; name++)
    g_string_append_printf (text, ", %s", *name);
  return g_string_free (text, FALSE);
}

static GParamSpec *new_spec (const Row *row, WeirRegionSource region_default)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_NAME | G_PARAM_STATIC_NICK |
                            (row->playing ? GST_PARAM_MUTABLE_PLAYING : GST_PARAM_MUTABLE_READY);
  g_autofree gchar *made = row->blurb ? NULL : decoder_blurb ();
  const gchar *blurb = made ? made : row->blurb;
  const gint value = row->enum_values == regions ? (gint) region_default : (gint) row->value;
  switch (row->kind) {
  case KIND_STRING:
    return g_param_spec_string (row->name, row->nick, blurb, row->text, flags);
  case KIND_BOOL:
    return g_param_spec_boolean (row->name, row->nick, blurb, value, flags);
  case KIND_INT:
    return g_param_spec_int (
        row->name, row->nick, blurb, (gint) row->min, (gint) row->max, value, flags);
  case KIND_UINT:
    return g_param_spec_uint (
        row->name, row->nick, blurb, (guint) row->min, (guint) row->max, (guint) row->value, flags);
  case KIND_FLOAT:
    return g_param_spec_float (row->name, row->nick, blurb, (gfloat) row->min, (gfloat) row->max,
        (gfloat) row->value, flags);
  default:
    return g_param_spec_enum (row->name, row->nick, blurb, enum_type (row), value, flags);
  }
}

void weir_props_install (GObjectClass *klass, WeirPropOwner owner, WeirRegionSource region_default)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].owners & owner)
      g_object_class_install_property (klass, i + 1, new_spec (&rows[i], region_default));
}

static const Row *find_row (guint prop_id)
{
  return prop_id >= 1 && prop_id <= G_N_ELEMENTS (rows) ? &rows[prop_id - 1] : NULL;
}

static void store (const Row *row, gpointer at, const GValue *value)
{
  switch (row->kind) {
  case KIND_STRING:
    g_free (*(gchar **) at);
    *(gchar **) at = g_value_dup_string (value);
    break;
  case KIND_BOOL:
    *(gboolean *) at = g_value_get_boolean (value);
    break;
  case KIND_INT:
    *(gint *) at = g_value_get_int (value);
    break;
  case KIND_UINT:
    *(guint *) at = g_value_get_uint (value);
    break;
  case KIND_FLOAT:
    *(gfloat *) at = g_value_get_float (value);
    break;
  case KIND_ENUM:
    *(gint *) at = g_value_get_enum (value);
    break;
  }
}

gboolean weir_props_set (WeirSettings *settings, guint prop_id, const GValue *value)
{
  const Row *row = find_row (prop_id);
  if (row)
    store (row, field (settings, row), value);
  return row != NULL;
}

gboolean weir_props_get (const WeirSettings *settings, guint prop_id, GValue *value)
{
  const Row *row = find_row (prop_id);
  if (!row)
    return FALSE;
  gconstpointer at = field (settings, row);
  switch (row->kind) {
  case KIND_STRING:
    g_value_set_string (value, *(gchar *const *) at);
    break;
  case KIND_BOOL:
    g_value_set_boolean (value, *(const gboolean *) at);
    break;
  case KIND_INT:
    g_value_set_int (value, *(const gint *) at);
    break;
  case KIND_UINT:
    g_value_set_uint (value, *(const guint *) at);
    break;
  case KIND_FLOAT:
    g_value_set_float (value, *(const gfloat *) at);
    break;
  case KIND_ENUM:
    g_value_set_enum (value, *(const gint *) at);
    break;
  }
  return TRUE;
}

static void store_defaults (WeirSettings *settings, guint owners, WeirRegionSource region_default)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (!(rows[i].owners & owners))
      continue;
    GParamSpec *spec = g_param_spec_ref_sink (new_spec (&rows[i], region_default));
    store (&rows[i], field (settings, &rows[i]), g_param_spec_get_default_value (spec));
    g_param_spec_unref (spec);
  }
}

void weir_settings_init (
    WeirSettings *settings, WeirPropOwner owner, WeirRegionSource region_default)
{
  /* Fields that only the other element shows have its defaults, which mean "no limit" here. */
  store_defaults (settings, BOTH, region_default);
  store_defaults (settings, owner, region_default);
}

void weir_settings_clear (WeirSettings *settings)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].kind == KIND_STRING)
      g_clear_pointer ((gchar **) field (settings, &rows[i]), g_free);
}

void weir_settings_copy (WeirSettings *dst, const WeirSettings *src)
{
  weir_settings_clear (dst);
  *dst = *src;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar **text = field (dst, &rows[i]);
    if (rows[i].kind == KIND_STRING)
      *text = g_strdup (*text);
  }
}

const gchar *weir_settings_nick (const WeirSettings *settings, const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const Row *row = &rows[i];
    if (row->kind != KIND_ENUM || !g_str_equal (row->name, name))
      continue;
    const gchar *nick = row->enum_values[*(const gint *) field (settings, row)].value_nick;
    return g_str_equal (nick, "auto") ? NULL : nick;
  }
  return NULL;
}
