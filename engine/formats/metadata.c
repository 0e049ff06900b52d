/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every convention is a row: under which names an exporter writes something, and how it is said in
 * "weir." keys. Rows that stand first win, as a key that is there is not written again. */
#include "engine/formats/metadata_private.h"

#include "engine/error.h"
#include "engine/formats/json_text.h"
#include "engine/formats/label_text.h"

#include <math.h>
#include <string.h>

#define MAX_NUMBERS 8
#define MAX_SIZE_PX 16384

/* Under which names a key may stand; the IR loader writes model_info and rt_info with dots, Model
 * API's ONNX files with a space. */
static const char *const prefixes[] = { "", "model_info.", "model_info " };
static const char *const conversions[] = { "rt_info.conversion_parameters.",
  "meta_data.cli_parameters." };

void weir_metadata_add (GHashTable *metadata, const char *key, const char *value)
{
  if (*value && !g_hash_table_contains (metadata, key))
    g_hash_table_insert (metadata, g_strdup (key), g_strdup (value));
}

static const char *find (
    GHashTable *metadata, const char *const *starts, size_t n_starts, const char *name)
{
  for (size_t i = 0; i < n_starts; i++) {
    g_autofree char *key = g_strconcat (starts[i], name, NULL);
    const char *value = g_hash_table_lookup (metadata, key);
    if (value && *value)
      return value;
  }
  return NULL;
}

static const char *find_conversion (GHashTable *metadata, const char *name)
{
  return find (metadata, conversions, G_N_ELEMENTS (conversions), name);
}

static bool is_true (const char *text)
{
  return g_ascii_strcasecmp (text, "true") == 0 || g_ascii_strcasecmp (text, "yes") == 0 ||
         strcmp (text, "1") == 0;
}

/* Numbers with anything of "[](), " between; how many, 0 where something else stands there too. */
static uint32_t read_numbers (const char *text, double values[MAX_NUMBERS])
{
  uint32_t n = 0;
  for (text += strspn (text, "[](), "); *text; text += strspn (text, "[](), ")) {
    char *end;
    double value = g_ascii_strtod (text, &end);
    if (end == text || !isfinite (value) || n == MAX_NUMBERS)
      return 0;
    values[n++] = value;
    text = end;
  }
  return n;
}

static char *join_numbers (const double *values, uint32_t n, bool is_inverse, char separator)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < n; i++) {
    g_autofree char *number = weir_number_text (is_inverse ? 1 / values[i] : values[i]);
    if (i)
      g_string_append_c (text, separator);
    g_string_append (text, number);
  }
  return g_string_free (text, FALSE);
}

static void add_names (GHashTable *metadata, const char *value)
{
  g_autofree char *names = weir_names_parse (value);
  if (names)
    weir_metadata_add (metadata, "weir.labels", names);
}

/* A list in some notation; lines; "a,b"; Model API's "a b_c", where _ is a blank. */
static void add_labels (GHashTable *metadata, const char *value)
{
  g_autofree char *names = weir_names_parse (value);
  g_autofree char *text = names ? NULL : g_strstrip (g_strdup (value));
  if (text && !strchr (text, '\n')) {
    bool has_commas = strpbrk (text, ",;") != NULL;
    g_strdelimit (text, has_commas ? ",;" : " ", '\n');
    if (!has_commas)
      g_strdelimit (text, "_", ' ');
  }
  weir_metadata_add (metadata, "weir.labels", names ? names : text);
}

/* The characters that a text recogniser knows, one a line: its class 0 is "no character". */
static void add_characters (GHashTable *metadata, const char *value)
{
  if (strchr (value, '\n'))
    weir_metadata_add (metadata, "weir.labels", value);
}

/* Ultralytics' words, those of others in them, types of networks of Model API and DL Streamer. What
 * leaves the task open ("YOLO") or is none of a picture is passed over. */
