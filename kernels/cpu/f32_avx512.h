/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vector of f32 for AVX-512, as loops that are compiled once per instruction set use it. */
#pragma once

#include <immintrin.h>
#include <stddef.h>

typedef __m512 Vec;
typedef __mmask16 Mask;
#define LANES                  16
#define set(x)                 _mm512_set1_ps (x)
#define load(p)                _mm512_loadu_ps (p)
#define load_some(p, mask)     _mm512_maskz_loadu_ps (mask, p)
#define store(p, v)            _mm512_storeu_ps (p, v)
#define store_some(p, v, mask) _mm512_mask_storeu_ps (p, mask, v)
#define madd(a, b, c)          _mm512_fmadd_ps (a, b, c)
#define less_product(c, a, b)  _mm512_fnmadd_ps (a, b, c)
#define product_less(a, b, c)  _mm512_fmsub_ps (a, b, c)
#define add(a, b)              _mm512_add_ps (a, b)
#define sub(a, b)              _mm512_sub_ps (a, b)
#define mul(a, b)              _mm512_mul_ps (a, b)
#define larger(a, b)           _mm512_max_ps (a, b)
#define smaller(a, b)          _mm512_min_ps (a, b)

/* Of lanes `from` to `to` - 1. */
static inline Mask lanes (size_t from, size_t to)
{
  return (Mask) ((1u << to) - (1u << from));
}

static inline Vec if_negative (Vec v, Vec a)
{
  return _mm512_mask_mov_ps (v, _mm512_cmp_ps_mask (v, _mm512_setzero_ps (), _CMP_LT_OQ), a);
}

/* Where v is larger than bound that, else a. */
static inline Vec if_larger (Vec v, Vec bound, Vec a)
{
  return _mm512_mask_mov_ps (a, _mm512_cmp_ps_mask (v, bound, _CMP_GT_OQ), bound);
}

/* 2^k, where the low bits of v are k + 127. */
static inline Vec power_of_two (Vec v)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (_mm512_castps_si512 (v), 23));
}

/* The bits `from`, as a whole number, less those of v. */
static inline Vec bits_less (int from, Vec v)
{
  return _mm512_castsi512_ps (_mm512_sub_epi32 (_mm512_set1_epi32 (from), _mm512_castps_si512 (v)));
}

/* LANES numbers that are stored as bf16. */
static inline Vec widen_bf16 (__m256i halves)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (_mm512_cvtepu16_epi32 (halves), 16));
}

/* Rounded to nearest even, as tensor_kernels.h does; vcvtneps2bf16 would make denormals zero. */
static inline __m256i round_bf16 (Vec v)
{
  __m512i bits = _mm512_castps_si512 (v), high = _mm512_srli_epi32 (bits, 16);
  __m512i odd = _mm512_and_si512 (high, _mm512_set1_epi32 (1));
  __m512i rounded = _mm512_srli_epi32 (
      _mm512_add_epi32 (bits, _mm512_add_epi32 (odd, _mm512_set1_epi32 (0x7fff))), 16);
  __m512i nan = _mm512_or_si512 (high, _mm512_set1_epi32 (0x40));
  return _mm512_cvtepi32_epi16 (
      _mm512_mask_mov_epi32 (rounded, _mm512_cmp_ps_mask (v, v, _CMP_UNORD_Q), nan));
}

#define load_bf16(p)                widen_bf16 (_mm256_loadu_si256 ((const __m256i *) (p)))
#define load_bf16_some(p, mask)     widen_bf16 (_mm256_maskz_loadu_epi16 (mask, p))
#define store_bf16(p, v)            _mm256_storeu_si256 ((__m256i *) (p), round_bf16 (v))
#define store_bf16_some(p, v, mask) _mm256_mask_storeu_epi16 (p, mask, round_bf16 (v))
