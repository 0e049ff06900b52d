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
