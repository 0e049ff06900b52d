/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir bench --find-streams: how many cameras a device holds. The number is doubled until one is
 * too many, then halved into: what holds for k streams is taken to hold for fewer. */
#include "engine/cli/cli_bench.h"

#include <stdio.h>

/* Of its rate a stream must keep so much; a frame at either end of the time may be missing. */
#define KEPT 0.98
/* A number is too many when so many trials say it: the machine has other things to do, too. */
#define N_TRIES 2

typedef struct Trial {
  uint32_t n_streams;
  double p99_us;       /* of all frames */
  double frames_per_s; /* of the slowest stream */
  double device_busy;
  bool holds;
} Trial;

typedef struct Search {
  Bench *bench;
  double p99_ms;
  bool as_json;
  GArray *trials; /* Trial */
} Search;

static double p99_of_all (const Bench *bench)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (uint32_t i = 0; i < bench->n_streams; i++) {
    const GArray *latencies_us = bench->streams[i].latencies_us;
    g_array_append_vals (all, latencies_us->data, latencies_us->len);
  }
  return bench_percentile (all, 99);
}

static void print_trial (const Search *search, const Trial *trial, const WeirStats *stats)
{
  if (search->as_json)
    return;
  if (search->trials->len == 0) {
    bench_print_head (search->bench, stats);
    printf ("%12s %10s %10s %8s\n", "streams", "p99 ms", "frames/s", "busy %");
  }
  printf ("%12u %10.1f %10.2f %8.0f   %s\n", trial->n_streams, trial->p99_us / 1000,
      trial->frames_per_s, trial->device_busy * 100, trial->holds ? "holds" : "too many");
  fflush (stdout);
}

static bool try_streams (Search *search, uint32_t n_streams, bool *holds, GError **error)
{
  g_autofree BenchResult *result = g_new0 (BenchResult, 1);
  Bench *bench = search->bench;
  double rate = g_array_index (bench->rates, double, 0);
  uint64_t n_least = UINT64_MAX;
  Trial trial = { .n_streams = n_streams };

  bench_make_streams (bench, n_streams);
  if (!bench_load_run (bench, result, error))
    return false;
  for (uint32_t i = 0; i < n_streams; i++)
    n_least = MIN (n_least, bench->streams[i].n_frames);
  trial.p99_us = p99_of_all (bench);
  trial.frames_per_s = (double) n_least / bench->seconds;
  trial.device_busy = result->device_busy;
  trial.holds = n_least > 0 && trial.p99_us <= search->p99_ms * 1000 &&
                (double) n_least >= KEPT * rate * bench->seconds - 1;
  print_trial (search, &trial, &result->stats);
  g_array_append_val (search->trials, trial);
  *holds = trial.holds;
  return true;
}

static bool try_again (Search *search, uint32_t n_streams, bool *holds, GError **error)
{
  *holds = false;
  for (int i = 0; i < N_TRIES && !*holds; i++)
    if (!try_streams (search, n_streams, holds, error))
      return false;
  return true;
}

static bool find (Search *search, uint32_t max_streams, uint32_t *most, GError **error)
{
  uint32_t n_good = 0, n_bad = max_streams + 1;

  while (n_good + 1 < n_bad) {
    uint32_t n = search->trials->len == 0 ? 1 : MIN (2 * n_good, max_streams);
    bool holds;
    if (n_bad <= max_streams)
      n = n_good + (n_bad - n_good) / 2;
    if (!try_again (search, n, &holds, error))
      return false;
    if (holds)
      n_good = n;
    else
      n_bad = n;
  }
  *most = n_good;
  return true;
}

static void print_json (const Search *search, uint32_t most)
{
  const Bench *bench = search->bench;
  g_autofree WeirStats *stats = g_new (WeirStats, 1);

  weir_session_stats (bench->session, stats);
  printf ("{\"device\":\"%s\",\"p99_ms\":%g,\"rate\":%g,\"items\":%u,\"streams\":%u,\"trials\":[",
      stats->device, search->p99_ms, g_array_index (bench->rates, double, 0),
      bench->streams[0].items, most);
  for (guint i = 0; i < search->trials->len; i++) {
    const Trial *trial = &g_array_index (search->trials, Trial, i);
    printf ("%s{\"streams\":%u,\"latency_us_p99\":%.0f,\"frames_per_s\":%.3f,\"device_busy\":%.4f,"
            "\"holds\":%s}",
        i ? "," : "", trial->n_streams, trial->p99_us, trial->frames_per_s, trial->device_busy,
        trial->holds ? "true" : "false");
  }
  printf ("]}\n");
}

bool bench_find_streams (
    Bench *bench, double p99_ms, uint32_t max_streams, bool as_json, GError **error)
{
  g_autoptr (GArray) trials = g_array_new (FALSE, FALSE, sizeof (Trial));
  Search search = { .bench = bench, .p99_ms = p99_ms, .as_json = as_json, .trials = trials };
  uint32_t most;

  if (!find (&search, max_streams, &most, error))
    return false;
  if (as_json)
    print_json (&search, most);
  else
    printf ("%-12s %u streams%s of %g frames/s with p99 <= %g ms\n", "holds", most,
        most == max_streams ? " or more" : "", g_array_index (bench->rates, double, 0), p99_ms);
  return true;
}
