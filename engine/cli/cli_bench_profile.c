/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir bench --profile and --peaks: each step beside what the machine could do. */
#include "engine/cli/cli_bench.h"

#include "engine/cli/cli.h"
#include <stdio.h>
#include <string.h>

/* Steps of one kind together, or one step. */
typedef struct Sum {
  const char *kind, *type;
  uint32_t n_steps;
  double ns, roof_ns, flops, bytes;
} Sum;

static const char *const sort_names[BENCH_N_SORTS] = { "order", "time", "loss" };

bool bench_parse_sort (const char *text, BenchSort *sort)
{
  for (int i = 0; i < BENCH_N_SORTS; i++)
    if (strcmp (text, sort_names[i]) == 0) {
      *sort = (BenchSort) i;
      return true;
    }
  return false;
}

static double ratio (double a, double b)
{
  return b > 0 ? a / b : 0;
}

static gint descending (double a, double b)
{
  return (a < b) - (a > b);
}

static gint by_time (gconstpointer a, gconstpointer b)
{
  return descending (((const WeirProfileStep *) a)->ns, ((const WeirProfileStep *) b)->ns);
}

static gint by_loss (gconstpointer a, gconstpointer b)
{
  const WeirProfileStep *x = a, *y = b;

  return descending (x->ns - x->roof_ns, y->ns - y->roof_ns);
}

static gint sums_by_time (gconstpointer a, gconstpointer b)
{
  return descending (((const Sum *) a)->ns, ((const Sum *) b)->ns);
}

/* One for each kind and type, the slowest first. */
static GArray *sum_kinds (const WeirProfile *profile)
{
  GArray *sums = g_array_new (FALSE, TRUE, sizeof (Sum));

  for (uint32_t i = 0; i < profile->n_steps; i++) {
    const WeirProfileStep *step = &profile->steps[i];
    Sum *sum = NULL;
    for (guint k = 0; k < sums->len && !sum; k++) {
      Sum *other = &g_array_index (sums, Sum, k);
      if (strcmp (other->kind, step->kind) == 0 && strcmp (other->type, step->type) == 0)
        sum = other;
    }
    if (!sum) {
      g_array_set_size (sums, sums->len + 1);
      sum = &g_array_index (sums, Sum, sums->len - 1);
      sum->kind = step->kind;
      sum->type = step->type;
    }
    sum->n_steps++;
    sum->ns += step->ns;
    sum->roof_ns += step->roof_ns;
    sum->flops += step->flops;
    sum->bytes += step->bytes;
  }
  g_array_sort (sums, sums_by_time);
  return sums;
}

static double total_ns (const WeirProfile *profile)
{
  return profile->preprocess_ns + profile->steps_ns + profile->postprocess_ns +
         MAX (profile->queue_ns, 0);
}

static void print_peak (const char *name, double gflops, const char *loop)
{
  if (gflops > 0)
    printf (", %s %.1f GFLOP/s (%s)", name, gflops, loop);
  else
    printf (", %s none of its own", name);
}

static void print_device_peaks (const WeirPeaks *peaks)
{
  printf ("%-14s device", "peaks");
  print_peak ("f32", peaks->f32_gflops, peaks->f32_loop);
  print_peak ("f16", peaks->f16_gflops, peaks->f32_loop);
  print_peak ("int8", peaks->int8_gflops, peaks->int8_loop);
  printf (", cache %.1f GB/s (%.1f MB), memory %.1f GB/s, upload %.1f GB/s, download %.1f GB/s, "
          "a launch %.2f us\n",
      peaks->l2_gbps, (double) peaks->l2_bytes / 1048576, peaks->memory_gbps, peaks->upload_gbps,
      peaks->download_gbps, peaks->launch_us);
}

static void print_peaks (const WeirPeaks *peaks)
{
  if (peaks->n_threads == 0) {
    print_device_peaks (peaks);
    return;
  }
  printf ("%-14s %u thread%s", "peaks", peaks->n_threads, peaks->n_threads > 1 ? "s" : "");
  print_peak ("f32", peaks->f32_gflops, peaks->f32_loop);
  print_peak ("bf16", peaks->bf16_gflops, peaks->bf16_loop);
  print_peak ("int8", peaks->int8_gflops, peaks->int8_loop);
  printf (", second-level cache %.1f GB/s (%.1f MB)", peaks->l2_gbps,
      (double) peaks->l2_bytes / 1048576);
  if (peaks->l3_gbps > 0)
    printf (", last-level %.1f GB/s (%.1f MB)", peaks->l3_gbps, (double) peaks->l3_bytes / 1048576);
  printf (", memory %.1f GB/s\n", peaks->memory_gbps);
}

