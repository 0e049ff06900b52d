/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Activations of sums in the vectors of f32_avx2.h or f32_avx512.h, which including files include
 * first. What is computed, and why, is told in tensor_loops.h; the bytes are the same. */
#pragma once

#include "kernels/activation.h"
#include "kernels/unroll.h"

#include <math.h>
#include <stdbool.h>

#define MAX_LONG 4 /* vectors in a long activation */

#ifndef CLIPS_STORED
/* bf16_avx512.h, included first, has a clip of what has been rounded. Others have none. */
typedef struct StoredClip {
  bool is_exact;
} StoredClip;
#define stored_clip(activation) ((void) (activation), (StoredClip){ false })
#endif

/* Those that are done where the sums are: the others take more registers. */
ALWAYS_INLINE bool is_short_activation (const WeirActivation *activation)
{
  return activation->kind < WEIR_ACTIVATION_SIGMOID;
}

/* x / divisor by way of the reciprocal and one correction: that is the division's result to the
 * last bit where the reciprocal is rounded to nearest (Markstein; Brisebarre, Muller and Raina:
 * Accelerating Correctly Rounded Floating-Point Division when the Divisor Is Known in Advance,
 * 2004), in a third of its time. x is finite. */
ALWAYS_INLINE Vec divided (Vec x, float divisor, float reciprocal)
{
  Vec quotient = mul (x, set (reciprocal));
  return madd (less_product (x, quotient, set (divisor)), set (reciprocal), quotient);
}

ALWAYS_INLINE Vec round_small (Vec x)
{
  const Vec magic = set (12582912.0f);
  return sub (add (x, magic), magic);
}

/* The bounds come first, so that nothing is infinite: a bound divided by the step rounds to itself.
 * NaN becomes the lower one. */
ALWAYS_INLINE void round_to_codes (const WeirActivation *activation, Vec *v, size_t n)
{
  const float step = activation->alpha, reciprocal = 1.0f / step;
  const float least = activation->least * step, most = activation->most * step;
  UNROLL (32)
  for (size_t i = 0; i < n; i++) {
    Vec bounded = smaller (larger (v[i], set (least)), set (most));
    v[i] = mul (round_small (divided (bounded, step, reciprocal)), set (step));
  }
}

/* What is beyond the range is its end, which the last level need not be to the last bit. A whole
 * number to 255 by 255 is right to the last bit with the reciprocal in two parts. */
ALWAYS_INLINE void round_to_levels (const WeirActivation *activation, Vec *v, size_t n)
{
  const float least = activation->least, most = activation->most, range = most - least;
  const float per_range = 1.0f / range, per_255[] = { 0x1.010102p-8f, -0x1.fdfdfep-33f };
  UNROLL (4)
  for (size_t i = 0; i < n; i++) {
    Vec x = smaller (set (most), larger (set (least), v[i]));
    x = divided (least == 0.0f ? x : sub (x, set (least)), range, per_range);
    x = round_small (mul (x, set (255.0f)));
    x = mul (madd (x, set (per_255[0]), mul (x, set (per_255[1]))), set (range));
    v[i] = least == 0.0f ? x : if_larger (v[i], set (most), add (x, set (least)));
  }
}

ALWAYS_INLINE void activate_short (const WeirActivation *activation, Vec *v, size_t n)
{
  if (activation->kind == WEIR_ACTIVATION_CLIP) {
    if (activation->least > -INFINITY) {
      UNROLL (32)
      for (size_t i = 0; i < n; i++)
        v[i] = larger (v[i], set (activation->least));
    }
    if (activation->most < INFINITY) {
      UNROLL (32)
      for (size_t i = 0; i < n; i++)
        v[i] = smaller (v[i], set (activation->most));
    }
  } else if (activation->kind == WEIR_ACTIVATION_LEAKY_RELU) {
    UNROLL (32)
    for (size_t i = 0; i < n; i++)
      v[i] = if_negative (v[i], mul (v[i], set (activation->alpha)));
  } else if (activation->kind == WEIR_ACTIVATION_HARD_SWISH) {
    UNROLL (32)
    for (size_t i = 0; i < n; i++) {
      Vec line = add (mul (v[i], set (1.0f / 6.0f)), set (0.5f));
      v[i] = mul (v[i], larger (set (0.0f), smaller (set (1.0f), line)));
    }
  } else if (activation->kind == WEIR_ACTIVATION_ROUND_TO_CODES) {
    round_to_codes (activation, v, n);
  }
}

/* SIGMOID and SWISH, of n vectors step by step: of one after the other a scheduler holds too few to
 * hide the length of their chains (32 cycles a vector rather than 14). */
ALWAYS_INLINE void sigmoid_or_swish (const WeirActivation *activation, Vec *v, size_t n)
{
  const float magic = 12582912.0f + 127.0f;
  static const float factors[] = { 1.34004282e-3f, 9.61805668e-3f, 5.55032723e-2f, 2.40226509e-1f,
    6.93147207e-1f, 1.0f };
  bool is_swish = activation->kind == WEIR_ACTIVATION_SWISH;
  Vec x[MAX_LONG], p[MAX_LONG], z[MAX_LONG];
#define EACH(to, value)          \
  UNROLL (4)                     \
  for (size_t i = 0; i < n; i++) \
  to[i] = (value)
  EACH (x, v[i]);
  if (is_swish && activation->alpha != 1.0f)
    EACH (x, mul (set (activation->alpha), v[i]));
  EACH (x, smaller (set (87.0f), larger (set (-87.0f), x[i])));
  EACH (z, madd (x[i], set (-1.44269504f), set (magic)));
  EACH (p, sub (z[i], set (magic)));
  EACH (x, product_less (x[i], set (-1.44269504f), p[i]));
  EACH (p, set (1.54614447e-4f));
  UNROLL (8)
  for (size_t k = 0; k < sizeof factors / sizeof *factors; k++)
    EACH (p, madd (p[i], x[i], set (factors[k])));
  EACH (p, madd (p[i], power_of_two (z[i]), set (1.0f)));
  EACH (z, bits_less (0x7ef311c3, p[i]));
  EACH (x, less_product (set (1.0f), p[i], z[i]));
  EACH (z, madd (z[i], x[i], z[i]));
  EACH (x, less_product (set (1.0f), p[i], z[i]));
  EACH (x, madd (x[i], x[i], x[i]));
  EACH (z, madd (z[i], x[i], z[i]));
  EACH (v, is_swish ? mul (v[i], z[i]) : z[i]);
#undef EACH
}

ALWAYS_INLINE void activate_long (const WeirActivation *activation, Vec *v, size_t n)
{
  if (activation->kind == WEIR_ACTIVATION_ROUND_TO_LEVELS)
    round_to_levels (activation, v, n);
  else
    sigmoid_or_swish (activation, v, n);
}
