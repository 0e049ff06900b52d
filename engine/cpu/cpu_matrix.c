/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gemm and MatMul through oneDNN's matmul: operands as rank 2, or as stacks of matrices.
 *
 * Gemm is alpha·A·B + beta·C. A constant B is packed times alpha, a constant row C becomes the bias
 * times beta; what does not fit this is left to the reference backend. */
#include "engine/cpu/cpu.h"

#include <string.h>

#define MAX_STACK_RANK 6

/* A product in the words of oneDNN. */
typedef struct Product {
  WeirDnnlShape a, b, dst;
  bool has_bias;
  float alpha, beta;
} Product;

static bool is_gemm (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_GEMM;
}

static bool has_bias (const WeirStepSpec *spec)
{
  return is_gemm (spec) && spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
}

/* The operand as rank `rank`: a vector as one row (A) or one column (B), then ones in front. */
static WeirDnnlShape operand_shape (const WeirTensor *tensor, uint32_t rank, bool is_column)
{
  WeirTensor padded = { .dtype = tensor->dtype, .rank = rank };
  uint32_t n_ones = rank - tensor->rank - (tensor->rank == 1 && is_column);
  for (uint32_t i = 0; i < rank; i++)
    padded.dims[i] = i >= n_ones && i - n_ones < tensor->rank ? tensor->dims[i - n_ones] : 1;
  return weir_cpu_dnnl_shape (&padded);
}

static void transpose (WeirDnnlShape *shape)
{
  int64_t dim = shape->dims[0], stride = shape->strides[0];
  shape->dims[0] = shape->dims[1];
  shape->strides[0] = shape->strides[1];
  shape->dims[1] = dim;
  shape->strides[1] = stride;
}

/* [stack…, m, k] times one [k, n] is one product with stack·m rows. */
static void flatten_rows (WeirDnnlShape *shape)
{
  int64_t n_rows = 1, n = shape->dims[shape->rank - 1];
  for (uint32_t i = 0; i + 1 < shape->rank; i++)
    n_rows *= shape->dims[i];
  *shape = (WeirDnnlShape){
    .dtype = shape->dtype, .rank = 2, .dims = { n_rows, n }, .strides = { n, 1 }
  };
}

static void fill_dst (Product *product, WeirDtype dtype)
{
  WeirTensor dst = { .dtype = dtype, .rank = product->a.rank };
  for (uint32_t i = 0; i < dst.rank; i++)
    dst.dims[i] = MAX (product->a.dims[i], product->b.dims[i]);
  dst.dims[dst.rank - 2] = product->a.dims[dst.rank - 2];
  dst.dims[dst.rank - 1] = product->b.dims[dst.rank - 1];
  product->dst = weir_cpu_dnnl_shape (&dst);
}

static bool describe (const WeirStepSpec *spec, Product *product)
{
  const WeirTensor *a = &spec->src[0], *b = &spec->src[1];
  uint32_t rank = MAX (MAX (a->rank, b->rank), 2);
  if (a->rank < 1 || b->rank < 1 || rank > MAX_STACK_RANK)
    return false;
  product->a = operand_shape (a, rank, false);
  product->b = operand_shape (b, rank, true);
  product->alpha = product->beta = 1.0f;
  if (is_gemm (spec)) {
    product->alpha = weir_node_float (spec->node, "alpha", 1.0f);
    product->beta = weir_node_float (spec->node, "beta", 1.0f);
    if (weir_node_int (spec->node, "transA", 0))
      transpose (&product->a);
    if (weir_node_int (spec->node, "transB", 0))
      transpose (&product->b);
  } else if (b->rank == 2 && rank > 2) {
    product->b = operand_shape (b, 2, true);
    flatten_rows (&product->a);
  }
  product->has_bias = has_bias (spec);
  fill_dst (product, spec->dst[0].dtype);
  return true;
}

/* One number per column, or one for all. */
static bool is_row (const WeirTensor *tensor, int64_t n_columns)
{
  int64_t n;
  return tensor->buffer && tensor->dtype == WEIR_DTYPE_F32 && weir_tensor_n_elements (tensor, &n) &&
         (n == n_columns || n == 1) && (tensor->rank == 0 || tensor->dims[tensor->rank - 1] == n);
}

/* Of what oneDNN sees as fewer rows. */
static bool adds (const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op == WEIR_OP_ADD)
      return true;
  return false;
}

static bool accepts (const WeirStepSpec *spec, const Product *product)
{
  const WeirTensor *b = &spec->src[1];
  if (b->buffer ? b->dtype != WEIR_DTYPE_F32 && b->dtype != WEIR_DTYPE_F16
                : !weir_cpu_is_float (b->dtype) || product->alpha != 1.0f)
    return false;
  if (product->has_bias && !is_row (&spec->src[2], product->dst.dims[product->dst.rank - 1]))
    return false;
  if (adds (spec->node) && product->dst.rank != spec->dst[0].rank)
    return false;
  return weir_cpu_is_float (spec->src[0].dtype) && !spec->src[0].buffer;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Product product;
  if (!describe (spec, &product) || !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_cpu_has_elements (&spec->src[1]) || !weir_cpu_has_elements (&spec->dst[0]) ||
      !accepts (spec, &product) || !weir_cpu_accepts_post (spec))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = (WeirFormat){ device->dtype, WEIR_LAYOUT_PLAIN };
  if (!spec->src[1].buffer)
    src[1] = src[0];
  dst[0] = (WeirFormat){ weir_cpu_result_dtype (device, spec, 0), WEIR_LAYOUT_PLAIN };
  weir_cpu_propose_post (spec, dst[0], src);
  return true;
}

/* The bias as oneDNN's matmul reads it: ones in front. */
static float *bias_new (const WeirStepSpec *spec, const Product *product, WeirDnnlShape *shape)
{
  uint32_t rank = product->dst.rank;
  int64_t n_columns = product->dst.dims[rank - 1], n;
  g_autofree float *constant = weir_cpu_constant_f32 (&spec->src[2], &n);
  float *bias = g_new (float, (size_t) n_columns);
  for (int64_t i = 0; i < n_columns; i++)
    bias[i] = product->beta * constant[n == 1 ? 0 : i];
  *shape = (WeirDnnlShape){ .dtype = WEIR_DTYPE_F32, .rank = rank };
  for (uint32_t i = 0; i < rank; i++) {
    shape->dims[i] = i + 1 < rank ? 1 : n_columns;
    shape->strides[i] = i + 1 < rank ? n_columns : 1;
  }
  return bias;
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Product product;
  if (!describe (spec, &product)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a product that was not proposed");
    return NULL;
  }
  WeirDnnlSpec dnnl = {
    .kind = WEIR_DNNL_MATMUL, .src = product.a, .weights = product.b, .dst = product.dst
  };
  WeirCpuWeights weights = {
    .constant = &spec->src[1], .scale = product.alpha, .shape = product.b
  };
  bool is_constant = spec->src[1].buffer != NULL;
  weights.shape.dtype = WEIR_DTYPE_F32;
  dnnl.weights.dtype = device->dtype;
  float *bias = product.has_bias ? bias_new (spec, &product, &dnnl.bias) : NULL;
  return weir_cpu_primitive_new (
      device, spec, &dnnl, is_constant ? &weights : NULL, bias, scratch_bytes, error);
}

const WeirCpuOp weir_cpu_matrix = { propose, compile };
