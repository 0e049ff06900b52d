/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of channels-last pictures, and transposed ones, as a product of matrices that are not
 * there: rows are pixels of the result, columns its channels, and what is summed over are the taps
 * of the window and the source's channels.
 *
 * A work group computes TILE_M rows of TILE_N columns in steps of STEP elements of a tap, which it
 * has in local memory; a work item ITEM_M x ITEM_N of them, in fours that are ITEMS_M (ITEMS_N) fours
 * apart, so that neighbours read neighbours. What the next step needs is on its way while one is
 * computed.
 *
 * Where the window's columns are neighbours in memory (one group, dilation 1), a row of the window is
 * one tap of width · channels elements. Nothing is divided within the loop.
 *
 * A transposed convolution with strides is one of its own for each phase (the place of a result
 * modulo the stride): the taps that reach it are those where phase + pad - tap · dilation divides by
 * the stride; it is then a convolution with stride 1 (V. Dumoulin, F. Visin, A guide to convolution
 * arithmetic for deep learning, 2016, section 4).
 *
 * Options: the tile's five; VECTOR, DST_VECTOR: 4 where the channels of a group of the source (of the
 * result) are a multiple of 4 and aligned, else 1; POINTWISE: one tap that is always within the
 * picture; TRANSPOSED; PARTS or SEQUENCE; BIAS; those of results.cl.
 *
 * A sum may be made of parts, each added up on its own: PART_STEP elements of a tap are in one. With
 * PARTS, a group computes one of them as floats, and parts.cl has the rest: for results so small that
 * else most of the device would idle. With SEQUENCE, it computes all, and gives the same bytes. */
#include "results.cl"

#define ITEMS_M (TILE_M / ITEM_M)
#define ITEMS_N (TILE_N / ITEM_N)
#define ITEMS   (ITEMS_M * ITEMS_N)
#define A_ROW   (TILE_M / 4 + 1) /* float4: one more, against conflicts of banks */
#define B_ROW   (TILE_N / 4)
#define STEP_4  (STEP / 4)
#define A_LOADS (TILE_M * STEP_4 / ITEMS)
#define A_APART (ITEMS / STEP_4) /* rows between those that an item fetches */
#define B_LOADS (B_ROW * STEP / ITEMS)
#define NOWHERE (-(1 << 29)) /* a row of no picture */
/* Whatever STEP is: a part is the same in all tiles. */
#define PART_STEP 16

/* What the work items of a group share. Sizes are depth, height, width, and in the last number: */
typedef struct Shape {
  int4 src;     /* elements of a pixel; in place of the width, elements of a row */
  int4 dst;     /* elements of a pixel */
  int4 rows;    /* of a phase: `dst` where it is not transposed */
  int4 window;  /* elements of a tap */
  int4 stride, dilation, pad;
  int4 phase;
} Shape;

/* From a tap to where it reads, for the result that the rows are counted from. */
int4 offset_of (const Shape *s, int4 tap)
{
#ifdef TRANSPOSED
  return (s->phase + s->pad - tap * s->dilation) / s->stride;
#else
  return tap * s->dilation - s->pad;
#endif
}

/* Whether the tap has part in results of this phase. */
bool reaches (const Shape *s, int4 tap)
{
#ifdef TRANSPOSED
  int4 rest = (s->phase + s->pad - tap * s->dilation) % s->stride;
  return rest.s0 == 0 && rest.s1 == 0 && rest.s2 == 0;
#else
  return true;
#endif
}

/* The first tap from this one on that has part; s0 is beyond the window where there is none. */
int4 find_tap (const Shape *s, int4 tap)
{
  while (true) {
    if (tap.s2 == s->window.s2) {
      tap.s2 = 0;
      tap.s1++;
    }
    if (tap.s1 == s->window.s1) {
      tap.s1 = 0;
      tap.s0++;
    }
    if (tap.s0 >= s->window.s0 || reaches (s, tap))
      return tap;
    tap.s2++;
  }
}

