/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input_preproc of a model-proc file, as the keys that say how pictures are prepared and what fills
 * the other inputs.
 *
 * DL Streamer brings 0..255 to `range` [a, b], then subtracts `mean` and divides by `std`:
 *
 *   x' = (x (b - a) / 255 + a - mean) / std = (x - (mean - a) 255 / (b - a)) · (b - a) / 255 / std
 *
 * which is our (x - M) · S. Its "aspect-ratio" centres the picture, "aspect-ratio-pad" puts it into
 * the corner (model_info: fit_to_window_letterbox, fit_to_window). */
#include "engine/formats/modelproc_private.h"

#include "engine/error.h"

#include <math.h>
#include <string.h>

#define WHERE          "input_preproc"
#define MAX_CHANNELS   3
#define MAX_NORMALISER 1e6

typedef struct Input {
  const char *path;
  guint index;
  GHashTable *metadata;
  double range[2], mean[MAX_CHANNELS], std[MAX_CHANNELS];
  guint n_mean, n_std; /* 0: not given */
  bool has_range;
} Input;

static void set (const Input *input, const char *key, const char *value)
{
  g_hash_table_replace (input->metadata, g_strdup (key), g_strdup (value));
}

static bool refuse (const Input *input, int code, const char *name, JsonNode *node,
    const char *expected, GError **error)
{
  g_autofree char *text = weir_json_text (node);
  g_autofree char *clipped = weir_clipped_text (text);
  return weir_modelproc_refuse (
      input->path, WHERE, input->index, code, error, "%s '%s': %s", name, clipped, expected);
}

/* A word of DL Streamer's and what it is here; `ours` NULL: cannot be done. */
typedef struct Word {
  const char *theirs, *ours;
} Word;

static bool read_word (Input *input, const char *name, JsonNode *node, const Word *words,
    const char *key, const char *expected, GError **error)
{
  g_autofree char *text = weir_json_text (node);
  for (; words->theirs; words++) {
    if (strcmp (text, words->theirs) != 0)
      continue;
    if (!words->ours)
      return refuse (input, WEIR_ERROR_UNSUPPORTED, name, node, expected, error);
    set (input, key, words->ours);
    return true;
  }
  return refuse (input, WEIR_ERROR_FORMAT, name, node, expected, error);
}

static bool read_resize (Input *input, const char *name, JsonNode *node, GError **error)
{
  static const Word words[] = {
    { "no", "stretch" },
    { "no-aspect-ratio", "stretch" },
    { "aspect-ratio", "letterbox-centre" },
    { "aspect-ratio-pad", "letterbox-top-left" },
    { NULL, NULL },
  };
  return read_word (input, name, node, words, "weir.resize",
      "no, no-aspect-ratio, aspect-ratio or aspect-ratio-pad is expected", error);
}

static bool read_crop (Input *input, const char *name, JsonNode *node, GError **error)
{
  static const Word words[] = {
    { "central", "crop" },
    { "central-resize", "crop" },
    { "top_left", NULL },
    { "top_right", NULL },
    { "bottom_left", NULL },
    { "bottom_right", NULL },
    { NULL, NULL },
  };
  return read_word (input, name, node, words, "weir.resize",
      "central is expected, corners cannot be cut out", error);
}

static bool read_color (Input *input, const char *name, JsonNode *node, GError **error)
{
  static const Word words[] = {
    { "RGB", "rgb" },
    { "BGR", "bgr" },
    { "GRAYSCALE", "gray" },
    { "YUV", NULL },
    { NULL, NULL },
  };
  return read_word (input, name, node, words, "weir.color-format",
      "RGB, BGR or GRAYSCALE is expected, networks get no YUV", error);
}

/* One number, or an array of at most `max`; how many there are, 0 where it is something else. */
static guint read_numbers (JsonNode *node, double *values, guint max)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = array ? json_array_get_length (array) : 1;
  if (n > max)
    return 0;
  for (guint i = 0; i < n; i++)
    if (!weir_json_number (array ? json_array_get_element (array, i) : node, &values[i]) ||
        fabs (values[i]) > MAX_NORMALISER)
      return 0;
  return n;
}

static bool read_range (Input *input, const char *name, JsonNode *node, GError **error)
{
  input->has_range =
      read_numbers (node, input->range, 2) == 2 && input->range[0] != input->range[1];
  return input->has_range || refuse (input, WEIR_ERROR_FORMAT, name, node,
                                 "two different numbers [a, b] are expected", error);
}

static bool read_mean (Input *input, const char *name, JsonNode *node, GError **error)
{
  input->n_mean = read_numbers (node, input->mean, MAX_CHANNELS);
  return input->n_mean == 1 || input->n_mean == MAX_CHANNELS ||
         refuse (input, WEIR_ERROR_FORMAT, name, node, "1 or 3 numbers are expected", error);
}

static bool read_std (Input *input, const char *name, JsonNode *node, GError **error)
{
  input->n_std = read_numbers (node, input->std, MAX_CHANNELS);
  bool ok = input->n_std == 1 || input->n_std == MAX_CHANNELS;
  for (guint i = 0; ok && i < input->n_std; i++)
    ok = input->std[i] != 0;
  return ok || refuse (input, WEIR_ERROR_FORMAT, name, node,
                   "1 or 3 numbers other than 0 are expected", error);
}

