/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolutions at stride 1 by Winograd's minimal filtering (A. Lavin, S. Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2016): what is before and behind the products, which
 * convolution.cl computes as those of as many groups as there are planes.
 *
 * A tile of RESULTS x RESULTS results needs EXTENT x EXTENT pixels of the source, which become as many
 * numbers for each channel: a pixel of PLANES groups of channels. Between the kernels all is float,
 * whatever the tensors are stored as. A work item has VECTOR channels (4 where they are a multiple of
 * 4 and aligned, else 1) of a tile.
 *
 * Options: RESULTS: 2, whose polynomials are evaluated at 0, 1, -1 and infinity, or 4, at the points
 * of winograd_points.h; VECTOR; BIAS; those of results.cl. */
#include "results.cl"
#include "../winograd_points.h"

#define EXTENT (RESULTS + 2)
#define PLANES (EXTENT * EXTENT)

#if VECTOR == 4
typedef float4 reals;
#define FETCH      load4_aligned
#define PUT        put4
#define FLOATS(p)  (*(const __global float4 *) (p))
#define KEEP(x, p) (*(__global float4 *) (p) = (x))
#else
typedef float reals;
#define FETCH      load
#define PUT        put
#define FLOATS(p)  (*(p))
#define KEEP(x, p) (*(p) = (x))
#endif

/* With m (x) the product of all x - point, the coefficients of m (x) / (x - point) times d, for
 * infinity those of m (x). */
void transform_source (reals dst[EXTENT], const reals d[EXTENT])
{
#if RESULTS == 2
  dst[0] = d[2] - d[0];
  dst[1] = d[2] + d[1];
  dst[2] = d[2] - d[1];
  dst[3] = d[3] - d[1];
#else
  const float both = WINOGRAD_A2 * WINOGRAD_B2, sum = WINOGRAD_A2 + WINOGRAD_B2;
  reals even = d[4] - WINOGRAD_B2 * d[2], odd = WINOGRAD_A * (d[3] - WINOGRAD_B2 * d[1]);
  dst[0] = both * d[0] + d[4] - sum * d[2];
  dst[1] = even + odd;
  dst[2] = even - odd;
  even = d[4] - WINOGRAD_A2 * d[2];
  odd = WINOGRAD_B * (d[3] - WINOGRAD_A2 * d[1]);
  dst[3] = even + odd;
  dst[4] = even - odd;
  dst[5] = both * d[1] + d[5] - sum * d[3];
#endif
}

/* The sum of point^row times m, of infinity only in the last row. */
void transform_sums (reals dst[RESULTS], const reals m[EXTENT])
{
#if RESULTS == 2
  dst[0] = m[0] + (m[1] + m[2]);
  dst[1] = m[1] - m[2] + m[3];
#else
  reals a_even = m[1] + m[2], a_odd = m[1] - m[2], b_even = m[3] + m[4], b_odd = m[3] - m[4];
  dst[0] = m[0] + (a_even + b_even);
  dst[1] = WINOGRAD_A * a_odd + WINOGRAD_B * b_odd;
  dst[2] = WINOGRAD_A2 * a_even + WINOGRAD_B2 * b_even;
  dst[3] = WINOGRAD_A3 * a_odd + WINOGRAD_B3 * b_odd + m[5];
#endif
}

/* Item, row and column of a tile. */
int4 place_of (int tile, int4 tiles)
{
  int line = tile / tiles.s1;
  return (int4) (line / tiles.s0, line % tiles.s0, tile % tiles.s1, 0);
}

/* Sizes: height, width, channels. tiles: rows and columns of an item's tiles, the first tile, how
 * many. dst has [tile][plane][channel]. */
__kernel void load_tiles (__global const real *src, uint src_at, __global float *dst, uint dst_at,
    int4 src_size, int4 tiles, int4 pad)
{
  const int n_vectors = src_size.s2 / VECTOR, i = get_global_id (0);
  if (i >= tiles.s3 * n_vectors)
    return;
  const int c = i % n_vectors * VECTOR;
  int4 place = place_of (tiles.s2 + i / n_vectors, tiles);
  int first_y = place.s1 * RESULTS - pad.s0, first_x = place.s2 * RESULTS - pad.s1;
  reals rows[EXTENT][EXTENT];
  src += src_at + c;
  #pragma unroll
  for (int x = 0; x < EXTENT; x++) {
    reals column[EXTENT], transformed[EXTENT];
    #pragma unroll
    for (int y = 0; y < EXTENT; y++) {
      bool is_inside =
          (uint) (first_y + y) < (uint) src_size.s0 && (uint) (first_x + x) < (uint) src_size.s1;
      int pixel = (place.s0 * src_size.s0 + first_y + y) * src_size.s1 + first_x + x;
      column[y] = is_inside ? FETCH (src, pixel * src_size.s2) : (reals) (0.0f);
    }
    transform_source (transformed, column);
    #pragma unroll
    for (int y = 0; y < EXTENT; y++)
      rows[y][x] = transformed[y];
  }
  dst += dst_at + i / n_vectors * PLANES * src_size.s2 + c;
  #pragma unroll
  for (int y = 0; y < EXTENT; y++) {
    reals row[EXTENT];
    transform_source (row, rows[y]);
    #pragma unroll
    for (int x = 0; x < EXTENT; x++)
      KEEP (row[x], dst + (y * EXTENT + x) * src_size.s2);
  }
}

__kernel void store_tiles (__global const float *src, uint src_at, __global const real *bias,
    uint bias_at, __global const real *added, uint added_at, __global real *dst, uint dst_at,
    int4 dst_size, int4 tiles, float8 parameters)
{
  const int n_vectors = dst_size.s2 / VECTOR, i = get_global_id (0);
  if (i >= tiles.s3 * n_vectors)
    return;
  const int c = i % n_vectors * VECTOR;
  int4 place = place_of (tiles.s2 + i / n_vectors, tiles);
  reals rows[RESULTS][EXTENT];
  src += src_at + i / n_vectors * PLANES * dst_size.s2 + c;
  #pragma unroll
  for (int x = 0; x < EXTENT; x++) {
    reals column[EXTENT], sums[RESULTS];
    #pragma unroll
    for (int y = 0; y < EXTENT; y++)
      column[y] = FLOATS (src + (y * EXTENT + x) * dst_size.s2);
    transform_sums (sums, column);
    #pragma unroll
    for (int y = 0; y < RESULTS; y++)
      rows[y][x] = sums[y];
  }
  #pragma unroll
  for (int y = 0; y < RESULTS; y++) {
    reals row[RESULTS];
    int at_y = place.s1 * RESULTS + y;
    transform_sums (row, rows[y]);
    #pragma unroll
    for (int x = 0; x < RESULTS; x++) {
      int at_x = place.s2 * RESULTS + x;
      if (at_y >= dst_size.s0 || at_x >= dst_size.s1)
        continue;
#ifdef BIAS
      row[x] += FETCH (bias + bias_at, c);
#endif
      PUT (row[x], added + added_at, dst + dst_at,
          ((place.s0 * dst_size.s0 + at_y) * dst_size.s1 + at_x) * dst_size.s2 + c, parameters);
    }
  }
}
