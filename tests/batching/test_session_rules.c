/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of the queue as an application meets them: whole sessions on simulated devices, in real
 * time and with wide bounds. */
#include "engine/base/cores.h"
#include "engine/base/sync.h"
#include "tests/run_suite.h"
#include "tests/unit/sched/session_fixture.h"

#include <stdlib.h>

#define MS         1000000u /* ns */
#define MEASURE_US 400000   /* in which an idle session measures its device for certain */

static WeirSession *open_with (const WeirSessionOptions *options)
{
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static WeirSession *open_sim (const char *device, uint32_t num_requests)
{
  const WeirSessionOptions o = {
    .device = device, .num_requests = num_requests, .batch_timeout_ms = -1
  };
  return open_with (&o);
}

/* Of n items. */
static WeirRequest *new_request (WeirStream *stream, uint32_t n)
{
  static float zeros[64];
  const WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { n, 1 }, .buffer = zeros
  };
  g_autoptr (GError) error = NULL;
  WeirRequest *request = weir_request_new (stream);
  bool ok = weir_request_set_input (request, 0, &input, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
  return request;
}

static void start (WeirRequest *request)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_start (request, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

static void finish (WeirRequest *request)
{
  g_autoptr (GError) error = NULL;
  bool is_over, ok = weir_request_wait (request, -1, &is_over, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

static WeirStats *read_stats (WeirSession *session)
{
  WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  return stats;
}

static void assert_within (const char *what, uint64_t start_ns, uint64_t most_ms)
{
  uint64_t ms = (weir_now_ns () - start_ns) / MS;
  ck_assert_msg (ms < most_ms, "%s took %" G_GUINT64_FORMAT " ms", what, ms);
}

/* Each batch was cut for one reason. */
static void assert_sums (const WeirStats *s)
{
  uint64_t n_cuts = s->cut_full + s->cut_complete + s->cut_deadline + s->cut_idle + s->cut_drain;
  ck_assert_uint_eq (n_cuts, s->n_batches);
}

static const uint32_t worker_counts[] = { 1, 2, 0 };

START_TEST (test_rules_workers)
{
  uint32_t asked = worker_counts[_i], n_cores = weir_n_cores ();
  g_autoptr (WeirSession) session = fixture_open (asked, 0);
  g_autofree WeirStats *stats = read_stats (session);
  ck_assert_uint_eq (stats->n_workers, asked ? MIN (asked, n_cores) : n_cores);
  ck_assert (asked == 0 || stats->num_requests == asked);
}
END_TEST

#define N_CAMERAS     8
#define N_PHASES      4
#define N_PHASE_TICKS 48
#define TICK_NS       (12500000u) /* eight cameras of 10 frames a second, one after the other */

/* What happens between two changes of the timeout. */
typedef struct Phase {
  int32_t timeout_ms;
  WeirRequest *requests[N_PHASE_TICKS];
  WeirStats *before, *after;
} Phase;

static void film (Phase *phase, WeirStream *const streams[N_CAMERAS], uint64_t start_ns)
{
  for (uint32_t tick = 0; tick < N_PHASE_TICKS; tick++) {
    uint64_t at_ns = start_ns + tick * TICK_NS, now_ns = weir_now_ns ();
    g_usleep ((gulong) ((at_ns - MIN (now_ns, at_ns)) / 1000));
    phase->requests[tick] = new_request (streams[tick % N_CAMERAS], 1);
    start (phase->requests[tick]);
  }
}

static double mean_batch (const Phase *phase)
{
  uint64_t n_batches = phase->after->n_batches - phase->before->n_batches;
  return (double) (phase->after->n_items - phase->before->n_items) / (double) MAX (n_batches, 1);
}

static int compare_ns (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
  return (x > y) - (x < y);
}

/* Median from submit to done, in ms; the phase's requests end. */
static double median_ms (Phase *phase)
{
  uint64_t ns[N_PHASE_TICKS];
  for (uint32_t tick = 0; tick < N_PHASE_TICKS; tick++) {
    finish (phase->requests[tick]);
    ns[tick] = weir_request_latency_ns (phase->requests[tick]);
    weir_request_free (phase->requests[tick]);
  }
  qsort (ns, N_PHASE_TICKS, sizeof *ns, compare_ns);
  return (double) ns[N_PHASE_TICKS / 2] / MS;
}

/* Cameras that are known keep filming while the timeout changes between their frames. */
START_TEST (test_rules_timeout_while_running)
{
  Phase phases[N_PHASES] = { { .timeout_ms = -1 }, { .timeout_ms = -1 }, { .timeout_ms = 0 },
    { .timeout_ms = -1 } };
  double ms[N_PHASES];
  WeirSession *session = open_sim ("SIM(10,1)", 0);
  WeirStream *streams[N_CAMERAS];
  for (uint32_t i = 0; i < N_CAMERAS; i++)
    streams[i] = weir_stream_new (session, "camera", 0);
  g_usleep (MEASURE_US);
  uint64_t start_ns = weir_now_ns ();
  for (uint32_t i = 0; i < N_PHASES; i++) {
    weir_session_set_batch_timeout (session, phases[i].timeout_ms);
    phases[i].before = read_stats (session);
    film (&phases[i], streams, start_ns + (uint64_t) i * N_PHASE_TICKS * TICK_NS);
    phases[i].after = read_stats (session);
  }
  for (uint32_t i = 0; i < N_PHASES; i++)
    ms[i] = median_ms (&phases[i]);
  const Phase *adaptive = &phases[1], *zero = &phases[2], *again = &phases[3];
  g_print ("mean batch %.2f, %.2f, %.2f; median %.1f, %.1f, %.1f ms\n", mean_batch (adaptive),
      mean_batch (zero), mean_batch (again), ms[1], ms[2], ms[3]);
  ck_assert_uint_eq (zero->after->cut_deadline, zero->before->cut_deadline);
  ck_assert_uint_eq (zero->after->wait_bound_us, 0);
  ck_assert_uint_gt (again->after->wait_bound_us, 0);
  ck_assert (mean_batch (adaptive) > mean_batch (zero) + 0.3);
  ck_assert (mean_batch (again) > mean_batch (zero) + 0.3);
  ck_assert (ms[2] < ms[1] && ms[2] < ms[3]);
  for (uint32_t i = 0; i < N_CAMERAS; i++)
    weir_stream_free (streams[i]);
  for (uint32_t i = 0; i < N_PHASES; i++) {
    g_free (phases[i].before);
    g_free (phases[i].after);
  }
  weir_session_unref (session);
}
END_TEST

#define N_MOST 64
#define RUN_NS (1000 * (uint64_t) MS)

/* Items a second of one caller that keeps n in flight. */
static double closed_loop (WeirSession *session, uint32_t n)
{
  WeirStream *stream = weir_stream_new (session, "closed loop", 0);
  WeirRequest *requests[N_MOST];
  uint64_t n_items = 0, start_ns = weir_now_ns (), end_ns;
  for (uint32_t i = 0; i < n; i++)
    start (requests[i] = new_request (stream, 1));
  while ((end_ns = weir_now_ns ()) < start_ns + RUN_NS) {
    WeirRequest *request = requests[n_items++ % n];
    finish (request);
    start (request);
  }
  weir_stream_free (stream);
  for (uint32_t i = 0; i < n; i++)
    weir_request_free (requests[i]);
  return (double) n_items * 1e9 / (double) (end_ns - start_ns);
}

/* More in flight than it says gains little. Where something else slows the machine down, once more
 * tells, by what the session has learned meanwhile. */
START_TEST (test_rules_optimal_requests)
{
  WeirSession *session = open_sim ("SIM(4,1)", 0);
  g_usleep (MEASURE_US);
  double optimal = 0, twice = 1;
  for (uint32_t attempt = 0; attempt < 4 && optimal < 0.85 * twice; attempt++) {
    uint32_t n = weir_session_optimal_requests (session);
    ck_assert_uint_ge (n, 2);
    ck_assert_uint_le (2 * n, N_MOST);
    optimal = closed_loop (session, n);
    twice = closed_loop (session, 2 * n);
    g_print ("%u in flight: %.0f items/s, %u: %.0f items/s\n", n, optimal, 2 * n, twice);
  }
  ck_assert_msg (optimal >= 0.85 * twice, "%.0f and %.0f items/s", optimal, twice);
  weir_session_unref (session);
}
END_TEST

#define N_CALLERS 3
#define N_ROUNDS  40

static gpointer call_again_and_again (gpointer user)
{
  WeirRequest *request = new_request (user, 1);
  for (uint32_t i = 0; i < N_ROUNDS; i++) {
    start (request);
    finish (request);
  }
  weir_request_free (request);
  return NULL;
}

/* Nobody else could come: there is nothing to wait for, whatever the timeout. */
START_TEST (test_rules_cut_complete)
{
  WeirSession *session = open_sim ("SIM(4,1)", 0);
  WeirStream *streams[N_CALLERS];
  GThread *threads[N_CALLERS];
  for (uint32_t i = 0; i < N_CALLERS; i++)
    streams[i] = weir_stream_new (session, "caller", 1);
  for (uint32_t i = 0; i < N_CALLERS; i++)
    threads[i] = g_thread_new ("calls", call_again_and_again, streams[i]);
  for (uint32_t i = 0; i < N_CALLERS; i++)
    g_thread_join (threads[i]);
  g_autofree WeirStats *stats = read_stats (session);
  ck_assert_uint_eq (stats->n_items, N_CALLERS * N_ROUNDS);
  ck_assert_uint_gt (stats->cut_complete, 0);
  ck_assert_uint_gt (stats->batch_histogram[N_CALLERS], 0);
  ck_assert_uint_eq (stats->in_flight, 0);
  assert_sums (stats);
  for (uint32_t i = 0; i < N_CALLERS; i++)
    weir_stream_free (streams[i]);
  weir_session_unref (session);
}
END_TEST

/* What a stream that has ended left behind a running batch goes next, as one batch. */
START_TEST (test_rules_cut_drain)
{
  const WeirSessionOptions o = { .device = "SIM(100,1)",
    .performance_hint = "latency",
    .batch_size = 8,
    .batch_timeout_ms = 60000 };
  WeirSession *session = open_with (&o);
  WeirStream *other = weir_stream_new (session, "other", 0);
  WeirStream *stream = weir_stream_new (session, "ends", 0);
  WeirRequest *running = new_request (other, 1), *last[3];
  start (running);
  g_usleep (30000);
  uint64_t start_ns = weir_now_ns ();
  for (uint32_t i = 0; i < 3; i++)
    start (last[i] = new_request (stream, 1));
  weir_stream_drain (stream);
  for (uint32_t i = 0; i < 3; i++)
    finish (last[i]);
  assert_within ("what a drained stream had queued", start_ns, 1000);
  finish (running);
  g_autofree WeirStats *stats = read_stats (session);
  ck_assert_uint_eq (stats->cut_drain + stats->cut_complete, 1);
  ck_assert_uint_eq (stats->batch_histogram[3], 1);
  ck_assert_uint_eq (stats->n_batches, 2);
  assert_sums (stats);
  weir_stream_free (other);
  weir_stream_free (stream);
  weir_request_free (running);
  for (uint32_t i = 0; i < 3; i++)
    weir_request_free (last[i]);
  weir_session_unref (session);
}
END_TEST

#define N_CROWD 40

typedef struct Crowd {
  WeirRequest *request;
  gint is_submitted;
} Crowd;

static gpointer submit_crowd (gpointer user)
{
  Crowd *crowd = user;
  start (crowd->request);
  g_atomic_int_set (&crowd->is_submitted, 1);
  return NULL;
}

static uint32_t in_flight_of (const WeirStream *stream)
{
  WeirStreamStats stats;
  weir_stream_stats (stream, &stats);
  return stats.in_flight;
}

/* Who asks for more than there is room for waits; a neighbour comes and goes meanwhile. S(4) is 28
 * ms, and the crowd needs ten batches at least. */
START_TEST (test_rules_full_queue_blocks_its_stream)
{
  WeirSession *session = open_sim ("SIM(20,2)", 4);
  WeirStream *many = weir_stream_new (session, "crowd", 0);
  WeirStream *quiet = weir_stream_new (session, "quiet", 0);
  Crowd crowd = { new_request (many, N_CROWD), 0 };
  WeirRequest *request = new_request (quiet, 1);
  GThread *thread = g_thread_new ("crowd", submit_crowd, &crowd);
  while (in_flight_of (many) == 0)
    g_usleep (1000);
  for (uint32_t i = 0; i < 3; i++) {
    uint64_t start_ns = weir_now_ns ();
    start (request);
    finish (request);
    assert_within ("an item beside a blocked stream", start_ns, 280);
    ck_assert_int_eq (g_atomic_int_get (&crowd.is_submitted), 0);
    g_autofree WeirStats *stats = read_stats (session);
    ck_assert_uint_le (stats->in_flight, 4);
    ck_assert_uint_ge (in_flight_of (many), 1);
  }
  g_thread_join (thread);
  finish (crowd.request);
  ck_assert_uint_eq (weir_stream_n_items (many), N_CROWD);
  ck_assert_uint_eq (weir_stream_n_items (quiet), 3);
  weir_request_free (request);
  weir_request_free (crowd.request);
  weir_stream_free (many);
  weir_stream_free (quiet);
  weir_session_unref (session);
}
END_TEST

static const gulong stop_after_us[] = { 0, 20000, 120000 };

/* A session that measures itself stops after what runs. */
START_TEST (test_rules_stop_while_it_measures)
{
  WeirSession *session = open_sim ("SIM(100,10)", 0);
  g_usleep (stop_after_us[_i]);
  uint64_t start_ns = weir_now_ns ();
  weir_session_unref (session);
  assert_within ("stop", start_ns, 1000);
}
END_TEST

START_TEST (test_rules_first_item)
{
  uint64_t start_ns = weir_now_ns ();
  WeirSession *session = open_sim ("SIM(30,1)", 0);
  WeirStream *stream = weir_stream_new (session, "first", 0);
  WeirRequest *request = new_request (stream, 1);
  start (request);
  finish (request);
  assert_within ("opening and the first item", start_ns, 500);
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

#define N_TRIES 6

static void ignore (WeirRequest *request, void *user)
{
}

/* Requests of 1, 2, 1, … items: how many items found no room. */
static uint32_t try_to_submit (WeirStream *stream, WeirRequest *requests[N_TRIES])
{
  uint32_t n_skipped = 0;
  for (uint32_t i = 0; i < N_TRIES; i++) {
    g_autoptr (GError) error = NULL;
    bool full = false;
    requests[i] = new_request (stream, 1 + i % 2);
    bool ok = weir_request_try_submit (requests[i], ignore, NULL, &full, &error);
    ck_assert (ok != full && !error);
    n_skipped += full ? 1 + i % 2 : 0;
  }
  return n_skipped;
}

START_TEST (test_rules_skipped_sums)
{
  WeirSession *session = open_sim ("SIM(200,1)", 6);
  WeirStream *streams[3];
  WeirRequest *requests[3][N_TRIES];
  uint64_t n_skipped = 0;
  for (uint32_t i = 0; i < 3; i++)
    streams[i] = weir_stream_new (session, "leaky", i);
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t n = try_to_submit (streams[i], requests[i]);
    WeirStreamStats stats;
    weir_stream_stats (streams[i], &stats);
    ck_assert_uint_gt (n, 0);
    ck_assert_uint_eq (stats.n_skipped, n);
    n_skipped += n;
  }
  g_autofree WeirStats *stats = read_stats (session);
  ck_assert_uint_eq (stats->n_skipped, n_skipped);
  for (uint32_t i = 0; i < 3; i++) {
    weir_stream_free (streams[i]);
    for (uint32_t k = 0; k < N_TRIES; k++)
      weir_request_free (requests[i][k]);
  }
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session rules");
  TCase *tcase = tcase_create ("rules");
  tcase_add_loop_test (tcase, test_rules_workers, 0, G_N_ELEMENTS (worker_counts));
  tcase_add_test (tcase, test_rules_timeout_while_running);
  tcase_add_test (tcase, test_rules_optimal_requests);
  tcase_add_test (tcase, test_rules_cut_complete);
  tcase_add_test (tcase, test_rules_cut_drain);
  tcase_add_test (tcase, test_rules_full_queue_blocks_its_stream);
  tcase_add_loop_test (tcase, test_rules_stop_while_it_measures, 0, G_N_ELEMENTS (stop_after_us));
  tcase_add_test (tcase, test_rules_first_item);
  tcase_add_test (tcase, test_rules_skipped_sums);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
