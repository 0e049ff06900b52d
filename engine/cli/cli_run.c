/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir run: data folders in groups through the model; each output compared, saved, printed. */
#include "engine/cli/cli.h"
#include "engine/cli/cli_data.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

typedef struct RunOptions {
  char **data;
  char *mean, *scale, *save;
  int batch; /* 0: all data together */
  double atol, rtol;
  gboolean json;
} RunOptions;

/* One data folder, or random data where `dir` is NULL. */
typedef struct DataSet {
  const char *dir;
  CliTensor *inputs;    /* n_inputs */
  WeirTensor *expected; /* n_outputs; dtype NONE where there is no file */
} DataSet;

typedef struct Run {
  const RunOptions *options;
  WeirModel *model;
  WeirStream *stream;
  uint32_t n_inputs, n_outputs;
  DataSet *sets;
  uint32_t n_sets;
  GArray *mean, *scale; /* NULL: not given */
  JsonBuilder *report;  /* NULL: text is printed */
  bool all_pass;
} Run;

static const char *output_name (const Run *run, uint32_t k)
{
  WeirTensor shape;

  return weir_model_output (run->model, k, &shape);
}

static bool load_input (const Run *run, DataSet *set, uint32_t k, GError **error)
{
  g_autofree char *file = g_strdup_printf ("input_%u.pb", k);
  g_autofree char *path = g_build_filename (set->dir, file, NULL);
  WeirTensor loaded = { 0 }, shape;
  const WeirTensor *first = &loaded;
  bool ok;

  if (cli_input_is_filled (run->model, k) && !g_file_test (path, G_FILE_TEST_EXISTS))
    return true;
  if (!weir_tensor_load_pb (path, &loaded, NULL, error))
    return false;
  weir_model_input (run->model, k, &shape);
  if (loaded.dtype == WEIR_DTYPE_U8 && (run->mean || run->scale || shape.dtype != WEIR_DTYPE_U8))
    ok = cli_tensor_normalise (&set->inputs[k], &loaded, run->mean, run->scale, error);
  else
    ok = cli_tensor_stack (&set->inputs[k], &first, 1, 0, error);
  weir_tensor_clear (&loaded);
  if (!ok)
    g_prefix_error (error, "%s: ", path);
  return ok;
}

static bool load_set (const Run *run, DataSet *set, GError **error)
{
  for (uint32_t k = 0; k < run->n_inputs; k++) {
    bool ok = set->dir ? load_input (run, set, k, error)
                       : cli_input_is_filled (run->model, k) ||
                             cli_tensor_random (&set->inputs[k], run->model, k, 1, error);
    if (!ok)
      return false;
  }
  for (uint32_t k = 0; set->dir && k < run->n_outputs; k++) {
    g_autofree char *file = g_strdup_printf ("output_%u.pb", k);
    g_autofree char *path = g_build_filename (set->dir, file, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS) &&
        !weir_tensor_load_pb (path, &set->expected[k], NULL, error))
      return false;
  }
  return true;
}

static bool load_sets (Run *run, GError **error)
{
  const RunOptions *options = run->options;

  run->n_sets = options->data ? g_strv_length (options->data) : 1;
  run->sets = g_new0 (DataSet, run->n_sets);
  for (uint32_t i = 0; i < run->n_sets; i++) {
    run->sets[i].dir = options->data ? options->data[i] : NULL;
    run->sets[i].inputs = g_new0 (CliTensor, run->n_inputs);
    run->sets[i].expected = g_new0 (WeirTensor, run->n_outputs);
    if (!load_set (run, &run->sets[i], error))
      return false;
  }
  return true;
}

static void free_sets (Run *run)
{
  for (uint32_t i = 0; run->sets && i < run->n_sets; i++) {
    DataSet *set = &run->sets[i];
    for (uint32_t k = 0; set->inputs && k < run->n_inputs; k++)
      cli_tensor_clear (&set->inputs[k]);
    for (uint32_t k = 0; set->expected && k < run->n_outputs; k++)
      weir_tensor_clear (&set->expected[k]);
    g_free (set->inputs);
    g_free (set->expected);
  }
  g_free (run->sets);
}

