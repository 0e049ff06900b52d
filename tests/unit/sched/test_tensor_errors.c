/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of tensors: what is refused, with which words, and that the request is as before. */
#include "tests/unit/sched/session_fixture.h"
#include "tests/unit/sched/tensor_fixture.h"

#include "tests/run_suite.h"

static const struct {
  uint32_t n_max, n;
  bool ok;
  const char *words;
} batches[] = {
  { 1, 1, true, NULL },
  { 8, 1, true, NULL },
  { 8, 8, true, NULL },
  { 1024, 1024, true, NULL },
  { 8, 0, false, "batch 0: 1 to 8 are expected" },
  { 8, 9, false, "batch 9: 1 to 8 are expected" },
  { 1, 2, false, "batch 2: 1 is expected" },
  { 1024, G_MAXUINT32, false, "batch 4294967295: 1 to 1024 are expected" },
  { 0, 1, false, "weir_request_set_batch_max" },
};

START_TEST (test_tensors_batch_range)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  g_autofree float *src = g_new0 (float, 1024 * 4);
  WeirTensor input = fixture_tensor (2, (int64_t[]){ batches[_i].n_max, 4 }, src);
  ck_assert (weir_request_set_batch_max (request, batches[_i].n_max, NULL));
  ck_assert (weir_request_set_batch (request, batches[_i].n, &error) == batches[_i].ok);
  if (!batches[_i].ok)
    fixture_check_error (&error, WEIR_ERROR_OPTION, batches[_i].words);
  if (batches[_i].n_max) { /* an n that is refused leaves the one before */
    fixture_set_input (request, 0, &input);
    fixture_run (request);
    ck_assert_uint_eq (
        weir_request_n_items (request), batches[_i].ok ? batches[_i].n : batches[_i].n_max);
  }
  weir_stream_free (stream);
}
END_TEST

/* All rows or none. */
START_TEST (test_tensors_without_dynamic_batch)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 4, "DYN_BATCH_ENABLED=NO");
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float src[8 * 4] = { 0 };
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 8, 4 }, src);
  ck_assert (weir_request_set_batch_max (request, 8, NULL));
  for (uint32_t n = 0; n < 10; n++) {
    ck_assert (weir_request_set_batch (request, n, &error) == (n == 8));
    if (n != 8)
      fixture_check_error (&error, WEIR_ERROR_OPTION, "8 is expected (DYN_BATCH_ENABLED=NO)");
  }
  fixture_set_input (request, 0, &input);
  fixture_run (request);
  ck_assert_uint_eq (weir_request_n_items (request), 8);
  weir_stream_free (stream);
}
END_TEST

START_TEST (test_tensors_batch_max_range)
{
  float src[3 * 4] = { 0 };
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 3, 4 }, src);
  g_autoptr (GError) error = NULL;
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  ck_assert (!weir_request_set_batch_max (request, 1025, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "batch maximum 1025: 1 to 1024 are expected");
  fixture_set_input (request, 0, &input);
  ck_assert (!weir_request_set_batch_max (request, 3, &error));
  fixture_check_error (
      &error, WEIR_ERROR_OPTION, "an empty request is expected (weir_request_reset)");
  fixture_run (request);
  ck_assert_uint_eq (weir_request_n_items (request), 3);
  weir_stream_free (stream);

  WeirStream *single = fixture_open_model (fixture_negation ("3,4"), 4, NULL);
  g_autoptr (WeirRequest) one = weir_request_new (single);
  ck_assert (!weir_request_set_batch_max (one, 2, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "batch maximum 2: 1 is expected");
  ck_assert (weir_request_set_batch_max (one, 1, NULL));
  fixture_set_input (one, 0, &input);
  fixture_run (one);
  weir_stream_free (single);
}
END_TEST

/* What stays over a reset and what does not; 0 ends the dynamic batch. */
START_TEST (test_tensors_reset)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float src[3 * 4], dst[3 * 4];
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 3, 4 }, src),
             output = fixture_tensor (2, (int64_t[]){ 3, 4 }, dst);
  fixture_fill_f32 (src, 12, 1);
  fixture_fill_f32 (dst, 12, FIXTURE_CANARY);
  ck_assert (weir_request_set_batch_max (request, 3, NULL));
  ck_assert (weir_request_set_batch (request, 2, NULL));
  ck_assert (!weir_request_run (request, &error)); /* n is there, the input is not */
  fixture_check_error (&error, WEIR_ERROR_OPTION, "0 of 1 inputs");
  fixture_set_input (request, 0, &input);
  fixture_set_output (request, 0, &output);
  weir_request_reset (request);
  ck_assert (!weir_request_run (request, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "0 of 1 inputs");
  fixture_set_input (request, 0, &input);
  fixture_run (request);
  ck_assert_uint_eq (weir_request_n_items (request), 2);
  ck_assert_float_eq (dst[0], FIXTURE_CANARY);
  ck_assert_ptr_ne (fixture_output (request, 0), dst);
  ck_assert_float_eq (fixture_output (request, 0)[7], -1);
  ck_assert_float_eq (fixture_output (request, 0)[8], 0);
  weir_request_reset (request);
  ck_assert (weir_request_set_batch_max (request, 0, NULL));
  fixture_run (request); /* without items: done at once */
  ck_assert_uint_eq (weir_request_n_items (request), 0);
  input.dims[0] = 1;
  fixture_set_input (request, 0, &input);
  fixture_run (request);
  ck_assert_int_eq (weir_request_output (request, 0)->dims[0], 1);
  weir_stream_free (stream);
}
END_TEST

