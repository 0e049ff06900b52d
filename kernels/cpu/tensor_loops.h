/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensor kernels as plain loops, compiled once per instruction set: including files define
 * TENSOR_KERNELS, the table's name. No loop changes the order of a sum with the vector's width, and
 * products are fused into sums only where fmaf says so, so every variant gives the same bytes. */
#include "kernels/cpu/tensor_planes.h"
#include "kernels/tensor_kernels.h"

#include <math.h>
#include <string.h>

#define BLOCK 1024

static inline float from_bits (uint32_t bits)
{
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline uint32_t to_bits (float value)
{
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  return bits;
}

static inline float smaller (float a, float b)
{
  return a < b ? a : b;
}

static inline float larger (float a, float b)
{
  return a > b ? a : b;
}

/* e^r for |r| <= ln 2 / 2. */
static inline float exp_small_f32 (float r)
{
  float p = 1.0f / 5040.0f;
  p = fmaf (p, r, 1.0f / 720.0f);
  p = fmaf (p, r, 1.0f / 120.0f);
  p = fmaf (p, r, 1.0f / 24.0f);
  p = fmaf (p, r, 1.0f / 6.0f);
  p = fmaf (p, r, 0.5f);
  p = fmaf (p, r, 1.0f);
  return fmaf (p, r, 1.0f);
}

/* 1 / x for 1 <= x < 2^126, to an ulp: the exponent's sign changed in the bits is within e = 5.1 %
 * (the constant makes that even), a step of Newton's leaves e² and one of Halley's the third power
 * of that. A third of a division's time. NaN stays one. */
static inline float reciprocal_f32 (float x)
{
  float y = from_bits (0x7ef311c3u - to_bits (x));
  y = fmaf (y, fmaf (-x, y, 1.0f), y);
  float e = fmaf (-x, y, 1.0f);
  return fmaf (y, fmaf (e, e, e), y);
}

/* e^x = 2^k · e^r with |r| <= ln 2 / 2: k by rounding x / ln 2 (adding 1.5 · 2^23 leaves it in the
 * low bits), ln 2 subtracted in two parts, e^r by Taylor's polynomial of degree 7 (its error there
 * is 0.35^8 / 8! < 6e-9), 2^k in two factors since k = 128 occurs. NaN comes through r. */
static inline float exp_f32 (float x)
{
  const float magic = 12582912.0f;
  float clipped = x < -87.3f ? -87.3f : x;
  clipped = clipped > 88.8f ? 88.8f : clipped;
  float shifted = clipped * 1.44269504f + magic;
  float k = shifted - magic;
  int32_t power = (int32_t) (to_bits (shifted) - to_bits (magic));
  float r = fmaf (k, -0.693359375f, clipped);
  r = fmaf (k, 2.12194440e-4f, r);
  int32_t half = power >> 1;
  return exp_small_f32 (r) * from_bits ((uint32_t) (half + 127) << 23) *
         from_bits ((uint32_t) (power - half + 127) << 23);
}

/* 1 / (1 + e^-x) with e^-x = 2^k · 2^r for |x| <= 87: k by rounding -x / ln 2 (127 in the magic
 * number makes the low bits the exponent), and |r| <= 1/2 what that leaves, 2^r by its minimax
 * polynomial of degree 6 (2.5e-9). `limit`: 87, unknown to the compiler, which would take the code
 * apart into cases else. */
static inline float sigmoid_f32 (float x, float limit)
{
  const float magic = 12582912.0f + 127.0f;
  float y = -limit > x ? -limit : x;
  y = limit < y ? limit : y;
  float shifted = fmaf (y, -1.44269504f, magic), k = shifted - magic;
  float r = fmaf (y, -1.44269504f, -k), p = 1.54614447e-4f;
  p = fmaf (p, r, 1.34004282e-3f);
  p = fmaf (p, r, 9.61805668e-3f);
  p = fmaf (p, r, 5.55032723e-2f);
  p = fmaf (p, r, 2.40226509e-1f);
  p = fmaf (p, r, 6.93147207e-1f);
  p = fmaf (p, r, 1.0f);
  return reciprocal_f32 (fmaf (p, from_bits (to_bits (shifted) << 23), 1.0f));
}

static inline float unknown (float x)
{
  __asm__("" : "+m"(x));
  return x;
}

/* x / divisor: as activation_simd.h does it, and tells, or as it is where there is no fused
 * product. */
static inline float divided (float x, float divisor, float reciprocal)
{
#if defined __FMA__ || defined __AVX512F__
  float quotient = x * reciprocal;
  return fmaf (fmaf (-quotient, divisor, x), reciprocal, quotient);
#else
  return x / divisor;
#endif
}

/* To nearest, halves to even, for |x| <= 2^22: 1.5 · 2^23 leaves no bits for a fraction. */
static inline float round_small (float x)
{
  const float magic = 12582912.0f;
  return (x + magic) - magic;
}

/* Near 0 the quotient cancels; there a Padé approximant of order 5/4 is exact to rounding. */
static inline float tanh_f32 (float x)
{
  float square = x * x;
  float near =
      x * (945.0f + square * (105.0f + square)) / (945.0f + square * (420.0f + square * 15.0f));
  float far = 1.0f - 2.0f / (exp_f32 (2.0f * x) + 1.0f);
  return square < 0.0625f ? near : far;
}

/* x · tanh (ln (1 + e^x)) with e^x = e: (1 + e)² - 1 = e (e + 2). */
static inline float mish_f32 (float x)
{
  float e = exp_f32 (smaller (x, 20.0f)), n = e * (e + 2.0f);
  return x > 20.0f ? x : x * n / (n + 2.0f);
}

/* Near 0 the series of Abramowitz and Stegun 7.1.5 to its term in x^13 (the next is below 2e-8 of
 * the value there), else their 7.1.26, of which the error is below 1.5e-7. */
static inline float erf_f32 (float x)
{
  float magnitude = fabsf (x), square = x * x;
  float near = 1.0f / 9360.0f;
  near = fmaf (near, square, -1.0f / 1320.0f);
  near = fmaf (near, square, 1.0f / 216.0f);
  near = fmaf (near, square, -1.0f / 42.0f);
  near = fmaf (near, square, 0.1f);
  near = fmaf (near, square, -1.0f / 3.0f);
  near = fmaf (near, square, 1.0f) * 1.12837917f * x;
  float t = 1.0f / (1.0f + 0.3275911f * magnitude), far = 1.061405429f;
  far = fmaf (far, t, -1.453152027f);
  far = fmaf (far, t, 1.421413741f);
  far = fmaf (far, t, -0.284496736f);
  far = fmaf (far, t, 0.254829592f);
  far = 1.0f - far * t * exp_f32 (-square);
  return magnitude < 0.5f ? near : x < 0.0f ? -far : far;
}

/* With x³: the approximation by tanh. */
static inline float gelu_tanh_f32 (float x)
{
  float inner = 0.797884561f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanh_f32 (inner));
}

