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

/* Codes and what stands for them, in the order of codes: the first 68 are negative. */
static void write_code (void *dst, size_t i, uint8_t code, WeirMaxPoolType type)
{
  float value = (float) code * 0.25f - 17; /* exact in bf16 */
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  if (type == WEIR_MAX_POOL_U8)
    ((uint8_t *) dst)[i] = code;
  else if (type == WEIR_MAX_POOL_BF16)
    ((uint16_t *) dst)[i] = (uint16_t) (bits >> 16);
  else
    ((uint32_t *) dst)[i] = bits;
}

static size_t element_bytes (WeirMaxPoolType type)
{
  return type == WEIR_MAX_POOL_U8 ? 1 : type == WEIR_MAX_POOL_BF16 ? 2 : 4;
}

static void *elements_new (const uint8_t *codes, size_t n, WeirMaxPoolType type)
{
  void *elements = malloc (n * element_bytes (type));
  for (size_t i = 0; i < n; i++)
    write_code (elements, i, codes[i], type);
  return elements;
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

static void check (size_t row, unsigned isa, WeirMaxPoolType type)
{
  const WeirMaxPool *shape = &rows[row].shape;
  size_t n_src = shape->src_width * shape->n_channels, n = shape->dst_width * shape->n_channels;
  uint8_t *codes[MAX_ROWS], *expected_codes = malloc (n);
  void *src[MAX_ROWS], *got = malloc (n * element_bytes (type));
  for (size_t y = 0; y < rows[row].n_rows; y++) {
    codes[y] = bytes_new (n_src, (uint32_t) y);
    src[y] = elements_new (codes[y], n_src, type);
  }
  for (size_t i = 0; i < n; i++)
    expected_codes[i] = expected (row, codes, i / shape->n_channels, i % shape->n_channels);
  void *most = elements_new (expected_codes, n, type);
  weir_max_pool_variant (isa, type) (shape, got, (const void *const *) src, rows[row].n_rows);
  ck_assert_msg (memcmp (got, most, n * element_bytes (type)) == 0, "row %zu, variant %u, type %d",
      row, isa, (int) type);
  for (size_t y = 0; y < rows[row].n_rows; y++) {
    free (codes[y]);
    free (src[y]);
  }
  free (expected_codes);
  free (most);
  free (got);
}

START_TEST (test_max_pool)
{
  static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  static const WeirMaxPoolType types[] = { WEIR_MAX_POOL_F32, WEIR_MAX_POOL_BF16,
    WEIR_MAX_POOL_U8 };
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
      for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        if (weir_max_pool_variant (variants[v], types[t]))
          check (row, variants[v], types[t]);
    ck_assert (!weir_max_pool_variant (WEIR_ISA_C, types[t]));
  }
}
END_TEST

/* Of every two, in both orders, the one further on. */
START_TEST (test_bf16_of_both_signs)
{
  static const uint16_t in_order[] = { 0xff80, 0xc2f0, 0xbf80, 0x8080, 0x8001, 0x8000, 0x0000,
    0x0001, 0x0080, 0x3f80, 0x42f0, 0x7f80 }; /* -infinity to infinity */
  const WeirMaxPool shape = { 1, 2, 1, 0, 2, 1 };
  WeirMaxPoolFn fn = weir_max_pool (WEIR_MAX_POOL_BF16);
  size_t n = sizeof in_order / sizeof *in_order;
  for (size_t i = 0; fn && i < n * n; i++) {
    uint16_t row[] = { in_order[i / n], in_order[i % n] }, got = 0;
    const void *src[] = { row };
    fn (&shape, &got, src, 1);
    ck_assert_uint_eq (got, in_order[i / n > i % n ? i / n : i % n]);
  }
}
END_TEST

/* Of bf16 only AVX-512 has a variant; of the other types every set of vectors. */
START_TEST (test_types_of_variants)
{
  ck_assert (!weir_max_pool_variant (WEIR_ISA_AVX2, WEIR_MAX_POOL_BF16));
  ck_assert_int_eq (weir_max_pool_variant (WEIR_ISA_AVX512, WEIR_MAX_POOL_BF16) != NULL,
      weir_max_pool_variant (WEIR_ISA_AVX512, WEIR_MAX_POOL_F32) != NULL);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("max pool");
  TCase *tcase = tcase_create ("max pool");
  tcase_add_test (tcase, test_max_pool);
  tcase_add_test (tcase, test_bf16_of_both_signs);
  tcase_add_test (tcase, test_types_of_variants);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
