/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What oracles are made of: elements by their coordinates. */
#pragma once

#include "tests/ops/oracle.h"

#include "tests/ops/step.h"

typedef struct Point {
  int64_t at[2 * WEIR_MAX_RANK];
} Point;

/* Coordinates of flat index i. */
static inline Point unflatten (int64_t i, uint32_t rank, const int64_t *dims)
{
  Point point = { { 0 } };
  for (uint32_t axis = rank; axis-- > 0; i /= dims[axis])
    point.at[axis] = i % dims[axis];
  return point;
}

/* Element at a point, 0 outside. */
static inline double element_at (const WeirTensor *tensor, const int64_t *at)
{
  int64_t i = 0;
  for (uint32_t axis = 0; axis < tensor->rank; axis++) {
    if (at[axis] < 0 || at[axis] >= tensor->dims[axis])
      return 0;
    i = i * tensor->dims[axis] + at[axis];
  }
  return step_element (tensor, i);
}

static inline bool is_inside (const WeirTensor *tensor, const int64_t *at)
{
  for (uint32_t axis = 0; axis < tensor->rank; axis++)
    if (at[axis] < 0 || at[axis] >= tensor->dims[axis])
      return false;
  return true;
}

static inline double element_broadcast (const WeirTensor *tensor, uint32_t rank, const int64_t *at)
{
  int64_t own[WEIR_MAX_RANK] = { 0 };
  for (uint32_t axis = 0; axis < tensor->rank; axis++)
    own[axis] = tensor->dims[axis] == 1 ? 0 : at[rank - tensor->rank + axis];
  return element_at (tensor, own);
}

static inline int64_t count (const WeirTensor *tensor)
{
  int64_t n = 0;
  weir_tensor_n_elements (tensor, &n);
  return n;
}

static inline int64_t int_at (const Row *row, const char *name, uint32_t i, int64_t fallback)
{
  uint32_t n;
  const int64_t *ints = weir_node_ints (&row->node, name, &n);
  return i < n ? ints[i] : fallback;
}

/* Input i of the row at index k, for the scales and zero points that are one number or many. */
static inline double oracle_number (const Row *row, uint32_t i, int64_t k)
{
  const WeirTensor *tensor = &row->src[i].tensor;
  return tensor->dtype ? step_element (tensor, count (tensor) > 1 ? k : 0) : 0;
}

/* oracle_quantised.c: sums of quantised products with bias, before post-ops and rounding. */
void oracle_quantised_conv (const Row *row, double *dst);
void oracle_quantised_mat_mul (const Row *row, double *dst);
void oracle_lookup (const Row *row, double *dst);
