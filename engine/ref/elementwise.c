/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one and two tensors element by element, Cast, and post-operations. */
#include "engine/graph/postop.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

typedef float (*UnaryFn) (float x, float alpha, float beta);

#define DEFINE(name, expression)                            \
  static float do_##name (float x, float alpha, float beta) \
  {                                                         \
    return expression;                                      \
  }

/* log (1 + e^x) without overflow */
#define SOFTPLUS(x) (MAX (x, 0.0f) + log1pf (expf (-fabsf (x))))
#define SIGMOID(x)  (1.0f / (1.0f + expf (-(x))))

DEFINE (abs, fabsf (x))
DEFINE (ceil, ceilf (x))
DEFINE (clip, fminf (fmaxf (x, alpha), beta))
DEFINE (elu, x < 0 ? alpha * expm1f (x) : x)
DEFINE (erf, erff (x))
DEFINE (exp, expf (x))
DEFINE (floor, floorf (x))
DEFINE (hard_sigmoid, fmaxf (0, fminf (1, alpha *x + beta)))
DEFINE (hard_swish, x *fmaxf (0, fminf (1, x / 6 + 0.5f)))
DEFINE (leaky_relu, x < 0 ? alpha * x : x)
DEFINE (log, logf (x))
DEFINE (mish, x *tanhf (SOFTPLUS (x)))
DEFINE (neg, -x)
DEFINE (reciprocal, 1 / x)
DEFINE (relu, x < 0 ? 0 : x)
DEFINE (round, rintf (x))
DEFINE (selu, beta *(x < 0 ? alpha * expm1f (x) : x))
DEFINE (sigmoid, SIGMOID (x))
DEFINE (sign, x > 0 ? 1 : x < 0 ? -1 : x)
DEFINE (softplus, SOFTPLUS (x))
DEFINE (softsign, x / (1 + fabsf (x)))
DEFINE (sqrt, sqrtf (x))
DEFINE (swish, x *SIGMOID (alpha *x))
DEFINE (tanh, tanhf (x))

static const UnaryFn unary[WEIR_N_OPS] = {
  [WEIR_OP_ABS] = do_abs,
  [WEIR_OP_CEIL] = do_ceil,
  [WEIR_OP_CLIP] = do_clip,
  [WEIR_OP_ELU] = do_elu,
  [WEIR_OP_ERF] = do_erf,
  [WEIR_OP_EXP] = do_exp,
  [WEIR_OP_FLOOR] = do_floor,
  [WEIR_OP_HARD_SIGMOID] = do_hard_sigmoid,
  [WEIR_OP_HARD_SWISH] = do_hard_swish,
  [WEIR_OP_LEAKY_RELU] = do_leaky_relu,
  [WEIR_OP_LOG] = do_log,
  [WEIR_OP_MISH] = do_mish,
  [WEIR_OP_NEG] = do_neg,
  [WEIR_OP_RECIPROCAL] = do_reciprocal,
  [WEIR_OP_RELU] = do_relu,
  [WEIR_OP_ROUND] = do_round,
  [WEIR_OP_SELU] = do_selu,
  [WEIR_OP_SIGMOID] = do_sigmoid,
  [WEIR_OP_SIGN] = do_sign,
  [WEIR_OP_SOFTPLUS] = do_softplus,
  [WEIR_OP_SOFTSIGN] = do_softsign,
  [WEIR_OP_SQRT] = do_sqrt,
  [WEIR_OP_SWISH] = do_swish,
  [WEIR_OP_TANH] = do_tanh,
};

/* The few that ONNX defines on integers; the others never come here. */
static int64_t apply_integer (WeirOp op, int64_t x)
{
  switch (op) {
  case WEIR_OP_ABS:
    return x < 0 ? (int64_t) (0 - (uint64_t) x) : x;
  case WEIR_OP_NEG:
    return (int64_t) (0 - (uint64_t) x);
  case WEIR_OP_RELU:
    return MAX (x, 0);
  case WEIR_OP_SIGN:
    return (x > 0) - (x < 0);
  default:
    return x;
  }
}

/* Bounds of Clip are inputs or infinite here: attributes are for floats only. */
static void clip_integers (const WeirShapeJob *job, int64_t n)
{
  const WeirTensor *src = &job->src[0], *low = weir_job_src (job, 1), *high = weir_job_src (job, 2);
  int64_t lowest = low ? weir_ref_load_int (src->dtype, weir_tensor_data (low), 0) : INT64_MIN;
  int64_t highest = high ? weir_ref_load_int (src->dtype, weir_tensor_data (high), 0) : INT64_MAX;
  for (int64_t i = 0; i < n; i++) {
    int64_t x = weir_ref_load_int (src->dtype, weir_tensor_data (src), i);
    weir_ref_store_int (
        src->dtype, weir_tensor_data (&job->dst[0]), i, MIN (MAX (x, lowest), highest));
  }
}

bool weir_ref_unary (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  WeirOp op = job->node->op;
  int64_t n = weir_ref_n (src);
  WeirPostOp params;
  if (src->dtype == WEIR_DTYPE_F32) {
    const float *x = weir_ref_f32 (src);
    float *y = weir_ref_dst_f32 (dst);
    if (!weir_post_op_resolve (job, &params))
      return weir_job_refuse ("its parameters are not known");
    for (int64_t i = 0; i < n; i++)
      y[i] = unary[op](x[i], params.alpha, params.beta);
  } else if (op == WEIR_OP_CLIP) {
    clip_integers (job, n);
  } else {
    for (int64_t i = 0; i < n; i++)
      weir_ref_store_int (dst->dtype, weir_tensor_data (dst), i,
          apply_integer (op, weir_ref_load_int (src->dtype, weir_tensor_data (src), i)));
  }
  return true;
}

