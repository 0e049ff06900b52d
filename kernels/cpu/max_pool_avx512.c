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

/* bf16 as whole numbers with a sign: of those of which one is positive the largest, else the least,
 * is the largest bf16. 32 at once, with two comparisons, where vectors of f32 would take four and
 * have to be widened before. */
typedef struct Ends {
  __m512i most, least;
} Ends;

static inline Ends ends_of (__m512i halves)
{
  return (Ends){ halves, halves };
}

static inline Ends wider (Ends a, Ends b)
{
  return (Ends){ _mm512_max_epi16 (a.most, b.most), _mm512_min_epi16 (a.least, b.least) };
}

static inline __m512i largest (Ends ends)
{
  return _mm512_mask_mov_epi16 (ends.most, _mm512_movepi16_mask (ends.most), ends.least);
}

#define MAX_POOL        weir_max_pool_bf16_avx512
#define Element         uint16_t
#define Vec             Ends
#define LANES           32
#define load(p)         ends_of (_mm512_loadu_si512 (p))
#define load_some(p, n) ends_of (_mm512_maskz_loadu_epi16 ((__mmask32) ((1u << (n)) - 1u), p))
#define store(p, v)     _mm512_storeu_si512 (p, largest (v))
#define store_some(p, v, n) \
  _mm512_mask_storeu_epi16 (p, (__mmask32) ((1u << (n)) - 1u), largest (v))
#define larger(a, b) wider (a, b)
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
