/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference tensors of independent runtimes: every model, alone and in a batch of three with
 * others, within the tolerance that the index states for the precision really executed; of
 * detectors also what enters their last operator. Usage: test_golden PRECISION[@DEVICE] [MODEL...];
 * f32@REF runs alone; GPU stands for the first OpenCL device. Exit 77 where reference data,
 * precision or device are not there. */
#include "tests/models/golden_compare.h"
#include "tests/models/golden_inner.h"

#include "engine/tensor_file.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define BATCH      3
#define MAX_INPUTS 4

static const char *shared, *precision, *device;
static int n_passed, n_failed;
static double largest; /* distance of an output of the model at hand */

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

/* (u8 - mean[c]) * scale[c], c along axis 1, computed in f32. */
static WeirTensor convert_input (const WeirTensor *bytes, JsonObject *input)
{
  JsonArray *mean = json_object_get_array_member (input, "mean");
  JsonArray *scale = json_object_get_array_member (input, "scale");
  WeirTensor tensor = *bytes;
  int64_t n_elements = 0;
  weir_tensor_n_elements (bytes, &n_elements);
  size_t n = (size_t) n_elements;
  size_t n_plane = n / (size_t) (bytes->dims[0] * bytes->dims[1]);
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

/* What the index says of a model, and the files of one case. */
typedef struct Entry {
  const char *name;
  char *path; /* of the model */
  JsonArray *inputs, *outputs, *inner;
  guint n_inputs, n_outputs, n_inner;
} Entry;

typedef struct Case {
  WeirTensor inputs[MAX_INPUTS];
  WeirTensor *outputs; /* the model's, then the inner ones */
} Case;

static bool load_tensor (const char *folder, const char *kind, guint k, WeirTensor *tensor)
{
  g_autofree char *path = g_strdup_printf ("%s/%s_%u.pb", folder, kind, k);
  return weir_tensor_load_pb (path, tensor, NULL, NULL);
}

static bool load_case (const Entry *entry, guint number, Case *c)
{
  g_autofree char *folder =
      g_strdup_printf ("%s/golden/tensors/%s/case%u", shared, entry->name, number);
  c->outputs = g_new0 (WeirTensor, entry->n_outputs + entry->n_inner);
  for (guint k = 0; k < entry->n_inputs; k++) {
    WeirTensor bytes;
    if (!load_tensor (folder, "input", k, &bytes))
      return false;
    c->inputs[k] = convert_input (&bytes, json_array_get_object_element (entry->inputs, k));
    weir_tensor_clear (&bytes);
  }
  for (guint k = 0; k < entry->n_outputs; k++)
    if (!load_tensor (folder, "output", k, &c->outputs[k]))
      return false;
  for (guint k = 0; k < entry->n_inner; k++)
    if (!load_tensor (folder, "inner", k, &c->outputs[entry->n_outputs + k]))
      return false;
  return true;
}

static void free_case (const Entry *entry, Case *c)
{
  for (guint k = 0; k < entry->n_inputs; k++)
    g_free (c->inputs[k].buffer);
  for (guint k = 0; c->outputs && k < entry->n_outputs + entry->n_inner; k++)
    weir_tensor_clear (&c->outputs[k]);
  g_free (c->outputs);
}

/* Dims that the file leaves open are those of the picture, the one input of four dims. */
static WeirSession *open_session (
    const Entry *entry, const char *path, const Case *c, uint32_t batch, GError **error)
{
  g_autofree char *shape = NULL;
  if (entry->n_inputs == 1)
    shape = g_strdup_printf ("1x%dx%dx%d", (int) c->inputs[0].dims[1], (int) c->inputs[0].dims[2],
        (int) c->inputs[0].dims[3]);
  WeirSessionOptions options = { .model = path,
    .device = device,
    .precision = precision,
    .performance_hint = "latency",
    .batch_size = batch,
    .batch_timeout_ms = -1 };
  options.model_options.input_shape = shape;
  return weir_session_open (&options, error);
}

/* Input k of all rows, one after the other along the axis that counts them; newly allocated. */
static WeirTensor stack_input (guint k, uint32_t axis, Case *const *rows, uint32_t n)
{
  WeirTensor input = rows[0]->inputs[k];
  size_t n_bytes = 0, n_outer = 1;
  weir_tensor_bytes (&input, &n_bytes);
  char *data = g_malloc (n_bytes * n);
  for (uint32_t i = 0; i < axis; i++)
    n_outer *= (size_t) input.dims[i];
  size_t n_inner = n_bytes / n_outer;
  for (size_t outer = 0; outer < n_outer; outer++)
    for (uint32_t i = 0; i < n; i++)
      memcpy (data + (outer * n + i) * n_inner,
          (char *) rows[i]->inputs[k].buffer + outer * n_inner, n_inner);
  input.dims[axis] *= n;
  input.buffer = data;
  return input;
}

static void check_session (const Entry *entry, WeirSession *session, uint32_t n)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  check (stats->batch_histogram[n] == 1, entry->name, "did not run as one batch of %u: %s", n,
      stats->batch_limit_reason ? stats->batch_limit_reason : "no reason given");
  check (strcmp (stats->precision, precision) == 0, entry->name, "ran in %s", stats->precision);
}

