/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tuning has found, in memory and on disk, and how plans choose by it. Needs no device. */
#include "engine/ocl/ocl_variant.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

static char *folder;
static const WeirOclFacts card = { .name = "Card",
  .vendor = "NVIDIA",
  .version = "OpenCL 3.0",
  .driver_version = "1.2.3",
  .platform = "Platform",
  .platform_version = "1",
  .kind = WEIR_OCL_GPU,
  .n_units = 64,
  .max_group = 1024,
  .local_bytes = 48 << 10 };

static void make_folder (void)
{
  folder = g_dir_make_tmp ("weir-tuning-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
}

/* The only file. Newly allocated. */
static char *find_file (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = g_dir_read_name (dir);
  ck_assert (name && !g_dir_read_name (dir));
  return g_build_filename (folder, name, NULL);
}

static void remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
}

static void expect (
    const WeirOclTuning *tuning, const char *window, uint32_t n_items, const char *variant)
{
  const char *found = weir_ocl_tuning_find (tuning, window, &n_items);
  ck_assert_msg (g_strcmp0 (found, variant) == 0, "%s of %u: %s", window, n_items, found);
}

START_TEST (test_ocl_tuning_finds_nearest)
{
  g_autoptr (WeirOclTuning) tuning = weir_ocl_tuning_new ();
  expect (tuning, "a", 1, NULL);
  weir_ocl_tuning_set (tuning, "a", 2, "two");
  weir_ocl_tuning_set (tuning, "a", 32, "many");
  weir_ocl_tuning_set (tuning, "b", 1, "other");
  expect (tuning, "a", 1, "two");
  expect (tuning, "a", 7, "two");
  expect (tuning, "a", 9, "many");
  expect (tuning, "a", 1000, "many");
  expect (tuning, "b", 64, "other");
  weir_ocl_tuning_set (tuning, "a", 2, "better");
  expect (tuning, "a", 2, "better");
  weir_ocl_tuning_forget (tuning, "a");
  expect (tuning, "a", 2, NULL);
  ck_assert_uint_eq (weir_ocl_tuning_n (tuning), 1);
}
END_TEST

START_TEST (test_ocl_tuning_is_bounded)
{
  g_autoptr (WeirOclTuning) tuning = weir_ocl_tuning_new ();
  g_autofree char *large = g_strnfill (WEIR_OCL_TUNING_CHARS + 1, 'x');
  const char *const bad[] = { "", "a\tb", "a\nb", large };
  for (uint32_t i = 0; i < G_N_ELEMENTS (bad); i++) {
    weir_ocl_tuning_set (tuning, bad[i], 1, "v");
    weir_ocl_tuning_set (tuning, "w", 1, bad[i]);
  }
  ck_assert_uint_eq (weir_ocl_tuning_n (tuning), 0);
  for (uint32_t i = 1; i <= WEIR_OCL_TUNING_MAX + 3; i++)
    weir_ocl_tuning_set (tuning, "w", i, "v");
  ck_assert_uint_eq (weir_ocl_tuning_n (tuning), WEIR_OCL_TUNING_MAX);
}
END_TEST

static void write_table (const char *variant)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirOclTuning) tuning = weir_ocl_tuning_new ();
  weir_ocl_tuning_set (tuning, "window 3x3", 1, variant);
  weir_ocl_tuning_set (tuning, "window 3x3", 8, "of 8");
  ck_assert (weir_ocl_tuning_write (tuning, folder, &card, "sources", &error));
}

