/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of channels-last codes as a product of matrices that are not there, as in
 * convolution.cl, with words of four codes in place of numbers: rows are pixels of the result, columns
 * its channels, and what is summed over are the taps of the window and the source's channels.
 *
 * A work group computes TILE_M rows of TILE_N columns in steps of STEP words of a tap, which it has in
 * local memory; a work item ITEM_M x ITEM_N of them, in fours that are ITEMS_M (ITEMS_N) fours apart.
 * What the next step needs is on its way while one is computed. Where the window's columns are
 * neighbours in memory, a row of the window is one tap.
 *
 * Codes are read as i8: `flip` turns the first bit of u8. Outside of the picture stands the zero point,
 * so that what it adds to a sum is the same for all of a channel (and in `numbers`); behind the end of a
 * tap stand zeros.
 *
 * Options: the tile's five; VECTOR: 16, 4 where the bytes of a group's tap are multiples of that, and
 * aligned, else 1; DST_VECTOR: 4 where the channels of a group are such, else 1; those of dot.cl and
 * int8_result.cl. */
#include "dot.cl"
#include "int8_result.cl"

#define ITEMS_M (TILE_M / ITEM_M)
#define ITEMS_N (TILE_N / ITEM_N)
#define ITEMS   (ITEMS_M * ITEMS_N)
#define A_ROW   (TILE_M / 4 + 1) /* int4: one more, against conflicts of banks */
#define B_ROW   (TILE_N / 4)
#define STEP_4  (STEP / 4)
#define A_LOADS (TILE_M * STEP_4 / ITEMS)
#define A_APART (ITEMS / STEP_4) /* rows between those that an item fetches */
#define B_LOADS (B_ROW * STEP / ITEMS)
#define NOWHERE (-(1 << 29)) /* a row of no picture */

/* By depth, height, width, and in the last place: */
typedef struct Shape {
  int src[4];    /* bytes of a pixel; in place of the width, bytes of a row */
  int dst[4];    /* channels */
  int window[4]; /* bytes of a tap */
  int stride[3], dilation[3], pad[3];
  int n_rows, n_columns; /* of a group */
  int n_groups, n_tiles; /* of columns */
  int fill, flip;        /* words */
} Shape;

/* A tap: its place in the window, and how many came before it. */
typedef struct Tap {
  int z, y, x, index;
} Tap;

Tap next_tap (const Shape *s, Tap tap)
{
  tap.index++;
  if (++tap.x == s->window[2]) {
    tap.x = 0;
    if (++tap.y == s->window[1]) {
      tap.y = 0;
      tap.z++;
    }
  }
  return tap;
}

/* Where row m reads without its tap's offset: depth, height, byte of the source's row; where that row
 * begins. */
int4 locate (const Shape *s, int m, int first_byte)
{
  int line = m / s->dst[2], plane = line / s->dst[1];
  int z = plane % s->dst[0] * s->stride[0] - s->pad[0];
  int y = line % s->dst[1] * s->stride[1] - s->pad[1];
  int x = m % s->dst[2] * s->stride[2] - s->pad[2];
  int row = ((plane / s->dst[0] * s->src[0] + z) * s->src[1] + y) * s->src[2];
  return (int4) (m < s->n_rows ? z : NOWHERE, y, x * s->src[3] + first_byte, row);
}

/* A word of a row of the source, of which n_left bytes are of this tap. */
int fetch_word (const Shape *s, __global const uchar *src, int at, int x, int n_left, bool is_inside)
{
#if VECTOR == 4
  if (n_left <= 0)
    return 0;
  return is_inside && (uint) x < (uint) s->src[2] ? *(__global const int *) (src + at + x) ^ s->flip
                                                  : s->fill;
#else
  uint word = 0;
  for (int k = 0; k < min (n_left, 4); k++) {
    uint code = is_inside && (uint) (x + k) < (uint) s->src[2] ? src[at + x + k] ^ (s->flip & 255)
                                                               : s->fill & 255;
    word |= code << 8 * k;
  }
  return as_int (word);
#endif
}