static void compare (const Entry *entry, const char *how, WeirRequest *request, Case *const *rows,
    uint32_t n, guint first, guint n_outputs)
{
  for (uint32_t i = 0; i < n; i++)
    for (guint k = first; k < n_outputs; k++) {
      bool is_inner = k >= entry->n_outputs;
      JsonObject *output = json_array_get_object_element (
          is_inner ? entry->inner : entry->outputs, is_inner ? k - entry->n_outputs : k);
      double distance;
      g_autofree char *why = golden_compare (output, precision, &rows[i]->outputs[k],
          weir_request_output (request, k), i, n, &distance);
      if (!is_inner)
        largest = MAX (largest, distance);
      check (!why, entry->name, "%s: %s row %u: %s", how,
          json_object_get_string_member (output, "name"), i, why ? why : "");
    }
}

/* Runs the rows as one request and compares each with its case, outputs from `first` on. */
static void run_rows (const Entry *entry, const char *path, const char *how, Case *const *rows,
    uint32_t n, guint first, guint n_outputs)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = open_session (entry, path, rows[0], n, &error);
  check (session != NULL, entry->name, "%s", error ? error->message : "");
  if (!session)
    return;
  WeirStream *stream = weir_stream_new (session, "golden", 0);
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  bool ok = true;
  WeirTensor inputs[MAX_INPUTS] = { 0 };
  for (guint k = 0; k < entry->n_inputs; k++) {
    uint32_t axis = weir_model_input_axis (weir_session_model (session), k);
    inputs[k] = stack_input (k, axis, rows, n);
    ok = ok && weir_request_set_input (request, k, &inputs[k], &error);
  }
  ok = ok && weir_request_run (request, &error);
  check (ok, entry->name, "%s", error ? error->message : "");
  check_session (entry, session, n);
  if (ok)
    compare (entry, how, request, rows, n, first, n_outputs);
  weir_request_free (request);
  weir_stream_free (stream);
  for (guint k = 0; k < entry->n_inputs; k++)
    g_free (inputs[k].buffer);
}

static void run_inner (const Entry *entry, Case *c)
{
  g_autofree char *folder = g_dir_make_tmp ("weir-golden-XXXXXX", NULL);
  g_autofree char *path = golden_expose_inner (entry->path, folder, entry->n_inner);
  g_autofree char *bin = g_build_filename (folder, "inner.bin", NULL);
  check (path != NULL, entry->name, "no layer with inner values");
  if (path) {
    run_rows (entry, path, "inside", (Case *[]){ c }, 1, entry->n_outputs,
        entry->n_outputs + entry->n_inner);
    g_unlink (path);
    g_unlink (bin);
  }
  g_rmdir (folder);
}

static bool same_inputs (const Entry *entry, const Case *a, const Case *b)
{
  for (guint k = 0; k < entry->n_inputs; k++)
    if (!weir_tensor_same_shape (&a->inputs[k], &b->inputs[k]))
      return false;
  return true;
}

