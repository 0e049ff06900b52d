/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies between strided views, from float or half (FROM_F16) to float or half (TO_F16), or of bytes as
 * they are (OF_BYTES).
 *
 * RANK dims, the last innermost in the result; strides and offsets are in elements, modulo 2^32, so
 * that views may run backwards. */
#ifndef RANK
#define RANK 1
#endif
#ifndef WIDTH
#define WIDTH 1
#endif
#define TILE 16

#ifdef OF_BYTES
typedef uchar from_t;
#define FETCH(p, i)  ((p)[i])
#define FETCH4(p, i) (*(const __global uchar4 *) ((p) + (i)))
#elif defined(FROM_F16)
typedef half from_t;
#define FETCH(p, i)  vload_half (i, p)
#define FETCH4(p, i) vloada_half4 (0, (p) + (i))
#else
typedef float from_t;
#define FETCH(p, i)  ((p)[i])
#define FETCH4(p, i) (*(const __global float4 *) ((p) + (i)))
#endif

#ifdef OF_BYTES
typedef uchar to_t;
#define PUT(x, p, i)  ((p)[i] = convert_uchar (x))
#define PUT4(x, p, i) (*(__global uchar4 *) ((p) + (i)) = (x))
#elif defined(TO_F16)
typedef half to_t;
#define PUT(x, p, i)  vstore_half_rte (x, i, p)
#define PUT4(x, p, i) vstorea_half4_rte (x, 0, (p) + (i))
#else
typedef float to_t;
#define PUT(x, p, i)  ((p)[i] = (x))
#define PUT4(x, p, i) (*(__global float4 *) ((p) + (i)) = (x))
#endif

typedef struct Walk {
  uint n_rows; /* product of all sizes but the last (copy), the last two (transpose) */
  uint sizes[10], from[10], to[10];
} Walk;

/* Adds to `from` and `to` what row `row` of the outermost n dims is away. */
void walk_to (Walk walk, int n, uint row, uint *from, uint *to)
{
  for (int d = n - 1; d >= 0; d--) {
    uint outer = row / walk.sizes[d], i = row - outer * walk.sizes[d];
    *from += i * walk.from[d];
    *to += i * walk.to[d];
    row = outer;
  }
}

/* A work item takes WIDTH neighbours (with 4: the last dim goes 1 by 1 in both, all is aligned) in
 * rows that are global_size (1) apart. */
__kernel void copy (__global const from_t *src, uint src_at, __global to_t *dst, uint dst_at, Walk walk)
{
  uint x = get_global_id (0) * WIDTH;
  if (x >= walk.sizes[RANK - 1])
    return;
  for (uint row = get_global_id (1); row < walk.n_rows; row += get_global_size (1)) {
    uint from = src_at + x * walk.from[RANK - 1], to = dst_at + x * walk.to[RANK - 1];
    walk_to (walk, RANK - 1, row, &from, &to);
#if WIDTH == 4
    PUT4 (FETCH4 (src, from), dst, to);
#else
    PUT (FETCH (src, from), dst, to);
#endif
  }
}

#if RANK > 1
/* The last dim goes 1 by 1 in the result, the one before it in the source: squares of both by way of
 * local memory, so that neighbours are read and neighbours are written. */
__kernel __attribute__ ((reqd_work_group_size (TILE, TILE, 1))) void transpose (
    __global const from_t *src, uint src_at, __global to_t *dst, uint dst_at, Walk walk)
{
  __local float tile[TILE][TILE + 1];
  uint lx = get_local_id (0), ly = get_local_id (1);
  uint column = get_group_id (0) * TILE, n_squares = (walk.sizes[RANK - 2] + TILE - 1) / TILE;
  uint n_rows = walk.n_rows * n_squares;
  for (uint i = get_group_id (1); i < n_rows; i += get_num_groups (1)) {
    uint line = i % n_squares * TILE, row = i / n_squares, from = src_at, to = dst_at;
    walk_to (walk, RANK - 2, row, &from, &to);
    if (column + ly < walk.sizes[RANK - 1] && line + lx < walk.sizes[RANK - 2])
      tile[ly][lx] = FETCH (src, from + (column + ly) * walk.from[RANK - 1] + line + lx);
    barrier (CLK_LOCAL_MEM_FENCE);
    if (column + lx < walk.sizes[RANK - 1] && line + ly < walk.sizes[RANK - 2])
      PUT (tile[lx][ly], dst, to + column + lx + (line + ly) * walk.to[RANK - 2]);
    barrier (CLK_LOCAL_MEM_FENCE);
  }
}
#endif

/* One number everywhere: what pads are filled with. */
__kernel void fill (__global to_t *dst, uint dst_at, uint n, float value)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0))
    PUT (value, dst, dst_at + i);
}

/* Pixels of n_from channels to pixels of n_to: n pairs of a channel of the source and of the result. */
__kernel void gather (__global const from_t *src, uint src_at, __global to_t *dst, uint dst_at,
    __global const uint2 *channels, uint channels_at, uint n, uint n_pixels, uint n_from, uint n_to)
{
  uint i = get_global_id (0);
  if (i >= n)
    return;
  uint2 channel = channels[channels_at + i];
  for (uint pixel = get_global_id (1); pixel < n_pixels; pixel += get_global_size (1))
    PUT (FETCH (src, src_at + pixel * n_from + channel.x), dst, dst_at + pixel * n_to + channel.y);
}