static void add_task (GHashTable *metadata, const char *value)
{
  static const char *const words[][2] = { { "detect", "detect" }, { "detection", "detect" },
    { "object-detection", "detect" }, { "yolo_v8", "detect" }, { "yolo_v11", "detect" },
    { "segment", "segment" }, { "instance-segmentation", "segment" },
    { "instance_segmentation", "segment" }, { "yolo_v8_seg", "segment" },
    { "yolo_v11_seg", "segment" }, { "classify", "classify" }, { "classification", "classify" },
    { "image-classification", "classify" }, { "label", "classify" }, { "pose", "pose" },
    { "keypoint-detection", "pose" }, { "keypoint_detection", "pose" }, { "yolo_v8_pose", "pose" },
    { "yolo_v11_pose", "pose" }, { "obb", "obb" }, { "yolo_v8_obb", "obb" },
    { "yolo_v11_obb", "obb" }, { "semantic", "semantic" }, { "segmentation", "semantic" },
    { "semantic-segmentation", "semantic" } };
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_ascii_strcasecmp (value, words[i][0]) == 0)
      weir_metadata_add (metadata, "weir.task", words[i][1]);
}

/* "[640, 640]", "640": height and width. */
static void add_size (GHashTable *metadata, const char *value)
{
  double size[MAX_NUMBERS];
  uint32_t n = read_numbers (value, size);
  if (n < 1 || n > 2)
    return;
  double height = size[0], width = size[n - 1];
  if (!(height >= 1 && height <= MAX_SIZE_PX && width >= 1 && width <= MAX_SIZE_PX))
    return;
  g_autofree char *text = g_strdup_printf ("%dx%d", (int) height, (int) width);
  weir_metadata_add (metadata, "weir.input-size", text);
}

/* Several: those of the heads; one is the largest of them only. */
static void add_strides (GHashTable *metadata, const char *value)
{
  double strides[MAX_NUMBERS];
  uint32_t n = read_numbers (value, strides);
  g_autofree char *text = n > 1 ? join_numbers (strides, n, false, ',') : NULL;
  if (text)
    weir_metadata_add (metadata, "weir.strides", text);
}

static void add_keypoints (GHashTable *metadata, const char *value)
{
  double shape[MAX_NUMBERS];
  g_autofree char *text =
      read_numbers (value, shape) == 2 ? join_numbers (shape, 2, false, ',') : NULL;
  if (text)
    weir_metadata_add (metadata, "weir.keypoints", text);
}

static void add_reversed (GHashTable *metadata, const char *value)
{
  weir_metadata_add (metadata, "weir.color-format", is_true (value) ? "rgb" : "bgr");
}

static void add_color (GHashTable *metadata, const char *value)
{
  static const char *const words[][2] = { { "RGB", "rgb" }, { "BGR", "bgr" },
    { "GRAYSCALE", "gray" }, { "Rgb8", "rgb" }, { "Rgba8", "rgb" }, { "Bgr8", "bgr" },
    { "Bgra8", "bgr" }, { "Gray8", "gray" } };
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (value, words[i][0]) == 0)
      weir_metadata_add (metadata, "weir.color-format", words[i][1]);
}

/* ONNX's image metadata: 0..255 brought to a range. */
static void add_pixel_range (GHashTable *metadata, const char *value)
{
  static const char *const words[][3] = { { "NominalRange_0_255", "0", "1" },
    { "Normalized_0_1", "0", "0.00392156862745098" },
    { "Normalized_1_1", "127.5", "0.00784313725490196" } };
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++) {
    if (strcmp (value, words[i][0]) != 0 || g_hash_table_contains (metadata, "weir.mean") ||
        g_hash_table_contains (metadata, "weir.scale"))
      continue;
    weir_metadata_add (metadata, "weir.mean", words[i][1]);
    weir_metadata_add (metadata, "weir.scale", words[i][2]);
  }
}

static void add_resize (GHashTable *metadata, const char *value)
{
  static const char *const words[][2] = { { "standard", "stretch" },
    { "fit_to_window", "letterbox-top-left" }, { "fit_to_window_letterbox", "letterbox-centre" },
    { "crop", "crop" } };
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (value, words[i][0]) == 0)
      weir_metadata_add (metadata, "weir.resize", words[i][1]);
}

static void add_pad (GHashTable *metadata, const char *value)
{
  double pad[MAX_NUMBERS];
  if (read_numbers (value, pad) < 1 || !(pad[0] >= 0 && pad[0] <= 255))
    return;
  g_autofree char *text = g_strdup_printf ("%d", (int) lround (pad[0]));
  weir_metadata_add (metadata, "weir.pad", text);
}

static void add_fraction (GHashTable *metadata, const char *key, const char *value)
{
  double number[MAX_NUMBERS];
  if (read_numbers (value, number) == 1 && number[0] >= 0 && number[0] <= 1)
    weir_metadata_add (metadata, key, value);
}