static void test_entry (const Entry *entry)
{
  largest = 0;
  Case cases[2] = { 0 };
  int failed_before = n_failed;
  for (guint k = 0; k < 2; k++) {
    check (load_case (entry, k, &cases[k]), entry->name, "case%u cannot be read", k);
    if (n_failed == failed_before)
      run_rows (entry, entry->path, "alone", (Case *[]){ &cases[k] }, 1, 0, entry->n_outputs);
    if (n_failed == failed_before && entry->n_inner)
      run_inner (entry, &cases[k]);
  }
  bool same = n_failed == failed_before && same_inputs (entry, &cases[0], &cases[1]);
  for (guint k = 0; k < 2 && n_failed == failed_before && !device; k++) {
    Case *other = same ? &cases[1 - k] : &cases[k];
    run_rows (entry, entry->path, "in a batch", (Case *[BATCH]){ &cases[k], other, &cases[k] },
        BATCH, 0, entry->n_outputs);
  }
  printf ("%s %s, largest distance %.3g\n", n_failed == failed_before ? "ok" : "FAILED",
      entry->name, largest);
  for (guint k = 0; k < 2; k++)
    free_case (entry, &cases[k]);
}

static bool has_tolerance (JsonObject *model)
{
  JsonObject *output =
      json_array_get_object_element (json_object_get_array_member (model, "outputs"), 0);
  return json_object_has_member (json_object_get_object_member (output, "tolerance"), precision);
}

static void test_model (const char *name, JsonObject *model)
{
  Entry entry = { .name = name,
    .path = g_build_filename (shared, json_object_get_string_member (model, "model"), NULL),
    .inputs = json_object_get_array_member (model, "inputs"),
    .outputs = json_object_get_array_member (model, "outputs") };
  if (json_object_has_member (model, "inner"))
    entry.inner = json_object_get_array_member (model, "inner");
  entry.n_inputs = json_array_get_length (entry.inputs);
  entry.n_outputs = json_array_get_length (entry.outputs);
  entry.n_inner = entry.inner ? json_array_get_length (entry.inner) : 0;
  check (entry.n_inputs <= MAX_INPUTS, name, "has %u inputs", entry.n_inputs);
  if (entry.n_inputs <= MAX_INPUTS)
    test_entry (&entry);
  g_free (entry.path);
}

/* The first OpenCL device by the name to ask for it; newly allocated. NULL: there is none. */
static char *find_ocl_device (void)
{
  g_autofree char *text = weir_devices_to_json ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  json_parser_load_from_data (parser, text, -1, NULL);
  JsonArray *devices = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (devices); i++) {
    const char *name =
        json_object_get_string_member (json_array_get_object_element (devices, i), "name");
    if (g_str_has_prefix (name, "GPU"))
      return g_strdup (name);
  }
  return NULL;
}

/* "f32", "f32@REF", "f16@GPU". */
static bool read_mode (const char *mode)
{
  g_auto (GStrv) words = g_strsplit (mode, "@", 2);
  bool is_ocl = words[0] && g_strcmp0 (words[1], "GPU") == 0;
  precision = g_intern_string (words[0] ? words[0] : "f32");
  device = is_ocl ? find_ocl_device () : words[0] && words[1] ? g_intern_string (words[1]) : NULL;
  return device || !is_ocl;
}

static bool is_wanted (char *const *names, const char *name)
{
  while (*names && strcmp (*names, name) != 0)
    names++;
  return *names != NULL;
}

int main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  shared = g_getenv ("WEIR_SHARED");
  if (!read_mode (argc > 1 ? argv[1] : "f32")) {
    printf ("skipped: no OpenCL device\n");
    return 77;
  }
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
    if (has_tolerance (model) && (argc < 3 || is_wanted (argv + 2, l->data)))
      test_model (l->data, model);
  }
  printf ("%d checks passed, %d failed\n", n_passed, n_failed);
  return n_failed != 0;
}
