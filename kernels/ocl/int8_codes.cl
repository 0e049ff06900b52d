/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codes element by element: from numbers and to them, by tables of 256, sums and products. Codes are
 * bytes; CODE: uchar or char, what they are. */
#include "codes.cl"
#include "types.cl"

#ifndef CODE
#define CODE uchar
#endif

__kernel void quantise (
    __global const real *src, uint src_at, __global uchar *dst, uint dst_at, uint n, Codes codes)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0))
    dst[dst_at + i] = to_code (to_steps (load (src, src_at + i), codes), codes);
}

__kernel void dequantise (__global const CODE *src, uint src_at, __global real *dst, uint dst_at,
    uint n, float scale, int zero)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0))
    store (convert_float (src[src_at + i] - zero) * scale, dst, dst_at + i);
}

/* Rows of n_row bytes, from dst_at on dst_row apart: those of n_channels tables, each for n_run elements
 * in a row. */
__kernel void lookup (__global const uchar *src, uint src_at, __global uchar *dst, uint dst_at,
    __global const uchar *tables, uint tables_at, uint n, uint n_row, uint dst_row, uint n_channels,
    uint n_run)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0)) {
    uint table = i / n_run % n_channels * 256;
    dst[dst_at + i / n_row * dst_row + i % n_row] = tables[tables_at + table + src[src_at + i]];
  }
}

/* Strides by item, pixel, channel: 0 where it is repeated. `factor`: a step in steps of the result; of
 * a product that of both together, in a's. */
typedef struct Operand {
  uint strides[3];
  int zero;
  float factor;
} Operand;

#ifdef PRODUCT
#define COMBINE(x, y) (x * y * a.factor)
#else
#define COMBINE(x, y) fma (x, a.factor, y * b.factor)
#endif

__kernel void combine (__global const CODE *a_src, uint a_at, __global const CODE *b_src, uint b_at,
    __global uchar *dst, uint dst_at, uint n, uint n_pixels, uint n_channels, Operand a, Operand b,
    Codes codes)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0)) {
    uint c = i % n_channels, row = i / n_channels, pixel = row % n_pixels, item = row / n_pixels;
    uint a_i = a_at + item * a.strides[0] + pixel * a.strides[1] + c * a.strides[2];
    uint b_i = b_at + item * b.strides[0] + pixel * b.strides[1] + c * b.strides[2];
    float x = convert_float (a_src[a_i] - a.zero), y = convert_float (b_src[b_i] - b.zero);
    dst[dst_at + i] = to_code (COMBINE (x, y), codes);
  }
}