static inline float gelu_erf_f32 (float x)
{
  return 0.5f * x * (1.0f + erf_f32 (x * 0.707106781f));
}

static inline float hard_sigmoid_f32 (float x, float alpha, float beta)
{
  return larger (0.0f, smaller (1.0f, alpha * x + beta));
}

#define UNARY(name, expression)                                                          \
  static void name (                                                                     \
      float *restrict dst, const float *restrict src, size_t n, float alpha, float beta) \
  {                                                                                      \
    for (size_t i = 0; i < n; i++) {                                                     \
      float x = src[i];                                                                  \
      dst[i] = (expression);                                                             \
    }                                                                                    \
  }

UNARY (unary_abs, fabsf (x))
UNARY (unary_affine, alpha *x + beta)
UNARY (unary_ceil, ceilf (x))
UNARY (unary_celu, x > 0.0f ? x : alpha * (exp_f32 (x / alpha) - 1.0f))
UNARY (unary_clip, smaller (larger (x, alpha), beta))
UNARY (unary_elu, x > 0.0f ? x : alpha * (exp_f32 (x) - 1.0f))
UNARY (unary_erf, erf_f32 (x))
UNARY (unary_exp, exp_f32 (x))
UNARY (unary_floor, floorf (x))
UNARY (gelu_by_tanh, gelu_tanh_f32 (x))
UNARY (gelu_by_erf, gelu_erf_f32 (x))
UNARY (unary_hard_sigmoid, hard_sigmoid_f32 (x, alpha, beta))
UNARY (unary_hard_swish, x *hard_sigmoid_f32 (x, 1.0f / 6.0f, 0.5f))
UNARY (unary_leaky_relu, x < 0.0f ? x * alpha : x)
UNARY (unary_mish, mish_f32 (x))
UNARY (unary_neg, -x)
UNARY (unary_reciprocal, 1.0f / x)
UNARY (unary_relu, larger (x, 0.0f))
UNARY (unary_round, rintf (x))
UNARY (unary_scaled_tanh, alpha *tanh_f32 (beta *x))
UNARY (unary_selu, beta *(x > 0.0f ? x : alpha * (exp_f32 (x) - 1.0f)))
UNARY (unary_sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x)
UNARY (unary_softsign, x / (1.0f + fabsf (x)))
UNARY (unary_sqrt, sqrtf (x))
UNARY (unary_tanh, tanh_f32 (x))
UNARY (unary_thresholded_relu, x > alpha ? x : 0.0f)

