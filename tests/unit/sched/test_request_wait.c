/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion without a callback: start and wait, on any thread, more than once, until the request
 * is freed.
 *
 * The one worker of the session is held where a test needs a request that cannot end yet: by the
 * done function of a request before it. */
#include "tests/unit/sched/session_fixture.h"
#include "tests/unit/sched/tensor_fixture.h"

#include "engine/base/sync.h"
#include "tests/run_suite.h"

typedef struct Gate {
  WeirMutex lock;
  WeirCond changed;
  bool is_reached, is_open;
} Gate;

static void stop_at_gate (WeirRequest *request, void *user)
{
  Gate *gate = user;
  weir_mutex_lock (&gate->lock);
  gate->is_reached = true;
  weir_cond_broadcast (&gate->changed);
  while (!gate->is_open)
    weir_cond_wait (&gate->changed, &gate->lock);
  weir_mutex_unlock (&gate->lock);
}

static void set_gate (Gate *gate, bool is_open)
{
  weir_mutex_lock (&gate->lock);
  gate->is_open = is_open;
  weir_cond_broadcast (&gate->changed);
  weir_mutex_unlock (&gate->lock);
}

/* A session with one worker, a stream, a request of two items and one that holds the worker. */
static struct {
  WeirSession *session;
  WeirStream *stream;
  WeirRequest *request, *holder;
  Gate gate;
} it;

static void learn (void)
{
  fixture_make_pictures ();
  fixture_learn ();
}

static void setup (void)
{
  it.session = fixture_open_latency (0, 4);
  it.stream = weir_stream_new (it.session, "s", 0);
  it.request = weir_request_new (it.stream);
  it.holder = weir_request_new (it.stream);
  weir_mutex_init (&it.gate.lock);
  weir_cond_init (&it.gate.changed);
  fixture_fill (it.request, 1, 2);
  fixture_fill (it.holder, 2, 1);
}

static void teardown (void)
{
  weir_stream_free (it.stream); /* waits for what still runs */
  weir_request_free (it.request);
  weir_request_free (it.holder);
  weir_session_unref (it.session);
  weir_cond_clear (&it.gate.changed);
  weir_mutex_clear (&it.gate.lock);
}

static void hold_worker (void)
{
  it.gate.is_open = it.gate.is_reached = false;
  ck_assert (weir_request_submit (it.holder, stop_at_gate, &it.gate, NULL));
  weir_mutex_lock (&it.gate.lock);
  while (!it.gate.is_reached)
    weir_cond_wait (&it.gate.changed, &it.gate.lock);
  weir_mutex_unlock (&it.gate.lock);
}

