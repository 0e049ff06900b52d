/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of each channel on its own, of channels-last codes. A work item computes VECTOR channels
 * (4 where they are a multiple of 4 and aligned, else 1) of PIXELS neighbours in a row; what a row of the
 * source has for all of them is read once. Weights are [tap][channel], i8.
 *
 * Options: VECTOR; PIXELS, KERNEL_X, STRIDE_X (of more than one pixel: dilation 1 in x); those of
 * int8_result.cl. */
#include "int8_result.cl"

#if VECTOR == 4
typedef int4 ints;
#define PUT               put_sum4
#define FETCH_CODES(p, i) as_char4 (*(__global const int *) ((p) + (i)) ^ s.flip)
#define FILL              as_char4 (s.fill)
#define FETCH_WEIGHTS(p, i) (*(__global const char4 *) ((p) + (i)))
#define WIDEN               convert_int4
#else
typedef int ints;
#define PUT                 put_sum
#define FETCH_CODES(p, i)   as_char ((uchar) ((p)[i] ^ (s.flip & 255)))
#define FILL                as_char ((uchar) (s.fill & 255))
#define FETCH_WEIGHTS(p, i) ((p)[i])
#define WIDEN               convert_int
#endif
#define SPAN ((PIXELS - 1) * STRIDE_X + KERNEL_X)

/* By depth, height, width; in the last place of the result channels. See int8_product.cl for the words
 * `fill` and `flip`. */
typedef struct Shape {
  int src[3], dst[4], window[2];
  int stride[3], dilation[3], pad[3];
  int n_lines; /* rows of all results */
  int fill, flip;
} Shape;

/* sum += one row of the window, whose source's row begins at pixel `row`; is_inside: it is there. */
void add_row (Shape s, __global const uchar *src, __global const char *weights, int row, int x,
    bool is_inside, ints sum[PIXELS])
{
  ints values[SPAN];
  #pragma unroll
  for (int i = 0; i < SPAN; i++) {
    int at = x + i * s.dilation[2];
    values[i] = WIDEN (is_inside && (uint) at < (uint) s.src[2]
                           ? FETCH_CODES (src, (row + at) * s.dst[3])
                           : FILL);
  }
  #pragma unroll
  for (int k = 0; k < KERNEL_X; k++) {
    ints weight = WIDEN (FETCH_WEIGHTS (weights, k * s.dst[3]));
    #pragma unroll
    for (int p = 0; p < PIXELS; p++)
      sum[p] += values[p * STRIDE_X + k] * weight;
  }
}

__kernel void int8_depthwise (__global const uchar *src, uint src_at, __global const char *weights,
    uint weights_at, __global const int *numbers, uint numbers_at, __global const ADDED *added,
    uint added_at, __global result *dst, uint dst_at, Shape s, Rest rest, float8 parameters)
{
  int n_vectors = s.dst[3] / VECTOR, c = get_global_id (0) % n_vectors * VECTOR;
  int first = get_global_id (0) / n_vectors * PIXELS;
  if (first >= s.dst[2])
    return;
  src += src_at + c;
  weights += weights_at + c;
  for (int line = get_global_id (1); line < s.n_lines; line += get_global_size (1)) {
    int plane = line / s.dst[1], x = first * s.stride[2] - s.pad[2];
    ints sum[PIXELS];
    #pragma unroll
    for (int p = 0; p < PIXELS; p++)
      sum[p] = 0;
    for (int k = 0; k < s.window[0] * s.window[1]; k++) {
      int z = plane % s.dst[0] * s.stride[0] + k / s.window[1] * s.dilation[0] - s.pad[0];
      int y = line % s.dst[1] * s.stride[1] + k % s.window[1] * s.dilation[1] - s.pad[1];
      bool is_inside = (uint) z < (uint) s.src[0] && (uint) y < (uint) s.src[1];
      int row = ((plane / s.dst[0] * s.src[0] + z) * s.src[1] + y) * s.src[2];
      add_row (s, src, weights + k * KERNEL_X * s.dst[3], row, x, is_inside, sum);
    }
    #pragma unroll
    for (int p = 0; p < PIXELS; p++)
      if (first + p < s.dst[2])
        PUT (sum[p], numbers + numbers_at + c, added + added_at, dst + dst_at,
            (line * s.dst[2] + first + p) * s.dst[3] + c, rest, parameters);
  }
}
