/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions at their edges: submits that wait, are flushed, freed or refused, shares of streams that
 * end, fairness. A worker is held by a done function that waits for a gate, so that what
 * is queued stays queued. */
#include "engine/sched/session_types.h"
#include "tests/unit/sched/session_fixture.h"

#include "tests/run_suite.h"
#include <pthread.h>
#include <stdlib.h>

/* Holds the one worker of a "latency" session. */
typedef struct Gate {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  bool is_open, is_reached;
  WeirStream *stream;
  WeirRequest *request;
} Gate;

static void wait_at_gate (WeirRequest *request, void *user)
{
  Gate *gate = user;
  pthread_mutex_lock (&gate->lock);
  gate->is_reached = true;
  pthread_cond_broadcast (&gate->cond);
  while (!gate->is_open)
    pthread_cond_wait (&gate->cond, &gate->lock);
  pthread_mutex_unlock (&gate->lock);
}

static void gate_close (Gate *gate, WeirSession *session)
{
  *gate = (Gate){ .stream = weir_stream_new (session, "gate", 0) };
  pthread_mutex_init (&gate->lock, NULL);
  pthread_cond_init (&gate->cond, NULL);
  gate->request = weir_request_new (gate->stream);
  fixture_fill (gate->request, 0, 1);
  ck_assert (weir_request_submit (gate->request, wait_at_gate, gate, NULL));
  weir_stream_drain (gate->stream);
  pthread_mutex_lock (&gate->lock);
  while (!gate->is_reached)
    pthread_cond_wait (&gate->cond, &gate->lock);
  pthread_mutex_unlock (&gate->lock);
}

static void gate_open (Gate *gate)
{
  pthread_mutex_lock (&gate->lock);
  gate->is_open = true;
  pthread_cond_broadcast (&gate->cond);
  pthread_mutex_unlock (&gate->lock);
  weir_stream_free (gate->stream);
  weir_request_free (gate->request);
  pthread_mutex_destroy (&gate->lock);
  pthread_cond_destroy (&gate->cond);
}

/* A request, and what became of it. */
typedef struct Job {
  WeirStream *stream;
  WeirRequest *request;
  WeirStream *watched; /* how far it had come when this was done, or NULL */
  uint64_t n_watched;
  pthread_t thread;
  gint n_done, is_returned;
  bool is_accepted;
  int error_code;
  gint *n_before, place; /* which of all counted there it was */
} Job;

static void job_init (Job *job, WeirStream *stream, uint32_t n_items)
{
  *job = (Job){ .stream = stream, .request = weir_request_new (stream), .error_code = -1 };
  fixture_fill (job->request, 1, n_items);
}

static void count_done (WeirRequest *request, void *user)
{
  Job *job = user;
  const GError *error = weir_request_error (request);
  job->error_code = error ? error->code : -1;
  job->place = job->n_before ? g_atomic_int_add (job->n_before, 1) : 0;
  job->n_watched = job->watched ? weir_stream_n_items (job->watched) : 0;
  g_atomic_int_inc (&job->n_done);
}

static void *submit_job (void *user)
{
  Job *job = user;
  g_autoptr (GError) error = NULL;
  job->is_accepted = weir_request_submit (job->request, count_done, job, &error);
  if (!job->is_accepted)
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_CANCELLED));
  g_atomic_int_set (&job->is_returned, 1);
  return NULL;
}

static void submit_in_thread (Job *job)
{
  ck_assert_int_eq (pthread_create (&job->thread, NULL, submit_job, job), 0);
}

static bool comes_true (gint *flag)
{
  for (int i = 0; i < 5000 && !g_atomic_int_get (flag); i++)
    g_usleep (1000);
  return g_atomic_int_get (flag);
}

/* Until n requests wait for room. */
static void let_wait (WeirSession *session, uint32_t n)
{
  uint32_t n_waiting = 0;
  for (int i = 0; i < 5000 && n_waiting != n; i++) {
    g_usleep (1000);
    weir_mutex_lock (&session->lock);
    n_waiting = session->queue.n_waiting;
    weir_mutex_unlock (&session->lock);
  }
  ck_assert_uint_eq (n_waiting, n);
}

START_TEST (test_edge_prepare)
{
  fixture_make_pictures ();
  fixture_learn ();
}
END_TEST