/* NaN gives the least. */
static void unary_round_to_codes (
    float *restrict dst, const float *restrict src, size_t n, float alpha, float beta)
{
  const float reciprocal = 1.0f / alpha, least = beta * alpha, most = (beta + 255.0f) * alpha;
  for (size_t i = 0; i < n; i++) {
    float bounded = smaller (larger (src[i], least), most);
    dst[i] = round_small (divided (bounded, alpha, reciprocal)) * alpha;
  }
}

/* NaN stays one. */
static void unary_round_to_levels (
    float *restrict dst, const float *restrict src, size_t n, float alpha, float beta)
{
  const float range = beta - alpha, per_range = 1.0f / range, per_255 = 1.0f / 255.0f;
  for (size_t i = 0; i < n; i++) {
    float x = src[i], bounded = smaller (beta, larger (alpha, x));
    float level = round_small (divided (bounded - alpha, range, per_range) * 255.0f);
    float y = divided (level, 255.0f, per_255) * range + alpha;
    dst[i] = x > beta ? beta : y;
  }
}

static void unary_sigmoid (
    float *restrict dst, const float *restrict src, size_t n, float alpha, float beta)
{
  const float limit = unknown (87.0f);
  for (size_t i = 0; i < n; i++)
    dst[i] = sigmoid_f32 (src[i], limit);
}

static void unary_swish (
    float *restrict dst, const float *restrict src, size_t n, float alpha, float beta)
{
  const float limit = unknown (87.0f);
  for (size_t i = 0; i < n; i++)
    dst[i] = src[i] * sigmoid_f32 (alpha * src[i], limit);
}

static void unary_gelu (float *dst, const float *src, size_t n, float alpha, float beta)
{
  (alpha != 0.0f ? gelu_by_tanh : gelu_by_erf) (dst, src, n, alpha, beta);
}

#define BINARY(name, expression)                                                 \
  static void name (float *restrict dst, const float *restrict a, size_t a_step, \
      const float *restrict b, size_t b_step, size_t n)                          \
  {                                                                              \
    if (a_step && b_step) {                                                      \
      for (size_t i = 0; i < n; i++) {                                           \
        float x = a[i], y = b[i];                                                \
        dst[i] = (expression);                                                   \
      }                                                                          \
    } else if (a_step) {                                                         \
      float y = *b;                                                              \
      for (size_t i = 0; i < n; i++) {                                           \
        float x = a[i];                                                          \
        dst[i] = (expression);                                                   \
      }                                                                          \
    } else {                                                                     \
      float x = *a;                                                              \
      for (size_t i = 0; i < n; i++) {                                           \
        float y = b[i * b_step];                                                 \
        dst[i] = (expression);                                                   \
      }                                                                          \
    }                                                                            \
  }