int4 fetch (const Shape *s, __global const uchar *src, int at, int x, int n_left, bool is_inside)
{
#if VECTOR == 16
  if (n_left <= 0)
    return (int4) (0);
  return is_inside && (uint) x < (uint) s->src[2]
             ? *(__global const int4 *) (src + at + x) ^ (int4) (s->flip)
             : (int4) (s->fill);
#else
  return (int4) (fetch_word (s, src, at, x, n_left, is_inside),
      fetch_word (s, src, at, x + 4, n_left - 4, is_inside),
      fetch_word (s, src, at, x + 8, n_left - 8, is_inside),
      fetch_word (s, src, at, x + 12, n_left - 12, is_inside));
#endif
}

/* What this item has of the next step: rows of the source, from `byte` of a tap on. */
void fetch_rows (const Shape *s, __global const uchar *src, const int4 rows[A_LOADS], Tap tap,
    int byte, int4 values[A_LOADS])
{
  int z = tap.z * s->dilation[0], y = tap.y * s->dilation[1];
  int x = tap.x * s->dilation[2] * s->src[3] + byte, first = (z * s->src[1] + y) * s->src[2];
  #pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    bool is_inside = (uint) (rows[i].s0 + z) < (uint) s->src[0] &&
                     (uint) (rows[i].s1 + y) < (uint) s->src[1];
    values[i] = fetch (s, src, rows[i].s3 + first, rows[i].s2 + x, s->window[3] - byte, is_inside);
  }
}

/* … and of the weights: rows from `first` on, from `column` on, of n_columns. */
void fetch_weights (
    __global const int *weights, int first, int item, int column, int n_columns, int4 values[B_LOADS])
{
  #pragma unroll
  for (int i = 0; i < B_LOADS; i++) {
    int row = first + item / B_ROW + i * (ITEMS / B_ROW);
    values[i] = column < n_columns ? *(__global const int4 *) (weights + row * n_columns + column)
                                   : (int4) (0);
  }
}

/* Into local memory, the source with its words as rows. */
void keep (__local int4 *a_tile, __local int4 *b_tile, int item, const int4 a[A_LOADS],
    const int4 b[B_LOADS])
{
  __local int *column = (__local int *) (a_tile + item % STEP_4 * 4 * A_ROW) + item / STEP_4;
  #pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    column[i * A_APART] = a[i].s0;
    column[i * A_APART + 4 * A_ROW] = a[i].s1;
    column[i * A_APART + 8 * A_ROW] = a[i].s2;
    column[i * A_APART + 12 * A_ROW] = a[i].s3;
  }
  #pragma unroll
  for (int i = 0; i < B_LOADS; i++)
    b_tile[item + i * ITEMS] = b[i];
}

void multiply (int4 sum[ITEM_M][ITEM_N / 4], __local const int4 *a, __local const int4 *b)
{
  int4 right[ITEM_N / 4];
  #pragma unroll
  for (int j = 0; j < ITEM_N / 4; j++)
    right[j] = b[j * ITEMS_N];
  #pragma unroll
  for (int i = 0; i < ITEM_M / 4; i++) {
    int4 left = a[i * ITEMS_M];
    #pragma unroll
    for (int j = 0; j < ITEM_N / 4; j++) {
      sum[4 * i][j] = dot4_each (left.s0, right[j], sum[4 * i][j]);
      sum[4 * i + 1][j] = dot4_each (left.s1, right[j], sum[4 * i + 1][j]);
      sum[4 * i + 2][j] = dot4_each (left.s2, right[j], sum[4 * i + 2][j]);
      sum[4 * i + 3][j] = dot4_each (left.s3, right[j], sum[4 * i + 3][j]);
    }
  }
}

