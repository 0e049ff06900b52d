/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of matrices: alpha · A · B + beta · C, then a sum with a tensor of the result's shape and
 * the chain of posts; stacks of matrices by strides.
 *
 * `product` computes squares of TILE_M × TILE_N by groups of GROUP_M × GROUP_N work items, each
 * MINE_M × MINE_N elements, DEPTH of the shared dim at a time through local memory. `thin` is for few
 * rows: a group takes THIN_N columns and ROWS rows, and shares the shared dim out to THIN_K lines. */
#include "posts.cl"

#define GROUP_M (TILE_M / MINE_M)
#define GROUP_N (TILE_N / MINE_N)
#define N_ITEMS (GROUP_M * GROUP_N)

/* Strides in elements; those of the stack by dim, the last innermost, 0 where it is repeated. */
typedef struct Product {
  uint m, n, k;
  uint a_row, a_column, b_row, b_column, c_row, c_column;
  uint stack[4], a_stack[4], b_stack[4], c_stack[4];
  float alpha, beta;
} Product;

typedef struct Places {
  uint a, b, c, dst;
} Places;

Places find_places (Product p, uint at, Places places)
{
  places.dst += at * p.m * p.n;
  for (int d = 3; d >= 0; d--) {
    uint outer = at / p.stack[d], i = at - outer * p.stack[d];
    places.a += i * p.a_stack[d];
    places.b += i * p.b_stack[d];
    places.c += i * p.c_stack[d];
    at = outer;
  }
  return places;
}

#ifdef HAS_C
#define ADD_C(p, c, places, row, column) \
  ((p).beta * load (c, (places).c + (row) * (p).c_row + (column) * (p).c_column))
#else
#define ADD_C(p, c, places, row, column) 0.0f
#endif
#ifdef HAS_ADDED
#define ADD_ADDED(added, i) load (added, i)
#else
#define ADD_ADDED(added, i) 0.0f
#endif

/* The tensor that is added lies as the result does. */
#define FINISH(sum, row, column)                                                       \
  do {                                                                                 \
    uint place = places.dst - dst_at + (row) * p.n + (column);                         \
    float y = p.alpha * (sum) + ADD_C (p, c, places, row, column);                     \
    y += ADD_ADDED (added, added_at + place);                                          \
    store (post (y, parameters), dst, dst_at + place);                                 \
  } while (0)

#ifndef THIN_N
__kernel __attribute__ ((reqd_work_group_size (GROUP_N, GROUP_M, 1))) void product (
    __global const real *a, uint a_at, __global const real *b, uint b_at, __global const real *c,
    uint c_at, __global const real *added, uint added_at, __global real *dst, uint dst_at, Product p,
    float8 parameters)
{
  __local float tile_a[DEPTH][TILE_M + 1], tile_b[DEPTH][TILE_N + 1];
  Places places = { a_at, b_at, c_at, dst_at };
  places = find_places (p, get_global_id (2), places);
  uint lx = get_local_id (0), ly = get_local_id (1), item = ly * GROUP_N + lx;
  uint row = get_group_id (1) * TILE_M, column = get_group_id (0) * TILE_N;
  float sum[MINE_M][MINE_N];
  for (int i = 0; i < MINE_M; i++)
    for (int j = 0; j < MINE_N; j++)
      sum[i][j] = 0.0f;
  for (uint k = 0; k < p.k; k += DEPTH) {
    for (uint i = item; i < DEPTH * TILE_M; i += N_ITEMS) {
#ifdef A_BY_COLUMN
      uint d = i / TILE_M, x = i % TILE_M;
#else
      uint d = i % DEPTH, x = i / DEPTH;
#endif
      bool is_in = row + x < p.m && k + d < p.k;
      tile_a[d][x] = is_in ? load (a, places.a + (row + x) * p.a_row + (k + d) * p.a_column) : 0.0f;
    }
    for (uint i = item; i < DEPTH * TILE_N; i += N_ITEMS) {
#ifdef B_BY_COLUMN
      uint d = i % DEPTH, x = i / DEPTH;
#else
      uint d = i / TILE_N, x = i % TILE_N;
#endif
      bool is_in = column + x < p.n && k + d < p.k;
      tile_b[d][x] = is_in ? load (b, places.b + (k + d) * p.b_row + (column + x) * p.b_column) : 0.0f;
    }
    barrier (CLK_LOCAL_MEM_FENCE);
    for (int d = 0; d < DEPTH; d++)
      for (int i = 0; i < MINE_M; i++)
        for (int j = 0; j < MINE_N; j++)
          sum[i][j] += tile_a[d][ly + i * GROUP_M] * tile_b[d][lx + j * GROUP_N];
    barrier (CLK_LOCAL_MEM_FENCE);
  }
  for (int i = 0; i < MINE_M; i++)
    for (int j = 0; j < MINE_N; j++)
      if (row + ly + i * GROUP_M < p.m && column + lx + j * GROUP_N < p.n)
        FINISH (sum[i][j], row + ly + i * GROUP_M, column + lx + j * GROUP_N);
}
#else
__kernel __attribute__ ((reqd_work_group_size (THIN_N, THIN_K, 1))) void thin (
    __global const real *a, uint a_at, __global const real *b, uint b_at, __global const real *c,
    uint c_at, __global const real *added, uint added_at, __global real *dst, uint dst_at, Product p,
    float8 parameters)
{
  __local float parts[THIN_K][ROWS][THIN_N];
  Places places = { a_at, b_at, c_at, dst_at };
  places = find_places (p, get_global_id (2), places);
  uint lx = get_local_id (0), line = get_local_id (1);
  uint column = get_global_id (0), row = get_group_id (1) * ROWS;
  float sum[ROWS];
  for (int i = 0; i < ROWS; i++)
    sum[i] = 0.0f;
  for (uint k = line; k < p.k && column < p.n; k += THIN_K) {
    float right = load (b, places.b + k * p.b_row + column * p.b_column);
    for (int i = 0; i < ROWS; i++)
      if (row + i < p.m)
        sum[i] += right * load (a, places.a + (row + i) * p.a_row + k * p.a_column);
  }
  for (int i = 0; i < ROWS; i++)
    parts[line][i][lx] = sum[i];
  barrier (CLK_LOCAL_MEM_FENCE);
  if (column >= p.n)
    return;
  for (uint i = line; i < ROWS && row + i < p.m; i += THIN_K) {
    float total = 0.0f;
    for (int k = 0; k < THIN_K; k++)
      total += parts[k][i][lx];
    FINISH (total, row + i, column);
  }
}
#endif