BINARY (binary_add, x + y)
BINARY (binary_sub, x - y)
BINARY (binary_mul, x *y)
BINARY (binary_div, x / y)
BINARY (binary_prelu, x < 0.0f ? x * y : x)

static void affine (float *restrict dst, const float *restrict src, const float *restrict scale,
    const float *restrict shift, size_t step, size_t n)
{
  if (step) {
    for (size_t i = 0; i < n; i++)
      dst[i] = src[i] * scale[i] + shift[i];
  } else {
    float factor = *scale, offset = *shift;
    for (size_t i = 0; i < n; i++)
      dst[i] = src[i] * factor + offset;
  }
}

static inline float fake_quantized (
    float x, float low, float high, float out_low, float out_high, float n_steps)
{
  float step = (x - low) / (high - low) * n_steps;
  float y = round_small (step) / n_steps * (out_high - out_low) + out_low;
  y = x > larger (low, high) ? out_high : y;
  return x <= smaller (low, high) ? out_low : y;
}

static void fake_quantize (float *restrict dst, const float *restrict src,
    const WeirFakeRange *range, size_t step, size_t n)
{
  const float *restrict low = range->low, *restrict high = range->high;
  const float *restrict out_low = range->out_low, *restrict out_high = range->out_high;
  const float n_steps = range->n_steps, a = *low, b = *high, c = *out_low, d = *out_high;
  if (step)
    for (size_t i = 0; i < n; i++)
      dst[i] = fake_quantized (src[i], low[i], high[i], out_low[i], out_high[i], n_steps);
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = fake_quantized (src[i], a, b, c, d, n_steps);
}

#define LANES 16

/* Reductions have as many lanes whatever the vector: the same bytes for every instruction set. Of
 * an array of lanes compilers make a detour through memory, five times slower. */
typedef float Lanes __attribute__ ((vector_size (LANES * sizeof (float))));
typedef int32_t LaneBits __attribute__ ((vector_size (LANES * sizeof (int32_t))));

/* Sums of blocks, joined in double: long rows lose nothing. */
#define SUM(name, expression)                                            \
  static double name (const float *restrict src, size_t n, float centre) \
  {                                                                      \
    double total = 0.0;                                                  \
    for (size_t begin = 0; begin < n; begin += BLOCK) {                  \
      size_t end = n - begin < BLOCK ? n : begin + BLOCK, i = begin;     \
      float lanes[LANES];                                                \
      Lanes sum = { 0.0f };                                              \
      for (; i + LANES <= end; i += LANES) {                             \
        Lanes x;                                                         \
        memcpy (&x, src + i, sizeof x);                                  \
        x -= centre;                                                     \
        sum += (expression);                                             \
      }                                                                  \
      memcpy (lanes, &sum, sizeof lanes);                                \
      for (size_t k = 0; i + k < end; k++) {                             \
        float x = src[i + k] - centre;                                   \
        lanes[k] += (expression);                                        \
      }                                                                  \
      for (size_t k = 0; k < LANES; k++)                                 \
        total += (double) lanes[k];                                      \
    }                                                                    \
    return total / (double) n;                                           \
  }

SUM (mean_about, x)
SUM (spread, x *x)

static double mean (const float *src, size_t n)
{
  return mean_about (src, n, 0.0f);
}

static void normalise (float *restrict dst, const float *restrict src, const float *restrict scale,
    const float *restrict shift, size_t step, float centre, float factor, size_t n)
{
  if (step) {
    for (size_t i = 0; i < n; i++)
      dst[i] = (src[i] - centre) * factor * scale[i] + shift[i];
  } else {
    float slope = *scale, offset = *shift;
    for (size_t i = 0; i < n; i++)
      dst[i] = (src[i] - centre) * factor * slope + offset;
  }
}

