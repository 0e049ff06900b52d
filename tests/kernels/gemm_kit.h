/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products to test. Buffers have exactly the size that is allowed, for the sanitizers. */
#pragma once

#include "kernels/gemm.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 1234.5f

typedef struct Row {
  size_t n_rows, n_inner, n_columns;
  size_t a_gap, dst_gap; /* floats between the rows */
  bool has_bias, adds;
  WeirActivation activation;
  bool adds_last;
} Row;

static const Row rows[] = {
  { 1, 1, 1, 0, 0, false, false, { 0 } },
  { 29, 16, 16, 0, 0, true, false, { 0 } },
  { 57, 7, 5, 3, 2, true, true, { 0 } },
  { 43, 33, 24, 1, 8, true, false, { WEIR_ACTIVATION_CLIP, 0, 6, 0 } },
  { 43, 33, 32, 0, 0, true, true, { WEIR_ACTIVATION_CLIP, 0, INFINITY, 0 } },
  { 19, 64, 48, 0, 1, false, true, { WEIR_ACTIVATION_CLIP, -INFINITY, 1, 0 } },
  { 19, 20, 40, 0, 1, true, false, { WEIR_ACTIVATION_LEAKY_RELU, 0, 0, 0.1f } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_HARD_SWISH, 0, 0, 0 } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_ROUND_TO_CODES, -9, 246, 0.125f } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_ROUND_TO_LEVELS, -2, 7, 0 } },
  { 31, 12, 23, 5, 1, true, true, { WEIR_ACTIVATION_SIGMOID, 0, 0, 0 } },
  { 17, 12, 80, 0, 0, true, false, { WEIR_ACTIVATION_SWISH, 0, 0, 1 } },
  { 300, 9, 17, 0, 3, true, false, { WEIR_ACTIVATION_SWISH, 0, 0, 1.7f } },
  { 61, 15, 23, 1, 1, true, true, { WEIR_ACTIVATION_SWISH, 0, 0, 1 }, true },
  { 29, 8, 64, 0, 0, true, true, { WEIR_ACTIVATION_CLIP, 0, 1, 0 }, true },
  { 15, 3, 32, 0, 0, false, true, { 0 }, true },
  { 600, 130, 100, 0, 0, true, true, { 0 } },
  { 16, 31, 16, 0, 0, true, false, { 0 } },
  { 32, 63, 48, 0, 0, true, true, { 0 } },
  { 3, 1024, 96, 0, 0, true, false, { 0 } },
  { 28, 2048, 33, 0, 0, true, false, { 0 } },
};

static inline float *random_new (size_t n, unsigned seed)
{
  float *values = malloc (n * sizeof *values);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float) (seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

/* n_rows rows of n, `gap` apart; nothing behind the last one. */
static inline float *rows_new (size_t n_rows, size_t n, size_t gap, unsigned seed)
{
  float *values = random_new (n_rows * (n + gap) - gap, seed);
  for (size_t r = 0; r + 1 < n_rows; r++)
    for (size_t i = 0; i < gap; i++)
      values[r * (n + gap) + n + i] = UNTOUCHED;
  return values;
}

typedef struct Data {
  WeirGemm task;
  const Row *row;
  const float *added; /* NULL: where row->adds, what dst holds */
  float *a, *b, *packed, *bias;
} Data;

static inline Data data_new (const Row *row)
{
  Data data = { .row = row,
    .a = rows_new (row->n_rows, row->n_inner, row->a_gap, 1),
    .b = random_new (row->n_columns * row->n_inner, 2),
    .bias = random_new (row->n_columns, 3),
    .packed = malloc (weir_gemm_packed_floats (row->n_inner, row->n_columns) * sizeof (float)) };
  weir_gemm_pack (data.packed, data.b, 1, row->n_inner, row->n_inner, row->n_columns);
  data.task = (WeirGemm){ .a = data.a,
    .a_row = row->n_inner + row->a_gap,
    .b = data.packed,
    .bias = row->has_bias ? data.bias : NULL,
    .dst_row = row->n_columns + row->dst_gap,
    .n_rows = row->n_rows,
    .n_inner = row->n_inner,
    .n_columns = row->n_columns,
    .activation = row->activation,
    .adds_last = row->adds_last };
  return data;
}

static inline void data_free (Data *data)
{
  free (data->a);
  free (data->b);
  free (data->packed);
  free (data->bias);
}

static inline float *dst_new (const Row *row)
{
  return rows_new (row->n_rows, row->n_columns, row->dst_gap, 4);
}

/* Of rows begin to end - 1. */
static inline void run (const Data *data, WeirGemmFn fn, float *dst, size_t begin, size_t end)
{
  WeirGemm task = data->task;
  task.a = data->a + begin * task.a_row;
  task.dst = dst + begin * task.dst_row;
  task.added = data->added ? data->added + begin * task.dst_row : data->row->adds ? task.dst : NULL;
  task.n_rows = end - begin;
  fn (&task);
}

static inline size_t n_a (const Row *row)
{
  return row->n_rows * (row->n_inner + row->a_gap) - row->a_gap;
}

static inline size_t n_dst (const Row *row)
{
  return row->n_rows * (row->n_columns + row->dst_gap) - row->dst_gap;
}

static inline void check_equal (const float *values, const float *expected, size_t n, int row)
{
  for (size_t i = 0; i < n; i++)
    ck_assert_msg (memcmp (&values[i], &expected[i], sizeof *values) == 0,
        "row %d, value %zu: %.9g instead of %.9g", row, i, (double) values[i],
        (double) expected[i]);
}

static inline double activated (const WeirActivation *activation, double x)
{
  switch (activation->kind) {
  case WEIR_ACTIVATION_CLIP:
    return fmin (fmax (x, activation->least), activation->most);
  case WEIR_ACTIVATION_LEAKY_RELU:
    return x < 0 ? x * activation->alpha : x;
  case WEIR_ACTIVATION_HARD_SWISH:
    return x * fmin (fmax (x / 6 + 0.5, 0), 1);
  case WEIR_ACTIVATION_ROUND_TO_CODES:
    return fmin (fmax (rint (x / activation->alpha), activation->least), activation->most) *
           activation->alpha;
  case WEIR_ACTIVATION_SIGMOID:
    return 1 / (1 + exp (-x));
  case WEIR_ACTIVATION_SWISH:
    return x / (1 + exp (-activation->alpha * x));
  case WEIR_ACTIVATION_ROUND_TO_LEVELS: {
    double range = (double) activation->most - (double) activation->least;
    x = fmin (fmax (x, activation->least), activation->most) - (double) activation->least;
    return rint (x / range * 255) / 255 * range + (double) activation->least;
  }
  default:
    return x;
  }
}

/* What row r, column c is; *terms: all that is summed, by absolute value. */
static inline double expected_at (
    const Row *row, const float *bias, double added, const float *a, const float *b, double *terms)
{
  double sum = bias ? *bias : 0;
  *terms = fabs (sum) + fabs (added);
  for (size_t k = 0; k < row->n_inner; k++) {
    double product = (double) a[k] * (double) b[k];
    sum += product;
    *terms += fabs (product);
  }
  return row->adds_last ? activated (&row->activation, sum) + added
                        : activated (&row->activation, sum + added);
}

/* Sums far beyond those of a network. */
static const float extremes[] = { 0, -0.0f, 1e-30f, -1e-30f, 5, -5, 86.9f, -86.9f, 88, -88, 200,
  -200, 1e30f, -1e30f, INFINITY, -INFINITY, NAN };
#define N_EXTREMES (sizeof extremes / sizeof *extremes)