START_TEST (test_ocl_tuning_is_kept)
{
  g_autoptr (WeirOclTuning) none = weir_ocl_tuning_read (folder, &card, "sources");
  ck_assert_uint_eq (weir_ocl_tuning_n (none), 0);
  write_table ("first");
  write_table ("second");
  g_autoptr (WeirOclTuning) read = weir_ocl_tuning_read (folder, &card, "sources");
  ck_assert_uint_eq (weir_ocl_tuning_n (read), 2);
  expect (read, "window 3x3", 1, "second");
  expect (read, "window 3x3", 8, "of 8");
  g_autoptr (WeirOclTuning) more = weir_ocl_tuning_new ();
  weir_ocl_tuning_set (more, "window 3x3", 4, "of 4");
  weir_ocl_tuning_set (more, "window 5x5", 1, "new");
  weir_ocl_tuning_merge (read, more);
  expect (read, "window 3x3", 1, "of 4"); /* what was known of the window has gone */
  expect (read, "window 5x5", 1, "new");
}
END_TEST

/* Each of these is another table. */
START_TEST (test_ocl_tuning_of_others)
{
  WeirOclFacts others[] = { card, card, card };
  others[0].driver_version = "1.2.4";
  others[1].name = "Card 2";
  write_table ("first");
  for (uint32_t i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (WeirOclTuning) read =
        weir_ocl_tuning_read (folder, &others[i], i == 2 ? "others" : "sources");
    ck_assert_uint_eq (weir_ocl_tuning_n (read), 0);
  }
}
END_TEST

/* Any byte that is changed, any length that is cut. */
START_TEST (test_ocl_tuning_damaged)
{
  g_autofree char *text = NULL;
  size_t n_bytes;
  write_table ("first");
  g_autofree char *path = find_file ();
  ck_assert (g_file_get_contents (path, &text, &n_bytes, NULL));
  for (size_t i = 0; i < n_bytes; i += 3) {
    g_autofree char *changed = g_memdup2 (text, n_bytes);
    changed[i] ^= 1;
    bool is_cut = _i;
    ck_assert (
        g_file_set_contents (path, is_cut ? text : changed, (gssize) (is_cut ? i : n_bytes), NULL));
    g_autoptr (WeirOclTuning) read = weir_ocl_tuning_read (folder, &card, "sources");
    ck_assert_msg (weir_ocl_tuning_n (read) == 0, "byte %zu", i);
  }
}
END_TEST

static const WeirOclWindow deep = { .n_items = 1,
  .groups = 1,
  .src_channels = 512,
  .dst_channels = 512,
  .src = { 1, 7, 7 },
  .dst = { 1, 7, 7 },
  .kernel = { 1, 3, 3 },
  .stride = { 1, 1, 1 },
  .dilation = { 1, 1, 1 },
  .pad = { 0, 1, 1 },
  .dtype = WEIR_DTYPE_F32 };

START_TEST (test_ocl_tuning_texts)
{
  WeirOclWindow window = deep;
  g_autofree char *text = weir_ocl_window_text (&window);
  ck_assert_str_eq (text, "f32 512x7x7 -> 512x7x7, window 3x3, pad 1x1");
  window.n_items = 5; /* is no part of it */
  g_autofree char *same = weir_ocl_window_text (&window);
  ck_assert_str_eq (same, text);
  window = (WeirOclWindow){ .is_transposed = true,
    .n_items = 1,
    .groups = 2,
    .src_channels = 4,
    .dst_channels = 6,
    .src = { 3, 5, 5 },
    .dst = { 7, 11, 11 },
    .kernel = { 3, 3, 3 },
    .stride = { 2, 2, 2 },
    .dilation = { 1, 2, 1 },
    .dtype = WEIR_DTYPE_F16 };
  g_autofree char *other = weir_ocl_window_text (&window);
  ck_assert_str_eq (other, "f16 4x3x5x5 -> 6x7x11x11, window 3x3x3, stride 2x2x2, dilation 1x2x1, "
                           "groups 2, transposed");
}
END_TEST

/* A name that the device has not is ignored; where a number of items has no such variant, another
 * is taken that gives the same bytes. */
