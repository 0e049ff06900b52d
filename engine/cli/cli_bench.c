/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir bench: options, data, and the run. */
#include "engine/cli/cli_bench.h"

#include "engine/cli/cli.h"
#include <stdio.h>
#include <string.h>

#define MAX_STREAMS 1024
#define MAX_P99_MS  60000
#define NOT_GIVEN   G_MININT
/* Measured time: of a run, and of each of a search's. */
#define RUN_SECONDS   10
#define TRIAL_SECONDS 4
/* Of which --profile prepares pictures where the model takes any. */
#define PROFILE_PICTURE "1280x720"

typedef struct BenchOptions {
  int streams; /* NOT_GIVEN */
  char *rate, *items, *picture, *sort;
  double seconds, warmup, find_p99_ms; /* NOT_GIVEN */
  gboolean json, profile, peaks;
  BenchSort order; /* of `sort` */
} BenchOptions;

/* One number for all streams, or one a stream. */
static bool check_spread (
    const GArray *numbers, const char *what, uint32_t n_streams, GError **error)
{
  if (!numbers || numbers->len == 1 || numbers->len == n_streams)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: %u numbers for %u streams; give one or as many", what, numbers->len, n_streams);
  return false;
}

static double number_of (const GArray *numbers, uint32_t i, double none)
{
  return numbers ? g_array_index (numbers, double, numbers->len == 1 ? 0 : i) : none;
}

static bool check_whole (const GArray *items, GError **error)
{
  for (guint i = 0; items && i < items->len; i++) {
    double m = g_array_index (items, double, i);
    if (m == (double) (uint32_t) m)
      continue;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "--items: %g is not a whole number", m);
    return false;
  }
  return true;
}

/* Fills bench->rates and items. *n_streams: as many as asked for, else as many as numbers. */
static bool parse_streams (
    Bench *bench, const BenchOptions *options, uint32_t *n_streams, GError **error)
{
  if (options->rate &&
      !(bench->rates = cli_parse_numbers (options->rate, "--rate", 0.001, 100000, error)))
    return false;
  if (options->items &&
      !(bench->items = cli_parse_numbers (options->items, "--items", 1, 1024, error)))
    return false;
  *n_streams = MAX (bench->rates ? bench->rates->len : 1, bench->items ? bench->items->len : 1);
  if (options->streams != NOT_GIVEN)
    *n_streams = (uint32_t) options->streams;
  return check_whole (bench->items, error) &&
         check_spread (bench->rates, "--rate", *n_streams, error) &&
         check_spread (bench->items, "--items", *n_streams, error);
}

void bench_make_streams (Bench *bench, uint32_t n_streams)
{
  bench_free_streams (bench);
  bench->n_streams = n_streams;
  bench->streams = g_new0 (BenchStream, n_streams);
  for (uint32_t i = 0; i < n_streams; i++) {
    BenchStream *stream = &bench->streams[i];
    /* Cameras are not in step: multiples of the golden section spread phases evenly for any count.
     */
    double turns = i * 0.61803398875;
    stream->bench = bench;
    stream->items = (uint32_t) number_of (bench->items, i, 1);
    stream->period_ns = bench->rates ? 1e9 / number_of (bench->rates, i, 0) : 0;
    stream->phase_ns = (uint64_t) ((turns - (double) (uint64_t) turns) * stream->period_ns);
  }
}

void bench_free_streams (Bench *bench)
{
  for (uint32_t i = 0; bench->streams && i < bench->n_streams; i++) {
    g_clear_pointer (&bench->streams[i].latencies_us, g_array_unref);
    g_clear_error (&bench->streams[i].error);
  }
  g_clear_pointer (&bench->streams, g_free);
}

/* "1280x720" */
static bool parse_size (const char *text, uint32_t *width, uint32_t *height, GError **error)
{
  guint64 w = 0, h = 0;
  char *end = NULL;

  if (g_ascii_isdigit (text[0]))
    w = g_ascii_strtoull (text, &end, 10);
  if (end && *end == 'x' && g_ascii_isdigit (end[1]))
    h = g_ascii_strtoull (end + 1, &end, 10);
  if (!end || *end != '\0' || w < 1 || h < 1 || w > 16384 || h > 16384) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "--picture: '%s' is not WIDTHxHEIGHT with both in 1..16384", text);
    return false;
  }
  *width = (uint32_t) w;
  *height = (uint32_t) h;
  return true;
}

