/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions on AUTO whose devices are lost, do not open or have no memory: whatever was asked is
 * answered right, once and in order, by the next device; and where none is left, by an error. */
#include "tests/batching/fading_backend.h"
#include "tests/batching/fault_kit.h"

#include "engine/profile.h"
#include "engine/sched/session_types.h"
#include "tests/unit/formats/onnx_builder.h"
#include <string.h>

#define N_STREAMS 4
#define N_FLYING  4 /* requests of a stream at once */
#define N_ITEMS   250
#define SIDE      64

static const WeirDeviceCandidate all[] = { { &fading_backend, (char *) "A", NULL, 0 },
  { &fading_backend, (char *) "B", NULL, 1 }, { &weir_backend_ref, (char *) "host", NULL, 0 },
  { NULL, NULL, NULL, 0 } };
static const WeirDeviceCandidate fading_ones[] = { { &fading_backend, (char *) "A", NULL, 0 },
  { &fading_backend, (char *) "B", NULL, 1 }, { NULL, NULL, NULL, 0 } };

static uint32_t n_cores; /* that there seem to be; 0: as many as there are */

uint32_t __real_weir_n_cores (void);
uint32_t __wrap_weir_n_cores (void);

uint32_t __wrap_weir_n_cores (void)
{
  return n_cores ? n_cores : __real_weir_n_cores ();
}

/* Warnings, one a line. */
static WeirMutex warned_lock = PTHREAD_MUTEX_INITIALIZER;
static GString *warned;
static guint warned_handler;

static void note_warning (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  weir_mutex_lock (&warned_lock);
  g_string_append_printf (warned, "%s\n", message);
  weir_mutex_unlock (&warned_lock);
}

static void set_up (void)
{
  warned = g_string_new (NULL);
  warned_handler = g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, note_warning, NULL);
}

static void tear_down (void)
{
  g_log_remove_handler ("weir", warned_handler);
  g_string_free (warned, TRUE);
  weir_session_auto_hook = NULL;
}

static uint32_t count_warnings (const char *text)
{
  uint32_t n = 0;
  for (const char *at = warned->str; (at = strstr (at, text)); at++)
    n++;
  return n;
}

static WeirSession *open_on (
    const WeirDeviceCandidate *list, const Fading *fading, const char *hint)
{
  const WeirSessionOptions o = { .device = "AUTO", .performance_hint = hint };
  weir_session_auto_hook = list;
  fading_set (fading);
  return fault_kit_open (8, &o);
}

static void assert_device (WeirSession *session, const char *device)
{
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, device);
}

/* The session's, that of a device that it has left. */
static void assert_left (uint32_t index)
{
  ck_assert_uint_eq (fading_n_memories (index), 0);
  ck_assert_uint_eq (fading_n_open (index), 0);
}

/* One stream's thread: requests of frames, N_FLYING at once, of 1 to 7 items each. */
typedef struct Pump {
  pthread_t thread;
  WeirSession *session;
  bool is_in_order; /* they end in the order in which they began */
  gint n_ended;
  uint32_t n_right, n_sent;
} Pump;

static void collect (Pump *pump, FaultJob *job, int place)
{
  fault_job_wait (job);
  if (fault_job_is_all_right (job) && (!pump->is_in_order || job->place == place))
    pump->n_right += job->n_items;
  fault_job_clear (job);
}

static void *pump_frames (void *user)
{
  Pump *pump = user;
  WeirStream *stream = weir_stream_new (pump->session, "frames", 0);
  FaultJob jobs[N_FLYING];
  int n = 0;
  for (; pump->n_sent < N_ITEMS; n++) {
    FaultJob *job = &jobs[n % N_FLYING];
    if (n >= N_FLYING)
      collect (pump, job, n - N_FLYING);
    uint32_t n_items = MIN (1 + (uint32_t) n % 7, N_ITEMS - pump->n_sent);
    fault_job_init (job, stream, 1 + pump->n_sent % 50, n_items);
    job->counter = &pump->n_ended;
    fault_job_submit (job);
    pump->n_sent += n_items;
  }
  for (int k = n - N_FLYING; k < n; k++)
    collect (pump, &jobs[k % N_FLYING], k);
  weir_stream_free (stream);
  return NULL;
}