static void start (void)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_start (it.request, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

static void check_wait (int32_t timeout_ms, bool is_expected_over)
{
  g_autoptr (GError) error = NULL;
  bool is_over = !is_expected_over;
  bool ok = weir_request_wait (it.request, timeout_ms, &is_over, &error);
  ck_assert_msg (ok == is_expected_over && !error, "%s", error ? error->message : "");
  ck_assert (is_over == is_expected_over);
}

static void check_failed (int code, const char *words)
{
  g_autoptr (GError) error = NULL;
  bool is_over = false;
  ck_assert (!weir_request_wait (it.request, -1, &is_over, &error));
  ck_assert (is_over);
  fixture_check_error (&error, code, words);
}

START_TEST (test_wait_timeouts)
{
  hold_worker ();
  start ();
  check_wait (0, false);
  uint64_t start_ns = weir_now_ns ();
  check_wait (30, false);
  ck_assert_uint_ge (weir_now_ns () - start_ns, 30 * 1000000u);
  set_gate (&it.gate, true);
  check_wait (G_MAXINT32, true);
  for (int32_t timeout_ms = -1; timeout_ms < 2; timeout_ms++)
    check_wait (timeout_ms, true);
  ck_assert (fixture_is_expected (it.request, 1));
}
END_TEST

START_TEST (test_wait_for_nothing)
{
  check_failed (WEIR_ERROR_OPTION, "weir_request_start");
  weir_request_reset (it.request);
  start (); /* without items: done at once */
  check_wait (0, true);
  weir_request_add_region (it.request, &(WeirRegion){ 0, 0, 9, 9 });
  ck_assert (!weir_request_start (it.request, NULL)); /* no frame */
  check_failed (WEIR_ERROR_OPTION, "weir_request_start");
  fixture_fill (it.request, 1, 2);
  set_gate (&it.gate, true);
  ck_assert (weir_request_submit (it.request, stop_at_gate, &it.gate, NULL));
  check_failed (WEIR_ERROR_OPTION, "weir_request_start");
}
END_TEST

START_TEST (test_wait_start_while_running)
{
  g_autoptr (GError) error = NULL;
  hold_worker ();
  start ();
  ck_assert (!weir_request_start (it.request, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "still runs");
  ck_assert (!weir_request_run (it.request, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "still runs");
  ck_assert (!weir_request_submit (it.request, stop_at_gate, &it.gate, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "still runs");
  set_gate (&it.gate, true);
  check_wait (-1, true);
  ck_assert (fixture_is_expected (it.request, 1));
}
END_TEST

START_TEST (test_wait_item_fails)
{
  weir_request_add_region (it.request, &(WeirRegion){ 5000, 0, 9, 9 });
  for (int round = 0; round < 2; round++) {
    start ();
    check_failed (WEIR_ERROR_OPTION, "5000");
    check_failed (WEIR_ERROR_OPTION, "5000");
    ck_assert_ptr_null (weir_request_error (it.request));
    ck_assert_int_eq (weir_request_result (it.request, 1)->status, WEIR_STATUS_INFERRED);
    ck_assert_int_eq (weir_request_result (it.request, 2)->status, WEIR_STATUS_FAILED);
  }
}
END_TEST

START_TEST (test_wait_flushed)
{
  hold_worker ();
  start ();
  weir_stream_flush (it.stream);
  check_failed (WEIR_ERROR_CANCELLED, "cancelled");
  ck_assert (!weir_request_start (it.request, NULL));
  check_failed (WEIR_ERROR_OPTION, "weir_request_start");
  set_gate (&it.gate, true);
  weir_stream_resume (it.stream);
  fixture_run (it.request);
  check_wait (0, true); /* run is start and wait */
  ck_assert (fixture_is_expected (it.request, 1));
}
END_TEST

static gpointer wait_here (gpointer user)
{
  bool is_over = false, ok = weir_request_wait (it.request, -1, &is_over, NULL);
  return GINT_TO_POINTER (ok && is_over && fixture_is_expected (it.request, 1));
}

START_TEST (test_wait_on_other_threads)
{
  GThread *threads[3];
  hold_worker ();
  start ();
  for (int i = 0; i < 3; i++)
    threads[i] = g_thread_new ("waits", wait_here, NULL);
  check_wait (10, false);
  set_gate (&it.gate, true);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (GPOINTER_TO_INT (g_thread_join (threads[i])), 1);
}
END_TEST

/* Whoever has waited owns the request, while the worker is about to leave it. */
START_TEST (test_wait_then_free)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 4, NULL);
  float src[3 * 4] = { 0 };
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 3, 4 }, src);
  for (int round = 0; round < 300; round++) {
    WeirRequest *request = weir_request_new (stream);
    bool is_over = false;
    fixture_set_input (request, 0, &input);
    ck_assert (weir_request_start (request, NULL));
    while (round % 2 && !is_over)
      weir_request_wait (request, 0, &is_over, NULL);
    ck_assert (weir_request_wait (request, -1, &is_over, NULL));
    weir_request_free (request);
  }
  weir_stream_free (stream);
}
END_TEST

static WeirStats read_stats (void)
{
  static WeirStats stats; /* large */
  weir_session_stats (it.session, &stats);
  return stats;
}

static void count_cancelled (WeirRequest *request, void *user)
{
  gint *n_calls = user;
  const GError *error = weir_request_error (request);
  *n_calls += g_error_matches (error, WEIR_ERROR, WEIR_ERROR_CANCELLED) ? 1 : 1000;
}

/* Nothing of it runs: it is over when cancel returns, and its room is free. */
START_TEST (test_cancel_queued)
{
  gint n_calls = 0;
  hold_worker ();
  start ();
  weir_request_cancel (it.request);
  ck_assert_uint_eq (read_stats ().in_flight, 0);
  check_failed (WEIR_ERROR_CANCELLED, "cancelled");
  ck_assert (weir_request_submit (it.request, count_cancelled, &n_calls, NULL));
  ck_assert_int_eq (n_calls, 0);
  for (int i = 0; i < 2; i++) { /* the second time it is over */
    weir_request_cancel (it.request);
    ck_assert_int_eq (n_calls, 1);
  }
  set_gate (&it.gate, true);
  fixture_run (it.request);
  ck_assert (fixture_is_expected (it.request, 1));
  ck_assert_uint_eq (weir_stream_n_items (it.stream), 1 + 2);
}
END_TEST

START_TEST (test_cancel_nothing)
{
  weir_request_cancel (it.request);
  fixture_run (it.request);
  weir_request_cancel (it.request);
  check_wait (0, true);
  ck_assert (fixture_is_expected (it.request, 1));
  fixture_run (it.request);
}
END_TEST

/* Before and behind it in the stream, and in another one, all goes on. */
START_TEST (test_cancel_leaves_others_alone)
{
  WeirStream *other = weir_stream_new (it.session, "other", 0);
  WeirRequest *others[3];
  bool is_over;
  weir_session_set_num_requests (it.session, 32); /* room for all */
  hold_worker ();
  for (int i = 0; i < 3; i++) {
    others[i] = weir_request_new (i == 2 ? other : it.stream);
    fixture_fill (others[i], 3 + i, 2);
  }
  ck_assert (weir_request_start (others[0], NULL));
  start ();
  ck_assert (weir_request_start (others[1], NULL));
  ck_assert (weir_request_start (others[2], NULL));
  weir_request_cancel (it.request);
  check_failed (WEIR_ERROR_CANCELLED, "cancelled");
  set_gate (&it.gate, true);
  for (int i = 0; i < 3; i++) {
    ck_assert (weir_request_wait (others[i], -1, &is_over, NULL));
    ck_assert (fixture_is_expected (others[i], 3 + i));
    weir_request_free (others[i]);
  }
  weir_stream_free (other);
}
END_TEST

