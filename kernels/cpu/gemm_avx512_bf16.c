/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products of bf16 for AVX512-BF16. */
#include "kernels/cpu/gemm_bf16.h"
#include "kernels/cpu/gemm_tiles_avx512.h"

#include <string.h>

typedef Pairs Factors;
#define PER_STEP        2
#define load_factors(p) load_weight_pairs (p)

/* Of the first half of the columns; the others become 0. Zen 4 takes half the time for it. */
#define MIN_HALVED 1 /* vectors */
static inline Vec add_half_products (Vec sum, Factors a, Factors b)
{
  __asm__("vdpbf16ps %t2, %t1, %t0" : "+v"(sum) : "v"(b), "v"(a));
  return sum;
}

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

#define GEMM weir_gemm_avx512_bf16
#include "kernels/cpu/gemm_simd.h"
