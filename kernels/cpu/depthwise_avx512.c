/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX-512. */
#include <immintrin.h>
#include <stddef.h>

typedef __m512 Vec;
typedef __mmask16 Mask;
#define LANES                  16
#define DEPTHWISE              weir_depthwise_avx512
#define set(x)                 _mm512_set1_ps (x)
#define load(p)                _mm512_loadu_ps (p)
#define load_some(p, mask)     _mm512_maskz_loadu_ps (mask, p)
#define store(p, v)            _mm512_storeu_ps (p, v)
#define store_some(p, v, mask) _mm512_mask_storeu_ps (p, mask, v)
#define fma(a, b, c)           _mm512_fmadd_ps (a, b, c)
#define clip(v, least, most)   _mm512_min_ps (_mm512_max_ps (v, least), most)

static inline Mask first (size_t n)
{
  return (Mask) ((1u << n) - 1u);
}

#include "kernels/cpu/depthwise_simd.h"
