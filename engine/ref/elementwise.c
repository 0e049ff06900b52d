/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one tensor element by element, Cast, and post-operations. */
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
#define SQRT_2      1.41421356f
#define SQRT_2_PI   0.797884561f /* of 2 / π */

static float gelu_tanh (float x)
{
  return 0.5f * x * (1 + tanhf (SQRT_2_PI * (x + 0.044715f * x * x * x)));
}

/* The comparisons send NaN to the lowest step; adding 0 makes one of two zeros. */
static float round_to_codes (float x, float scale, float low)
{
  float steps = rintf (x / scale);
  steps = steps > low ? steps : low;
  return (MIN (steps, low + 255) + 0.0f) * scale;
}

DEFINE (abs, fabsf (x))
DEFINE (acos, acosf (x))
DEFINE (acosh, acoshf (x))
DEFINE (affine, alpha *x + beta)
DEFINE (asin, asinf (x))
DEFINE (asinh, asinhf (x))
DEFINE (atan, atanf (x))
DEFINE (atanh, atanhf (x))
DEFINE (ceil, ceilf (x))
DEFINE (celu, x < 0 ? alpha * expm1f (x / alpha) : x)
DEFINE (clip, fminf (fmaxf (x, alpha), beta))
DEFINE (cos, cosf (x))
DEFINE (cosh, coshf (x))
DEFINE (elu, x < 0 ? alpha * expm1f (x) : x)
DEFINE (erf, erff (x))
DEFINE (exp, expf (x))
DEFINE (floor, floorf (x))
DEFINE (gelu, alpha != 0 ? gelu_tanh (x) : 0.5f * x * (1 + erff (x / SQRT_2)))
DEFINE (hard_sigmoid, fmaxf (0, fminf (1, alpha *x + beta)))
DEFINE (hard_swish, x *fmaxf (0, fminf (1, x / 6 + 0.5f)))
DEFINE (leaky_relu, x < 0 ? alpha * x : x)
DEFINE (log, logf (x))
DEFINE (mish, x *tanhf (SOFTPLUS (x)))
DEFINE (neg, -x)
DEFINE (parametric_softplus, alpha *SOFTPLUS ((beta * x)))
DEFINE (reciprocal, 1 / x)
DEFINE (relu, x < 0 ? 0 : x)
DEFINE (round, rintf (x))
DEFINE (round_to_codes, round_to_codes (x, alpha, beta))
DEFINE (round_to_levels, weir_ref_fake_quantized (x, alpha, beta))
DEFINE (scaled_tanh, alpha *tanhf (beta *x))
DEFINE (selu, beta *(x < 0 ? alpha * expm1f (x) : x))
DEFINE (shrink, x<-alpha ? x + beta : x> alpha ? x - beta : 0)
DEFINE (sigmoid, SIGMOID (x))
DEFINE (sign, x > 0 ? 1 : x < 0 ? -1 : x)
DEFINE (sin, sinf (x))
DEFINE (sinh, sinhf (x))
DEFINE (softplus, SOFTPLUS (x))
DEFINE (softsign, x / (1 + fabsf (x)))
DEFINE (sqrt, sqrtf (x))
DEFINE (swish, x *SIGMOID (alpha *x))
DEFINE (tan, tanf (x))
DEFINE (tanh, tanhf (x))
DEFINE (thresholded_relu, x > alpha ? x : 0)

