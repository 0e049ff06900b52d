/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products of bf16 for AVX512-BF16: an instruction adds the products of two neighbours to
 * each of 16 sums in f32. */
#include "kernels/cpu/f32_avx512.h"
#include "kernels/cpu/gemm_tiles_avx512.h"

#include <stdint.h>
#include <string.h>

typedef uint16_t Element;
typedef __m512i Factors;
#define ONE                0x3f80
#define PER_STEP           2
#define RESULT_BYTES(task) ((task)->dst_is_f32 ? sizeof (float) : sizeof (uint16_t))

#define load_factors(p)    _mm512_loadu_si512 (p)

static inline Factors set_factors (const Element *src)
{
  int32_t pair;
  memcpy (&pair, src, sizeof pair);
  return _mm512_set1_epi32 (pair);
}

static inline Factors set_last_factors (const Element *src)
{
  return _mm512_set1_epi32 (*src);
}

/* Around the intrinsic gcc 12 copies sums. */
static inline Vec add_products (Vec sum, Factors a, Factors b)
{
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(b), "v"(a));
  return sum;
}

/* Denormals become zero, as they do in the sums. */
static inline __m256i narrow (Vec v)
{
  return (__m256i) _mm512_cvtneps_pbh (v);
}

/* The product of v and 1, and that of 0 and 0: a shift less than to widen v and add it. */
static inline Vec add_widened (Vec sum, __m256i v)
{
  return add_products (sum, _mm512_set1_epi32 (ONE), _mm512_cvtepu16_epi32 (v));
}

static inline Vec add_results (Vec sum, const void *src, size_t bytes)
{
  return bytes == sizeof (float) ? add (load (src), sum)
                                 : add_widened (sum, _mm256_loadu_si256 (src));
}

static inline Vec add_some_results (Vec sum, const void *src, Mask mask, size_t bytes)
{
  return bytes == sizeof (float) ? add (load_some (src, mask), sum)
                                 : add_widened (sum, _mm256_maskz_loadu_epi16 (mask, src));
}

static inline void store_results (void *dst, Vec v, size_t bytes)
{
  if (bytes == sizeof (float))
    store (dst, v);
  else
    _mm256_storeu_si256 (dst, narrow (v));
}

static inline void store_some_results (void *dst, Vec v, Mask mask, size_t bytes)
{
  if (bytes == sizeof (float))
    store_some (dst, v, mask);
  else
    _mm256_mask_storeu_epi16 (dst, mask, narrow (v));
}

#define GEMM weir_gemm_avx512_bf16
#include "kernels/cpu/gemm_simd.h"
