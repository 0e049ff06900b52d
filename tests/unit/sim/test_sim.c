/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device SIM(a,b): results of the model's shapes, all zeros, after the time that was asked for;
 * with a model and without. */
#include "tests/run_suite.h"
#include "tests/unit/sched/tensor_fixture.h"

#include "engine/weir.h"

#include <string.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static char *folder;

/* Integers, truth values, and the input itself. */
static OnnxBuilder *many_types (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, "n,2,5");
  onnx_builder_node (b, "ArgMax", "x", "i", "axis=2 keepdims=0");
  onnx_builder_node (b, "Greater", "x,x", "t", NULL);
  onnx_builder_node (b, "Identity", "x", "y", NULL);
  onnx_builder_output (b, "i");
  onnx_builder_output (b, "t");
  onnx_builder_output (b, "y");
  return b;
}

/* As many rows as the data say. */
static OnnxBuilder *suppression (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "boxes", F32, "1,4,4");
  onnx_builder_input (b, "scores", F32, "1,2,4");
  onnx_builder_ints (b, "most", "3");
  onnx_builder_node (b, "NonMaxSuppression", "boxes,scores,most", "y", NULL);
  onnx_builder_output (b, "y");
  return b;
}

static OnnxBuilder *places (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, "1,3,8,8");
  onnx_builder_node (b, "NonZero", "x", "y", NULL);
  onnx_builder_node (b, "Relu", "x", "z", NULL);
  onnx_builder_output (b, "y");
  onnx_builder_output (b, "z");
  return b;
}

static const struct {
  const char *name; /* of a file in pipelines/clocks where nothing builds it */
  OnnxBuilder *(*build) (void);
  bool is_dynamic; /* the first output */
  bool has_picture;
} models[] = {
  { "find-characters.onnx", NULL, false, true },
  { "read-characters.onnx", NULL, false, true },
  { "two.onnx", fixture_two_inputs, false, false },
  { "types.onnx", many_types, false, false },
  { "rows.onnx", fixture_odd_rows, false, true },
  { "nms.onnx", suppression, true, false },
  { "places.onnx", places, true, true },
};

