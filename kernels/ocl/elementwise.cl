/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one or two tensors, element by element, and the chain of posts behind them.
 *
 * Tensors have four dimensions, the last innermost, and strides of their own, in elements, 0 where
 * they are repeated. A work item takes WIDTH neighbours of the last dimension (1 or 4) in rows that
 * are global_size (1) apart: devices limit how many groups there may be. With WIDTH 4 the last
 * dimension goes 1 by 1 (or repeats: A_STEP, B_STEP 0), sizes and offsets are multiples of 4. */
#include "posts.cl"

#ifndef BINARY
#define BINARY binary_add
#endif
#ifndef WIDTH
#define WIDTH 1
#endif

#if WIDTH == 4
typedef float4 reals;
#define FETCH_0(p, i) ((float4) (load (p, i)))
#define FETCH_1(p, i) load4_aligned (p, i)
#define FETCH_(step)  FETCH_##step
#define FETCH(step)   FETCH_ (step)
#define FETCH_A       FETCH (A_STEP)
#define FETCH_B       FETCH (B_STEP)
#define PUT           store4_aligned
#define POST          post4
#else
typedef float reals;
#define FETCH_A load
#define FETCH_B load
#define PUT     store
#define POST    post
#endif

#define binary_add(a, b)   ((a) + (b))
#define binary_sub(a, b)   ((a) - (b))
#define binary_mul(a, b)   ((a) * (b))
#define binary_div(a, b)   ((a) / (b))
#define binary_max(a, b)   fmax (a, b)
#define binary_min(a, b)   fmin (a, b)
#define binary_prelu(a, b) select ((a) * (b), a, (a) >= 0)

uint offset_of (uint row, uint x, uint4 sizes, uint4 strides)
{
  uint outer = row / sizes.s2;
  return outer / sizes.s1 * strides.s0 + outer % sizes.s1 * strides.s1 +
         row % sizes.s2 * strides.s2 + x * strides.s3;
}

__kernel void unary (__global const real *src, uint src_at, __global real *dst, uint dst_at,
    uint4 sizes, uint4 src_strides, uint4 dst_strides, float8 parameters)
{
  uint x = get_global_id (0) * WIDTH;
  if (x >= sizes.s3)
    return;
  src += src_at;
  dst += dst_at;
  for (uint row = get_global_id (1); row < sizes.s0 * sizes.s1 * sizes.s2;
       row += get_global_size (1)) {
    reals y = FETCH_A (src, offset_of (row, x, sizes, src_strides));
    PUT (POST (y, parameters), dst, offset_of (row, x, sizes, dst_strides));
  }
}

__kernel void binary (__global const real *a, uint a_at, __global const real *b, uint b_at,
    __global real *dst, uint dst_at, uint4 sizes, uint4 a_strides, uint4 b_strides,
    uint4 dst_strides, float8 parameters)
{
  uint x = get_global_id (0) * WIDTH;
  if (x >= sizes.s3)
    return;
  a += a_at;
  b += b_at;
  dst += dst_at;
  for (uint row = get_global_id (1); row < sizes.s0 * sizes.s1 * sizes.s2;
       row += get_global_size (1)) {
    reals left = FETCH_A (a, offset_of (row, x, sizes, a_strides));
    reals right = FETCH_B (b, offset_of (row, x, sizes, b_strides));
    reals y = BINARY (left, right);
    PUT (POST (y, parameters), dst, offset_of (row, x, sizes, dst_strides));
  }
}
