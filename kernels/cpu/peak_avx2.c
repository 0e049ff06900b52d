/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peak's loops for AVX2. */
#include "kernels/peak.h"

#include <immintrin.h>

/* A multiply-add takes 4 cycles and two start in each (Fog, "Instruction tables"): 8 at least; with
 * `one` 13 of the 16 registers. */
#define N_SUMS 12

static double run_f32 (uint32_t n_rounds)
{
  volatile float unknown = 1; /* or the compiler would know the result */
  __m256 one = _mm256_set1_ps (unknown), sums[N_SUMS];
  float lanes[8];
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm256_setzero_ps ();
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = _mm256_fmadd_ps (sums[i], one, one);
  for (int i = 0; i < N_SUMS; i++) {
    _mm256_storeu_ps (lanes, sums[i]);
    for (int k = 0; k < 8; k++)
      sum += (double) lanes[k];
  }
  return sum;
}

const WeirPeakLoop weir_peak_f32_avx2 = { "avx2_fma", run_f32 };

/* Without VNNI: products summed in pairs in 16 bits, these in pairs in 32. The empty assembly keeps
 * the compiler from doing the same products only once. */
static double run_int8 (uint32_t n_rounds)
{
  __m256i ones = _mm256_set1_epi8 (1), wide = _mm256_set1_epi16 (1), sums[N_SUMS];
  int32_t lanes[8];
  double sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = _mm256_setzero_si256 ();
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++) {
      __asm__ volatile("" : "+x"(ones));
      __m256i pairs = _mm256_maddubs_epi16 (ones, ones);
      sums[i] = _mm256_add_epi32 (sums[i], _mm256_madd_epi16 (pairs, wide));
    }
  for (int i = 0; i < N_SUMS; i++) {
    _mm256_storeu_si256 ((__m256i *) lanes, sums[i]);
    for (int k = 0; k < 8; k++)
      sum += lanes[k];
  }
  return sum;
}

const WeirPeakLoop weir_peak_int8_avx2 = { "avx2", run_int8 };

void weir_stream_avx2 (float *dst, const float *a, const float *b, size_t n);

void weir_stream_avx2 (float *dst, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i += 8)
    _mm256_storeu_ps (dst + i, _mm256_add_ps (_mm256_loadu_ps (a + i), _mm256_loadu_ps (b + i)));
}
