/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling: every variant against its definition. Buffers have exactly the size that is allowed,
 * for the sanitizers. */
#include "kernels/kernels.h"
#include "kernels/max_pool.h"

#include "tests/run_suite.h"
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 5

static const struct {
  WeirMaxPool shape;
  size_t n_rows;
} rows[] = {
  { { 1, 1, 1, 0, 1, 1 }, 1 },
  { { 24, 3, 2, 1, 17, 9 }, 3 },
  { { 24, 3, 2, 1, 17, 9 }, 2 },
  { { 16, 2, 2, 0, 10, 5 }, 2 },
  { { 70, 3, 2, 0, 12, 6 }, 3 }, /* the last window goes over the end */
  { { 128, 5, 1, 2, 7, 7 }, 5 },
  { { 9, 5, 1, 4, 3, 7 }, 4 }, /* windows wider than the row */
  { { 33, 2, 3, 1, 8, 3 }, 1 },
  { { 64, 3, 1, 0, 6, 4 }, 3 },
};

static uint8_t *bytes_new (size_t n, uint32_t seed)
{
  uint8_t *bytes = malloc (n);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    bytes[i] = (uint8_t) (seed >> 24);
  }
  return bytes;
}

static float *floats_new (const uint8_t *bytes, size_t n)
{
  float *values = malloc (n * sizeof *values);
  for (size_t i = 0; i < n; i++)
    values[i] = (float) bytes[i] * 0.25f - 17;
  return values;
}

/* Largest code of the window of pixel x in channel c. */
static uint8_t expected (size_t row, uint8_t *const *src, size_t x, size_t c)
{
  const WeirMaxPool *shape = &rows[row].shape;
  uint8_t most = 0;
  for (size_t y = 0; y < rows[row].n_rows; y++)
    for (size_t k = 0; k < shape->kernel_width; k++) {
      size_t at = x * shape->stride + k;
      if (at < shape->pad || at - shape->pad >= shape->src_width)
        continue;
      uint8_t code = src[y][(at - shape->pad) * shape->n_channels + c];
      most = code > most ? code : most;
    }
  return most;
}

static void check (size_t row, unsigned isa)
{
  const WeirMaxPool *shape = &rows[row].shape;
  WeirMaxPoolFn u8 = weir_max_pool_variant (isa, false), f32 = weir_max_pool_variant (isa, true);
  size_t n_src = shape->src_width * shape->n_channels, n = shape->dst_width * shape->n_channels;
  uint8_t *bytes[MAX_ROWS], *got = malloc (n);
  float *floats[MAX_ROWS], *got_f32 = malloc (n * sizeof (float));
  for (size_t y = 0; y < rows[row].n_rows; y++) {
    bytes[y] = bytes_new (n_src, (uint32_t) y);
    floats[y] = floats_new (bytes[y], n_src);
  }
  u8 (shape, got, (const void *const *) bytes, rows[row].n_rows);
  f32 (shape, got_f32, (const void *const *) floats, rows[row].n_rows);
  for (size_t i = 0; i < n; i++) {
    uint8_t code = expected (row, bytes, i / shape->n_channels, i % shape->n_channels);
    float value = (float) code * 0.25f - 17;
    ck_assert_msg (got[i] == code, "row %zu, variant %u, u8, element %zu", row, isa, i);
    ck_assert_msg (memcmp (&got_f32[i], &value, sizeof value) == 0,
        "row %zu, variant %u, f32, element %zu", row, isa, i);
  }
  for (size_t y = 0; y < rows[row].n_rows; y++) {
    free (bytes[y]);
    free (floats[y]);
  }
  free (got);
  free (got_f32);
}

START_TEST (test_max_pool)
{
  static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
      if (weir_max_pool_variant (variants[v], true))
        check (row, variants[v]);
  ck_assert (!weir_max_pool_variant (WEIR_ISA_C, true));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("max pool");
  TCase *tcase = tcase_create ("max pool");
  tcase_add_test (tcase, test_max_pool);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