/* Whether row `row` of a picture full of `value` has the ramp times it. */
static bool is_ramp (const float *row, float value)
{
  for (int i = 0; i < SIDE * SIDE; i++)
    if (row[i] != (float) i * value)
      return false;
  return true;
}

/* The same with tensors, one request after the other. */
static void *pump_tensors (void *user)
{
  enum { N_ROWS = 5 };
  Pump *pump = user;
  WeirStream *stream = weir_stream_new (pump->session, "tensors", 0);
  g_autofree float *values = g_new (float, N_ROWS *SIDE *SIDE);
  const WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { N_ROWS, 1, SIDE, SIDE }, .buffer = values
  };
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  for (; pump->n_sent < N_ITEMS; pump->n_sent += N_ROWS) {
    for (int i = 0; i < N_ROWS * SIDE * SIDE; i++)
      values[i] = (float) (pump->n_sent + (uint32_t) i / (SIDE * SIDE));
    weir_request_set_input (request, 0, &input, NULL);
    if (!weir_request_run (request, NULL))
      continue;
    const float *rows = weir_tensor_data (weir_request_output (request, 0));
    for (int row = 0; row < N_ROWS; row++)
      pump->n_right += is_ramp (rows + row * SIDE * SIDE, values[row * SIDE * SIDE]);
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return NULL;
}

/* Looks at the session while it moves. */
typedef struct Reader {
  pthread_t thread;
  WeirSession *session;
  gint is_over;
} Reader;

static void *read_along (void *user)
{
  Reader *reader = user;
  while (!g_atomic_int_get (&reader->is_over)) {
    g_free (fault_kit_stats (reader->session));
    g_free (weir_session_describe_plan (reader->session, 2));
    g_free (weir_session_get_config (reader->session, "INFERENCE_PRECISION_HINT", NULL));
    g_usleep (200);
  }
  return NULL;
}

static const struct {
  const char *name;
  Fading fading[FADING_N_DEVICES];
  const char *hint, *device; /* device: the last */
  uint32_t n_loads, n_warnings;
} moves[] = {
  { "in an upload", { { FADING_UPLOAD, .at = 7 } }, "latency", "B", 2, 1 },
  { "in a run", { { FADING_RUN, .at = 20 } }, "throughput", "B", 2, 1 },
  { "in a wait", { { FADING_DOWNLOAD, .at = 12 } }, "latency", "B", 2, 1 },
  { "at once", { { FADING_RUN, .at = 1 } }, "throughput", "B", 2, 1 },
  { "both", { { FADING_RUN, .at = 9 }, { FADING_DOWNLOAD, .at = 4 } }, "throughput", "host", 3, 2 },
  { "both at once", { { FADING_UPLOAD, .at = 9 }, { FADING_RUN, .at = 1 } }, "latency", "host", 3,
      2 },
  { "the next does not open", { { FADING_RUN, .at = 15 }, { .fails_to_open = true } }, "throughput",
      "host", 2, 2 },
  { "doubtful twice", { { FADING_RUN, .at = 10, .n_doubtful = 2 } }, "latency", "B", 2, 1 },
  { "doubtful once", { { FADING_RUN, .at = 10, .n_doubtful = 1 } }, "latency", "A", 1, 0 },
  { "no memory", { { .most_bytes = 100 } }, "throughput", "B", 2, 1 },
  { "does not open", { { .fails_to_open = true } }, "latency", "B", 1, 1 },
  { "none opens", { { .fails_to_open = true }, { .fails_to_open = true } }, "throughput", "host", 1,
      2 },
};

static void pump_all (WeirSession *session, bool is_in_order)
{
  Pump pumps[N_STREAMS] = { 0 };
  Reader reader = { .session = session };
  pthread_create (&reader.thread, NULL, read_along, &reader);
  for (uint32_t i = 0; i < N_STREAMS; i++) {
    pumps[i].session = session;
    pumps[i].is_in_order = is_in_order;
    pthread_create (&pumps[i].thread, NULL, i ? pump_frames : pump_tensors, &pumps[i]);
  }
  for (uint32_t i = 0; i < N_STREAMS; i++) {
    pthread_join (pumps[i].thread, NULL);
    ck_assert_uint_eq (pumps[i].n_sent, N_ITEMS);
    ck_assert_msg (pumps[i].n_right == N_ITEMS, "stream %u: %u are right", i, pumps[i].n_right);
  }
  g_atomic_int_set (&reader.is_over, true);
  pthread_join (reader.thread, NULL);
}

