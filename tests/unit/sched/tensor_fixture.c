/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small models and plain f32 tensors for requests. */
#include "tests/unit/sched/tensor_fixture.h"

#include <check.h>
#include <string.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

WeirSession *fixture_open_path (const char *path, uint32_t batch_size, const char *config)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  WeirSessionOptions o = { .model = path,
    .device = device ? device : "REF",
    .precision = "f32",
    .config = config,
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (&o, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

WeirSession *fixture_open_session (OnnxBuilder *builder, uint32_t batch_size, const char *config)
{
  char *folder = onnx_builder_folder ();
  g_autofree char *path = onnx_builder_write (builder, folder, "model.onnx");
  WeirSession *session = fixture_open_path (path, batch_size, config);
  onnx_builder_remove (folder); /* what is mapped stays */
  onnx_builder_free (builder);
  return session;
}

WeirStream *fixture_open_model (OnnxBuilder *builder, uint32_t batch_size, const char *config)
{
  g_autoptr (WeirSession) session = fixture_open_session (builder, batch_size, config);
  return weir_stream_new (session, "s", 0);
}

OnnxBuilder *fixture_two_inputs (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "a", F32, "n,3");
  onnx_builder_input (b, "b", F32, "n,3");
  onnx_builder_node (b, "Add", "a,b", "y", NULL);
  onnx_builder_node (b, "Sub", "a,b", "z", NULL);
  onnx_builder_output (b, "y");
  onnx_builder_output (b, "z");
  return b;
}

OnnxBuilder *fixture_odd_rows (void)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, "1,1,7,3");
  onnx_builder_ints (b, "rows", "7,3");
  onnx_builder_ints (b, "none", "0");
  onnx_builder_ints (b, "zero", "0");
  onnx_builder_node (b, "Reshape", "x,rows", "y", NULL);
  onnx_builder_node (b, "ReduceMax", "x", "m", "keepdims=0");
  onnx_builder_node (b, "Slice", "y,none,zero", "e", NULL);
  onnx_builder_output (b, "y");
  onnx_builder_output (b, "m");
  onnx_builder_output (b, "e");
  return b;
}

OnnxBuilder *fixture_negation (const char *dims)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, dims);
  onnx_builder_node (b, "Neg", "x", "y", NULL);
  onnx_builder_output (b, "y");
  return b;
}

WeirTensor fixture_tensor (uint32_t rank, const int64_t *dims, float *buffer)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = rank, .buffer = buffer };
  memcpy (tensor.dims, dims, rank * sizeof *dims);
  return tensor;
}

void fixture_fill_f32 (float *values, size_t n, float value)
{
  for (size_t i = 0; i < n; i++)
    values[i] = value;
}

void fixture_set_input (WeirRequest *request, uint32_t k, const WeirTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_set_input (request, k, tensor, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

void fixture_set_output (WeirRequest *request, uint32_t k, const WeirTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_set_output (request, k, tensor, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

void fixture_run (WeirRequest *request)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_request_run (request, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

const float *fixture_output (const WeirRequest *request, uint32_t k)
{
  return weir_tensor_data (weir_request_output (request, k));
}

void fixture_check_error (GError **error, int code, const char *words)
{
  ck_assert_ptr_nonnull (*error);
  ck_assert_msg (g_error_matches (*error, WEIR_ERROR, code), "%s", (*error)->message);
  ck_assert_msg (
      strstr ((*error)->message, words) != NULL, "'%s' is not in '%s'", words, (*error)->message);
  g_clear_error (error);
}
