/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantising: what lies between quantisers computes in 8 bits.
 *
 * A quantised model is a floating graph with quantisers in it. Here QuantizeLinear (Q) and
 * DequantizeLinear (D) move over operators that only move elements, until what computes stands
 * between a D and a Q; then D, operator and Q become one node on 8-bit tensors. What finds no such
 * neighbours stays floating, with its D before it and its Q behind it: slower, and right. */
#include "engine/graph/quantise.h"

#include "engine/error.h"
#include "engine/graph/passes.h"

#include <math.h>
#include <string.h>

/* The rules look at all readers of a value again and again. */
#define MAX_NODES 20000u

static bool is_8_bit (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
}

/* A constant's only element. */
static const WeirTensor *find_number (const WeirFuse *fuse, uint32_t value)
{
  const WeirValue *v = value == WEIR_NONE ? NULL : weir_graph_value (fuse->graph, value);
  int64_t n;
  return v && v->is_constant && v->tensor.buffer && weir_tensor_n_elements (&v->tensor, &n) &&
                 n == 1
             ? &v->tensor
             : NULL;
}

bool weir_quantiser_read (
    const WeirFuse *fuse, uint32_t scale, uint32_t zero, WeirQuantiser *quantiser)
{
  const WeirTensor *s = find_number (fuse, scale), *z = find_number (fuse, zero);
  *quantiser = (WeirQuantiser){ .scale = scale, .zero = zero, .dtype = WEIR_DTYPE_U8 };
  if (!s || s->dtype != WEIR_DTYPE_F32 || (zero != WEIR_NONE && (!z || !is_8_bit (z->dtype))))
    return false;
  memcpy (&quantiser->scale_value, weir_tensor_data (s), sizeof quantiser->scale_value);
  if (z) {
    quantiser->dtype = z->dtype;
    quantiser->zero_value = z->dtype == WEIR_DTYPE_U8 ? *(const uint8_t *) weir_tensor_data (z)
                                                      : *(const int8_t *) weir_tensor_data (z);
  }
  return quantiser->scale_value > 0 && isfinite (quantiser->scale_value);
}

bool weir_quantiser_equal (const WeirQuantiser *a, const WeirQuantiser *b)
{
  return a->dtype == b->dtype && a->zero_value == b->zero_value &&
         memcmp (&a->scale_value, &b->scale_value, sizeof a->scale_value) == 0;
}

static uint32_t zero_of (const WeirNode *node)
{
  return node->n_src > 2 ? node->src[2] : WEIR_NONE;
}

WeirNode *weir_quantise_find_source (const WeirFuse *fuse, uint32_t value, WeirQuantiser *quantiser)
{
  WeirNode *node = weir_fuse_producer (fuse, value);
  if (!node || node->op != WEIR_OP_DEQUANTIZE_LINEAR ||
      weir_graph_value (fuse->graph, node->src[0])->is_constant || zero_of (node) == WEIR_NONE ||
      !weir_quantiser_read (fuse, node->src[1], zero_of (node), quantiser))
    return NULL;
  return node;
}

bool weir_quantise_is_quantiser (
    const WeirFuse *fuse, const WeirNode *node, WeirQuantiser *quantiser)
{
  return node->op == WEIR_OP_QUANTIZE_LINEAR && zero_of (node) != WEIR_NONE &&
         weir_quantiser_read (fuse, node->src[1], zero_of (node), quantiser);
}

uint32_t weir_quantise_add_constant (
    WeirFuse *fuse, const char *name, const WeirTensor *shape, void **data)
{
  WeirTensor tensor = *shape;
  size_t n_bytes;
  tensor.layout = WEIR_LAYOUT_PLAIN;
  tensor.offset_bytes = 0;
  if (!weir_tensor_bytes (&tensor, &n_bytes) ||
      !(tensor.buffer = weir_arena_try_alloc (fuse->graph->arena, n_bytes))) {
    fuse->is_out_of_memory = true;
    return WEIR_NONE;
  }
  *data = tensor.buffer;
  g_autofree char *full_name = g_strconcat (name, "/quantised", NULL);
  return weir_graph_add_constant (fuse->graph, full_name, &tensor);
}

