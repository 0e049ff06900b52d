/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* i8 tensors as u8.
 *
 * A processor multiplies u8 by i8, and a tensor that begins at zero - behind a Relu - has zero
 * point -128 as i8, 0 as u8: no correction for it is needed then. So 128 is added to every zero
 * point, and with it to every code. All i8 tensors change or none: those that the graph takes or
 * gives, or that other operators read, keep it from changing. */
#include "engine/graph/quantise.h"

#include <string.h>

typedef struct Change {
  WeirGraph *graph;
  const WeirShapes *shapes;
  uint32_t n_values; /* before anything changed */
  uint32_t *changed; /* by their ids: the constant in its place, WEIR_NONE where not made yet */
} Change;

/* Which input of a node is the k-th zero point of a tensor that changes; WEIR_NONE after the last.
 * Weights' zero points are not among them. */
static uint32_t zero_place (const WeirNode *node, uint32_t k)
{
  static const struct {
    WeirOp op;
    uint32_t n, places[3];
  } rows[] = {
    { WEIR_OP_QUANTIZE_LINEAR, 1, { 2 } },
    { WEIR_OP_DEQUANTIZE_LINEAR, 1, { 2 } },
    { WEIR_OP_Q_LINEAR_CONV, 2, { 2, 7 } },
    { WEIR_OP_Q_LINEAR_MAT_MUL, 2, { 2, 7 } },
    { WEIR_OP_QUANTISED_CONV, 2, { 2, 7 } },
    { WEIR_OP_QUANTISED_MAT_MUL, 2, { 2, 7 } },
    { WEIR_OP_Q_GEMM, 2, { 2, 8 } },
    { WEIR_OP_Q_LINEAR_ADD, 3, { 2, 5, 7 } },
    { WEIR_OP_Q_LINEAR_MUL, 3, { 2, 5, 7 } },
    { WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL, 2, { 2, 4 } },
    { WEIR_OP_Q_LINEAR_AVERAGE_POOL, 2, { 2, 4 } },
    { WEIR_OP_Q_LINEAR_SIGMOID, 2, { 2, 4 } },
    { WEIR_OP_Q_LINEAR_LEAKY_RELU, 2, { 2, 4 } },
    { WEIR_OP_Q_LINEAR_SOFTMAX, 2, { 2, 4 } },
  };
  if (node->op == WEIR_OP_Q_LINEAR_CONCAT)
    return k < 1 + node->n_src / 3 ? 1 + 3 * k : WEIR_NONE;
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].op == node->op)
      return k < rows[i].n ? rows[i].places[k] : WEIR_NONE;
  return WEIR_NONE;
}

static bool is_quantised (const WeirNode *node)
{
  return zero_place (node, 0) != WEIR_NONE;
}

static bool has_weights (const WeirNode *node)
{
  return node->op == WEIR_OP_Q_LINEAR_CONV || node->op == WEIR_OP_Q_LINEAR_MAT_MUL ||
         node->op == WEIR_OP_Q_GEMM || node->op == WEIR_OP_QUANTISED_CONV ||
         node->op == WEIR_OP_QUANTISED_MAT_MUL;
}

/* Its result may be f32, without a zero point. */
static bool may_stay_open (const WeirNode *node)
{
  return node->op == WEIR_OP_QUANTISED_CONV || node->op == WEIR_OP_QUANTISED_MAT_MUL ||
         node->op == WEIR_OP_Q_GEMM;
}

/* What it puts in is 0, or of another input; no code. */
static bool fills (const WeirNode *node)
{
  return node->op == WEIR_OP_TRILU || node->op == WEIR_OP_CENTER_CROP_PAD ||
         node->op == WEIR_OP_ONE_HOT || node->op == WEIR_OP_OV_EXTRACT_IMAGE_PATCHES ||
         node->op == WEIR_OP_OV_REORG_YOLO || weir_quantise_extrapolates (node);
}

static bool moves (const WeirNode *node)
{
  WeirOpKind kind = weir_op_info (node->op)->kind;
  if (fills (node))
    return false;
  return kind == WEIR_OP_KIND_VIEW || kind == WEIR_OP_KIND_MOVE || node->op == WEIR_OP_MAX_POOL ||
         node->op == WEIR_OP_RESIZE || node->op == WEIR_OP_UPSAMPLE;
}

static bool is_known (const Change *change, uint32_t value)
{
  return change->shapes->values[value].buffer != NULL;
}

static bool is_signed (const Change *change, uint32_t value)
{
  return value != WEIR_NONE && change->shapes->values[value].dtype == WEIR_DTYPE_I8 &&
         !is_known (change, value);
}

static bool touches (const Change *change, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_src; i++)
    if (is_signed (change, node->src[i]))
      return true;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (is_signed (change, node->dst[i]))
      return true;
  return false;
}

static bool can_change_number (const Change *change, const WeirNode *node, uint32_t i)
{
  return i < node->n_src && node->src[i] != WEIR_NONE &&
         weir_graph_value (change->graph, node->src[i])->is_constant;
}

static bool is_zero_point (const WeirNode *node, uint32_t i)
{
  for (uint32_t k = 0, place; (place = zero_place (node, k)) != WEIR_NONE; k++)
    if (place == i)
      return true;
  return false;
}

