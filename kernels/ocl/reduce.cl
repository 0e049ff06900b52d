/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* [outer, n, inner] to [outer, inner]: KIND_SUM, KIND_MAX, … over n, in f32.
 *
 * Groups are COLUMNS × LINES (powers of two): each column of `inner` is shared by the lines, which
 * meet in local memory. Blocks of COLUMNS columns are groups in dim 0, `outer` is in dim 1. */
#include "types.cl"

#if defined KIND_MAX
#define START           (-INFINITY)
#define FIRST(x)        (x)
#define JOIN(x, y)      fmax (x, y)
#elif defined KIND_MIN
#define START           INFINITY
#define FIRST(x)        (x)
#define JOIN(x, y)      fmin (x, y)
#elif defined KIND_SUM_ABS
#define START           0.0f
#define FIRST(x)        fabs (x)
#define JOIN(x, y)      ((x) + (y))
#elif defined KIND_SUM_SQUARES
#define START           0.0f
#define FIRST(x)        ((x) * (x))
#define JOIN(x, y)      ((x) + (y))
#else
#define START           0.0f
#define FIRST(x)        (x)
#define JOIN(x, y)      ((x) + (y))
#endif
#ifdef ROOT
#define LAST(x)         sqrt (x)
#else
#define LAST(x)         (x)
#endif

__kernel __attribute__ ((reqd_work_group_size (COLUMNS, LINES, 1))) void reduce (
    __global const real *src, uint src_at, __global real *dst, uint dst_at, uint n_outer, uint n,
    uint n_inner, float scale)
{
  __local float parts[LINES][COLUMNS];
  uint column = get_local_id (0), line = get_local_id (1), inner = get_global_id (0);
  for (uint outer = get_group_id (1); outer < n_outer; outer += get_num_groups (1)) {
    float result = START;
    if (inner < n_inner)
      for (uint i = line; i < n; i += LINES)
        result = JOIN (result, FIRST (load (src, src_at + (outer * n + i) * n_inner + inner)));
    parts[line][column] = result;
    for (uint half_of = LINES / 2; half_of; half_of /= 2) {
      barrier (CLK_LOCAL_MEM_FENCE);
      if (line < half_of)
        parts[line][column] = JOIN (parts[line][column], parts[line + half_of][column]);
    }
    if (line == 0 && inner < n_inner)
      store (LAST (parts[0][column] * scale), dst, dst_at + outer * n_inner + inner);
    barrier (CLK_LOCAL_MEM_FENCE);
  }
}