START_TEST (test_edge_try_submit)
{
  static const struct {
    uint32_t n_items;
    bool is_accepted;
  } rows[] = { { 3, true }, { 2, false }, { 1, true }, { 1, false }, { 5, false } };
  WeirSession *session = fixture_open_latency (4, 2);
  Gate gate;
  gate_close (&gate, session);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  Job jobs[G_N_ELEMENTS (rows)];
  uint64_t n_skipped = 0;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GError *error = NULL;
    bool full = false;
    job_init (&jobs[i], stream, rows[i].n_items);
    ck_assert (weir_request_try_submit (jobs[i].request, count_done, &jobs[i], &full, &error) ==
               rows[i].is_accepted);
    ck_assert (full == !rows[i].is_accepted);
    ck_assert_ptr_null (error);
    n_skipped += rows[i].is_accepted ? 0 : rows[i].n_items;
  }
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->in_flight, 4);
  ck_assert_uint_eq (stats->n_skipped, n_skipped);
  gate_open (&gate);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    ck_assert (!rows[i].is_accepted || comes_true (&jobs[i].n_done));
    ck_assert (!rows[i].is_accepted || fixture_is_expected (jobs[i].request, 1));
    ck_assert_int_eq (g_atomic_int_get (&jobs[i].n_done), rows[i].is_accepted);
  }
  weir_stream_free (stream);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    weir_request_free (jobs[i].request); /* a request may outlive its stream */
  weir_session_unref (session);
}
END_TEST

/* More items than may ever be in flight: taken where the stream is at rest, for they would never
 * fit; they enter as others leave. */
