/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of a session that runs: read, changed while items flow, refused; and which option binds the
 * largest batch. */
#include "tests/unit/sched/session_fixture.h"

#include "tests/run_suite.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>

static const char *device (void)
{
  const char *name = g_getenv ("WEIR_TEST_DEVICE");
  return name ? name : "REF";
}

static WeirSession *open_with (WeirSessionOptions options)
{
  g_autofree char *path = fixture_model ();
  g_autoptr (GError) error = NULL;
  options.model = path;
  if (!options.device)
    options.device = device ();
  WeirSession *session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static void assert_config (WeirSession *session, const char *key, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *value = weir_session_get_config (session, key, &error);
  ck_assert_msg (value != NULL, "%s", error ? error->message : "");
  ck_assert_msg (strcmp (value, expected) == 0, "%s is %s, not %s", key, value, expected);
}

/* Runs first, in the same process. */
START_TEST (test_session_config_learn)
{
  fixture_make_pictures ();
  fixture_learn ();
}
END_TEST

START_TEST (test_session_config_get)
{
  WeirSession *session = open_with ((WeirSessionOptions){ .num_requests = 12,
      .batch_timeout_ms = 9,
      .config = "INFERENCE_PRECISION_HINT=f32,PERFORMANCE_HINT=LATENCY,ALLOW_AUTO_BATCHING=FALSE,"
                "DYN_BATCH_ENABLED=NO,CACHE_DIR=/nowhere/at all" });
  g_autofree char *optimal = g_strdup_printf ("%u", weir_session_optimal_requests (session));
  g_autoptr (GError) error = NULL;
  assert_config (session, "PERFORMANCE_HINT", "LATENCY");
  assert_config (session, "PERFORMANCE_HINT_NUM_REQUESTS", "12");
  assert_config (session, "ALLOW_AUTO_BATCHING", "NO");
  assert_config (session, "AUTO_BATCH_TIMEOUT", "9");
  assert_config (session, "DYN_BATCH_ENABLED", "NO");
  assert_config (session, "INFERENCE_PRECISION_HINT", "f32");
  assert_config (session, "CACHE_DIR", "/nowhere/at all");
  assert_config (session, "OPTIMAL_NUMBER_OF_INFER_REQUESTS", optimal);
  ck_assert_ptr_null (weir_session_get_config (session, "NUM_STREAMS", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_ptr_nonnull (strstr (error->message, "unknown key 'NUM_STREAMS'"));
  weir_session_unref (session);
}
END_TEST

/* auto is no precision: the one that runs is read back, the same as in the statistics. */
START_TEST (test_session_config_precision_is_real)
{
  WeirSession *session = open_with ((WeirSessionOptions){ .batch_timeout_ms = -1 });
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  assert_config (session, "INFERENCE_PRECISION_HINT", stats->precision);
  ck_assert_str_ne (stats->precision, "auto");
  weir_session_unref (session);
}
END_TEST

START_TEST (test_session_config_set)
{
  WeirSession *session = open_with ((WeirSessionOptions){ .batch_timeout_ms = -1 });
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  ck_assert (weir_session_set_config (
      session, "AUTO_BATCH_TIMEOUT=5, PERFORMANCE_HINT_NUM_REQUESTS=7", NULL));
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->num_requests, 7);
  ck_assert_uint_eq (weir_session_optimal_requests (session), 7);
  assert_config (session, "AUTO_BATCH_TIMEOUT", "5");
  assert_config (session, "OPTIMAL_NUMBER_OF_INFER_REQUESTS", "7");
  ck_assert (weir_session_set_config (session, "AUTO_BATCH_TIMEOUT=0", NULL));
  ck_assert (weir_session_set_config (session, "", NULL));
  assert_config (session, "AUTO_BATCH_TIMEOUT", "0");
  assert_config (session, "PERFORMANCE_HINT_NUM_REQUESTS", "7");
  weir_session_unref (session);
}
END_TEST

static const struct {
  const char *config, *message;
} refused[] = {
  { "AUTO_BATCH_TIMEOUT=5,PERFORMANCE_HINT_NUM_REQUESTS=1025", "0 to 1024" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=9,AUTO_BATCH_TIMEOUT=x", "AUTO_BATCH_TIMEOUT=x" },
  { "AUTO_BATCH_TIMEOUT=5,PERFORMANCE_HINT=LATENCY", "PERFORMANCE_HINT=LATENCY: takes effect at" },
  { "AUTO_BATCH_TIMEOUT=5,CACHE_DIR=x", "CACHE_DIR=x: takes effect at" },
  { "AUTO_BATCH_TIMEOUT=5,OPTIMAL_NUMBER_OF_INFER_REQUESTS=3", "read only" },
  { "AUTO_BATCH_TIMEOUT=5,FROB=3", "unknown key 'FROB'" },
  { "AUTO_BATCH_TIMEOUT=5,AUTO_BATCH_TIMEOUT=6", "twice" },
  { "AUTO_BATCH_TIMEOUT=5,", "not KEY=VALUE" },
};

/* All of it or nothing. */
START_TEST (test_session_config_set_refused)
{
  WeirSession *session =
      open_with ((WeirSessionOptions){ .num_requests = 3, .batch_timeout_ms = 77 });
  g_autoptr (GError) error = NULL;
  ck_assert (!weir_session_set_config (session, refused[_i].config, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, refused[_i].message) != NULL, "%s", error->message);
  assert_config (session, "AUTO_BATCH_TIMEOUT", "77");
  assert_config (session, "PERFORMANCE_HINT_NUM_REQUESTS", "3");
  assert_config (session, "PERFORMANCE_HINT", "THROUGHPUT");
  weir_session_unref (session);
}
END_TEST

typedef struct Producer {
  WeirSession *session;
  int n_right;
  pthread_t thread;
} Producer;

#define N_ROUNDS 40

/* Without the key the folder is chosen, and can be read. */
START_TEST (test_session_config_cache_dir)
{
  WeirSession *none = open_with ((WeirSessionOptions){ .config = "CACHE_DIR=" });
  WeirSession *chosen = open_with ((WeirSessionOptions){ .device = device () });
  const char *asked = g_getenv ("WEIR_CACHE_DIR");
  g_autofree char *folder = weir_session_get_config (chosen, "CACHE_DIR", NULL);
  assert_config (none, "CACHE_DIR", "");
  ck_assert_ptr_nonnull (folder);
  if (asked)
    ck_assert_str_eq (folder, asked);
  weir_session_unref (none);
  weir_session_unref (chosen);
}
END_TEST

static void *produce (void *user)
{
  Producer *self = user;
  WeirStream *stream = weir_stream_new (self->session, "producer", 0);
  WeirRequest *request = weir_request_new (stream);
  for (int round = 0; round < N_ROUNDS; round++) {
    fixture_fill (request, round % N_PICTURES, 1 + (uint32_t) round % N_ITEMS);
    self->n_right +=
        weir_request_run (request, NULL) && fixture_is_expected (request, round % N_PICTURES);
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return NULL;
}

/* The bound goes up and down while items flow: it is kept at once where it grows, nothing is lost
 * and nobody is stranded where it shrinks. */
START_TEST (test_session_config_while_running)
{
  static const char *const changes[] = { "PERFORMANCE_HINT_NUM_REQUESTS=1",
    "AUTO_BATCH_TIMEOUT=1,PERFORMANCE_HINT_NUM_REQUESTS=16", "AUTO_BATCH_TIMEOUT=0",
    "PERFORMANCE_HINT_NUM_REQUESTS=3", "AUTO_BATCH_TIMEOUT=-1", "PERFORMANCE_HINT_NUM_REQUESTS=0" };
  WeirSession *session = open_with ((WeirSessionOptions){
      .precision = "f32", .num_requests = 8, .batch_size = 8, .batch_timeout_ms = -1 });
  Producer producers[4];
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  for (int i = 0; i < 4; i++) {
    producers[i] = (Producer){ .session = session };
    ck_assert_int_eq (pthread_create (&producers[i].thread, NULL, produce, &producers[i]), 0);
  }
  for (int i = 0; i < 120; i++) {
    ck_assert (weir_session_set_config (session, changes[i % G_N_ELEMENTS (changes)], NULL));
    g_usleep (1000);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join (producers[i].thread, NULL);
    ck_assert_int_eq (producers[i].n_right, N_ROUNDS);
  }
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_uint_eq (stats->n_failed, 0);
  weir_session_unref (session);
}
END_TEST

/* `device`: %s is WEIR_TEST_DEVICE. batch_max 0: more than one, as the device likes. */
static const struct {
  const char *device, *hint, *config;
  uint32_t batch_size, num_requests;
  bool disallow, deterministic;
  uint32_t batch_max;
  const char *reason;
} maxima[] = {
  { "%s", NULL, NULL, 0, 0, false, false, 0, "device" },
  { "%s", NULL, NULL, 5, 0, false, false, 5, "property" },
  { "%s", NULL, NULL, 0, 3, false, false, 3, "hint" },
  { "%s", NULL, NULL, 5, 6, false, false, 5, "property" },
  { "%s", NULL, "PERFORMANCE_HINT_NUM_REQUESTS=3", 5, 0, false, false, 3, "hint" },
  { "BATCH:%s", NULL, NULL, 0, 0, false, false, 0, "device" },
  { "BATCH:%s(3)", NULL, NULL, 0, 0, false, false, 3, "device" },
  { "BATCH:%s(3)", NULL, NULL, 5, 0, false, false, 3, "device" },
  { "BATCH:%s(5)", NULL, NULL, 3, 0, false, false, 3, "property" },
  { "BATCH:%s(3)", NULL, NULL, 0, 2, false, false, 2, "hint" },
  { "%s", "latency", NULL, 0, 0, false, false, 1, "hint" },
  { "%s", NULL, "PERFORMANCE_HINT=LATENCY", 0, 0, false, false, 1, "hint" },
  { "%s", "latency", NULL, 4, 0, false, false, 4, "property" },
  { "BATCH:%s", "latency", NULL, 0, 0, false, false, 0, "device" },
  { "BATCH:%s(3)", "latency", NULL, 0, 0, false, false, 3, "device" },
  { "%s", NULL, NULL, 0, 0, true, false, 1, "property" },
  { "BATCH:%s(3)", NULL, NULL, 0, 0, true, false, 1, "property" },
  { "BATCH:%s(3)", NULL, "ALLOW_AUTO_BATCHING=NO", 0, 0, false, false, 1, "property" },
  { "BATCH:%s(3)", NULL, NULL, 0, 0, false, true, 1, "property" },
};

/* A process that may use one core gets one worker. */
START_TEST (test_session_config_keeps_to_its_cores)
{
  cpu_set_t all, one;
  CPU_ZERO (&one);
  ck_assert_int_eq (sched_getaffinity (0, sizeof all, &all), 0);
  int first = 0;
  while (!CPU_ISSET (first, &all))
    first++;
  CPU_SET (first, &one);
  ck_assert_int_eq (sched_setaffinity (0, sizeof one, &one), 0);
  WeirSession *session = open_with ((WeirSessionOptions){ .device = "REF" });
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  weir_session_unref (session);
  ck_assert_int_eq (sched_setaffinity (0, sizeof all, &all), 0);
  ck_assert_uint_eq (stats->n_workers, 1);
}
END_TEST

START_TEST (test_session_config_batch_max)
{
  g_auto (GStrv) parts = g_strsplit (maxima[_i].device, "%s", 2);
  g_autofree char *name = g_strjoinv (device (), parts);
  WeirSession *session = open_with ((WeirSessionOptions){ .device = name,
      .performance_hint = maxima[_i].hint,
      .config = maxima[_i].config,
      .batch_size = maxima[_i].batch_size,
      .num_requests = maxima[_i].num_requests,
      .batch_timeout_ms = -1,
      .disallow_auto_batching = maxima[_i].disallow,
      .deterministic = maxima[_i].deterministic });
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  if (maxima[_i].batch_max)
    ck_assert_uint_eq (stats->batch_max, maxima[_i].batch_max);
  else
    ck_assert_uint_gt (stats->batch_max, 1);
  ck_assert_str_eq (stats->batch_max_reason, maxima[_i].reason);
  if (maxima[_i].hint && strcmp (maxima[_i].hint, "latency") == 0)
    ck_assert_uint_eq (stats->n_workers, 1);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session config");
  TCase *tcase = tcase_create ("session config");
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_session_config_learn);
  tcase_add_test (tcase, test_session_config_get);
  tcase_add_test (tcase, test_session_config_precision_is_real);
  tcase_add_test (tcase, test_session_config_cache_dir);
  tcase_add_test (tcase, test_session_config_set);
  tcase_add_loop_test (tcase, test_session_config_set_refused, 0, G_N_ELEMENTS (refused));
  tcase_add_test (tcase, test_session_config_while_running);
  tcase_add_test (tcase, test_session_config_keeps_to_its_cores);
  tcase_add_loop_test (tcase, test_session_config_batch_max, 0, G_N_ELEMENTS (maxima));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
