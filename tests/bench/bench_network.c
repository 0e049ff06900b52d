/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One session of a network that is measured on demand, so that others can be measured in between:
 *
 *     bench_network MODEL [--input FILE] [--items N] …      see --help
 *
 * Opens it, runs one request and says how long that took; then obeys lines on stdin until it ends:
 *
 *     rate SECONDS STREAMS REQUESTS   that many streams keep that many requests each in flight
 *     latency SECONDS                 one request after the other
 *
 * Each answer is one JSON object a line. Inputs are tensors in memory, outputs are copied to the
 * request's own: neither preprocessing nor decoding is in it. peers/bench_networks.py starts it. */
#include "tests/bench/bench_kit.h"

#include <stdio.h>

#define MAX_STREAMS  64
#define MAX_REQUESTS 256
#define MAX_SECONDS  3600

typedef struct Loop {
  pthread_t thread;
  WeirStream *stream;
  WeirRequest **requests;
  uint32_t n_requests;
  uint64_t until_ns, n_items;
} Loop;

static void must (bool ok, GError *error)
{
  if (!ok)
    bench_fail (error);
}

static WeirRequest *make_request (const BenchSession *bench, WeirStream *stream)
{
  WeirRequest *request = bench_request_new (bench, stream);

  weir_request_keep_outputs (request, true);
  return request;
}

/* Requests go round: the oldest one is waited for and started again. */
static void *run_loop (void *user)
{
  Loop *loop = user;
  GError *error = NULL;
  uint32_t n_flying = loop->n_requests;
  bool is_over;

  for (uint32_t i = 0; i < loop->n_requests; i++)
    must (weir_request_start (loop->requests[i], &error), error);
  for (uint32_t i = 0; n_flying > 0; i = (i + 1) % loop->n_requests) {
    must (weir_request_wait (loop->requests[i], -1, &is_over, &error), error);
    loop->n_items += weir_request_n_items (loop->requests[i]);
    if (bench_now_ns () < loop->until_ns)
      must (weir_request_start (loop->requests[i], &error), error);
    else
      n_flying--;
  }
  return NULL;
}

static void init_loop (
    Loop *loop, const BenchSession *bench, const BenchOptions *options, uint32_t n_requests)
{
  loop->n_requests = n_requests;
  loop->stream = weir_stream_new (bench->session, NULL, n_requests * (uint32_t) options->n_items);
  loop->requests = g_new0 (WeirRequest *, n_requests);
  for (uint32_t i = 0; i < n_requests; i++)
    loop->requests[i] = make_request (bench, loop->stream);
}

static void clear_loop (Loop *loop)
{
  for (uint32_t i = 0; i < loop->n_requests; i++)
    weir_request_free (loop->requests[i]);
  g_free (loop->requests);
  weir_stream_free (loop->stream);
}

/* All that was started counts, over the time until the last of it was back. */
static void measure_rate (const BenchSession *bench, const BenchOptions *options, double seconds,
    uint32_t n_streams, uint32_t n_requests)
{
  g_autofree Loop *loops = g_new0 (Loop, n_streams);
  uint64_t n_items = 0;

  for (uint32_t i = 0; i < n_streams; i++)
    init_loop (&loops[i], bench, options, n_requests);
  uint64_t start_ns = bench_now_ns ();
  for (uint32_t i = 0; i < n_streams; i++) {
    loops[i].until_ns = start_ns + (uint64_t) (seconds * 1e9);
    must (pthread_create (&loops[i].thread, NULL, run_loop, &loops[i]) == 0, NULL);
  }
  for (uint32_t i = 0; i < n_streams; i++) {
    pthread_join (loops[i].thread, NULL);
    n_items += loops[i].n_items;
  }
  double elapsed_s = (double) (bench_now_ns () - start_ns) / 1e9;
  printf ("{\"items_per_s\":%.3f}\n", (double) n_items / elapsed_s);
  for (uint32_t i = 0; i < n_streams; i++)
    clear_loop (&loops[i]);
}