START_TEST (test_ocl_tuning_chooses)
{
  static const char *const foreign[] = { "product 1x1/1x1x1", "nothing", "depthwise 4x128" };
  g_autoptr (WeirOclTuning) tuning = weir_ocl_tuning_new ();
  WeirOclWindow window = deep;
  WeirOclVariant usual, variant;
  bool is_tuned;
  g_autofree char *text = weir_ocl_window_text (&window);
  ck_assert (weir_ocl_variant_choose (&card, tuning, &window, &usual, &is_tuned) && !is_tuned);
  for (uint32_t i = 0; i < G_N_ELEMENTS (foreign); i++) {
    weir_ocl_tuning_set (tuning, text, 1, foreign[i]);
    ck_assert (weir_ocl_variant_choose (&card, tuning, &window, &variant, &is_tuned));
    ck_assert (!is_tuned && variant.tile == usual.tile && variant.n_parts == usual.n_parts);
  }
  weir_ocl_tuning_set (tuning, text, 1, "product 32x32/4x4x16, 2 parts at once");
  ck_assert (weir_ocl_variant_choose (&card, tuning, &window, &variant, &is_tuned) && is_tuned);
  ck_assert (variant.tile->m == 32 && variant.n_parts == 2 && variant.is_split);
  window.n_items = 1000; /* parts of so many are beyond what they may take */
  ck_assert (weir_ocl_variant_choose (&card, tuning, &window, &variant, &is_tuned) && is_tuned);
  ck_assert (variant.n_parts == 2 && !variant.is_split);
}
END_TEST

static const struct {
  WeirOclKind kind;
  const char *vendor, *family;
} families[] = {
  { WEIR_OCL_GPU, "NVIDIA Corporation", "NVIDIA" },
  { WEIR_OCL_GPU, "Advanced Micro Devices, Inc.", "AMD" },
  { WEIR_OCL_GPU, "AMD", "AMD" },
  { WEIR_OCL_GPU, "Intel(R) Corporation", "Intel" },
  { WEIR_OCL_GPU, "ARM", "mobile" },
  { WEIR_OCL_GPU, "QUALCOMM", "mobile" },
  { WEIR_OCL_GPU, "Somebody", "other" },
  { WEIR_OCL_ACCELERATOR, "", "other" },
  { WEIR_OCL_CPU, "Intel(R) Corporation", "CPU" },
};

/* Each has a tile that fits, and most of its speeds are of some use. */
START_TEST (test_ocl_families)
{
  WeirOclFacts facts = card;
  facts.kind = families[_i].kind;
  facts.vendor = families[_i].vendor;
  const WeirOclFamily *family = weir_ocl_family_of (&facts);
  uint32_t best = 0;
  ck_assert_str_eq (family->name, families[_i].family);
  for (uint32_t i = 0; i < WEIR_OCL_N_TILES; i++)
    best = MAX (best, family->speeds[i]);
  ck_assert_uint_eq (best, 1000);
  ck_assert_uint_ge (weir_ocl_n_cores (&facts, family), 1);
  WeirOclVariant variant;
  ck_assert (weir_ocl_variant_suggest (&facts, &deep, &variant));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl tuning");
  TCase *table = tcase_create ("table"), *files = tcase_create ("files");
  tcase_add_test (table, test_ocl_tuning_finds_nearest);
  tcase_add_test (table, test_ocl_tuning_is_bounded);
  tcase_add_test (table, test_ocl_tuning_texts);
  tcase_add_test (table, test_ocl_tuning_chooses);
  tcase_add_loop_test (table, test_ocl_families, 0, G_N_ELEMENTS (families));
  tcase_add_checked_fixture (files, make_folder, remove_folder);
  tcase_add_test (files, test_ocl_tuning_is_kept);
  tcase_add_test (files, test_ocl_tuning_of_others);
  tcase_add_loop_test (files, test_ocl_tuning_damaged, 0, 2);
  suite_add_tcase (suite, table);
  suite_add_tcase (suite, files);
  return run_suite (suite, CK_NOFORK);
}
