/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights as codes of 8 bits.
 *
 * Whatever makes floats of a file's quantised weights - DequantizeLinear, FakeQuantize, a product
 * with scales, and moves of elements behind them - the steps between their values are known where
 * they are made. They are followed to where the weights are used; there every value must be a whole
 * number of its channel's steps, from -128 to 127. */
#include "engine/graph/quantise.h"

#include <math.h>
#include <string.h>

/* Part of a step by which a value may miss the grid. FakeQuantize rounds the ends of its range, not
 * the steps: f16 limits of a range around zero move zero by some hundredths of a step. */
#define OFF_GRID  0.1

#define MAX_DEPTH 8u /* nodes between constants and the weights' use */
#define MAX_SRC   8u
#define MAX_BYTES ((size_t) 1 << 30)

bool weir_quantise_is_static (const WeirFuse *fuse, uint32_t value)
{
  for (uint32_t depth = 0; depth <= MAX_DEPTH; depth++) {
    if (weir_graph_value (fuse->graph, value)->is_constant || weir_fuse_shape (fuse, value)->buffer)
      return true;
    const WeirNode *node = weir_fuse_producer (fuse, value);
    if (!node || !node->n_src || node->src[0] == WEIR_NONE)
      return false;
    for (uint32_t i = 1; i < node->n_src; i++)
      if (node->src[i] != WEIR_NONE && !weir_graph_value (fuse->graph, node->src[i])->is_constant)
        return false;
    value = node->src[0];
  }
  return false;
}

/* A tensor that owns its bytes. */
static bool allocate (WeirTensor *tensor, GPtrArray *buffers)
{
  size_t n_bytes;
  tensor->layout = WEIR_LAYOUT_PLAIN;
  tensor->offset_bytes = 0;
  if (!weir_tensor_bytes (tensor, &n_bytes) || n_bytes > MAX_BYTES ||
      !(tensor->buffer = g_try_malloc (MAX (n_bytes, 1))))
    return false;
  g_ptr_array_add (buffers, tensor->buffer);
  return true;
}

/* The contents of a value that is computed from constants; shape inference knows small ones. */
static bool evaluate (
    const WeirFuse *fuse, uint32_t value, uint32_t depth, GPtrArray *buffers, WeirTensor *tensor)
{
  const WeirValue *v = weir_graph_value (fuse->graph, value);
  *tensor = v->is_constant ? v->tensor : *weir_fuse_shape (fuse, value);
  if (tensor->buffer)
    return true;
  const WeirNode *node = weir_fuse_producer (fuse, value);
  WeirTensor src[MAX_SRC] = { { 0 } };
  if (!node || depth > MAX_DEPTH || node->n_src > MAX_SRC || node->n_dst != 1 || node->n_post)
    return false;
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE && !evaluate (fuse, node->src[i], depth + 1, buffers, &src[i]))
      return false;
  return allocate (tensor, buffers) && fuse->evaluate (fuse->graph, node, src, tensor, NULL);
}

bool weir_quantise_row (WeirFuse *fuse, uint32_t value, int64_t n_columns, uint32_t *row)
{
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  WeirTensor tensor;
  int64_t n;
  void *data;
  if (!weir_quantise_is_static (fuse, value) || !evaluate (fuse, value, 0, buffers, &tensor) ||
      tensor.dtype != WEIR_DTYPE_F32 || !weir_tensor_n_elements (&tensor, &n) ||
      (n != 1 && (n != n_columns || tensor.dims[tensor.rank - 1] != n)))
    return false;
  WeirTensor shape = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { n } };
  uint32_t id =
      weir_quantise_add_constant (fuse, weir_graph_value (fuse->graph, value)->name, &shape, &data);
  if (id == WEIR_NONE)
    return false;
  memcpy (data, weir_tensor_data (&tensor), (size_t) n * sizeof (float));
  *row = id;
  return true;
}

static void fill (float *dst, float value, int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    dst[i] = value;
}

