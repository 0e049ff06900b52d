/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one number, and the chain of up to four that -DPOST_1=unary_relu -DPOST_2=… name:
 * what a kernel does to a result before it stores it.
 *
 * Each has two parameters, alpha and beta: the operator's ONNX attributes (Clip: least and most).
 * The parameters of the chain are one float8: alpha and beta of the first, of the second, … */
#include "types.cl"

#define UNARY(name, expression)                         \
  float unary_##name (float x, float alpha, float beta) \
  {                                                     \
    return expression;                                  \
  }

/* log (1 + e^x) without overflow */
#define SOFTPLUS(x)  (fmax (x, 0.0f) + log1p (exp (-fabs (x))))
#define SIGMOID(x)   (1.0f / (1.0f + exp (-(x))))
#define SQRT_1_2     0.707106781f
#define SQRT_2_PI    0.797884561f /* of 2 / π */
#define GELU_TANH(x) tanh (SQRT_2_PI *(x + 0.044715f * x * x * x))

UNARY (abs, fabs (x))
UNARY (affine, alpha *x + beta)
UNARY (ceil, ceil (x))
UNARY (celu, x < 0 ? alpha * expm1 (x / alpha) : x)
UNARY (clip, fmin (fmax (x, alpha), beta))
UNARY (cos, cos (x))
UNARY (elu, x < 0 ? alpha * expm1 (x) : x)
UNARY (erf, erf (x))
UNARY (exp, exp (x))
UNARY (floor, floor (x))
UNARY (gelu, 0.5f * x * (1.0f + (alpha != 0 ? GELU_TANH (x) : erf (x * SQRT_1_2))))
UNARY (hard_sigmoid, fmax (0.0f, fmin (1.0f, alpha *x + beta)))
UNARY (hard_swish, x *fmax (0.0f, fmin (1.0f, x / 6.0f + 0.5f)))
UNARY (leaky_relu, x < 0 ? alpha * x : x)
UNARY (log, log (x))
UNARY (mish, x *tanh (SOFTPLUS (x)))
UNARY (neg, -x)
UNARY (none, x)
UNARY (reciprocal, 1.0f / x)
UNARY (relu, x < 0 ? 0.0f : x)
UNARY (round, rint (x))
UNARY (round_to_codes, (fmin (fmax (rint (x / alpha), beta), beta + 255.0f) + 0.0f) * alpha)
UNARY (round_to_levels,
    x > beta    ? beta
    : x < alpha ? alpha
                : rint ((x - alpha) / (beta - alpha) * 255.0f) / 255.0f * (beta - alpha) + alpha)
UNARY (scaled_tanh, alpha *tanh (beta *x))
UNARY (selu, beta *(x < 0 ? alpha * expm1 (x) : x))
UNARY (sigmoid, SIGMOID (x))
UNARY (sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
UNARY (sin, sin (x))
UNARY (softplus, SOFTPLUS (x))
UNARY (softsign, x / (1.0f + fabs (x)))
UNARY (sqrt, sqrt (x))
UNARY (swish, x *SIGMOID (alpha *x))
UNARY (tanh, tanh (x))
UNARY (thresholded_relu, x > alpha ? x : 0.0f)

#ifndef POST_1
#define POST_1 unary_none
#endif
#ifndef POST_2
#define POST_2 unary_none
#endif
#ifndef POST_3
#define POST_3 unary_none
#endif
#ifndef POST_4
#define POST_4 unary_none
#endif

float post (float x, float8 p)
{
  x = POST_1 (x, p.s0, p.s1);
  x = POST_2 (x, p.s2, p.s3);
  x = POST_3 (x, p.s4, p.s5);
  return POST_4 (x, p.s6, p.s7);
}

float4 post4 (float4 x, float8 p)
{
  return (float4) (post (x.s0, p), post (x.s1, p), post (x.s2, p), post (x.s3, p));
}
