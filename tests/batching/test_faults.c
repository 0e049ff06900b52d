/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fails, fails alone: bad regions and frames, decoders, batches, memory. Each fault is
 * injected into a batch of several streams' items whose company is known, and what comes next must
 * be right.
 */
#include "tests/batching/fault_kit.h"

#include "engine/sched/session_types.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const Faulty no_faults;

/* Everything that the static engine allocates for slots comes by here (--wrap). */
void *__real_aligned_alloc (size_t alignment, size_t n_bytes);
void *__wrap_aligned_alloc (size_t alignment, size_t n_bytes);
static size_t aligned_bytes_max = SIZE_MAX; /* atomic; what is larger fails */

void *__wrap_aligned_alloc (size_t alignment, size_t n_bytes)
{
  if (n_bytes <= __atomic_load_n (&aligned_bytes_max, __ATOMIC_RELAXED))
    return __real_aligned_alloc (alignment, n_bytes);
  errno = ENOMEM;
  return NULL;
}

static void limit_memory (size_t n_bytes)
{
  __atomic_store_n (&aligned_bytes_max, n_bytes, __ATOMIC_RELAXED);
}

/* One session with two streams, whose jobs of two items each run as one batch of four. */
typedef struct Company {
  WeirSession *session;
  WeirStream *streams[2];
  FaultJob jobs[2];
} Company;

#define BATCH 4

static void company_meet (Company *company)
{
  company->session = fault_kit_open (BATCH, NULL);
  for (uint32_t i = 0; i < 2; i++) {
    company->streams[i] = weir_stream_new (company->session, "s", 0);
    fault_job_init (&company->jobs[i], company->streams[i], 12 + 10 * i, 2);
  }
}

/* All that is submitted runs as one batch, with the faults. */
static void company_run (Company *company, const Faulty *faults)
{
  FaultGate gate;
  fault_gate_close (&gate, company->session);
  for (uint32_t i = 0; i < 2; i++)
    fault_job_submit (&company->jobs[i]);
  fault_gate_open (&gate, faults);
  for (uint32_t i = 0; i < 2; i++)
    fault_job_wait (&company->jobs[i]);
}

static void assert_runs (const char *expected)
{
  g_autofree char *runs = faulty_runs ();
  ck_assert_str_eq (runs, expected);
}

/* Nothing sticks: the next batch is whole and right. */
static void company_part (Company *company)
{
  for (uint32_t i = 0; i < 2; i++) {
    fault_job_clear (&company->jobs[i]);
    fault_job_init (&company->jobs[i], company->streams[i], 30 + 10 * i, 2);
  }
  company_run (company, &no_faults);
  assert_runs ("4");
  for (uint32_t i = 0; i < 2; i++) {
    ck_assert (fault_job_is_all_right (&company->jobs[i]));
    fault_job_clear (&company->jobs[i]);
    weir_stream_free (company->streams[i]);
  }
  weir_session_unref (company->session);
}

static const struct {
  WeirRegion region; /* of a frame of 512 × 8 */
  const char *text;
} regions[] = {
  { { 0, 0, 0, 8 }, "region 0x8 at (0, 0): must not be empty and lie inside the frame of 512x8" },
  { { 0, 0, 8, 0 }, "region 8x0" },
  { { 512, 0, 1, 8 }, "region 1x8 at (512, 0)" },
  { { 0, 8, 8, 1 }, "(0, 8)" },
  { { 505, 0, 8, 8 }, "(505, 0)" },
  { { 8, 0, 0xfffffff9u, 8 }, "region 4294967289x8 at (8, 0)" }, /* x + w is 1 in 32 bits */
  { { 0, 4, 8, 0xffffffffu }, "region 8x4294967295" },
  { { 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu }, "inside the frame of 512x8" },
};

START_TEST (test_faults_absurd_region)
{
  Company company;
  company_meet (&company);
  fault_job_set_region (&company.jobs[0], 1, &regions[_i].region);
  company_run (&company, &no_faults);
  fault_job_assert_failed (&company.jobs[0], 1, regions[_i].text);
  ck_assert (fault_job_is_right (&company.jobs[0], 0));
  ck_assert (fault_job_is_all_right (&company.jobs[1]));
  g_autofree WeirStats *stats = fault_kit_stats (company.session);
  ck_assert_uint_eq (stats->n_failed, 1);
  ck_assert_uint_eq (stats->n_retried, 0);
  assert_runs ("3");
  company_part (&company);
}
END_TEST

static guint8 gray[64];

