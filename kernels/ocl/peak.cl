/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loops that are nothing but arithmetic, nothing but reading and writing, or nothing.
 *
 * HALF: arithmetic in half, two at once (cl_khr_fp16). WIDE: sixteen floats at once, for processors
 * whose work items do not run in step. DOT: products of 8-bit numbers as well. */
#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
typedef half2 number;
#define WIDEN(x) (float) ((x).x + (x).y)
#elif defined(WIDE)
typedef float16 number;
#define WIDEN(x) ((x).s0 + (x).sf)
#else
typedef float number;
#define WIDEN(x) (x)
#endif

#define N_SUMS 16

/* N_SUMS chains that do not depend on each other, each a multiply-add a round. All tend to 1, so
 * that nothing grows; their sum is stored lest they be left out. */
__kernel void multiply_add (__global float *dst, uint dst_at, uint n_rounds)
{
  number sums[N_SUMS], half_of = (number) (0.5f);
  float sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = (number) ((float) i * 0.125f + (float) (get_local_id (0) & 7));
  for (uint round = 0; round < n_rounds; round++)
#pragma unroll
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = mad (sums[i], half_of, half_of);
  for (int i = 0; i < N_SUMS; i++)
    sum += WIDEN (sums[i]);
  dst[dst_at + get_global_id (0)] = sum;
}

#ifdef DOT
#include "dot.cl"

/* The same of 8-bit numbers, four multiply-adds at once: see dot.cl for its options. No sum leaves
 * -512 to 528, as those that it is multiplied with are 0 or 1. */
__kernel void dot_products (__global float *dst, uint dst_at, uint n_rounds)
{
  int sums[N_SUMS], ones = (int) ((n_rounds & 0x01010101u) | 1u), sum = 0;
  for (int i = 0; i < N_SUMS; i++)
    sums[i] = i + (int) get_local_id (0);
  for (uint round = 0; round < n_rounds; round++)
#pragma unroll
    for (int i = 0; i < N_SUMS; i++)
      sums[i] = dot4 (sums[i], ones, i);
  for (int i = 0; i < N_SUMS; i++)
    sum += sums[i];
  dst[dst_at + get_global_id (0)] = (float) sum;
}
#endif

/* Three streams of n fours of floats, 48 bytes a four. */
__kernel void stream (__global float4 *dst, uint dst_at, __global const float4 *a, uint a_at,
    __global const float4 *b, uint b_at, uint n)
{
  uint i = get_global_id (0);
  if (i < n)
    dst[dst_at + i] = a[a_at + i] + b[b_at + i];
}

__kernel void nothing (__global float *dst, uint dst_at)
{
}
