/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs: built, kept on disk, and what of a cache folder is believed. */
#include "engine/ocl/ocl_program.h"

#include "engine/ocl/ocl_program_cache.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder;

static void make_folder (void)
{
  folder = g_dir_make_tmp ("weir-ocl-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
}

/* The path of one file of the folder. Newly allocated; NULL: there is none. */
static char *find_file (uint32_t *n_files)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  char *path = NULL;
  const char *name;
  *n_files = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    g_free (path);
    path = g_build_filename (folder, name, NULL);
    (*n_files)++;
  }
  if (dir)
    g_dir_close (dir);
  return path;
}

static uint32_t count_files (void)
{
  uint32_t n_files;
  g_free (find_file (&n_files));
  return n_files;
}

static void remove_folder (void)
{
  for (uint32_t n = 1; n;) {
    g_autofree char *path = find_file (&n);
    if (path)
      g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
}

static WeirOclFacts facts = { .name = "Card",
  .vendor = "Maker",
  .version = "OpenCL 3.0",
  .driver_version = "1.2.3",
  .platform = "Platform",
  .platform_version = "OpenCL 3.0 P" };

START_TEST (test_ocl_cache_keeps)
{
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "-DA");
  size_t n_bytes = 0;
  ck_assert_ptr_null (weir_ocl_program_cache_read (folder, key, &n_bytes));
  weir_ocl_program_cache_write (folder, key, "binary", 6);
  weir_ocl_program_cache_write (folder, key, "binary!", 7);
  g_autofree char *bytes = weir_ocl_program_cache_read (folder, key, &n_bytes);
  ck_assert_uint_eq (n_bytes, 7);
  ck_assert_mem_eq (bytes, "binary!", 7);
  ck_assert_uint_eq (count_files (), 1);
}
END_TEST

/* Each of these is another program. */
START_TEST (test_ocl_cache_keys)
{
  WeirOclFacts others[] = { facts, facts, facts, facts, facts };
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "-DA");
  others[0].driver_version = "1.2.4";
  others[1].name = "Card 2";
  others[2].platform_version = "OpenCL 3.0 Q";
  for (uint32_t i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *other = weir_ocl_program_cache_key (
        &others[i], i == 3 ? "source 2" : "source", i == 4 ? "-DB" : "-DA");
    ck_assert_str_ne (key, other);
  }
}
END_TEST

typedef enum Damage { CUT, CUT_HEADER, EMPTY, FLIPPED, GARBAGE, OF_ANOTHER, N_DAMAGES } Damage;

/* What a disk, an editor or a copy may make of a file. */
static void damage (const char *path, Damage kind)
{
  g_autofree char *text = NULL;
  size_t n_bytes;
  ck_assert (g_file_get_contents (path, &text, &n_bytes, NULL));
  if (kind == FLIPPED)
    text[n_bytes - 1] ^= 4;
  else if (kind == GARBAGE)
    memset (text, 'x', n_bytes);
  else if (kind == OF_ANOTHER)
    text[20] = text[20] == 'a' ? 'b' : 'a'; /* in the key */
  n_bytes = kind == CUT ? n_bytes - 1 : kind == CUT_HEADER ? 40 : kind == EMPTY ? 0 : n_bytes;
  ck_assert (g_file_set_contents (path, text, (gssize) n_bytes, NULL));
}

START_TEST (test_ocl_cache_damaged)
{
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "");
  size_t n_bytes;
  uint32_t n_files;
  weir_ocl_program_cache_write (folder, key, "binary", 6);
  g_autofree char *path = find_file (&n_files);
  damage (path, (Damage) _i);
  ck_assert_ptr_null (weir_ocl_program_cache_read (folder, key, &n_bytes));
  weir_ocl_program_cache_write (folder, key, "binary", 6);
  g_autofree char *bytes = weir_ocl_program_cache_read (folder, key, &n_bytes);
  ck_assert_mem_eq (bytes, "binary", 6);
}
END_TEST

START_TEST (test_ocl_cache_of_pipes)
{
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "");
  size_t n_bytes;
  uint32_t n_files;
  weir_ocl_program_cache_write (folder, key, "binary", 6);
  g_autofree char *path = find_file (&n_files);
  ck_assert_int_eq (g_unlink (path), 0);
  ck_assert_int_eq (mkfifo (path, 0600), 0);
  ck_assert_ptr_null (weir_ocl_program_cache_read (folder, key, &n_bytes)); /* and does not hang */
}
END_TEST