static const UnaryFn unary[WEIR_N_OPS] = {
  [WEIR_OP_ABS] = do_abs,
  [WEIR_OP_ACOS] = do_acos,
  [WEIR_OP_ACOSH] = do_acosh,
  [WEIR_OP_AFFINE] = do_affine,
  [WEIR_OP_ASIN] = do_asin,
  [WEIR_OP_ASINH] = do_asinh,
  [WEIR_OP_ATAN] = do_atan,
  [WEIR_OP_ATANH] = do_atanh,
  [WEIR_OP_CEIL] = do_ceil,
  [WEIR_OP_CELU] = do_celu,
  [WEIR_OP_CLIP] = do_clip,
  [WEIR_OP_COS] = do_cos,
  [WEIR_OP_COSH] = do_cosh,
  [WEIR_OP_ELU] = do_elu,
  [WEIR_OP_ERF] = do_erf,
  [WEIR_OP_EXP] = do_exp,
  [WEIR_OP_FLOOR] = do_floor,
  [WEIR_OP_GELU] = do_gelu,
  [WEIR_OP_HARD_SIGMOID] = do_hard_sigmoid,
  [WEIR_OP_HARD_SWISH] = do_hard_swish,
  [WEIR_OP_LEAKY_RELU] = do_leaky_relu,
  [WEIR_OP_LOG] = do_log,
  [WEIR_OP_MISH] = do_mish,
  [WEIR_OP_NEG] = do_neg,
  [WEIR_OP_PARAMETRIC_SOFTPLUS] = do_parametric_softplus,
  [WEIR_OP_RECIPROCAL] = do_reciprocal,
  [WEIR_OP_RELU] = do_relu,
  [WEIR_OP_ROUND] = do_round,
  [WEIR_OP_ROUND_TO_CODES] = do_round_to_codes,
  [WEIR_OP_ROUND_TO_LEVELS] = do_round_to_levels,
  [WEIR_OP_SCALED_TANH] = do_scaled_tanh,
  [WEIR_OP_SELU] = do_selu,
  [WEIR_OP_SHRINK] = do_shrink,
  [WEIR_OP_SIGMOID] = do_sigmoid,
  [WEIR_OP_SIGN] = do_sign,
  [WEIR_OP_SIN] = do_sin,
  [WEIR_OP_SINH] = do_sinh,
  [WEIR_OP_SOFTPLUS] = do_softplus,
  [WEIR_OP_SOFTSIGN] = do_softsign,
  [WEIR_OP_SQRT] = do_sqrt,
  [WEIR_OP_QUICK_GELU] = do_swish,
  [WEIR_OP_SWISH] = do_swish,
  [WEIR_OP_TAN] = do_tan,
  [WEIR_OP_TANH] = do_tanh,
  [WEIR_OP_THRESHOLDED_RELU] = do_thresholded_relu,
};

/* The few that ONNX defines on integers; the others never come here. */
static int64_t apply_integer (WeirOp op, WeirDtype dtype, int64_t x)
{
  bool is_u64 = dtype == WEIR_DTYPE_U64;
  switch (op) {
  case WEIR_OP_ABS:
    return x < 0 && !is_u64 ? (int64_t) (0 - (uint64_t) x) : x;
  case WEIR_OP_NEG:
    return (int64_t) (0 - (uint64_t) x);
  case WEIR_OP_RELU:
    return is_u64 ? x : MAX (x, 0);
  case WEIR_OP_SIGN:
    return is_u64 ? x != 0 : (x > 0) - (x < 0);
  default:
    return x;
  }
}

static bool is_less (WeirDtype dtype, int64_t a, int64_t b)
{
  return dtype == WEIR_DTYPE_U64 ? (uint64_t) a < (uint64_t) b : a < b;
}

/* Bounds of Clip are inputs or infinite here: attributes are for floats only. Where they cross, the
 * upper one holds. */
static void clip_integers (const WeirShapeJob *job, int64_t n)
{
  const WeirTensor *src = &job->src[0], *low = weir_job_src (job, 1), *high = weir_job_src (job, 2);
  WeirDtype dtype = src->dtype;
  int64_t lowest = low ? weir_ref_load_int (dtype, weir_tensor_data (low), 0) : 0;
  int64_t highest = high ? weir_ref_load_int (dtype, weir_tensor_data (high), 0) : 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t x = weir_ref_load_int (dtype, weir_tensor_data (src), i);
    x = low && is_less (dtype, x, lowest) ? lowest : x;
    x = high && is_less (dtype, highest, x) ? highest : x;
    weir_ref_store_int (dtype, weir_tensor_data (&job->dst[0]), i, x);
  }
}

/* Its parameters are floats, whatever the type. */
static void shrink_integers (const WeirShapeJob *job, int64_t n)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  double lambd = (double) weir_node_float (job->node, "lambd", 0.5f);
  double bias = (double) weir_node_float (job->node, "bias", 0);
  for (int64_t i = 0; i < n; i++) {
    double x = weir_ref_load (src->dtype, weir_tensor_data (src), i);
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i,
        x < -lambd  ? x + bias
        : x > lambd ? x - bias
                    : 0);
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
  } else if (op == WEIR_OP_SHRINK) {
    shrink_integers (job, n);
  } else {
    for (int64_t i = 0; i < n; i++)
      weir_ref_store_int (dst->dtype, weir_tensor_data (dst), i,
          apply_integer (
              op, src->dtype, weir_ref_load_int (src->dtype, weir_tensor_data (src), i)));
  }
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
  const WeirTensor *dst = &job->dst[0];
  int64_t n = weir_ref_n (dst);
  for (uint32_t k = 0; k < job->node->n_post; k++) {
    const WeirPostOp *post = &job->node->post[k];
    UnaryFn fn = unary[post->op];
    float *row = weir_ref_dst_f32 (dst);
    if (fn)
      for (int64_t i = 0; i < n; i++)
        row[i] = fn (row[i], post->alpha, post->beta);
    else
      weir_ref_combine (job->node, post->op, dst, &job->src[post->src], dst);
  }
}
