/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling for AVX-512. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_POOL            weir_max_pool_f32_avx512
#define Element             float
#define Vec                 __m512
#define LANES               16
#define load(p)             _mm512_loadu_ps (p)
#define load_some(p, n)     _mm512_maskz_loadu_ps ((__mmask16) ((1u << (n)) - 1u), p)
#define store(p, v)         _mm512_storeu_ps (p, v)
#define store_some(p, v, n) _mm512_mask_storeu_ps (p, (__mmask16) ((1u << (n)) - 1u), v)
#define larger(a, b)        _mm512_max_ps (a, b)
#include "kernels/cpu/max_pool_simd.h"

#define MAX_POOL            weir_max_pool_u8_avx512
#define Element             uint8_t
#define Vec                 __m512i
#define LANES               64
#define load(p)             _mm512_loadu_si512 (p)
#define load_some(p, n)     _mm512_maskz_loadu_epi8 ((__mmask64) ((UINT64_C (1) << (n)) - 1u), p)
#define store(p, v)         _mm512_storeu_si512 (p, v)
#define store_some(p, v, n) _mm512_mask_storeu_epi8 (p, (__mmask64) ((UINT64_C (1) << (n)) - 1u), v)
#define larger(a, b)        _mm512_max_epu8 (a, b)
#include "kernels/cpu/max_pool_simd.h"