static gpointer start_here (gpointer user)
{
  GError *error = NULL;
  weir_request_start (it.request, &error);
  return error;
}

/* A thread stands in submit, for the queue has room for one item of two. */
START_TEST (test_cancel_wakes_submit)
{
  weir_session_set_num_requests (it.session, 1);
  hold_worker ();
  GThread *thread = g_thread_new ("starts", start_here, NULL);
  while (read_stats ().in_flight == 0)
    g_usleep (1000);
  weir_request_cancel (it.request);
  g_autoptr (GError) error = g_thread_join (thread);
  fixture_check_error (&error, WEIR_ERROR_CANCELLED, "");
  ck_assert_uint_eq (read_stats ().in_flight, 0);
  set_gate (&it.gate, true);
  fixture_run (it.request);
  ck_assert (fixture_is_expected (it.request, 1));
}
END_TEST

#define SLOW_MS 1000

/* What runs is not interrupted; cancel does not wait for it, and it ends as cancelled. */
START_TEST (test_cancel_running)
{
  g_autofree char *device = g_strdup_printf ("SIM(%d,0)", SLOW_MS);
  g_autofree char *path = fixture_model ();
  WeirSessionOptions o = { .model = path, .device = device, .batch_size = 1 };
  g_autoptr (WeirSession) session = weir_session_open (&o, NULL);
  WeirStream *stream = weir_stream_new (session, "slow", 0);
  WeirRequest *request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  bool is_over;
  fixture_fill (request, 1, 1);
  uint64_t start_ns = weir_now_ns ();
  ck_assert (weir_request_start (request, NULL));
  ck_assert (!weir_request_wait (request, SLOW_MS / 3, &is_over, NULL) && !is_over);
  weir_request_cancel (request);
  ck_assert (!weir_request_wait (request, 0, &is_over, &error) && !is_over);
  ck_assert_ptr_null (error);
  ck_assert (!weir_request_wait (request, -1, &is_over, &error) && is_over);
  fixture_check_error (&error, WEIR_ERROR_CANCELLED, "cancelled");
  ck_assert_uint_ge (weir_now_ns () - start_ns, SLOW_MS * 900000u);
  weir_request_free (request);
  weir_stream_free (stream);
}
END_TEST

/* Requests of nine items, of which some have run and some run when cancel comes, at any moment:
 * each ends once, as cancelled or with every result. */
static gpointer cancel_at_random (gpointer user)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (GPOINTER_TO_UINT (user));
  WeirStream *stream = weir_stream_new (it.session, "random", 0);
  WeirRequest *request = weir_request_new (stream);
  const char *problem = NULL;
  for (int round = 0; round < 60; round++) {
    g_autoptr (GError) error = NULL;
    bool is_over = false;
    fixture_fill (request, round % N_PICTURES, N_ITEMS);
    if (!weir_request_start (request, NULL))
      problem = "not started";
    g_usleep ((gulong) g_rand_int_range (rand, 0, 3000));
    weir_request_cancel (request);
    bool ok = weir_request_wait (request, -1, &is_over, &error);
    if (!is_over || (!ok && !g_error_matches (error, WEIR_ERROR, WEIR_ERROR_CANCELLED)))
      problem = "neither over nor cancelled";
    if (ok && !fixture_is_expected (request, round % N_PICTURES))
      problem = "other results than alone";
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return (gpointer) problem;
}

START_TEST (test_cancel_at_random)
{
  GThread *threads[3];
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("cancels", cancel_at_random, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < 3; i++)
    ck_assert_pstr_eq (g_thread_join (threads[i]), NULL);
  ck_assert_uint_eq (read_stats ().in_flight, 0);
  fixture_run (it.request);
  ck_assert (fixture_is_expected (it.request, 1));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("request wait");
  TCase *tcase = tcase_create ("wait");
  tcase_add_unchecked_fixture (tcase, learn, NULL);
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, test_wait_timeouts);
  tcase_add_test (tcase, test_wait_for_nothing);
  tcase_add_test (tcase, test_wait_start_while_running);
  tcase_add_test (tcase, test_wait_item_fails);
  tcase_add_test (tcase, test_wait_flushed);
  tcase_add_test (tcase, test_wait_on_other_threads);
  tcase_add_test (tcase, test_wait_then_free);
  tcase_add_test (tcase, test_cancel_queued);
  tcase_add_test (tcase, test_cancel_nothing);
  tcase_add_test (tcase, test_cancel_leaves_others_alone);
  tcase_add_test (tcase, test_cancel_wakes_submit);
  tcase_add_test (tcase, test_cancel_running);
  tcase_add_test (tcase, test_cancel_at_random);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
