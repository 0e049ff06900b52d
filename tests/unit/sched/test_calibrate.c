/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session knows of S(n) before its first item: measured, kept, read again, corrected. The
 * device is WEIR_TEST_DEVICE, REF where that is not set. */
#include "engine/sched/calibrate.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>

#define F32     1 /* TensorProto.DataType */
#define N_SIZES 3 /* 1, 2, the largest */

static char *folder, *cache, *model;

static void set_up (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, "n,3,24,40");
  onnx_builder_node (b, "Relu", "x", "y", NULL);
  onnx_builder_output (b, "y");
  folder = onnx_builder_folder ();
  model = onnx_builder_write (b, folder, "relu.onnx");
  cache = g_dir_make_tmp ("weir-cache-XXXXXX", NULL);
  onnx_builder_free (b);
}

static void tear_down (void)
{
  onnx_builder_remove (folder);
  onnx_builder_remove (cache);
  g_free (model);
}

static WeirSession *open_on (const char *device, const char *hint, uint32_t batch_size)
{
  const WeirSessionOptions options = { .model = model,
    .device = device,
    .performance_hint = hint,
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  GError *error = NULL;
  WeirSession *session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "no error");
  return session;
}

static WeirSession *open_session (const char *hint, uint32_t batch_size)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  return open_on (device ? device : "REF", hint, batch_size);
}

static WeirService read_service (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  WeirService service = session->queue.service;
  weir_mutex_unlock (&session->lock);
  return service;
}

/* The file in the cache with what it holds; NULL: none. Newly allocated. */
static char *read_file (void)
{
  g_autoptr (GDir) dir = g_dir_open (cache, 0, NULL);
  const char *name = g_dir_read_name (dir);
  char *content = NULL;
  if (!name)
    return NULL;
  g_autofree char *path = g_build_filename (cache, name, NULL);
  ck_assert (g_file_get_contents (path, &content, NULL, NULL));
  return content;
}

static WeirService wait_until_learned (WeirSession *session)
{
  WeirService service = read_service (session);
  for (int i = 0; i < 5000 && service.n_sizes < N_SIZES; i++) {
    g_usleep (1000);
    service = read_service (session);
  }
  ck_assert_uint_eq (service.n_sizes, N_SIZES);
  return service;
}

START_TEST (test_calibrate_learns_and_keeps)
{
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  WeirSession *session = open_session ("throughput", 6);
  WeirService first = wait_until_learned (session);
  static const uint32_t sizes[N_SIZES] = { 1, 2, 6 };
  for (uint32_t i = 0; i < N_SIZES; i++)
    ck_assert_uint_ge (first.n_runs[sizes[i]], 1);
  ck_assert (first.per_item_ns > 0 || first.fixed_ns > 0);
  weir_session_unref (session);
  g_autofree char *content = read_file ();
  ck_assert_ptr_nonnull (content);
}
END_TEST

/* The second start reads and runs nothing. */
START_TEST (test_calibrate_reads_what_was_kept)
{
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  WeirSession *session = open_session ("throughput", 6);
  wait_until_learned (session);
  weir_session_unref (session);
  g_autofree char *content = read_file ();
  session = open_session ("throughput", 6);
  WeirService again = wait_until_learned (session);
  g_autofree char *times = g_strdup_printf ("[6,%.0f,%u]", again.mean_ns[6], again.n_runs[6]);
  ck_assert_msg (strstr (content, times) != NULL, "%s is not in %s", times, content);
  weir_session_unref (session);
  g_autofree char *unchanged = read_file ();
  ck_assert_str_eq (content, unchanged);
}
END_TEST

/* By what factor running finds other times, and whether that is written at the end. */
static const struct {
  double factor;
  bool is_written;
} moves[] = { { 1.1, false }, { 2.0, true }, { 0.5, true } };

START_TEST (test_calibrate_writes_what_has_moved)
{
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  WeirSession *session = open_session ("throughput", 6);
  wait_until_learned (session);
  weir_session_unref (session);
  g_autofree char *before = read_file ();
  session = open_session ("throughput", 6);
  WeirService service = wait_until_learned (session);
  weir_mutex_lock (&session->lock);
  for (uint32_t i = 0; i < service.n_sizes; i++) {
    uint32_t n = service.sizes[i];
    weir_service_set (
        &session->queue.service, n, service.mean_ns[n] * moves[_i].factor, service.n_runs[n]);
  }
  weir_mutex_unlock (&session->lock);
  weir_session_unref (session);
  g_autofree char *after = read_file ();
  ck_assert (moves[_i].is_written == (strcmp (before, after) != 0));
}
END_TEST

