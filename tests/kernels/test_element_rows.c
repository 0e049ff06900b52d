/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows against the tensor kernels one after the other, byte for byte: all types and activations, in
 * place and not, in buffers that have exactly the size that is allowed. */
#include "kernels/element_rows.h"
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 200

static const unsigned variants[] = { WEIR_ISA_AVX512, WEIR_ISA_BF16, WEIR_ISA_AMX };
static const size_t lengths[] = { 0, 1, 15, 16, 17, 64, 65, 127, 200 };

static const struct {
  WeirActivation activation;
  int unary; /* or -1 */
  float alpha, beta;
  bool is_finite; /* of finite numbers only */
} rows[] = {
  { { WEIR_ACTIVATION_NONE, 0, 0, 0 }, -1, 0, 0, false },
  { { WEIR_ACTIVATION_CLIP, 0, INFINITY, 0 }, WEIR_UNARY_RELU, 0, 0, false },
  { { WEIR_ACTIVATION_CLIP, -1, 1.5f, 0 }, WEIR_UNARY_CLIP, -1, 1.5f, false },
  { { WEIR_ACTIVATION_CLIP, -INFINITY, 1.5f, 0 }, WEIR_UNARY_CLIP, -INFINITY, 1.5f, true },
  { { WEIR_ACTIVATION_LEAKY_RELU, 0, 0, 0.1f }, WEIR_UNARY_LEAKY_RELU, 0.1f, 0, false },
  { { WEIR_ACTIVATION_HARD_SWISH, 0, 0, 0 }, WEIR_UNARY_HARD_SWISH, 0, 0, true },
  { { WEIR_ACTIVATION_SIGMOID, 0, 0, 0 }, WEIR_UNARY_SIGMOID, 0, 0, true },
  { { WEIR_ACTIVATION_SWISH, 0, 0, 1.702f }, WEIR_UNARY_SWISH, 1.702f, 0, true },
  { { WEIR_ACTIVATION_ROUND_TO_CODES, -9, 246, 0.25f }, WEIR_UNARY_ROUND_TO_CODES, 0.25f, -9,
      true },
  { { WEIR_ACTIVATION_ROUND_TO_LEVELS, -2, 3, 0 }, WEIR_UNARY_ROUND_TO_LEVELS, -2, 3, true },
};

#define N_ACTIVATIONS ((int) (sizeof rows / sizeof *rows))

/* What rows meet: numbers of both signs, and special ones; of each type. */
typedef struct Data {
  float f32[3][MOST];
  uint16_t bf16[3][MOST];
} Data;

static const uint16_t special[] = { 0x0000, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0x7f7f, 0xff7f };
#define N_SPECIAL (sizeof special / sizeof *special)

static void fill (Data *data, bool is_finite, bool has_denormals)
{
  const WeirTensorKernels *c = weir_tensor_kernels_variant (WEIR_ISA_C);
  unsigned seed = 7;
  for (size_t i = 0; i < MOST; i++) {
    for (size_t k = 0; k < 3; k++) {
      data->f32[k][i] = (float) ((seed = seed * 1664525u + 1013904223u) >> 8) / 1048576.0f - 8;
      c->bf16_from_f32 (&data->bf16[k][i], &data->f32[k][i], 1);
    }
    if (!is_finite && i % 3 == 0)
      data->bf16[0][i] = special[i / 3 % N_SPECIAL];
    if (has_denormals && i % 3 == 1)
      data->bf16[0][i] = (uint16_t) (1 + i);
    if (!is_finite && i % 3 == 0)
      c->f32_from_bf16 (&data->f32[0][i], &data->bf16[0][i], 1);
  }
}

static size_t bytes_of (WeirRowType type, size_t n)
{
  return n * (type == WEIR_ROW_BF16 ? 2 : type == WEIR_ROW_F32 ? 4 : 0);
}

static void widen (WeirRowOperand operand, float *values, size_t n)
{
  if (operand.type == WEIR_ROW_BF16)
    weir_tensor_kernels_variant (WEIR_ISA_C)->f32_from_bf16 (values, operand.data, n);
  else
    memcpy (values, operand.data, n * sizeof *values);
}

