/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All node tests of both archives of ONNX on every backend, counted by operator; and that the page
 * of the documentation which is made of these counts is up to date.
 *
 * `test_conformance --markdown FILE` writes that page. */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ops/conformance_table.h"

#define RTOL 1e-3
#define ATOL 1e-5

/* The first one runs every node; the others leave some to it. */
static const StepTarget targets[N_TARGETS] = {
  { &weir_backend_ref, WEIR_PRECISION_F32, RTOL, ATOL },
  { &weir_backend_cpu, WEIR_PRECISION_F32, RTOL, ATOL },
};

static const struct {
  const char *archive, *version;
  uint32_t n_least; /* tests that pass: a loader that refuses all of them must not go unseen */
} archives[N_ARCHIVES] = {
  { "onnx-v1.12.0-vision-node-tests.tar.gz", "1.12", 815 },
  { "onnx-v1.22.0-vision-node-tests.tar.gz", "1.22", 1255 },
};

static char *find_archive (const char *archive)
{
  const char *shared = g_getenv ("WEIR_SHARED");
  return g_build_filename (shared ? shared : "../shared", "conformance", archive, NULL);
}

static bool run_command (const char *const *command)
{
  gint status = 1;
  return g_spawn_sync (NULL, (char **) (uintptr_t) command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
             NULL, NULL, &status, NULL) &&
         status == 0;
}

/* Newly allocated name of a new folder with the archive's files; NULL where it cannot be. */
static char *unpack (const char *archive)
{
  g_autofree char *file = find_archive (archive);
  char *folder = g_dir_make_tmp ("weir-conformance-XXXXXX", NULL);
  const char *command[] = { "tar", "-xzf", file, "-C", folder, NULL };
  if (folder && run_command (command))
    return folder;
  g_free (folder);
  return NULL;
}

static void remove_folder (const char *folder)
{
  const char *command[] = { "rm", "-rf", folder, NULL };
  run_command (command);
}

static void run_tests (Table *table, uint32_t archive, const GPtrArray *tests)
{
  for (uint32_t t = 0; t < N_TARGETS; t++)
    for (guint i = 0; i < tests->len; i++) {
      const ConformanceCase *test = g_ptr_array_index (tests, i);
      g_autofree char *text = NULL;
      Outcome outcome = conformance_run (test, &targets[t], &table->nodes[t], &text);
      table_count (table, archive, t, test, outcome, text);
      if (outcome == OUTCOME_FAILED)
        printf ("FAILED %s on %s: %s\n", test->name, targets[t].backend->name, text);
    }
}

static bool fill_table (Table *table)
{
  for (uint32_t a = 0; a < N_ARCHIVES; a++) {
    g_autofree char *folder = unpack (archives[a].archive);
    if (!folder)
      return false;
    g_autoptr (GPtrArray) tests = conformance_find (folder);
    table->archives[a] = archives[a].version;
    run_tests (table, a, tests);
    remove_folder (folder);
  }
  return true;
}

static char *page_path (void)
{
  const char *root = g_getenv ("WEIR_SOURCE_ROOT");
  return g_build_filename (root ? root : "..", "docs", "operators.md", NULL);
}

static void check_page (const Table *table)
{
  g_autofree char *path = page_path ();
  g_autofree char *page = table_to_markdown (table);
  g_autofree char *committed = NULL;
  g_file_get_contents (path, &committed, NULL, NULL);
  ck_assert_msg (g_strcmp0 (page, committed) == 0,
      "docs/operators.md is stale: run test_conformance --markdown docs/operators.md");
}

START_TEST (test_archives)
{
  Table table;
  table_init (&table);
  ck_assert (fill_table (&table));
  table_print (&table, targets);
  fflush (stdout);
  for (uint32_t a = 0; a < N_ARCHIVES; a++)
    for (uint32_t t = 0; t < N_TARGETS; t++) {
      ck_assert_uint_eq (table.n[a][t][OUTCOME_FAILED], 0);
      ck_assert_uint_ge (table.n[a][t][OUTCOME_PASSED], archives[a].n_least);
    }
  ck_assert_msg (!conformance_unused_reason (), "no model is refused because of %s",
      conformance_unused_reason ());
  check_page (&table);
  table_clear (&table);
}
END_TEST

static void ignore (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
}

static int write_page (const char *path)
{
  Table table;
  g_autoptr (GError) error = NULL;
  table_init (&table);
  bool is_done = fill_table (&table);
  g_autofree char *page = is_done ? table_to_markdown (&table) : NULL;
  is_done = is_done && g_file_set_contents (path, page, -1, &error);
  if (!is_done)
    fprintf (stderr, "%s: %s\n", path, error ? error->message : "the archives cannot be unpacked");
  table_clear (&table);
  return is_done ? 0 : 1;
}

int main (int argc, char **argv)
{
  for (size_t i = 0; i < G_N_ELEMENTS (archives); i++) {
    g_autofree char *file = find_archive (archives[i].archive);
    if (!g_file_test (file, G_FILE_TEST_EXISTS)) {
      printf ("skipped: %s is not there\n", file);
      return 77;
    }
  }
  g_log_set_handler ("weir", G_LOG_LEVEL_MESSAGE, ignore, NULL); /* remarks of the loader */
  if (argc == 3 && strcmp (argv[1], "--markdown") == 0)
    return write_page (argv[2]);
  Suite *suite = suite_create ("conformance");
  TCase *tcase = tcase_create ("node");
  tcase_add_test (tcase, test_archives);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
