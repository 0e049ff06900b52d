/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which input takes the picture, and what fills the others: the option constant-inputs, then the
 * model-proc file (metadata WEIR_FILL_KEY…), then conventions of names and shapes. Nothing here
 * depends on the picture itself, so every fill is made once, for one item. */
#include "engine/base/checked.h"
#include "engine/formats/formats.h"
#include "engine/sched/model_types.h"

#include <math.h>
#include <string.h>

#define MAX_SIZE_PX 16384

/* Inputs of pictures, the likelier names first. */
static const char *const picture_names[] = { "image", "images", "data", "input", "input.1", "x",
  "img", "pixel_values", "input_image", "image_tensor", "input_tensor", NULL };

static bool is_channels (int64_t dim)
{
  return dim == 1 || dim == 3;
}

bool weir_shape_is_nhwc (const WeirTensor *shape)
{
  return !is_channels (shape->dims[1]) && is_channels (shape->dims[3]);
}

/* 2: a picture; 1: could be one, its channels are left open; 0: is none. */
static int rate (const WeirTensor *shape)
{
  if (shape->rank != 4)
    return 0;
  bool is_nhwc = weir_shape_is_nhwc (shape);
  int64_t height = shape->dims[is_nhwc ? 1 : 2], width = shape->dims[is_nhwc ? 2 : 3];
  if (height == 0 || width == 0 || height > MAX_SIZE_PX || width > MAX_SIZE_PX ||
      (height == 1 && width == 1))
    return 0;
  if (is_nhwc || is_channels (shape->dims[1]))
    return 2;
  return shape->dims[1] < 0 ? 1 : 0;
}

static bool has_constant (const WeirModelOptions *options, const char *name)
{
  g_auto (GStrv) pairs =
      g_strsplit (options->constant_inputs ? options->constant_inputs : "", ",", -1);
  for (char **pair = pairs; *pair; pair++) {
    const char *end = strrchr (*pair, '=');
    if (end && strlen (name) == (size_t) (end - *pair) && g_str_has_prefix (*pair, name))
      return true;
  }
  return false;
}

/* The candidate that bears a name, in whatever case; WEIR_NONE. */
static uint32_t find_named (
    const uint32_t *candidates, uint32_t n_candidates, const char *const *names, const char *wanted)
{
  for (uint32_t i = 0; wanted && i < n_candidates; i++)
    if (g_ascii_strcasecmp (names[candidates[i]], wanted) == 0)
      return candidates[i];
  return WEIR_NONE;
}

uint32_t weir_model_find_picture (const WeirModel *model, const WeirModelOptions *options,
    uint32_t n, const char *const *names, const WeirTensor *shapes, uint32_t *n_candidates)
{
  g_autofree uint32_t *candidates = g_new (uint32_t, n + 1);
  uint32_t chosen = WEIR_NONE;
  *n_candidates = 0;
  for (int least = 2; least >= 1 && *n_candidates == 0; least--)
    for (uint32_t k = 0; k < n; k++)
      if (rate (&shapes[k]) >= least && !has_constant (options, names[k]))
        candidates[(*n_candidates)++] = k;
  if (*n_candidates == 1)
    return candidates[0];
  const char *named = g_hash_table_lookup (model->metadata, "weir.picture");
  chosen = find_named (candidates, *n_candidates, names, named);
  for (size_t i = 0; picture_names[i] && chosen == WEIR_NONE; i++)
    chosen = find_named (candidates, *n_candidates, names, picture_names[i]);
  return chosen;
}

static char *list_inputs (const WeirModel *model)
{
  GString *inputs = g_string_new (NULL);
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    g_autofree char *shape = weir_tensor_describe (&model->facts.inputs[k]);
    g_string_append_printf (inputs, "%s'%s' %s", k ? ", " : "", model->facts.input_names[k], shape);
  }
  return g_string_free (inputs, FALSE);
}

static void G_GNUC_PRINTF (2, 3) set_problem (WeirModel *model, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *problem = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  model->picture_problem = weir_arena_strdup (model->arena, problem);
}

static void set_picture (WeirModel *model, const WeirModelOptions *options)
{
  WeirModelFacts *facts = &model->facts;
  uint32_t n_candidates, k = weir_model_find_picture (model, options, facts->n_inputs,
                             facts->input_names, facts->inputs, &n_candidates);
  if (k == WEIR_NONE) {
    g_autofree char *inputs = list_inputs (model);
    if (n_candidates)
      set_problem (model,
          "several inputs could take the picture: %s; give the values of the others with "
          "constant-inputs=NAME=VALUE",
          inputs);
    else
      set_problem (model,
          "takes no pictures: its inputs are %s, expected is one of rank 4 with 1 or 3 channels",
          inputs);
    return;
  }
  const int64_t *d = facts->inputs[k].dims;
  facts->picture = k;
  model->has_picture = true;
  model->is_nhwc = weir_shape_is_nhwc (&facts->inputs[k]);
  model->input.height_px = (uint32_t) d[model->is_nhwc ? 1 : 2];
  model->input.width_px = (uint32_t) d[model->is_nhwc ? 2 : 3];
  model->input.n_channels = (uint32_t) d[model->is_nhwc ? 3 : 1];
  model->fills[k].text = "picture";
}