START_TEST (test_ocl_cache_is_bounded)
{
  g_autofree char *first = weir_ocl_program_cache_key (&facts, "0", "");
  for (uint32_t i = 0; i < WEIR_OCL_PROGRAM_CACHE_MAX + 5; i++) {
    g_autofree char *source = g_strdup_printf ("%u", i);
    g_autofree char *key = weir_ocl_program_cache_key (&facts, source, "");
    size_t n_bytes;
    weir_ocl_program_cache_write (folder, key, source, strlen (source));
    g_autofree char *used = weir_ocl_program_cache_read (folder, first, &n_bytes);
    ck_assert_ptr_nonnull (used); /* in use, so it is not the one to go */
  }
  ck_assert_uint_eq (count_files (), WEIR_OCL_PROGRAM_CACHE_MAX);
}
END_TEST

/* Whoever reads finds one or the other whole. */
START_TEST (test_ocl_cache_of_two_processes)
{
  enum { N_BYTES = 100000, N_ROUNDS = 100 };
  static char contents[2][N_BYTES];
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "");
  int status;
  for (uint32_t i = 0; i < 2; i++)
    memset (contents[i], 'a' + (int) i, N_BYTES);
  pid_t child = fork ();
  for (uint32_t i = 0; i < N_ROUNDS; i++) {
    size_t n_bytes = 0;
    weir_ocl_program_cache_write (folder, key, contents[child == 0], N_BYTES);
    g_autofree char *bytes = weir_ocl_program_cache_read (folder, key, &n_bytes);
    bool is_whole =
        bytes && n_bytes == N_BYTES && memcmp (bytes, contents[bytes[0] == 'b'], N_BYTES) == 0;
    if (child == 0 && !is_whole)
      _exit (1);
    ck_assert (is_whole);
  }
  if (child == 0)
    _exit (0);
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert_int_eq (status, 0);
}
END_TEST

START_TEST (test_ocl_cache_without_folder)
{
  size_t n_bytes;
  g_autofree char *path = g_build_filename (folder, "file", NULL);
  g_autofree char *key = weir_ocl_program_cache_key (&facts, "source", "");
  g_autofree char *below = g_build_filename (path, "folder", NULL);
  ck_assert (g_file_set_contents (path, "", 0, NULL));
  weir_ocl_program_cache_write (below, key, "binary", 6);
  ck_assert_ptr_null (weir_ocl_program_cache_read (below, key, &n_bytes));
}
END_TEST

/* Doubles 64 numbers on a device opened anew with the cache folder: the program works, wherever it
 * came from. */
static void double_numbers (const char *factor)
{
  static const WeirOclSource source = { "double",
    "__kernel void scale (__global float *y, uint at) { y[at + get_global_id (0)] *= FACTOR; }\n",
    "double 1" };
  float values[64];
  GError *error = NULL;
  g_autofree char *options = g_strdup_printf ("-DFACTOR=%s", factor);
  g_autoptr (WeirOclDevice) device = ocl_kit_open (folder);
  cl_program program = weir_ocl_program_build (device, &source, options, &error);
  ocl_must (program, error);
  ck_assert_ptr_eq (program, weir_ocl_program_build (device, &source, options, &error));
  g_autoptr (WeirOclMemory) memory =
      weir_ocl_memory_new (device, sizeof values, true, false, &error);
  ocl_must (memory, error);
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (device, program, "scale",
      weir_ocl_grid (64, 0, 0, 16, 0, 0), &error, WEIR_OCL_ADDRESS (memory->base, 4));
  ocl_must (call, error);
  ocl_kit_fill (values, 64, 3);
  ocl_kit_upload (memory, 0, values, 64, WEIR_DTYPE_F32);
  ocl_must (weir_ocl_queue_run (memory->queue, call, NULL, &error), error);
  float results[64];
  ocl_kit_download (memory, 0, results, 64, WEIR_DTYPE_F32);
  for (uint32_t i = 0; i < 64; i++)
    ck_assert_float_eq (results[i], values[i] * (float) g_ascii_strtod (factor, NULL));
}

/* The file is the same after a warm start but not after one that found it useless. */
START_TEST (test_ocl_program_cold_and_warm)
{
  uint32_t n_files;
  g_autofree char *cold = NULL, *warm = NULL;
  size_t n_cold, n_warm;
  double_numbers ("2.0f");
  g_autofree char *path = find_file (&n_files);
  ck_assert_uint_eq (n_files, 1);
  ck_assert (g_file_get_contents (path, &cold, &n_cold, NULL));
  double_numbers ("2.0f");
  ck_assert (g_file_get_contents (path, &warm, &n_warm, NULL));
  ck_assert_uint_eq (n_cold, n_warm);
  ck_assert_mem_eq (cold, warm, n_cold);
  double_numbers ("4.0f"); /* other options: another program */
  ck_assert_uint_eq (count_files (), 2);
}
END_TEST