START_TEST (test_edge_try_submit_of_a_crowd)
{
  WeirSession *session = fixture_open_latency (4, 2);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  Gate gate;
  gate_close (&gate, session);
  Job crowd, second;
  bool full;
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  job_init (&crowd, stream, N_ITEMS);
  job_init (&second, stream, 1);
  ck_assert (weir_request_try_submit (crowd.request, count_done, &crowd, &full, NULL));
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->in_flight, 4);
  ck_assert (!weir_request_try_submit (second.request, count_done, &second, &full, NULL));
  ck_assert (full);
  submit_in_thread (&second);
  gate_open (&gate);
  ck_assert (comes_true (&crowd.n_done) && comes_true (&second.n_done));
  pthread_join (second.thread, NULL);
  ck_assert (fixture_is_expected (crowd.request, 1));
  ck_assert (fixture_is_expected (second.request, 1));
  weir_stream_free (stream);
  weir_request_free (crowd.request);
  weir_request_free (second.request);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_edge_flush_while_a_submit_blocks)
{
  static const uint32_t n_items[][2] = { { 2, 1 }, { 1, 5 } }; /* queued, blocked */
  WeirSession *session = fixture_open_latency (2, 1);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  Gate gate;
  gate_close (&gate, session);
  Job queued, blocked;
  job_init (&queued, stream, n_items[_i][0]);
  job_init (&blocked, stream, n_items[_i][1]);
  ck_assert (weir_request_submit (queued.request, count_done, &queued, NULL));
  submit_in_thread (&blocked);
  let_wait (session, 1);
  weir_stream_flush (stream);
  ck_assert_int_eq (queued.n_done, 1); /* before it returns */
  ck_assert_int_eq (queued.error_code, WEIR_ERROR_CANCELLED);
  pthread_join (blocked.thread, NULL);
  ck_assert (!blocked.is_accepted);
  weir_stream_resume (stream);
  gate_open (&gate);
  ck_assert (weir_request_run (blocked.request, NULL)); /* can be used again as it is */
  ck_assert (weir_request_run (queued.request, NULL));
  ck_assert (fixture_is_expected (blocked.request, 1));
  ck_assert_ptr_null (weir_request_error (queued.request));
  ck_assert_int_eq (blocked.n_done, 0);
  weir_request_free (queued.request);
  weir_request_free (blocked.request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* At any moment of a crowd's way: done is called once, or submit fails and it is never called;
 * what runs then is finished, and no more is begun. */
START_TEST (test_edge_flush_at_any_moment)
{
  WeirSession *session = fixture_open (2, 1);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  for (int round = 0; round < 60; round++) {
    Job job;
    job_init (&job, stream, N_ITEMS);
    submit_in_thread (&job);
    g_usleep ((gulong) (round * 50));
    weir_stream_flush (stream);
    WeirStreamStats flushed;
    weir_stream_stats (stream, &flushed);
    pthread_join (job.thread, NULL);
    ck_assert (!job.is_accepted || comes_true (&job.n_done));
    ck_assert_uint_eq (weir_stream_n_items (stream), flushed.n_items + flushed.in_flight);
    weir_stream_resume (stream);
    ck_assert (weir_request_run (job.request, NULL));
    ck_assert (fixture_is_expected (job.request, 1));
    ck_assert_int_eq (g_atomic_int_get (&job.n_done), job.is_accepted);
    weir_session_stats (session, stats);
    ck_assert_uint_eq (stats->in_flight, 0);
    weir_request_free (job.request);
  }
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_edge_free_a_stream_while_submits_block)
{
  WeirSession *session = fixture_open_latency (1, 1);
  WeirStream *ends = weir_stream_new (session, "ends", 0),
             *stays = weir_stream_new (session, "stays", 0);
  Gate gate;
  gate_close (&gate, session);
  Job first, own, other;
  job_init (&first, ends, 1);
  job_init (&own, ends, 2);
  job_init (&other, stays, 1);
  ck_assert (weir_request_submit (first.request, count_done, &first, NULL));
  submit_in_thread (&own);
  submit_in_thread (&other);
  let_wait (session, 2);
  ck_assert_int_eq (g_atomic_int_get (&other.is_returned), 0);
  weir_stream_free (ends);
  ck_assert_int_eq (first.n_done, 1);
  pthread_join (own.thread, NULL);
  ck_assert (!own.is_accepted);
  ck_assert (comes_true (&other.is_returned)); /* gets the room, though nothing has run */
  gate_open (&gate);
  pthread_join (other.thread, NULL);
  ck_assert (comes_true (&other.n_done));
  ck_assert (fixture_is_expected (other.request, 1));
  weir_stream_free (stays);
  weir_request_free (first.request);
  weir_request_free (own.request);
  weir_request_free (other.request);
  weir_session_unref (session);
}
END_TEST

/* What ended streams do not use, the others may; and more requests let waiting ones in at once. */
START_TEST (test_edge_shares)
{
  WeirSession *session = fixture_open_latency (4, 1);
  WeirStream *streams[4];
  Gate gate;
  gate_close (&gate, session);
  for (int i = 0; i < 4; i++)
    streams[i] = weir_stream_new (session, "s", 0);
  Job job;
  job_init (&job, streams[0], 6);
  submit_in_thread (&job);
  let_wait (session, 1);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->in_flight, 1);
  for (int i = 1; i < 4; i++)
    weir_stream_drain (streams[i]);
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->in_flight, 4);
  ck_assert_int_eq (g_atomic_int_get (&job.is_returned), 0);
  weir_session_set_num_requests (session, 6);
  ck_assert_uint_eq (weir_session_optimal_requests (session), 6);
  ck_assert (comes_true (&job.is_returned));
  pthread_join (job.thread, NULL);
  gate_open (&gate);
  ck_assert (comes_true (&job.n_done));
  weir_request_free (job.request);
  for (int i = 0; i < 4; i++)
    weir_stream_free (streams[i]);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_edge_crowd_does_not_starve_a_quiet_stream)
{
  WeirSession *session = fixture_open_latency (1, 1);
  WeirStream *crowded = weir_stream_new (session, "crowd", 0),
             *quiet = weir_stream_new (session, "quiet", 0);
  Gate gate;
  gate_close (&gate, session);
  Job crowd, lone;
  job_init (&crowd, crowded, N_ITEMS);
  job_init (&lone, quiet, 1);
  lone.watched = crowded;
  submit_in_thread (&crowd);
  let_wait (session, 1);
  submit_in_thread (&lone);
  let_wait (session, 2);
  gate_open (&gate);
  ck_assert (comes_true (&crowd.n_done) && comes_true (&lone.n_done));
  ck_assert_uint_le (lone.n_watched, 2); /* of the crowd had run before */
  pthread_join (crowd.thread, NULL);
  pthread_join (lone.thread, NULL);
  weir_stream_free (crowded);
  weir_stream_free (quiet);
  weir_request_free (crowd.request);
  weir_request_free (lone.request);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_edge_who_had_less_goes_first)
{
  WeirSession *session = fixture_open_latency (8, 1);
  WeirStream *ahead = weir_stream_new (session, "ahead", 0),
             *behind = weir_stream_new (session, "behind", 0);
  Gate gate;
  Job jobs[4];
  gint n_before = 0;
  job_init (&jobs[0], ahead, 3);
  ck_assert (weir_request_run (jobs[0].request, NULL));
  weir_request_free (jobs[0].request);
  gate_close (&gate, session);
  for (int i = 0; i < 4; i++) {
    job_init (&jobs[i], i < 2 ? ahead : behind, 1);
    jobs[i].n_before = &n_before;
    ck_assert (weir_request_submit (jobs[i].request, count_done, &jobs[i], NULL));
  }
  gate_open (&gate);
  for (int i = 0; i < 4; i++) {
    ck_assert (comes_true (&jobs[i].n_done));
    ck_assert_int_eq (jobs[i].place, (i + 2) % 4);
    weir_request_free (jobs[i].request);
  }
  weir_stream_free (ahead);
  weir_stream_free (behind);
  weir_session_unref (session);
}
END_TEST

typedef struct Producer {
  WeirSession *session;
  pthread_t thread;
  gint *stop;
  int n_done, n_requests;
} Producer;

