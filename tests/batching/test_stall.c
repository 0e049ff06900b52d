/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device that stops answering, sessions that stop with work queued, and sessions with nothing to
 * do: whoever does not need the device is not held up by it. */
#include "tests/batching/fault_kit.h"

#include "engine/sched/session_types.h"
#include "tests/sanitized.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define STALL_US  2000000
#define PROMPT_US 500000 /* what "at once" may take on a busy machine, far less than a stall */

static const Faulty no_faults;
static const Faulty hang = { .n_stalls = 1 };

static uint64_t us_since (uint64_t start_ns)
{
  return (weir_now_ns () - start_ns) / 1000;
}

static void assert_prompt (const char *what, uint64_t start_ns)
{
  uint64_t us = us_since (start_ns);
  ck_assert_msg (us < PROMPT_US, "%s took %" G_GUINT64_FORMAT " us", what, us);
}

/* The device answers again after a while. */
static void *resume_later (void *user)
{
  g_usleep (*(gulong *) user);
  faulty_resume ();
  return NULL;
}

/* Submits items one by one; blocks where the stream is full. */
typedef struct Camera {
  WeirStream *stream;
  pthread_t thread;
  uint32_t n_jobs;
  FaultJob jobs[24];
  gint n_done, n_submitted;
} Camera;

static void *film (void *user)
{
  Camera *camera = user;
  for (uint32_t i = 0; i < camera->n_jobs; i++) {
    fault_job_submit (&camera->jobs[i]);
    g_atomic_int_inc (&camera->n_submitted);
  }
  return NULL;
}

static void camera_start (Camera *camera, WeirSession *session, uint32_t first, uint32_t n_jobs)
{
  *camera = (Camera){ .stream = weir_stream_new (session, "camera", 0), .n_jobs = n_jobs };
  for (uint32_t i = 0; i < n_jobs; i++) {
    fault_job_init (&camera->jobs[i], camera->stream, first + i, 1);
    camera->jobs[i].counter = &camera->n_done;
  }
  ck_assert_int_eq (pthread_create (&camera->thread, NULL, film, camera), 0);
}

/* All came, right, in the order of their frames. */
static void camera_end (Camera *camera)
{
  pthread_join (camera->thread, NULL);
  for (uint32_t i = 0; i < camera->n_jobs; i++) {
    fault_job_wait (&camera->jobs[i]);
    ck_assert (fault_job_is_all_right (&camera->jobs[i]));
    ck_assert_int_eq (camera->jobs[i].place, (int) i);
    fault_job_clear (&camera->jobs[i]);
  }
  weir_stream_free (camera->stream);
}

static void assert_another_session_works (WeirSession *other)
{
  WeirStream *stream = weir_stream_new (other, "other", 0);
  for (uint32_t i = 0; i < 10; i++) {
    FaultJob job;
    uint64_t start_ns = weir_now_ns ();
    fault_job_init (&job, stream, 1 + i, 4);
    fault_job_run (&job);
    assert_prompt ("an item of another session", start_ns);
    ck_assert (fault_job_is_all_right (&job));
    fault_job_clear (&job);
  }
  weir_stream_free (stream);
}

/* What is queued of a stream ends at once when it flushes; the others' items stay. */
static void assert_flush_is_prompt (WeirSession *session)
{
  WeirStream *stream = weir_stream_new (session, "flushed", 0);
  FaultJob job;
  fault_job_init (&job, stream, 50, 1);
  fault_job_submit (&job);
  uint64_t start_ns = weir_now_ns ();
  weir_stream_flush (stream);
  assert_prompt ("flush", start_ns);
  ck_assert_int_eq (job.n_done, 1);
  ck_assert_int_eq (job.error_code, WEIR_ERROR_CANCELLED);
  weir_stream_free (stream);
  assert_prompt ("free", start_ns);
  fault_job_clear (&job);
}

/* A cancelled request that only waits ends before cancel returns; its neighbour of the same stream
 * is run later. */
static void cancel_one (WeirStream *stream, FaultJob *stays)
{
  FaultJob job;
  fault_job_init (&job, stream, 52, 1);
  fault_job_init (stays, stream, 51, 1);
  fault_job_submit (&job);
  fault_job_submit (stays);
  uint64_t start_ns = weir_now_ns ();
  weir_request_cancel (job.request);
  assert_prompt ("cancel", start_ns);
  ck_assert_int_eq (job.n_done, 1);
  ck_assert_int_eq (job.error_code, WEIR_ERROR_CANCELLED);
  fault_job_clear (&job);
}

/* Four cameras over a device that does not answer for two seconds: items wait, nothing else does;
 * then all of them come, right and in order, in batches as large as may be. */
