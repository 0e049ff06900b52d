/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Softmax, or its logarithm (-DIS_LOG), over n of [outer, n, inner], shifted by the largest.
 *
 * Groups are COLUMNS × LINES (powers of two) as in reduce.cl: the lines share a column of `inner`. */
#include "types.cl"

__kernel __attribute__ ((reqd_work_group_size (COLUMNS, LINES, 1))) void softmax (
    __global const real *src, uint src_at, __global real *dst, uint dst_at, uint n_outer, uint n,
    uint n_inner)
{
  __local float parts[LINES][COLUMNS];
  uint column = get_local_id (0), line = get_local_id (1), inner = get_global_id (0);
  bool is_used = inner < n_inner;
  for (uint outer = get_group_id (1); outer < n_outer; outer += get_num_groups (1)) {
    uint at = outer * n * n_inner + inner;
    float largest = -INFINITY, sum = 0.0f;
    for (uint i = line; i < n && is_used; i += LINES)
      largest = fmax (largest, load (src, src_at + at + i * n_inner));
    parts[line][column] = largest;
    for (uint half_of = LINES / 2; half_of; half_of /= 2) {
      barrier (CLK_LOCAL_MEM_FENCE);
      if (line < half_of)
        parts[line][column] = fmax (parts[line][column], parts[line + half_of][column]);
    }
    barrier (CLK_LOCAL_MEM_FENCE);
    largest = parts[0][column];
    barrier (CLK_LOCAL_MEM_FENCE);
    for (uint i = line; i < n && is_used; i += LINES)
      sum += exp (load (src, src_at + at + i * n_inner) - largest);
    parts[line][column] = sum;
    for (uint half_of = LINES / 2; half_of; half_of /= 2) {
      barrier (CLK_LOCAL_MEM_FENCE);
      if (line < half_of)
        parts[line][column] += parts[line + half_of][column];
    }
    barrier (CLK_LOCAL_MEM_FENCE);
    sum = parts[0][column];
    barrier (CLK_LOCAL_MEM_FENCE);
    for (uint i = line; i < n && is_used; i += LINES) {
      float x = load (src, src_at + at + i * n_inner) - largest;
#ifdef IS_LOG
      store (x - log (sum), dst, dst_at + at + i * n_inner);
#else
      store (exp (x) / sum, dst, dst_at + at + i * n_inner);
#endif
    }
  }
}
