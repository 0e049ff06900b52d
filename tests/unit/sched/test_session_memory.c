/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session's largest batch under a limit of memory, and the numbers that say so. */
#include "engine/sched/session_types.h"
#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"
#include "tests/unit/plan/far_backend.h"

#include "tests/run_suite.h"
#include "tests/sanitized.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define F32 1 /* TensorProto.DataType */
#define MIB (UINT64_C (1) << 20)
/* 12 MiB of input and as much of output an item. */
#define LARGE "n,3,1024,1024"

static char *folder;

static char *write_relu (const char *dims)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, dims);
  onnx_builder_node (b, "Relu", "x", "y", NULL);
  onnx_builder_output (b, "y");
  char *path = onnx_builder_write (b, folder, "relu.onnx");
  onnx_builder_free (b);
  return path;
}

static void set_up (void)
{
  folder = onnx_builder_folder ();
}

static void tear_down (void)
{
  onnx_builder_remove (folder);
}

/* One worker, so that the machine's number of cores does not matter. */
static WeirSession *open_session (const char *dims, uint32_t batch_size)
{
  g_autofree char *model = write_relu (dims);
  const WeirSessionOptions options = { .model = model,
    .device = "REF",
    .performance_hint = "latency",
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  return weir_session_open (&options, NULL);
}

START_TEST (test_session_memory_is_told)
{
  WeirStats stats;
  WeirSession *session = open_session ("n,3,8,8", 8);
  ck_assert_ptr_nonnull (session);
  weir_session_stats (session, &stats);
  ck_assert_uint_eq (stats.batch_max, 8);
  ck_assert_str_eq (stats.batch_max_reason, "property");
  ck_assert_uint_ge (stats.memory_planned_bytes, 8 * 3 * 8 * 8 * 4 * 2);
  ck_assert_uint_lt (stats.memory_planned_bytes, MIB);
  g_autofree char *json = weir_stats_to_json (&stats);
  ck_assert_ptr_nonnull (strstr (json, "\"memory_planned_bytes\":"));
  ck_assert_ptr_nonnull (strstr (json, "\"memory_available_bytes\":"));
  weir_session_unref (session);
}
END_TEST

static bool limit_memory (uint64_t more_bytes)
{
  g_autofree char *statm = NULL;
  if (IS_SANITIZED || !g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL))
    return false;
  uint64_t size = g_ascii_strtoull (statm, NULL, 10) * (uint64_t) sysconf (_SC_PAGESIZE);
  const struct rlimit limit = { size + more_bytes, size + more_bytes };
  return setrlimit (RLIMIT_AS, &limit) == 0;
}

static void ignore_message (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  *(bool *) user = strstr (message, "batches of at most") != NULL;
}

/* In a process of its own: 0 where the largest batch is what half of the memory holds, 77 where
 * memory cannot be limited: a sanitizer maps as it likes. */
static int check_cap (void)
{
  WeirStats stats;
  bool is_told = false;
  if (!limit_memory (400 * MIB))
    return 77;
  g_log_set_handler ("weir", G_LOG_LEVEL_MESSAGE, ignore_message, &is_told);
  WeirSession *session = open_session (LARGE, 64);
  if (!session)
    return 1;
  weir_session_stats (session, &stats);
  if (strcmp (stats.batch_max_reason, "memory") != 0 || !is_told)
    return 2;
  if (stats.batch_max < 4 || stats.batch_max > 16)
    return 3;
  if (stats.memory_available_bytes > 400 * MIB || stats.memory_available_bytes < 200 * MIB)
    return 4;
  uint64_t half = stats.memory_available_bytes / 2;
  return stats.memory_planned_bytes > half || stats.memory_planned_bytes < half / 2 ? 5 : 0;
}

START_TEST (test_session_memory_caps_the_batch)
{
  int status = 0;
  pid_t child = fork ();
  if (child == 0)
    _exit (check_cap ());
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert (WIFEXITED (status));
  ck_assert_msg (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == 77, "check_cap says %d",
      WEXITSTATUS (status));
}
END_TEST

