/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n) on disk: what is written is read again, and nothing else is. */
#include "engine/sched/service_cache.h"

#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const WeirServiceKey key = {
  .model = "0123456789abcdef",
  .shapes = "1x3x384x672",
  .device = "SIM(4,1)",
  .precision = "f32",
  .library = "weir 0.1.0, a \"CPU\"\t(R) \\ @ 3 GHz",
  .n_threads = 2,
};

static char *folder;
static WeirService learned, empty;
static int n_warnings;
static char last_warning[1024];

static void keep_warning (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  n_warnings++;
  g_strlcpy (last_warning, message, sizeof last_warning);
}

static void remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);
    g_remove (file);
  }
  g_rmdir (path);
}

static void set_up (void)
{
  folder = g_dir_make_tmp ("weir-cache-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
  learned = empty;
  weir_service_set (&learned, 8, 12000000, 3);
  weir_service_set (&learned, 1, 5000000, 100000);
  weir_service_set (&learned, 2, 0, 1);
  g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, keep_warning, NULL);
  n_warnings = 0;
}

static void tear_down (void)
{
  remove_folder (folder);
  g_free (folder);
}

/* The only file there is. Newly allocated. */
static char *only_file (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = g_dir_read_name (dir);
  ck_assert_ptr_nonnull (name);
  char *path = g_build_filename (folder, name, NULL);
  ck_assert_ptr_null (g_dir_read_name (dir));
  return path;
}

static bool is_learned (const WeirService *service)
{
  return service->n_sizes == 3 && service->n_largest == 8 && service->mean_ns[8] == 12000000 &&
         service->n_runs[8] == 3 && service->mean_ns[1] == 5000000 &&
         service->n_runs[1] == 100000 && service->mean_ns[2] == 1 && service->n_runs[2] == 1;
}

static bool read_again (WeirService *service)
{
  *service = empty;
  return weir_service_cache_read (folder, &key, service);
}

START_TEST (test_cache_round_trip)
{
  WeirService service;
  struct stat info;
  ck_assert (!read_again (&service));
  weir_service_cache_write (folder, &key, &learned);
  ck_assert (read_again (&service));
  ck_assert (is_learned (&service));
  ck_assert_uint_eq (weir_service_ns (&service, 8), 12000000);
  weir_service_add (&learned, 8, 12000000);
  weir_service_cache_write (folder, &key, &learned);
  ck_assert (read_again (&service));
  ck_assert_uint_eq (service.n_runs[8], 4);
  g_autofree char *path = only_file ();
  ck_assert_int_eq (stat (path, &info), 0);
  ck_assert_uint_eq (info.st_mode & 0777, 0600);
  ck_assert_int_eq (n_warnings, 0);
}
END_TEST

START_TEST (test_cache_makes_its_folder)
{
  WeirService service = empty;
  struct stat info;
  g_autofree char *outer = g_build_filename (folder, "a", NULL);
  g_autofree char *inner = g_build_filename (outer, "b", NULL);
  weir_service_cache_write (inner, &key, &learned);
  ck_assert (weir_service_cache_read (inner, &key, &service));
  ck_assert_int_eq (stat (inner, &info), 0);
  ck_assert_uint_eq (info.st_mode & 0777, 0700);
  remove_folder (inner);
  remove_folder (outer);
}
END_TEST

START_TEST (test_cache_of_nothing_is_not_written)
{
  WeirService service;
  weir_service_cache_write (folder, &key, &empty);
  ck_assert (!read_again (&service));
  ck_assert_int_eq (n_warnings, 0);
}
END_TEST