/* steps[i] = param's element for element i of a tensor of these dims, by broadcast. */
static bool expand (const WeirTensor *param, const WeirTensor *dims, float factor, float *steps)
{
  int64_t stride[WEIR_MAX_RANK] = { 0 }, index[WEIR_MAX_RANK] = { 0 }, n = 1, n_elements;
  const float *data = weir_tensor_data (param);
  if (param->dtype != WEIR_DTYPE_F32 || param->rank > dims->rank ||
      !weir_tensor_n_elements (dims, &n_elements))
    return false;
  for (uint32_t i = param->rank; i-- > 0;) {
    uint32_t axis = dims->rank - param->rank + i;
    if (param->dims[i] != 1 && param->dims[i] != dims->dims[axis])
      return false;
    stride[axis] = param->dims[i] == 1 ? 0 : n;
    n *= param->dims[i];
  }
  int64_t n_row = 1; /* elements of the last axes, over which it does not change */
  uint32_t rank = dims->rank;
  while (rank && !stride[rank - 1])
    n_row *= dims->dims[--rank];
  for (int64_t i = 0, offset = 0; i < n_elements; i += n_row) {
    fill (steps + i, data[offset] * factor, n_row);
    for (uint32_t axis = rank; axis-- > 0;) {
      offset += stride[axis];
      if (++index[axis] < dims->dims[axis])
        break;
      offset -= stride[axis] * index[axis];
      index[axis] = 0;
    }
  }
  return true;
}

static bool steps_of_dequantize (
    const WeirFuse *fuse, const WeirNode *node, const WeirTensor *dims, float *steps)
{
  const WeirTensor src[] = { *dims, *weir_fuse_shape (fuse, node->src[1]), { 0 } };
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  const float *scale = weir_tensor_data (&src[1]);
  WeirQuantisation q;
  int64_t at = 0;
  if (!scale || src[1].dtype != WEIR_DTYPE_F32 || !weir_quantisation_resolve (&job, &q, NULL))
    return false;
  for (int64_t outer = 0; outer < q.n_outer; outer++)
    for (int64_t i = 0; i < q.n; i++, at += q.n_inner) {
      int64_t block = i / q.block;
      if (q.is_blocked)
        memcpy (steps + at, scale + (outer * q.n_blocks + block) * q.n_inner,
            (size_t) q.n_inner * sizeof *steps);
      else
        fill (steps + at, scale[block], q.n_inner);
    }
  return true;
}

static bool steps_of_fake (
    const WeirFuse *fuse, const WeirNode *node, const WeirTensor *dims, float *steps)
{
  const WeirTensor *low = weir_fuse_constant (fuse, node->src[3]),
                   *high = weir_fuse_constant (fuse, node->src[4]);
  float factor = 1.0f / (float) (weir_node_int (node, "levels", 256) - 1);
  int64_t n;
  if (!low || !high || !weir_tensor_same_shape (low, high) || !weir_tensor_n_elements (low, &n))
    return false;
  WeirTensor range = *high;
  g_autofree float *widths = g_new (float, (size_t) n + 1);
  for (int64_t i = 0; i < n; i++)
    widths[i] =
        ((const float *) weir_tensor_data (high))[i] - ((const float *) weir_tensor_data (low))[i];
  range.buffer = widths;
  range.offset_bytes = 0;
  return expand (&range, dims, factor, steps);
}

/* A product with a constant: codes times scales, if it is one of weights at all. */
static bool steps_of_product (
    const WeirFuse *fuse, const WeirNode *node, const WeirTensor *dims, float *steps)
{
  for (uint32_t i = 0; i < 2; i++) {
    const WeirTensor *constant = weir_fuse_constant (fuse, node->src[i]);
    if (constant && weir_fuse_producer (fuse, node->src[1 - i]))
      return expand (constant, dims, 1, steps);
  }
  return false;
}

static bool find_steps (
    const WeirFuse *fuse, uint32_t value, uint32_t depth, const WeirTensor *dims, float *steps);

