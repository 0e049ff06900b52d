/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proofs on disk: what was added is there, and nothing else, whatever the file holds. */
#include "engine/sched/proof_cache.h"

#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BYTES (WEIR_PROOF_CACHE_MAX * 65u)

static char *folder, *file;

static void set_up (void)
{
  folder = g_dir_make_tmp ("weir-proofs-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
  file = g_build_filename (folder, "proofs-1", NULL);
}

static void tear_down (void)
{
  g_remove (file);
  ck_assert_int_eq (g_rmdir (folder), 0); /* nothing half written beside it */
  g_free (file);
  g_free (folder);
}

static char *key_of (uint64_t number)
{
  WeirDigest digest = WEIR_DIGEST_INIT;
  weir_digest_add_number (&digest, number);
  return weir_digest_text (&digest);
}

static bool has (uint64_t number)
{
  g_autofree char *key = key_of (number);
  return weir_proof_cache_has (folder, key);
}

static void add (uint64_t number)
{
  g_autofree char *key = key_of (number);
  weir_proof_cache_add (folder, key);
}

static size_t file_bytes (void)
{
  struct stat info;
  return stat (file, &info) == 0 ? (size_t) info.st_size : 0;
}

/* A new file: some file systems wait for the disk where one is written over. */
static void write_bytes (const char *bytes, size_t n_bytes)
{
  g_remove (file);
  FILE *stream = fopen (file, "wb");
  ck_assert_ptr_nonnull (stream);
  ck_assert_uint_eq (fwrite (bytes, 1, n_bytes, stream), n_bytes);
  ck_assert_int_eq (fclose (stream), 0);
}

START_TEST (test_proofs_round_trip)
{
  ck_assert (!has (1));
  add (1);
  add (2);
  add (1);
  ck_assert (has (1) && has (2) && !has (3));
  ck_assert_uint_eq (file_bytes (), 2 * 65);
}
END_TEST

/* The oldest go. */
START_TEST (test_proofs_are_bounded)
{
  for (uint64_t i = 0; i < WEIR_PROOF_CACHE_MAX + 10; i++)
    add (i);
  ck_assert_uint_eq (file_bytes (), MAX_BYTES);
  ck_assert (!has (0) && !has (9) && has (10) && has (WEIR_PROOF_CACHE_MAX + 9));
}
END_TEST

/* One key of three is changed or cut: it is gone, the others are there. */
START_TEST (test_proofs_any_byte_flipped_or_cut)
{
  static const char flips[] = { 1, 0x20, (char) 0x80, '\n' ^ 'a' };
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  for (uint64_t i = 0; i < 3; i++)
    add (i);
  ck_assert (g_file_get_contents (file, &bytes, &n_bytes, NULL));
  for (gsize i = 0; i < n_bytes; i++) {
    write_bytes (bytes, i);
    for (uint64_t k = 0; k < 3; k++)
      ck_assert (has (k) == (i >= k * 65 + 64));
    for (uint32_t f = 0; f < G_N_ELEMENTS (flips); f++) {
      bytes[i] ^= flips[f];
      write_bytes (bytes, n_bytes);
      bytes[i] ^= flips[f];
      uint32_t n_found = has (0) + has (1) + has (2);
      ck_assert_uint_ge (n_found, 1 + (i % 65 < 64 || i == n_bytes - 1));
      ck_assert (i % 65 == 64 || !has (i / 65));
      ck_assert (!has (3));
    }
  }
  add (3);
  ck_assert (has (3));
}
END_TEST

/* Too large, of zeros, of lines of other lengths: replaced by the next one that is added. */
START_TEST (test_proofs_foreign_content)
{
  static const size_t sizes[] = { 0, 1, 1000, MAX_BYTES, MAX_BYTES + 1, 100 << 20 };
  static const char fills[] = { '\0', '\n', 'a', (char) 0xff };
  g_autofree char *bytes = g_malloc (MAX_BYTES + 1);
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    memset (bytes, fills[_i], MAX_BYTES + 1);
    write_bytes (bytes, MIN (sizes[i], MAX_BYTES + 1));
    ck_assert_int_eq (truncate (file, (off_t) sizes[i]), 0);
    ck_assert (!has (1));
    add (1);
    ck_assert (has (1));
    ck_assert_uint_eq (file_bytes (), 65);
  }
}
END_TEST

START_TEST (test_proofs_pipes_and_folders)
{
  ck_assert_int_eq (mkfifo (file, 0600), 0);
  ck_assert (!has (1));
  add (1);
  ck_assert (has (1));
  g_remove (file);
  ck_assert_int_eq (g_mkdir (file, 0700), 0);
  add (1);
  ck_assert (!has (1));
}
END_TEST

static int n_warnings;

static void count_warning (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  n_warnings++;
}

START_TEST (test_proofs_folder_that_cannot_be_written)
{
  guint handler =
      g_log_set_handler ("weir", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL, count_warning, NULL);
  g_autofree char *key = key_of (1);
  weir_proof_cache_add ("/proc/nowhere", key);
  ck_assert (!weir_proof_cache_has ("/proc/nowhere", key));
  g_log_remove_handler ("weir", handler);
  ck_assert_int_eq (n_warnings, 0);
}
END_TEST

/* Processes that add at once: some of it may be lost, none of it is broken. */
START_TEST (test_proofs_of_processes_at_once)
{
  pid_t children[2];
  for (uint64_t child = 0; child < 2; child++) {
    children[child] = fork ();
    if (children[child] == 0) {
      for (uint64_t i = 0; i < 50; i++)
        add (child * 1000 + i);
      _exit (0);
    }
  }
  for (uint32_t child = 0; child < 2; child++) {
    int status = 1;
    ck_assert_int_eq (waitpid (children[child], &status, 0), children[child]);
    ck_assert_int_eq (status, 0);
  }
  ck_assert (has (49) || has (1049));
  ck_assert_uint_eq (file_bytes () % 65, 0);
  uint32_t n_found = 0;
  for (uint64_t i = 0; i < 50; i++)
    n_found += has (i) + has (1000 + i);
  ck_assert_uint_eq (n_found, file_bytes () / 65);
}
END_TEST

START_TEST (test_proofs_know_the_build)
{
  WeirDigest nothing = WEIR_DIGEST_INIT, first = nothing, second = nothing;
  weir_proof_cache_add_build (&first);
  weir_proof_cache_add_build (&second);
  ck_assert_int_eq (memcmp (&first, &second, sizeof first), 0);
  ck_assert_int_ne (memcmp (&first, &nothing, sizeof first), 0);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("proof_cache");
  TCase *tcase = tcase_create ("proof_cache");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, test_proofs_round_trip);
  tcase_add_test (tcase, test_proofs_are_bounded);
  tcase_add_test (tcase, test_proofs_any_byte_flipped_or_cut);
  tcase_add_loop_test (tcase, test_proofs_foreign_content, 0, 4);
  tcase_add_test (tcase, test_proofs_pipes_and_folders);
  tcase_add_test (tcase, test_proofs_folder_that_cannot_be_written);
  tcase_add_test (tcase, test_proofs_of_processes_at_once);
  tcase_add_test (tcase, test_proofs_know_the_build);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
