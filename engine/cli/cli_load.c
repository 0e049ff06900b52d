/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The load of weir bench. Each stream is a thread with a few requests: it takes one that is at
 * rest, waits until a frame is due, submits. The done callback only stamps the time and hands the
 * request back.
 *
 * A live stream's latency counts from when its frame was due, not from when it could be submitted:
 * otherwise an overloaded device would look quick. Such a stream drops a frame that is late by more
 * than a period, as a camera would.
 *
 * Locks: a stream's lock guards its free list and is held for a few instructions only. */
#include "engine/cli/cli_bench.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* At rates over 50 frames per second thread wake-ups alone may come a period late. */
#define MIN_LATE_NS 20e6
/* Frames of a live stream that may be in flight at least. */
#define MIN_LIVE_REQUESTS 4

static uint64_t now_ns (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static struct timespec to_timespec (uint64_t ns)
{
  return (struct timespec){ .tv_sec = (time_t) (ns / 1000000000u),
    .tv_nsec = (long) (ns % 1000000000u) };
}

static void hand_back (BenchRequest *request)
{
  BenchStream *stream = request->stream;

  pthread_mutex_lock (&stream->lock);
  request->next = stream->free;
  stream->free = request;
  stream->n_free++;
  pthread_cond_signal (&stream->cond);
  pthread_mutex_unlock (&stream->lock);
}

static void done (WeirRequest *request, void *user)
{
  BenchRequest *self = user;

  self->done_ns = now_ns ();
  hand_back (self);
}

/* A request at rest; NULL when the stream stops. */
static BenchRequest *take (BenchStream *stream)
{
  BenchRequest *request = NULL;

  pthread_mutex_lock (&stream->lock);
  while (!stream->free && !stream->stop)
    pthread_cond_wait (&stream->cond, &stream->lock);
  if (!stream->stop) {
    request = stream->free;
    stream->free = request->next;
    stream->n_free--;
  }
  pthread_mutex_unlock (&stream->lock);
  return request;
}

/* False when the stream stops before. */
static bool wait_until (BenchStream *stream, uint64_t when_ns)
{
  struct timespec when = to_timespec (when_ns);
  bool stop;

  pthread_mutex_lock (&stream->lock);
  while (!stream->stop && now_ns () < when_ns)
    pthread_cond_timedwait (&stream->cond, &stream->lock, &when);
  stop = stream->stop;
  pthread_mutex_unlock (&stream->lock);
  return !stop;
}

/* The first failure of a finished request, whole or of one item. */
static bool check_request (const WeirRequest *request, GError **error)
{
  const GError *whole = weir_request_error (request);

  if (whole) {
    if (error)
      *error = g_error_copy (whole);
    return false;
  }
  for (uint32_t i = 0; i < weir_request_n_items (request); i++) {
    const WeirResult *result = weir_request_result (request, i);
    if (result && result->status == WEIR_STATUS_FAILED) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_DEVICE, "an item failed: %s",
          result->reason ? result->reason : "no reason is given");
      return false;
    }
  }
  return true;
}

/* Counts a request that has come back. What ends after the measurement may have been cancelled by
 * it. */
static bool count (BenchStream *stream, BenchRequest *request)
{
  const Bench *bench = stream->bench;
  uint64_t latency_us;

  if (request->done_ns == 0 || request->done_ns >= bench->until_ns)
    return true;
  if (!check_request (request->request, &stream->error))
    return false;
  if (request->done_ns >= bench->from_ns) {
    latency_us = (request->done_ns - request->due_ns) / 1000;
    guint32 clipped = (guint32) MIN (latency_us, G_MAXUINT32);
    g_array_append_val (stream->latencies_us, clipped);
    stream->n_frames++;
  }
  request->done_ns = 0;
  return true;
}

bool bench_fill (const Bench *bench, uint32_t n_items, WeirRequest *request, GError **error)
{
  weir_request_reset (request);
  for (uint32_t k = 0; bench->inputs && k < bench->n_inputs; k++) {
    WeirTensor rows = bench->inputs[k].tensor, shape;
    uint32_t axis = weir_model_input_axis (bench->model, k);
    if (rows.dtype == WEIR_DTYPE_NONE)
      continue;
    weir_model_input (bench->model, k, &shape);
    if (rows.rank > axis)
      rows.dims[axis] = shape.dims[axis] * n_items;
    if (!weir_request_set_input (request, k, &rows, error))
      return false;
  }
  if (bench->inputs)
    return true;
  weir_request_set_frame (request, &bench->picture);
  for (uint32_t i = 0; i < n_items; i++) {
    WeirRegion strip = { .y_px = (uint32_t) ((uint64_t) bench->picture.height_px * i / n_items),
      .width_px = bench->picture.width_px };
    strip.height_px =
        (uint32_t) ((uint64_t) bench->picture.height_px * (i + 1) / n_items) - strip.y_px;
    weir_request_add_region (request, &strip);
  }
  return true;
}