/* sum += the group's tile. */
void multiply_tile (const Shape *s, __global const uchar *src, const int4 rows[A_LOADS],
    __global const int *weights, int column, int n_columns, __local int4 *a_tile,
    __local int4 *b_tile, int4 sum[ITEM_M][ITEM_N / 4])
{
  const int item = get_local_id (0), item_byte = item % STEP_4 * 16;
  const int tap_words = (s->window[3] + 3) / 4;
  int4 a[A_LOADS], b[B_LOADS];
  Tap tap = { 0, 0, 0, 0 };
  bool is_first = true;
  int word = 0;
  while (true) {
    bool is_left = tap.z < s->window[0];
    if (is_left) {
      fetch_rows (s, src, rows, tap, word * 4 + item_byte, a);
      fetch_weights (weights, tap.index * tap_words + word, item, column, n_columns, b);
    }
    if (!is_first) {
      #pragma unroll 4
      for (int k = 0; k < STEP; k++)
        multiply (sum, a_tile + k * A_ROW + item / ITEMS_N, b_tile + k * B_ROW + item % ITEMS_N);
    }
    if (!is_left)
      return;
    barrier (CLK_LOCAL_MEM_FENCE);
    keep (a_tile, b_tile, item, a, b);
    barrier (CLK_LOCAL_MEM_FENCE);
    is_first = false;
    word += STEP;
    if (word >= tap_words) {
      word = 0;
      tap = next_tap (s, tap);
    }
  }
}

/* Four results of channels n to n + 3 of a group of n_outputs. */
void put_results (int4 sum, int n, int n_outputs, __global const int *numbers,
    __global const ADDED *added, __global result *dst, int at, Rest rest, float8 parameters)
{
#if DST_VECTOR == 4
  put_sum4 (sum, numbers, added, dst, at, rest, parameters);
#else
  int sums[4] = { sum.s0, sum.s1, sum.s2, sum.s3 };
  for (int q = 0; q < 4 && n + q < n_outputs; q++)
    put_sum (sums[q], numbers + q, added, dst, at + q, rest, parameters);
#endif
}

/* Weights are words, [group][tap][word][column], the columns filled up to 4; STEP more rows behind the
 * last. */
__attribute__ ((reqd_work_group_size (ITEMS, 1, 1)))
__kernel void int8_product (__global const uchar *src, uint src_at, __global const int *weights,
    uint weights_at, __global const int *numbers, uint numbers_at, __global const ADDED *added,
    uint added_at, __global result *dst, uint dst_at, Shape s, Rest rest, float8 parameters)
{
  __local int4 a_tile[STEP * A_ROW], b_tile[STEP * B_ROW];
  const int item = get_local_id (0), group = get_group_id (1), n_columns = (s.n_columns + 3) / 4 * 4;
  const int first_m = get_group_id (0) / s.n_tiles * TILE_M;
  const int first_n = get_group_id (0) % s.n_tiles * TILE_N;
  const int tap_words = (s.window[3] + 3) / 4;
  int4 rows[A_LOADS], sum[ITEM_M][ITEM_N / 4];
  #pragma unroll
  for (int i = 0; i < A_LOADS; i++)
    rows[i] = locate (&s, first_m + item / STEP_4 + i * A_APART, group * s.window[3]);
  #pragma unroll
  for (int i = 0; i < ITEM_M * ITEM_N / 4; i++)
    sum[i / (ITEM_N / 4)][i % (ITEM_N / 4)] = (int4) (0);
  weights += weights_at + group * s.window[0] * s.window[1] * s.window[2] * tap_words * n_columns;
  numbers += numbers_at + group * s.n_columns;
  multiply_tile (&s, src + src_at, rows, weights, first_n + item % B_ROW * 4, n_columns, a_tile, b_tile,
      sum);
  #pragma unroll
  for (int i = 0; i < ITEM_M; i++) {
    int m = first_m + (i / 4 * ITEMS_M + item / ITEMS_N) * 4 + i % 4;
    #pragma unroll
    for (int j = 0; j < ITEM_N / 4; j++) {
      int n = first_n + (j * ITEMS_N + item % ITEMS_N) * 4;
      if (m < s.n_rows && n < s.n_columns)
        put_results (sum[i][j], n, s.n_columns, numbers + n, added + added_at, dst + dst_at,
            m * s.dst[3] + group * s.n_columns + n, rest, parameters);
    }
  }
}
