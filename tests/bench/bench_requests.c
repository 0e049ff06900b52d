/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Benchmarks of requests over the public API, one case a start:
 *
 *     bench_requests CASE [--model FILE] [--device D] …      see --help
 *
 * Prints one JSON object. bench_batching.py and peers/bench_openvino_batch.py start it. */
#include "tests/bench/bench_cases.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  void (*run) (const BenchOptions *options);
  const char *blurb;
} CASES[] = {
  { "lone", bench_lone, "one request at a time, --rounds of them, up to --gap ms between" },
  { "burst", bench_burst, "--callers requests at once, --rounds times" },
  { "loops", bench_loops, "--callers loops for --seconds, the second half counts" },
  { "ends", bench_ends, "--callers cameras of --rate, the first ends after half of --seconds" },
  { "close", bench_close, "--callers requests queued, then the session is closed" },
  { "load", bench_load, "opens, runs one request, then --callers at once" },
  { "queue", bench_queue, "--threads with --in-flight requests each, --rounds items in all" },
  { "idle", bench_idle, "CPU time of a session with --callers streams at rest, --seconds" },
};

static char *describe_cases (void)
{
  GString *text = g_string_new ("Cases:\n");

  for (size_t i = 0; i < G_N_ELEMENTS (CASES); i++)
    g_string_append_printf (text, "  %-8s %s\n", CASES[i].name, CASES[i].blurb);
  return g_string_free (text, FALSE);
}

static bool parse (int *argc, char ***argv, BenchOptions *options, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_STRING, &options->model, "Model file", "FILE" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device, "CPU, BATCH:CPU(8), SIM(4,1) …", "D" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options->precision, "f32, bf16, int8", "P" },
    { "performance-hint", 0, 0, G_OPTION_ARG_STRING, &options->performance_hint,
        "throughput (default), latency", "H" },
    { "config", 0, 0, G_OPTION_ARG_STRING, &options->config, "KEY=VALUE,…", "TEXT" },
    { "batch-size", 0, 0, G_OPTION_ARG_INT, &options->batch_size, "Largest batch", "N" },
    { "batch-timeout", 0, 0, G_OPTION_ARG_INT, &options->batch_timeout_ms, "-1: adaptive", "MS" },
    { "num-requests", 0, 0, G_OPTION_ARG_INT, &options->num_requests, "Items in flight", "N" },
    { "no-batching", 0, 0, G_OPTION_ARG_NONE, &options->no_batching, "Every batch is 1", NULL },
    { "input", 0, 0, G_OPTION_ARG_STRING, &options->input, "Raw f32 of the first input", "FILE" },
    { "callers", 0, 0, G_OPTION_ARG_INT, &options->n_callers, "Streams (default 1)", "N" },
    { "rounds", 0, 0, G_OPTION_ARG_INT, &options->n_rounds, "Repetitions (default 10)", "N" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &options->n_threads, "Producers (default 1)", "N" },
    { "in-flight", 0, 0, G_OPTION_ARG_INT, &options->n_in_flight, "Of each (default 1)", "N" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &options->seconds, "Time (default 5)", "S" },
    { "gap", 0, 0, G_OPTION_ARG_DOUBLE, &options->gap_ms, "Longest pause (default 50)", "MS" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &options->rate, "Frames per second of each", "FPS" },
    { "drain", 0, 0, G_OPTION_ARG_NONE, &options->drain, "A camera that ends says so", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autofree char *cases = describe_cases ();
  GOptionContext *context = g_option_context_new ("CASE");

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, cases);
  bool ok = g_option_context_parse (context, argc, argv, error);
  g_option_context_free (context);
  if (ok && (options->n_callers < 1 || options->n_rounds < 1 || options->n_threads < 1 ||
                options->n_in_flight < 0 || options->seconds <= 0)) {
    g_set_error_literal (error, WEIR_ERROR, WEIR_ERROR_OPTION, "numbers must be above 0");
    ok = false;
  }
  return ok;
}

static int run_case (const char *name, const BenchOptions *options)
{
  for (size_t i = 0; i < G_N_ELEMENTS (CASES); i++) {
    if (strcmp (name, CASES[i].name) != 0)
      continue;
    printf ("{\"case\":\"%s\",", CASES[i].name);
    CASES[i].run (options);
    printf ("}\n");
    return 0;
  }
  fprintf (stderr, "bench_requests: there is no case '%s', see --help\n", name);
  return 2;
}

static void clear (BenchOptions *options)
{
  char *texts[] = { options->model, options->device, options->precision, options->performance_hint,
    options->config, options->input };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
}

int main (int argc, char **argv)
{
  BenchOptions options = { .batch_timeout_ms = -1,
    .n_callers = 1,
    .n_rounds = 10,
    .n_threads = 1,
    .n_in_flight = 1,
    .seconds = 5,
    .gap_ms = 50 };
  g_autoptr (GError) error = NULL;

  if (!parse (&argc, &argv, &options, &error))
    bench_fail (error);
  int status = run_case (argc == 2 ? argv[1] : "", &options);
  clear (&options);
  return status;
}
