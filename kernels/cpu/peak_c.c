/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peak's loops for every CPU. */
#include "kernels/peak.h"

/* Independent sums: more than the latency of an addition and a product times what starts a cycle.
 */
#define N_SUMS 48

static double run_f32 (uint32_t n_rounds)
{
  volatile float unknown = 1; /* or the compiler would know the result */
  float one = unknown, sums[N_SUMS] = { 0 };
  double sum = 0;
  for (uint32_t round = 0; round < n_rounds; round++)
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = sums[i] * one + one;
  for (int i = 0; i < N_SUMS; i++)
    sum += (double) sums[i];
  return sum;
}

const WeirPeakLoop weir_peak_f32_c = { "plain C", run_f32 };

void weir_stream_c (float *dst, const float *a, const float *b, size_t n);

void weir_stream_c (float *restrict dst, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = a[i] + b[i];
}