START_TEST (test_moves_lose_nothing)
{
  bool is_one = strcmp (moves[_i].hint, "latency") == 0;
  WeirSession *session = open_on (all, moves[_i].fading, moves[_i].hint);
  pump_all (session, is_one);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_msg (
      strcmp (stats->device, moves[_i].device) == 0, "%s: on %s", moves[_i].name, stats->device);
  ck_assert_uint_eq (stats->n_loads, moves[_i].n_loads);
  ck_assert_uint_eq (stats->n_items, N_STREAMS * N_ITEMS);
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_msg (count_warnings ("cannot be used") == moves[_i].n_warnings, "%s: %s",
      moves[_i].name, warned->str);
  for (uint32_t i = 0; i < 2; i++)
    if (strcmp (moves[_i].device, i ? "B" : "A") != 0 && (i == 0 || moves[_i].device[0] == 'h'))
      assert_left (i);
  weir_session_unref (session);
  assert_left (0);
  assert_left (1);
}
END_TEST

/* The workers of a session were made for the cores that there were when it was opened. */
START_TEST (test_moves_keep_their_cores)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 20 } };
  n_cores = 2;
  WeirSession *session = open_on (all, fading, "throughput");
  n_cores = 16;
  pump_all (session, false);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, "B");
  ck_assert_uint_eq (stats->n_workers, 2);
  weir_session_unref (session);
  n_cores = 0;
}
END_TEST

START_TEST (test_moves_say_so)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 1 } };
  WeirSession *session = open_on (all, fading, "latency");
  WeirStream *stream = weir_stream_new (session, "s", 0);
  FaultJob job;
  assert_device (session, "A");
  fault_job_init (&job, stream, 1, 3);
  fault_job_run (&job);
  ck_assert (fault_job_is_all_right (&job));
  ck_assert_ptr_nonnull (strstr (warned->str, "device A cannot be used, next is B: "));
  ck_assert_ptr_nonnull (strstr (warned->str, "device 0 fails as it was told to"));
  ck_assert_uint_eq (count_warnings ("\n"), 1);
  fault_job_clear (&job);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* Times of the device that was left say nothing, nor what it could not do. */
START_TEST (test_moves_forget)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 2 } };
  WeirSession *session = open_on (all, fading, "latency");
  WeirStream *stream = weir_stream_new (session, "s", 0);
  FaultJob job;
  weir_mutex_lock (&session->lock);
  weir_service_set (&session->queue.service, 4, 1e9, 100);
  session->queue.batch_max = 3;
  weir_mutex_unlock (&session->lock);
  for (uint32_t i = 0; i < 2; i++) {
    fault_job_init (&job, stream, 1, 1);
    fault_job_run (&job);
    ck_assert (fault_job_is_all_right (&job));
    fault_job_clear (&job);
  }
  weir_mutex_lock (&session->lock);
  ck_assert_uint_eq (session->queue.service.n_runs[4], 0);
  ck_assert_uint_eq (session->queue.batch_max, 8);
  weir_mutex_unlock (&session->lock);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* What looks at the session from outside is on the new device as well. */
START_TEST (test_moves_profile)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 1 } };
  WeirSession *session = open_on (all, fading, "latency");
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autoptr (GError) error = NULL;
  FaultJob job;
  fault_job_init (&job, stream, 1, 1);
  ck_assert_ptr_null (weir_request_profile (job.request, &error)); /* by itself it does not move */
  ck_assert_ptr_nonnull (strstr (error->message, "told to"));
  assert_device (session, "A");
  fault_job_run (&job);
  assert_device (session, "B");
  g_clear_error (&error);
  WeirProfile *profile = weir_request_profile (job.request, &error);
  ck_assert_msg (profile != NULL, "%s", error ? error->message : "");
  weir_profile_free (profile);
  fault_job_clear (&job);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* Batches have no memory, one item has: the device is kept. */