/* A file for each key; one that was renamed to another key's is told. */
START_TEST (test_cache_knows_other_keys)
{
  WeirServiceKey other = key;
  WeirService service = empty;
  switch (_i) {
  case 0:
    other.model = "0123456789abcdee";
    break;
  case 1:
    other.shapes = "1x3x384x673";
    break;
  case 2:
    other.device = "SIM(4,2)";
    break;
  case 3:
    other.precision = "bf16";
    break;
  case 4:
    other.library = "weir 0.1.1";
    break;
  default:
    other.n_threads = 1;
  }
  weir_service_cache_write (folder, &key, &learned);
  g_autofree char *path = only_file ();
  ck_assert (!weir_service_cache_read (folder, &other, &service));
  ck_assert_int_eq (n_warnings, 0);
  g_autofree char *aside = g_strconcat (folder, "-aside", NULL);
  ck_assert_int_eq (g_rename (path, aside), 0);
  weir_service_cache_write (folder, &other, &learned);
  g_autofree char *other_path = only_file ();
  ck_assert_str_ne (path, other_path);
  ck_assert_int_eq (g_rename (aside, other_path), 0);
  ck_assert (!weir_service_cache_read (folder, &other, &service));
  ck_assert_int_eq (n_warnings, 1);
  ck_assert_ptr_nonnull (strstr (last_warning, other_path));
  ck_assert_uint_eq (service.n_sizes, 0);
}
END_TEST

/* A new file: some file systems wait for the disk where one is written over. */
static void write_bytes (const char *path, const char *bytes, size_t n_bytes)
{
  g_remove (path);
  FILE *file = fopen (path, "wb");
  ck_assert_ptr_nonnull (file);
  ck_assert_uint_eq (fwrite (bytes, 1, n_bytes, file), n_bytes);
  ck_assert_int_eq (fclose (file), 0);
}

/* What was learned, or nothing and a warning. */
static void check_tolerated (const char *path, const char *bytes, size_t n_bytes)
{
  WeirService service;
  write_bytes (path, bytes, n_bytes);
  n_warnings = 0;
  if (read_again (&service)) {
    ck_assert_msg (is_learned (&service), "read as something else: %.*s", (int) n_bytes, bytes);
    return;
  }
  ck_assert_uint_eq (service.n_sizes, 0);
  ck_assert_int_eq (n_warnings, 1);
  ck_assert_ptr_nonnull (strstr (last_warning, path));
}

START_TEST (test_cache_any_byte_flipped_or_cut)
{
  static const char flips[] = { 1, 0x20, (char) 0x80 };
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  weir_service_cache_write (folder, &key, &learned);
  g_autofree char *path = only_file ();
  ck_assert (g_file_get_contents (path, &bytes, &n_bytes, NULL));
  for (gsize i = 0; i < n_bytes; i++) {
    check_tolerated (path, bytes, i);
    for (uint32_t k = 0; k < G_N_ELEMENTS (flips); k++) {
      bytes[i] ^= flips[k];
      check_tolerated (path, bytes, n_bytes);
      bytes[i] ^= flips[k];
    }
  }
  WeirService service;
  write_bytes (path, bytes, n_bytes);
  ck_assert (read_again (&service));
}
END_TEST

/* The list of times replaced, all else as it was. */
static const char *const bad_times[] = { "", "[]", "{}", "null", "1", "\"[[1,2,3]]\"", "[1,2,3]",
  "[[]]", "[[1]]", "[[1,5000000]]", "[[1,5000000,3,4]]", "[[0,5000000,3]]", "[[-1,5000000,3]]",
  "[[1025,5000000,3]]", "[[1,0,3]]", "[[1,-5,3]]", "[[1,3600000000001,3]]", "[[1,5000000,0]]",
  "[[1,5000000,4294967296]]", "[[1,NaN,3]]", "[[1,1e400,3]]", "[[1,5000000.5,3]]",
  "[[1,\"5000000\",3]]", "[[1,true,3]]", "[[1,null,3]]", "[[1,5000000,3],[1,5000000,3]]",
  "[[1,5000000,3]]", "[[99999999999999999999999,1,1]]" };