/* An NV12 picture with gradients and some texture. */
static bool make_picture (Bench *bench, const char *size, GError **error)
{
  uint32_t width, height;
  size_t stride, luma;

  if (!parse_size (size, &width, &height, error))
    return false;
  stride = (width + 1u) & ~1u;
  luma = stride * height;
  bench->pixels = g_malloc (luma + stride * ((height + 1) / 2));
  for (size_t y = 0; y < height + (height + 1) / 2; y++)
    for (size_t x = 0; x < stride; x++)
      bench->pixels[y * stride + x] = (uint8_t) (16 + (x + 2 * y + (x * y >> 5)) % 220);
  bench->picture = (WeirFrame){ .format = WEIR_PIXEL_NV12,
    .matrix = WEIR_MATRIX_BT709,
    .width_px = width,
    .height_px = height,
    .planes = { bench->pixels, bench->pixels + luma },
    .stride_bytes = { (int32_t) stride, (int32_t) stride } };
  return true;
}

static bool make_tensors (Bench *bench, GError **error)
{
  uint32_t most = 1;

  for (uint32_t i = 0; i < bench->n_streams; i++)
    most = MAX (most, bench->streams[i].items);
  bench->n_inputs = weir_model_n_inputs (bench->model);
  bench->inputs = g_new0 (CliTensor, bench->n_inputs);
  for (uint32_t k = 0; k < bench->n_inputs; k++)
    if (!cli_input_is_filled (bench->model, k) &&
        !cli_tensor_random (&bench->inputs[k], bench->model, k, most, error))
      return false;
  return true;
}

static void clear (Bench *bench)
{
  bench_free_streams (bench);
  for (uint32_t k = 0; bench->inputs && k < bench->n_inputs; k++)
    cli_tensor_clear (&bench->inputs[k]);
  g_free (bench->inputs);
  g_free (bench->pixels);
  g_clear_pointer (&bench->rates, g_array_unref);
  g_clear_pointer (&bench->items, g_array_unref);
}

static bool measure (Bench *bench, const BenchOptions *options, GError **error)
{
  g_autofree BenchResult *result = g_new0 (BenchResult, 1);

  if (!bench_load_run (bench, result, error))
    return false;
  if (options->json)
    bench_print_json (bench, result);
  else
    bench_print_text (bench, result);
  return true;
}

/* `model` may be NULL: some devices need none. */
static bool run (Bench *bench, const char *model, const BenchOptions *options, GError **error)
{
  g_autoptr (WeirSession) session = NULL;
  WeirSessionOptions session_options;
  uint32_t n_streams;

  if (!parse_streams (bench, options, &n_streams, error) ||
      (options->picture && !make_picture (bench, options->picture, error)) ||
      !cli_session_options (model, &session_options, error))
    return false;
  session = weir_session_open (&session_options, error);
  if (!session)
    return false;
  bench->session = session;
  bench->model = weir_session_model (session);
  bench_make_streams (bench, n_streams);
  if (options->profile && !options->picture && weir_model_check_picture (bench->model, NULL) &&
      !make_picture (bench, PROFILE_PICTURE, error))
    return false;
  if (!bench->pixels && !make_tensors (bench, error))
    return false;
  if (options->profile)
    return bench_profile (bench, bench->streams[0].items, options->order, options->json, error);
  if (options->find_p99_ms != NOT_GIVEN)
    return bench_find_streams (bench, options->find_p99_ms,
        options->streams == NOT_GIVEN ? MAX_STREAMS : n_streams, options->json, error);
  return measure (bench, options, error);
}

/* What a search cannot be given; NULL: all is well. */
static const char *find_problem (const BenchOptions *options)
{
  if (options->find_p99_ms == NOT_GIVEN)
    return NULL;
  if (!(options->find_p99_ms > 0 && options->find_p99_ms <= MAX_P99_MS))
    return "is not in 0..60000 ms";
  if (!options->rate || strchr (options->rate, ','))
    return "needs --rate with the one rate of all streams";
  if (options->items && strchr (options->items, ','))
    return "takes one number of --items for all streams";
  return options->profile ? "and --profile do not go together" : NULL;
}

