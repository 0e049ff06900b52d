/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's convolutions on the device: odd and prime shapes, every tile of products, batches,
 * more tiles than are transformed at a time. */
#include "tests/ocl/ocl_case.h"
#include "tests/run_suite.h"

#include <string.h>

#define F16_EVERY 3 /* rows: a driver may take a second to build a program */

static const WeirOclWay *const ways[] = { &weir_ocl_way_winograd_2, &weir_ocl_way_winograd_4 };

static const OclRow rows[] = {
  { 1, 1, 8, 8, { 0, 7, 5 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS | ADDED, .posts = { ADD_OF (WEIR_NONE), LEAKY, CLIP_TO (-1.5f, 2) } },
  { 2, 1, 12, 20, { 0, 11, 13 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS, .posts = { RELU } },
  { 3, 1, 5, 7, { 0, 5, 7 }, { 0, 3, 3 }, .extras = BIAS },
  { 1, 1, 3, 1, { 0, 3, 3 }, { 0, 3, 3 } },
  { 2, 1, 1, 4, { 0, 17, 1 }, { 0, 3, 3 }, .begin = { 0, 2, 1 }, .end = { 0, 0, 1 } },
  { 1, 1, 4, 6, { 0, 9, 10 }, { 0, 3, 3 }, .begin = { 0, -1, -2 }, .end = { 0, -1, 0 },
      .extras = BIAS | ADDED, .posts = { RELU, ADD_OF (WEIR_NONE), DOUBLE } },
  { 1, 1, 36, 40, { 2, 8, 4 }, { 0, 3, 3 }, .begin = { 0, 1, 1 }, .end = { 0, 1, 1 },
      .extras = BIAS },
};

START_TEST (test_ocl_winograd)
{
  for (uint32_t w = 0; w < G_N_ELEMENTS (ways); w++) {
    ocl_case_check (&rows[_i], false, WEIR_DTYPE_F32, 0, ways[w], (uint32_t) _i);
    if (_i % F16_EVERY == 0)
      ocl_case_check (&rows[_i], false, WEIR_DTYPE_F16, 0, ways[w], (uint32_t) _i);
  }
}
END_TEST

/* Addresses in the middle of four elements. */
START_TEST (test_ocl_winograd_skewed)
{
  ocl_case_check (&rows[0], false, WEIR_DTYPE_F32, 1, ways[_i], 0);
}
END_TEST

START_TEST (test_ocl_winograd_tiles)
{
  OclCase self;
  ocl_case_init (&self, &rows[1], false, WEIR_DTYPE_F32, 0, ways[_i]);
  g_autofree double *wanted = g_new (double, self.n_dst);
  g_autofree float *first = g_new (float, self.n_dst);
  ocl_case_expect (&self, wanted);
  bool is_first = true;
  for (uint32_t i = 0; i < WEIR_OCL_N_TILES; i++) {
    WeirOclVariant variant = { .way = ways[_i], .tile = &weir_ocl_tiles[i], .n_parts = 1 };
    if (!ocl_has_room (variant.tile))
      continue;
    ocl_case_check_variant (&self, &variant, wanted, first, is_first);
    is_first = false;
  }
  ocl_case_clear (&self);
}
END_TEST

/* Items one by one have the bytes that they have together. */
START_TEST (test_ocl_winograd_batch)
{
  OclCase self;
  ocl_case_init (&self, &rows[2], false, WEIR_DTYPE_F32, 0, ways[_i]);
  uint32_t n_items = self.window.n_items;
  g_autofree float *together = g_new (float, self.n_dst), *zeros = g_new0 (float, self.n_dst);
  ocl_case_run (&self);
  ocl_case_check_bytes (&self, together, true);
  ocl_kit_upload (self.memory, self.dst_at * sizeof (float), zeros, self.n_dst, WEIR_DTYPE_F32);
  self.window.n_items = 1;
  for (uint32_t i = 0; i < n_items; i++) {
    ocl_case_run (&self);
    self.places.src = (const float *) self.places.src + self.n_src / n_items;
    self.places.dst = (const float *) self.places.dst + self.n_dst / n_items;
  }
  ocl_case_check_bytes (&self, together, false);
  ocl_case_clear (&self);
}
END_TEST

START_TEST (test_ocl_winograd_many_tiles)
{
  static const OclRow row = { 1, 1, 64, 1, { 0, 241, 243 }, { 0, 3, 3 }, .begin = { 0, 1, 1 },
    .end = { 0, 1, 1 } };
  WeirOclWindow window;
  ocl_row_read (&row, false, WEIR_DTYPE_F32, &window);
  size_t all_bytes = (size_t) 61 * 61 * 36 * (64 + 1) * sizeof (float);
  ck_assert_uint_lt (ways[1]->scratch_bytes (NULL, &window), all_bytes);
  ocl_case_check (&row, false, WEIR_DTYPE_F32, 0, ways[1], 0);
}
END_TEST

/* Where channels are many and pictures large; not where channels are few, or weights are most of
 * the bytes. */
START_TEST (test_ocl_winograd_suggested)
{
  static const struct {
    uint32_t channels, side;
    bool is_winograd;
  } shapes[] = { { 512, 56, true }, { 8, 56, false }, { 512, 4, false } };
  WeirOclFacts gpu = { .vendor = "NVIDIA Corporation",
    .kind = WEIR_OCL_GPU,
    .n_units = 132,
    .max_group = 1024,
    .local_bytes = 48 << 10 };
  uint32_t channels = shapes[_i].channels, side = shapes[_i].side;
  OclRow row = { 4, 1, channels, channels, { 0, side, side }, { 0, 3, 3 }, .begin = { 0, 1, 1 },
    .end = { 0, 1, 1 } };
  WeirOclWindow window;
  WeirOclVariant variant;
  ocl_row_read (&row, false, WEIR_DTYPE_F32, &window);
  ck_assert (weir_ocl_variant_suggest (&gpu, &window, &variant));
  ck_assert_msg ((variant.way == &weir_ocl_way_product) != shapes[_i].is_winograd,
      "%u channels, %u x %u: %s", channels, side, side, variant.way->name);
}
END_TEST

/* What it does not compute, products do. */
START_TEST (test_ocl_winograd_refused)
{
  static const OclRow others[] = {
    { 1, 1, 8, 8, { 0, 7, 5 }, { 0, 3, 3 }, { 0, 1, 2 } },
    { 1, 1, 8, 8, { 0, 7, 5 }, { 0, 3, 1 } },
    { 1, 1, 8, 8, { 0, 7, 7 }, { 0, 3, 3 }, { 0 }, { 0, 2, 2 } },
    { 1, 2, 8, 8, { 0, 7, 5 }, { 0, 3, 3 } },
    { 1, 1, 8, 8, { 5, 7, 5 }, { 3, 3, 3 } },
    { 1, 1, 8, 4100, { 0, 3, 3 }, { 0, 3, 3 } },
  };
  WeirOclWindow window;
  for (uint32_t i = 0; i < G_N_ELEMENTS (others); i++) {
    ocl_row_read (&others[i], false, WEIR_DTYPE_F32, &window);
    ck_assert (!ways[0]->takes (&window) && !ways[1]->takes (&window));
  }
  ocl_row_read (&rows[0], true, WEIR_DTYPE_F32, &window);
  ck_assert (!ways[0]->takes (&window));
}
END_TEST

/* What takes long elsewhere is for ever there: each tile of a product is computed in full, once for
 * each plane. */
static bool is_simulated (void)
{
  return strstr (weir_ocl_device_facts (ocl_kit_device)->name, "Oclgrind") != NULL;
}

int main (void)
{
  Suite *suite = suite_create ("ocl winograd");
  TCase *tcase = tcase_create ("ocl winograd");
  ocl_kit_start ();
  tcase_add_loop_test (tcase, test_ocl_winograd, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_ocl_winograd_skewed, 0, G_N_ELEMENTS (ways));
  tcase_add_loop_test (tcase, test_ocl_winograd_batch, 0, G_N_ELEMENTS (ways));
  if (!is_simulated ()) {
    tcase_add_loop_test (tcase, test_ocl_winograd_tiles, 0, G_N_ELEMENTS (ways));
    tcase_add_test (tcase, test_ocl_winograd_many_tiles);
  }
  tcase_add_loop_test (tcase, test_ocl_winograd_suggested, 0, 3);
  tcase_add_test (tcase, test_ocl_winograd_refused);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