/* Picture, depth, height, width of row m. */
int4 unfold (const Shape *s, int m)
{
  int line = m / s->rows.s2, plane = line / s->rows.s1;
  return (int4) (plane / s->rows.s0, plane % s->rows.s0, line % s->rows.s1, m % s->rows.s2);
}

/* Where row m reads without its tap's offset: depth, height, element of the source's row; where that
 * row begins. `element`: in the pixel. */
int4 locate (const Shape *s, int m, bool is_there, int element)
{
#ifdef POINTWISE
  return (int4) (0, 0, is_there ? m * s->src.s3 + element : NOWHERE, 0);
#else
  int4 at = unfold (s, m);
#ifndef TRANSPOSED
  at.s1 *= s->stride.s0;
  at.s2 *= s->stride.s1;
  at.s3 *= s->stride.s2;
#endif
  return (int4) (is_there ? at.s1 : NOWHERE, at.s2, at.s3 * s->src.s3 + element,
      ((at.s0 * s->src.s0 + at.s1) * s->src.s1 + at.s2) * s->src.s2);
#endif
}

/* Four elements of a row of the source, of which n_left are of this tap; 0 outside. */
float4 fetch (__global const real *src, int at, int x, int row_length, int n_left)
{
#if VECTOR == 4
  if (n_left <= 0 || (uint) x >= (uint) row_length)
    return (float4) (0.0f);
  return load4_aligned (src, at + x);
#else
  float4 value = (float4) (0.0f);
  if (n_left > 0 && (uint) x < (uint) row_length)
    value.s0 = load (src, at + x);
  if (n_left > 1 && (uint) (x + 1) < (uint) row_length)
    value.s1 = load (src, at + x + 1);
  if (n_left > 2 && (uint) (x + 2) < (uint) row_length)
    value.s2 = load (src, at + x + 2);
  if (n_left > 3 && (uint) (x + 3) < (uint) row_length)
    value.s3 = load (src, at + x + 3);
  return value;
#endif
}

/* What this item has of the next step: rows of the source, at `element` of a tap. */
void fetch_rows (const Shape *s, __global const real *src, const int4 rows[A_LOADS], int4 tap,
    int element, int item_element, float4 values[A_LOADS])
{
  int4 offset = offset_of (s, tap);
  int x = offset.s2 * s->src.s3 + element, first = (offset.s0 * s->src.s1 + offset.s1) * s->src.s2;
  #pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    int n_left = s->window.s3 - element - item_element, at = 0;
#ifndef POINTWISE
    int z = rows[i].s0 + offset.s0, y = rows[i].s1 + offset.s1;
    if ((uint) z >= (uint) s->src.s0 || (uint) y >= (uint) s->src.s1)
      n_left = 0;
    at = rows[i].s3 + first;
#endif
    values[i] = fetch (src, at, rows[i].s2 + x, s->src.s2, n_left);
  }
}

/* … and of the weights: from `column` on, of n_columns. */
void fetch_weights (const Shape *s, __global const real *weights, int4 tap, int element, int item,
    int column, int n_columns, float4 values[B_LOADS])
{
  int first = ((tap.s0 * s->window.s1 + tap.s1) * s->window.s2 + tap.s2) * s->window.s3 + element;
  #pragma unroll
  for (int i = 0; i < B_LOADS; i++) {
    int row = first + item / B_ROW + i * (ITEMS / B_ROW);
    values[i] = (float4) (0.0f);
    if (column < n_columns)
      values[i] = load4_aligned (weights, row * n_columns + column);
  }
}