/* Where the outputs of item i go: DIR for a single data folder, DIR/test_data_set_I for several. */
static bool save_output (
    const Run *run, uint32_t set, uint32_t k, const WeirTensor *tensor, GError **error)
{
  const char *name = output_name (run, k);
  g_autofree char *folder = g_strdup_printf ("test_data_set_%u", set);
  g_autofree char *file = g_strdup_printf ("output_%u.pb", k);
  g_autofree char *dir =
      g_build_filename (run->options->save, run->n_sets > 1 ? folder : NULL, NULL);
  g_autofree char *path = g_build_filename (dir, file, NULL);

  if (g_mkdir_with_parents (dir, 0777) != 0) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "%s: cannot be made: %s", dir, g_strerror (errno));
    return false;
  }
  return weir_tensor_save_pb (path, name, tensor, error);
}

static void report_number (JsonBuilder *report, const char *name, double value)
{
  json_builder_set_member_name (report, name);
  if (value - value == 0)
    json_builder_add_double_value (report, value);
  else
    json_builder_add_null_value (report);
}

static void report_json (JsonBuilder *report, const char *name, const char *shape,
    const CliDifference *difference, bool passes)
{
  json_builder_begin_object (report);
  json_builder_set_member_name (report, "name");
  json_builder_add_string_value (report, name);
  json_builder_set_member_name (report, "shape");
  json_builder_add_string_value (report, shape);
  json_builder_set_member_name (report, "compared");
  json_builder_add_boolean_value (report, difference != NULL);
  if (difference) {
    report_number (report, "max_abs", difference->max_abs);
    report_number (report, "max_rel", difference->max_rel);
    report_number (report, "mean_abs", difference->mean_abs);
    report_number (report, "cosine", difference->cosine);
    json_builder_set_member_name (report, "n_beyond");
    json_builder_add_int_value (report, (gint64) difference->n_beyond);
  }
  json_builder_set_member_name (report, "ok");
  json_builder_add_boolean_value (report, passes);
  json_builder_end_object (report);
}

static void report_text (
    const char *dir, const char *name, const char *shape, const CliDifference *difference)
{
  printf ("%s%s%s %s", dir ? dir : "", dir ? ": " : "", name, shape);
  if (difference)
    printf (": largest difference %.3g absolute, %.3g relative: %s", difference->max_abs,
        difference->max_rel, difference->n_beyond ? "beyond the tolerance" : "ok");
  printf ("\n");
}

/* Compares block `view` of output k with what the set expects, and reports it. */
static bool check_output (
    Run *run, const DataSet *set, uint32_t k, const WeirTensor *view, GError **error)
{
  const char *name = output_name (run, k);
  const WeirTensor *expected = &set->expected[k];
  bool compared = expected->dtype != WEIR_DTYPE_NONE;
  g_autofree char *shape = weir_tensor_describe (view);
  CliDifference difference;

  if (compared && !weir_tensor_same_shape (view, expected)) {
    g_autofree char *wanted = weir_tensor_describe (expected);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: output %u ('%s') is %s, %s is expected",
        set->dir, k, name, shape, wanted);
    return false;
  }
  if (compared && !cli_tensor_compare (
                      view, expected, run->options->atol, run->options->rtol, &difference, error))
    return false;
  run->all_pass &= !compared || difference.n_beyond == 0;
  if (run->report)
    report_json (run->report, name, shape, compared ? &difference : NULL,
        !compared || difference.n_beyond == 0);
  else
    report_text (set->dir, name, shape, compared ? &difference : NULL);
  return true;
}

static bool finish_item (
    Run *run, WeirRequest *request, uint32_t set_index, uint32_t row, uint32_t n, GError **error)
{
  const DataSet *set = &run->sets[set_index];

  for (uint32_t k = 0; k < run->n_outputs; k++) {
    const WeirTensor *stacked = weir_request_output (request, k);
    WeirTensor view;
    if (!stacked || !cli_tensor_block (stacked, row, n, &view)) {
      g_autofree char *shape = stacked ? weir_tensor_describe (stacked) : g_strdup ("absent");
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
          "output %u ('%s') is %s and cannot be divided among %u items", k, output_name (run, k),
          shape, n);
      return false;
    }
    if (!check_output (run, set, k, &view, error))
      return false;
    if (run->options->save && (row == 0 || run->n_sets > 1) &&
        !save_output (run, set_index, k, &view, error))
      return false;
  }
  return true;
}

static bool set_inputs (Run *run, WeirRequest *request, CliTensor *stacked, const uint32_t *items,
    uint32_t n, GError **error)
{
  g_autofree const WeirTensor **rows = g_new (const WeirTensor *, n);

  for (uint32_t k = 0; k < run->n_inputs; k++) {
    for (uint32_t i = 0; i < n; i++)
      rows[i] = &run->sets[items[i]].inputs[k].tensor;
    if (rows[0]->dtype == WEIR_DTYPE_NONE)
      continue;
    if (!cli_tensor_stack (&stacked[k], rows, n, weir_model_input_axis (run->model, k), error) ||
        !weir_request_set_input (request, k, &stacked[k].tensor, error))
      return false;
  }
  return true;
}