START_TEST (test_cache_absurd_times)
{
  g_autofree char *content = NULL;
  weir_service_cache_write (folder, &key, &learned);
  g_autofree char *path = only_file ();
  ck_assert (g_file_get_contents (path, &content, NULL, NULL));
  char *begin = strstr (content, "[["), *end = strstr (content, "]]") + 2;
  ck_assert_ptr_nonnull (begin);
  *begin = '\0';
  g_autofree char *changed = g_strconcat (content, bad_times[_i], end, NULL);
  WeirService service;
  write_bytes (path, changed, strlen (changed));
  ck_assert (!read_again (&service));
  ck_assert_int_eq (n_warnings, 1);
  ck_assert_uint_eq (service.n_sizes, 0);
}
END_TEST

/* Ignored, and replaced by the next write. */
static void check_replaced (void)
{
  WeirService service;
  ck_assert (!read_again (&service));
  ck_assert_int_eq (n_warnings, 1);
  weir_service_cache_write (folder, &key, &learned);
  ck_assert (read_again (&service));
  ck_assert (is_learned (&service));
}

START_TEST (test_cache_foreign_content)
{
  static const size_t sizes[] = { 0, 1000, 128 << 10, 100 << 20 };
  weir_service_cache_write (folder, &key, &learned);
  g_autofree char *path = only_file ();
  g_autofree char *brackets = g_malloc (128 << 10);
  memset (brackets, '[', 128 << 10);
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    n_warnings = 0;
    write_bytes (path, brackets, MIN (sizes[i], 128u << 10));
    ck_assert_int_eq (truncate (path, (off_t) sizes[i]), 0);
    check_replaced ();
  }
}
END_TEST

START_TEST (test_cache_links_and_pipes)
{
  WeirService service;
  struct stat info;
  weir_service_cache_write (folder, &key, &learned);
  g_autofree char *path = only_file ();
  g_remove (path);
  ck_assert_int_eq (mkfifo (path, 0600), 0);
  check_replaced ();
  g_remove (path);
  n_warnings = 0;
  ck_assert_int_eq (symlink (path, path), 0); /* to itself */
  check_replaced ();
  g_remove (path);
  /* A link is replaced, not followed, when written. */
  g_autofree char *target = g_strconcat (folder, "-target", NULL);
  write_bytes (target, "mine", 4);
  ck_assert_int_eq (symlink (target, path), 0);
  n_warnings = 0;
  check_replaced ();
  ck_assert_int_eq (stat (target, &info), 0);
  ck_assert_int_eq (info.st_size, 4);
  g_remove (target);
  g_remove (path);
  ck_assert_int_eq (g_mkdir (path, 0700), 0);
  n_warnings = 0;
  ck_assert (!read_again (&service));
  ck_assert_int_eq (n_warnings, 1);
  g_rmdir (path);
}
END_TEST

START_TEST (test_cache_folder_that_cannot_be_written)
{
  WeirService service = empty;
  g_autofree char *file = g_build_filename (folder, "file", NULL);
  g_autofree char *below = g_build_filename (file, "cache", NULL);
  write_bytes (file, "x", 1);
  ck_assert (!weir_service_cache_read (below, &key, &service));
  ck_assert_int_eq (n_warnings, 0);
  weir_service_cache_write (below, &key, &learned);
  weir_service_cache_write (below, &key, &learned);
  weir_service_cache_write ("/proc/nowhere", &key, &learned);
  ck_assert_int_le (n_warnings, 1); /* a process, not a test: with CK_FORK=no it may be past */
  g_remove (file);
}
END_TEST