/* One row: a, b with strides 0 or more, dst dense. */
#define ROW(expression)                         \
  for (int64_t i = 0; i < n; i++) {             \
    float x = a[i * step_a], y = b[i * step_b]; \
    dst[i] = (expression);                      \
  }                                             \
  break;

static void combine_row (WeirOp op, const float *a, int64_t step_a, const float *b, int64_t step_b,
    float *dst, int64_t n)
{
  switch (op) {
  case WEIR_OP_ADD:
    ROW (x + y)
  case WEIR_OP_SUB:
    ROW (x - y)
  case WEIR_OP_MUL:
    ROW (x * y)
  case WEIR_OP_DIV:
    ROW (x / y)
  case WEIR_OP_POW:
    ROW (powf (x, y))
  case WEIR_OP_PRELU:
    ROW (x < 0 ? x * y : x)
  default:
    break;
  }
}

/* Wraps like the hardware does; a division by zero gives zero. */
static int64_t combine_integers (WeirOp op, int64_t a, int64_t b, bool is_u64)
{
  uint64_t x = (uint64_t) a, y = (uint64_t) b;
  switch (op) {
  case WEIR_OP_ADD:
    return (int64_t) (x + y);
  case WEIR_OP_SUB:
    return (int64_t) (x - y);
  case WEIR_OP_MUL:
    return (int64_t) (x * y);
  case WEIR_OP_PRELU:
    return a < 0 && !is_u64 ? (int64_t) (x * y) : a;
  case WEIR_OP_DIV:
    if (b == 0)
      return 0;
    if (is_u64)
      return (int64_t) (x / y);
    return b == -1 ? (int64_t) (0 - x) : a / b;
  default:
    return a;
  }
}

static void combine_any (
    const WeirShapeJob *job, WeirRefRow a, WeirRefRow b, WeirRefRow dst, int64_t n)
{
  for (int64_t i = 0; i < n; i++) {
    int64_t ia = a.offset + i * a.stride, ib = b.offset + i * b.stride, to = dst.offset + i;
    if (job->node->op == WEIR_OP_POW)
      weir_ref_store (dst.dtype, dst.data, to,
          pow (weir_ref_load (a.dtype, a.data, ia), weir_ref_load (b.dtype, b.data, ib)));
    else
      weir_ref_store_int (dst.dtype, dst.data, to,
          combine_integers (job->node->op, weir_ref_load_int (a.dtype, a.data, ia),
              weir_ref_load_int (b.dtype, b.data, ib), a.dtype == WEIR_DTYPE_U64));
  }
}

bool weir_ref_binary (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[1], *dst = &job->dst[0];
  bool is_f32 = a->dtype == WEIR_DTYPE_F32 && b->dtype == WEIR_DTYPE_F32;
  uint32_t last = dst->rank ? dst->rank - 1 : 0;
  WeirWalk walk = { .rank = last };
  int64_t n = dst->rank ? dst->dims[last] : 1, at = 0;
  if (weir_ref_n (dst) == 0)
    return true;
  memcpy (walk.dims, dst->dims, last * sizeof *walk.dims);
  weir_ref_broadcast_strides (a, dst, walk.stride[0]);
  weir_ref_broadcast_strides (b, dst, walk.stride[1]);
  int64_t step_a = dst->rank ? walk.stride[0][last] : 0,
          step_b = dst->rank ? walk.stride[1][last] : 0;
  do {
    if (is_f32) {
      combine_row (job->node->op, weir_ref_f32 (a) + walk.offset[0], step_a,
          weir_ref_f32 (b) + walk.offset[1], step_b, weir_ref_dst_f32 (dst) + at, n);
    } else {
      WeirRefRow row_a = { a->dtype, weir_tensor_data (a), walk.offset[0], step_a };
      WeirRefRow row_b = { b->dtype, weir_tensor_data (b), walk.offset[1], step_b };
      WeirRefRow row_dst = { dst->dtype, weir_tensor_data (dst), at, 1 };
      combine_any (job, row_a, row_b, row_dst, n);
    }
    at += n;
  } while (weir_walk_next (&walk));
  return true;
}

bool weir_ref_cast (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  WeirRefRow from = { src->dtype, weir_tensor_data (src), 0, 1 };
  WeirRefRow to = { dst->dtype, weir_tensor_data (dst), 0, 1 };
  weir_ref_convert (from, to, weir_ref_n (src));
  return true;
}

void weir_ref_apply_post (const WeirShapeJob *job)
{
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  int64_t n = weir_ref_n (&job->dst[0]);
  for (uint32_t k = 0; k < job->node->n_post; k++) {
    const WeirPostOp *post = &job->node->post[k];
    UnaryFn fn = unary[post->op];
    if (fn)
      for (int64_t i = 0; i < n; i++)
        dst[i] = fn (dst[i], post->alpha, post->beta);
    else
      combine_row (post->op, dst, 1, weir_ref_f32 (&job->src[post->src]), 1, dst, n);
  }
}
