/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmarks over the public API share. */
#include "tests/bench/bench_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Of n_bytes: numbers of 0..255, as pictures have them, or those of the file. Newly allocated. */
static char *read_row (const char *file, size_t n_bytes, GError **error)
{
  size_t n_read = 0;
  char *bytes = NULL;

  if (!file) {
    float *values = g_malloc (n_bytes);
    for (size_t i = 0; i < n_bytes / sizeof (float); i++)
      values[i] = (float) ((uint32_t) i * 2654435761u >> 24);
    return (char *) values;
  }
  if (g_file_get_contents (file, &bytes, &n_read, error) && n_read != n_bytes)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: %zu bytes; a row of the input has %zu",
        file, n_read, n_bytes);
  return bytes;
}

/* The same row for each item. */
static void make_input (BenchSession *bench, uint32_t k, const BenchOptions *options)
{
  const WeirModel *model = weir_session_model (bench->session);
  WeirTensor *tensor = &bench->inputs[k];
  g_autoptr (GError) error = NULL;
  g_autofree char *row = NULL;
  size_t n_bytes = 0, n_items = (size_t) options->n_items;

  weir_model_input (model, k, tensor);
  tensor->dtype = WEIR_DTYPE_F32;
  if (!weir_tensor_bytes (tensor, &n_bytes) ||
      (n_items > 1 && weir_model_input_axis (model, k) != 0))
    g_set_error (
        &error, WEIR_ERROR, WEIR_ERROR_SHAPE, "input %u has no rows of a known size in dim 0", k);
  else
    row = read_row (options->input, n_bytes, &error);
  if (error)
    bench_fail (error);
  tensor->buffer = g_malloc_n (n_items, n_bytes);
  tensor->dims[0] *= options->n_items;
  for (size_t i = 0; i < n_items; i++)
    memcpy ((char *) tensor->buffer + i * n_bytes, row, n_bytes);
}

static bool are_above_zero (const BenchOptions *options)
{
  return options->n_callers >= 1 && options->n_rounds >= 1 && options->n_threads >= 1 &&
         options->n_in_flight >= 0 && options->seconds > 0 && options->n_items >= 1;
}

void bench_parse (int *argc, char ***argv, const char *arguments, const char *description,
    const GOptionEntry *more, BenchOptions *options)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_STRING, &options->model, "Model file", "FILE" },
    { "input-shape", 0, 0, G_OPTION_ARG_STRING, &options->input_shape, "1x3x320x320", "SHAPE" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device, "CPU, BATCH:CPU(8), SIM(4,1) …", "D" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options->precision, "f32, bf16, int8", "P" },
    { "performance-hint", 0, 0, G_OPTION_ARG_STRING, &options->performance_hint,
        "throughput (default), latency", "H" },
    { "config", 0, 0, G_OPTION_ARG_STRING, &options->config, "KEY=VALUE,…", "TEXT" },
    { "batch-size", 0, 0, G_OPTION_ARG_INT, &options->batch_size, "Largest batch", "N" },
    { "batch-timeout", 0, 0, G_OPTION_ARG_INT, &options->batch_timeout_ms, "-1: adaptive", "MS" },
    { "num-requests", 0, 0, G_OPTION_ARG_INT, &options->num_requests, "Items in flight", "N" },
    { "no-batching", 0, 0, G_OPTION_ARG_NONE, &options->no_batching, "Every batch is 1", NULL },
    { "input", 0, 0, G_OPTION_ARG_STRING, &options->input,
        "Raw f32: a row of the inputs that the model does not fill", "FILE" },
    { "items", 0, 0, G_OPTION_ARG_INT, &options->n_items, "Of a request (default 1)", "N" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  GOptionContext *context = g_option_context_new (arguments);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, more, NULL);
  g_option_context_set_description (context, description);
  if (g_option_context_parse (context, argc, argv, &error) && !are_above_zero (options))
    g_set_error_literal (&error, WEIR_ERROR, WEIR_ERROR_OPTION, "numbers must be above 0");
  g_option_context_free (context);
  if (error)
    bench_fail (error);
}

void bench_options_clear (BenchOptions *options)
{
  char *texts[] = { options->model, options->input_shape, options->device, options->precision,
    options->performance_hint, options->config, options->input };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
}

void bench_session_open (BenchSession *bench, const BenchOptions *options)
{
  const WeirSessionOptions session_options = {
    .model = options->model,
    .model_options.input_shape = options->input_shape,
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
      make_input (bench, k, options);
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
