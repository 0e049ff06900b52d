/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dims that the file leaves open: the picture's by the option input-shape, else by the size that
 * the exporter noted. The batch stays open. */
#include "engine/sched/model_types.h"

#include <string.h>

/* Inputs as arrays: names[k], shapes[k]; in the model's arena. */
static void list_inputs (
    const WeirModel *model, const char ***names, WeirTensor **shapes, uint32_t *n)
{
  *n = model->graph->inputs->len;
  *names = weir_arena_new_array (model->arena, const char *, *n);
  *shapes = weir_arena_new_array (model->arena, WeirTensor, *n);
  for (uint32_t k = 0; k < *n; k++) {
    const WeirValue *value =
        weir_graph_value (model->graph, g_array_index (model->graph->inputs, uint32_t, k));
    (*names)[k] = value->name;
    (*shapes)[k] = value->tensor;
  }
}

/* Writes the dims of "1x3x320x320". */
static bool pin_shape (const WeirModel *model, WeirValue *value, const char *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", -1);
  if (g_strv_length (parts) != value->tensor.rank) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: input-shape '%s' has %u dimensions, input '%s' has %u", model->path, text,
        g_strv_length (parts), value->name, value->tensor.rank);
    return false;
  }
  for (uint32_t i = 0; i < value->tensor.rank; i++) {
    gint64 dim;
    if (!g_ascii_string_to_signed (parts[i], 10, 1, 1 << 20, &dim, NULL) ||
        (i > 0 && value->tensor.dims[i] >= 0 && value->tensor.dims[i] != dim)) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
          "%s: input-shape '%s' does not fit input '%s': dimension %u is %" G_GINT64_FORMAT
          " in the model (-1: any)",
          model->path, text, value->name, i, value->tensor.dims[i]);
      return false;
    }
    if (i > 0)
      value->tensor.dims[i] = dim;
  }
  return true;
}

static void pin_dim (WeirTensor *tensor, uint32_t i, uint64_t dim)
{
  if (tensor->dims[i] < 0 && dim > 0)
    tensor->dims[i] = (int64_t) dim;
}

/* What the metadata tell of height, width and channels, where they are open. */
static void pin_by_metadata (const WeirModel *model, WeirTensor *tensor)
{
  const char *size = g_hash_table_lookup (model->metadata, "weir.input-size");
  const char *channels = g_hash_table_lookup (model->metadata, "channels");
  guint64 height = 0, width = 0, n_channels = 0;
  g_auto (GStrv) parts = g_strsplit (size ? size : "", "x", 2);
  bool is_nhwc = weir_shape_is_nhwc (tensor);
  if (g_strv_length (parts) == 2 &&
      g_ascii_string_to_unsigned (parts[0], 10, 1, 1 << 14, &height, NULL) &&
      g_ascii_string_to_unsigned (parts[1], 10, 1, 1 << 14, &width, NULL)) {
    pin_dim (tensor, is_nhwc ? 1 : 2, height);
    pin_dim (tensor, is_nhwc ? 2 : 3, width);
  }
  if (channels && g_ascii_string_to_unsigned (channels, 10, 1, 3, &n_channels, NULL))
    pin_dim (tensor, is_nhwc ? 3 : 1, n_channels);
}

/* [t, n], with the batch behind: the one dim beside the first that may stay open. */
static bool is_batch (const WeirTensor *tensor, uint32_t i)
{
  return i == 1 && tensor->rank == 2 && tensor->dims[0] > 1;
}

static bool check_pinned (const WeirModel *model, GError **error)
{
  for (uint32_t k = 0; k < model->graph->inputs->len; k++) {
    const WeirValue *value =
        weir_graph_value (model->graph, g_array_index (model->graph->inputs, uint32_t, k));
    for (uint32_t i = 1; i < value->tensor.rank; i++) {
      if (value->tensor.dims[i] >= 0 || is_batch (&value->tensor, i))
        continue;
      g_autofree char *shape = weir_tensor_describe (&value->tensor);
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
          "%s: input '%s' is %s: dimensions beyond the batch are left open (-1), give them with "
          "input-shape, for instance 1x3x320x320 (of the input that takes the picture; those of "
          "others must be in the file)",
          model->path, value->name, shape);
      return false;
    }
  }
  return true;
}

bool weir_model_pin (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  const char *text = options->input_shape && *options->input_shape
                         ? options->input_shape
                         : g_hash_table_lookup (model->metadata, "weir.input-shape");
  const char **names;
  WeirTensor *shapes;
  uint32_t n, n_candidates;
  list_inputs (model, &names, &shapes, &n);
  uint32_t k = weir_model_find_picture (model, options, n, names, shapes, &n_candidates);
  WeirValue *value = weir_graph_value (
      model->graph, g_array_index (model->graph->inputs, uint32_t, k == WEIR_NONE ? 0 : k));
  if (text && !pin_shape (model, value, text, error))
    return false;
  if (k != WEIR_NONE)
    pin_by_metadata (model, &value->tensor);
  return check_pinned (model, error);
}
