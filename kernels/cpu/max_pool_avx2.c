/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling for AVX2. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline __m256i first (size_t n)
{
  return _mm256_cmpgt_epi32 (
      _mm256_set1_epi32 ((int) n), _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256i load_bytes (const uint8_t *src, size_t n)
{
  uint8_t bytes[32] = { 0 };
  memcpy (bytes, src, n);
  return _mm256_loadu_si256 ((const __m256i *) bytes);
}

static inline void store_bytes (uint8_t *dst, __m256i values, size_t n)
{
  uint8_t bytes[32];
  _mm256_storeu_si256 ((__m256i *) bytes, values);
  memcpy (dst, bytes, n);
}

#define MAX_POOL            weir_max_pool_f32_avx2
#define Element             float
#define Vec                 __m256
#define LANES               8
#define load(p)             _mm256_loadu_ps (p)
#define load_some(p, n)     _mm256_maskload_ps (p, first (n))
#define store(p, v)         _mm256_storeu_ps (p, v)
#define store_some(p, v, n) _mm256_maskstore_ps (p, first (n), v)
#define larger(a, b)        _mm256_max_ps (a, b)
#include "kernels/cpu/max_pool_simd.h"

#define MAX_POOL            weir_max_pool_u8_avx2
#define Element             uint8_t
#define Vec                 __m256i
#define LANES               32
#define load(p)             _mm256_loadu_si256 ((const __m256i *) (p))
#define load_some(p, n)     load_bytes (p, n)
#define store(p, v)         _mm256_storeu_si256 ((__m256i *) (p), v)
#define store_some(p, v, n) store_bytes (p, v, n)
#define larger(a, b)        _mm256_max_epu8 (a, b)
#include "kernels/cpu/max_pool_simd.h"