static bool fill (BenchStream *stream, BenchRequest *request)
{
  return bench_fill (stream->bench, stream->items, request->request, &stream->error);
}

/* One frame before the clock starts: what cannot work at all says so at once. */
static bool probe (BenchStream *stream, GError **error)
{
  BenchRequest *request = stream->requests;
  GError *failure = NULL;

  if (fill (stream, request)) {
    weir_request_run (request->request, &failure);
    weir_stream_drain (stream->stream);
  } else {
    failure = g_steal_pointer (&stream->error);
  }
  if (failure)
    g_propagate_error (error, failure);
  return failure == NULL;
}

/* Ends the stream quietly where the submit was refused because the measurement is over. */
static bool submit (BenchStream *stream, BenchRequest *request, uint64_t due_ns)
{
  g_autoptr (GError) error = NULL;

  if (!fill (stream, request)) {
    hand_back (request);
    return false;
  }
  request->due_ns = due_ns;
  if (weir_request_submit (request->request, done, request, &error))
    return true;
  request->done_ns = 0;
  hand_back (request);
  if (!g_error_matches (error, WEIR_ERROR, WEIR_ERROR_CANCELLED))
    stream->error = g_steal_pointer (&error);
  return false;
}

static void run_closed (BenchStream *stream)
{
  BenchRequest *request;

  while ((request = take (stream))) {
    if (!count (stream, request)) {
      hand_back (request);
      return;
    }
    if (!submit (stream, request, now_ns ()))
      return;
  }
}

static bool is_late (const BenchStream *stream, uint64_t due_ns)
{
  return (double) now_ns () > (double) due_ns + fmax (stream->period_ns, MIN_LATE_NS);
}

static void drop (BenchStream *stream, uint64_t due_ns)
{
  if (due_ns >= stream->bench->from_ns && due_ns < stream->bench->until_ns)
    stream->n_dropped++;
}

static void run_paced (BenchStream *stream)
{
  for (uint64_t n = 0;; n++) {
    uint64_t due_ns = stream->bench->start_ns + stream->phase_ns +
                      (uint64_t) llround ((double) n * stream->period_ns);
    BenchRequest *request;
    if (is_late (stream, due_ns)) {
      drop (stream, due_ns);
      continue;
    }
    if (!wait_until (stream, due_ns) || !(request = take (stream)))
      return;
    if (!count (stream, request)) {
      hand_back (request);
      return;
    }
    if (is_late (stream, due_ns)) {
      hand_back (request);
      drop (stream, due_ns);
    } else if (!submit (stream, request, due_ns)) {
      return;
    }
  }
}

static void *run_stream (void *user)
{
  BenchStream *stream = user;

  if (stream->period_ns > 0)
    run_paced (stream);
  else
    run_closed (stream);
  return NULL;
}

/* Items to keep in flight: in a closed loop what the device wants; live streams must not be held
 * back before one full batch runs and the next one waits. */
static uint32_t count_wanted (const Bench *bench)
{
  uint32_t optimal = weir_session_optimal_requests (bench->session);
  g_autofree WeirStats *stats = g_new (WeirStats, 1);

  if (!bench->rates)
    return optimal;
  weir_session_stats (bench->session, stats);
  return MAX (optimal, 2 * stats->batch_max);
}

static void init_stream (BenchStream *stream, uint32_t index, uint32_t n_wanted)
{
  g_autofree char *name = g_strdup_printf ("bench-%u", index);
  uint32_t share = stream->bench->n_streams * stream->items;
  pthread_condattr_t attr;

  stream->n_requests =
      MAX ((n_wanted + share - 1) / share, stream->period_ns > 0 ? MIN_LIVE_REQUESTS : 1);
  stream->stream =
      weir_stream_new (stream->bench->session, name, stream->n_requests * stream->items);
  stream->latencies_us = g_array_new (FALSE, FALSE, sizeof (guint32));
  pthread_mutex_init (&stream->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&stream->cond, &attr);
  pthread_condattr_destroy (&attr);
  stream->requests = g_new0 (BenchRequest, stream->n_requests);
  for (uint32_t i = 0; i < stream->n_requests; i++) {
    stream->requests[i].stream = stream;
    stream->requests[i].request = weir_request_new (stream->stream);
    hand_back (&stream->requests[i]);
  }
}

static void stop_stream (BenchStream *stream)
{
  pthread_mutex_lock (&stream->lock);
  stream->stop = true;
  pthread_cond_broadcast (&stream->cond);
  pthread_mutex_unlock (&stream->lock);
  weir_stream_flush (stream->stream);
}

