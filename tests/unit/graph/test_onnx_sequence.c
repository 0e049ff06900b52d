/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sequence operators: what they come to in tensors, and what only data could tell. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/error.h"
#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/formats/onnx_builder.h"

#define MAX_NODES 5

typedef struct Node {
  const char *op, *src, *dst, *attrs;
} Node;

/* a, b: 0, 1 … in [2, 3] and [1, 3]; x: the contents of a, of a size that the file does not tell.
 */
static const struct {
  Node nodes[MAX_NODES];
  const char *expected; /* y as "dims: contents" */
} rows[] = {
  { { { "SequenceConstruct", "a,b", "s", NULL }, { "SequenceAt", "s,one", "y", NULL } },
      "1,3: 0 1 2" },
  { { { "SequenceConstruct", "a,b", "s", NULL }, { "SequenceAt", "s,computed", "y", NULL } },
      "1,3: 0 1 2" },
  { { { "SequenceEmpty", "", "s", NULL }, { "SequenceInsert", "s,a", "t", NULL },
        { "SequenceInsert", "t,b,nought", "u", NULL }, { "SequenceAt", "u,back", "y", NULL } },
      "2,3: 0 1 2 3 4 5" },
  { { { "SequenceConstruct", "a,b,a", "s", NULL }, { "SequenceErase", "s", "t", NULL },
        { "Identity", "t", "u", NULL }, { "SequenceLength", "u", "y", NULL } },
      ": 2" },
  { { { "SequenceConstruct", "a,b", "s", NULL }, { "ConcatFromSequence", "s", "y", "axis=0" } },
      "3,3: 0 1 2 3 4 5 0 1 2" },
  { { { "SequenceConstruct", "b,b", "s", NULL },
        { "ConcatFromSequence", "s", "y", "axis=-1 new_axis=1" } },
      "1,3,2: 0 0 1 1 2 2" },
  { { { "SplitToSequence", "a", "s", "axis=1" }, { "SequenceAt", "s,one", "y", NULL } },
      "2,1: 1 4" },
  { { { "SplitToSequence", "a,two", "s", "axis=-1" }, { "SequenceAt", "s,one", "y", NULL } },
      "2,1: 2 5" },
  { { { "SplitToSequence", "a,sizes", "s", "axis=1" }, { "SequenceAt", "s,one", "y", NULL } },
      "2,2: 1 2 4 5" },
  { { { "SplitToSequence", "a", "s", "keepdims=0" }, { "SequenceAt", "s,back", "y", NULL } },
      "3: 3 4 5" },
  { { { "SplitToSequence", "x", "s", "axis=1 keepdims=0" }, { "SequenceAt", "s,one", "y", NULL } },
      "2: 1 4" },
  { { { "SplitToSequence", "x", "s", "axis=1" }, { "SequenceAt", "s,back", "y", NULL } },
      "2,1: 2 5" },
  { { { "SplitToSequence", "x,two", "s", "axis=1" }, { "SequenceAt", "s,one", "y", NULL } },
      "2,1: 2 5" },
};

static const struct {
  Node nodes[MAX_NODES];
  int code;
  const char *text;
} refused[] = {
  { { { "SequenceAt", "a,one", "y", NULL } }, WEIR_ERROR_UNSUPPORTED,
      "'make_y' (SequenceAt): its sequence is not made in this file" },
  { { { "SequenceConstruct", "a,b", "s", NULL }, { "SequenceAt", "s,two", "y", NULL } },
      WEIR_ERROR_UNSUPPORTED, "its place is not in the sequence" },
  { { { "SequenceEmpty", "", "s", NULL }, { "SequenceErase", "s", "t", NULL },
        { "SequenceAt", "t,nought", "y", NULL } },
      WEIR_ERROR_UNSUPPORTED, "its place is not in the sequence" },
  { { { "SequenceConstruct", "a,b", "s", NULL }, { "SequenceAt", "s,data", "y", NULL } },
      WEIR_ERROR_UNSUPPORTED, "its place in the sequence depends on data" },
  { { { "SplitToSequence", "x", "s", "axis=1" }, { "SequenceLength", "s", "y", NULL } },
      WEIR_ERROR_UNSUPPORTED, "the length of its sequence depends on data" },
  { { { "SequenceEmpty", "", "s", NULL }, { "ConcatFromSequence", "s", "y", "axis=0" } },
      WEIR_ERROR_UNSUPPORTED, "its sequence is empty" },
  { { { "SplitToSequence", "a,nought", "s", NULL }, { "SequenceAt", "s,one", "y", NULL } },
      WEIR_ERROR_UNSUPPORTED, "the size of its parts is out of range" },
  { { { "SequenceConstruct", "a,b", "y", NULL } }, WEIR_ERROR_FORMAT,
      "nothing makes the graph's output" },
};

static void add_number (OnnxBuilder *b, const char *name, int64_t value)
{
  onnx_builder_constant (b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "", &value, sizeof value);
}

static WeirGraph *load (const Node *nodes, GError **error)
{
  g_autoptr (OnnxBuilder) b = onnx_builder_new (13);
  onnx_builder_ramp (b, "a", "2,3");
  onnx_builder_ramp (b, "b", "1,3");
  add_number (b, "nought", 0);
  add_number (b, "one", 1);
  add_number (b, "two", 2);
  add_number (b, "back", -1);
  onnx_builder_ints (b, "sizes", "1,2");
  onnx_builder_input (b, "data", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "");
  onnx_builder_node (b, "Identity", "a", "x", NULL);
  onnx_builder_node (b, "Constant", "", "computed", "value_int=1");
  for (int i = 0; i < MAX_NODES && nodes[i].op; i++)
    onnx_builder_node (b, nodes[i].op, nodes[i].src, nodes[i].dst, nodes[i].attrs);
  onnx_builder_output (b, "y");
  g_autoptr (GBytes) packed = onnx_builder_pack (b);
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  return weir_onnx_parse ("net.onnx", bytes, n_bytes, NULL, error);
}

static char *describe (const WeirTensor *tensor)
{
  GString *text = g_string_new (NULL);
  int64_t n;
  ck_assert (weir_tensor_n_elements (tensor, &n));
  for (uint32_t i = 0; i < tensor->rank; i++)
    g_string_append_printf (text, "%s%d", i ? "," : "", (int) tensor->dims[i]);
  g_string_append_c (text, ':');
  for (int64_t i = 0; i < n; i++)
    g_string_append_printf (text, " %g",
        tensor->dtype == WEIR_DTYPE_I64 ? (double) ((const int64_t *) weir_tensor_data (tensor))[i]
                                        : (double) ((const float *) weir_tensor_data (tensor))[i]);
  return g_string_free (text, FALSE);
}

START_TEST (test_row)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (rows[_i].nodes, &error);
  ck_assert_msg (graph && weir_fold (graph, weir_ref_evaluate, &error), "row %d: %s", _i,
      error ? error->message : "");
  uint32_t id = g_array_index (graph->outputs, uint32_t, 0);
  ck_assert (weir_graph_value (graph, id)->is_constant);
  g_autofree char *text = describe (&weir_graph_value (graph, id)->tensor);
  ck_assert_str_eq (text, rows[_i].expected);
}
END_TEST

START_TEST (test_refused)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (load (refused[_i].nodes, &error));
  ck_assert_msg (strstr (error->message, refused[_i].text) != NULL, "%s", error->message);
  ck_assert_int_eq (error->code, refused[_i].code);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("onnx-sequence");
  TCase *tcase = tcase_create ("sequences");
  tcase_add_loop_test (tcase, test_row, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_refused, 0, (int) G_N_ELEMENTS (refused));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
