/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmarks over the public API share. */
#include "tests/bench/bench_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

void bench_sleep_until (uint64_t when_ns)
{
  struct timespec when = { .tv_sec = (time_t) (when_ns / 1000000000u),
    .tv_nsec = (long) (when_ns % 1000000000u) };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
    continue;
}

double bench_cpu_seconds (void)
{
  struct timespec used;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double) used.tv_sec + (double) used.tv_nsec / 1e9;
}

double bench_rss_mb (void)
{
  g_autofree char *text = NULL;
  unsigned long pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    sscanf (text, "%*u %lu", &pages);
  return (double) pages * (double) sysconf (_SC_PAGESIZE) / (1 << 20);
}

void bench_fail (const GError *error)
{
  fprintf (stderr, "%s\n", error ? error->message : "failed for no stated reason");
  exit (1);
}

static bool is_filled (const WeirModel *model, uint32_t k)
{
  const char *fill = weir_model_input_fill (model, k);

  return fill && !g_str_equal (fill, "picture");
}

/* Numbers of 0..255, as pictures have them, or those of the file. */
static void make_input (BenchSession *bench, uint32_t k, const char *file)
{
  WeirTensor *tensor = &bench->inputs[k];
  g_autoptr (GError) error = NULL;
  size_t n_bytes = 0, n_read = 0;
  char *bytes = NULL;

  weir_model_input (weir_session_model (bench->session), k, tensor);
  tensor->dtype = WEIR_DTYPE_F32;
  if (!weir_tensor_bytes (tensor, &n_bytes))
    g_set_error (&error, WEIR_ERROR, WEIR_ERROR_SHAPE, "input %u has no size", k);
  else if (file && g_file_get_contents (file, &bytes, &n_read, &error) && n_read != n_bytes)
    g_set_error (&error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: %zu bytes; input %u has %zu", file,
        n_read, k, n_bytes);
  if (error)
    bench_fail (error);
  if (!bytes) {
    float *values = g_malloc (n_bytes);
    for (size_t i = 0; i < n_bytes / sizeof (float); i++)
      values[i] = (float) ((uint32_t) i * 2654435761u >> 24);
    bytes = (char *) values;
  }
  tensor->buffer = bytes;
}

void bench_session_open (BenchSession *bench, const BenchOptions *options)
{
  const WeirSessionOptions session_options = {
    .model = options->model,
    .device = options->device,
    .precision = options->precision,
    .performance_hint = options->performance_hint,
    .config = options->config,
    .num_requests = (uint32_t) options->num_requests,
    .batch_size = (uint32_t) options->batch_size,
    .batch_timeout_ms = options->batch_timeout_ms,
    .disallow_auto_batching = options->no_batching,
  };
  g_autoptr (GError) error = NULL;
  uint64_t start_ns = bench_now_ns ();

  bench->session = weir_session_open (&session_options, &error);
  bench->open_ms = (double) (bench_now_ns () - start_ns) / 1e6;
  if (!bench->session)
    bench_fail (error);
  const WeirModel *model = weir_session_model (bench->session);
  bench->n_inputs = weir_model_n_inputs (model);
  bench->inputs = g_new0 (WeirTensor, bench->n_inputs);
  for (uint32_t k = 0; k < bench->n_inputs; k++)
    if (!is_filled (model, k))
      make_input (bench, k, k == 0 ? options->input : NULL);
}

void bench_session_close (BenchSession *bench)
{
  for (uint32_t k = 0; k < bench->n_inputs; k++)
    g_free (bench->inputs[k].buffer);
  g_free (bench->inputs);
  weir_session_unref (bench->session);
}

WeirRequest *bench_request_new (const BenchSession *bench, WeirStream *stream)
{
  WeirRequest *request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;

  for (uint32_t k = 0; k < bench->n_inputs; k++)
    if (bench->inputs[k].dtype != WEIR_DTYPE_NONE &&
        !weir_request_set_input (request, k, &bench->inputs[k], &error))
      bench_fail (error);
  return request;
}

void bench_request_run (WeirRequest *request)
{
  g_autoptr (GError) error = NULL;

  if (!weir_request_run (request, &error))
    bench_fail (error);
}

void bench_gate_init (BenchGate *gate)
{
  gate->n_done = 0;
  pthread_mutex_init (&gate->lock, NULL);
  pthread_cond_init (&gate->cond, NULL);
}

void bench_gate_wait (BenchGate *gate, uint32_t n)
{
  pthread_mutex_lock (&gate->lock);
  while (gate->n_done < n)
    pthread_cond_wait (&gate->cond, &gate->lock);
  gate->n_done = 0;
  pthread_mutex_unlock (&gate->lock);
}

static void caller_done (WeirRequest *request, void *user)
{
  BenchCaller *caller = user;

  caller->done_ns = bench_now_ns ();
  caller->is_cancelled = weir_request_error (request) != NULL;
  pthread_mutex_lock (&caller->gate->lock);
  caller->gate->n_done++;
  pthread_cond_signal (&caller->gate->cond);
  pthread_mutex_unlock (&caller->gate->lock);
}

BenchCaller *bench_callers_new (
    const BenchSession *bench, BenchGate *gate, uint32_t n, uint32_t max_in_flight)
{
  BenchCaller *callers = g_new0 (BenchCaller, n);

  for (uint32_t i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("caller-%u", i);
    callers[i].gate = gate;
    callers[i].stream = weir_stream_new (bench->session, name, max_in_flight);
    callers[i].request = bench_request_new (bench, callers[i].stream);
  }
  return callers;
}

void bench_caller_submit (BenchCaller *caller)
{
  g_autoptr (GError) error = NULL;

  caller->start_ns = bench_now_ns ();
  if (!weir_request_submit (caller->request, caller_done, caller, &error))
    bench_fail (error);
}

void bench_callers_free (BenchCaller *callers, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    weir_stream_free (callers[i].stream);
  for (uint32_t i = 0; i < n; i++)
    weir_request_free (callers[i].request);
  g_free (callers);
}

void bench_print_numbers (const char *name, const double *numbers, uint32_t n)
{
  printf ("\"%s\":[", name);
  for (uint32_t i = 0; i < n; i++)
    printf ("%s%.4f", i ? "," : "", numbers[i]);
  printf ("],");
}

void bench_print_stats (const BenchSession *bench)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);

  weir_session_stats (bench->session, stats);
  g_autofree char *text = weir_stats_to_json (stats);
  printf ("\"stats\":%s", text);
}