START_TEST (test_moves_not_for_batches)
{
  enum { SLOT_BYTES = 2 * SIDE * SIDE * 4 };
  static const Fading fading[FADING_N_DEVICES] = { { .most_bytes = 3 * SLOT_BYTES } };
  WeirSession *session = open_on (all, fading, "latency");
  pump_all (session, true);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, "A");
  ck_assert_uint_lt (stats->batch_max, 8);
  ck_assert_str_eq (stats->batch_max_reason, "memory");
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (count_warnings ("cannot be used"), 0);
  weir_session_unref (session);
}
END_TEST

/* Nothing is left: an error for each item, one warning, nothing kept, and no hang. */
START_TEST (test_moves_end)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 3 },
    { FADING_DOWNLOAD, .at = 3 } };
  WeirSession *session = open_on (fading_ones, fading, "throughput");
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autoptr (GError) error = NULL;
  FaultJob job;
  for (uint32_t i = 0; i < 20; i++) {
    fault_job_init (&job, stream, 1, 10);
    fault_job_run (&job);
    for (uint32_t k = 0; k < 10 && i > 5; k++)
      fault_job_assert_failed (&job, k, "device 1 fails as it was told to");
    fault_job_clear (&job);
  }
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, "B");
  ck_assert_uint_eq (stats->n_loads, 2);
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_uint_eq (count_warnings ("cannot be used, next is B"), 1);
  ck_assert_uint_eq (count_warnings ("cannot be used, and no other is left"), 1);
  ck_assert_uint_eq (count_warnings ("\n"), 2);
  assert_left (0);
  assert_left (1);
  fault_job_init (&job, stream, 1, 1);
  ck_assert_ptr_null (weir_request_profile (job.request, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_DEVICE));
  ck_assert_ptr_null (weir_session_describe_plan (session, 1));
  fault_job_clear (&job);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_moves_open_nothing)
{
  static const Fading fading[FADING_N_DEVICES] = { { .fails_to_open = true },
    { .fails_to_open = true } };
  WeirSessionOptions o = { .device = "AUTO", .model = NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  char *folder = onnx_builder_folder ();
  g_autofree char *path = onnx_builder_write (builder, folder, "small.onnx");
  o.model = path;
  weir_session_auto_hook = fading_ones;
  fading_set (fading);
  ck_assert_ptr_null (weir_session_open (&o, &error));
  ck_assert_str_eq (error->message, "device 1 does not open");
  ck_assert_uint_eq (count_warnings ("\n"), 1);
  onnx_builder_remove (folder);
}
END_TEST

/* A session of one worker with room for four items that has lost A, and cannot open B yet. */
typedef struct Between {
  WeirSession *session;
  WeirStream *streams[2];
  FaultJob running, queued[2];
} Between;

static void begin_between (Between *between)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 2 },
    { .is_slow_to_open = true } };
  const WeirSessionOptions o = {
    .device = "AUTO", .performance_hint = "latency", .num_requests = 4
  };
  FaultJob first;
  weir_session_auto_hook = all;
  fading_set (fading);
  between->session = fault_kit_open (1, &o);
  for (uint32_t i = 0; i < 2; i++)
    between->streams[i] = weir_stream_new (between->session, "s", 0);
  fault_job_init (&first, between->streams[0], 1, 1);
  fault_job_run (&first);
  fault_job_clear (&first);
  fault_job_init (&between->running, between->streams[0], 2, 1);
  fault_job_submit (&between->running);
  fading_wait_opening ();
  for (uint32_t i = 0; i < 2; i++) {
    fault_job_init (&between->queued[i], between->streams[i], 10 + i, 1);
    fault_job_submit (&between->queued[i]);
  }
}

static void end_between (Between *between)
{
  fault_job_clear (&between->running);
  for (uint32_t i = 0; i < 2; i++) {
    fault_job_clear (&between->queued[i]);
    weir_stream_free (between->streams[i]);
  }
  weir_session_unref (between->session);
  assert_left (0);
  assert_left (1);
}

