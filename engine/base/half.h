/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* f16 and bf16 as uint16_t: conversions to and from f32, round to nearest even. */
#pragma once

#include <stdint.h>
#include <string.h>

static inline float
weir_bits_f32 (uint32_t bits)
{
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline uint32_t
weir_f32_bits (float value)
{
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  return bits;
}

static inline float
weir_bf16_to_f32 (uint16_t half)
{
  return weir_bits_f32 ((uint32_t) half << 16);
}

static inline uint16_t
weir_f32_to_bf16 (float value)
{
  uint32_t bits = weir_f32_bits (value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t) ((bits >> 16) | 0x40u); /* a NaN stays one, and quiet */
  return (uint16_t) ((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float
weir_f16_to_f32 (uint16_t half)
{
  uint32_t sign = (uint32_t) (half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f)
    return weir_bits_f32 (sign | 0x7f800000u | (mantissa << 13));
  if (exponent)
    return weir_bits_f32 (sign | ((exponent + 112u) << 23) | (mantissa << 13));
  float magnitude = (float) mantissa * 0x1p-24f; /* subnormal: mantissa · 2^-24 is exact in f32 */
  return weir_bits_f32 (sign | weir_f32_bits (magnitude));
}

static inline uint16_t
weir_f32_to_f16 (float value)
{
  uint32_t bits = weir_f32_bits (value);
  uint16_t sign = (uint16_t) ((bits >> 16) & 0x8000u);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00u);
  if (bits >= 0x477ff000u) /* 65520 and above round to infinity */
    return (uint16_t) (sign | 0x7c00u);
  if (bits < 0x38800000u) { /* below 2^-14: adding 0.5 aligns the mantissa at 2^-24 and rounds */
    float aligned = weir_bits_f32 (bits) + 0.5f;
    return (uint16_t) (sign | (weir_f32_bits (aligned) - 0x3f000000u));
  }
  bits += 0xc8000fffu + ((bits >> 13) & 1u); /* exponent - 112, then round to nearest even */
  return (uint16_t) (sign | (bits >> 13));
}