static void add_threshold (GHashTable *metadata, const char *value)
{
  add_fraction (metadata, "weir.threshold", value);
}

static void add_iou_threshold (GHashTable *metadata, const char *value)
{
  add_fraction (metadata, "weir.iou-threshold", value);
}

static void add_multilabel (GHashTable *metadata, const char *value)
{
  if (is_true (value))
    weir_metadata_add (metadata, "weir.method", "multi");
}

static const struct {
  const char *name;
  void (*add) (GHashTable *metadata, const char *value);
} rows[] = {
  { "names", add_names },
  { "labels", add_labels },
  { "classes", add_labels },
  { "class_names", add_labels },
  { "character", add_characters },
  { "task", add_task },
  { "model_type", add_task },
  { "multilabel", add_multilabel },
  { "imgsz", add_size },
  { "stride", add_strides },
  { "kpt_shape", add_keypoints },
  { "reverse_input_channels", add_reversed },
  { "color_space", add_color },
  { "Image.BitmapPixelFormat", add_color },
  { "Image.NominalPixelRange", add_pixel_range },
  { "resize_type", add_resize },
  { "pad_value", add_pad },
  { "confidence_threshold", add_threshold },
  { "iou_threshold", add_iou_threshold },
};

/* model_info: (x - mean_values) / scale_values; what is not given is 0 and 1. */
static void add_normalisation (GHashTable *metadata)
{
  const char *mean_text = find (metadata, prefixes, G_N_ELEMENTS (prefixes), "mean_values");
  const char *scale_text = find (metadata, prefixes, G_N_ELEMENTS (prefixes), "scale_values");
  double mean[MAX_NUMBERS] = { 0 }, scale[MAX_NUMBERS] = { 1 };
  if (!scale_text)
    scale_text = find (metadata, prefixes + 1, G_N_ELEMENTS (prefixes) - 1, "scale");
  uint32_t n_mean = mean_text ? read_numbers (mean_text, mean) : 1;
  uint32_t n_scale = scale_text ? read_numbers (scale_text, scale) : 1;
  bool is_given = g_hash_table_contains (metadata, "weir.mean") ||
                  g_hash_table_contains (metadata, "weir.scale");
  if (is_given || (!mean_text && !scale_text) || !n_mean || !n_scale)
    return;
  for (uint32_t i = 0; i < n_scale; i++)
    if (scale[i] == 0)
      return;
  g_autofree char *mean_list = join_numbers (mean, n_mean, false, ',');
  g_autofree char *scale_list = join_numbers (scale, n_scale, true, ',');
  weir_metadata_add (metadata, "weir.mean", mean_list);
  weir_metadata_add (metadata, "weir.scale", scale_list);
}

/* Model Optimizer's networks take BGR, by its convention; where it was told means, scales or to
 * reverse channels, these are operators of the graph by now. */
static void add_conversion (GHashTable *metadata)
{
  static const char *const baked[] = { "mean_values", "scale_values", "scale" };
  bool is_baked = false, is_mo = find_conversion (metadata, "output_dir") != NULL ||
                                 find_conversion (metadata, "data_type") != NULL;
  for (size_t i = 0; i < G_N_ELEMENTS (baked); i++) {
    const char *value = find_conversion (metadata, baked[i]);
    is_baked |= value && strpbrk (value, "0123456789") != NULL;
  }
  const char *reversed = find_conversion (metadata, "reverse_input_channels");
  if (is_mo || is_baked || (reversed && is_true (reversed)))
    weir_metadata_add (metadata, "weir.color-format", "bgr");
  if (is_baked && !g_hash_table_contains (metadata, "weir.mean") &&
      !g_hash_table_contains (metadata, "weir.scale")) {
    weir_metadata_add (metadata, "weir.mean", "0");
    weir_metadata_add (metadata, "weir.scale", "1");
  }
}

void weir_metadata_translate (const char *path, GHashTable *metadata)
{
  weir_metadata_load_yaml (path, metadata);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *value = find (metadata, prefixes, G_N_ELEMENTS (prefixes), rows[i].name);
    g_autofree char *copy = value ? g_strdup (value) : NULL;
    if (copy && g_utf8_validate (copy, -1, NULL))
      rows[i].add (metadata, copy);
  }
  add_normalisation (metadata);
  add_conversion (metadata);
}