/* Requests of one item in turn; with two of them the stream always has one queued. */
static void *produce (void *user)
{
  Producer *self = user;
  WeirStream *stream = weir_stream_new (self->session, "producer", 0);
  Job jobs[2];
  for (int i = 0; i < self->n_requests; i++) {
    job_init (&jobs[i], stream, 1);
    ck_assert (weir_request_submit (jobs[i].request, count_done, &jobs[i], NULL));
  }
  for (int i = 0; !g_atomic_int_get (self->stop); i = (i + 1) % self->n_requests) {
    while (!g_atomic_int_get (&jobs[i].n_done))
      g_usleep (20);
    g_atomic_int_set (&jobs[i].n_done, 0);
    self->n_done++;
    ck_assert (weir_request_submit (jobs[i].request, count_done, &jobs[i], NULL));
  }
  weir_stream_free (stream);
  for (int i = 0; i < self->n_requests; i++)
    weir_request_free (jobs[i].request);
  return NULL;
}

static const struct {
  int n_streams, n_requests;
  uint32_t num_requests;
} loads[] = { { 5, 2, 2 }, { 3, 2, 0 }, { 4, 1, 0 }, { 5, 1, 0 }, { 6, 1, 3 }, { 3, 2, 1 } };

/* Items that the streams of a load gave within a second: least and most of any. */
static void run_load (int load, int *least, int *most)
{
  WeirSession *session = fixture_open (loads[load].num_requests, 4);
  Producer producers[8];
  gint stop = 0;
  *least = G_MAXINT;
  *most = 0;
  for (int i = 0; i < loads[load].n_streams; i++) {
    producers[i] =
        (Producer){ .session = session, .stop = &stop, .n_requests = loads[load].n_requests };
    ck_assert_int_eq (pthread_create (&producers[i].thread, NULL, produce, &producers[i]), 0);
  }
  g_usleep (1000000);
  g_atomic_int_set (&stop, 1);
  for (int i = 0; i < loads[load].n_streams; i++) {
    pthread_join (producers[i].thread, NULL);
    *least = MIN (*least, producers[i].n_done);
    *most = MAX (*most, producers[i].n_done);
  }
  weir_session_unref (session);
}

/* On REF, where items take so long that it is the session that decides, not how threads wake. A
 * session that prefers some streams does so each time; a busy machine that lets a thread wait, not.
 */
START_TEST (test_edge_streams_are_served_alike)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  if (device && !g_str_equal (device, "REF"))
    return;
  int least = 0, most = 1;
  for (int attempt = 0; attempt < 10 && least * 10 < most * 6; attempt++)
    run_load (_i, &least, &most);
  ck_assert_msg (least * 10 >= most * 6, "%d to %d items a stream", least, most);
}
END_TEST

/* Half of the threads ask for a model that is not there, all under two names; sessions come and
 * go meanwhile. */
static void *open_and_close (void *user)
{
  g_autofree char *path = fixture_model ();
  WeirSessionOptions o = { .device = "REF", .batch_timeout_ms = -1 };
  int seed = *(int *) user;
  for (int i = 0; i < 60; i++) {
    bool is_bad = (seed + i) % 4 != 0;
    g_autoptr (GError) error = NULL;
    o.model = is_bad ? "/nowhere/x.onnx" : path;
    o.instance = i % 2 ? "odd" : "even";
    g_autoptr (WeirSession) session = weir_session_open (&o, &error);
    ck_assert ((session != NULL) == (error == NULL));
    ck_assert (!session || !is_bad);
  }
  return NULL;
}

START_TEST (test_edge_opening_fails_while_others_open)
{
  pthread_t threads[4];
  int seeds[4] = { 0, 1, 2, 3 };
  GLogLevelFlags before = g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, open_and_close, &seeds[i]), 0);
  for (int i = 0; i < 4; i++)
    pthread_join (threads[i], NULL);
  g_log_set_always_fatal (before);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session edges");
  TCase *tcase = tcase_create ("edges");
  tcase_add_test (tcase, test_edge_prepare);
  tcase_add_test (tcase, test_edge_try_submit);
  tcase_add_test (tcase, test_edge_try_submit_of_a_crowd);
  tcase_add_loop_test (tcase, test_edge_flush_while_a_submit_blocks, 0, 2);
  tcase_add_test (tcase, test_edge_flush_at_any_moment);
  tcase_add_test (tcase, test_edge_free_a_stream_while_submits_block);
  tcase_add_test (tcase, test_edge_shares);
  tcase_add_test (tcase, test_edge_crowd_does_not_starve_a_quiet_stream);
  tcase_add_test (tcase, test_edge_who_had_less_goes_first);
  tcase_add_loop_test (tcase, test_edge_streams_are_served_alike, 0, G_N_ELEMENTS (loads));
  tcase_add_test (tcase, test_edge_opening_fails_while_others_open);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