START_TEST (test_stall_items_wait)
{
  const WeirSessionOptions o = { .performance_hint = "latency", .batch_timeout_ms = 5 };
  WeirSession *session = fault_kit_open (8, &o), *other = fault_kit_open (4, &o);
  Camera cameras[4];
  FaultGate gate;
  FaultJob stays;
  fault_gate_close (&gate, session);
  uint64_t start_ns = weir_now_ns ();
  assert_flush_is_prompt (session);
  WeirStream *quiet = weir_stream_new (session, "quiet", 0);
  cancel_one (quiet, &stays);
  for (uint32_t i = 0; i < 4; i++)
    camera_start (&cameras[i], session, 2 + 10 * i, 12);
  assert_another_session_works (other);
  g_usleep ((gulong) (STALL_US - MIN (us_since (start_ns), STALL_US)));
  for (uint32_t i = 0; i < 4; i++)
    ck_assert_int_eq (g_atomic_int_get (&cameras[i].n_done), 0);
  fault_gate_open (&gate, &no_faults);
  for (uint32_t i = 0; i < 4; i++)
    camera_end (&cameras[i]);
  fault_job_wait (&stays);
  ck_assert (fault_job_is_all_right (&stays));
  fault_job_clear (&stays);
  weir_stream_free (quiet);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (stats->n_items, 1 + 1 + 48);
  ck_assert_uint_gt (stats->batch_histogram[8], 0);
  ck_assert_msg (stats->n_batches <= 1 + 49 / 2, "%" G_GUINT64_FORMAT " batches of 49 items",
      stats->n_batches);
  ck_assert_uint_ge (stats->latency_us_p99, STALL_US - 100000);
  weir_session_unref (session);
  weir_session_unref (other);
}
END_TEST