/* Whether codes that stay what they are meet those that change. */
static bool reads_constant_codes (const Change *change, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    bool is_weights = has_weights (node) && (i == 3 || i == 5);
    bool is_pad = node->op == WEIR_OP_PAD && i == 2;
    if (node->src[i] != WEIR_NONE && !is_weights && !is_pad && !is_zero_point (node, i) &&
        change->shapes->values[node->src[i]].dtype == WEIR_DTYPE_I8 &&
        is_known (change, node->src[i]))
      return true;
  }
  return false;
}

/* Every zero point must be there, but that of a result in f32: i8 without one has 0. A product of
 * two tensors is left alone. */
static bool can_change_quantised (const Change *change, const WeirNode *node)
{
  if (has_weights (node) && is_signed (change, node->src[3]))
    return false;
  for (uint32_t k = 0, i; (i = zero_place (node, k)) != WEIR_NONE; k++) {
    bool is_open = k == 1 && may_stay_open (node) && !is_signed (change, node->dst[0]);
    if (!is_open && !can_change_number (change, node, i))
      return false;
  }
  return true;
}

static bool can_change (const Change *change, const WeirNode *node)
{
  if (!touches (change, node))
    return true;
  if (node->op == WEIR_OP_LOOKUP)
    return can_change_number (change, node, 1);
  if (reads_constant_codes (change, node))
    return false;
  if (moves (node)) /* what Pad puts in */
    return node->op != WEIR_OP_PAD || can_change_number (change, node, 2);
  if (!is_quantised (node))
    return false;
  return can_change_quantised (change, node);
}

/* A copy of a constant of 8 bits. `turns`: with the highest bit of each byte turned, which adds 128
 * to i8. `reorders`: a table whose entries stand in the order of codes that are so. WEIR_NONE where
 * memory is out. */
static uint32_t add_turned (WeirGraph *graph, uint32_t value, bool turns, bool reorders)
{
  const WeirValue *old = weir_graph_value (graph, value);
  WeirTensor tensor = old->tensor;
  size_t n_bytes;
  const uint8_t *from = weir_tensor_data (&old->tensor);
  uint8_t *to = NULL;
  if (weir_tensor_bytes (&tensor, &n_bytes))
    to = weir_arena_try_alloc (graph->arena, n_bytes);
  if (!to)
    return WEIR_NONE;
  for (size_t i = 0; i < n_bytes; i++)
    to[i] = from[reorders ? i ^ 0x80 : i] ^ (turns ? 0x80 : 0);
  if (turns)
    tensor.dtype = WEIR_DTYPE_U8;
  tensor.buffer = to;
  tensor.offset_bytes = 0;
  return weir_graph_add_constant (graph, old->name, &tensor);
}

/* A zero point, which several nodes share. */
static bool turn (Change *change, uint32_t *value)
{
  if (*value >= change->n_values ||
      weir_graph_value (change->graph, *value)->tensor.dtype != WEIR_DTYPE_I8)
    return true;
  uint32_t *changed = &change->changed[*value];
  if (*changed == WEIR_NONE)
    *changed = add_turned (change->graph, *value, true, false);
  *value = *changed;
  return *value != WEIR_NONE;
}

static bool change_lookup (Change *change, WeirNode *node)
{
  bool reorders = is_signed (change, node->src[0]), turns = is_signed (change, node->dst[0]);
  node->src[1] = add_turned (change->graph, node->src[1], turns, reorders);
  return node->src[1] != WEIR_NONE;
}

static bool change_node (Change *change, WeirNode *node)
{
  if (!touches (change, node))
    return true;
  /* not what other nodes hold */
  node->src = weir_arena_memdup (change->graph->arena, node->src, node->n_src * sizeof *node->src);
  if (node->op == WEIR_OP_LOOKUP)
    return change_lookup (change, node);
  if (moves (node))
    return node->op != WEIR_OP_PAD || turn (change, &node->src[2]);
  for (uint32_t k = 0, i; (i = zero_place (node, k)) != WEIR_NONE; k++)
    if (i < node->n_src && !turn (change, &node->src[i]))
      return false;
  for (uint32_t k = 0; k < node->n_post; k++)
    if (node->post[k].src != WEIR_NONE && is_signed (change, node->src[node->post[k].src]) &&
        !turn (change, &node->src[node->post[k].src + 2]))
      return false;
  return true;
}

static bool has_signed_ends (const Change *change)
{
  for (uint32_t i = 0; i < change->graph->inputs->len; i++)
    if (is_signed (change, g_array_index (change->graph->inputs, uint32_t, i)))
      return true;
  for (uint32_t i = 0; i < change->graph->outputs->len; i++)
    if (is_signed (change, g_array_index (change->graph->outputs, uint32_t, i)))
      return true;
  return false;
}

bool weir_quantise_unsigned (WeirGraph *graph, const WeirShapes *shapes, GError **error)
{
  g_autofree uint32_t *changed = g_new (uint32_t, (size_t) graph->values->len + 1);
  Change change = { graph, shapes, graph->values->len, changed };
  bool ok = true;
  memset (changed, 0xff, graph->values->len * sizeof *changed);
  if (has_signed_ends (&change))
    return true;
  for (uint32_t id = 0; id < graph->nodes->len; id++)
    if (!can_change (&change, weir_graph_node (graph, id)))
      return true;
  for (uint32_t id = 0; ok && id < graph->nodes->len; id++)
    ok = change_node (&change, weir_graph_node (graph, id));
  if (!ok)
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for zero points", graph->source);
  return ok;
}
