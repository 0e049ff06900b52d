/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gemm and MatMul: floating types accumulated in double, integers in 64 bits that wrap. A floating
 * result may be f64, too, but for a Gemm with C: integer.c wants sums that are not rounded. */
#include "engine/ref/ref.h"

#include <string.h>

#define STRETCH 512

/* dst[m, n] = a[m, k] · b[k, n]; strides in elements, dst dense. */
typedef struct Product {
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col;
} Product;

/* Columns [j, j + n) of row i into sum. */
static void multiply_stretch (
    const Product *p, const float *a, const float *b, int64_t j, int64_t n, double *sum)
{
  memset (sum, 0, (size_t) n * sizeof *sum);
  if (p->b_row == 1) { /* b is transposed in memory: a dot product reads both in order */
    for (int64_t i = 0; i < n; i++)
      for (int64_t k = 0; k < p->k; k++)
        sum[i] += (double) a[k * p->a_col] * (double) b[k + (j + i) * p->b_col];
    return;
  }
  for (int64_t k = 0; k < p->k; k++) {
    double scale = (double) a[k * p->a_col];
    const float *row = b + k * p->b_row + j * p->b_col;
    for (int64_t i = 0; i < n; i++)
      sum[i] += scale * (double) row[i * p->b_col];
  }
}

/* To element `at` of dst and behind. */
static void multiply (const Product *p, const float *a, const float *b, float alpha,
    const WeirTensor *dst, int64_t at)
{
  double sum[STRETCH];
  for (int64_t i = 0; i < p->m; i++)
    for (int64_t j = 0; j < p->n; j += STRETCH) {
      int64_t n = MIN (STRETCH, p->n - j);
      multiply_stretch (p, a + i * p->a_row, b, j, n, sum);
      for (int64_t k = 0; k < n; k++)
        weir_ref_store (dst->dtype, weir_tensor_data (dst), at++, (double) alpha * sum[k]);
    }
}

/* A matrix of integers: the product's strides count from element `offset`. */
typedef struct IntMatrix {
  const WeirTensor *tensor;
  int64_t offset;
} IntMatrix;

static uint64_t int_at (const IntMatrix *matrix, int64_t i)
{
  const WeirTensor *tensor = matrix->tensor;
  return (uint64_t) weir_ref_load_int (
      tensor->dtype, weir_tensor_data (tensor), matrix->offset + i);
}

static uint64_t dot_int (
    const Product *p, const IntMatrix *a, const IntMatrix *b, int64_t i, int64_t j)
{
  uint64_t sum = 0;
  for (int64_t k = 0; k < p->k; k++)
    sum += int_at (a, i * p->a_row + k * p->a_col) * int_at (b, k * p->b_row + j * p->b_col);
  return sum;
}

/* A factor other than 1 makes a floating product of it. */
static uint64_t scale_int (uint64_t value, float factor)
{
  double product = (double) (int64_t) value * (double) factor;
  if (factor == 1)
    return value;
  return product >= -0x1p63 && product < 0x1p63 ? (uint64_t) (int64_t) product : 0;
}

static void gemm_int (const WeirShapeJob *job, const Product *p)
{
  const WeirTensor *c = weir_job_src (job, 2), *dst = &job->dst[0];
  float alpha = weir_node_float (job->node, "alpha", 1),
        beta = weir_node_float (job->node, "beta", 1);
  IntMatrix a = { &job->src[0], 0 }, b = { &job->src[1], 0 };
  int64_t stride[WEIR_MAX_RANK] = { 0 };
  if (c)
    weir_ref_broadcast_strides (c, dst, stride);
  for (int64_t i = 0; i < p->m; i++)
    for (int64_t j = 0; j < p->n; j++) {
      IntMatrix bias = { c, i * stride[0] + j * stride[1] };
      uint64_t sum = scale_int (dot_int (p, &a, &b, i, j), alpha);
      sum += c ? scale_int (int_at (&bias, 0), beta) : 0;
      weir_ref_store_int (dst->dtype, weir_tensor_data (dst), i * p->n + j, (int64_t) sum);
    }
}