/* One batch: items[i] is the data set of row i. */
static bool run_group (Run *run, const uint32_t *items, uint32_t n, GError **error)
{
  g_autofree CliTensor *stacked = g_new0 (CliTensor, run->n_inputs);
  WeirRequest *request = weir_request_new (run->stream);
  bool ok;

  weir_request_keep_outputs (request, true);
  ok = set_inputs (run, request, stacked, items, n, error) && weir_request_run (request, error);
  for (uint32_t i = 0; ok && i < n; i++) {
    const char *dir = run->sets[items[i]].dir;
    if (run->report) {
      json_builder_begin_object (run->report);
      json_builder_set_member_name (run->report, "data");
      if (dir)
        json_builder_add_string_value (run->report, dir);
      else
        json_builder_add_null_value (run->report);
      json_builder_set_member_name (run->report, "outputs");
      json_builder_begin_array (run->report);
    }
    ok = finish_item (run, request, items[i], i, n, error);
    if (run->report) {
      json_builder_end_array (run->report);
      json_builder_end_object (run->report);
    }
  }
  weir_request_free (request);
  for (uint32_t k = 0; k < run->n_inputs; k++)
    cli_tensor_clear (&stacked[k]);
  return ok;
}

static bool run_groups (Run *run, GError **error)
{
  uint32_t batch = (uint32_t) run->options->batch;
  uint32_t n_items = run->n_sets == 1 && batch > 1 ? batch : run->n_sets;
  uint32_t group = batch ? batch : n_items;
  g_autofree uint32_t *items = g_new (uint32_t, n_items);

  for (uint32_t i = 0; i < n_items; i++)
    items[i] = run->n_sets == 1 ? 0 : i;
  for (uint32_t i = 0; i < n_items; i += group)
    if (!run_group (run, items + i, MIN (group, n_items - i), error))
      return false;
  return true;
}

static bool parse_normalisation (Run *run, GError **error)
{
  const RunOptions *options = run->options;

  if (options->mean)
    run->mean = cli_parse_numbers (options->mean, "--mean", -1e9, 1e9, error);
  if (options->mean && !run->mean)
    return false;
  if (options->scale)
    run->scale = cli_parse_numbers (options->scale, "--scale", -1e9, 1e9, error);
  return !options->scale || run->scale;
}

static void begin_report (Run *run, WeirSession *session)
{
  WeirStats stats;

  weir_session_stats (session, &stats);
  if (!run->options->json) {
    if (cli_is_simulated (&stats))
      printf ("simulated: %s takes its time and gives zeros\n", stats.device);
    return;
  }
  run->report = json_builder_new ();
  json_builder_begin_object (run->report);
  json_builder_set_member_name (run->report, "model");
  json_builder_add_string_value (run->report, weir_model_name (run->model));
  json_builder_set_member_name (run->report, "device");
  json_builder_add_string_value (run->report, stats.device);
  json_builder_set_member_name (run->report, "precision");
  json_builder_add_string_value (run->report, stats.precision);
  json_builder_set_member_name (run->report, "items");
  json_builder_begin_array (run->report);
}

static void end_report (Run *run)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  if (!run->report)
    return;
  json_builder_end_array (run->report);
  json_builder_set_member_name (run->report, "ok");
  json_builder_add_boolean_value (run->report, run->all_pass);
  json_builder_end_object (run->report);
  root = json_builder_get_root (run->report);
  text = json_to_string (root, FALSE);
  printf ("%s\n", text);
}

static bool run_session (Run *run, WeirSession *session, GError **error)
{
  bool ok;

  run->model = weir_session_model (session);
  run->n_inputs = weir_model_n_inputs (run->model);
  run->n_outputs = weir_model_n_outputs (run->model);
  run->all_pass = true;
  if (!parse_normalisation (run, error) || !load_sets (run, error))
    return false;
  run->stream = weir_stream_new (session, "run", 0);
  begin_report (run, session);
  ok = run_groups (run, error);
  weir_stream_free (run->stream);
  if (ok)
    end_report (run);
  return ok;
}

