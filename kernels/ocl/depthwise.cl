/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions, and transposed ones, of each channel on its own, of channels-last pictures. A work
 * item computes VECTOR channels (4 where they are a multiple of 4 and aligned, else 1) of PIXELS
 * neighbours in a row. Weights are [tap][channel].
 *
 * Options: VECTOR; PIXELS, KERNEL_X, STRIDE_X of `depthwise`; TRANSPOSED of `depthwise_any`; BIAS;
 * those of results.cl. */
#include "results.cl"

#if VECTOR == 4
typedef float4 reals;
#define FETCH load4_aligned
#define PUT   put4
#else
typedef float reals;
#define FETCH load
#define PUT   put
#endif

#ifdef BIAS
#define FIRST(bias, c) FETCH (bias, c)
#else
#define FIRST(bias, c) ((reals) (0.0f))
#endif

#ifdef PIXELS
#define SPAN ((PIXELS - 1) * STRIDE_X + KERNEL_X)

/* Sizes: depth, height, width, channels. Windows of one plane, dilation 1 in x: what a row of the
 * source has for all pixels is read once. */
__kernel void depthwise (__global const real *src, uint src_at, __global const real *weights,
    uint weights_at, __global const real *bias, uint bias_at, __global const real *added, uint added_at,
    __global real *dst, uint dst_at, int4 src_size, int4 dst_size, int4 window, int4 stride,
    int4 dilation, int4 pad, int n_items, float8 parameters)
{
  int n_vectors = dst_size.s3 / VECTOR, c = get_global_id (0) % n_vectors * VECTOR;
  int first = get_global_id (0) / n_vectors * PIXELS, n_rows = n_items * dst_size.s0 * dst_size.s1;
  if (first >= dst_size.s2)
    return;
  src += src_at + c;
  weights += weights_at + c;
  for (int line = get_global_id (1); line < n_rows; line += get_global_size (1)) {
    int y = line % dst_size.s1 * stride.s1 - pad.s1, x = first * STRIDE_X - pad.s2;
    reals sum[PIXELS];
    #pragma unroll
    for (int p = 0; p < PIXELS; p++)
      sum[p] = FIRST (bias + bias_at, c);
    for (int ky = 0; ky < window.s1; ky++) {
      int at = y + ky * dilation.s1;
      if ((uint) at >= (uint) src_size.s1)
        continue;
      int row = (line / dst_size.s1 * src_size.s1 + at) * src_size.s2;
      reals values[SPAN];
      #pragma unroll
      for (int i = 0; i < SPAN; i++)
        values[i] = (uint) (x + i) < (uint) src_size.s2 ? FETCH (src, (row + x + i) * src_size.s3)
                                                        : (reals) (0.0f);
      #pragma unroll
      for (int kx = 0; kx < KERNEL_X; kx++) {
        reals weight = FETCH (weights, (ky * KERNEL_X + kx) * src_size.s3);
        #pragma unroll
        for (int p = 0; p < PIXELS; p++)
          sum[p] = mad (values[p * STRIDE_X + kx], weight, sum[p]);
      }
    }
    #pragma unroll
    for (int p = 0; p < PIXELS; p++)
      if (first + p < dst_size.s2)
        PUT (sum[p], added + added_at, dst + dst_at,
            (line * dst_size.s2 + first + p) * dst_size.s3 + c, parameters);
  }
}
#else

/* Where tap k of place i reads, in one dimension; -1: nowhere. */
int place_of (int i, int k, int stride, int dilation, int pad, int size)
{
#ifdef TRANSPOSED
  int at = i + pad - k * dilation;
  return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
#else
  int at = i * stride + k * dilation - pad;
  return at >= 0 && at < size ? at : -1;
#endif
}

__kernel void depthwise_any (__global const real *src, uint src_at, __global const real *weights,
    uint weights_at, __global const real *bias, uint bias_at, __global const real *added, uint added_at,
    __global real *dst, uint dst_at, int4 src_size, int4 dst_size, int4 window, int4 stride,
    int4 dilation, int4 pad, int n_items, float8 parameters)
{
  int n_vectors = dst_size.s3 / VECTOR, c = get_global_id (0) % n_vectors * VECTOR;
  int column = get_global_id (0) / n_vectors, n_rows = n_items * dst_size.s0 * dst_size.s1;
  if (column >= dst_size.s2)
    return;
  src += src_at + c;
  weights += weights_at + c;
  for (int line = get_global_id (1); line < n_rows; line += get_global_size (1)) {
    int plane = line / dst_size.s1;
    reals sum = FIRST (bias + bias_at, c);
    for (int k = 0; k < window.s0 * window.s1 * window.s2; k++) {
      int z = place_of (plane % dst_size.s0, k / window.s2 / window.s1, stride.s0, dilation.s0, pad.s0,
          src_size.s0);
      int y = place_of (line % dst_size.s1, k / window.s2 % window.s1, stride.s1, dilation.s1, pad.s1,
          src_size.s1);
      int x = place_of (column, k % window.s2, stride.s2, dilation.s2, pad.s2, src_size.s2);
      int row = (plane / dst_size.s0 * src_size.s0 + z) * src_size.s1 + y;
      if (z >= 0 && y >= 0 && x >= 0)
        sum = mad (FETCH (src, (row * src_size.s2 + x) * src_size.s3),
            FETCH (weights, k * src_size.s3), sum);
    }
    PUT (sum, added + added_at, dst + dst_at, (line * dst_size.s2 + column) * dst_size.s3 + c,
        parameters);
  }
}
#endif