static void print_peaks_json (const WeirPeaks *peaks)
{
  const struct {
    const char *name, *loop;
    double gflops;
  } rows[] = {
    { "f32", peaks->f32_loop, peaks->f32_gflops },
    { "bf16", peaks->bf16_loop, peaks->bf16_gflops },
    { "int8", peaks->int8_loop, peaks->int8_gflops },
  };

  printf ("{\"threads\":%u", peaks->n_threads);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *loop = rows[i].loop ? cli_json_string (rows[i].loop) : g_strdup ("null");
    printf (",\"%s_gflops\":%.3f,\"%s_loop\":%s", rows[i].name, rows[i].gflops, rows[i].name, loop);
  }
  printf (",\"l2_gbps\":%.3f,\"l2_bytes\":%" G_GUINT64_FORMAT
          ",\"l3_gbps\":%.3f,\"l3_bytes\":%" G_GUINT64_FORMAT ",\"memory_gbps\":%.3f",
      peaks->l2_gbps, peaks->l2_bytes, peaks->l3_gbps, peaks->l3_bytes, peaks->memory_gbps);
  if (peaks->n_threads == 0)
    printf (",\"f16_gflops\":%.3f,\"upload_gbps\":%.3f,\"download_gbps\":%.3f,\"launch_us\":%.3f",
        peaks->f16_gflops, peaks->upload_gbps, peaks->download_gbps, peaks->launch_us);
  printf ("}");
}

void bench_print_peaks (bool as_json)
{
  const uint32_t n_threads[] = { 1, 0 };
  WeirPeaks peaks;

  printf ("%s", as_json ? "{\"peaks\":[" : "");
  for (size_t i = 0; i < G_N_ELEMENTS (n_threads); i++) {
    weir_peaks_measure (n_threads[i], &peaks);
    if (as_json && i)
      printf (",");
    if (as_json)
      print_peaks_json (&peaks);
    else
      print_peaks (&peaks);
  }
  printf ("%s", as_json ? "]}\n" : "");
}

/* Times in us, work in millions and thousands; rates follow. */
static void print_figures (double ns, double roof_ns, double flops, double bytes, double all_ns)
{
  printf ("%10.1f %5.1f %9.2f %9.1f %8.1f %7.1f %5.0f %9.1f", ns / 1e3, 100 * ratio (ns, all_ns),
      flops / 1e6, bytes / 1e3, ratio (flops, ns), ratio (bytes, ns), 100 * ratio (roof_ns, ns),
      (ns - roof_ns) / 1e3);
}

#define FIGURES "        us     %     MFLOP        KB  GFLOP/s    GB/s %peak   lost us"

static void print_steps (const WeirProfile *profile)
{
  printf ("\n%s  type layout kind, shapes, implementation, name\n", FIGURES);
  for (uint32_t i = 0; i < profile->n_steps; i++) {
    const WeirProfileStep *step = &profile->steps[i];
    print_figures (step->ns, step->roof_ns, step->flops, step->bytes, profile->steps_ns);
    printf ("  %-4s %-6s %s%s%s  %s  %s:%s  %s\n", step->type, step->layout, step->kind,
        *step->fused ? " " : "", step->fused, step->shapes, step->backend, step->implementation,
        step->name);
  }
}

static void print_kinds (const WeirProfile *profile)
{
  g_autoptr (GArray) sums = sum_kinds (profile);

  printf ("\n%s  type steps kind\n", FIGURES);
  for (guint k = 0; k < sums->len; k++) {
    const Sum *sum = &g_array_index (sums, Sum, k);
    print_figures (sum->ns, sum->roof_ns, sum->flops, sum->bytes, profile->steps_ns);
    printf ("  %-4s %5u %s\n", sum->type, sum->n_steps, sum->kind);
  }
}

static void print_total (const WeirProfile *profile)
{
  double flops = 0, bytes = 0;

  for (uint32_t i = 0; i < profile->n_steps; i++) {
    flops += profile->steps[i].flops;
    bytes += profile->steps[i].bytes;
  }
  print_figures (profile->steps_ns, profile->roof_ns, flops, bytes, profile->steps_ns);
  printf ("  all  %5u steps\n\n", profile->n_steps);
  printf ("%-14s %10.1f us\n", "preprocessing", profile->preprocess_ns / 1e3);
  printf ("%-14s %10.1f us\n", "steps", profile->steps_ns / 1e3);
  if (profile->peaks.n_threads == 0)
    printf ("%-14s %10.1f us, by the host's clock\n", "run", profile->run_ns / 1e3);
  printf ("%-14s %10.1f us\n", "decoding", profile->postprocess_ns / 1e3);
  if (profile->queue_ns >= 0)
    printf ("%-14s %10.1f us\n", "queue", profile->queue_ns / 1e3);
  printf ("%-14s %10.1f us for %u item%s\n", "total", total_ns (profile) / 1e3, profile->n_items,
      profile->n_items > 1 ? "s" : "");
}