static const struct {
  uint32_t n_max, k, rank;
  int64_t dims[3];
  WeirDtype dtype;
  WeirLayout layout;
  bool has_memory;
  int code;
  const char *words;
} inputs[] = {
  { 4, 0, 2, { 3, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE,
      "4 rows in dim 0" },
  { 4, 1, 2, { 5, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "f32[5,3]" },
  { 4, 0, 2, { 4, 4 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "f32[1,3]" },
  { 4, 0, 3, { 4, 3, 1 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "f32[4,3,1]" },
  { 4, 0, 2, { 4, 3 }, WEIR_DTYPE_I64, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "i64[4,3]" },
  { 4, 0, 2, { 4, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, false, WEIR_ERROR_SHAPE, "memory" },
  { 4, 2, 2, { 4, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_OPTION, "there are 2" },
  { 0, 0, 2, { 1025, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "1 to 1024" },
  { 0, 0, 2, { 0, 3 }, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, true, WEIR_ERROR_SHAPE, "1 to 1024" },
};

static WeirTensor row_tensor (int row, float *memory)
{
  WeirTensor tensor =
      fixture_tensor (inputs[row].rank, inputs[row].dims, inputs[row].has_memory ? memory : NULL);
  tensor.dtype = inputs[row].dtype;
  tensor.layout = inputs[row].layout;
  return tensor;
}

/* The same tensors are as wrong for an output. */
START_TEST (test_tensors_wrong_tensors)
{
  WeirStream *stream = fixture_open_model (fixture_two_inputs (), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float memory[32] = { 0 };
  WeirTensor tensor = row_tensor (_i, memory),
             good = fixture_tensor (2, (int64_t[]){ 4, 3 }, memory);
  ck_assert (weir_request_set_batch_max (request, inputs[_i].n_max, NULL));
  ck_assert (!weir_request_set_input (request, inputs[_i].k, &tensor, &error));
  fixture_check_error (&error, inputs[_i].code, inputs[_i].words);
  ck_assert (!weir_request_set_output (request, inputs[_i].k, &tensor, &error));
  ck_assert_int_eq (error->code, inputs[_i].code);
  for (uint32_t k = 0; k < 2; k++)
    fixture_set_input (request, k, &good);
  fixture_run (request); /* nothing is left of them */
  weir_stream_free (stream);
}
END_TEST

/* Memory that is given before there are inputs: only submit can tell how many rows it must have. */
START_TEST (test_tensors_output_before_inputs)
{
  WeirStream *stream = fixture_open_model (fixture_two_inputs (), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float src[4 * 3] = { 0 }, dst[4 * 3];
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 4, 3 }, src),
             output = fixture_tensor (2, (int64_t[]){ 3, 3 }, dst);
  fixture_fill_f32 (dst, 12, FIXTURE_CANARY);
  fixture_set_output (request, 1, &output);
  fixture_set_input (request, 0, &input);
  fixture_set_input (request, 1, &input);
  ck_assert (!weir_request_run (request, &error));
  fixture_check_error (&error, WEIR_ERROR_SHAPE, "'z' is f32[3,3], expected is f32[4,3]");
  ck_assert_float_eq (dst[0], FIXTURE_CANARY);
  ck_assert (!weir_request_set_output (request, 1, &output, &error));
  fixture_check_error (&error, WEIR_ERROR_SHAPE, "'z' is f32[3,3], expected is f32[4,3]");
  output.dims[0] = 4;
  fixture_set_output (request, 1, &output);
  fixture_run (request);
  for (int i = 0; i < 12; i++)
    ck_assert_float_eq (dst[i], 0);
  ck_assert_ptr_ne (fixture_output (request, 0), dst);
  weir_stream_free (stream);
}
END_TEST

/* Regions are counted by themselves: memory may be given for their outputs, a batch may not. */
START_TEST (test_tensors_and_frames)
{
  WeirSession *session = fixture_open (0, 4);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float dst[(N_ITEMS + 1) * N_CLASSES];
  WeirTensor output = fixture_tensor (2, (int64_t[]){ N_ITEMS, N_CLASSES }, dst);
  fixture_fill_f32 (dst, G_N_ELEMENTS (dst), FIXTURE_CANARY);
  fixture_fill (request, 1, N_ITEMS);
  fixture_set_output (request, 0, &output);
  fixture_run (request);
  for (uint32_t i = 0; i < N_ITEMS * N_CLASSES; i++)
    ck_assert_float_ne (dst[i], FIXTURE_CANARY);
  for (uint32_t i = N_ITEMS * N_CLASSES; i < G_N_ELEMENTS (dst); i++)
    ck_assert_float_eq (dst[i], FIXTURE_CANARY);
  ck_assert (!weir_request_set_batch_max (request, 4, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "an empty request is expected");
  weir_request_reset (request);
  ck_assert (weir_request_set_batch_max (request, 4, NULL));
  fixture_fill (request, 1, 2);
  ck_assert (!weir_request_run (request, &error));
  fixture_check_error (&error, WEIR_ERROR_OPTION, "expected are tensors");
  weir_request_reset (request);
  ck_assert (weir_request_set_batch_max (request, 0, NULL));
  fixture_fill (request, 1, 2);
  fixture_run (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* y, of a size that the data decide, can be kept but not given memory; z can. */
START_TEST (test_tensors_dynamic_output)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "6");
  onnx_builder_node (b, "NonZero", "x", "y", NULL);
  onnx_builder_node (b, "Neg", "x", "z", NULL);
  onnx_builder_output (b, "y");
  onnx_builder_output (b, "z");
  WeirStream *stream = fixture_open_model (b, 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  float src[6] = { 0, 1, 0, 2, 3, 0 }, dst[6] = { 0 };
  int64_t places[6];
  WeirTensor input = fixture_tensor (1, (int64_t[]){ 6 }, src),
             output = fixture_tensor (1, (int64_t[]){ 6 }, dst),
             dynamic = { .dtype = WEIR_DTYPE_I64, .rank = 2, .dims = { 1, 6 }, .buffer = places };
  ck_assert (weir_request_set_batch_max (request, 1, NULL));
  fixture_set_input (request, 0, &input);
  ck_assert (!weir_request_set_output (request, 0, &dynamic, &error));
  fixture_check_error (&error, WEIR_ERROR_SHAPE, "output 'y' has another size for every item");
  fixture_set_output (request, 1, &output);
  fixture_run (request);
  ck_assert_int_eq (weir_request_output (request, 0)->dims[1], 3);
  ck_assert_float_eq (dst[4], -3);
  weir_stream_free (stream);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("tensor errors");
  TCase *tcase = tcase_create ("tensor errors");
  fixture_make_pictures ();
  tcase_add_loop_test (tcase, test_tensors_batch_range, 0, G_N_ELEMENTS (batches));
  tcase_add_test (tcase, test_tensors_without_dynamic_batch);
  tcase_add_test (tcase, test_tensors_batch_max_range);
  tcase_add_test (tcase, test_tensors_reset);
  tcase_add_loop_test (tcase, test_tensors_wrong_tensors, 0, G_N_ELEMENTS (inputs));
  tcase_add_test (tcase, test_tensors_output_before_inputs);
  tcase_add_test (tcase, test_tensors_and_frames);
  tcase_add_test (tcase, test_tensors_dynamic_output);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