bool weir_ref_gemm (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[1], *c = weir_job_src (job, 2);
  const WeirTensor *dst = &job->dst[0];
  bool trans_a = weir_node_int (job->node, "transA", 0) != 0;
  bool trans_b = weir_node_int (job->node, "transB", 0) != 0;
  float beta = weir_node_float (job->node, "beta", 1), *y = weir_ref_dst_f32 (dst);
  int64_t stride[WEIR_MAX_RANK];
  Product p = { dst->dims[0], dst->dims[1], a->dims[!trans_a], a->dims[1], 1, b->dims[1], 1 };
  if (trans_a)
    p.a_row = 1, p.a_col = a->dims[1];
  if (trans_b)
    p.b_row = 1, p.b_col = b->dims[1];
  if (!weir_dtype_is_floating (a->dtype)) {
    gemm_int (job, &p);
    return true;
  }
  multiply (
      &p, weir_ref_f32 (a), weir_ref_f32 (b), weir_node_float (job->node, "alpha", 1), dst, 0);
  if (!c || !y)
    return true;
  weir_ref_broadcast_strides (c, dst, stride);
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.n; j++)
      *y++ += beta * weir_ref_f32 (c)[i * stride[0] + j * stride[1]];
  return true;
}

static void multiply_int (
    const Product *p, const IntMatrix *a, const IntMatrix *b, const WeirTensor *dst, int64_t at)
{
  for (int64_t i = 0; i < p->m; i++)
    for (int64_t j = 0; j < p->n; j++)
      weir_ref_store_int (
          dst->dtype, weir_tensor_data (dst), at++, (int64_t) dot_int (p, a, b, i, j));
}

/* An operand of MatMul as a stack of matrices: 1-D ones get their second dimension. */
static WeirTensor as_matrices (const WeirTensor *tensor, bool is_left)
{
  WeirTensor matrices = *tensor;
  if (tensor->rank > 1)
    return matrices;
  matrices.rank = 2;
  matrices.dims[0] = is_left ? 1 : tensor->dims[0];
  matrices.dims[1] = is_left ? tensor->dims[0] : 1;
  return matrices;
}

/* Strides of the matrices of a stack, which is seen through the batch dims of dst. */
static void stack_strides (const WeirTensor *matrices, const WeirTensor *batch, int64_t *stride)
{
  WeirTensor stack = *matrices;
  int64_t n = matrices->dims[matrices->rank - 1] * matrices->dims[matrices->rank - 2];
  stack.rank -= 2;
  weir_ref_broadcast_strides (&stack, batch, stride);
  for (uint32_t i = 0; i < batch->rank; i++)
    stride[i] *= n;
}

bool weir_ref_mat_mul (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirTensor a = as_matrices (&job->src[0], true), b = as_matrices (&job->src[1], false);
  WeirTensor batch = job->dst[0];
  const WeirTensor *dst = &job->dst[0];
  int64_t at = 0;
  Product p = { a.dims[a.rank - 2], b.dims[b.rank - 1], a.dims[a.rank - 1], a.dims[a.rank - 1], 1,
    b.dims[b.rank - 1], 1 };
  batch.rank = MAX (a.rank, b.rank) - 2;
  if (weir_ref_n (&job->dst[0]) == 0)
    return true;
  WeirWalk walk = { .rank = batch.rank };
  memcpy (walk.dims, batch.dims, batch.rank * sizeof *batch.dims);
  stack_strides (&a, &batch, walk.stride[0]);
  stack_strides (&b, &batch, walk.stride[1]);
  do {
    IntMatrix left = { &a, walk.offset[0] }, right = { &b, walk.offset[1] };
    if (weir_dtype_is_floating (a.dtype))
      multiply (&p, weir_ref_f32 (&a) + left.offset, weir_ref_f32 (&b) + right.offset, 1, dst, at);
    else
      multiply_int (&p, &left, &right, dst, at);
    at += p.m * p.n;
  } while (weir_walk_next (&walk));
  return true;
}