static char *model_path (int k)
{
  OnnxBuilder *builder = models[k].build ? models[k].build () : NULL;
  if (!builder)
    return g_build_filename (
        g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", models[k].name, NULL);
  char *path = onnx_builder_write (builder, folder, models[k].name);
  onnx_builder_free (builder);
  return path;
}

static WeirSession *open_session (const char *model, const char *device)
{
  WeirSessionOptions options = {
    .model = model, .device = device, .precision = "f32", .batch_timeout_ms = -1
  };
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

/* A session with one stream and one request on it. */
typedef struct Rig {
  WeirSession *session;
  WeirStream *stream;
  WeirRequest *request;
  WeirTensor inputs[2];
} Rig;

/* Tensor requests of n items, all ones. */
static void rig_open (Rig *rig, const char *model, const char *device, uint32_t n)
{
  *rig = (Rig){ .session = open_session (model, device) };
  const WeirModel *loaded = weir_session_model (rig->session);
  rig->stream = weir_stream_new (rig->session, device, 0);
  rig->request = weir_request_new (rig->stream);
  weir_request_keep_outputs (rig->request, true);
  for (uint32_t k = 0; k < weir_model_n_inputs (loaded); k++) {
    size_t n_bytes = 0;
    weir_model_input (loaded, k, &rig->inputs[k]);
    rig->inputs[k].dims[0] *= n;
    weir_tensor_bytes (&rig->inputs[k], &n_bytes);
    float *values = g_malloc (n_bytes);
    for (size_t i = 0; i < n_bytes / sizeof *values; i++)
      values[i] = 1;
    rig->inputs[k].buffer = values;
    g_autoptr (GError) error = NULL;
    ck_assert_msg (weir_request_set_input (rig->request, k, &rig->inputs[k], &error), "%s",
        error ? error->message : "");
  }
}

static void rig_close (Rig *rig)
{
  weir_request_free (rig->request);
  weir_stream_free (rig->stream);
  weir_session_unref (rig->session);
  for (uint32_t k = 0; k < G_N_ELEMENTS (rig->inputs); k++)
    g_free (rig->inputs[k].buffer);
}

static void rig_run (Rig *rig)
{
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_request_run (rig->request, &error), "%s", error ? error->message : "");
}

static void check_zeros (const WeirTensor *tensor)
{
  size_t n_bytes = 0;
  ck_assert (weir_tensor_bytes (tensor, &n_bytes));
  for (size_t i = 0; i < n_bytes; i++)
    ck_assert_int_eq (((const char *) weir_tensor_data (tensor))[i], 0);
}

/* Twice: what a run leaves must not show in the next one. */
static void check_model (const char *path, uint32_t n, bool is_dynamic)
{
  Rig real, sim;
  rig_open (&real, path, "REF", n);
  rig_open (&sim, path, "BATCH:SIM(0,0)(4)", n);
  uint32_t n_outputs = weir_model_n_outputs (weir_session_model (sim.session));
  rig_run (&real);
  rig_run (&sim);
  rig_run (&sim);
  ck_assert_uint_eq (weir_request_n_items (sim.request), n);
  for (uint32_t k = 0; k < n_outputs; k++) {
    const WeirTensor *a = weir_request_output (real.request, k);
    const WeirTensor *b = weir_request_output (sim.request, k);
    int64_t n_elements = -1;
    ck_assert_int_eq (a->dtype, b->dtype);
    ck_assert_uint_eq (a->rank, b->rank);
    if (is_dynamic && k == 0)
      ck_assert (weir_tensor_n_elements (b, &n_elements) && n_elements == 0);
    else
      ck_assert (weir_tensor_same_shape (a, b));
    check_zeros (b);
  }
  rig_close (&real);
  rig_close (&sim);
}

START_TEST (test_sim_gives_zeros_of_the_model_s_shapes)
{
  g_autofree char *path = model_path (_i);
  g_autoptr (WeirModel) model = weir_model_load (path, NULL, NULL);
  ck_assert_ptr_nonnull (model);
  check_model (path, 1, models[_i].is_dynamic);
  if (!weir_model_batch_limit_reason (model))
    check_model (path, 3, models[_i].is_dynamic);
}
END_TEST

/* Preprocessing, queue and decoder go on as always; nothing is found in no rows. */
START_TEST (test_sim_takes_pictures)
{
  if (!models[_i].has_picture)
    return;
  g_autofree char *path = model_path (_i);
  g_autofree guint8 *pixels = g_malloc0 (64 * 48);
  WeirFrame frame = { .format = WEIR_PIXEL_GRAY8,
    .width_px = 64,
    .height_px = 48,
    .planes = { pixels },
    .stride_bytes = { 64 } };
  WeirRequestOptions options = WEIR_REQUEST_OPTIONS_DEFAULT;
  Rig rig;
  options.attach_tensors = true;
  rig_open (&rig, path, "SIM(0,0)", 1);
  weir_request_reset (rig.request);
  weir_request_keep_outputs (rig.request, false);
  weir_request_set_options (rig.request, &options);
  weir_request_set_frame (rig.request, &frame);
  for (uint32_t i = 0; i < 5; i++)
    weir_request_add_region (rig.request, &(WeirRegion){ i * 8, i * 4, 24, 20 });
  rig_run (&rig);
  for (uint32_t i = 0; i < 5; i++) {
    const WeirResult *result = weir_request_result (rig.request, i);
    ck_assert_int_eq (result->status, WEIR_STATUS_INFERRED);
    ck_assert (
        !weir_model_is_detector (weir_session_model (rig.session)) || result->n_objects == 0);
  }
  rig_close (&rig);
}
END_TEST

/* No matter what asks for more: a device that runs one batch after the other. */
static const struct {
  const char *device, *precision, *hint;
  uint32_t batch_size, num_requests;
  const char *name;
  uint32_t batch_max;
} settings[] = {
  { "SIM(4,1)", NULL, NULL, 0, 0, "SIM(4,1)", 8 },
  { "SIM(0.50,01.25)", "bf16", NULL, 0, 0, "SIM(0.5,1.25)", 8 },
  { "BATCH:SIM(4,1)", "f32", "throughput", 0, 0, "SIM(4,1)", 8 },
  { "BATCH:SIM(4,1)(16)", NULL, NULL, 0, 0, "SIM(4,1)", 16 },
  { "SIM(0,0)", NULL, NULL, 1024, 0, "SIM(0,0)", 1024 },
  { "SIM(60000,60000)", NULL, "latency", 0, 0, "SIM(60000,60000)", 1 },
  { "SIM(4,1)", NULL, NULL, 0, 3, "SIM(4,1)", 3 },
};

START_TEST (test_sim_settings)
{
  WeirSessionOptions options = { .device = settings[_i].device,
    .precision = settings[_i].precision,
    .performance_hint = settings[_i].hint,
    .batch_size = settings[_i].batch_size,
    .num_requests = settings[_i].num_requests,
    .batch_timeout_ms = -1 };
  g_autoptr (WeirSession) session = weir_session_open (&options, NULL);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  ck_assert_ptr_nonnull (session);
  weir_session_stats (session, stats);
  ck_assert_str_eq (stats->device, settings[_i].name);
  ck_assert_str_eq (stats->precision, "f32");
  ck_assert_uint_eq (stats->n_workers, 1);
  ck_assert_uint_eq (stats->batch_max, settings[_i].batch_max);
}
END_TEST

/* No file: one number in, one out. */
START_TEST (test_sim_without_a_model)
{
  WeirTensor shape;
  WeirFrame frame = { .format = WEIR_PIXEL_GRAY8 };
  g_autoptr (GError) error = NULL;
  Rig rig;
  rig_open (&rig, _i ? "" : NULL, "SIM(0,0)", 5);
  const WeirModel *model = weir_session_model (rig.session);
  ck_assert_uint_eq (weir_model_n_inputs (model), 1);
  ck_assert_uint_eq (weir_model_n_outputs (model), 1);
  weir_model_output (model, 0, &shape);
  ck_assert (shape.dtype == WEIR_DTYPE_F32 && shape.rank == 2 && shape.dims[1] == 1);
  ck_assert_ptr_null (weir_model_batch_limit_reason (model));
  rig_run (&rig);
  ck_assert_int_eq (weir_request_output (rig.request, 0)->dims[0], 5);
  check_zeros (weir_request_output (rig.request, 0));
  weir_request_reset (rig.request);
  weir_request_set_frame (rig.request, &frame);
  weir_request_add_region (rig.request, &(WeirRegion){ 0, 0, 1, 1 });
  ck_assert (!weir_request_run (rig.request, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  rig_close (&rig);
}
END_TEST

START_TEST (test_sim_alone_needs_no_model)
{
  static const char *const devices[] = { NULL, "CPU", "REF", "AUTO", "BATCH:CPU(4)" };
  for (uint32_t i = 0; i < G_N_ELEMENTS (devices); i++) {
    WeirSessionOptions options = { .device = devices[i], .batch_timeout_ms = -1 };
    g_autoptr (GError) error = NULL;
    ck_assert_ptr_null (weir_session_open (&options, &error));
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
    ck_assert_msg (strstr (error->message, "no model is given") != NULL, "%s", error->message);
  }
}
END_TEST

/* What the batches that ran must have taken together, ms. */
static double least_ms (const WeirStats *stats, double fixed, double per_item)
{
  double ms = 0;
  for (uint32_t n = 1; n < G_N_ELEMENTS (stats->batch_histogram); n++)
    ms += (double) stats->batch_histogram[n] * (fixed + per_item * n);
  return ms;
}

/* Never less than asked for; more only as far as the machine is late, so the best of some tries
 * counts. */
START_TEST (test_sim_takes_its_time)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  uint64_t best_us = UINT64_MAX;
  Rig rig;
  rig_open (&rig, NULL, "SIM(20,5)", 1);
  weir_request_keep_outputs (rig.request, false);
  for (int i = 0; i < 5; i++) {
    rig_run (&rig);
    uint64_t us = weir_request_latency_ns (rig.request) / 1000;
    ck_assert_uint_ge (us, 25000);
    best_us = MIN (best_us, us);
  }
  ck_assert_uint_le (best_us, 60000);
  rig_close (&rig);
  rig_open (&rig, NULL, "BATCH:SIM(20,5)(4)", 16);
  rig_run (&rig);
  weir_session_stats (rig.session, stats);
  ck_assert_uint_eq (stats->n_items, 16);
  ck_assert (stats->n_batches < 16);
  ck_assert_double_ge ((double) stats->busy_us / 1000, least_ms (stats, 20, 5));
  rig_close (&rig);
}
END_TEST

/* 2,000 requests one after the other: nothing but the queue. */
START_TEST (test_sim_of_no_time_is_quick)
{
  Rig rig;
  gint64 start_us = g_get_monotonic_time ();
  rig_open (&rig, NULL, "SIM(0,0)", 1);
  weir_request_keep_outputs (rig.request, false);
  for (int i = 0; i < 2000; i++)
    rig_run (&rig);
  ck_assert_int_le (g_get_monotonic_time () - start_us, 4000000);
  rig_close (&rig);
}
END_TEST

static GString *messages;

static void take_message (
    const char *domain, GLogLevelFlags level, const char *message, gpointer user)
{
  g_string_append_printf (messages, "%s\n", message);
}

/* Once, when it is opened; who shares it is told nothing more. */
START_TEST (test_sim_says_so)
{
  messages = g_string_new (NULL);
  GLogFunc before = g_log_set_default_handler (take_message, NULL);
  g_autofree char *path = model_path (0);
  WeirSession *first = open_session (path, "SIM(1,0.5)");
  WeirSession *second = open_session (path, "SIM(1,0.5)");
  ck_assert_ptr_eq (first, second);
  weir_session_unref (first);
  weir_session_unref (second);
  g_log_set_default_handler (before, NULL);
  const char *said = strstr (messages->str, "SIM(1,0.5)");
  ck_assert_ptr_nonnull (said);
  ck_assert_ptr_nonnull (strstr (messages->str, "zeros"));
  ck_assert_ptr_null (strstr (said + 1, "SIM("));
  g_string_free (messages, TRUE);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("sim");
  TCase *tcase = tcase_create ("sim");
  folder = onnx_builder_folder ();
  tcase_add_loop_test (tcase, test_sim_gives_zeros_of_the_model_s_shapes, 0, G_N_ELEMENTS (models));
  tcase_add_loop_test (tcase, test_sim_takes_pictures, 0, G_N_ELEMENTS (models));
  tcase_add_loop_test (tcase, test_sim_settings, 0, G_N_ELEMENTS (settings));
  tcase_add_loop_test (tcase, test_sim_without_a_model, 0, 2);
  tcase_add_test (tcase, test_sim_alone_needs_no_model);
  tcase_add_test (tcase, test_sim_takes_its_time);
  tcase_add_test (tcase, test_sim_of_no_time_is_quick);
  tcase_add_test (tcase, test_sim_says_so);
  suite_add_tcase (suite, tcase);
  int status = run_suite (suite, CK_NOFORK);
  onnx_builder_remove (folder);
  return status;
}