/* What a profile cannot be given; NULL: all is well. Fills options->order. */
static const char *profile_problem (BenchOptions *options)
{
  if (options->sort && !options->profile)
    return "--sort is of --profile";
  if (options->sort && !bench_parse_sort (options->sort, &options->order))
    return "--sort: order, time or loss is expected";
  if (options->profile && options->items && strchr (options->items, ','))
    return "--profile takes one number of --items";
  if (options->peaks && options->profile)
    return "--peaks are a part of --profile: give one of them";
  return NULL;
}

static int check_options (const CliCommand *command, BenchOptions *options)
{
  const char *problem = find_problem (options);

  if (options->streams != NOT_GIVEN && (options->streams < 1 || options->streams > MAX_STREAMS))
    return cli_usage (command, "--streams: %d is not in 1..%d", options->streams, MAX_STREAMS);
  if (options->seconds != NOT_GIVEN && !(options->seconds > 0 && options->seconds <= 86400))
    return cli_usage (command, "--seconds: %g is not in 0..86400", options->seconds);
  if (!(options->warmup >= 0 && options->warmup <= 3600))
    return cli_usage (command, "--warmup: %g is not in 0..3600", options->warmup);
  if (problem)
    return cli_usage (command, "--find-streams: %g %s", options->find_p99_ms, problem);
  problem = profile_problem (options);
  if (problem)
    return cli_usage (command, "%s", problem);
  return CLI_OK;
}

int cli_bench (const CliCommand *command, int argc, char **argv)
{
  BenchOptions options = {
    .streams = NOT_GIVEN, .seconds = NOT_GIVEN, .warmup = 1, .find_p99_ms = NOT_GIVEN
  };
  const GOptionEntry entries[] = {
    { "streams", 0, 0, G_OPTION_ARG_INT, &options.streams,
        "Cameras: 1 to 1024 (default: as many as numbers in --rate or --items)", "K" },
    { "rate", 0, 0, G_OPTION_ARG_STRING, &options.rate,
        "Frames per second: one number, or one a stream (default: closed loop)", "FPS,..." },
    { "items", 0, 0, G_OPTION_ARG_STRING, &options.items,
        "Items per frame: one number, or one a stream (default 1)", "M,..." },
    { "find-streams", 0, 0, G_OPTION_ARG_DOUBLE, &options.find_p99_ms,
        "Find how many streams (up to --streams) keep their --rate with 99 % of their frames done "
        "within so many milliseconds",
        "P99_MS" },
    { "picture", 0, 0, G_OPTION_ARG_STRING, &options.picture,
        "Frames are NV12 pictures that are preprocessed, not tensors", "WxH" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &options.seconds,
        "Measured time (default 10; 4 for each trial of --find-streams)", "S" },
    { "warmup", 0, 0, G_OPTION_ARG_DOUBLE, &options.warmup,
        "Time before that, which does not count (default 1)", "S" },
    { "profile", 0, 0, G_OPTION_ARG_NONE, &options.profile,
        "Instead: time, work and share of the machine's peak of each step for a request of "
        "--items, "
        "by kind, and of preprocessing, decoding and queue",
        NULL },
    { "sort", 0, 0, G_OPTION_ARG_STRING, &options.sort,
        "Steps of --profile as they run (order, the default), by time, or by loss against the peak",
        "order|time|loss" },
    { "peaks", 0, 0, G_OPTION_ARG_NONE, &options.peaks,
        "Instead: what the machine can do, on one thread and on all; needs no model", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print a JSON object", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };
  int status = cli_parse (command, entries,
      CLI_OPTIONS_SESSION | CLI_OPTIONS_LABELS | CLI_OPTIONS_NORMAL, &argc, &argv, 0, 1);

  if (status == CLI_OK)
    status = check_options (command, &options);
  if (status == CLI_OK && options.peaks) {
    bench_print_peaks (options.json);
  } else if (status == CLI_OK) {
    bool is_search = options.find_p99_ms != NOT_GIVEN;
    bench.warmup_s = options.warmup;
    bench.seconds = options.seconds != NOT_GIVEN ? options.seconds
                    : is_search                  ? TRIAL_SECONDS
                                                 : RUN_SECONDS;
    if (!run (&bench, argc > 1 ? argv[1] : NULL, &options, &error))
      status = cli_fail (error);
    clear (&bench);
  }
  g_free (options.rate);
  g_free (options.items);
  g_free (options.picture);
  g_free (options.sort);
  return status;
}
