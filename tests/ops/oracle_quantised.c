/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Oracles of the internal operators on 8-bit tensors. */
#include "tests/ops/oracle_kit.h"

void oracle_quantised_conv (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *w = &row->src[3].tensor, *y = &row->dst[0].tensor;
  int64_t per_group = w->dims[0] / weir_node_int (&row->node, "group", 1);
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims);
    double sum = 0;
    for (int64_t k = 0; k < count (w) / w->dims[0]; k++) {
      Point tap = unflatten (k, w->rank, w->dims), from = to, weight = tap;
      weight.at[0] = to.at[1];
      from.at[1] = to.at[1] / per_group * w->dims[1] + tap.at[1];
      for (uint32_t d = 0; d + 2 < x->rank; d++)
        from.at[2 + d] = to.at[2 + d] * int_at (row, "strides", d, 1) - int_at (row, "pads", d, 0) +
                         tap.at[2 + d] * int_at (row, "dilations", d, 1);
      if (is_inside (x, from.at))
        sum += (element_at (x, from.at) - oracle_number (row, 2, 0)) *
               (element_at (w, weight.at) - oracle_number (row, 5, to.at[1]));
    }
    dst[i] = sum * oracle_number (row, 1, 0) * oracle_number (row, 4, to.at[1]) +
             oracle_number (row, 8, to.at[1]);
  }
}

void oracle_quantised_mat_mul (const Row *row, double *dst)
{
  const WeirTensor *a = &row->src[0].tensor, *b = &row->src[3].tensor, *y = &row->dst[0].tensor;
  bool is_transposed = weir_node_int (&row->node, "transB", 0) != 0;
  for (int64_t i = 0; i < count (y); i++) {
    Point to = unflatten (i, y->rank, y->dims), left = to;
    int64_t column = to.at[y->rank - 1];
    double sum = 0;
    for (int64_t k = 0; k < a->dims[a->rank - 1]; k++) {
      int64_t right[] = { is_transposed ? column : k, is_transposed ? k : column };
      left.at[y->rank - 1] = k;
      sum += (element_at (a, left.at) - oracle_number (row, 2, 0)) *
             (element_at (b, right) - oracle_number (row, 5, column));
    }
    dst[i] = sum * oracle_number (row, 1, 0) * oracle_number (row, 4, column) +
             oracle_number (row, 8, column);
  }
}

void oracle_lookup (const Row *row, double *dst)
{
  const WeirTensor *x = &row->src[0].tensor, *table = &row->src[1].tensor;
  for (int64_t i = 0; i < count (x); i++) {
    int64_t at = ((int64_t) step_element (x, i) + 256) % 256;
    if (table->rank == 2)
      at += 256 * unflatten (i, x->rank, x->dims).at[1];
    dst[i] = step_element (table, at);
  }
}
