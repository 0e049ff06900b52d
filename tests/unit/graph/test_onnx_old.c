/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of operator sets 1 to 6 (and some to 8) mean what they meant then. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/error.h"
#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/formats/onnx_builder.h"

#define MAX_ELEMENTS 12

/* x counts 0, -1, -2 … in [1, 3, 2, 2]; b is 0, 1, 2 and m is 0, 1, 2, 3 in [2, 2]. */
static const struct {
  int64_t opset;
  const char *op, *src, *attrs;
  int64_t n;
  double expected[MAX_ELEMENTS];
} rows[] = {
  { 6, "Add", "x,b", "axis=1 broadcast=1", 12, { 0, -1, -2, -3, -3, -4, -5, -6, -6, -7, -8, -9 } },
  { 6, "Sub", "x,m", "broadcast=1", 12, { 0, -2, -4, -6, -4, -6, -8, -10, -8, -10, -12, -14 } },
  { 6, "Mul", "x,m", "axis=2 broadcast=1", 12,
      { 0, -1, -4, -9, 0, -5, -12, -21, 0, -9, -20, -33 } },
  { 1, "Equal", "x,b", "axis=-3 broadcast=1", 12, { 1 } },
  { 6, "PRelu", "x,b", NULL, 12, { 0, 0, 0, 0, -4, -5, -6, -7, -16, -18, -20, -22 } },
  { 5, "Cast", "m", "to='INT64'", 4, { 0, 1, 2, 3 } },
  { 5, "Cast", "m", "to='DOUBLE'", 4, { 0, 1, 2, 3 } },
  { 1, "Pad", "m", "paddings=1,0,0,1 value=7.0", 9, { 7, 7, 7, 0, 1, 7, 2, 3, 7 } },
  { 1, "Upsample", "p", "height_scale=2.0 width_scale=1.0", 4, { 0, 1, 0, 1 } },
  { 5, "Selu", "one", NULL, 1, { 1.0507 } },
  { 8, "MeanVarianceNormalization", "p", NULL, 2, { -1, 1 } },
  { 8, "MeanVarianceNormalization", "q", "across_channels=1", 2, { -1, 1 } },
  { 6, "Dropout", "m", "is_test=0", 4, { 0, 1, 2, 3 } },
  { 4, "Reshape", "m", "shape=4,1", 4, { 0, 1, 2, 3 } },
  { 1, "Concat", "m,m", NULL, 8, { 0, 1, 0, 1, 2, 3, 2, 3 } },
  { 1, "GlobalLpPool", "p", "p=1.0", 1, { 1 } },
};

static WeirGraph *load (OnnxBuilder *b, int64_t opset, GError **error)
{
  b->model->opset_import[0]->version = opset;
  g_autoptr (GBytes) packed = onnx_builder_pack (b);
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  return weir_onnx_parse ("net.onnx", bytes, n_bytes, NULL, error);
}

static double element (const WeirTensor *tensor, int64_t i)
{
  const void *data = weir_tensor_data (tensor);
  return tensor->dtype == WEIR_DTYPE_F32   ? (double) ((const float *) data)[i]
         : tensor->dtype == WEIR_DTYPE_I64 ? (double) ((const int64_t *) data)[i]
                                           : (double) ((const uint8_t *) data)[i];
}

START_TEST (test_row)
{
  static const float one = 1;
  float x[MAX_ELEMENTS];
  g_autoptr (OnnxBuilder) b = onnx_builder_new (1);
  g_autoptr (GError) error = NULL;
  for (int i = 0; i < MAX_ELEMENTS; i++)
    x[i] = (float) -i;
  onnx_builder_constant (b, "x", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "1,3,2,2", x, sizeof x);
  onnx_builder_constant (b, "one", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "1", &one, sizeof one);
  onnx_builder_ramp (b, "b", "3");
  onnx_builder_ramp (b, "m", "2,2");
  onnx_builder_ramp (b, "p", "1,1,1,2");
  onnx_builder_ramp (b, "q", "1,2,1,1");
  onnx_builder_node (b, rows[_i].op, rows[_i].src, "y", rows[_i].attrs);
  onnx_builder_output (b, "y");
  g_autoptr (WeirGraph) graph = load (b, rows[_i].opset, &error);
  ck_assert_msg (graph && weir_fold (graph, weir_ref_evaluate, &error), "%s: %s", rows[_i].op,
      error ? error->message : "");
  const WeirTensor *y =
      &weir_graph_value (graph, g_array_index (graph->outputs, uint32_t, 0))->tensor;
  int64_t n;
  ck_assert (weir_tensor_n_elements (y, &n) && n == rows[_i].n);
  for (int64_t i = 0; i < n; i++)
    ck_assert_double_eq_tol (element (y, i), rows[_i].expected[i], 1e-5);
}
END_TEST

START_TEST (test_refused)
{
  static const struct {
    int64_t opset;
    const char *op, *src, *attrs, *text;
  } refused[] = {
    { 1, "Tile", "m,b,b", NULL, "'make_y' (Tile): its form of operator set 1 is not supported" },
    { 7, "MeanVarianceNormalization", "m", "normalize_variance=0", "normalize_variance is 0" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (OnnxBuilder) b = onnx_builder_new (1);
    g_autoptr (GError) error = NULL;
    onnx_builder_ramp (b, "m", "2,2");
    onnx_builder_ramp (b, "b", "1");
    onnx_builder_node (b, refused[i].op, refused[i].src, "y", refused[i].attrs);
    onnx_builder_output (b, "y");
    ck_assert_ptr_null (load (b, refused[i].opset, &error));
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
    ck_assert_msg (strstr (error->message, refused[i].text) != NULL, "%s", error->message);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("onnx-old");
  TCase *tcase = tcase_create ("nodes");
  tcase_add_loop_test (tcase, test_row, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_refused);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
