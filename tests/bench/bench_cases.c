/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Latency, bursts, loops, an ending camera, closing and loading, over the public API. */
#include "tests/bench/bench_cases.h"

#include <stdio.h>

static double since_ms (uint64_t start_ns)
{
  return (double) (bench_now_ns () - start_ns) / 1e6;
}

void bench_lone (const BenchOptions *options)
{
  g_autofree double *latencies_ms = g_new0 (double, (size_t) options->n_rounds);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  BenchSession bench;

  bench_session_open (&bench, options);
  WeirStream *stream = weir_stream_new (bench.session, "lone", 0);
  WeirRequest *request = bench_request_new (&bench, stream);
  bench_request_run (request);
  for (int i = 0; i < options->n_rounds; i++) {
    bench_sleep_until (
        bench_now_ns () + (uint64_t) (g_rand_double (random) * options->gap_ms * 1e6));
    uint64_t start_ns = bench_now_ns ();
    bench_request_run (request);
    latencies_ms[i] = since_ms (start_ns);
  }
  bench_print_numbers ("latency_ms", latencies_ms, (uint32_t) options->n_rounds);
  bench_print_stats (&bench);
  weir_stream_free (stream);
  weir_request_free (request);
  bench_session_close (&bench);
}

void bench_burst (const BenchOptions *options)
{
  uint32_t n = (uint32_t) options->n_callers;
  g_autofree double *all_ms = g_new0 (double, (size_t) options->n_rounds);
  g_autofree double *first_ms = g_new0 (double, (size_t) options->n_rounds);
  BenchSession bench;
  BenchGate gate;

  bench_session_open (&bench, options);
  bench_gate_init (&gate);
  BenchCaller *callers = bench_callers_new (&bench, &gate, n, 0);
  for (int round = -1; round < options->n_rounds; round++) {
    uint64_t start_ns = bench_now_ns (), first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++)
      bench_caller_submit (&callers[i]);
    bench_gate_wait (&gate, n);
    if (round < 0) /* plans are made when they are first needed */
      continue;
    all_ms[round] = since_ms (start_ns);
    for (uint32_t i = 0; i < n; i++)
      first_ns = MIN (first_ns, callers[i].done_ns);
    first_ms[round] = (double) (first_ns - start_ns) / 1e6;
  }
  bench_print_numbers ("all_ms", all_ms, (uint32_t) options->n_rounds);
  bench_print_numbers ("first_ms", first_ms, (uint32_t) options->n_rounds);
  bench_print_stats (&bench);
  bench_callers_free (callers, n);
  bench_session_close (&bench);
}

/* A camera, or a loop where it has no period. */
typedef struct Loop {
  pthread_t thread;
  WeirStream *stream;
  WeirRequest *request;
  uint64_t from_ns, count_ns, until_ns, end_ns; /* counted from count_ns to end_ns */
  double period_ns;
  bool drains;
  uint32_t n_counted;
} Loop;

static void *run_loop (void *user)
{
  Loop *loop = user;

  for (uint32_t i = 0; bench_now_ns () < loop->until_ns; i++) {
    if (loop->period_ns > 0)
      bench_sleep_until (loop->from_ns + (uint64_t) (i * loop->period_ns));
    bench_request_run (loop->request);
    uint64_t now_ns = bench_now_ns ();
    loop->n_counted += now_ns >= loop->count_ns && now_ns < loop->end_ns;
  }
  if (loop->drains)
    weir_stream_drain (loop->stream);
  return NULL;
}

/* All loops from now on; frames of the second half of the time count. */
static void run_loops (const BenchOptions *options, const BenchSession *bench, bool first_ends)
{
  uint32_t n = (uint32_t) options->n_callers;
  g_autofree Loop *loops = g_new0 (Loop, n);
  g_autofree double *per_s = g_new0 (double, n);
  uint64_t start_ns = bench_now_ns () + 20000000u, half_ns = (uint64_t) (options->seconds * 0.5e9);

  for (uint32_t i = 0; i < n; i++) {
    loops[i] = (Loop){ .from_ns = start_ns,
      .count_ns = start_ns + half_ns,
      .until_ns = start_ns + (i == 0 && first_ends ? half_ns : 2 * half_ns),
      .end_ns = start_ns + 2 * half_ns,
      .drains = options->drain };
    loops[i].stream = weir_stream_new (bench->session, NULL, 0);
    loops[i].request = bench_request_new (bench, loops[i].stream);
    if (options->rate > 0) {
      loops[i].period_ns = 1e9 / options->rate;
      loops[i].from_ns += (uint64_t) (loops[i].period_ns * i / n);
    }
  }
  for (uint32_t i = 0; i < n; i++)
    pthread_create (&loops[i].thread, NULL, run_loop, &loops[i]);
  for (uint32_t i = 0; i < n; i++) {
    pthread_join (loops[i].thread, NULL);
    per_s[i] = loops[i].n_counted / (options->seconds / 2);
  }
  bench_print_numbers ("per_s", per_s, n);
  bench_print_stats (bench);
  for (uint32_t i = 0; i < n; i++) {
    weir_stream_free (loops[i].stream);
    weir_request_free (loops[i].request);
  }
}

void bench_loops (const BenchOptions *options)
{
  BenchSession bench;

  bench_session_open (&bench, options);
  run_loops (options, &bench, false);
  bench_session_close (&bench);
}

void bench_ends (const BenchOptions *options)
{
  BenchSession bench;

  bench_session_open (&bench, options);
  run_loops (options, &bench, true);
  bench_session_close (&bench);
}

void bench_close (const BenchOptions *options)
{
  uint32_t n = (uint32_t) options->n_callers, n_cancelled = 0;
  BenchSession bench;
  BenchGate gate;

  bench_session_open (&bench, options);
  bench_gate_init (&gate);
  BenchCaller *callers = bench_callers_new (&bench, &gate, n, (uint32_t) options->n_in_flight);
  bench_request_run (callers[0].request);
  for (uint32_t i = 0; i < n; i++)
    bench_caller_submit (&callers[i]);
  uint64_t start_ns = bench_now_ns ();
  for (uint32_t i = 0; i < n; i++)
    weir_stream_free (callers[i].stream);
  bench_gate_wait (&gate, n);
  for (uint32_t i = 0; i < n; i++) {
    n_cancelled += callers[i].is_cancelled;
    weir_request_free (callers[i].request);
  }
  bench_session_close (&bench);
  printf ("\"close_ms\":%.3f,\"n_cancelled\":%u", since_ms (start_ns), n_cancelled);
  g_free (callers);
}

void bench_load (const BenchOptions *options)
{
  double rss_mb = bench_rss_mb ();
  uint32_t n = (uint32_t) options->n_callers;
  uint64_t start_ns = bench_now_ns ();
  BenchSession bench;
  BenchGate gate;

  bench_session_open (&bench, options);
  bench_gate_init (&gate);
  BenchCaller *callers = bench_callers_new (&bench, &gate, n, 0);
  bench_request_run (callers[0].request);
  printf ("\"open_ms\":%.3f,\"first_ms\":%.3f,\"first_rss_mb\":%.1f,", bench.open_ms,
      since_ms (start_ns), bench_rss_mb () - rss_mb);
  for (uint32_t i = 0; i < n; i++)
    bench_caller_submit (&callers[i]);
  bench_gate_wait (&gate, n);
  printf ("\"all_ms\":%.3f,\"all_rss_mb\":%.1f,", since_ms (start_ns), bench_rss_mb () - rss_mb);
  bench_print_stats (&bench);
  bench_callers_free (callers, n);
  bench_session_close (&bench);
}