/* Waits for the thread and for what still runs, and counts it. */
static void join_stream (BenchStream *stream)
{
  if (stream->has_thread)
    pthread_join (stream->thread, NULL);
  pthread_mutex_lock (&stream->lock);
  while (stream->n_free < stream->n_requests)
    pthread_cond_wait (&stream->cond, &stream->lock);
  pthread_mutex_unlock (&stream->lock);
  for (uint32_t i = 0; i < stream->n_requests; i++) {
    if (!stream->error)
      count (stream, &stream->requests[i]);
    weir_request_free (stream->requests[i].request);
  }
  weir_stream_free (stream->stream);
  g_free (stream->requests);
  pthread_cond_destroy (&stream->cond);
  pthread_mutex_destroy (&stream->lock);
}

static double cpu_seconds (struct rusage *usage)
{
  getrusage (RUSAGE_SELF, usage);
  return (double) usage->ru_utime.tv_sec + (double) usage->ru_utime.tv_usec / 1e6 +
         (double) usage->ru_stime.tv_sec + (double) usage->ru_stime.tv_usec / 1e6;
}

static void sleep_until (uint64_t when_ns)
{
  struct timespec when = to_timespec (when_ns);

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
    continue;
}

/* Sleeps with a sign of life where somebody watches. */
static void watch (const Bench *bench)
{
  while (isatty (STDERR_FILENO) && now_ns () + 1000000000u < bench->until_ns) {
    fprintf (stderr, "\r%.0f of %.0f s ", (double) (now_ns () - bench->start_ns) / 1e9,
        bench->warmup_s + bench->seconds);
    sleep_until (now_ns () + 1000000000u);
  }
  sleep_until (bench->until_ns);
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "\r%20s\r", "");
}

/* Counters of the measurement alone. */
static void subtract (WeirStats *stats, const WeirStats *before)
{
  uint64_t *counters[] = { &stats->n_items, &stats->n_batches, &stats->cut_full,
    &stats->cut_complete, &stats->cut_deadline, &stats->cut_idle, &stats->cut_drain,
    &stats->n_skipped, &stats->n_failed, &stats->n_retried, &stats->busy_us };
  const uint64_t warmup[] = { before->n_items, before->n_batches, before->cut_full,
    before->cut_complete, before->cut_deadline, before->cut_idle, before->cut_drain,
    before->n_skipped, before->n_failed, before->n_retried, before->busy_us };

  for (size_t i = 0; i < G_N_ELEMENTS (counters); i++)
    *counters[i] -= warmup[i];
  for (size_t n = 0; n < G_N_ELEMENTS (stats->batch_histogram); n++)
    stats->batch_histogram[n] -= before->batch_histogram[n];
  stats->mean_batch = stats->n_batches ? (double) stats->n_items / (double) stats->n_batches : 0;
}

static void measure (Bench *bench, BenchResult *result)
{
  g_autofree WeirStats *before = g_new0 (WeirStats, 1);
  struct rusage usage;
  double cpu;

  sleep_until (bench->from_ns);
  weir_session_stats (bench->session, before);
  cpu = cpu_seconds (&usage);
  watch (bench);
  weir_session_stats (bench->session, &result->stats);
  result->cpu_seconds = cpu_seconds (&usage) - cpu;
  result->peak_rss_mb = (double) usage.ru_maxrss / 1024;
  subtract (&result->stats, before);
  /* A batch counts when it ends, though it may have begun during the warm-up. */
  result->device_busy = fmin (1,
      (double) result->stats.busy_us / 1e6 / (bench->seconds * MAX (result->stats.n_workers, 1)));
}

static void start_streams (Bench *bench)
{
  bench->start_ns = now_ns ();
  bench->from_ns = bench->start_ns + (uint64_t) (bench->warmup_s * 1e9);
  bench->until_ns = bench->from_ns + (uint64_t) (bench->seconds * 1e9);
  for (uint32_t i = 0; i < bench->n_streams; i++) {
    BenchStream *stream = &bench->streams[i];
    stream->has_thread = pthread_create (&stream->thread, NULL, run_stream, stream) == 0;
    if (!stream->has_thread)
      g_set_error (&stream->error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no thread for stream %u", i);
  }
}

bool bench_load_run (Bench *bench, BenchResult *result, GError **error)
{
  uint32_t n_wanted = count_wanted (bench);
  bool ok;

  for (uint32_t i = 0; i < bench->n_streams; i++)
    init_stream (&bench->streams[i], i, n_wanted);
  ok = probe (&bench->streams[0], error);
  if (ok) {
    start_streams (bench);
    measure (bench, result);
  }
  for (uint32_t i = 0; i < bench->n_streams; i++)
    stop_stream (&bench->streams[i]);
  for (uint32_t i = 0; i < bench->n_streams; i++)
    join_stream (&bench->streams[i]);
  for (uint32_t i = 0; ok && i < bench->n_streams; i++)
    if (bench->streams[i].error) {
      g_propagate_error (error, g_steal_pointer (&bench->streams[i].error));
      ok = false;
    }
  return ok;
}
