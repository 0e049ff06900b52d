/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What weir bench prints. */
#include "engine/cli/cli_bench.h"

#include "engine/cli/cli.h"
#include <math.h>
#include <stdio.h>

static gint by_value (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return (x > y) - (x < y);
}

double bench_percentile (GArray *values_us, double p)
{
  guint rank;

  if (values_us->len == 0)
    return 0;
  g_array_sort (values_us, by_value);
  rank = (guint) fmax (ceil (p / 100 * values_us->len), 1);
  return (double) g_array_index (values_us, guint32, rank - 1);
}

static uint64_t count_items (const Bench *bench)
{
  uint64_t n = 0;

  for (uint32_t i = 0; i < bench->n_streams; i++)
    n += bench->streams[i].n_frames * bench->streams[i].items;
  return n;
}

void bench_print_json (const Bench *bench, const BenchResult *result)
{
  g_autofree char *stats = weir_stats_to_json (&result->stats);

  printf ("{\"seconds\":%.3f,\"items_per_s\":%.3f,\"per_stream\":[", bench->seconds,
      (double) count_items (bench) / bench->seconds);
  for (uint32_t i = 0; i < bench->n_streams; i++) {
    const BenchStream *stream = &bench->streams[i];
    printf ("%s{\"frames_per_s\":%.3f,\"latency_us_p50\":%.0f,\"latency_us_p99\":%.0f,"
            "\"dropped\":%" G_GUINT64_FORMAT "}",
        i ? "," : "", (double) stream->n_frames / bench->seconds,
        bench_percentile (stream->latencies_us, 50), bench_percentile (stream->latencies_us, 99),
        stream->n_dropped);
  }
  printf ("],\"device_busy\":%.4f,\"cpu_seconds\":%.3f,\"peak_rss_mb\":%.1f,\"load_ms\":%.1f,"
          "\"stats\":%s}\n",
      result->device_busy, result->cpu_seconds, result->peak_rss_mb, result->stats.load_ms, stats);
}

static void print_stream (const char *title, double seconds, const BenchStream *stream)
{
  printf ("%-12s %8.1f frames/s   p50 %.1f ms, p99 %.1f ms", title,
      (double) stream->n_frames / seconds, bench_percentile (stream->latencies_us, 50) / 1000,
      bench_percentile (stream->latencies_us, 99) / 1000);
  if (stream->n_dropped)
    printf ("   %" G_GUINT64_FORMAT " dropped", stream->n_dropped);
  printf ("\n");
}

static void print_cuts (const WeirStats *stats)
{
  const struct {
    const char *name;
    uint64_t n;
  } cuts[] = {
    { "full", stats->cut_full },
    { "complete", stats->cut_complete },
    { "deadline", stats->cut_deadline },
    { "idle", stats->cut_idle },
    { "drain", stats->cut_drain },
  };

  printf ("%-12s mean %.2f, at most %u (%s); cut when", "batches", stats->mean_batch,
      stats->batch_max, stats->batch_max_reason ? stats->batch_max_reason : "automatic");
  for (size_t i = 0; i < G_N_ELEMENTS (cuts); i++)
    if (cuts[i].n)
      printf (" %s %" G_GUINT64_FORMAT, cuts[i].name, cuts[i].n);
  printf ("\n");
}

void bench_print_head (const Bench *bench, const WeirStats *stats)
{
  printf ("%-12s %s on %s, %s, loaded in %.0f ms\n", "model", weir_model_name (bench->model),
      stats->device, stats->precision, stats->load_ms);
  if (cli_is_simulated (stats))
    printf ("%-12s %s takes its time and gives zeros\n", "simulated", stats->device);
}

void bench_print_text (const Bench *bench, const BenchResult *result)
{
  const WeirStats *stats = &result->stats;

  bench_print_head (bench, stats);
  printf ("%-12s %8.1f items/s in %.1f s after %.1f s of warm-up\n", "throughput",
      (double) count_items (bench) / bench->seconds, bench->seconds, bench->warmup_s);
  for (uint32_t i = 0; i < bench->n_streams; i++) {
    g_autofree char *title = g_strdup_printf ("stream %u", i);
    print_stream (title, bench->seconds, &bench->streams[i]);
  }
  print_cuts (stats);
  if (stats->batch_limit_reason)
    printf ("%-12s %s\n", "no batching:", stats->batch_limit_reason);
  printf ("%-12s busy %.0f %% of %u workers; %.2f CPU cores; %.0f MB at most\n", "device",
      result->device_busy * 100, stats->n_workers, result->cpu_seconds / bench->seconds,
      result->peak_rss_mb);
}
