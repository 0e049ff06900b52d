/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir bench: options, data, and the run. */
#include "engine/cli/cli_bench.h"

#include "engine/cli/cli.h"
#include <stdio.h>
#include <string.h>

#define MAX_STREAMS 1024

typedef struct BenchOptions {
  int streams;
  char *rate, *items, *picture;
  double seconds, warmup;
  gboolean json, profile;
} BenchOptions;

/* One number for all streams, or one a stream. */
static bool spread (const char *text, const char *what, double min, double max, uint32_t n_streams,
    GArray **numbers, GError **error)
{
  *numbers = text ? cli_parse_numbers (text, what, min, max, error) : NULL;
  if (!text)
    return true;
  if (!*numbers)
    return false;
  if ((*numbers)->len == 1 || (*numbers)->len == n_streams)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: %u numbers for %u streams; give one or as many", what, (*numbers)->len, n_streams);
  return false;
}

static double number_of (const GArray *numbers, uint32_t i, double none)
{
  return numbers ? g_array_index (numbers, double, numbers->len == 1 ? 0 : i) : none;
}

static bool make_streams (Bench *bench, const BenchOptions *options, GError **error)
{
  g_autoptr (GArray) rates = NULL, items = NULL;

  bench->n_streams = (uint32_t) options->streams;
  if (!spread (options->rate, "--rate", 0.001, 100000, bench->n_streams, &rates, error) ||
      !spread (options->items, "--items", 1, 1024, bench->n_streams, &items, error))
    return false;
  bench->streams = g_new0 (BenchStream, bench->n_streams);
  for (uint32_t i = 0; i < bench->n_streams; i++) {
    BenchStream *stream = &bench->streams[i];
    double m = number_of (items, i, 1);
    stream->bench = bench;
    stream->items = (uint32_t) m;
    if ((double) stream->items != m) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "--items: %g is not a whole number", m);
      return false;
    }
    if (!rates)
      continue;
    stream->period_ns = 1e9 / number_of (rates, i, 0);
    /* Cameras are not in step: multiples of the golden section spread phases evenly for any count.
     */
    double turns = i * 0.61803398875;
    stream->phase_ns = (uint64_t) ((turns - (double) (uint64_t) turns) * stream->period_ns);
  }
  return true;
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
  for (uint32_t i = 0; bench->streams && i < bench->n_streams; i++) {
    g_clear_pointer (&bench->streams[i].latencies_us, g_array_unref);
    g_clear_error (&bench->streams[i].error);
  }
  g_free (bench->streams);
  for (uint32_t k = 0; bench->inputs && k < bench->n_inputs; k++)
    cli_tensor_clear (&bench->inputs[k]);
  g_free (bench->inputs);
  g_free (bench->pixels);
}

static bool run (Bench *bench, const char *model, const BenchOptions *options, GError **error)
{
  g_autofree BenchResult *result = g_new0 (BenchResult, 1);
  g_autoptr (WeirSession) session = NULL;
  WeirSessionOptions session_options;

  if (!make_streams (bench, options, error) ||
      (options->picture && !make_picture (bench, options->picture, error)) ||
      !cli_session_options (model, &session_options, error))
    return false;
  session = weir_session_open (&session_options, error);
  if (!session)
    return false;
  bench->session = session;
  bench->model = weir_session_model (session);
  if (options->profile) {
    g_autofree char *table = weir_session_profile (session, 1, error);
    if (table)
      fputs (table, stdout);
    return table != NULL;
  }
  if (!options->picture && !make_tensors (bench, error))
    return false;
  if (!bench_load_run (bench, result, error))
    return false;
  if (options->json)
    bench_print_json (bench, result);
  else
    bench_print_text (bench, result);
  return true;
}

int cli_bench (const CliCommand *command, int argc, char **argv)
{
  BenchOptions options = { .streams = 1, .seconds = 10, .warmup = 1 };
  const GOptionEntry entries[] = {
    { "streams", 0, 0, G_OPTION_ARG_INT, &options.streams, "Cameras: 1 (default) to 1024", "K" },
    { "rate", 0, 0, G_OPTION_ARG_STRING, &options.rate,
        "Frames per second: one number, or one a stream (default: closed loop)", "FPS,..." },
    { "items", 0, 0, G_OPTION_ARG_STRING, &options.items,
        "Items per frame: one number, or one a stream (default 1)", "M,..." },
    { "picture", 0, 0, G_OPTION_ARG_STRING, &options.picture,
        "Frames are NV12 pictures that are preprocessed, not tensors", "WxH" },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &options.seconds, "Measured time (default 10)", "S" },
    { "warmup", 0, 0, G_OPTION_ARG_DOUBLE, &options.warmup,
        "Time before that, which does not count (default 1)", "S" },
    { "profile", 0, 0, G_OPTION_ARG_NONE, &options.profile,
        "Time each step of the plan for one item instead, slowest first", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print a JSON object", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };
  int status = cli_parse (command, entries,
      CLI_OPTIONS_SESSION | CLI_OPTIONS_LABELS | CLI_OPTIONS_NORMAL, &argc, &argv, 1, 1);

  if (status == CLI_OK && (options.streams < 1 || options.streams > MAX_STREAMS))
    status = cli_usage (command, "--streams: %d is not in 1..%d", options.streams, MAX_STREAMS);
  if (status == CLI_OK && !(options.seconds > 0 && options.seconds <= 86400))
    status = cli_usage (command, "--seconds: %g is not in 0..86400", options.seconds);
  if (status == CLI_OK && !(options.warmup >= 0 && options.warmup <= 3600))
    status = cli_usage (command, "--warmup: %g is not in 0..3600", options.warmup);
  if (status == CLI_OK) {
    bench.warmup_s = options.warmup;
    bench.seconds = options.seconds;
    if (!run (&bench, argv[1], &options, &error))
      status = cli_fail (error);
    clear (&bench);
  }
  g_free (options.rate);
  g_free (options.items);
  g_free (options.picture);
  return status;
}