/* Runs the node on the steps instead of the values. */
static bool steps_of_move (const WeirFuse *fuse, const WeirNode *node, uint32_t depth, float *steps)
{
  const WeirTensor *from = weir_fuse_shape (fuse, node->src[0]);
  g_autofree WeirTensor *src = g_new0 (WeirTensor, (size_t) node->n_src + 1);
  WeirTensor dst = *weir_fuse_shape (fuse, node->dst[0]);
  int64_t n;
  if (node->n_dst != 1 || node->n_post || !weir_tensor_n_elements (from, &n) || n > INT32_MAX)
    return false;
  g_autofree float *before = g_try_new (float, (size_t) n + 1);
  if (!before || !find_steps (fuse, node->src[0], depth + 1, from, before))
    return false;
  for (uint32_t i = 1; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  src[0] = *from;
  src[0].buffer = before;
  dst.buffer = steps;
  src[0].offset_bytes = dst.offset_bytes = 0;
  src[0].dtype = dst.dtype = WEIR_DTYPE_F32;
  return fuse->evaluate (fuse->graph, node, src, &dst, NULL);
}

static bool find_steps (
    const WeirFuse *fuse, uint32_t value, uint32_t depth, const WeirTensor *dims, float *steps)
{
  const WeirNode *node = weir_fuse_producer (fuse, value);
  if (!node || depth > MAX_DEPTH || node->n_dst < 1 || !node->n_src || node->src[0] == WEIR_NONE)
    return false;
  if (node->op == WEIR_OP_DEQUANTIZE_LINEAR)
    return steps_of_dequantize (fuse, node, dims, steps);
  if (node->op == WEIR_OP_OV_FAKE_QUANTIZE)
    return steps_of_fake (fuse, node, dims, steps);
  if (node->op == WEIR_OP_MUL)
    return steps_of_product (fuse, node, dims, steps);
  WeirOpKind kind = weir_op_info (node->op)->kind;
  return (kind == WEIR_OP_KIND_VIEW || kind == WEIR_OP_KIND_MOVE) &&
         steps_of_move (fuse, node, depth, steps);
}

/* The weights as [n_outer, n, n_inner]: n channels. */
typedef struct Channels {
  int64_t n_outer, n, n_inner;
} Channels;

static Channels split (const WeirTensor *tensor, uint32_t axis)
{
  Channels channels = { 1, tensor->dims[axis], 1 };
  for (uint32_t i = 0; i < tensor->rank; i++) {
    if (i < axis)
      channels.n_outer *= tensor->dims[i];
    if (i > axis)
      channels.n_inner *= tensor->dims[i];
  }
  return channels;
}

/* One channel's codes. All its steps must be one, which is its scale. */
static bool fill_channel (const Channels *c, int64_t channel, const float *values,
    const float *steps, int8_t *codes, float *scale)
{
  const double magic = 0x1.8p52; /* no bits for a fraction: rounds small numbers without a call */
  double step = (double) steps[channel * c->n_inner];
  *scale = (float) step;
  if (!(step > 0) || !isfinite (step))
    return false;
  for (int64_t outer = 0; outer < c->n_outer; outer++)
    for (int64_t inner = 0; inner < c->n_inner; inner++) {
      int64_t i = (outer * c->n + channel) * c->n_inner + inner;
      double code = (double) values[i] / step, rounded = (code + magic) - magic;
      if (!(fabs ((double) steps[i] - step) <= 1e-6 * step) || !(code > -129) || !(code < 128) ||
          !(fabs (code - rounded) < OFF_GRID) || rounded < -128 || rounded > 127)
        return false;
      codes[i] = (int8_t) rounded;
    }
  return true;
}

bool weir_quantise_weights (
    WeirFuse *fuse, uint32_t value, uint32_t axis, WeirQuantisedWeights *weights)
{
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  WeirTensor tensor;
  int64_t n;
  if (!weir_quantise_is_static (fuse, value) || !evaluate (fuse, value, 0, buffers, &tensor) ||
      tensor.dtype != WEIR_DTYPE_F32 || axis >= tensor.rank ||
      !weir_tensor_n_elements (&tensor, &n) || n < 1)
    return false;
  const char *name = weir_graph_value (fuse->graph, value)->name;
  Channels channels = split (&tensor, axis);
  g_autofree float *steps = g_try_new (float, (size_t) n);
  g_autofree int8_t *codes = g_try_new (int8_t, (size_t) n);
  g_autofree float *scales = g_try_new (float, (size_t) channels.n);
  if (!steps || !codes || !scales || !find_steps (fuse, value, 0, &tensor, steps))
    return false;
  for (int64_t i = 0; i < channels.n; i++)
    if (!fill_channel (&channels, i, weir_tensor_data (&tensor), steps, codes, &scales[i]))
      return false;
  WeirTensor code_shape = tensor,
             scale_shape = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { channels.n } };
  void *data;
  code_shape.dtype = WEIR_DTYPE_I8;
  weights->codes = weir_quantise_add_constant (fuse, name, &code_shape, &data);
  if (weights->codes == WEIR_NONE)
    return false;
  memcpy (data, codes, (size_t) n);
  weights->scales = weir_quantise_add_constant (fuse, name, &scale_shape, &data);
  if (weights->scales == WEIR_NONE)
    return false;
  memcpy (data, scales, (size_t) channels.n * sizeof *scales);
  weights->zero = weir_quantise_add_number (fuse, name, WEIR_DTYPE_I8, 0);
  return weights->zero != WEIR_NONE;
}
