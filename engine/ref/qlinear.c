/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element-wise operators, pools, Concat and Softmax on quantised tensors, and lookups. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* Scale and zero point of a whole tensor. */
typedef struct Quantiser {
  float scale;
  double zero;
} Quantiser;

static Quantiser quantiser_of (const WeirShapeJob *job, uint32_t scale, uint32_t zero)
{
  const WeirTensor *point = weir_job_src (job, zero);
  return (Quantiser){ *weir_ref_f32 (&job->src[scale]),
    point ? weir_ref_load (point->dtype, weir_tensor_data (point), 0) : 0 };
}

static double load (const WeirTensor *tensor, int64_t i, Quantiser q)
{
  return (weir_ref_load (tensor->dtype, weir_tensor_data (tensor), i) - q.zero) * (double) q.scale;
}

/* To nearest, halves to even; the store saturates. */
static void store (const WeirTensor *tensor, int64_t i, Quantiser q, double value)
{
  weir_ref_store (tensor->dtype, weir_tensor_data (tensor), i,
      rint ((double) (float) (value / (double) q.scale)) + q.zero);
}

bool weir_ref_q_linear_binary (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[3], *dst = &job->dst[0];
  Quantiser qa = quantiser_of (job, 1, 2), qb = quantiser_of (job, 4, 5),
            qc = quantiser_of (job, 6, 7);
  bool is_sum = job->node->op == WEIR_OP_Q_LINEAR_ADD;
  WeirWalk walk = { .rank = dst->rank };
  memcpy (walk.dims, dst->dims, dst->rank * sizeof *walk.dims);
  weir_ref_broadcast_strides (a, dst, walk.stride[0]);
  weir_ref_broadcast_strides (b, dst, walk.stride[1]);
  for (int64_t i = 0; i < weir_ref_n (dst); i++) {
    double x = load (a, walk.offset[0], qa), y = load (b, walk.offset[1], qb);
    store (dst, i, qc, is_sum ? x + y : x * y);
    weir_walk_next (&walk);
  }
  return true;
}

/* [n, spatial…, c] to [n, c, spatial…] and back, as dims and as the strides of a plain tensor seen
 * in the other order. */
static void view_channels_first (const WeirTensor *src, WeirTensor *view, WeirWalk *walk)
{
  int64_t stride[WEIR_MAX_RANK];
  uint32_t last = src->rank - 1;
  *view = *src;
  *walk = (WeirWalk){ .rank = src->rank };
  weir_ref_strides (src, stride);
  for (uint32_t i = 0; i < src->rank; i++) {
    uint32_t from = i == 0 ? 0 : i == 1 ? last : i - 1;
    view->dims[i] = walk->dims[i] = src->dims[from];
    walk->stride[0][i] = stride[from];
  }
}

static void view_as_is (const WeirTensor *src, WeirTensor *view, WeirWalk *walk)
{
  *view = *src;
  *walk = (WeirWalk){ .rank = src->rank };
  memcpy (walk->dims, src->dims, src->rank * sizeof *walk->dims);
  weir_ref_strides (src, walk->stride[0]);
}

/* An operator on floats between a dequantised source and a quantised result. */
static bool apply (const WeirShapeJob *job, const WeirNode *node, WeirRefFn fn, bool is_last,
    void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  Quantiser from = quantiser_of (job, 1, 2), to = quantiser_of (job, 3, 4);
  WeirTensor x, y;
  WeirWalk walk_x, walk_y;
  float *data = scratch;
  void (*view) (const WeirTensor *, WeirTensor *, WeirWalk *) =
      is_last && src->rank >= 3 ? view_channels_first : view_as_is;
  view (src, &x, &walk_x);
  view (dst, &y, &walk_y);
  x.dtype = y.dtype = WEIR_DTYPE_F32;
  x.offset_bytes = y.offset_bytes = 0;
  x.buffer = data;
  y.buffer = data + weir_ref_n (src);
  for (int64_t i = 0; i < weir_ref_n (src); i++, weir_walk_next (&walk_x))
    data[i] = (float) load (src, walk_x.offset[0], from);
  WeirShapeJob floating = { job->graph, node, &x, &y };
  if (!fn (&floating, NULL, error))
    return false;
  for (int64_t i = 0; i < weir_ref_n (dst); i++, weir_walk_next (&walk_y))
    store (dst, walk_y.offset[0], to, (double) weir_ref_f32 (&y)[i]);
  return true;
}

bool weir_ref_q_linear_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  bool is_global = job->node->op == WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL;
  bool is_last = weir_node_int (job->node, "channels_last", 0) != 0;
  WeirNode node = *job->node;
  node.op = is_global ? WEIR_OP_GLOBAL_AVERAGE_POOL : WEIR_OP_AVERAGE_POOL;
  return apply (job, &node, is_global ? weir_ref_global_pool : weir_ref_average_pool, is_last,
      scratch, error);
}

bool weir_ref_q_linear_unary (const WeirShapeJob *job, void *scratch, GError **error)
{
  static const WeirOp ops[WEIR_N_OPS] = {
    [WEIR_OP_Q_LINEAR_SIGMOID] = WEIR_OP_SIGMOID,
    [WEIR_OP_Q_LINEAR_LEAKY_RELU] = WEIR_OP_LEAKY_RELU,
    [WEIR_OP_Q_LINEAR_SOFTMAX] = WEIR_OP_SOFTMAX,
  };
  WeirNode node = *job->node;
  node.op = ops[job->node->op];
  node.n_src = 1;
  if (node.op == WEIR_OP_SOFTMAX) { /* the meaning of its axis, which is the last without one */
    bool has_axis = weir_node_attr (&node, "axis") != NULL;
    node.opset =
        has_axis ? (uint32_t) CLAMP (weir_node_int (&node, "opset", node.opset), 1, 99) : 13;
  }
  return apply (job, &node, node.op == WEIR_OP_SOFTMAX ? weir_ref_softmax : weir_ref_unary, false,
      scratch, error);
}

/* The source's part of a result along an axis, requantised where the parameters differ. */
bool weir_ref_q_linear_concat (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  Quantiser to = quantiser_of (job, 0, 1);
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 1), dst->rank, &axis, error))
    return false;
  int64_t n_inner = weir_ref_product (dst, axis + 1, dst->rank),
          n_outer = weir_ref_product (dst, 0, axis), first = 0;
  for (uint32_t i = 2; i + 1 < job->node->n_src; i += 3) {
    const WeirTensor *src = &job->src[i];
    Quantiser from = quantiser_of (job, i + 1, i + 2);
    int64_t n = src->dims[axis] * n_inner;
    for (int64_t k = 0; k < n_outer * n; k++)
      store (dst, k / n * dst->dims[axis] * n_inner + first + k % n, to, load (src, k, from));
    first += n;
  }
  return true;
}

bool weir_ref_lookup (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *table = &job->src[1];
  const uint8_t *from = weir_tensor_data (src), *entries = weir_tensor_data (table);
  uint8_t *to = weir_tensor_data (&job->dst[0]);
  int64_t n_inner = src->rank >= 2 ? weir_ref_product (src, 2, src->rank) : 1;
  for (int64_t i = 0; i < weir_ref_n (src); i++) {
    int64_t channel = table->rank == 2 ? i / n_inner % src->dims[1] : 0;
    to[i] = entries[channel * 256 + from[i]];
  }
  return true;
}
