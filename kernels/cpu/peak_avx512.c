/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peak's loops for AVX-512 without its later parts. */
#include "kernels/peak.h"

#include <immintrin.h>

/* A multiply-add takes 4 cycles and two start in each (Fog, "Instruction tables"): 8 at least. */
#define N_SUMS 16

static double run_f32 (uint32_t n_rounds)
{
  volatile float unknown = 1; /* or the compiler would know the result */
  __m512 one = _mm512_set1_ps (unknown), sums[N_SUMS];
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm512_setzero_ps ();
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = _mm512_fmadd_ps (sums[i], one, one);
  for (int i = 0; i < N_SUMS; i++)
    sum += (double) _mm512_reduce_add_ps (sums[i]);
  return sum;
}

const WeirPeakLoop weir_peak_f32_avx512 = { "avx512_fma", run_f32 };

/* Without VNNI, as in peak_avx2.c. */
static double run_int8 (uint32_t n_rounds)
{
  __m512i ones = _mm512_set1_epi8 (1), wide = _mm512_set1_epi16 (1), sums[N_SUMS];
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm512_setzero_si512 ();
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++) {
      __asm__ volatile("" : "+v"(ones));
      __m512i pairs = _mm512_maddubs_epi16 (ones, ones);
      sums[i] = _mm512_add_epi32 (sums[i], _mm512_madd_epi16 (pairs, wide));
    }
  for (int i = 0; i < N_SUMS; i++)
    sum += _mm512_reduce_add_epi32 (sums[i]);
  return sum;
}

const WeirPeakLoop weir_peak_int8_avx512 = { "avx512", run_int8 };

void weir_stream_avx512 (float *dst, const float *a, const float *b, size_t n);

void weir_stream_avx512 (float *dst, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i += 16)
    _mm512_storeu_ps (dst + i, _mm512_add_ps (_mm512_loadu_ps (a + i), _mm512_loadu_ps (b + i)));
}
