/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of the first operator sets, put into the words of the seventh.
 *
 * Nearly all operators of sets 1 to 6 mean what they mean today. What differs: operands were lined
 * up by an `axis` instead of by their last dims, and some attributes had other names, types and
 * defaults. Nothing behind the loader knows of that. */
#include "engine/formats/onnx_private.h"

#include "engine/error.h"

#include <string.h>

static void set_attr (WeirGraph *graph, WeirNode *node, const WeirAttr *attr)
{
  WeirAttr *attrs = weir_arena_new_array (graph->arena, WeirAttr, (size_t) node->n_attrs + 1);
  if (node->n_attrs)
    memcpy (attrs, node->attrs, node->n_attrs * sizeof *attrs);
  attrs[node->n_attrs++] = *attr;
  node->attrs = attrs;
}

/* Input 1 gets dims behind its own, so that its first one meets `axis` of input 0. */
static void line_up (WeirGraph *graph, WeirNode *node, int64_t axis)
{
  if (node->n_src < 2 || node->src[0] == WEIR_NONE || node->src[1] == WEIR_NONE)
    return;
  g_autofree char *name = g_strdup_printf ("%s/aligned", node->name);
  WeirAttr attr = { .name = "axis", .kind = WEIR_ATTR_INT, .n = 1, .i = axis };
  uint32_t src[2] = { node->src[1], node->src[0] };
  uint32_t dst = weir_graph_add_value (graph, name);
  WeirNode align = { .op = WEIR_OP_ALIGN,
    .opset = node->opset,
    .name = name,
    .n_src = 2,
    .n_dst = 1,
    .src = src,
    .dst = &dst };
  set_attr (graph, &align, &attr);
  weir_graph_add_node (graph, &align);
  node->src[1] = dst;
}

static bool align_operand (WeirGraph *graph, WeirNode *node, GError **error)
{
  const WeirAttr *axis = weir_node_attr (node, "axis");
  if (axis && axis->kind == WEIR_ATTR_INT && weir_node_int (node, "broadcast", 0))
    line_up (graph, node, axis->i);
  return true;
}

static bool align_slope (WeirGraph *graph, WeirNode *node, GError **error)
{
  line_up (graph, node, 1); /* channels */
  return true;
}

/* "FLOAT" instead of a number. */
static bool read_type_name (WeirGraph *graph, WeirNode *node, GError **error)
{
  const char *name = weir_node_string (node, "to", NULL);
  if (name)
    weir_graph_set_int (graph, node, "to", weir_onnx_widened_type (weir_onnx_type_number (name)));
  return true;
}

static bool rename_pads (WeirGraph *graph, WeirNode *node, GError **error)
{
  for (uint32_t i = 0; i < node->n_attrs; i++)
    if (strcmp (node->attrs[i].name, "paddings") == 0)
      node->attrs[i].name = "pads";
  return true;
}

/* One scale for each of the last two dims instead of a list. */
static bool join_scales (WeirGraph *graph, WeirNode *node, GError **error)
{
  if (!weir_node_attr (node, "height_scale") || !weir_node_attr (node, "width_scale"))
    return true;
  float *scales = weir_arena_new_array (graph->arena, float, 4);
  scales[0] = scales[1] = 1;
  scales[2] = weir_node_float (node, "height_scale", 1);
  scales[3] = weir_node_float (node, "width_scale", 1);
  WeirAttr attr = { .name = "scales", .kind = WEIR_ATTR_FLOATS, .n = 4, .floats = scales };
  set_attr (graph, node, &attr);
  return true;
}

static bool set_selu_defaults (WeirGraph *graph, WeirNode *node, GError **error)
{
  static const WeirAttr defaults[] = {
    { .name = "alpha", .kind = WEIR_ATTR_FLOAT, .n = 1, .f = 1.6732f },
    { .name = "gamma", .kind = WEIR_ATTR_FLOAT, .n = 1, .f = 1.0507f },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (defaults); i++)
    if (!weir_node_attr (node, defaults[i].name))
      set_attr (graph, node, &defaults[i]);
  return true;
}

/* Of pictures: over height and width, with across_channels over the channels too. */
static bool set_mean_axes (WeirGraph *graph, WeirNode *node, GError **error)
{
  static const int64_t axes[] = { 1, 2, 3 };
  bool is_across = weir_node_int (node, "across_channels", 0) != 0;
  WeirAttr attr = { .name = "axes",
    .kind = WEIR_ATTR_INTS,
    .n = is_across ? 3 : 2,
    .ints = is_across ? axes : axes + 1 };
  if (!weir_node_int (node, "normalize_variance", 1))
    return weir_node_error (
        graph, node, WEIR_ERROR_UNSUPPORTED, error, "normalize_variance is 0, expected 1");
  if (!weir_node_attr (node, "axes"))
    set_attr (graph, node, &attr);
  return true;
}

static bool refuse (WeirGraph *graph, WeirNode *node, GError **error)
{
  return weir_node_error (graph, node, WEIR_ERROR_UNSUPPORTED, error,
      "its form of operator set %u is not supported", node->opset);
}

static const struct {
  WeirOp op;
  uint32_t changed_in; /* the operator set from which on it needs nothing */
  bool (*rewrite) (WeirGraph *graph, WeirNode *node, GError **error);
} rows[] = {
  { WEIR_OP_ADD, 7, align_operand },
  { WEIR_OP_AND, 7, align_operand },
  { WEIR_OP_DIV, 7, align_operand },
  { WEIR_OP_EQUAL, 7, align_operand },
  { WEIR_OP_GREATER, 7, align_operand },
  { WEIR_OP_LESS, 7, align_operand },
  { WEIR_OP_MUL, 7, align_operand },
  { WEIR_OP_OR, 7, align_operand },
  { WEIR_OP_POW, 7, align_operand },
  { WEIR_OP_SUB, 7, align_operand },
  { WEIR_OP_XOR, 7, align_operand },
  { WEIR_OP_PRELU, 7, align_slope },
  { WEIR_OP_CAST, 6, read_type_name },
  { WEIR_OP_PAD, 2, rename_pads },
  { WEIR_OP_UPSAMPLE, 7, join_scales },
  { WEIR_OP_SELU, 6, set_selu_defaults },
  { WEIR_OP_MEAN_VARIANCE_NORMALIZATION, 9, set_mean_axes },
  { WEIR_OP_TILE, 6, refuse },
};

bool weir_onnx_modernise (WeirGraph *graph, WeirNode *node, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].op == node->op && node->opset < rows[i].changed_in)
      return rows[i].rewrite (graph, node, error);
  return true;
}
