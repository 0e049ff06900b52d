/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests on models that are not one picture in, one row out: several inputs, other types, no
 * batch, no rows, scalars; and what is refused. */
#include "tests/unit/sched/session_fixture.h"
#include "tests/unit/sched/tensor_fixture.h"

#include <check.h>
#include <stdlib.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define F16 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16
#define F64 ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE

static char *folder;

/* Opens the model and a stream on it; both end with close_model. */
static WeirStream *open_model (OnnxBuilder *builder, const char *name, WeirSession **session)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  g_autofree char *path = onnx_builder_write (builder, folder, name);
  WeirSessionOptions o = { .model = path,
    .device = device ? device : "REF",
    .precision = "f32",
    .num_requests = 8,
    .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  *session = weir_session_open (&o, &error);
  ck_assert_msg (*session != NULL, "%s", error ? error->message : "");
  onnx_builder_free (builder);
  return weir_stream_new (*session, name, 0);
}

static void close_model (WeirStream *stream, WeirSession *session)
{
  weir_stream_free (stream);
  weir_session_unref (session);
}

static WeirTensor tensor_of (WeirDtype dtype, uint32_t rank, const int64_t *dims, void *buffer)
{
  WeirTensor tensor = { .dtype = dtype, .rank = rank, .buffer = buffer };
  for (uint32_t i = 0; i < rank; i++)
    tensor.dims[i] = dims[i];
  return tensor;
}

static float output_at (const WeirRequest *request, uint32_t k, int i)
{
  return ((const float *) weir_tensor_data (weir_request_output (request, k)))[i];
}