START_TEST (test_calibrate_keeps_nothing)
{
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  WeirSession *session = open_session ("throughput", 6);
  wait_until_learned (session);
  weir_session_unref (session);
  ck_assert_ptr_null (read_file ());
}
END_TEST

/* Where batches are not gathered nobody needs to know. */
static const struct {
  const char *hint;
  uint32_t batch_size;
} lone[] = { { "latency", 0 }, { "throughput", 1 }, { "latency", 6 } };

START_TEST (test_calibrate_not_for_single_items)
{
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  WeirSession *session = open_session (lone[_i].hint, lone[_i].batch_size);
  g_usleep (50000);
  ck_assert_uint_eq (read_service (session).n_sizes, 0);
  weir_session_unref (session);
  ck_assert_ptr_null (read_file ());
}
END_TEST

/* Sessions that come and go wait for one run at most. */
START_TEST (test_calibrate_ends_with_the_session)
{
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
  for (int i = 0; i < 50; i++) {
    WeirSession *session = open_session ("throughput", (uint32_t) (i % 3 + 2));
    if (i % 5 == 0)
      g_usleep (1000);
    weir_session_unref (session);
  }
}
END_TEST

/* A run that would not fit into the budget is not begun. */
static const struct {
  const char *device;
  uint32_t n_sizes, n_runs_1; /* when all is over */
} budgets[] = {
  { "SIM(4,1)", 3, 3 }, { "SIM(0,20)", 2, 3 }, /* 80 ms for 1, 160 for 2, no time for 6 */
  { "SIM(100,0)", 1, 1 },                      /* the second of 1 is the last */
  { "SIM(300,10)", 0, 0 },                     /* only the first, which does not count */
};

START_TEST (test_calibrate_keeps_its_budget)
{
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  WeirSession *session = open_on (budgets[_i].device, "throughput", 6);
  g_usleep (500000);
  WeirService service = read_service (session);
  weir_session_unref (session);
  /* A machine that is busy may get less done, never more. */
  ck_assert_uint_le (service.n_sizes, budgets[_i].n_sizes);
  ck_assert_uint_le (service.n_runs[1], budgets[_i].n_runs_1);
  ck_assert_uint_ge (service.n_runs[1], MIN (budgets[_i].n_runs_1, 1));
}
END_TEST

/* The first item waits for the run that is on, not for the others. Of three tries, for a busy
 * machine. */
START_TEST (test_calibrate_lets_items_pass)
{
  float row[3 * 24 * 40] = { 0 };
  const WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 24, 40 }, .buffer = row
  };
  uint64_t least_ns = UINT64_MAX;
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  for (int i = 0; i < 3 && least_ns > 120 * 1000000; i++) {
    WeirSession *session = open_on ("SIM(40,0)", "throughput", 6);
    WeirStream *stream = weir_stream_new (session, "first", 0);
    WeirRequest *request = weir_request_new (stream);
    GError *error = NULL;
    ck_assert (weir_request_set_input (request, 0, &input, &error));
    ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
    least_ns = MIN (least_ns, weir_request_latency_ns (request));
    weir_request_free (request);
    weir_stream_free (stream);
    weir_session_unref (session);
  }
  ck_assert_uint_le (least_ns, 120 * 1000000);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("calibrate");
  TCase *tcase = tcase_create ("calibrate");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, test_calibrate_learns_and_keeps);
  tcase_add_test (tcase, test_calibrate_reads_what_was_kept);
  tcase_add_loop_test (tcase, test_calibrate_writes_what_has_moved, 0, G_N_ELEMENTS (moves));
  tcase_add_test (tcase, test_calibrate_keeps_nothing);
  tcase_add_loop_test (tcase, test_calibrate_not_for_single_items, 0, G_N_ELEMENTS (lone));
  tcase_add_test (tcase, test_calibrate_ends_with_the_session);
  tcase_add_loop_test (tcase, test_calibrate_keeps_its_budget, 0, G_N_ELEMENTS (budgets));
  tcase_add_test (tcase, test_calibrate_lets_items_pass);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