/* What is outside of the picture, before mean and scale. */
static bool read_padding (Input *input, const char *name, JsonNode *node, GError **error)
{
  double fill[4];
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (input, WEIR_ERROR_FORMAT, name, node, "an object is expected", error);
  JsonObject *object = json_node_get_object (node);
  JsonNode *value = json_object_get_member (object, "fill_value");
  if (json_object_get_size (object) > (value ? 1u : 0u))
    g_message (
        "%s: " WHERE "[%u]: the strides of padding are not applied", input->path, input->index);
  if (!value)
    return true;
  guint n = read_numbers (value, fill, G_N_ELEMENTS (fill));
  bool ok = n > 0 && fill[0] >= 0 && fill[0] <= 255;
  for (guint i = 1; ok && i < n; i++)
    ok = fill[i] == fill[0];
  if (!ok)
    return refuse (input, WEIR_ERROR_UNSUPPORTED, "fill_value", value,
        "one number from 0 to 255 for all channels is expected", error);
  g_autofree char *text = g_strdup_printf ("%d", (int) lround (fill[0]));
  set (input, "weir.pad", text);
  return true;
}

/* In the order of DL Streamer: a crop replaces what resize says. */
static const struct {
  const char *name;
  bool (*read) (Input *input, const char *name, JsonNode *node, GError **error);
} params[] = {
  { "resize", read_resize },
  { "crop", read_crop },
  { "color_space", read_color },
  { "range", read_range },
  { "mean", read_mean },
  { "std", read_std },
  { "padding", read_padding },
};

static void set_normalisation (const Input *input)
{
  double a = input->has_range ? input->range[0] : 0, b = input->has_range ? input->range[1] : 255;
  guint n = MAX (MAX (input->n_mean, input->n_std), 1);
  g_autoptr (GString) mean = g_string_new (NULL);
  g_autoptr (GString) scale = g_string_new (NULL);
  if (!input->has_range && !input->n_mean && !input->n_std)
    return;
  for (guint i = 0; i < n; i++) {
    double m = input->n_mean ? input->mean[input->n_mean == 1 ? 0 : i] : 0;
    double s = input->n_std ? input->std[input->n_std == 1 ? 0 : i] : 1;
    g_autofree char *mean_text = weir_number_text ((m - a) * 255 / (b - a));
    g_autofree char *scale_text = weir_number_text ((b - a) / 255 / s);
    g_string_append_printf (mean, "%s%s", i ? "," : "", mean_text);
    g_string_append_printf (scale, "%s%s", i ? "," : "", scale_text);
  }
  set (input, "weir.mean", mean->str);
  set (input, "weir.scale", scale->str);
}

static bool read_image (Input *input, const char *layer, JsonObject *object, GError **error)
{
  if (*layer)
    set (input, "weir.picture", layer);
  for (size_t i = 0; object && i < G_N_ELEMENTS (params); i++) {
    JsonNode *node = json_object_get_member (object, params[i].name);
    if (node && !JSON_NODE_HOLDS_NULL (node) &&
        !params[i].read (input, params[i].name, node, error))
      return false;
  }
  if (object && json_object_has_member (object, "alignment_points"))
    g_message ("%s: " WHERE "[%u]: alignment_points are not applied", input->path, input->index);
  set_normalisation (input);
  return true;
}

/* Height, width, and the scale (1) in every further place. */
static bool read_image_info (Input *input, const char *layer, JsonObject *object, GError **error)
{
  JsonNode *node = object ? json_object_get_member (object, "scale") : NULL;
  double scale = 1;
  if (node && !weir_json_number (node, &scale))
    return refuse (input, WEIR_ERROR_FORMAT, "scale", node, "a number is expected", error);
  g_autofree char *key = g_strconcat (WEIR_FILL_KEY, layer, NULL);
  g_autofree char *number = weir_number_text (scale);
  g_autofree char *value = g_strconcat (WEIR_FILL_IMAGE_INFO, " ", number, NULL);
  set (input, key, value);
  return true;
}

static bool read_sequence_index (
    Input *input, const char *layer, JsonObject *object, GError **error)
{
  g_autofree char *key = g_strconcat (WEIR_FILL_KEY, layer, NULL);
  set (input, key, WEIR_FILL_ONES);
  return true;
}

static const struct {
  const char *name;
  bool (*read) (Input *input, const char *layer, JsonObject *object, GError **error);
} formats[] = {
  { "image", read_image },
  { "image_info", read_image_info },
  { "sequence_index", read_sequence_index },
};

static bool read_entry (Input *input, JsonNode *node, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return weir_modelproc_refuse (
        input->path, WHERE, input->index, WEIR_ERROR_FORMAT, error, "an object is expected");
  JsonObject *object = json_node_get_object (node);
  JsonNode *format = json_object_get_member (object, "format");
  JsonNode *inner = json_object_get_member (object, "params");
  g_autofree char *format_name = weir_json_text (format);
  g_autofree char *layer = weir_json_text (json_object_get_member (object, "layer_name"));
  if (inner && JSON_NODE_HOLDS_NULL (inner))
    inner = NULL;
  if (inner && !JSON_NODE_HOLDS_OBJECT (inner))
    return refuse (input, WEIR_ERROR_FORMAT, "params", inner, "an object is expected", error);
  for (size_t i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (*format_name ? format_name : "image", formats[i].name) == 0)
      return formats[i].read (input, layer, inner ? json_node_get_object (inner) : NULL, error);
  return refuse (input, WEIR_ERROR_UNSUPPORTED, "format", format,
      "image, image_info or sequence_index is expected", error);
}

bool weir_modelproc_read_inputs (
    const char *path, JsonArray *entries, GHashTable *metadata, GError **error)
{
  for (guint i = 0; i < json_array_get_length (entries); i++) {
    Input input = { .path = path, .index = i, .metadata = metadata };
    if (!read_entry (&input, json_array_get_element (entries, i), error))
      return false;
  }
  return true;
}