uint32_t weir_quantise_add_number (WeirFuse *fuse, const char *name, WeirDtype dtype, double number)
{
  WeirTensor shape = { .dtype = dtype };
  void *data;
  uint32_t id = weir_quantise_add_constant (fuse, name, &shape, &data);
  if (id == WEIR_NONE)
    return id;
  if (dtype == WEIR_DTYPE_F32)
    *(float *) data = (float) number;
  else if (dtype == WEIR_DTYPE_U8)
    *(uint8_t *) data = (uint8_t) number;
  else
    *(int8_t *) data = (int8_t) number;
  return id;
}

uint32_t weir_quantise_add_value (WeirFuse *fuse, const char *name)
{
  g_autofree char *full_name = g_strconcat (name, "/quantised", NULL);
  return weir_graph_add_value (fuse->graph, full_name);
}

void weir_quantise_add_node (
    WeirFuse *fuse, WeirOp op, uint32_t src, const WeirQuantiser *quantiser, uint32_t dst)
{
  uint32_t sources[] = { src, quantiser->scale, quantiser->zero };
  WeirNode node = { .op = op,
    .opset = 13,
    .name = weir_graph_value (fuse->graph, dst)->name,
    .n_src = G_N_ELEMENTS (sources),
    .n_dst = 1,
    .src = sources,
    .dst = &dst };
  weir_graph_add_node (fuse->graph, &node);
}

/* --- the pass --- */

bool weir_quantise_add_zero (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  bool quantises = node->op == WEIR_OP_QUANTIZE_LINEAR;
  if ((!quantises && node->op != WEIR_OP_DEQUANTIZE_LINEAR) || zero_of (node) != WEIR_NONE)
    return false;
  WeirDtype dtype = weir_fuse_shape (fuse, quantises ? node->dst[0] : node->src[0])->dtype;
  if (!is_8_bit (dtype) || !find_number (fuse, node->src[1]))
    return false;
  uint32_t zero = weir_quantise_add_number (fuse, node->name, dtype, 0);
  if (zero == WEIR_NONE)
    return false;
  if (node->n_src > 2)
    node->src[2] = zero;
  else
    weir_fuse_append_src (fuse, node, zero);
  return true;
}

static const WeirFuseRule normalisers[] = { weir_quantise_add_zero, weir_quantise_fake, NULL };

static const WeirFuseRule *const stages[] = { normalisers, weir_quantise_moves,
  weir_quantise_computes };

/* Its weights are i8. Those of u8 seldom fit that, and what comes with a range of its own at every
 * run is not counted on. */
static bool is_quantised (const WeirGraph *graph, const WeirNode *node)
{
  bool is_one = node->op == WEIR_OP_QUANTISED_CONV || node->op == WEIR_OP_QUANTISED_MAT_MUL ||
                node->op == WEIR_OP_Q_LINEAR_CONV || node->op == WEIR_OP_Q_LINEAR_MAT_MUL ||
                node->op == WEIR_OP_Q_GEMM;
  uint32_t weights = is_one ? node->src[WEIR_QUANTISED_WEIGHTS] : WEIR_NONE;
  return weights != WEIR_NONE && weir_graph_value (graph, weights)->tensor.dtype == WEIR_DTYPE_I8;
}

static bool is_other (WeirOp op)
{
  return op == WEIR_OP_CONV || op == WEIR_OP_CONV_TRANSPOSE || op == WEIR_OP_GEMM ||
         op == WEIR_OP_MAT_MUL || op == WEIR_OP_CONV_INTEGER || op == WEIR_OP_MAT_MUL_INTEGER ||
         op == WEIR_OP_Q_LINEAR_CONV || op == WEIR_OP_Q_LINEAR_MAT_MUL || op == WEIR_OP_Q_GEMM;
}

static void count (const WeirGraph *graph, uint32_t *n_quantised, uint32_t *n_total)
{
  *n_quantised = *n_total = 0;
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    *n_quantised += is_quantised (graph, node);
    *n_total += is_quantised (graph, node) || is_other (node->op);
  }
}

bool weir_quantise (WeirGraph *graph, WeirEvaluateFn evaluate, uint32_t *n_quantised,
    uint32_t *n_total, GError **error)
{
  if (graph->nodes->len > MAX_NODES) {
    count (graph, n_quantised, n_total);
    return true;
  }
  for (uint32_t i = 0; i < G_N_ELEMENTS (stages); i++)
    if (!weir_fuse_apply (graph, evaluate, &stages[i], 1, error))
      return false;
  count (graph, n_quantised, n_total);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, evaluate, error);
  return shapes && weir_quantise_unsigned (graph, shapes, error);
}
