/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peak of int8 for AVX512-VNNI: 64 products a instruction. */
#include "kernels/peak.h"

#include <immintrin.h>

#define N_SUMS 16 /* 5 cycles, two start in each */

static double run (uint32_t n_rounds)
{
  __m512i ones = _mm512_set1_epi8 (1), sums[N_SUMS];
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm512_setzero_si512 ();
  __asm__ volatile("" : "+v"(ones)); /* or the compiler would know the result */
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = _mm512_dpbusd_epi32 (sums[i], ones, ones);
  for (int i = 0; i < N_SUMS; i++)
    sum += _mm512_reduce_add_epi32 (sums[i]);
  return sum;
}

const WeirPeakLoop weir_peak_int8_avx512_vnni = { "avx512_vnni", run };
