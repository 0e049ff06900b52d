/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sum of a result's parts, each of which has been summed over some of the taps: see
 * convolution.cl with PARTS. VECTOR: 4 where the result's channels are a multiple of 4 and all is
 * aligned, else 1. Options: BIAS; those of results.cl. */
#include "results.cl"

#if VECTOR == 4
typedef float4 reals;
#define PART(parts, i) (*(const __global float4 *) ((parts) + (i)))
#define FETCH          load4_aligned
#define PUT            put4
#else
typedef float reals;
#define PART(parts, i) ((parts)[i])
#define FETCH          load
#define PUT            put
#endif

__kernel void sum_parts (__global const float *parts, uint parts_at, __global const real *bias,
    uint bias_at, __global const real *added, uint added_at, __global real *dst, uint dst_at, int n,
    int n_channels, int n_parts, float8 parameters)
{
  int i = get_global_id (0) * VECTOR;
  if (i >= n)
    return;
  parts += parts_at;
  reals sum = PART (parts, i);
  for (int k = 1; k < n_parts; k++)
    sum += PART (parts + (size_t) k * n, i);
#ifdef BIAS
  sum += FETCH (bias + bias_at, i % n_channels);
#endif
  PUT (sum, added + added_at, dst + dst_at, i, parameters);
}
