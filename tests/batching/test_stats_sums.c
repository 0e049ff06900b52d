/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the counters of a session add up to after any load: flushes, ends of streams, failing items
 * and batches, skipped items; and that every field is documented. */
#include "tests/batching/fault_kit.h"

#include "engine/stats_fields.h"
#include <pthread.h>
#include <string.h>

#define N_STREAMS 4
#define N_ROUNDS  150

static const Faulty faults = { .poison = FAULT_KIT_POISON };

/* What a producer knows of its own items. */
typedef struct Load {
  WeirSession *session;
  guint32 seed;
  pthread_t thread;
  uint64_t n_failed, n_skipped, n_run; /* of those that were not cancelled; that ended so */
  uint64_t n_unsure;                   /* of cancelled requests: some may have run */
  uint64_t n_stream_items;
} Load;

static void count_ended (Load *load, const FaultJob *job)
{
  for (uint32_t i = 0; i < job->n_items; i++) {
    if (job->error_code != -1) {
      load->n_unsure++;
    } else {
      bool is_bad = job->values[i] == FAULT_KIT_POISON || job->values[i] == 0;
      load->n_run++;
      load->n_failed += is_bad;
      ck_assert (is_bad || fault_job_is_right (job, i));
    }
  }
}

static void play_round (Load *load, WeirStream *stream, GRand *rand)
{
  static const WeirRegion nowhere = { 4000, 0, 8, 8 };
  FaultJob job;
  bool full = false;
  fault_job_init (&job, stream, (uint32_t) g_rand_int_range (rand, 1, 50),
      (uint32_t) g_rand_int_range (rand, 0, 8));
  if (job.n_items && g_rand_int_range (rand, 0, 10) == 0)
    fault_job_set_region (&job, job.n_items - 1, &nowhere);
  if (g_rand_boolean (rand))
    fault_job_submit (&job);
  else if (!weir_request_try_submit (job.request, fault_job_done, &job, &full, NULL))
    load->n_skipped += job.n_items;
  if (!full && g_rand_int_range (rand, 0, 8) == 0) {
    weir_stream_flush (stream);
    weir_stream_resume (stream);
  }
  if (g_rand_int_range (rand, 0, 8) == 0)
    weir_stream_drain (stream);
  if (!full) {
    fault_job_wait (&job);
    count_ended (load, &job);
  }
  fault_job_clear (&job);
}

static void *play (void *user)
{
  Load *load = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed (load->seed);
  WeirStream *stream = weir_stream_new (load->session, "load", 0);
  for (int round = 0; round < N_ROUNDS; round++) {
    if (g_rand_int_range (rand, 0, 20) == 0) {
      load->n_stream_items += weir_stream_n_items (stream);
      weir_stream_free (stream);
      stream = weir_stream_new (load->session, "load", 0);
    }
    play_round (load, stream, rand);
  }
  load->n_stream_items += weir_stream_n_items (stream);
  weir_stream_free (stream);
  return NULL;
}

static void assert_sums (const WeirStats *stats)
{
  uint64_t n_batches = 0, n_items = 0;
  for (uint32_t n = 0; n < G_N_ELEMENTS (stats->batch_histogram); n++) {
    n_batches += stats->batch_histogram[n];
    n_items += n * stats->batch_histogram[n];
  }
  ck_assert_uint_eq (n_items, stats->n_items);
  ck_assert_uint_eq (n_batches, stats->n_batches);
  uint64_t n_cuts = stats->cut_full + stats->cut_complete + stats->cut_deadline + stats->cut_idle +
                    stats->cut_drain;
  ck_assert_uint_ge (n_cuts, stats->n_batches);
  ck_assert_uint_le (n_cuts, stats->n_batches + (stats->in_flight ? stats->n_workers : 0));
  ck_assert (stats->mean_batch * (double) n_batches > (double) n_items - 0.5 &&
             stats->mean_batch * (double) n_batches < (double) n_items + 0.5);
  ck_assert_uint_le (stats->wait_us_p50, stats->wait_us_p90);
  ck_assert_uint_le (stats->wait_us_p90, stats->wait_us_p99);
  ck_assert_uint_le (stats->service_us_p50, stats->service_us_p99);
  ck_assert_uint_le (stats->latency_us_p50, stats->latency_us_p99);
}

