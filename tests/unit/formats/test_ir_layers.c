/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every layer type of OpenVINO IR: each line of ir_layers.txt is one layer of constants, folded,
 * and its results as OpenVINO gives them.
 *
 *   Type-OPSET; attributes; inputs; results
 *
 * A tensor is type[dims]=values; without values it is ((7 i + 3) mod 11 - 5) / 4; "-" is an input
 * that is not connected. */
#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#include "engine/formats/ir_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/formats/ir_builder.h"

static char **lines;
static int n_refused;

static double element (const WeirTensor *tensor, size_t i)
{
  gint64 whole = 0;
  float real;
  size_t n_bytes = weir_dtype_bytes (tensor->dtype);
  const char *at = (const char *) weir_tensor_data (tensor) + i * n_bytes;
  if (tensor->dtype == WEIR_DTYPE_F32) {
    memcpy (&real, at, sizeof real);
    return (double) real;
  }
  memcpy (&whole, at, n_bytes);
  return tensor->dtype == WEIR_DTYPE_I32 ? (gint32) whole : (double) whole;
}

static void compare (const char *line, const char *word, const WeirValue *value)
{
  IrTensor expected;
  ck_assert (ir_builder_parse (word, &expected));
  ck_assert_msg (value->is_constant, "not folded: %s", line);
  g_autofree char *shape = weir_tensor_describe (&value->tensor);
  g_autofree char *wanted = g_strdup_printf (
      "%s[%s]", strcmp (expected.type, "boolean") == 0 ? "bool" : expected.type, expected.dims);
  ck_assert_msg (strcmp (shape, wanted) == 0, "result is %s: %s", shape, line);
  for (size_t i = 0; i < expected.n; i++) {
    double got = element (&value->tensor, i), ref = expected.values[i];
    bool close = fabs (got - ref) <= 2e-5 * (1 + fabs (ref)) || (isnan (got) && isnan (ref));
    ck_assert_msg (close, "element %zu is %g, expected %g: %s", i, got, ref, line);
  }
  g_free (expected.values);
}

/* Parameters become the constants that they are named after. */
static void close_inputs (WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    WeirValue *value = weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i));
    IrTensor tensor;
    ck_assert (ir_builder_parse (value->name, &tensor));
    g_auto (GStrv) dims = g_strsplit (tensor.dims, ",", -1);
    float *data = weir_arena_new_array (graph->arena, float, tensor.n);
    for (size_t k = 0; k < tensor.n; k++)
      data[k] = (float) tensor.values[k];
    for (uint32_t k = 0; k < value->tensor.rank; k++)
      value->tensor.dims[k] = g_ascii_strtoll (dims[k], NULL, 10);
    value->tensor.buffer = data;
    value->is_constant = true;
    g_free (tensor.values);
  }
  g_array_set_size (graph->inputs, 0);
}

/* What needs sizes when it is read may refuse open ones, in a sentence. */
static void check_line (const char *line, bool opens)
{
  g_autoptr (IrBuilder) b = ir_builder_line (line, opens);
  ck_assert_msg (b != NULL, "not a layer: %s", line);
  g_autofree char *xml = ir_builder_xml (b);
  g_autoptr (GError) error = NULL;
  const WeirIrBin bin = { "net.bin", NULL, b->bin->data, b->bin->len };
  g_autoptr (WeirGraph) graph = weir_ir_parse ("net.xml", xml, strlen (xml), &bin, NULL, &error);
  if (opens && error && error->code == WEIR_ERROR_UNSUPPORTED) {
    n_refused++;
    return;
  }
  if (graph)
    close_inputs (graph);
  bool ok = graph && weir_fold (graph, weir_ref_evaluate, &error);
  ck_assert_msg (ok, "%s: %s", error ? error->message : "", line);
  g_auto (GStrv) results = g_strsplit (strrchr (line, ';') + 2, " ", -1);
  for (guint i = 0; results[i]; i++)
    compare (
        line, results[i], weir_graph_value (graph, g_array_index (graph->outputs, uint32_t, i)));
}

START_TEST (test_layer)
{
  check_line (lines[_i], false);
}
END_TEST

START_TEST (test_open_layer)
{
  check_line (lines[_i], true);
}
END_TEST

/* Pools that round up in ways that ONNX has not, and what interleaves axes with reshapes. */
START_TEST (test_few_refused)
{
  ck_assert_int_le (n_refused, 60);
}
END_TEST

int main (int argc, char **argv)
{
  g_autofree char *text = NULL;
  if (argc < 2 || !g_file_get_contents (argv[1], &text, NULL, NULL)) {
    g_printerr ("usage: %s ir_layers.txt\n", argv[0]);
    return 1;
  }
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  Suite *suite = suite_create ("ir_layers");
  TCase *tcase = tcase_create ("ir_layers");
  tcase_add_loop_test (tcase, test_layer, 0, (int) g_strv_length (lines));
  tcase_add_loop_test (tcase, test_open_layer, 0, (int) g_strv_length (lines));
  tcase_add_test (tcase, test_few_refused);
  suite_add_tcase (suite, tcase);
  int failed = run_suite (suite, CK_NOFORK);
  g_strfreev (lines);
  return failed;
}
