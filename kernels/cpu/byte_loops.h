/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The byte kernels, for the compiler to make vectors of: included once for each instruction set,
 * with BYTE_KERNELS as the name of the table, and BYTE_LOOK_UP where it has a better one. */
#include "kernels/byte_kernels.h"

/* Adding and taking away 1.5 · 2^23 leaves no bits for a fraction: to nearest, halves to even, for
 * |x| < 2^22. Unlike rintf it is no call on any CPU. */
static inline float round_small (float x)
{
  const float magic = 0x1.8p23f;
  return (x + magic) - magic;
}

/* Of a value in steps. The bounds are whole numbers: they may come before the rounding. */
static inline uint8_t to_code (float steps, WeirCodes codes)
{
  float low = -codes.zero, high = 255.0f - codes.zero;
  steps = steps > low ? steps : low;
  steps = steps < high ? steps : high;
  return (uint8_t) ((uint8_t) (int32_t) (round_small (steps) + codes.zero) ^ codes.flip);
}

static inline float from_code (uint8_t code, WeirCodes codes)
{
  return (float) (uint8_t) (code ^ codes.flip) - codes.zero;
}

static void quantise (uint8_t *restrict dst, const float *restrict src, WeirCodes codes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = to_code (src[i] / codes.scale, codes);
}

static void dequantise (float *restrict dst, const uint8_t *restrict src, WeirCodes codes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = from_code (src[i], codes) * codes.scale;
}

static void add (uint8_t *restrict dst, WeirCodes to, const uint8_t *restrict a, size_t a_step,
    WeirCodes codes_a, const uint8_t *restrict b, size_t b_step, WeirCodes codes_b, size_t n)
{
  float scale_a = codes_a.scale / to.scale, scale_b = codes_b.scale / to.scale;
  if (a_step == 1 && b_step == 1)
    for (size_t i = 0; i < n; i++)
      dst[i] =
          to_code (from_code (a[i], codes_a) * scale_a + from_code (b[i], codes_b) * scale_b, to);
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = to_code (from_code (a[i * a_step], codes_a) * scale_a +
                            from_code (b[i * b_step], codes_b) * scale_b,
          to);
}

static void multiply (uint8_t *restrict dst, WeirCodes to, const uint8_t *restrict a, size_t a_step,
    WeirCodes codes_a, const uint8_t *restrict b, size_t b_step, WeirCodes codes_b, size_t n)
{
  float scale = codes_a.scale * codes_b.scale / to.scale;
  if (a_step == 1 && b_step == 1)
    for (size_t i = 0; i < n; i++)
      dst[i] = to_code (from_code (a[i], codes_a) * from_code (b[i], codes_b) * scale, to);
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = to_code (
          from_code (a[i * a_step], codes_a) * from_code (b[i * b_step], codes_b) * scale, to);
}

#ifndef BYTE_LOOK_UP
#define BYTE_LOOK_UP look_up
static void look_up (uint8_t *dst, const uint8_t *src, const uint8_t *table, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = table[src[i]];
}
#endif

static void follow_lines (uint8_t *restrict dst, const uint8_t *restrict src,
    const float *restrict scale, const float *restrict offset, uint8_t low, uint8_t high, size_t n)
{
  float least = low, most = high;
  for (size_t i = 0; i < n; i++) {
    float value = (float) src[i] * scale[i] + offset[i];
    value = value > least ? value : least;
    value = value < most ? value : most;
    dst[i] = (uint8_t) (int32_t) round_small (value);
  }
}

static void accumulate (uint32_t *restrict sum, const uint8_t *restrict src, uint8_t flip, size_t n)
{
  for (size_t i = 0; i < n; i++)
    sum[i] += (uint32_t) (uint8_t) (src[i] ^ flip);
}

#define LANES 16 /* independent, so that one register holds them */

static void find_range (float range[2], const float *restrict src, size_t n)
{
  float low[LANES] = { 0 }, high[LANES] = { 0 };
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      low[k] = src[i + k] < low[k] ? src[i + k] : low[k];
      high[k] = src[i + k] > high[k] ? src[i + k] : high[k];
    }
  for (; i < n; i++) {
    low[0] = src[i] < low[0] ? src[i] : low[0];
    high[0] = src[i] > high[0] ? src[i] : high[0];
  }
  range[0] = range[1] = 0;
  for (size_t k = 0; k < LANES; k++) {
    range[0] = low[k] < range[0] ? low[k] : range[0];
    range[1] = high[k] > range[1] ? high[k] : range[1];
  }
}

extern const WeirByteKernels BYTE_KERNELS;
const WeirByteKernels BYTE_KERNELS = {
  .quantise = quantise,
  .dequantise = dequantise,
  .add = add,
  .multiply = multiply,
  .look_up = BYTE_LOOK_UP,
  .follow_lines = follow_lines,
  .accumulate = accumulate,
  .find_range = find_range,
};