/* The host has room, the device's own memory has not. */
START_TEST (test_session_memory_of_the_device)
{
  WeirStats stats;
  bool is_told = false;
  weir_session_backend_hook = &far_backend;
  far_backend_set_left (400 * MIB);
  g_log_set_handler ("weir", G_LOG_LEVEL_MESSAGE, ignore_message, &is_told);
  WeirSession *session = open_session (LARGE, 64);
  ck_assert_ptr_nonnull (session);
  weir_session_stats (session, &stats);
  ck_assert_str_eq (stats.batch_max_reason, "memory");
  ck_assert (is_told);
  /* 24 MiB an item, or 12 where the result takes the source's place */
  ck_assert_uint_ge (stats.batch_max, 8);
  ck_assert_uint_le (stats.batch_max, 16);
  ck_assert_uint_eq (stats.memory_available_bytes, 400 * MIB);
  ck_assert_uint_ge (stats.memory_planned_bytes, stats.batch_max * 12 * MIB);
  weir_session_unref (session);
}
END_TEST

static void run_batch (WeirStream *stream, uint32_t n)
{
  static float rows[4 * 3 * 8 * 8];
  WeirRequest *request = weir_request_new (stream);
  WeirTensor input = { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { n, 3, 8, 8 }, .buffer = rows };
  GError *error = NULL;
  ck_assert (weir_request_set_input (request, 0, &input, &error));
  ck_assert_msg (
      weir_request_run (request, &error), "%s", error ? error->message : "without an error");
  weir_request_free (request);
}

/* Slots of all n lie in the memory that the largest so far needed, on the device as on the host. */
START_TEST (test_session_memory_is_shared_by_slots)
{
  static const uint32_t batches[] = { 4, 1, 2, 3, 4 };
  WeirStats first, last;
  weir_session_backend_hook = &far_backend;
  WeirSession *session = open_session ("n,3,8,8", 4);
  ck_assert_ptr_nonnull (session);
  WeirStream *stream = weir_stream_new (session, "batches", 0);
  run_batch (stream, batches[0]);
  weir_session_stats (session, &first);
  ck_assert_uint_ge (first.memory_bytes, 2 * 4 * 3 * 8 * 8 * 4);
  for (uint32_t i = 1; i < G_N_ELEMENTS (batches); i++)
    run_batch (stream, batches[i]);
  weir_session_stats (session, &last);
  ck_assert_uint_eq (last.n_items, 14);
  ck_assert_uint_eq (far_backend_n_memories (), 1);
  ck_assert_uint_eq (last.memory_bytes, first.memory_bytes);
  weir_stream_free (stream);
  weir_session_unref (session);
  ck_assert_uint_eq (far_backend_n_memories (), 0);
}
END_TEST

/* Where nobody asks for a size the backend's own maximum counts. */
START_TEST (test_session_memory_automatic_batch)
{
  WeirStats stats;
  weir_session_backend_hook = &far_backend;
  g_autofree char *model = write_relu ("n,3,8,8");
  const WeirSessionOptions options = { .model = model, .device = "REF", .batch_timeout_ms = -1 };
  WeirSession *session = weir_session_open (&options, NULL);
  ck_assert_ptr_nonnull (session);
  weir_session_stats (session, &stats);
  ck_assert_uint_eq (stats.batch_max, 32);
  ck_assert_str_eq (stats.batch_max_reason, "device");
  ck_assert_uint_eq (stats.batch_target, 1); /* until it is known that larger ones pay */
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session_memory");
  TCase *tcase = tcase_create ("session_memory");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, test_session_memory_caps_the_batch);
  tcase_add_test (tcase, test_session_memory_is_told);
  tcase_add_test (tcase, test_session_memory_of_the_device);
  tcase_add_test (tcase, test_session_memory_is_shared_by_slots);
  tcase_add_test (tcase, test_session_memory_automatic_batch);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
