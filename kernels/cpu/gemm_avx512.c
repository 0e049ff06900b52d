/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products in f32 for AVX-512. */
#include "kernels/cpu/f32_avx512.h"
#include "kernels/cpu/gemm_f32.h"
#include "kernels/cpu/gemm_tiles_avx512.h"

/* Of the first half of the columns; the others become 0. Zen 4 takes half the time for it, but with
 * one vector the time is that of the loads. */
#define MIN_HALVED 2 /* vectors */
static inline Vec add_half_products (Vec sum, Factors a, Factors b)
{
  __asm__("vfmadd231ps %t2, %t1, %t0" : "+v"(sum) : "v"(b), "v"(a));
  return sum;
}

#define GEMM weir_gemm_avx512
#include "kernels/cpu/gemm_simd.h"
