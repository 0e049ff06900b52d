/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference tensors of independent runtimes: every ONNX model, alone and in a batch of three with
 * others, within the tolerance that the index states for the precision really executed. Usage:
 * test_golden PRECISION; exit 77 where the reference data or the precision is not there. */
#include "engine/tensor_file.h"
#include "engine/weir.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 3

static const char *shared, *precision;
static int n_passed, n_failed;

static void check (bool ok, const char *model, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void check (bool ok, const char *model, const char *format, ...)
{
  va_list args;
  n_passed += ok;
  n_failed += !ok;
  if (ok)
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  printf ("FAILED %s: %s\n", model, text);
}

/* (u8 - mean[c]) * scale[c], computed in f32; a network in f16 sees the value rounded to it. */
static WeirTensor convert_input (const WeirTensor *bytes, JsonObject *input)
{
  JsonArray *mean = json_object_get_array_member (input, "mean");
  JsonArray *scale = json_object_get_array_member (input, "scale");
  WeirTensor tensor = *bytes;
  size_t n_plane = (size_t) (bytes->dims[2] * bytes->dims[3]),
         n = n_plane * (size_t) bytes->dims[1];
  float *data = g_new (float, n);
  const guint8 *src = bytes->buffer;
  for (size_t i = 0; i < n; i++) {
    guint c = (guint) (i / n_plane);
    double m = json_array_get_double_element (mean, MIN (c, json_array_get_length (mean) - 1));
    double s = json_array_get_double_element (scale, MIN (c, json_array_get_length (scale) - 1));
    data[i] = ((float) src[i] - (float) m) * (float) s;
  }
  tensor.dtype = WEIR_DTYPE_F32;
  tensor.buffer = data;
  return tensor;
}

typedef struct Case {
  WeirTensor input;
  WeirTensor *outputs;
} Case;

static bool load_case (const char *folder, JsonObject *model, Case *c)
{
  JsonArray *outputs = json_object_get_array_member (model, "outputs");
  JsonObject *input =
      json_array_get_object_element (json_object_get_array_member (model, "inputs"), 0);
  g_autofree char *path = g_build_filename (folder, "input_0.pb", NULL);
  WeirTensor bytes;
  g_autoptr (GError) error = NULL;
  if (!weir_tensor_load_pb (path, &bytes, NULL, &error)) {
    printf ("%s\n", error->message);
    return false;
  }
  c->input = convert_input (&bytes, input);
  weir_tensor_clear (&bytes);
  c->outputs = g_new0 (WeirTensor, json_array_get_length (outputs));
  for (guint k = 0; k < json_array_get_length (outputs); k++) {
    g_autofree char *name = g_strdup_printf ("%s/output_%u.pb", folder, k);
    if (!weir_tensor_load_pb (name, &c->outputs[k], NULL, NULL))
      return false;
  }
  return true;
}

typedef struct Tolerance {
  double abs, rel, mean_abs, cosine;
} Tolerance;

static Tolerance tolerance_of (JsonObject *output)
{
  JsonObject *all = json_object_get_object_member (output, "tolerance");
  JsonObject *t = json_object_get_object_member (all, precision);
  return (Tolerance){ json_object_get_double_member (t, "abs"),
    json_object_get_double_member (t, "rel"), json_object_get_double_member (t, "mean_abs"),
    json_object_get_double_member (t, "cosine") };
}

static void compare (const char *model, const char *how, JsonObject *output, const WeirTensor *ref,
    const WeirTensor *got, uint32_t row, uint32_t n_rows)
{
  const char *name = json_object_get_string_member (output, "name");
  Tolerance t = tolerance_of (output);
  int64_t n_ref, n_got;
  weir_tensor_n_elements (ref, &n_ref);
  weir_tensor_n_elements (got, &n_got);
  check (
      n_got == n_ref * n_rows, model, "%s: %s has %" G_GINT64_FORMAT " elements", how, name, n_got);
  if (n_got != n_ref * n_rows)
    return;
  size_t n = (size_t) n_ref;
  g_autofree double *a = g_new (double, n), *b = g_new (double, n *n_rows);
  weir_tensor_to_doubles (ref, n, a);
  weir_tensor_to_doubles (got, n * n_rows, b);
  double sum = 0, aa = 0, bb = 0, ab = 0, worst = 0;
  bool close = true;
  for (size_t i = 0; i < n; i++) {
    double x = a[i], y = b[n * row + i], difference = fabs (x - y);
    close &= difference <= t.abs + t.rel * fabs (x);
    worst = fmax (worst, difference);
    sum += difference;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  double cosine = aa > 0 && bb > 0 ? ab / sqrt (aa * bb) : aa == bb;
  check (close && sum / (double) n <= t.mean_abs && cosine >= t.cosine, model,
      "%s: %s row %u: largest difference %.4g (abs %.4g, rel %.4g), mean %.4g (%.4g), cosine %.8f "
      "(%.8f)",
      how, name, row, worst, t.abs, t.rel, sum / (double) n, t.mean_abs, cosine, t.cosine);
}

static WeirSession *open_session (
    const char *path, const WeirTensor *input, uint32_t batch, GError **error)
{
  g_autofree char *shape = g_strdup_printf (
      "1x%dx%dx%d", (int) input->dims[1], (int) input->dims[2], (int) input->dims[3]);
  WeirSessionOptions options = { .model = path,
    .precision = precision,
    .performance_hint = "latency",
    .batch_size = batch,
    .batch_timeout_ms = -1 };
  options.model_options.input_shape = shape;
  return weir_session_open (&options, error);
}

/* Runs the rows as one request and compares each with its case. */
static void run_rows (
    const char *name, const char *path, JsonObject *model, Case *const *rows, uint32_t n)
{
  JsonArray *outputs = json_object_get_array_member (model, "outputs");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = open_session (path, &rows[0]->input, n, &error);
  check (session != NULL, name, "%s", error ? error->message : "");
  if (!session)
    return;
  WeirStream *stream = weir_stream_new (session, "golden", 0);
  WeirRequest *request = weir_request_new (stream);
  WeirTensor input = rows[0]->input;
  size_t n_bytes = 0;
  weir_tensor_bytes (&input, &n_bytes);
  g_autofree char *data = g_malloc (n_bytes * n);
  for (uint32_t i = 0; i < n; i++)
    memcpy (data + n_bytes * i, rows[i]->input.buffer, n_bytes);
  input.dims[0] = n;
  input.buffer = data;
  weir_request_keep_outputs (request, true);
  bool ok =
      weir_request_set_input (request, 0, &input, &error) && weir_request_run (request, &error);
  check (ok, name, "%s", error ? error->message : "");
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  check (stats->batch_histogram[n] == 1, name, "did not run as one batch of %u: %s", n,
      stats->batch_limit_reason ? stats->batch_limit_reason : "no reason given");
  check (strcmp (stats->precision, precision) == 0, name, "ran in %s", stats->precision);
  for (uint32_t i = 0; ok && i < n; i++)
    for (guint k = 0; k < json_array_get_length (outputs); k++)
      compare (name, n == 1 ? "alone" : "in a batch", json_array_get_object_element (outputs, k),
          &rows[i]->outputs[k], weir_request_output (request, k), i, n);
  weir_request_free (request);
  weir_stream_free (stream);
}

static void free_case (Case *c, guint n_outputs)
{
  g_free (c->input.buffer);
  for (guint k = 0; k < n_outputs; k++)
    weir_tensor_clear (&c->outputs[k]);
  g_free (c->outputs);
}

static void test_model (const char *name, JsonObject *model)
{
  g_autofree char *path =
      g_build_filename (shared, json_object_get_string_member (model, "model"), NULL);
  guint n_outputs = json_array_get_length (json_object_get_array_member (model, "outputs"));
  Case cases[2] = { 0 };
  int failed_before = n_failed;
  for (guint k = 0; k < 2; k++) {
    g_autofree char *folder = g_strdup_printf ("%s/golden/tensors/%s/case%u", shared, name, k);
    check (load_case (folder, model, &cases[k]), name, "case%u cannot be read", k);
    if (n_failed == failed_before)
      run_rows (name, path, model, (Case *[]){ &cases[k] }, 1);
  }
  bool same_shape =
      n_failed == failed_before && weir_tensor_same_shape (&cases[0].input, &cases[1].input);
  for (guint k = 0; k < 2 && cases[k].outputs && n_failed == failed_before; k++) {
    Case *other = same_shape ? &cases[1 - k] : &cases[k];
    run_rows (name, path, model, (Case *[BATCH]){ &cases[k], other, &cases[k] }, BATCH);
  }
  printf ("%s %s\n", n_failed == failed_before ? "ok" : "FAILED", name);
  for (guint k = 0; k < 2 && cases[k].outputs; k++)
    free_case (&cases[k], n_outputs);
}

int main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  shared = g_getenv ("WEIR_SHARED");
  precision = argc > 1 ? argv[1] : "f32";
  g_autofree char *index =
      g_build_filename (shared ? shared : "", "golden/tensors/index.json", NULL);
  if (!json_parser_load_from_file (parser, index, NULL)) {
    printf ("skipped: no reference tensors (%s)\n", index);
    return 77;
  }
  g_autofree char *devices = weir_devices_to_json ();
  if (!strstr (devices, precision)) {
    printf ("skipped: this CPU does not execute %s\n", precision);
    return 77;
  }
  JsonObject *models = json_object_get_object_member (
      json_node_get_object (json_parser_get_root (parser)), "models");
  g_autoptr (GList) names = json_object_get_members (models);
  for (GList *l = names; l; l = l->next) {
    JsonObject *model = json_object_get_object_member (models, l->data);
    if (g_str_has_prefix (json_object_get_string_member (model, "model"), "models/onnx/") &&
        (argc < 3 || strcmp (argv[2], l->data) == 0))
      test_model (l->data, model);
  }
  printf ("%d checks passed, %d failed\n", n_passed, n_failed);
  return n_failed != 0;
}
