/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In steady state a request allocates nothing; and where memory is out, batches get smaller.
 *
 * The allocator is replaced by one that counts, by who calls it: libweir and GLib, which allocates
 * on its behalf, or others. oneDNN makes a table of arguments whenever a primitive runs, about six
 * allocations: the bound for that is per batch, whatever the number of items. */
#include "tests/unit/sched/session_fixture.h"

#include "tests/run_suite.h"
#include "tests/sanitized.h"
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__) && !IS_SANITIZED

void *__libc_malloc (size_t n_bytes);
void *__libc_calloc (size_t n, size_t n_bytes);
void *__libc_realloc (void *memory, size_t n_bytes);
void *__libc_memalign (size_t alignment, size_t n_bytes);

/* Where the code of libweir and GLib lies. */
static struct {
  uintptr_t begin, end;
} ranges[8];
static gint n_ranges, is_counting, n_ours, n_theirs;
static size_t aligned_bytes_max = SIZE_MAX; /* what is larger fails */

static void count (const void *caller)
{
  uintptr_t address = (uintptr_t) caller;
  if (!g_atomic_int_get (&is_counting))
    return;
  for (int i = 0; i < n_ranges; i++) {
    if (address >= ranges[i].begin && address < ranges[i].end) {
      g_atomic_int_inc (&n_ours);
      return;
    }
  }
  g_atomic_int_inc (&n_theirs);
}

void *malloc (size_t n_bytes)
{
  count (__builtin_return_address (0));
  return __libc_malloc (n_bytes);
}

void *calloc (size_t n, size_t n_bytes)
{
  count (__builtin_return_address (0));
  return __libc_calloc (n, n_bytes);
}

void *realloc (void *memory, size_t n_bytes)
{
  count (__builtin_return_address (0));
  return __libc_realloc (memory, n_bytes);
}

void *aligned_alloc (size_t alignment, size_t n_bytes)
{
  count (__builtin_return_address (0));
  if (n_bytes <= aligned_bytes_max)
    return __libc_memalign (alignment, n_bytes);
  errno = ENOMEM;
  return NULL;
}

int posix_memalign (void **memory, size_t alignment, size_t n_bytes)
{
  count (__builtin_return_address (0));
  *memory = __libc_memalign (alignment, n_bytes);
  return *memory ? 0 : ENOMEM;
}

static int find_code (struct dl_phdr_info *info, size_t size, void *user)
{
  if (!strstr (info->dlpi_name, "libweir") && !strstr (info->dlpi_name, "libglib"))
    return 0;
  for (int i = 0; i < info->dlpi_phnum && n_ranges < (gint) G_N_ELEMENTS (ranges); i++) {
    const ElfW (Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
      continue;
    ranges[n_ranges].begin = info->dlpi_addr + header->p_vaddr;
    ranges[n_ranges].end = ranges[n_ranges].begin + header->p_memsz;
    n_ranges++;
  }
  return 0;
}

static void start_counting (void)
{
  g_atomic_int_set (&n_ours, 0);
  g_atomic_int_set (&n_theirs, 0);
  g_atomic_int_set (&is_counting, 1);
}

static bool is_ref (void)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  return !device || g_str_equal (device, "REF");
}

START_TEST (test_allocation_counts)
{
  fixture_make_pictures ();
  fixture_learn ();
  dl_iterate_phdr (find_code, NULL);
  ck_assert_int_ge (n_ranges, 2);
  start_counting ();
  char *volatile ours = g_strdup ("GLib's");
  void *volatile theirs = malloc (10);
  g_atomic_int_set (&is_counting, 0);
  g_free (ours);
  free (theirs);
  ck_assert_int_eq (n_ours, 1);
  ck_assert_int_eq (n_theirs, 1);
}
END_TEST

static const struct {
  const char *model;
  int n_requests;
  int n_of_onednn; /* allocations a batch, at most; 39 and 55 with 2.6 */
} models[] = { { "read-characters.onnx", 200, 80 }, { "find-characters.onnx", 18, 110 } };

/* Requests of 0 to 8 regions of all pictures; one worker, so that all of a request run together and
 * each batch size is met in the warm-up. */
static bool run_requests (WeirRequest *request, int n)
{
  bool ok = true; /* assertions allocate */
  for (int i = 0; i < n; i++) {
    fixture_fill (request, i % N_PICTURES, (uint32_t) i % 9);
    ok &= weir_request_run (request, NULL);
  }
  return ok;
}

