/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of models and sessions on the command line, and the parsing of numbers in them. */
#include "engine/cli/cli.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

typedef struct Options {
  char *labels, *decoder, *color_format, *resize, *input_shape, *mean, *scale;
  char *model_proc, *constant_inputs;
  char *device, *precision, *performance_hint, *config, *allow_auto_batching;
  char *num_requests, *batch_size, *batch_timeout;
  gboolean deterministic;
} Options;

static Options options;

#define TEXT(name, field, blurb, argument)                           \
  {                                                                  \
    name, 0, 0, G_OPTION_ARG_STRING, &options.field, blurb, argument \
  }
#define END                                         \
  {                                                 \
    NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL \
  }

static const GOptionEntry label_entries[] = {
  TEXT ("labels", labels, "Labels: a file with one a line, or a,b,c", "FILE|LIST"),
  TEXT ("decoder", decoder, "How outputs are read: auto, or one of `weir decoders`", "NAME"),
  TEXT ("color-format", color_format, "Channels of the network's input: rgb, bgr, gray", "FORMAT"),
  TEXT ("resize", resize, "stretch, letterbox-centre, letterbox-top-left, crop", "HOW"),
  TEXT ("input-shape", input_shape, "Pins a dynamic input: 1x3x320x320", "SHAPE"),
  TEXT ("model-proc", model_proc, "Model-proc file of DL Streamer, schema 2.x", "FILE"),
  TEXT ("constant-inputs", constant_inputs,
      "What fills inputs that take no picture: one number, or a:b:c for each element",
      "NAME=VALUE,..."),
  END,
};

static const GOptionEntry normal_entries[] = {
  TEXT ("mean", mean, "Subtracted from 0..255 values: one number or one per channel", "M,..."),
  TEXT ("scale", scale, "Then multiplied with: one number or one per channel", "S,..."),
  END,
};

static const GOptionEntry session_entries[] = {
  TEXT ("device", device, "CPU (default), AUTO, BATCH:CPU(8), SIM(4,1), ...; see `weir devices`",
      "DEVICE"),
  TEXT ("precision", precision, "auto (default), f32, bf16, f16, int8", "PRECISION"),
  TEXT ("performance-hint", performance_hint, "throughput (default), latency", "HINT"),
  TEXT ("config", config, "KEY=VALUE,... in OpenVINO's spelling", "CONFIG"),
  TEXT ("num-requests", num_requests, "Items in flight, queued and running: 0 (no hint) to 1024",
      "R"),
  TEXT ("batch-timeout", batch_timeout,
      "Longest wait that batching adds, ms: -1 adaptive (default), 0 never", "T"),
  TEXT ("allow-auto-batching", allow_auto_batching, "false: every batch is 1", "true|false"),
  { "deterministic", 0, 0, G_OPTION_ARG_NONE, &options.deterministic,
      "Bit-identical results whatever the batch", NULL },
  END,
};

static const GOptionEntry batch_entries[] = {
  TEXT ("batch-size", batch_size, "Largest batch: 0 (automatic) to 1024", "B"),
  END,
};

static void add_entries (GOptionContext *context, const GOptionEntry *entries, CliOptionSet sets)
{
  if (entries)
    g_option_context_add_main_entries (context, entries, NULL);
  if (sets & CLI_OPTIONS_SESSION)
    g_option_context_add_main_entries (context, session_entries, NULL);
  if ((sets & CLI_OPTIONS_SESSION) && !(sets & CLI_OPTIONS_OWN_BATCHES))
    g_option_context_add_main_entries (context, batch_entries, NULL);
  if (sets & CLI_OPTIONS_LABELS)
    g_option_context_add_main_entries (context, label_entries, NULL);
  if (sets & CLI_OPTIONS_NORMAL)
    g_option_context_add_main_entries (context, normal_entries, NULL);
}

int cli_parse (const CliCommand *command, const GOptionEntry *entries, CliOptionSet sets, int *argc,
    char ***argv, int min_arguments, int max_arguments)
{
  g_autoptr (GOptionContext) context = g_option_context_new (command->arguments);
  g_autofree char *program = g_strconcat ("weir ", command->name, NULL);
  g_autoptr (GError) error = NULL;

  g_set_prgname (program);
  g_option_context_set_summary (context, command->blurb);
  g_option_context_set_description (context, command->description);
  add_entries (context, entries, sets);
  if (!g_option_context_parse (context, argc, argv, &error))
    return cli_usage (command, "%s", error->message);
  /* A lone "--" is kept by GOption. */
  if (*argc > 1 && strcmp ((*argv)[1], "--") == 0) {
    (*argv)++;
    (*argc)--;
  }
  if (*argc - 1 < min_arguments)
    return cli_usage (command, "%s is missing", command->arguments);
  if (*argc - 1 > max_arguments)
    return cli_usage (command, "unexpected argument '%s'", (*argv)[1 + max_arguments]);
  return CLI_OK;
}

/* Where the option was not given, *value stays. */
static bool parse_number (
    const char *name, const char *text, int min, int max, int *value, GError **error)
{
  gint64 parsed = *value;
  if (text && !g_ascii_string_to_signed (text, 10, min, max, &parsed, NULL)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "--%s: '%s' is not a number in %d..%d", name,
        text, min, max);
    return false;
  }
  *value = (int) parsed;
  return true;
}

bool cli_session_options (const char *model, WeirSessionOptions *session, GError **error)
{
  const char *batching = options.allow_auto_batching;
  int num_requests = 0, batch_size = 0, batch_timeout = -1;

  if (batching && strcmp (batching, "true") != 0 && strcmp (batching, "false") != 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "--allow-auto-batching: '%s' is neither true nor false", batching);
    return false;
  }
  if (!parse_number ("num-requests", options.num_requests, 0, 1024, &num_requests, error) ||
      !parse_number ("batch-size", options.batch_size, 0, 1024, &batch_size, error) ||
      !parse_number ("batch-timeout", options.batch_timeout, -1, G_MAXINT32, &batch_timeout, error))
    return false;
  *session = (WeirSessionOptions){
    .model = model,
    .model_options = { .labels = options.labels,
        .decoder = options.decoder,
        .color_format = options.color_format,
        .mean = options.mean,
        .scale = options.scale,
        .resize = options.resize,
        .input_shape = options.input_shape,
        .model_proc = options.model_proc,
        .constant_inputs = options.constant_inputs },
    .device = options.device,
    .precision = options.precision,
    .performance_hint = options.performance_hint,
    .config = options.config,
    .num_requests = (uint32_t) num_requests,
    .batch_size = (uint32_t) batch_size,
    .batch_timeout_ms = batch_timeout,
    .disallow_auto_batching = batching && strcmp (batching, "false") == 0,
    .deterministic = options.deterministic,
  };
  return true;
}

GArray *cli_parse_numbers (
    const char *text, const char *what, double min, double max, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (double));

  for (char **word = words; *word; word++) {
    char *end;
    double value = g_ascii_strtod (*word, &end);
    if (end == *word || *end != '\0' || !(value >= min && value <= max)) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: '%s' is not a number in %g..%g", what,
          *word, min, max);
      return NULL;
    }
    g_array_append_val (numbers, value);
  }
  if (numbers->len == 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: a number is missing", what);
    return NULL;
  }
  return g_steal_pointer (&numbers);
}

bool cli_is_simulated (const WeirStats *stats)
{
  return g_str_has_prefix (stats->device, "SIM(");
}

char *cli_json_string (const char *text)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  json_node_set_string (node, valid);
  return json_to_string (node, FALSE);
}