/* Where one of two workers hangs, the other goes on with everybody's items. */
START_TEST (test_stall_of_one_worker)
{
  const WeirSessionOptions o = { .performance_hint = "throughput" };
  WeirSession *session = fault_kit_open (4, &o);
  WeirStream *stream = weir_stream_new (session, "stuck", 0);
  FaultJob stuck;
  if (session->n_workers < 2) {
    g_print ("skipped: one core, so one worker\n");
    weir_stream_free (stream);
    weir_session_unref (session);
    return;
  }
  faulty_set (&hang);
  fault_job_init (&stuck, stream, 60, 1);
  fault_job_submit (&stuck);
  faulty_wait_stalled (1);
  for (uint32_t round = 0; round < 3; round++) {
    Camera cameras[2];
    for (uint32_t i = 0; i < 2; i++)
      camera_start (&cameras[i], session, 2 + 24 * i, 24);
    for (uint32_t i = 0; i < 2; i++)
      camera_end (&cameras[i]);
  }
  ck_assert_int_eq (g_atomic_int_get (&stuck.n_done), 0);
  faulty_resume ();
  fault_job_wait (&stuck);
  ck_assert (fault_job_is_all_right (&stuck));
  fault_job_clear (&stuck);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* Stopping waits for what runs, however long, and not for what is queued behind it. */
START_TEST (test_stall_stop)
{
  gulong stall_us = 500000;
  WeirSession *session = fault_kit_open (4, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  FaultJob running, queued;
  pthread_t thread;
  faulty_set (&hang);
  fault_job_init (&running, stream, 1, 1);
  fault_job_init (&queued, stream, 10, 6);
  fault_job_submit (&running);
  faulty_wait_stalled (1);
  fault_job_submit (&queued);
  uint64_t start_ns = weir_now_ns ();
  ck_assert_int_eq (pthread_create (&thread, NULL, resume_later, &stall_us), 0);
  weir_stream_free (stream);
  weir_session_unref (session);
  uint64_t stop_us = us_since (start_ns);
  pthread_join (thread, NULL);
  ck_assert_msg (stop_us < stall_us + PROMPT_US, "%" G_GUINT64_FORMAT " us", stop_us);
  ck_assert_int_eq (running.n_done, 1);
  ck_assert_int_eq (queued.n_done, 1);
  ck_assert_int_eq (queued.error_code, WEIR_ERROR_CANCELLED);
  ck_assert_uint_lt ((queued.end_ns - start_ns) / 1000, PROMPT_US);
  ck_assert_uint_eq (faulty_n_runs (), 1);
  fault_job_clear (&running);
  fault_job_clear (&queued);
}
END_TEST

#define N_CAMERAS 8
#define N_TICKS   64
#define N_STOPS   12

/* Cameras of 30 frames a second, one after the other, until a moment of its own for every round. */
static void run_cameras (WeirStream *const streams[N_CAMERAS], FaultJob *jobs, uint32_t round)
{
  uint64_t start_ns = weir_now_ns ();
  for (uint32_t tick = 0; tick < N_TICKS; tick++) {
    uint64_t at_us = tick * 33333 / N_CAMERAS, now_us = us_since (start_ns);
    g_usleep ((gulong) (at_us - MIN (now_us, at_us)));
    fault_job_init (&jobs[tick], streams[tick % N_CAMERAS], 1, 1);
    fault_job_submit (&jobs[tick]);
  }
  g_usleep (round * 1000);
}

/* Stops a session while cameras' items wait in its queue: how long it took, and how many waited. */
static uint64_t stop_once (uint32_t round, uint32_t *n_cancelled)
{
  const WeirSessionOptions o = { .device = "SIM(4,1)", .batch_timeout_ms = 60000 };
  WeirSession *session = fault_kit_open (8, &o);
  WeirStream *streams[N_CAMERAS];
  FaultJob jobs[N_TICKS];
  for (uint32_t i = 0; i < N_CAMERAS; i++)
    streams[i] = weir_stream_new (session, "camera", 0);
  run_cameras (streams, jobs, round);
  uint64_t start_ns = weir_now_ns ();
  for (uint32_t i = 0; i < N_CAMERAS; i++)
    weir_stream_free (streams[i]);
  weir_session_unref (session);
  uint64_t stop_us = us_since (start_ns);
  for (uint32_t i = 0; i < N_TICKS; i++) {
    ck_assert_int_eq (jobs[i].n_done, 1);
    ck_assert (jobs[i].error_code == WEIR_ERROR_CANCELLED || jobs[i].error_code == -1);
    *n_cancelled += jobs[i].error_code != -1;
    fault_job_clear (&jobs[i]);
  }
  return stop_us;
}

static int compare_us (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
  return (x > y) - (x < y);
}

/* Batching may wait for a minute, and gains by it. Stopping is done before the next batch would be;
 * on a busy machine at least mostly so, and never after a time that has to do with the timeout. */
START_TEST (test_stall_stop_with_a_long_timeout)
{
  uint64_t stop_us[N_STOPS];
  uint32_t n_cancelled = 0;
  for (uint32_t round = 0; round < N_STOPS; round++)
    stop_us[round] = stop_once (round, &n_cancelled);
  for (uint32_t round = 0; n_cancelled == 0 && round < 3 * N_STOPS; round++)
    stop_once (round, &n_cancelled); /* until one met items that waited */
  qsort (stop_us, N_STOPS, sizeof *stop_us, compare_us);
  ck_assert_uint_gt (n_cancelled, 0);
  ck_assert_msg (stop_us[N_STOPS / 2] < 100000, "%" G_GUINT64_FORMAT " us", stop_us[N_STOPS / 2]);
  ck_assert_msg (stop_us[N_STOPS - 1] < 2000000, "%" G_GUINT64_FORMAT " us", stop_us[N_STOPS - 1]);
}
END_TEST

static double cpu_ms (void)
{
  struct rusage usage;
  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-3;
}

static const struct {
  int32_t batch_timeout_ms;
  bool has_traffic, has_streams; /* before; that stay open */
} idle[] = {
  { -1, false, false },
  { 0, true, true },
  { 1, true, true },
  { -1, true, true },
  { 60000, true, true },
};

/* What two seconds of sleep cost. */
static double sleep_ms (void)
{
  double before_ms = cpu_ms ();
  g_usleep (2000000);
  return cpu_ms () - before_ms;
}

/* No polling: 10 ms of processor time in 10 s would be 2 ms in 2 s. What a process without a
 * session takes (a sanitizer has a thread of its own, which does poll) does not count. */
START_TEST (test_stall_idle_costs_nothing)
{
  double without_ms = IS_SANITIZED ? sleep_ms () : 0;
  const WeirSessionOptions o = { .batch_timeout_ms = idle[_i].batch_timeout_ms };
  WeirSession *session = fault_kit_open (8, &o);
  WeirStream *streams[3];
  faulty_set (&no_faults);
  for (uint32_t i = 0; i < 3; i++) {
    streams[i] = weir_stream_new (session, "s", 0);
    for (uint32_t round = 0; idle[_i].has_traffic && round < 20; round++) {
      FaultJob job;
      fault_job_init (&job, streams[i], 1, 1 + round % 10);
      fault_job_run (&job);
      fault_job_clear (&job);
    }
  }
  for (uint32_t i = 0; !idle[_i].has_streams && i < 3; i++)
    weir_stream_free (streams[i]);
  g_usleep (300000); /* what measures itself at load has done so */
  double used_ms = sleep_ms () - without_ms;
  for (uint32_t i = 0; idle[_i].has_streams && i < 3; i++)
    weir_stream_free (streams[i]);
  weir_session_unref (session);
  ck_assert_msg (used_ms < 2, "%.3f ms in 2 s", used_ms);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("stall");
  TCase *tcase = tcase_create ("stall");
  tcase_add_test (tcase, test_stall_items_wait);
  tcase_add_test (tcase, test_stall_of_one_worker);
  tcase_add_test (tcase, test_stall_stop);
  tcase_add_test (tcase, test_stall_stop_with_a_long_timeout);
  tcase_add_loop_test (tcase, test_stall_idle_costs_nothing, 0, G_N_ELEMENTS (idle));
  suite_add_tcase (suite, tcase);
  return fault_kit_run (suite);
}
