/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the session tells its queue, seen from the inside. */
#include "engine/sched/session_types.h"

#include "tests/run_suite.h"

#define N_WARM_UP 8

static WeirRequest *new_request (WeirStream *stream, float *value)
{
  const WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 1, 1 }, .buffer = value
  };
  WeirRequest *request = weir_request_new (stream);
  ck_assert (weir_request_set_input (request, 0, &input, NULL));
  return request;
}

static void *run (void *request)
{
  ck_assert (weir_request_run (request, NULL));
  return NULL;
}

static bool is_started (WeirRequest *request)
{
  weir_mutex_lock (&request->wait_lock);
  bool is_running = request->wait_state == WEIR_WAIT_RUNNING;
  weir_mutex_unlock (&request->wait_lock);
  return is_running;
}

/* A submit that waits for the lock while a worker counts the end of an earlier request comes after
 * that end, not before it. */
START_TEST (test_admission_comes_after_the_end)
{
  const WeirSessionOptions o = { .device = "SIM(0,0)", .batch_timeout_ms = -1 };
  WeirSession *session = weir_session_open (&o, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  float value = 0;
  WeirRequest *request = new_request (stream, &value);
  pthread_t thread;
  for (uint32_t i = 0; i < N_WARM_UP; i++)
    run (request);
  weir_mutex_lock (&session->lock);
  ck_assert_int_eq (pthread_create (&thread, NULL, run, request), 0);
  while (!is_started (request))
    g_usleep (100);
  uint64_t end_ns = weir_now_ns ();
  weir_arrivals_end (&stream->lane.arrivals, end_ns);
  weir_mutex_unlock (&session->lock);
  pthread_join (thread, NULL);
  weir_mutex_lock (&session->lock);
  ck_assert_uint_ge (stream->lane.arrivals.last_ns, end_ns);
  ck_assert_double_lt (stream->lane.arrivals.after_ns.mean, 60e9);
  weir_mutex_unlock (&session->lock);
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* A stream that has ended leaves its share to the others until a submit is taken. */
START_TEST (test_admission_refused_stays_drained)
{
  const WeirSessionOptions o = { .device = "SIM(0,0)", .num_requests = 8, .batch_timeout_ms = -1 };
  WeirSession *session = weir_session_open (&o, NULL);
  WeirStream *ended = weir_stream_new (session, "ended", 0),
             *other = weir_stream_new (session, "other", 0);
  float value = 0;
  WeirRequest *request = new_request (ended, &value);
  WeirStreamStats stats;
  weir_stream_drain (ended);
  weir_stream_flush (ended);
  ck_assert (!weir_request_run (request, NULL));
  weir_stream_stats (other, &stats);
  ck_assert_uint_eq (stats.max_in_flight, 8);
  weir_stream_resume (ended);
  run (request);
  weir_stream_stats (other, &stats);
  ck_assert_uint_eq (stats.max_in_flight, 4);
  weir_request_free (request);
  weir_stream_free (ended);
  weir_stream_free (other);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("admission");
  TCase *tcase = tcase_create ("admission");
  tcase_add_test (tcase, test_admission_comes_after_the_end);
  tcase_add_test (tcase, test_admission_refused_stays_drained);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