#define STORE(DTYPE, Type)                                      \
  case WEIR_DTYPE_##DTYPE:                                      \
    for (size_t i = 0; i < n; i++)                              \
      ((Type *) dst)[i] = (Type) values[n_values == 1 ? 0 : i]; \
    return true;

/* n elements of a type; the values are in its range. */
static bool store (WeirDtype dtype, const double *values, size_t n_values, void *dst, size_t n)
{
  switch (dtype) {
    STORE (F32, float)
    STORE (U8, uint8_t)
    STORE (I8, int8_t)
    STORE (U16, uint16_t)
    STORE (I16, int16_t)
    STORE (U32, uint32_t)
    STORE (I32, int32_t)
    STORE (U64, uint64_t)
    STORE (I64, int64_t)
    STORE (BOOL, bool)
  default:
    return false;
  }
}

/* What every integer type of a kind can hold; floats take anything finite. */
static bool in_range (WeirDtype dtype, double value)
{
  static const struct {
    double min, max;
  } ranges[WEIR_N_DTYPES] = {
    [WEIR_DTYPE_U8] = { 0, UINT8_MAX },
    [WEIR_DTYPE_I8] = { INT8_MIN, INT8_MAX },
    [WEIR_DTYPE_U16] = { 0, UINT16_MAX },
    [WEIR_DTYPE_I16] = { INT16_MIN, INT16_MAX },
    [WEIR_DTYPE_U32] = { 0, UINT32_MAX },
    [WEIR_DTYPE_I32] = { INT32_MIN, INT32_MAX },
    [WEIR_DTYPE_U64] = { 0, 1e18 },
    [WEIR_DTYPE_I64] = { -1e18, 1e18 },
    [WEIR_DTYPE_BOOL] = { 0, 1 },
  };
  if (dtype == WEIR_DTYPE_F32)
    return isfinite ((float) value);
  return value >= ranges[dtype].min && value <= ranges[dtype].max && value == floor (value);
}

/* One value for all elements, or one for each. False where the number or the values do not fit. */
static bool fill (
    WeirModel *model, uint32_t k, const double *values, size_t n_values, const char *text)
{
  WeirFill *dst = &model->fills[k];
  WeirTensor tensor = model->facts.inputs[k];
  size_t n_bytes, element = weir_dtype_bytes (tensor.dtype);
  if (!weir_tensor_bytes (&tensor, &n_bytes) || !element)
    return false;
  size_t n = n_bytes / element;
  bool ok = n_values == 1 || n_values == n;
  for (size_t i = 0; ok && i < n_values; i++)
    ok = in_range (tensor.dtype, values[i]);
  tensor.layout = WEIR_LAYOUT_PLAIN;
  tensor.offset_bytes = 0;
  tensor.buffer = ok ? weir_arena_try_alloc (model->arena, MAX (n_bytes, 1)) : NULL;
  if (!tensor.buffer || !store (tensor.dtype, values, n_values, tensor.buffer, n))
    return false;
  dst->values = tensor;
  dst->text = weir_arena_strdup (model->arena, text);
  return true;
}

static size_t n_elements (const WeirTensor *shape)
{
  int64_t n;
  return weir_tensor_n_elements (shape, &n) ? (size_t) n : 0;
}

/* Two sizes, then the scale. */
static bool fill_sizes (
    WeirModel *model, uint32_t k, double first, double second, double scale, const char *names)
{
  enum { MAX_SIZES = 16 };
  double values[MAX_SIZES];
  size_t n = n_elements (&model->facts.inputs[k]);
  g_autoptr (GString) text = g_string_new (names);
  if (n < 2 || n > MAX_SIZES || !model->has_picture)
    return false;
  for (size_t i = 0; i < n; i++)
    values[i] = i == 0 ? first : i == 1 ? second : scale;
  for (size_t i = 2; i < n; i++)
    g_string_append_printf (text, ", %g", scale);
  return fill (model, k, values, n, text->str);
}

static bool fill_info (WeirModel *model, uint32_t k, double scale)
{
  return fill_sizes (
      model, k, model->input.height_px, model->input.width_px, scale, "image info: height, width");
}

static bool fill_width_first (WeirModel *model, uint32_t k, double scale)
{
  return fill_sizes (
      model, k, model->input.width_px, model->input.height_px, scale, "image info: width, height");
}