/* As on a full disk: what was there stays, whole. */
START_TEST (test_cache_write_that_breaks_off)
{
  WeirService service;
  struct rlimit before, limit;
  void (*handler) (int) = signal (SIGXFSZ, SIG_IGN);
  weir_service_cache_write (folder, &key, &learned);
  getrlimit (RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 16;
  ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
  weir_service_set (&learned, 4, 8000000, 3);
  weir_service_cache_write (folder, &key, &learned);
  setrlimit (RLIMIT_FSIZE, &before);
  signal (SIGXFSZ, handler);
  n_warnings = 0;
  ck_assert (read_again (&service));
  ck_assert (is_learned (&service));
  ck_assert_int_eq (n_warnings, 0);
  g_free (only_file ()); /* nothing half written beside it */
}
END_TEST

START_TEST (test_cache_folder_choice)
{
  g_autofree char *before = g_strdup (g_getenv ("WEIR_CACHE_DIR"));
  g_setenv ("WEIR_CACHE_DIR", "/from/environment", TRUE);
  g_autofree char *asked = weir_service_cache_folder ("/asked");
  g_autofree char *environment = weir_service_cache_folder (NULL);
  ck_assert_str_eq (asked, "/asked");
  ck_assert_str_eq (environment, "/from/environment");
  ck_assert_ptr_null (weir_service_cache_folder (""));
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  ck_assert_ptr_null (weir_service_cache_folder (NULL));
  g_unsetenv ("WEIR_CACHE_DIR");
  g_autofree char *user = weir_service_cache_folder (NULL);
  ck_assert (g_str_has_prefix (user, g_get_user_cache_dir ()));
  ck_assert (g_str_has_suffix (user, "/weir"));
  if (before)
    g_setenv ("WEIR_CACHE_DIR", before, TRUE);
}
END_TEST

static char *model_of (const char *name, const char *bytes, size_t n_bytes)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  write_bytes (path, bytes, n_bytes);
  return weir_service_cache_model (path);
}

/* Another size, head or tail is another model; so are other weights beside an IR. */
START_TEST (test_cache_model)
{
  const size_t n_bytes = 3 << 20;
  g_autofree char *bytes = g_malloc0 (n_bytes);
  g_autofree char *first = model_of ("m.onnx", bytes, n_bytes);
  g_autofree char *again = model_of ("m.onnx", bytes, n_bytes);
  g_autofree char *shorter = model_of ("m.onnx", bytes, n_bytes - 1);
  g_autofree char *nothing = model_of ("m.onnx", bytes, 0);
  bytes[1000] = 1;
  g_autofree char *head = model_of ("m.onnx", bytes, n_bytes);
  bytes[1000] = 0;
  bytes[n_bytes - 1] = 1;
  g_autofree char *tail = model_of ("m.onnx", bytes, n_bytes);
  g_autofree char *alone = model_of ("m.xml", "<net/>", 6);
  g_autofree char *weights = model_of ("m.bin", bytes, n_bytes);
  g_autofree char *both = model_of ("m.xml", "<net/>", 6);
  const char *const all[] = { first, shorter, nothing, head, tail, alone, weights, both };
  ck_assert_str_eq (first, again);
  ck_assert_str_eq (tail, weights);
  for (uint32_t i = 0; i < G_N_ELEMENTS (all); i++)
    for (uint32_t k = 0; k < i; k++)
      ck_assert (strcmp (all[i], all[k]) != 0 || (all[i] == weights && all[k] == tail));
  ck_assert_ptr_null (weir_service_cache_model ("/nowhere.onnx"));
  ck_assert_ptr_null (weir_service_cache_model (folder));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("service_cache");
  TCase *tcase = tcase_create ("service_cache");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, test_cache_round_trip);
  tcase_add_test (tcase, test_cache_makes_its_folder);
  tcase_add_test (tcase, test_cache_of_nothing_is_not_written);
  tcase_add_loop_test (tcase, test_cache_knows_other_keys, 0, 6);
  tcase_add_test (tcase, test_cache_any_byte_flipped_or_cut);
  tcase_add_loop_test (tcase, test_cache_absurd_times, 0, G_N_ELEMENTS (bad_times));
  tcase_add_test (tcase, test_cache_foreign_content);
  tcase_add_test (tcase, test_cache_links_and_pipes);
  tcase_add_test (tcase, test_cache_folder_that_cannot_be_written);
  tcase_add_test (tcase, test_cache_write_that_breaks_off);
  tcase_add_test (tcase, test_cache_folder_choice);
  tcase_add_test (tcase, test_cache_model);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
