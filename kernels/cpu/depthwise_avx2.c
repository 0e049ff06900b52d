/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX2 with FMA. */
#include <immintrin.h>
#include <stddef.h>

typedef __m256 Vec;
typedef __m256i Mask;
#define LANES                  8
#define DEPTHWISE              weir_depthwise_avx2
#define set(x)                 _mm256_set1_ps (x)
#define load(p)                _mm256_loadu_ps (p)
#define load_some(p, mask)     _mm256_maskload_ps (p, mask)
#define store(p, v)            _mm256_storeu_ps (p, v)
#define store_some(p, v, mask) _mm256_maskstore_ps (p, mask, v)
#define fma(a, b, c)           _mm256_fmadd_ps (a, b, c)
#define clip(v, least, most)   _mm256_min_ps (_mm256_max_ps (v, least), most)

static inline Mask first (size_t n)
{
  return _mm256_cmpgt_epi32 (
      _mm256_set1_epi32 ((int) n), _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7));
}

#include "kernels/cpu/depthwise_simd.h"