static bool fill_ones (WeirModel *model, uint32_t k, double scale)
{
  const double one = 1;
  return fill (model, k, &one, 1, "ones");
}

/* Faster R-CNN of Caffe and TensorFlow; PaddleDetection (im_shape, and a picture that was not
 * scaled); RT-DETR; DETR; the sequences of CTC. */
static const struct {
  const char *name;
  bool (*fill) (WeirModel *model, uint32_t k, double scale);
} conventions[] = {
  { "image_info", fill_info },
  { "im_info", fill_info },
  { "img_info", fill_info },
  { "im_shape", fill_info },
  { "image_shape", fill_info },
  { "scale_factor", fill_ones },
  { "im_scale", fill_ones },
  { "seq_ind", fill_ones },
  { "pixel_mask", fill_ones },
  { "sequence_index", fill_ones },
  { "orig_target_sizes", fill_width_first },
};

static bool fill_by_convention (WeirModel *model, uint32_t k)
{
  const WeirTensor *shape = &model->facts.inputs[k];
  for (size_t i = 0; i < G_N_ELEMENTS (conventions); i++)
    if (g_ascii_strcasecmp (model->facts.input_names[k], conventions[i].name) == 0)
      return conventions[i].fill (model, k, 1);
  int64_t n = shape->rank == 2 && shape->dims[0] == 1 ? shape->dims[1] : 0;
  return (n == 2 || n == 3 || n == 4 || n == 6) && fill_info (model, k, 1);
}

static bool fill_by_metadata (WeirModel *model, uint32_t k)
{
  g_autofree char *key = g_strconcat (WEIR_FILL_KEY, model->facts.input_names[k], NULL);
  const char *value = g_hash_table_lookup (model->metadata, key);
  if (!value)
    value = g_hash_table_lookup (model->metadata, WEIR_FILL_KEY);
  if (value && g_str_has_prefix (value, WEIR_FILL_IMAGE_INFO))
    return fill_info (model, k, g_ascii_strtod (value + strlen (WEIR_FILL_IMAGE_INFO), NULL));
  return value && strcmp (value, WEIR_FILL_ONES) == 0 && fill_ones (model, k, 1);
}

static bool refuse_constant (
    const WeirModel *model, const char *pair, const char *expected, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: constant-inputs '%s': %s", model->path,
      pair, expected);
  return false;
}

/* "1", "1:2:3" or "1 2 3". */
static bool fill_constant (
    WeirModel *model, uint32_t k, const char *pair, const char *text, GError **error)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree char *why = g_strdup_printf ("constant-inputs: %s", text);
  for (const char *p = text; *p; p += strspn (p, ": ")) {
    char *end;
    double value = g_ascii_strtod (p, &end);
    if (end == p)
      return refuse_constant (
          model, pair, "NAME=VALUE is expected, VALUE a number or a:b:c", error);
    g_array_append_val (values, value);
    p = end;
  }
  if (values->len && fill (model, k, (const double *) (void *) values->data, values->len, why))
    return true;
  g_autofree char *shape = weir_tensor_describe (&model->facts.inputs[k]);
  g_autofree char *expected = g_strdup_printf (
      "input is %s: one number of this type, or one for each element, is expected", shape);
  return refuse_constant (model, pair, expected, error);
}

static bool fill_constants (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  const char *list = options->constant_inputs;
  g_auto (GStrv) pairs = g_strsplit (list ? list : "", ",", -1);
  for (char **pair = pairs; *pair; pair++) {
    const char *text = strrchr (*pair, '=');
    if (!text)
      return refuse_constant (model, *pair, "NAME=VALUE,NAME=VALUE is expected", error);
    g_autofree char *name = g_strndup (*pair, (gsize) (text - *pair));
    uint32_t k = 0;
    while (k < model->facts.n_inputs && strcmp (model->facts.input_names[k], name) != 0)
      k++;
    if (k == model->facts.n_inputs) {
      g_autofree char *inputs = list_inputs (model);
      g_autofree char *expected = g_strdup_printf ("no such input: there are %s", inputs);
      return refuse_constant (model, *pair, expected, error);
    }
    if (!fill_constant (model, k, *pair, text + 1, error))
      return false;
  }
  return true;
}

bool weir_model_set_input (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  model->fills = weir_arena_new_array (model->arena, WeirFill, model->facts.n_inputs);
  set_picture (model, options);
  if (!fill_constants (model, options, error))
    return false;
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    if (model->fills[k].text || fill_by_metadata (model, k) || fill_by_convention (model, k) ||
        model->picture_problem)
      continue;
    g_autofree char *shape = weir_tensor_describe (&model->facts.inputs[k]);
    set_problem (model,
        "input '%s' %s takes no picture, and nothing says what it is filled with: "
        "constant-inputs=%s=VALUE is expected",
        model->facts.input_names[k], shape, model->facts.input_names[k]);
  }
  return true;
}
