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

static void parse (int *argc, char ***argv, BenchOptions *options)
{
  const GOptionEntry entries[] = {
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

  bench_parse (argc, argv, "CASE", cases, entries, options);
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

int main (int argc, char **argv)
{
  BenchOptions options = BENCH_OPTIONS_DEFAULT;

  parse (&argc, &argv, &options);
  int status = run_case (argc == 2 ? argv[1] : "", &options);
  bench_options_clear (&options);
  return status;
}
