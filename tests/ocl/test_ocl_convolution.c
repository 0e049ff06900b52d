/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions on the device against plain loops: odd and prime shapes, every way and every tile.
 */
#include "tests/ocl/ocl_case.h"
#include "tests/run_suite.h"

static const OclRow convolutions[] = {
  /* 3x3 */
  { 1, 1, 8, 8, { 0, 7, 5 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
  { 2, 1, 20, 12, { 0, 11, 13 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 } },
  { 1, 1, 3, 16, { 0, 19, 17 }, { 0, 3, 3 }, { 0, 2, 2 }, .begin = { 0, 0, 0 }, .end = { 0, 1, 1 },
      .extras = BIAS, .posts = { RELU } },
  { 3, 1, 5, 7, { 0, 5, 7 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
  { 1, 1, 36, 40, { 0, 9, 9 }, { 0, 3, 3 }, { 0, 2, 1 }, .begin = { 0, 1, 0 }, .end = { 0, 0, 2 },
      .extras = BIAS | ADDED, .posts = { ADD_OF (WEIR_NONE), LEAKY, CLIP_TO (-1.5f, 2) } },
  /* other windows */
  { 1, 1, 3, 8, { 0, 23, 21 }, { 0, 7, 7 }, { 0, 2, 2 }, .begin = { 0, 3, 3 }, .end = { 0, 3, 3 },
      .extras = BIAS, .posts = { RELU } },
  { 1, 1, 8, 12, { 0, 13, 11 }, { 0, 3, 3 }, { 0 }, { 0, 2, 3 }, { 0, 2, 3 }, { 0, 2, 3 } },
  { 2, 1, 12, 8, { 0, 5, 17 }, { 0, 1, 5 }, .begin = { 0, 0, 2 }, .end = { 0, 0, 2 },
      .extras = BIAS },
  { 1, 1, 4, 4, { 0, 17, 3 }, { 0, 5, 1 }, { 0, 3, 1 }, { 0, 2, 1 }, .begin = { 0, 4, 0 } },
  { 1, 1, 2, 3, { 0, 4, 4 }, { 0, 5, 5 }, .begin = { 0, 4, 4 }, .end = { 0, 4, 4 } },
  { 1, 1, 8, 4, { 0, 6, 6 }, { 0, 2, 2 }, { 0, 2, 2 }, .begin = { 0, -1, -1 },
      .end = { 0, -1, -1 } },
  /* one dimension, three */
  { 2, 1, 6, 10, { 0, 0, 31 }, { 0, 0, 4 }, { 0, 0, 3 }, .begin = { 0, 0, 1 }, .end = { 0, 0, 2 },
      .extras = BIAS },
  { 2, 1, 4, 6, { 3, 5, 4 }, { 2, 3, 3 }, { 1, 2, 1 }, { 2, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 },
      BIAS },
  { 2, 1, 4, 8, { 3, 5, 4 }, { 1, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 } },
  /* 1x1 */
  { 1, 1, 16, 24, { 0, 7, 11 }, { 0, 1, 1 }, .extras = BIAS, .posts = { RELU } },
  { 3, 1, 37, 19, { 0, 5, 5 }, { 0, 1, 1 }, .extras = BIAS | ADDED,
      .posts = { DOUBLE, ADD_OF (WEIR_NONE), RELU } },
  { 1, 1, 72, 68, { 0, 9, 8 }, { 0, 1, 1 }, .extras = ADDED, .posts = { ADD_OF (WEIR_NONE) } },
  { 2, 1, 8, 8, { 0, 9, 7 }, { 0, 1, 1 }, { 0, 2, 2 }, .extras = BIAS },
  { 1, 1, 8, 8, { 0, 5, 5 }, { 0, 1, 1 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
  { 1, 2, 8, 12, { 0, 7, 7 }, { 0, 1, 1 }, .extras = BIAS },
  /* groups */
  { 1, 2, 16, 8, { 0, 9, 7 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
  { 2, 3, 9, 15, { 0, 5, 7 }, { 0, 3, 3 }, { 0, 2, 2 }, { 0, 1, 2 }, { 0, 1, 2 }, { 0, 1, 2 },
      .extras = BIAS | ADDED, .posts = { RELU, DOUBLE, CLIP_TO (-1.5f, 2), ADD_OF (WEIR_NONE) } },
  { 1, 4, 4, 8, { 0, 5, 5 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
};

static const OclRow depthwise[] = {
  { 1, 8, 8, 8, { 0, 9, 11 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 }, .extras = BIAS,
      .posts = { CLIP_TO (-1.5f, 2) } },
  { 2, 7, 7, 7, { 0, 8, 5 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
  { 2, 12, 12, 12, { 0, 13, 15 }, { 0, 3, 3 }, { 0, 2, 2 }, .begin = { 0, 0, 0 },
      .end = { 0, 1, 1 }, .extras = BIAS | ADDED, .posts = { RELU, ADD_OF (WEIR_NONE) } },
  { 1, 4, 4, 4, { 0, 17, 9 }, { 0, 5, 5 }, { 0, 1, 2 }, .begin = { 0, 2, 2 }, .end = { 0, 2, 2 } },
  { 1, 4, 4, 4, { 0, 9, 9 }, { 0, 3, 3 }, { 0 }, { 0, 2, 2 }, { 0, 2, 2 }, { 0, 2, 2 }, BIAS },
  { 1, 4, 4, 4, { 0, 9, 9 }, { 0, 3, 3 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .extras = BIAS },
  { 2, 5, 5, 5, { 0, 0, 29 }, { 0, 0, 9 }, .begin = { 0, 0, 4 }, .end = { 0, 0, 4 } },
  { 1, 3, 3, 3, { 4, 5, 5 }, { 3, 3, 3 }, .begin = { 1, 1, 1 }, .end = { 1, 1, 1 },
      .extras = BIAS },
};

/* `end` counts as ONNX has it: less what is added to the result's size. */
static const OclRow transposed[] = {
  { 1, 1, 8, 8, { 0, 5, 7 }, { 0, 2, 2 }, { 0, 2, 2 }, .extras = BIAS, .posts = { RELU } },
  { 2, 1, 12, 5, { 0, 5, 3 }, { 0, 4, 4 }, { 0, 2, 2 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS | ADDED, .posts = { ADD_OF (WEIR_NONE), LEAKY } },
  { 1, 1, 6, 7, { 0, 4, 5 }, { 0, 3, 3 }, { 0, 2, 2 }, .begin = { 0, 1, 1 }, .end = { 0, 0, 0 } },
  { 1, 1, 4, 4, { 0, 5, 4 }, { 0, 3, 3 }, { 0 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 } },
  { 1, 1, 4, 4, { 0, 3, 4 }, { 0, 2, 1 }, { 0, 3, 2 }, .end = { 0, -1, 0 }, .extras = BIAS },
  { 1, 1, 4, 8, { 0, 5, 4 }, { 0, 3, 3 }, { 0, 2, 3 }, { 0, 2, 3 }, { 0, 1, 2 }, { 0, 1, 2 },
      BIAS },
  { 1, 2, 8, 6, { 0, 4, 5 }, { 0, 4, 3 }, { 0, 3, 2 }, { 0, 3, 1 }, { 0, 1, 1 }, { 0, 0, 0 },
      BIAS },
  { 2, 1, 4, 6, { 0, 0, 13 }, { 0, 0, 5 }, { 0, 0, 3 }, .begin = { 0, 0, 2 }, .end = { 0, 0, 1 } },
  { 1, 1, 4, 4, { 2, 3, 3 }, { 2, 3, 3 }, { 2, 1, 2 }, .begin = { 0, 1, 0 }, .extras = BIAS },
  { 1, 8, 8, 8, { 0, 5, 7 }, { 0, 4, 4 }, { 0, 2, 2 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 } },
  { 2, 5, 5, 5, { 0, 4, 3 }, { 0, 3, 3 }, { 0, 2, 2 }, { 0, 2, 2 }, .begin = { 0, 1, 1 },
      .extras = BIAS, .posts = { RELU } },
};

static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16 };
#define F16_EVERY 3 /* rows: a driver may take a second to build a program */

START_TEST (test_ocl_convolution)
{
  for (uint32_t d = 0; d < (_i % F16_EVERY ? 1 : G_N_ELEMENTS (dtypes)); d++)
    ocl_case_check (&convolutions[_i], false, dtypes[d], 0, &weir_ocl_way_product, (uint32_t) _i);
}
END_TEST

START_TEST (test_ocl_depthwise)
{
  for (uint32_t d = 0; d < (_i % F16_EVERY ? 1 : G_N_ELEMENTS (dtypes)); d++)
    ocl_case_check (&depthwise[_i], false, dtypes[d], 0, &weir_ocl_way_depthwise, (uint32_t) _i);
}
END_TEST

START_TEST (test_ocl_deconvolution)
{
  for (uint32_t d = 0; d < (_i % F16_EVERY ? 1 : G_N_ELEMENTS (dtypes)); d++)
    ocl_case_check (&transposed[_i], true, dtypes[d], 0, NULL, (uint32_t) _i);
}
END_TEST

/* Addresses in the middle of four elements. */
START_TEST (test_ocl_convolution_skewed)
{
  ocl_case_check (&convolutions[0], false, dtypes[_i], 1, NULL, 0);
  ocl_case_check (&depthwise[0], false, dtypes[_i], 1, NULL, 0);
  ocl_case_check (&transposed[0], true, dtypes[_i], 3, NULL, 0);
}
END_TEST

static const OclRow of_parts[] = {
  { 1, 1, 12, 68, { 0, 9, 11 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 } },
  { 1, 1, 20, 12, { 0, 5, 7 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 }, BIAS | ADDED,
      .posts = { RELU, ADD_OF (WEIR_NONE), DOUBLE } },
  { 2, 1, 41, 7, { 0, 5, 3 }, { 0, 1, 1 }, .extras = BIAS, .posts = { RELU } },
  { 1, 2, 24, 16, { 0, 7, 5 }, { 0, 3, 2 }, { 0 }, { 0, 1, 2 } },
};

/* Every tile that the device has room for: parts of the sum, at once and in sequence, give the same
 * bytes in all. */
START_TEST (test_ocl_tiles)
{
  OclCase self;
  ocl_case_init (&self, &of_parts[0], false, WEIR_DTYPE_F32, 0, NULL);
  g_autofree double *wanted = g_new (double, self.n_dst);
  g_autofree float *first = g_new (float, self.n_dst);
  ocl_case_expect (&self, wanted);
  for (uint32_t i = 0; i < WEIR_OCL_N_TILES; i++) {
    WeirOclVariant variant = {
      .way = &weir_ocl_way_product, .tile = &weir_ocl_tiles[i], .n_parts = 3, .is_split = i % 2
    };
    if (ocl_has_room (variant.tile))
      ocl_case_check_variant (&self, &variant, wanted, first, i == 0);
  }
  ocl_case_clear (&self);
}
END_TEST

/* As many parts as leaves the last one less, or nothing. */
START_TEST (test_ocl_parts)
{
  static const uint32_t numbers[] = { 2, 8 };
  OclCase self;
  ocl_case_init (&self, &of_parts[_i], false, dtypes[_i % 2], 0, NULL);
  g_autofree double *wanted = g_new (double, self.n_dst);
  g_autofree float *first = g_new (float, self.n_dst);
  ocl_case_expect (&self, wanted);
  for (uint32_t k = 0; k < G_N_ELEMENTS (numbers); k++)
    for (uint32_t split = 0; split < 2; split++) {
      WeirOclVariant variant = { .way = &weir_ocl_way_product,
        .tile = &weir_ocl_tiles[split ? 7 : 8],
        .n_parts = numbers[k],
        .is_split = split };
      if (ocl_has_room (variant.tile))
        ocl_case_check_variant (&self, &variant, wanted, first, split == 0);
    }
  ocl_case_clear (&self);
}
END_TEST

/* Each shape of groups and each number of results of an item gives the same bytes. */
START_TEST (test_ocl_depthwise_variants)
{
  OclCase self;
  ocl_case_init (&self, &depthwise[0], false, WEIR_DTYPE_F32, 0, NULL);
  g_autofree double *wanted = g_new (double, self.n_dst);
  g_autofree float *first = g_new (float, self.n_dst);
  g_autoptr (GArray) variants = g_array_new (FALSE, FALSE, sizeof (WeirOclVariant));
  weir_ocl_window_list (weir_ocl_device_facts (ocl_kit_device), &self.window, variants);
  ck_assert_uint_gt (variants->len, 1);
  ocl_case_expect (&self, wanted);
  for (uint32_t i = 0; i < variants->len; i++)
    ocl_case_check_variant (
        &self, &g_array_index (variants, WeirOclVariant, i), wanted, first, i == 0);
  ocl_case_clear (&self);
}
END_TEST

/* Parts where the sum is long and the result small, on devices that have room for it; as many for
 * any number of items. */
START_TEST (test_ocl_suggestions)
{
  static const OclRow large = { 16, 1, 64, 64, { 0, 56, 56 }, { 0, 3, 3 }, .begin = { 0, 1, 1 },
    .end = { 0, 1, 1 } };
  static const OclRow small = { 1, 1, 512, 512, { 0, 7, 7 }, { 0, 3, 3 }, .begin = { 0, 1, 1 },
    .end = { 0, 1, 1 } };
  static const uint32_t numbers[] = { 2, 7, 16, 64 };
  WeirOclFacts gpu = { .vendor = "NVIDIA Corporation",
    .kind = WEIR_OCL_GPU,
    .n_units = 64,
    .max_group = 1024,
    .local_bytes = 48 << 10 };
  WeirOclFacts cpu = gpu, tiny = gpu;
  cpu.kind = WEIR_OCL_CPU;
  tiny.max_group = 16;
  WeirOclWindow window;
  WeirOclVariant variant, other;
  ocl_row_read (&large, false, WEIR_DTYPE_F32, &window);
  ck_assert (weir_ocl_variant_suggest (&gpu, &window, &variant));
  ck_assert_uint_eq (variant.n_parts, 1);
  ck_assert (!weir_ocl_variant_suggest (&tiny, &window, &variant));
  ocl_row_read (&small, false, WEIR_DTYPE_F32, &window);
  ck_assert (weir_ocl_variant_suggest (&cpu, &window, &variant));
  ck_assert_uint_eq (variant.n_parts, 1);
  ck_assert (weir_ocl_variant_suggest (&gpu, &window, &variant));
  ck_assert (variant.way == &weir_ocl_way_product && variant.n_parts > 1 && variant.is_split);
  for (uint32_t i = 0; i < G_N_ELEMENTS (numbers); i++) {
    window.n_items = numbers[i];
    ck_assert (weir_ocl_variant_suggest (&gpu, &window, &other));
    ck_assert_uint_eq (other.n_parts, variant.n_parts);
  }
}
END_TEST

/* What no way takes. */
START_TEST (test_ocl_convolution_refused)
{
  static const WeirPostOp two[] = { ADD_OF (WEIR_NONE), ADD_OF (WEIR_NONE) },
                          unknown[] = { { WEIR_OP_SOFTMAX, 0, 0, WEIR_NONE } };
  WeirOclWindow window, other;
  ocl_row_read (&convolutions[0], false, WEIR_DTYPE_F32, &window);
  ck_assert (weir_ocl_window_is_taken (&window));
  other = window;
  other.dtype = WEIR_DTYPE_I8;
  ck_assert (!weir_ocl_window_is_taken (&other));
  other = window;
  other.posts = two;
  other.n_posts = 2;
  ck_assert (!weir_ocl_window_is_taken (&other));
  other.posts = unknown;
  other.n_posts = 1;
  ck_assert (!weir_ocl_window_is_taken (&other));
  other = window;
  other.n_items = 1 << 24; /* 2^32 elements and more */
  ck_assert (!weir_ocl_window_is_taken (&other));
  other = window;
  other.groups = 3;
  ck_assert (!weir_ocl_window_is_taken (&other));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl convolution");
  TCase *tcase = tcase_create ("ocl convolution");
  ocl_kit_start ();
  tcase_add_loop_test (tcase, test_ocl_convolution, 0, G_N_ELEMENTS (convolutions));
  tcase_add_loop_test (tcase, test_ocl_depthwise, 0, G_N_ELEMENTS (depthwise));
  tcase_add_loop_test (tcase, test_ocl_deconvolution, 0, G_N_ELEMENTS (transposed));
  tcase_add_loop_test (tcase, test_ocl_convolution_skewed, 0, G_N_ELEMENTS (dtypes));
  tcase_add_test (tcase, test_ocl_tiles);
  tcase_add_loop_test (tcase, test_ocl_parts, 1, G_N_ELEMENTS (of_parts));
  tcase_add_test (tcase, test_ocl_depthwise_variants);
  tcase_add_test (tcase, test_ocl_suggestions);
  tcase_add_test (tcase, test_ocl_convolution_refused);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
