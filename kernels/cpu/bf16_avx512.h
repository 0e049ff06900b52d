/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of bf16 for AVX512-BF16, beside the vector of f32: an instruction adds the products of
 * two neighbours to each of 16 sums. Denormals count as zero there, and become zero where results
 * are rounded. */
#pragma once

#include "kernels/activation.h"
#include "kernels/cpu/f32_avx512.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef __m512i Pairs;

#define load_weight_pairs(p) _mm512_loadu_si512 (p)

/* Around the intrinsic gcc 12 copies sums. */
static inline Vec add_products (Vec sum, Pairs a, Pairs b)
{
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(b), "v"(a));
  return sum;
}

static inline __m256i narrow (Vec v)
{
  return (__m256i) _mm512_cvtneps_pbh (v);
}

/* Neighbours are the numbers of the same index in both. */
static inline Pairs pairs_of (__m256i even, __m256i odd)
{
  const __m512i order = _mm512_set_epi16 (47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
      8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return _mm512_permutex2var_epi16 (
      _mm512_castsi256_si512 (even), order, _mm512_castsi256_si512 (odd));
}

static inline Pairs load_pairs (const void *even, const void *odd)
{
  return pairs_of (_mm256_loadu_si256 (even), _mm256_loadu_si256 (odd));
}

static inline Pairs load_pairs_some (const void *even, const void *odd, Mask mask)
{
  return pairs_of (_mm256_maskz_loadu_epi16 (mask, even), _mm256_maskz_loadu_epi16 (mask, odd));
}

/* A clip of what has been rounded: bf16 that are not negative compare as whole numbers, and any
 * negative one is less. Half a vector of whole numbers has four pipes on Zen 4, minimum and maximum
 * of f32 have the two that multiply: four products, clip, rounding and store of each of 12 vectors
 * take 22 ns so, 27 else. NaN without a minus becomes `most`, where that is finite, not `least`. */
#define CLIPS_STORED
typedef struct StoredClip {
  bool is_exact; /* it gives what the activation would have; without effect else */
  int16_t least, most;
} StoredClip;

static inline int32_t bits_of (float value)
{
  return _mm_cvtsi128_si32 (_mm_castps_si128 (_mm_set_ss (value)));
}

static inline StoredClip stored_clip (const WeirActivation *activation)
{
  int32_t least = bits_of (activation->least), most = bits_of (activation->most);
  bool is_open = activation->least == -INFINITY;
  StoredClip clip = { false, INT16_MIN, INT16_MAX };
  if (activation->kind != WEIR_ACTIVATION_CLIP || !(is_open || least == 0) || most < 0 ||
      (most & 0xffff) != 0)
    return clip;
  clip.is_exact = true;
  if (!is_open)
    clip.least = 0;
  if (activation->most < INFINITY)
    clip.most = (int16_t) (most >> 16);
  return clip;
}

static inline __m256i narrow_clipped (Vec v, StoredClip clip)
{
  return _mm256_min_epi16 (
      _mm256_max_epi16 (narrow (v), _mm256_set1_epi16 (clip.least)), _mm256_set1_epi16 (clip.most));
}

static inline void store_clipped (void *dst, Vec v, StoredClip clip)
{
  _mm256_storeu_si256 (dst, narrow_clipped (v, clip));
}

/* One behind the other. */
static inline void store_two_clipped (void *dst, Vec v, Vec next, StoredClip clip)
{
  __m512i both = (__m512i) _mm512_cvtne2ps_pbh (next, v);
  _mm512_storeu_si512 (
      dst, _mm512_min_epi16 (_mm512_max_epi16 (both, _mm512_set1_epi16 (clip.least)),
               _mm512_set1_epi16 (clip.most)));
}

static inline void store_clipped_some (void *dst, Vec v, StoredClip clip, Mask mask)
{
  _mm256_mask_storeu_epi16 (dst, mask, narrow_clipped (v, clip));
}