static const struct {
  WeirFrame frame;
  const char *text;
} frames[] = {
  { { .format = (WeirPixelFormat) 99, .width_px = 8, .height_px = 8 }, "unknown pixel format 99" },
  { { .format = WEIR_PIXEL_GRAY8, .width_px = 8, .height_px = 8, .stride_bytes = { 8 } },
      "plane 0 is missing" },
  { { .format = WEIR_PIXEL_GRAY8,
        .width_px = 8,
        .height_px = 8,
        .planes = { gray },
        .stride_bytes = { 7 } },
      "need at least 8" },
  { { .format = WEIR_PIXEL_GRAY8,
        .width_px = 8,
        .height_px = 8,
        .planes = { gray },
        .stride_bytes = { -8 } },
      "need at least 8" },
  { { .format = WEIR_PIXEL_GRAY8,
        .range = (WeirRange) 7,
        .width_px = 8,
        .height_px = 8,
        .planes = { gray },
        .stride_bytes = { 8 } },
      "range 7" },
};

/* Preprocessing cannot read the frame: its items fail, those of the other frame do not. */
START_TEST (test_faults_unreadable_frame)
{
  Company company;
  company_meet (&company);
  weir_request_set_frame (company.jobs[0].request, &frames[_i].frame);
  company_run (&company, &no_faults);
  fault_job_assert_failed (&company.jobs[0], 0, frames[_i].text);
  fault_job_assert_failed (&company.jobs[0], 1, frames[_i].text);
  ck_assert (fault_job_is_all_right (&company.jobs[1]));
  assert_runs ("2");
  company_part (&company);
}
END_TEST

static const WeirDecoder *real_decoder;

/* Of items that look like the poisoned one. */
static bool decode_or_fail (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const float *values = weir_tensor_data (&job->outputs[0]);
  if (values[1] != FAULT_KIT_POISON)
    return real_decoder->decode (job, result, error);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "output 'y': 13 is no box");
  return false;
}

START_TEST (test_faults_decoder)
{
  Company company;
  company_meet (&company);
  WeirModel *model = weir_session_model (company.session);
  real_decoder = model->decoder;
  WeirDecoder decoder = *real_decoder;
  decoder.decode = decode_or_fail;
  model->decoder = &decoder;
  company_run (&company, &no_faults);
  fault_job_assert_failed (&company.jobs[0], 1, "13 is no box");
  ck_assert (fault_job_is_right (&company.jobs[0], 0));
  ck_assert (fault_job_is_all_right (&company.jobs[1]));
  g_autofree WeirStats *stats = fault_kit_stats (company.session);
  ck_assert_uint_eq (stats->n_failed, 1);
  ck_assert_uint_eq (stats->n_retried, 0);
  assert_runs ("4");
  model->decoder = real_decoder;
  company_part (&company);
}
END_TEST

static const struct {
  const char *name;
  Faulty faults;
  uint64_t n_failed;
  bool is_right[4]; /* item by item, of both jobs */
  const char *reason;
} batches[] = {
  { "batches", { .fails_batches = true }, 0, { true, true, true, true }, NULL },
  { "one item", { .poison = FAULT_KIT_POISON }, 1, { true, false, true, true },
      "ramp.onnx: node 'make_y': a batch of 1 fails as it was told to" },
  { "once", { .n_failures = 1 }, 0, { true, true, true, true }, NULL },
  { "twice", { .n_failures = 2 }, 1, { false, true, true, true }, "a batch of 1" },
  { "always", { .fails_always = true }, 4, { false, false, false, false }, "a batch of 1" },
};

/* A failed batch is tried again item by item, once: only the bad one fails. */
START_TEST (test_faults_batch)
{
  Company company;
  company_meet (&company);
  company_run (&company, &batches[_i].faults);
  for (uint32_t i = 0; i < 4; i++) {
    if (batches[_i].is_right[i])
      ck_assert_msg (
          fault_job_is_right (&company.jobs[i / 2], i % 2), "%s: item %u", batches[_i].name, i);
    else
      fault_job_assert_failed (&company.jobs[i / 2], i % 2, batches[_i].reason);
  }
  g_autofree WeirStats *stats = fault_kit_stats (company.session);
  ck_assert_uint_eq (stats->n_failed, batches[_i].n_failed);
  ck_assert_uint_eq (stats->n_retried, 4);
  ck_assert_uint_eq (stats->batch_max, BATCH);
  ck_assert_uint_eq (stats->in_flight, 0);
  assert_runs ("4 1 1 1 1");
  company_part (&company);
}
END_TEST

/* Bad luck again and again leaves no trace. */
START_TEST (test_faults_failing_for_long)
{
  static const Faulty faults = { .poison = FAULT_KIT_POISON };
  Company company;
  company_meet (&company);
  for (int round = 0; round < 20; round++) {
    company_run (&company, &faults);
    fault_job_assert_failed (&company.jobs[0], 1, "told to");
    ck_assert (fault_job_is_right (&company.jobs[0], 0));
    ck_assert (fault_job_is_all_right (&company.jobs[1]));
  }
  g_autofree WeirStats *stats = fault_kit_stats (company.session);
  ck_assert_uint_eq (stats->n_failed, 20);
  ck_assert_uint_eq (stats->n_retried, 80);
  company_part (&company);
}
END_TEST

