/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Label lists: files of all line ends, lists with commas, and what is neither. */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/formats/formats.h"

static char *folder;

static void make_folder (void)
{
  folder = g_dir_make_tmp ("weir-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
}

static void remove_folder (void)
{
  g_rmdir (folder);
  g_clear_pointer (&folder, g_free);
}

static char **load_text (const char *text, size_t n_bytes, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "labels.txt", NULL);
  ck_assert (g_file_set_contents (path, text, (gssize) n_bytes, NULL));
  char **labels = weir_labels_load (path, error);
  g_remove (path);
  return labels;
}

static const struct {
  const char *text, *joined; /* labels with | between */
} files[] = {
  { "car\nperson\n", "car|person" },
  { "car\nperson", "car|person" },
  { "car\r\nperson\r\n", "car|person" },
  { "\xEF\xBB\xBFone\ntwo\n", "one|two" },
  { "a\n\nb\n", "a||b" },
  { "a\n\n", "a|" },
  { "traffic light\n stop, please \n", "traffic light| stop, please " },
  { "\xC3\xA9t\xC3\xA9\n\xE8\xBB\x8A", "\xC3\xA9t\xC3\xA9|\xE8\xBB\x8A" },
};

START_TEST (test_file)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) labels = load_text (files[_i].text, strlen (files[_i].text), &error);
  ck_assert_msg (labels != NULL, "%s", error ? error->message : "");
  g_autofree char *joined = g_strjoinv ("|", labels);
  ck_assert_str_eq (joined, files[_i].joined);
}
END_TEST

static const struct {
  const char *text;
  size_t n_bytes;
  const char *says;
} bad_files[] = {
  { "", 0, "has no labels" },
  { "\xEF\xBB\xBF", 3, "has no labels" },
  { "caf\xE9\n", 5, "UTF-8" },
  { "a\0b\n", 4, "UTF-8" },
};

START_TEST (test_bad_file)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (load_text (bad_files[_i].text, bad_files[_i].n_bytes, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_FORMAT));
  ck_assert_msg (strstr (error->message, bad_files[_i].says) != NULL, "%s", error->message);
  ck_assert_ptr_nonnull (strstr (error->message, "labels.txt"));
}
END_TEST

START_TEST (test_too_many_lines)
{
  enum { N = 1000001 };
  g_autofree char *text = g_malloc (2 * N);
  for (size_t i = 0; i < N; i++)
    memcpy (text + 2 * i, "a\n", 2);
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (load_text (text, 2 * N, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_FORMAT));
  g_auto (GStrv) labels = load_text (text, 2 * (N - 1), NULL);
  ck_assert_ptr_nonnull (labels);
  ck_assert_uint_eq (g_strv_length (labels), N - 1);
}
END_TEST

START_TEST (test_commas)
{
  g_auto (GStrv) labels = weir_labels_load ("female,male", NULL);
  ck_assert_uint_eq (g_strv_length (labels), 2);
  ck_assert_str_eq (labels[0], "female");
  ck_assert_str_eq (labels[1], "male");
  g_auto (GStrv) single = weir_labels_load ("face,", NULL);
  ck_assert_uint_eq (g_strv_length (single), 2);
  ck_assert_str_eq (single[1], "");
}
END_TEST

START_TEST (test_file_with_comma)
{
  g_autofree char *path = g_build_filename (folder, "a,b.txt", NULL);
  ck_assert (g_file_set_contents (path, "x\ny\n", -1, NULL));
  g_auto (GStrv) labels = weir_labels_load (path, NULL);
  g_remove (path);
  ck_assert_uint_eq (g_strv_length (labels), 2);
  ck_assert_str_eq (labels[0], "x");
}
END_TEST

START_TEST (test_missing)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_labels_load ("no-such-file.txt", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND));
  ck_assert_ptr_nonnull (strstr (error->message, "no-such-file.txt"));
  g_clear_error (&error);
  ck_assert_ptr_null (weir_labels_load (folder, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("labels");
  TCase *tcase = tcase_create ("labels");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_file, 0, (int) G_N_ELEMENTS (files));
  tcase_add_loop_test (tcase, test_bad_file, 0, (int) G_N_ELEMENTS (bad_files));
  tcase_add_test (tcase, test_too_many_lines);
  tcase_add_test (tcase, test_commas);
  tcase_add_test (tcase, test_file_with_comma);
  tcase_add_test (tcase, test_missing);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
