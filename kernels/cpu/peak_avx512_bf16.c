/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peak of bf16 for AVX512-BF16: 32 products an instruction. */
#include "kernels/peak.h"

#include <immintrin.h>

#define N_SUMS 16

static double run (uint32_t n_rounds)
{
  volatile float unknown = 1; /* or the compiler would know the result */
  __m512 one = _mm512_set1_ps (unknown), sums[N_SUMS];
  __m512bh ones = _mm512_cvtne2ps_pbh (one, one);
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm512_setzero_ps ();
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = _mm512_dpbf16_ps (sums[i], ones, ones);
  for (int i = 0; i < N_SUMS; i++)
    sum += (double) _mm512_reduce_add_ps (sums[i]);
  return sum;
}

const WeirPeakLoop weir_peak_bf16_avx512_bf16 = { "avx512_bf16", run };
