/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vector of f32 for AVX2 with FMA, as loops that are compiled once per instruction set use it.
 */
#pragma once

#include <immintrin.h>
#include <stddef.h>

typedef __m256 Vec;
typedef __m256i Mask;
#define LANES                  8
#define set(x)                 _mm256_set1_ps (x)
#define load(p)                _mm256_loadu_ps (p)
#define load_some(p, mask)     _mm256_maskload_ps (p, mask)
#define store(p, v)            _mm256_storeu_ps (p, v)
#define store_some(p, v, mask) _mm256_maskstore_ps (p, mask, v)
#define madd(a, b, c)          _mm256_fmadd_ps (a, b, c)
#define less_product(c, a, b)  _mm256_fnmadd_ps (a, b, c)
#define product_less(a, b, c)  _mm256_fmsub_ps (a, b, c)
#define add(a, b)              _mm256_add_ps (a, b)
#define sub(a, b)              _mm256_sub_ps (a, b)
#define mul(a, b)              _mm256_mul_ps (a, b)
#define larger(a, b)           _mm256_max_ps (a, b)
#define smaller(a, b)          _mm256_min_ps (a, b)

/* Of lanes `from` to `to` - 1. */
static inline Mask lanes (size_t from, size_t to)
{
  __m256i lane = _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_andnot_si256 (_mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) from), lane),
      _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) to), lane));
}

static inline Vec if_negative (Vec v, Vec a)
{
  return _mm256_blendv_ps (v, a, _mm256_cmp_ps (v, _mm256_setzero_ps (), _CMP_LT_OQ));
}

/* Where v is larger than bound that, else a. */
static inline Vec if_larger (Vec v, Vec bound, Vec a)
{
  return _mm256_blendv_ps (a, bound, _mm256_cmp_ps (v, bound, _CMP_GT_OQ));
}

/* 2^k, where the low bits of v are k + 127. */
static inline Vec power_of_two (Vec v)
{
  return _mm256_castsi256_ps (_mm256_slli_epi32 (_mm256_castps_si256 (v), 23));
}

/* The bits `from`, as a whole number, less those of v. */
static inline Vec bits_less (int from, Vec v)
{
  return _mm256_castsi256_ps (_mm256_sub_epi32 (_mm256_set1_epi32 (from), _mm256_castps_si256 (v)));
}
