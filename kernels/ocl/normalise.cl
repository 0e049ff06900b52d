/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisation over n of [outer, n, inner] by the mean and the deviation of these n elements, then a
 * scale and a shift, in f32.
 *
 * Groups are COLUMNS × LINES (powers of two) as in reduce.cl: the lines share a column of `inner`. */
#include "types.cl"

typedef struct Normalise {
  uint n_outer, n, n_inner;
  /* which scale and shift: outer % outer_sets * outer_step + i / part * part_step + inner * inner_step */
  uint outer_sets, outer_step, part, part_step, inner_step;
  int is_centred;  /* about the mean, not about 0 */
  int divides;     /* by the deviation */
  int takes_sum;   /* of squares, not their mean */
  int eps_mode;    /* 0: added to the variance, 1: to the deviation, 2: the least variance */
  float eps;
} Normalise;

/* The sum of the lines' numbers, the same for all of them. */
float sum_lines (__local float parts[LINES][COLUMNS], uint line, uint column, float mine)
{
  parts[line][column] = mine;
  for (uint half_of = LINES / 2; half_of; half_of /= 2) {
    barrier (CLK_LOCAL_MEM_FENCE);
    if (line < half_of)
      parts[line][column] += parts[line + half_of][column];
  }
  barrier (CLK_LOCAL_MEM_FENCE);
  float sum = parts[0][column];
  barrier (CLK_LOCAL_MEM_FENCE);
  return sum;
}

float find_root (Normalise p, float variance)
{
  if (p.eps_mode == 1)
    return sqrt (variance) + p.eps;
  return sqrt (p.eps_mode == 2 ? fmax (variance, p.eps) : variance + p.eps);
}

__kernel __attribute__ ((reqd_work_group_size (COLUMNS, LINES, 1))) void normalise (
    __global const real *src, uint src_at, __global real *dst, uint dst_at, __global const float *scale,
    uint scale_at, __global const float *shift, uint shift_at, Normalise p)
{
  __local float parts[LINES][COLUMNS];
  uint column = get_local_id (0), line = get_local_id (1), inner = get_global_id (0);
  uint n = inner < p.n_inner ? p.n : 0;
  for (uint outer = get_group_id (1); outer < p.n_outer; outer += get_num_groups (1)) {
    uint at = outer * p.n * p.n_inner + inner;
    float mean = 0.0f, root = 1.0f;
    if (p.is_centred) {
      float sum = 0.0f;
      for (uint i = line; i < n; i += LINES)
        sum += load (src, src_at + at + i * p.n_inner);
      mean = sum_lines (parts, line, column, sum) / p.n;
    }
    if (p.divides) {
      float sum = 0.0f;
      for (uint i = line; i < n; i += LINES) {
        float x = load (src, src_at + at + i * p.n_inner) - mean;
        sum += x * x;
      }
      sum = sum_lines (parts, line, column, sum);
      root = find_root (p, p.takes_sum ? sum : sum / p.n);
    }
    uint set = outer % p.outer_sets * p.outer_step + inner * p.inner_step;
    for (uint i = line; i < n; i += LINES) {
      uint k = set + i / p.part * p.part_step;
      float x = load (src, src_at + at + i * p.n_inner) - mean;
      store (x / root * scale[scale_at + k] + shift[shift_at + k], dst, dst_at + at + i * p.n_inner);
    }
  }
}