static void bf16_from_f32 (uint16_t *restrict dst, const float *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = to_bits (src[i]);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40u;
    dst[i] = (uint16_t) ((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

static void f32_from_bf16 (float *restrict dst, const uint16_t *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = from_bits ((uint32_t) src[i] << 16);
}

static void f32_from_u8 (float *restrict dst, const uint8_t *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = (float) src[i];
}

#include "kernels/cpu/tensor_softmax.h"

static void accumulate (float *restrict sum, const float *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++)
    sum[i] += src[i];
}

static void accumulate_max (float *restrict most, const float *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++)
    most[i] = larger (src[i], most[i]);
}

static void accumulate_squares (
    float *restrict sum, const float *restrict src, const float *restrict centre, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    float x = src[i] - centre[i];
    sum[i] += x * x;
  }
}

static void blend (float *restrict dst, const float *const src[4], const float weights[4], size_t n)
{
  const float *a = src[0], *b = src[1], *c = src[2], *d = src[3];
  float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
  for (size_t i = 0; i < n; i++)
    dst[i] = (a[i] * wa + b[i] * wb) + (c[i] * wc + d[i] * wd);
}

extern const WeirTensorKernels TENSOR_KERNELS;
const WeirTensorKernels TENSOR_KERNELS = {
  .unary = {
      [WEIR_UNARY_ABS] = unary_abs,
      [WEIR_UNARY_AFFINE] = unary_affine,
      [WEIR_UNARY_CEIL] = unary_ceil,
      [WEIR_UNARY_CELU] = unary_celu,
      [WEIR_UNARY_CLIP] = unary_clip,
      [WEIR_UNARY_ELU] = unary_elu,
      [WEIR_UNARY_ERF] = unary_erf,
      [WEIR_UNARY_EXP] = unary_exp,
      [WEIR_UNARY_FLOOR] = unary_floor,
      [WEIR_UNARY_GELU] = unary_gelu,
      [WEIR_UNARY_HARD_SIGMOID] = unary_hard_sigmoid,
      [WEIR_UNARY_HARD_SWISH] = unary_hard_swish,
      [WEIR_UNARY_LEAKY_RELU] = unary_leaky_relu,
      [WEIR_UNARY_MISH] = unary_mish,
      [WEIR_UNARY_NEG] = unary_neg,
      [WEIR_UNARY_RECIPROCAL] = unary_reciprocal,
      [WEIR_UNARY_RELU] = unary_relu,
      [WEIR_UNARY_ROUND] = unary_round,
      [WEIR_UNARY_ROUND_TO_CODES] = unary_round_to_codes,
      [WEIR_UNARY_ROUND_TO_LEVELS] = unary_round_to_levels,
      [WEIR_UNARY_SCALED_TANH] = unary_scaled_tanh,
      [WEIR_UNARY_SELU] = unary_selu,
      [WEIR_UNARY_SIGMOID] = unary_sigmoid,
      [WEIR_UNARY_SIGN] = unary_sign,
      [WEIR_UNARY_SOFTSIGN] = unary_softsign,
      [WEIR_UNARY_SQRT] = unary_sqrt,
      [WEIR_UNARY_SWISH] = unary_swish,
      [WEIR_UNARY_TANH] = unary_tanh,
      [WEIR_UNARY_THRESHOLDED_RELU] = unary_thresholded_relu,
  },
  .binary = {
      [WEIR_BINARY_ADD] = binary_add,
      [WEIR_BINARY_SUB] = binary_sub,
      [WEIR_BINARY_MUL] = binary_mul,
      [WEIR_BINARY_DIV] = binary_div,
      [WEIR_BINARY_PRELU] = binary_prelu,
  },
  .affine = affine,
  .fake_quantize = fake_quantize,
  .mean = mean,
  .spread = spread,
  .normalise = normalise,
  .bf16_from_f32 = bf16_from_f32,
  .f32_from_bf16 = f32_from_bf16,
  .f32_from_u8 = f32_from_u8,
  .softmax = softmax,
  .softmax_columns = softmax_columns,
  .accumulate = accumulate,
  .accumulate_max = accumulate_max,
  .accumulate_squares = accumulate_squares,
  .blend = blend,
  .interleave = interleave,
};
