/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reductions over any set of axes: f32 accumulated in double, integers in 64 bits. */
#include "engine/ref/ref.h"

#include <math.h>

typedef enum Kind { SUM, SUM_ABS, SUM_SQUARES, PRODUCT, LARGEST, SMALLEST } Kind;

static Kind find_kind (WeirOp op)
{
  switch (op) {
  case WEIR_OP_REDUCE_L1:
    return SUM_ABS;
  case WEIR_OP_REDUCE_L2:
  case WEIR_OP_REDUCE_SUM_SQUARE:
    return SUM_SQUARES;
  case WEIR_OP_REDUCE_PROD:
    return PRODUCT;
  case WEIR_OP_REDUCE_MAX:
    return LARGEST;
  case WEIR_OP_REDUCE_MIN:
    return SMALLEST;
  default:
    return SUM;
  }
}

static double add_float (Kind kind, double sum, double x)
{
  switch (kind) {
  case SUM_ABS:
    return sum + fabs (x);
  case SUM_SQUARES:
    return sum + x * x;
  case PRODUCT:
    return sum * x;
  case LARGEST: /* a NaN stays */
    return x > sum || isnan (x) ? x : sum;
  case SMALLEST:
    return x < sum || isnan (x) ? x : sum;
  default:
    return sum + x;
  }
}

static int64_t add_integer (Kind kind, bool is_u64, int64_t sum, int64_t x)
{
  uint64_t a = (uint64_t) sum, b = (uint64_t) x;
  switch (kind) {
  case SUM_ABS:
    return (int64_t) (a + (x < 0 && !is_u64 ? 0 - b : b));
  case SUM_SQUARES:
    return (int64_t) (a + b * b);
  case PRODUCT:
    return (int64_t) (a * b);
  case LARGEST:
    return is_u64 ? (int64_t) MAX (a, b) : MAX (sum, x);
  case SMALLEST:
    return is_u64 ? (int64_t) MIN (a, b) : MIN (sum, x);
  default:
    return (int64_t) (a + b);
  }
}

/* What the reduction of nothing is. */
static const double empty[] = { [PRODUCT] = 1, [LARGEST] = -INFINITY, [SMALLEST] = INFINITY };

static double finish (WeirOp op, double sum, double n)
{
  switch (op) {
  case WEIR_OP_REDUCE_MEAN:
    return sum / n;
  case WEIR_OP_REDUCE_L2:
    return sqrt (sum);
  case WEIR_OP_REDUCE_LOG_SUM:
    return log (sum);
  default:
    return sum;
  }
}

/* n elements from `at` on, as doubles. Shifted by the largest, so that exp never overflows. */
static double add_exponentials (
    WeirDtype dtype, const void *src, int64_t at, WeirWalk *inner, int64_t n)
{
  double largest = -(double) INFINITY, sum = 0;
  if (n == 0)
    return largest;
  do
    largest = add_float (LARGEST, largest, weir_ref_load (dtype, src, at + inner->offset[0]));
  while (weir_walk_next (inner));
  if (isinf (largest) || isnan (largest))
    return largest;
  do
    sum += exp (weir_ref_load (dtype, src, at + inner->offset[0]) - largest);
  while (weir_walk_next (inner));
  return largest + log (sum);
}

static float reduce_floats (WeirOp op, const float *src, WeirWalk *inner, int64_t n)
{
  Kind kind = find_kind (op);
  double sum = empty[kind];
  if (op == WEIR_OP_REDUCE_LOG_SUM_EXP)
    return (float) add_exponentials (WEIR_DTYPE_F32, src, 0, inner, n);
  if (n)
    do
      sum = add_float (kind, sum, (double) src[inner->offset[0]]);
    while (weir_walk_next (inner));
  return (float) finish (op, sum, (double) n);
}

/* Roots and logarithms of integers are cut to integers; the mean is, too. */
static int64_t finish_integer (WeirOp op, bool is_u64, int64_t sum, int64_t n)
{
  if (op == WEIR_OP_REDUCE_MEAN)
    return is_u64 ? (int64_t) ((uint64_t) sum / (uint64_t) n) : sum / n;
  if (op != WEIR_OP_REDUCE_L2 && op != WEIR_OP_REDUCE_LOG_SUM)
    return sum;
  double value = finish (op, is_u64 ? (double) (uint64_t) sum : (double) sum, (double) n);
  return isfinite (value) ? (int64_t) value : 0;
}

/* The first element starts extrema, so that no limit of a type is needed; of no elements the limit
 * is what the type saturates infinity to. */
static void reduce_integers (
    const WeirShapeJob *job, int64_t at, WeirWalk *inner, int64_t n, int64_t to)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  WeirOp op = job->node->op;
  Kind kind = find_kind (op);
  void *data = weir_tensor_data (src), *result = weir_tensor_data (dst);
  bool is_u64 = src->dtype == WEIR_DTYPE_U64;
  int64_t sum = kind == PRODUCT;
  if (n == 0 && src->dtype == WEIR_DTYPE_BOOL) {
    weir_ref_store_int (dst->dtype, result, to, kind == SMALLEST);
  } else if (op == WEIR_OP_REDUCE_LOG_SUM_EXP) {
    weir_ref_store (
        dst->dtype, result, to, trunc (add_exponentials (src->dtype, data, at, inner, n)));
  } else if (n == 0) {
    weir_ref_store (dst->dtype, result, to, finish (op, empty[kind], 1));
  } else {
    if (kind == LARGEST || kind == SMALLEST)
      sum = weir_ref_load_int (src->dtype, data, at);
    do
      sum = add_integer (
          kind, is_u64, sum, weir_ref_load_int (src->dtype, data, at + inner->offset[0]));
    while (weir_walk_next (inner));
    weir_ref_store_int (dst->dtype, result, to, finish_integer (op, is_u64, sum, n));
  }
}

bool weir_ref_reduce (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  bool is_reduced[WEIR_MAX_RANK];
  WeirWalk outer, inner;
  int64_t to = 0, n = 1;
  if (!weir_reduce_resolve (job, is_reduced, error))
    return false;
  if (weir_ref_n (&job->dst[0]) == 0)
    return true;
  weir_ref_split_axes (src, is_reduced, &outer, &inner);
  for (uint32_t i = 0; i < inner.rank; i++)
    n *= inner.dims[i];
  do {
    if (src->dtype == WEIR_DTYPE_F32)
      weir_ref_dst_f32 (&job->dst[0])[to] =
          reduce_floats (job->node->op, weir_ref_f32 (src) + outer.offset[0], &inner, n);
    else
      reduce_integers (job, outer.offset[0], &inner, n, to);
    to++;
  } while (weir_walk_next (&outer));
  return true;
}