static WeirSession *open_model (const char *name)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", name, NULL);
  WeirSessionOptions o = { .model = path,
    .device = is_ref () ? "REF" : "CPU",
    .performance_hint = "latency",
    .batch_size = 8,
    .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (&o, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

/* What `run` allocates the second time. */
static void check_steady_state (WeirSession *session, WeirRequest *request, const char *what, int n,
    int n_of_onednn, bool (*run) (WeirRequest *request, int n))
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  ck_assert (run (request, n));
  weir_session_stats (session, stats);
  uint64_t n_batches = stats->n_batches;
  start_counting ();
  bool ok = run (request, n);
  g_atomic_int_set (&is_counting, 0);
  ck_assert (ok);
  weir_session_stats (session, stats);
  n_batches = stats->n_batches - n_batches;
  printf ("%s: %d requests, %" G_GUINT64_FORMAT " batches: %d allocations by weir, %d by others\n",
      what, n, n_batches, n_ours, n_theirs);
  ck_assert_uint_gt (stats->batch_histogram[8], 0);
  ck_assert_int_eq (n_ours, 0);
  ck_assert_int_le (n_theirs, is_ref () ? 0 : (int) n_batches * n_of_onednn);
}

START_TEST (test_allocation_steady_state)
{
  WeirSession *session = open_model (models[_i].model);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  check_steady_state (session, request, models[_i].model, is_ref () ? models[_i].n_requests : 200,
      models[_i].n_of_onednn, run_requests);
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* A dynamic batch of 1 to 8 tensors. */
static bool run_tensors (WeirRequest *request, int n)
{
  bool ok = true;
  for (int i = 0; i < n; i++)
    ok &= weir_request_set_batch (request, 1 + (uint32_t) i % 8, NULL) &&
          weir_request_run (request, NULL);
  return ok;
}

/* The outputs in the request's memory, then in the caller's. */
START_TEST (test_allocation_of_tensors)
{
  WeirSession *session = open_model (models[0].model);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  WeirTensor input, output;
  weir_model_input (weir_session_model (session), 0, &input);
  weir_model_output (weir_session_model (session), 0, &output);
  g_autofree float *src = g_new0 (float, 8 * input.dims[2] * input.dims[3]);
  g_autofree float *dst = g_new0 (float, 8 * N_CLASSES);
  input.dims[0] = output.dims[0] = 8;
  input.buffer = src;
  output.buffer = dst;
  ck_assert (weir_request_set_batch_max (request, 8, NULL));
  ck_assert (weir_request_set_input (request, 0, &input, NULL));
  weir_request_keep_outputs (request, true);
  int n = is_ref () ? 40 : 200;
  check_steady_state (session, request, "tensors", n, models[0].n_of_onednn, run_tensors);
  ck_assert (weir_request_set_output (request, 0, &output, NULL));
  check_steady_state (
      session, request, "tensors, given outputs", n, models[0].n_of_onednn, run_tensors);
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* What a worker's memory grows by when it first runs n items together. */
static uint64_t measure_block (uint32_t n)
{
  WeirSession *session = fixture_open_latency (0, 8);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  uint64_t load_bytes = stats->memory_bytes;
  fixture_fill (request, 1, n);
  ck_assert (weir_request_run (request, NULL));
  weir_session_stats (session, stats);
  ck_assert_uint_gt (stats->memory_bytes, load_bytes);
  uint64_t n_bytes = stats->memory_bytes - load_bytes;
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
  return n_bytes;
}

/* Blocks of four items and more cannot be had: the batch is halved, and halved again, no item is
 * lost. */
START_TEST (test_allocation_failure_makes_batches_smaller)
{
  const uint64_t bytes_of_2 = measure_block (2), bytes_of_4 = measure_block (4);
  ck_assert_uint_lt (bytes_of_2, bytes_of_4);
  WeirSession *session = fixture_open_latency (0, 8);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  fixture_fill (request, 1, 1);
  ck_assert (weir_request_run (request, NULL));
  aligned_bytes_max = (size_t) bytes_of_2;
  for (int k = 0; k < 3; k++) {
    fixture_fill (request, k, 8);
    ck_assert (weir_request_run (request, NULL));
    ck_assert (fixture_is_expected (request, k));
  }
  aligned_bytes_max = SIZE_MAX;
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->batch_max, 2);
  ck_assert_str_eq (stats->batch_max_reason, "memory");
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (stats->n_retried, 8 + 4);
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("allocation");
  TCase *tcase = tcase_create ("allocation");
  tcase_add_test (tcase, test_allocation_counts);
  tcase_add_loop_test (tcase, test_allocation_steady_state, 0, G_N_ELEMENTS (models));
  tcase_add_test (tcase, test_allocation_of_tensors);
  tcase_add_test (tcase, test_allocation_failure_makes_batches_smaller);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}

#else

int main (void)
{
  printf ("skipped: the allocator cannot be replaced under a sanitizer or without glibc\n");
  return 77;
}

#endif