START_TEST (test_models_two_inputs)
{
  WeirSession *session;
  WeirStream *stream = open_model (fixture_two_inputs (), "two.onnx", &session);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  float a[5 * 3], b[5 * 3];
  for (int i = 0; i < 15; i++) {
    a[i] = (float) i;
    b[i] = (float) (i * i);
  }
  WeirTensor first = tensor_of (WEIR_DTYPE_F32, 2, (int64_t[]){ 5, 3 }, a),
             second = tensor_of (WEIR_DTYPE_F32, 2, (int64_t[]){ 5, 3 }, b);
  g_autoptr (GError) error = NULL;
  weir_request_keep_outputs (request, true);
  ck_assert (weir_request_set_input (request, 0, &first, NULL));
  ck_assert (!weir_request_run (request, &error)); /* half of the inputs */
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  g_clear_error (&error);
  second.dims[0] = 4;
  ck_assert (!weir_request_set_input (request, 1, &second, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  g_clear_error (&error);
  ck_assert (!weir_request_set_input (request, 2, &second, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  second.dims[0] = 5;
  ck_assert (weir_request_set_input (request, 1, &second, NULL));
  for (int round = 0; round < 2; round++) { /* again with other bytes, without a reset */
    ck_assert (weir_request_run (request, NULL));
    for (int i = 0; i < 15; i++) {
      ck_assert_float_eq (output_at (request, 0, i), a[i] + b[i]);
      ck_assert_float_eq (output_at (request, 1, i), a[i] - b[i]);
    }
    a[7] = 70;
  }
  close_model (stream, session);
}
END_TEST

static const struct {
  bool has_frame, has_region, has_input;
} mixtures[] = { { true, true, false }, { true, false, true }, { false, true, false },
  { false, true, true } };

/* Pictures for a model that takes none, and halves of both kinds of request. */
START_TEST (test_models_mixed_content_is_refused)
{
  WeirSession *session;
  WeirStream *stream = open_model (fixture_two_inputs (), "two.onnx", &session);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  guint8 pixels[16] = { 0 };
  float a[3] = { 0 };
  WeirFrame frame = { .format = WEIR_PIXEL_GRAY8,
    .width_px = 4,
    .height_px = 4,
    .planes = { pixels },
    .stride_bytes = { 4 } };
  WeirTensor tensor = tensor_of (WEIR_DTYPE_F32, 2, (int64_t[]){ 1, 3 }, a);
  if (mixtures[_i].has_frame)
    weir_request_set_frame (request, &frame);
  if (mixtures[_i].has_region)
    weir_request_add_region (request, &(WeirRegion){ 0, 0, 4, 4 });
  for (uint32_t k = 0; k < 2 && mixtures[_i].has_input; k++)
    ck_assert (weir_request_set_input (request, k, &tensor, NULL));
  ck_assert (!weir_request_run (request, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  weir_request_reset (request);
  for (uint32_t k = 0; k < 2; k++)
    ck_assert (weir_request_set_input (request, k, &tensor, NULL));
  ck_assert (weir_request_run (request, NULL));
  close_model (stream, session);
}
END_TEST

static const struct {
  int32_t type;
  WeirDtype given;
} types[] = { { F32, WEIR_DTYPE_F32 }, { F32, WEIR_DTYPE_U8 }, { F32, WEIR_DTYPE_F16 },
  { F64, WEIR_DTYPE_F64 }, { F64, WEIR_DTYPE_F32 }, { F16, WEIR_DTYPE_F32 },
  { F16, WEIR_DTYPE_F16 }, { F16, WEIR_DTYPE_U8 } };

static void fill_numbers (void *data, WeirDtype dtype, int n)
{
  static const uint16_t halves[] = { 0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500 };
  for (int i = 0; i < n; i++) {
    if (dtype == WEIR_DTYPE_F32)
      ((float *) data)[i] = (float) (i % 6);
    else if (dtype == WEIR_DTYPE_F64)
      ((double *) data)[i] = i % 6;
    else if (dtype == WEIR_DTYPE_F16)
      ((uint16_t *) data)[i] = halves[i % 6];
    else
      ((uint8_t *) data)[i] = (uint8_t) (i % 6);
  }
}

/* Whatever type the numbers 0..5 are given in; with a batch and without. */
START_TEST (test_models_input_types)
{
  for (int has_batch = 0; has_batch < 2; has_batch++) {
    WeirSession *session;
    OnnxBuilder *b = onnx_builder_new (13);
    onnx_builder_input (b, "x", types[_i].type, has_batch ? "n,2,5" : "4,2,5");
    onnx_builder_node (b, "Neg", "x", "y", NULL);
    onnx_builder_output (b, "y");
    WeirStream *stream = open_model (b, has_batch ? "t1.onnx" : "t0.onnx", &session);
    g_autoptr (WeirRequest) request = weir_request_new (stream);
    g_autoptr (GError) error = NULL;
    double numbers[40];
    WeirTensor tensor = tensor_of (types[_i].given, 3, (int64_t[]){ 4, 2, 5 }, numbers);
    fill_numbers (numbers, types[_i].given, 40);
    weir_request_keep_outputs (request, true);
    ck_assert_msg (
        weir_request_set_input (request, 0, &tensor, &error), "%s", error ? error->message : "");
    ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
    ck_assert_uint_eq (weir_request_n_items (request), has_batch ? 4 : 1);
    ck_assert_int_eq (weir_request_output (request, 0)->dims[0], 4);
    for (int i = 0; i < 40; i++)
      ck_assert_float_eq (output_at (request, 0, i), (float) -(i % 6));
    close_model (stream, session);
  }
}
END_TEST

/* A picture in; per item 7 rows, a scalar and nothing at all come out. */
START_TEST (test_models_outputs_without_a_batch)
{
  WeirSession *session;
  WeirStream *stream = open_model (fixture_odd_rows (), "rows.onnx", &session);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  guint8 pixels[5 * 21];
  weir_request_keep_outputs (request, true);
  for (int i = 0; i < 5 * 21; i++)
    pixels[i] = (guint8) i;
  WeirFrame frame = { .format = WEIR_PIXEL_GRAY8,
    .range = WEIR_RANGE_FULL,
    .width_px = 3,
    .height_px = 35,
    .planes = { pixels },
    .stride_bytes = { 3 } };
  weir_request_set_frame (request, &frame);
  for (uint32_t i = 0; i < 5; i++)
    weir_request_add_region (request, &(WeirRegion){ 0, 7 * i, 3, 7 });
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  ck_assert_int_eq (weir_request_output (request, 0)->dims[0], 35);
  ck_assert_int_eq (weir_request_output (request, 1)->dims[0], 5);
  ck_assert_int_eq (weir_request_output (request, 2)->dims[0], 0);
  float scale = output_at (request, 0, 20) / 20;
  for (int i = 0; i < 5 * 21; i++)
    ck_assert_float_eq_tol (output_at (request, 0, i), (float) i * scale, 1e-4f);
  for (int i = 0; i < 5; i++)
    ck_assert_float_eq_tol (output_at (request, 1, i), (float) (i * 21 + 20) * scale, 1e-4f);

  float rows[5 * 21] = { 0 }, maxima[5] = { 0 }; /* the same into the caller's memory */
  WeirTensor first = tensor_of (WEIR_DTYPE_F32, 2, (int64_t[]){ 35, 3 }, rows),
             second = tensor_of (WEIR_DTYPE_F32, 1, (int64_t[]){ 5 }, maxima);
  ck_assert (weir_request_set_output (request, 0, &first, NULL));
  ck_assert (weir_request_set_output (request, 1, &second, NULL));
  ck_assert (weir_request_run (request, NULL));
  for (int i = 0; i < 5 * 21; i++)
    ck_assert_float_eq_tol (rows[i], (float) i * scale, 1e-4f);
  for (int i = 0; i < 5; i++)
    ck_assert_float_eq_tol (maxima[i], (float) (i * 21 + 20) * scale, 1e-4f);
  close_model (stream, session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session models");
  TCase *tcase = tcase_create ("models");
  folder = onnx_builder_folder ();
  tcase_add_test (tcase, test_models_two_inputs);
  tcase_add_loop_test (tcase, test_models_mixed_content_is_refused, 0, G_N_ELEMENTS (mixtures));
  tcase_add_loop_test (tcase, test_models_input_types, 0, G_N_ELEMENTS (types));
  tcase_add_test (tcase, test_models_outputs_without_a_batch);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_set_fork_status (runner, CK_NOFORK); /* threads; sanitizers see everything */
  srunner_run_all (runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  onnx_builder_remove (folder);
  return n_failed != 0;
}