/* The first item's error is what a caller of run gets. */
START_TEST (test_faults_run_tells_the_error)
{
  static const Faulty faults = { .poison = FAULT_KIT_POISON };
  WeirSession *session = fault_kit_open (BATCH, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autoptr (GError) error = NULL;
  FaultJob job;
  fault_job_init (&job, stream, FAULT_KIT_POISON - 1, 3);
  faulty_set (&faults);
  ck_assert (!weir_request_run (job.request, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_DEVICE));
  ck_assert_ptr_null (weir_request_error (job.request)); /* the request as a whole did not fail */
  faulty_set (&no_faults);
  ck_assert (weir_request_run (job.request, NULL));
  fault_job_clear (&job);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* A device that refuses at once is not a fast one: S(n) is learned from what succeeds. */
START_TEST (test_faults_teach_nothing)
{
  static const Faulty faults = { .fails_always = true };
  WeirSession *session = fault_kit_open (BATCH, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  uint32_t n_runs = 0;
  for (uint32_t round = 0; round < 20; round++) {
    FaultJob job;
    faulty_set (round < 10 ? &no_faults : &faults);
    fault_job_init (&job, stream, 1 + round, 1);
    fault_job_run (&job);
    fault_job_clear (&job);
    weir_mutex_lock (&session->lock);
    n_runs = round < 10 ? session->queue.service.n_runs[1] : n_runs;
    ck_assert_uint_eq (session->queue.service.n_runs[1], n_runs);
    weir_mutex_unlock (&session->lock);
  }
  ck_assert_uint_ge (n_runs, 1);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* S(n) is what a batch takes where no idle core helps, as under load; a lone worker has nobody to
 * share the cores with. */
static const struct {
  const char *hint;
  bool counts;
} helps[] = {
  { "throughput", true },
  { "latency", false },
};

START_TEST (test_faults_help_counts)
{
  static const Faulty faults = { .helped_us = 40000 };
  const WeirSessionOptions o = { .performance_hint = helps[_i].hint };
  WeirSession *session = fault_kit_open (1, &o);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  faulty_set (&faults);
  for (uint32_t round = 0; round < 20; round++) {
    FaultJob job;
    fault_job_init (&job, stream, 1 + round, 1);
    fault_job_run (&job);
    fault_job_clear (&job);
  }
  weir_mutex_lock (&session->lock);
  uint64_t service_ns = weir_service_ns (&session->queue.service, 1);
  bool counts = helps[_i].counts && session->n_workers > 1;
  weir_mutex_unlock (&session->lock);
  ck_assert_uint_gt (service_ns, 0);
  ck_assert_int_eq (service_ns >= 40000000, counts);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_uint_lt (stats->service_us_p50, 40000);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* What warnings say was lowered, as "8>4 4>2". */
static WeirMutex warned_lock = PTHREAD_MUTEX_INITIALIZER;
static GString *warned;

static void note_warning (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  const char *from = strstr (message, "batches of "), *to = strstr (message, "at most ");
  weir_mutex_lock (&warned_lock);
  g_string_append_printf (warned, "%s%d>%d", warned->len ? " " : "",
      from ? atoi (from + strlen ("batches of ")) : -1, to ? atoi (to + strlen ("at most ")) : -1);
  weir_mutex_unlock (&warned_lock);
}

static const struct {
  uint32_t n_fitting; /* items for whose batch there is memory */
  uint32_t batch_max; /* afterwards */
  const char *warnings;
} memories[] = {
  { 5, 4, "8>4" },
  { 3, 2, "8>4 4>2" },
  { 1, 1, "8>4 4>2 2>1" },
};

/* Bytes of a slot for one item. */
static size_t measure_slot (void)
{
  WeirSession *session = fault_kit_open (8, NULL);
  size_t n_bytes = weir_plan_slot_bytes (weir_site_plan (session->site, 1, NULL));
  weir_session_unref (session);
  return n_bytes;
}

/* Memory is out: the largest batch is halved until it fits, saying so, and no item is lost. */
START_TEST (test_faults_memory)
{
  size_t slot_bytes = measure_slot ();
  warned = g_string_new (NULL);
  guint handler = g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, note_warning, NULL);
  limit_memory ((memories[_i].n_fitting + 1) * slot_bytes - 1);
  WeirSession *session = fault_kit_open (8, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  faulty_set (&no_faults);
  for (uint32_t round = 0; round < 4; round++) {
    FaultJob job;
    fault_job_init (&job, stream, 1 + 10 * round, 16);
    fault_job_run (&job);
    ck_assert (fault_job_is_all_right (&job));
    fault_job_clear (&job);
  }
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_uint_eq (stats->batch_max, memories[_i].batch_max);
  ck_assert_str_eq (stats->batch_max_reason, "memory");
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (stats->n_items, 64);
  weir_stream_free (stream);
  weir_session_unref (session);
  limit_memory (SIZE_MAX);
  g_log_remove_handler ("weir", handler);
  ck_assert_str_eq (warned->str, memories[_i].warnings);
  g_string_free (warned, TRUE);
}
END_TEST

/* Not even one item has memory: they fail, the session does not, and is well as soon as there is
 * some again. */
START_TEST (test_faults_no_memory_at_all)
{
  size_t too_little_bytes = measure_slot () - 1;
  warned = g_string_new (NULL);
  guint handler = g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, note_warning, NULL);
  limit_memory (too_little_bytes);
  WeirSession *session = fault_kit_open (8, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  faulty_set (&no_faults);
  for (uint32_t round = 0; round < 3; round++) {
    FaultJob job;
    fault_job_init (&job, stream, 1, 10);
    fault_job_run (&job);
    for (uint32_t i = 0; i < 10; i++) {
      if (round < 2)
        fault_job_assert_failed (&job, i, "no memory for");
      else
        ck_assert (fault_job_is_right (&job, i));
    }
    fault_job_clear (&job);
    limit_memory (round < 1 ? too_little_bytes : SIZE_MAX);
  }
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_uint_eq (stats->n_failed, 20);
  ck_assert_uint_eq (stats->batch_max, 1);
  ck_assert_str_eq (stats->batch_max_reason, "memory");
  weir_stream_free (stream);
  weir_session_unref (session);
  g_log_remove_handler ("weir", handler);
  g_string_free (warned, TRUE);
}
END_TEST

/* Of two streams only the one that has its share skips; and it may come back. */
START_TEST (test_faults_leaky_stream)
{
  const WeirSessionOptions o = { .performance_hint = "latency", .num_requests = 4 };
  WeirSession *session = fault_kit_open (2, &o);
  WeirStream *full_one = weir_stream_new (session, "full", 1),
             *other = weir_stream_new (session, "other", 0);
  FaultGate gate;
  FaultJob jobs[3], again;
  bool full = false;
  fault_gate_close (&gate, session);
  for (uint32_t i = 0; i < 3; i++)
    fault_job_init (&jobs[i], i < 2 ? full_one : other, 20 + i, 1);
  ck_assert (weir_request_try_submit (jobs[0].request, fault_job_done, &jobs[0], &full, NULL));
  ck_assert (!weir_request_try_submit (jobs[1].request, fault_job_done, &jobs[1], &full, NULL));
  ck_assert (full);
  ck_assert (weir_request_try_submit (jobs[2].request, fault_job_done, &jobs[2], &full, NULL));
  ck_assert (!full);
  fault_gate_open (&gate, &no_faults);
  fault_job_wait (&jobs[0]);
  fault_job_wait (&jobs[2]);
  ck_assert_int_eq (jobs[1].n_done, 0);
  fault_job_init (&again, full_one, 40, 1);
  ck_assert (weir_request_try_submit (again.request, fault_job_done, &again, &full, NULL));
  fault_job_wait (&again);
  ck_assert (fault_job_is_right (&jobs[0], 0) && fault_job_is_right (&jobs[2], 0));
  ck_assert (fault_job_is_right (&again, 0));
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_uint_eq (stats->n_skipped, 1);
  ck_assert_uint_eq (stats->n_items, 4);
  for (uint32_t i = 0; i < 3; i++)
    fault_job_clear (&jobs[i]);
  fault_job_clear (&again);
  weir_stream_free (full_one);
  weir_stream_free (other);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("faults");
  TCase *tcase = tcase_create ("faults");
  tcase_add_loop_test (tcase, test_faults_absurd_region, 0, G_N_ELEMENTS (regions));
  tcase_add_loop_test (tcase, test_faults_unreadable_frame, 0, G_N_ELEMENTS (frames));
  tcase_add_test (tcase, test_faults_decoder);
  tcase_add_loop_test (tcase, test_faults_batch, 0, G_N_ELEMENTS (batches));
  tcase_add_test (tcase, test_faults_failing_for_long);
  tcase_add_test (tcase, test_faults_run_tells_the_error);
  tcase_add_test (tcase, test_faults_teach_nothing);
  tcase_add_loop_test (tcase, test_faults_help_counts, 0, G_N_ELEMENTS (helps));
  tcase_add_loop_test (tcase, test_faults_memory, 0, G_N_ELEMENTS (memories));
  tcase_add_test (tcase, test_faults_no_memory_at_all);
  tcase_add_test (tcase, test_faults_leaky_stream);
  suite_add_tcase (suite, tcase);
  return fault_kit_run (suite);
}