START_TEST (test_moves_flush)
{
  Between between;
  FaultJob again;
  begin_between (&between);
  assert_device (between.session, "A"); /* and that is told at once */
  weir_stream_flush (between.streams[0]);
  ck_assert_int_eq (between.queued[0].n_done, 1);
  ck_assert_int_eq (between.queued[0].error_code, WEIR_ERROR_CANCELLED);
  ck_assert_int_eq (g_atomic_int_get (&between.running.n_done), 0);
  weir_request_cancel (between.queued[1].request);
  ck_assert_int_eq (between.queued[1].error_code, WEIR_ERROR_CANCELLED);
  weir_stream_resume (between.streams[0]);
  fault_job_init (&again, between.streams[0], 30, 1);
  fault_job_submit (&again);
  ck_assert_int_eq (g_atomic_int_get (&again.n_done), 0);
  fading_let_open ();
  fault_job_wait (&between.running); /* a flush does not touch what has begun */
  ck_assert (fault_job_is_all_right (&between.running));
  fault_job_wait (&again);
  ck_assert (fault_job_is_all_right (&again));
  assert_device (between.session, "B");
  fault_job_clear (&again);
  end_between (&between);
}
END_TEST

/* One that waits for room; a flush ends that. */
static void *submit_one_more (void *user)
{
  WeirRequest *request = user;
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_submit (request, fault_job_done, NULL, &error);
  return GINT_TO_POINTER (!ok && g_error_matches (error, WEIR_ERROR, WEIR_ERROR_CANCELLED));
}

START_TEST (test_moves_blocked_submit)
{
  Between between;
  FaultJob more, last;
  pthread_t thread;
  void *was_cancelled;
  bool full = false;
  begin_between (&between);
  fault_job_init (&more, between.streams[1], 20, 1); /* its share is two */
  fault_job_submit (&more);
  fault_job_init (&last, between.streams[1], 21, 1);
  ck_assert (!weir_request_try_submit (last.request, fault_job_done, &last, &full, NULL));
  ck_assert (full);
  pthread_create (&thread, NULL, submit_one_more, last.request);
  g_usleep (20000);
  weir_stream_flush (between.streams[1]);
  pthread_join (thread, &was_cancelled);
  ck_assert (was_cancelled);
  ck_assert_int_eq (more.error_code, WEIR_ERROR_CANCELLED);
  fading_let_open ();
  fault_job_wait (&between.running);
  fault_job_wait (&between.queued[0]);
  ck_assert (fault_job_is_all_right (&between.running));
  ck_assert (fault_job_is_all_right (&between.queued[0]));
  fault_job_clear (&more);
  fault_job_clear (&last);
  end_between (&between);
}
END_TEST

static void *let_open_soon (void *user)
{
  g_usleep (30000);
  fading_let_open ();
  return NULL;
}

/* Streams and session end while the next device opens: after it has, whatever is queued. */
START_TEST (test_moves_stop)
{
  Between between;
  pthread_t thread;
  begin_between (&between);
  weir_stream_free (between.streams[1]); /* which has nothing there */
  assert_device (between.session, "A");
  pthread_create (&thread, NULL, let_open_soon, NULL);
  weir_stream_free (between.streams[0]);
  ck_assert (fault_job_is_all_right (&between.running));
  for (uint32_t i = 0; i < 2; i++) {
    ck_assert_int_eq (between.queued[i].error_code, WEIR_ERROR_CANCELLED);
    fault_job_clear (&between.queued[i]);
  }
  fault_job_clear (&between.running);
  weir_session_unref (between.session);
  pthread_join (thread, NULL);
  assert_left (0);
  assert_left (1);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("moves");
  TCase *tcase = tcase_create ("moves");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_loop_test (tcase, test_moves_lose_nothing, 0, G_N_ELEMENTS (moves));
  tcase_add_test (tcase, test_moves_keep_their_cores);
  tcase_add_test (tcase, test_moves_say_so);
  tcase_add_test (tcase, test_moves_forget);
  tcase_add_test (tcase, test_moves_profile);
  tcase_add_test (tcase, test_moves_not_for_batches);
  tcase_add_test (tcase, test_moves_end);
  tcase_add_test (tcase, test_moves_open_nothing);
  tcase_add_test (tcase, test_moves_flush);
  tcase_add_test (tcase, test_moves_blocked_submit);
  tcase_add_test (tcase, test_moves_stop);
  suite_add_tcase (suite, tcase);
  return fault_kit_run (suite);
}