/* In f32 over rows, by the plain C kernels. */
static void expect (const WeirRow *row, size_t which, void *expected)
{
  const WeirTensorKernels *c = weir_tensor_kernels_variant (WEIR_ISA_C);
  const WeirRowOperand operands[] = { row->scale, row->shift };
  const WeirBinary binaries[] = { WEIR_BINARY_MUL, WEIR_BINARY_ADD };
  float x[MOST], other[MOST], y[MOST];
  widen (row->src, x, row->n);
  for (size_t k = 0; k < 2; k++) {
    if (operands[k].type == WEIR_ROW_NONE)
      continue;
    widen (operands[k], other, row->n);
    c->binary[binaries[k]](y, x, 1, other, 1, row->n);
    memcpy (x, y, row->n * sizeof *x);
  }
  if (rows[which].unary >= 0) {
    c->unary[rows[which].unary](y, x, row->n, rows[which].alpha, rows[which].beta);
    memcpy (x, y, row->n * sizeof *x);
  }
  if (row->dst_type == WEIR_ROW_BF16)
    c->bf16_from_f32 (expected, x, row->n);
  else
    memcpy (expected, x, row->n * sizeof *x);
}

/* Number k of the data, in memory of its own. */
static WeirRowOperand operand_new (const Data *data, size_t k, WeirRowType type, size_t n)
{
  size_t n_bytes = bytes_of (type, n);
  void *copy = malloc (n_bytes + !n_bytes);
  memcpy (copy, type == WEIR_ROW_BF16 ? (const void *) data->bf16[k] : data->f32[k], n_bytes);
  return (WeirRowOperand){ type, copy };
}

static void operand_free (WeirRowOperand operand)
{
  free ((void *) (uintptr_t) operand.data);
}

static void check (WeirRowFn fn, const Data *data, size_t which, const WeirRowType types[4],
    size_t n, bool in_place)
{
  uint8_t expected[4 * MOST];
  size_t n_bytes = bytes_of (types[3], n);
  WeirRow row = { .n = n,
    .src = operand_new (data, 0, types[0], n),
    .scale = operand_new (data, 1, types[1], n),
    .shift = operand_new (data, 2, types[2], n),
    .activation = &rows[which].activation,
    .dst_type = types[3] };
  row.dst = in_place ? (void *) (uintptr_t) row.src.data : malloc (n_bytes + !n_bytes);
  expect (&row, which, expected);
  fn (&row);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg (memcmp ((uint8_t *) row.dst + bytes_of (types[3], i),
                       expected + bytes_of (types[3], i), bytes_of (types[3], 1)) == 0,
        "row %zu, types %d %d %d to %d: element %zu of %zu", which, types[0], types[1], types[2],
        types[3], i, n);
  if (!in_place)
    free (row.dst);
  operand_free (row.src);
  operand_free (row.scale);
  operand_free (row.shift);
}

/* Types: of the source and the result two, of the others three. */
static void check_types (WeirRowFn fn, const Data *data, size_t which, size_t n)
{
  for (int i = 0; i < 2 * 3 * 3 * 2; i++) {
    const WeirRowType types[] = { (WeirRowType) (WEIR_ROW_F32 + i % 2), (WeirRowType) (i / 2 % 3),
      (WeirRowType) (i / 6 % 3), (WeirRowType) (WEIR_ROW_F32 + i / 18) };
    check (fn, data, which, types, n, false);
    if (types[0] == types[3])
      check (fn, data, which, types, n, true);
  }
}

/* _i: variant · N_ACTIVATIONS + activation. */
START_TEST (test_rows_as_tensor_kernels)
{
  unsigned isa = variants[_i / N_ACTIVATIONS];
  size_t which = (size_t) (_i % N_ACTIVATIONS);
  Data data;
  fill (&data, rows[which].is_finite, isa == WEIR_ISA_AVX512);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    check_types (weir_row_variant (isa), &data, which, lengths[i]);
}
END_TEST

/* AVX512-BF16 rounds them to zero, and nothing else. */
START_TEST (test_rows_denormals)
{
  static const uint16_t src[] = { 0x0001, 0x807f, 0x0080, 0x8080 },
                        expected[] = { 0x0000, 0x8000, 0x0080, 0x8080 };
  uint16_t dst[4];
  weir_row_variant (variants[_i]) (&(WeirRow){ .n = 4,
      .src = { WEIR_ROW_BF16, src },
      .activation = &rows[0].activation,
      .dst_type = WEIR_ROW_BF16,
      .dst = dst });
  for (size_t i = 0; i < 4; i++)
    ck_assert_uint_eq (dst[i], expected[i]);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("rows");
  TCase *tcase = tcase_create ("rows");
  if (!weir_row_fn ()) {
    printf ("skipped: no AVX-512\n");
    return 77;
  }
  for (int i = 0; i < (int) (sizeof variants / sizeof *variants); i++) {
    if (!weir_row_variant (variants[i]))
      continue;
    tcase_add_loop_test (
        tcase, test_rows_as_tensor_kernels, i * N_ACTIVATIONS, (i + 1) * N_ACTIVATIONS);
    if (variants[i] != WEIR_ISA_AVX512)
      tcase_add_loop_test (tcase, test_rows_denormals, i, i + 1);
  }
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