/* Into local memory, the source with its elements as rows. */
void keep (__local float4 *a_tile, __local float4 *b_tile, int item, const float4 a[A_LOADS],
    const float4 b[B_LOADS])
{
  __local float *column = (__local float *) (a_tile + item % STEP_4 * 4 * A_ROW) + item / STEP_4;
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

void multiply (float4 sum[ITEM_M][ITEM_N / 4], __local const float4 *a, __local const float4 *b)
{
  float4 right[ITEM_N / 4];
  #pragma unroll
  for (int j = 0; j < ITEM_N / 4; j++)
    right[j] = b[j * ITEMS_N];
  #pragma unroll
  for (int i = 0; i < ITEM_M / 4; i++) {
    float4 left = a[i * ITEMS_M];
    #pragma unroll
    for (int j = 0; j < ITEM_N / 4; j++) {
      sum[4 * i][j] = mad ((float4) (left.s0), right[j], sum[4 * i][j]);
      sum[4 * i + 1][j] = mad ((float4) (left.s1), right[j], sum[4 * i + 1][j]);
      sum[4 * i + 2][j] = mad ((float4) (left.s2), right[j], sum[4 * i + 2][j]);
      sum[4 * i + 3][j] = mad ((float4) (left.s3), right[j], sum[4 * i + 3][j]);
    }
  }
}

/* sum += the group's tile, in at most n_steps times PART_STEP elements, those before `first` left out.
 */
void multiply_tile (const Shape *s, __global const real *src, const int4 rows[A_LOADS],
    __global const real *weights, int column, int n_columns, int first, int n_steps,
    __local float4 *a_tile, __local float4 *b_tile, float4 sum[ITEM_M][ITEM_N / 4])
{
  const int item = get_local_id (0), item_element = item % STEP_4 * 4;
  const int tap_steps = (s->window.s3 + PART_STEP - 1) / PART_STEP, first_tap = first / tap_steps;
  float4 a[A_LOADS], b[B_LOADS];
  int4 tap = find_tap (s, (int4) (first_tap / s->window.s2 / s->window.s1,
      first_tap / s->window.s2 % s->window.s1, first_tap % s->window.s2, 0));
  bool is_first = true;
  int element = first % tap_steps * PART_STEP;
  while (true) {
    bool is_left = tap.s0 < s->window.s0 && (element % PART_STEP != 0 || n_steps-- > 0);
    if (is_left) {
      fetch_rows (s, src, rows, tap, element, item_element, a);
      fetch_weights (s, weights, tap, element, item, column, n_columns, b);
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
    element += STEP;
    if (element >= s->window.s3) {
      element = 0;
      tap.s2++;
      tap = find_tap (s, tap);
    }
  }
}

void fill (float4 sum[ITEM_M][ITEM_N / 4], float value)
{
  #pragma unroll
  for (int i = 0; i < ITEM_M * ITEM_N / 4; i++)
    sum[i / (ITEM_N / 4)][i % (ITEM_N / 4)] = (float4) (value);
}

/* The pixel of the result that row m is; -1: none. */
int pixel_of (const Shape *s, int m, int n_rows)
{
#ifdef TRANSPOSED
  int4 at = unfold (s, m);
  int z = at.s1 * s->stride.s0 + s->phase.s0, y = at.s2 * s->stride.s1 + s->phase.s1;
  int x = at.s3 * s->stride.s2 + s->phase.s2;
  bool is_there = m < n_rows && z < s->dst.s0 && y < s->dst.s1 && x < s->dst.s2;
  return is_there ? ((at.s0 * s->dst.s0 + z) * s->dst.s1 + y) * s->dst.s2 + x : -1;
#else
  return m < n_rows ? m : -1;
#endif
}

#ifdef PARTS
typedef float result;
#else
typedef real result;
#endif

/* Four results of channels n to n + 3 of a group of n_outputs, which stand at dst[at]. */
void put_results (float4 x, int n, int n_outputs, __global const real *bias,
    __global const real *added, __global result *dst, int at, float8 parameters)
{
#if DST_VECTOR == 4 && defined(PARTS)
  *(__global float4 *) (dst + at) = x;
#elif DST_VECTOR == 4
#ifdef BIAS
  x += load4_aligned (bias, n);
#endif
  put4 (x, added, dst, at, parameters);
#else
  float values[4] = { x.s0, x.s1, x.s2, x.s3 };
  for (int q = 0; q < 4 && n + q < n_outputs; q++) {
#ifdef PARTS
    dst[at + q] = values[q];
#else
#ifdef BIAS
    values[q] += load (bias, n + q);
#endif
    put (values[q], added, dst, at + q, parameters);
#endif
  }
#endif
}

/* sizes: rows, columns of a group, groups, tiles of columns. Weights are [group][tap][element]
 * [column], the columns filled up to 4; STEP more rows behind the last. There are n_parts, of part_steps
 * times PART_STEP elements each; with PARTS, dst has part_length elements a part. */
__attribute__ ((reqd_work_group_size (ITEMS, 1, 1)))
__kernel void convolution (__global const real *src, uint src_at, __global const real *weights,
    uint weights_at, __global const real *bias, uint bias_at, __global const real *added, uint added_at,
    __global result *dst, uint dst_at, int4 src_size, int4 dst_size, int4 rows_size, int4 window,
    int4 stride, int4 dilation, int4 pad, int4 sizes, int n_parts, int part_steps,
    int part_length, float8 parameters)
{
  __local float4 a_tile[STEP * A_ROW], b_tile[STEP * B_ROW];
  const int item = get_local_id (0), group = get_group_id (1) % sizes.s2;
  const int place = get_group_id (1) / sizes.s2, n_columns = (sizes.s1 + 3) / 4 * 4;
  const int first_m = get_group_id (0) / sizes.s3 * TILE_M;
  const int first_n = get_group_id (0) % sizes.s3 * TILE_N;
  const Shape s = { src_size, dst_size, rows_size, window, stride, dilation, pad,
    (int4) (place / stride.s2 / stride.s1, place / stride.s2 % stride.s1, place % stride.s2, 0) };
  int4 rows[A_LOADS];
  #pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    int m = first_m + item / STEP_4 + i * A_APART;
    rows[i] = locate (&s, m, m < sizes.s0, group * window.s3 + item % STEP_4 * 4);
  }
  weights += weights_at + group * window.s0 * window.s1 * window.s2 * window.s3 * n_columns;
  dst += dst_at + group * sizes.s1;
  src += src_at;
  float4 sum[ITEM_M][ITEM_N / 4];
  fill (sum, 0.0f);
#ifdef PARTS
  dst += (size_t) get_group_id (2) * part_length;
#endif
#ifdef SEQUENCE
  float4 part[ITEM_M][ITEM_N / 4];
  fill (sum, -0.0f);
  for (int k = 0; k < n_parts; k++) {
    fill (part, 0.0f);
    multiply_tile (&s, src, rows, weights, first_n + item % B_ROW * 4, n_columns, k * part_steps,
        part_steps, a_tile, b_tile, part);
    #pragma unroll
    for (int i = 0; i < ITEM_M * ITEM_N / 4; i++)
      sum[i / (ITEM_N / 4)][i % (ITEM_N / 4)] += part[i / (ITEM_N / 4)][i % (ITEM_N / 4)];
  }
#else
  multiply_tile (&s, src, rows, weights, first_n + item % B_ROW * 4, n_columns,
      get_group_id (2) * part_steps, part_steps, a_tile, b_tile, sum);
#endif
  #pragma unroll
  for (int i = 0; i < ITEM_M; i++) {
    int pixel = pixel_of (&s, first_m + (i / 4 * ITEMS_M + item / ITEMS_N) * 4 + i % 4, sizes.s0);
    #pragma unroll
    for (int j = 0; j < ITEM_N / 4; j++) {
      int n = first_n + (j * ITEMS_N + item % ITEMS_N) * 4;
      if (pixel >= 0 && n < sizes.s1)
        put_results (sum[i][j], n, sizes.s1, bias + bias_at + group * sizes.s1,
            added + added_at + group * sizes.s1, dst,
            pixel * dst_size.s3 + n, parameters);
    }
  }
}