START_TEST (test_stats_add_up)
{
  const WeirSessionOptions o = { .num_requests = _i ? 5 : 0, .batch_timeout_ms = _i ? 2 : -1 };
  WeirSession *session = fault_kit_open (6, &o);
  Load loads[N_STREAMS], sum = { .session = session };
  faulty_set (&faults);
  for (uint32_t i = 0; i < N_STREAMS; i++) {
    loads[i] = (Load){ .session = session, .seed = 100u * (guint32) _i + i };
    ck_assert_int_eq (pthread_create (&loads[i].thread, NULL, play, &loads[i]), 0);
  }
  for (int i = 0; i < 20; i++) { /* a snapshot adds up too, but for batches that run */
    g_autofree WeirStats *stats = fault_kit_stats (session);
    assert_sums (stats);
    g_usleep (1000);
  }
  for (uint32_t i = 0; i < N_STREAMS; i++) {
    pthread_join (loads[i].thread, NULL);
    sum.n_failed += loads[i].n_failed;
    sum.n_skipped += loads[i].n_skipped;
    sum.n_run += loads[i].n_run;
    sum.n_unsure += loads[i].n_unsure;
    sum.n_stream_items += loads[i].n_stream_items;
  }
  g_autofree WeirStats *stats = fault_kit_stats (session);
  assert_sums (stats);
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_uint_eq (stats->n_streams, 0);
  ck_assert_uint_eq (stats->n_skipped, sum.n_skipped);
  ck_assert_uint_eq (stats->n_items, sum.n_stream_items);
  ck_assert_uint_gt (sum.n_failed, 0);
  ck_assert_uint_ge (stats->n_items, sum.n_run);
  ck_assert_uint_le (stats->n_items, sum.n_run + sum.n_unsure);
  ck_assert_uint_ge (stats->n_failed, sum.n_failed);
  ck_assert_uint_le (stats->n_failed, sum.n_failed + sum.n_unsure);
  ck_assert_uint_gt (stats->n_retried, 0);
  ck_assert_uint_gt (stats->n_items, stats->n_batches);
  ck_assert_uint_gt (stats->memory_bytes, 0);
  weir_session_unref (session);
}
END_TEST

/* docs/stats.md has a row "| `name` | unit | …" for every field, and no other rows but those of
 * fields that only elements have. */
START_TEST (test_stats_are_documented)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("WEIR_SOURCE_ROOT"), "docs", "stats.md", NULL);
  g_autofree char *text = NULL;
  uint32_t n_fields, n_rows = 0, n_own = 0;
  const WeirStatsField *fields = weir_stats_fields (&n_fields);
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  for (uint32_t i = 0; i < n_fields; i++) {
    g_autofree char *row =
        g_strdup_printf ("\n| `%s` | %s |", fields[i].name, *fields[i].unit ? fields[i].unit : "–");
    ck_assert_msg (strstr (text, row) != NULL, "docs/stats.md: expected is '%s'", row + 1);
  }
  for (const char *at = text; (at = strstr (at, "\n| `")); at++) {
    n_rows++;
    n_own += g_str_has_prefix (at, "\n| `frames") || g_str_has_prefix (at, "\n| `stream-");
  }
  ck_assert_uint_eq (n_rows, n_fields + n_own);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("sums of stats");
  TCase *tcase = tcase_create ("sums");
  tcase_add_loop_test (tcase, test_stats_add_up, 0, 2);
  tcase_add_test (tcase, test_stats_are_documented);
  suite_add_tcase (suite, tcase);
  return fault_kit_run (suite);
}