static int compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static void measure_latency (const BenchSession *bench, double seconds)
{
  g_autoptr (GArray) latencies_ms = g_array_new (FALSE, FALSE, sizeof (double));
  WeirStream *stream = weir_stream_new (bench->session, NULL, 0);
  WeirRequest *request = make_request (bench, stream);
  uint64_t start_ns = bench_now_ns (), until_ns = start_ns + (uint64_t) (seconds * 1e9);

  do {
    bench_request_run (request);
    uint64_t now_ns = bench_now_ns ();
    double ms = (double) (now_ns - start_ns) / 1e6;
    g_array_append_val (latencies_ms, ms);
    start_ns = now_ns;
  } while (start_ns < until_ns);
  g_array_sort (latencies_ms, compare_doubles);
  printf ("{\"p50_ms\":%.4f,\"n\":%u}\n",
      g_array_index (latencies_ms, double, latencies_ms->len / 2), latencies_ms->len);
  weir_request_free (request);
  weir_stream_free (stream);
}

/* output_0.pb … in folder, where one is given. */
static void save_outputs (const BenchSession *bench, WeirRequest *request, const char *folder)
{
  const WeirModel *model = weir_session_model (bench->session);
  WeirTensor shape;
  GError *error = NULL;

  for (uint32_t k = 0; folder && k < weir_model_n_outputs (model); k++) {
    g_autofree char *path = g_strdup_printf ("%s/output_%u.pb", folder, k);
    const char *name = weir_model_output (model, k, &shape);
    must (weir_tensor_save_pb (path, name, weir_request_output (request, k), &error), error);
  }
}

static void open_and_run (
    BenchSession *bench, const BenchOptions *options, const char *outputs_folder)
{
  double rss_mb = bench_rss_mb ();
  uint64_t start_ns = bench_now_ns ();

  bench_session_open (bench, options);
  WeirStream *stream = weir_stream_new (bench->session, NULL, 0);
  WeirRequest *request = make_request (bench, stream);
  bench_request_run (request);
  double first_ms = (double) (bench_now_ns () - start_ns) / 1e6;
  rss_mb = bench_rss_mb () - rss_mb;
  save_outputs (bench, request, outputs_folder);
  printf ("{\"open_ms\":%.3f,\"first_ms\":%.3f,\"rss_mb\":%.1f,\"optimal\":%u,", bench->open_ms,
      first_ms, rss_mb, weir_session_optimal_requests (bench->session));
  bench_print_stats (bench);
  printf ("}\n");
  weir_request_free (request);
  weir_stream_free (stream);
}

static bool obey (const BenchSession *bench, const BenchOptions *options, const char *line)
{
  double seconds;
  uint32_t n_streams, n_requests;

  if (sscanf (line, "rate %lf %u %u", &seconds, &n_streams, &n_requests) == 3 && seconds > 0 &&
      seconds <= MAX_SECONDS && n_streams >= 1 && n_streams <= MAX_STREAMS && n_requests >= 1 &&
      n_requests <= MAX_REQUESTS)
    measure_rate (bench, options, seconds, n_streams, n_requests);
  else if (sscanf (line, "latency %lf", &seconds) == 1 && seconds > 0 && seconds <= MAX_SECONDS)
    measure_latency (bench, seconds);
  else
    return false;
  return true;
}

int main (int argc, char **argv)
{
  BenchOptions options = BENCH_OPTIONS_DEFAULT;
  g_autofree char *outputs_folder = NULL;
  const GOptionEntry entries[] = {
    { "outputs", 0, 0, G_OPTION_ARG_FILENAME, &outputs_folder,
        "Folder for output_0.pb … of the first request", "DIR" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  BenchSession bench;
  char line[256];
  int status = 0;

  bench_parse (&argc, &argv, "MODEL", NULL, entries, &options);
  if (argc != 2) {
    fprintf (stderr, "bench_network: one MODEL is expected, see --help\n");
    return 2;
  }
  g_free (options.model);
  options.model = g_strdup (argv[1]);
  setlinebuf (stdout);
  open_and_run (&bench, &options, outputs_folder);
  while (status == 0 && fgets (line, sizeof line, stdin))
    if (!obey (&bench, &options, line)) {
      fprintf (stderr,
          "bench_network: 'rate SECONDS STREAMS REQUESTS' or 'latency SECONDS' is "
          "expected, not: %s",
          line);
      status = 2;
    }
  bench_session_close (&bench);
  bench_options_clear (&options);
  return status;
}