static void print_text (const Bench *bench, const WeirProfile *profile)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);

  weir_session_stats (bench->session, stats);
  bench_print_head (bench, stats);
  print_peaks (&profile->peaks);
  print_steps (profile);
  print_kinds (profile);
  print_total (profile);
}

static void print_figures_json (double ns, double roof_ns, double flops, double bytes)
{
  printf ("\"us\":%.3f,\"roof_us\":%.3f,\"peak_share\":%.4f,\"flops\":%.0f,\"bytes\":%.0f,"
          "\"gflops\":%.3f,\"gbps\":%.3f",
      ns / 1e3, roof_ns / 1e3, ratio (roof_ns, ns), flops, bytes, ratio (flops, ns),
      ratio (bytes, ns));
}

static void print_member (const char *name, const char *text)
{
  g_autofree char *quoted = cli_json_string (text);

  printf (",\"%s\":%s", name, quoted);
}

static void print_step_json (const WeirProfileStep *step)
{
  printf ("{");
  print_figures_json (step->ns, step->roof_ns, step->flops, step->bytes);
  print_member ("bound", step->is_transfer        ? "transfer"
                         : step->is_compute_bound ? "compute"
                                                  : "memory");
  printf (",\"commands\":%u", step->n_commands);
  print_member ("kind", step->kind);
  print_member ("fused", step->fused);
  print_member ("type", step->type);
  print_member ("layout", step->layout);
  print_member ("shapes", step->shapes);
  print_member ("backend", step->backend);
  print_member ("implementation", step->implementation);
  print_member ("name", step->name);
  printf ("}");
}

static void print_kinds_json (const WeirProfile *profile)
{
  g_autoptr (GArray) sums = sum_kinds (profile);

  printf ("],\"kinds\":[");
  for (guint k = 0; k < sums->len; k++) {
    const Sum *sum = &g_array_index (sums, Sum, k);
    printf ("%s{\"n_steps\":%u,", k ? "," : "", sum->n_steps);
    print_figures_json (sum->ns, sum->roof_ns, sum->flops, sum->bytes);
    print_member ("kind", sum->kind);
    print_member ("type", sum->type);
    printf ("}");
  }
}

static void print_json (const Bench *bench, const WeirProfile *profile)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);

  weir_session_stats (bench->session, stats);
  printf ("{\"items\":%u", profile->n_items);
  print_member ("model", weir_model_name (bench->model));
  print_member ("device", stats->device);
  print_member ("precision", stats->precision);
  printf (",\"total_us\":%.3f,\"preprocess_us\":%.3f,\"steps_us\":%.3f,\"run_us\":%.3f,"
          "\"postprocess_us\":%.3f",
      total_ns (profile) / 1e3, profile->preprocess_ns / 1e3, profile->steps_ns / 1e3,
      profile->run_ns / 1e3, profile->postprocess_ns / 1e3);
  if (profile->queue_ns >= 0)
    printf (",\"queue_us\":%.3f", profile->queue_ns / 1e3);
  else
    printf (",\"queue_us\":null");
  printf (",\"roof_us\":%.3f,\"peak_share\":%.4f,\"peaks\":", profile->roof_ns / 1e3,
      ratio (profile->roof_ns, profile->steps_ns));
  print_peaks_json (&profile->peaks);
  printf (",\"steps\":[");
  for (uint32_t i = 0; i < profile->n_steps; i++) {
    printf ("%s", i ? "," : "");
    print_step_json (&profile->steps[i]);
  }
  print_kinds_json (profile);
  printf ("]}\n");
}

bool bench_profile (Bench *bench, uint32_t n_items, BenchSort sort, bool as_json, GError **error)
{
  WeirStream *stream = weir_stream_new (bench->session, "profile", 0);
  WeirRequest *request = weir_request_new (stream);
  g_autoptr (WeirProfile) profile = NULL;

  if (bench_fill (bench, n_items, request, error))
    profile = weir_request_profile (request, error);
  weir_request_free (request);
  weir_stream_free (stream);
  if (!profile)
    return false;
  if (sort != BENCH_SORT_ORDER)
    qsort (profile->steps, profile->n_steps, sizeof *profile->steps,
        sort == BENCH_SORT_TIME ? by_time : by_loss);
  if (as_json)
    print_json (bench, profile);
  else
    print_text (bench, profile);
  return true;
}