/* "1x3x320x320": the dims of a file; NULL where there is none. */
static char *file_shape (const char *dir, uint32_t k, uint32_t *rank)
{
  g_autofree char *file = g_strdup_printf ("input_%u.pb", k);
  g_autofree char *path = g_build_filename (dir, file, NULL);
  WeirTensor tensor = { 0 };
  GString *shape;

  if (!weir_tensor_load_pb (path, &tensor, NULL, NULL))
    return NULL;
  shape = g_string_new (NULL);
  for (uint32_t d = 0; d < tensor.rank; d++)
    g_string_append_printf (shape, "%s%" G_GINT64_FORMAT, d ? "x" : "", tensor.dims[d]);
  *rank = tensor.rank;
  weir_tensor_clear (&tensor);
  return g_string_free (shape, FALSE);
}

/* That of the picture in the first folder: the first input of rank 4, else the first. */
static char *data_shape (const RunOptions *options)
{
  char *shape, *first = NULL;

  for (uint32_t k = 0, rank; options->data && (shape = file_shape (options->data[0], k, &rank));
       k++) {
    if (rank == 4) {
      g_free (first);
      return shape;
    }
    if (first)
      g_free (shape);
    else
      first = shape;
  }
  return first;
}

/* A model that leaves its picture's size open takes that of the data. */
static WeirSession *open_session (
    const RunOptions *options, WeirSessionOptions *session_options, GError **error)
{
  g_autoptr (GError) first_error = NULL;
  g_autofree char *shape = NULL;
  WeirSession *session;

  if (session_options->batch_size == 0)
    session_options->batch_size = (uint32_t) options->batch;
  session = weir_session_open (session_options, &first_error);
  if (!session && g_error_matches (first_error, WEIR_ERROR, WEIR_ERROR_SHAPE) &&
      !session_options->model_options.input_shape && (shape = data_shape (options))) {
    session_options->model_options.input_shape = shape;
    session = weir_session_open (session_options, NULL);
    session_options->model_options.input_shape = NULL;
  }
  if (!session)
    g_propagate_error (error, g_steal_pointer (&first_error));
  return session;
}

static int open_and_run (const char *model, const RunOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = NULL;
  WeirSessionOptions session_options;
  Run run = { .options = options };
  bool ok;

  if (!cli_session_options (model, &session_options, &error))
    return cli_fail (error);
  session = open_session (options, &session_options, &error);
  if (!session)
    return cli_fail (error);
  ok = run_session (&run, session, &error);
  free_sets (&run);
  g_clear_object (&run.report);
  g_clear_pointer (&run.mean, g_array_unref);
  g_clear_pointer (&run.scale, g_array_unref);
  if (!ok)
    return cli_fail (error);
  return run.all_pass ? CLI_OK : CLI_FAILED;
}

int cli_run (const CliCommand *command, int argc, char **argv)
{
  RunOptions options = { .atol = 1e-4, .rtol = 1e-4 };
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.data,
        "Folder with input_K.pb and output_K.pb; may be given several times (default: random data)",
        "DIR" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &options.batch,
        "Data folders in one batch (default: all); a single one is repeated", "N" },
    { "mean", 0, 0, G_OPTION_ARG_STRING, &options.mean,
        "Subtracted from uint8 data: one number or one per channel", "M,..." },
    { "scale", 0, 0, G_OPTION_ARG_STRING, &options.scale,
        "uint8 data is then multiplied with: one number or one per channel", "S,..." },
    { "save", 0, 0, G_OPTION_ARG_FILENAME, &options.save,
        "Write output_K.pb here (test_data_set_I/output_K.pb for several folders)", "DIR" },
    { "atol", 0, 0, G_OPTION_ARG_DOUBLE, &options.atol,
        "Absolute difference that passes (default 1e-4)", "A" },
    { "rtol", 0, 0, G_OPTION_ARG_DOUBLE, &options.rtol,
        "Difference relative to the expected value that passes (default 1e-4)", "R" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print a JSON object", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  int status =
      cli_parse (command, entries, CLI_OPTIONS_LABELS | CLI_OPTIONS_SESSION, &argc, &argv, 1, 1);

  if (status == CLI_OK && (options.batch < 0 || options.batch > 1024))
    status = cli_usage (command, "--batch: %d is not in 1..1024", options.batch);
  if (status == CLI_OK && !(options.atol >= 0 && options.rtol >= 0))
    status = cli_usage (command, "--atol and --rtol must not be negative");
  if (status == CLI_OK)
    status = open_and_run (argv[1], &options);
  g_strfreev (options.data);
  g_free (options.mean);
  g_free (options.scale);
  g_free (options.save);
  return status;
}