START_TEST (test_ocl_program_damaged)
{
  uint32_t n_files;
  double_numbers ("2.0f");
  g_autofree char *path = find_file (&n_files);
  damage (path, (Damage) _i);
  double_numbers ("2.0f");
  GStatBuf info;
  ck_assert_int_eq (g_stat (path, &info), 0);
  ck_assert_int_gt (info.st_size, 200); /* written anew */
}
END_TEST

/* Whole, of the right key, and yet nothing that the driver can load. */
START_TEST (test_ocl_program_not_the_drivers)
{
  uint32_t n_files;
  double_numbers ("2.0f");
  g_autofree char *path = find_file (&n_files), *text = NULL;
  size_t n_bytes;
  ck_assert (g_file_get_contents (path, &text, &n_bytes, NULL));
  g_autofree char *key = g_strndup (strchr (text, '\n') + 1, 64);
  weir_ocl_program_cache_write (folder, key, "this is no binary", 17);
  double_numbers ("2.0f");
}
END_TEST

START_TEST (test_ocl_program_broken)
{
  static const WeirOclSource broken = { "broken",
    "__kernel void f (__global float *y)\n{ y[0] = no_such_thing; }\n", "broken" };
  g_autoptr (WeirOclDevice) device = ocl_kit_open (folder);
  g_autoptr (GError) error = NULL, unknown = NULL;
  ck_assert_ptr_null (weir_ocl_program_build (device, &broken, "-DSIZE=3", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_DEVICE));
  ck_assert_ptr_nonnull (strstr (error->message, "broken.cl"));
  ck_assert_ptr_nonnull (strstr (error->message, "-DSIZE=3"));
  ck_assert_ptr_nonnull (strstr (error->message, "CL_BUILD_PROGRAM_FAILURE"));
  ck_assert_ptr_nonnull (strstr (error->message, "no_such_thing"));
  ck_assert_uint_eq (count_files (), 0);
  ck_assert_ptr_null (weir_ocl_program_get (device, "nothing", "", &unknown));
  ck_assert (g_error_matches (unknown, WEIR_ERROR, WEIR_ERROR_NOT_FOUND));
}
END_TEST

/* A log of any length stays a message: a macro that is expanded a thousand times, each an error. */
START_TEST (test_ocl_program_long_log)
{
  GString *text = g_string_new ("__kernel void f (__global float *y)\n{\n");
  for (uint32_t i = 0; i < 1000; i++)
    g_string_append_printf (text, "y[%u] = undeclared_%u;\n", i, i);
  g_string_append (text, "}\n");
  g_autofree char *source_text = g_string_free (text, FALSE);
  const WeirOclSource source = { "long", source_text, "long" };
  g_autoptr (WeirOclDevice) device = ocl_kit_open (folder);
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_ocl_program_build (device, &source, "", &error));
  ck_assert_uint_lt (strlen (error->message), 5000);
}
END_TEST

int main (int argc, char **argv)
{
  Suite *suite = suite_create ("ocl program");
  TCase *cache = tcase_create ("cache"), *programs = tcase_create ("programs");
  g_autoptr (WeirOclDevice) device = ocl_kit_open (NULL);
  if (!device)
    return 77;
  g_clear_pointer (&device, weir_ocl_device_close); /* or the folder of each test would not count */
  tcase_add_checked_fixture (cache, make_folder, remove_folder);
  tcase_add_test (cache, test_ocl_cache_keeps);
  tcase_add_test (cache, test_ocl_cache_keys);
  tcase_add_loop_test (cache, test_ocl_cache_damaged, 0, N_DAMAGES);
  tcase_add_test (cache, test_ocl_cache_of_pipes);
  tcase_add_test (cache, test_ocl_cache_is_bounded);
  tcase_add_test (cache, test_ocl_cache_of_two_processes);
  tcase_add_test (cache, test_ocl_cache_without_folder);
  suite_add_tcase (suite, cache);
  tcase_add_checked_fixture (programs, make_folder, remove_folder);
  tcase_add_test (programs, test_ocl_program_cold_and_warm);
  tcase_add_loop_test (programs, test_ocl_program_damaged, 0, N_DAMAGES);
  tcase_add_test (programs, test_ocl_program_not_the_drivers);
  tcase_add_test (programs, test_ocl_program_broken);
  tcase_add_test (programs, test_ocl_program_long_log);
  suite_add_tcase (suite, programs);
  return run_suite (suite, CK_NOFORK);
}
