/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir_batch_rewrite: which graphs batch, what is rewritten, what is refused and left as it was;
 * and that three samples at once give what each gives alone, computed by the reference backend. */
#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/graph/batch_kit.h"

static OnnxBuilder *net_plain (void)
{
  OnnxBuilder *b = batch_kit_net ("n,2,4,4");
  onnx_builder_ramp (b, "w", "3,2,3,3");
  onnx_builder_node (b, "Conv", "x,w", "c", "kernel_shape=3,3");
  onnx_builder_node (b, "GlobalAveragePool", "c", "y", NULL);
  return b;
}

static OnnxBuilder *net_shuffle (void)
{
  OnnxBuilder *b = batch_kit_net ("1,4,3,5");
  onnx_builder_ints (b, "split", "1,2,2,3,5");
  onnx_builder_ints (b, "join", "1,4,3,5");
  onnx_builder_node (b, "Reshape", "x,split", "s", NULL);
  onnx_builder_node (b, "Transpose", "s", "t", "perm=0,2,1,3,4");
  onnx_builder_node (b, "Reshape", "t,join", "y", NULL);
  return b;
}

/* The batch goes to axis 1 and comes back: channel halves as ShuffleNet v2 writes them. */
static OnnxBuilder *net_halves (void)
{
  OnnxBuilder *b = batch_kit_net ("1,4,3,5");
  onnx_builder_ints (b, "pairs", "2,2,15");
  onnx_builder_ints (b, "halves", "2,-1,2,3,5");
  onnx_builder_constant (
      b, "first", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "", (const int64_t[]){ 0 }, 8);
  onnx_builder_constant (
      b, "second", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "", (const int64_t[]){ 1 }, 8);
  onnx_builder_node (b, "Reshape", "x,pairs", "p", NULL);
  onnx_builder_node (b, "Transpose", "p", "t", "perm=1,0,2");
  onnx_builder_node (b, "Reshape", "t,halves", "h", NULL);
  onnx_builder_node (b, "Gather", "h,first", "f", "axis=0");
  onnx_builder_node (b, "Gather", "h,second", "s", "axis=0");
  onnx_builder_node (b, "Concat", "s,f", "y", "axis=1");
  return b;
}

/* A leading 1 beside a -1 that is taken. */
static OnnxBuilder *net_cells (void)
{
  OnnxBuilder *b = batch_kit_net ("1,4,3,5");
  onnx_builder_ints (b, "cells", "1,-1,2");
  onnx_builder_node (b, "Transpose", "x", "t", "perm=0,2,3,1");
  onnx_builder_node (b, "Reshape", "t,cells", "y", NULL);
  return b;
}

/* Rows of all samples in one matrix, and back; both targets change the number of rows. */
static OnnxBuilder *net_rows (void)
{
  OnnxBuilder *b = batch_kit_net ("1,12");
  onnx_builder_ints (b, "rows", "6,-1");
  onnx_builder_ints (b, "back", "1,6,2");
  onnx_builder_node (b, "Reshape", "x,rows", "r", NULL);
  onnx_builder_node (b, "Softmax", "r", "s", "axis=1");
  onnx_builder_node (b, "Reshape", "s,back", "y", NULL);
  return b;
}

static OnnxBuilder *net_resize (void)
{
  OnnxBuilder *b = batch_kit_net ("1,2,3,3");
  onnx_builder_ints (b, "sizes", "1,2,5,7");
  onnx_builder_node (b, "Resize", "x,,,sizes", "y", "mode='linear'");
  return b;
}

/* One target for two nodes, of which only one needs another. */
static OnnxBuilder *net_shared_target (void)
{
  OnnxBuilder *b = batch_kit_net ("1,12");
  onnx_builder_ints (b, "rows", "1,2,6");
  onnx_builder_ramp (b, "w", "12");
  onnx_builder_node (b, "Reshape", "x,rows", "a", NULL);
  onnx_builder_node (b, "Reshape", "w,rows", "c", NULL);
  onnx_builder_node (b, "Reshape", "a,rows", "d", NULL);
  onnx_builder_node (b, "Mul", "d,c", "y", NULL);
  return b;
}

/* The target is computed from Shape, with a 1 in front. */
static OnnxBuilder *net_computed (void)
{
  OnnxBuilder *b = batch_kit_net ("1,4,3,5");
  onnx_builder_ints (b, "one", "1");
  onnx_builder_ints (b, "all", "-1");
  onnx_builder_node (b, "Shape", "x", "shape", NULL);
  onnx_builder_node (b, "Gather", "shape,one", "channels", "axis=0");
  onnx_builder_node (b, "Concat", "one,channels,all", "target", "axis=0");
  onnx_builder_node (b, "Reshape", "x,target", "y", NULL);
  return b;
}

/* As exporters write it for a dynamic batch: nothing to do. */
static OnnxBuilder *net_dynamic (void)
{
  OnnxBuilder *b = batch_kit_net ("n,4,3,5");
  onnx_builder_ints (b, "zero", "0");
  onnx_builder_ints (b, "all", "-1");
  onnx_builder_node (b, "Shape", "x", "shape", NULL);
  onnx_builder_node (b, "Gather", "shape,zero", "n", "axis=0");
  onnx_builder_node (b, "Concat", "n,all", "target", "axis=0");
  onnx_builder_node (b, "Reshape", "x,target", "y", NULL);
  return b;
}

static OnnxBuilder *net_fixed_batch (void)
{
  OnnxBuilder *b = batch_kit_net ("2,3");
  onnx_builder_node (b, "Relu", "x", "y", NULL);
  return b;
}

static OnnxBuilder *net_softmax (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_node (b, "Softmax", "x", "y", "axis=0");
  return b;
}

/* Axis 1 of opset 12's Softmax, over everything behind: but the batch is at axis 1 there. */
static OnnxBuilder *net_flat_softmax (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3,2");
  b->model->opset_import[0]->version = 12;
  onnx_builder_node (b, "Transpose", "x", "t", "perm=1,0,2");
  onnx_builder_node (b, "Softmax", "t", "s", "axis=1");
  onnx_builder_node (b, "Transpose", "s", "y", "perm=1,0,2");
  return b;
}

/* The right number of elements in the right shape, and every one from another place. */
static OnnxBuilder *net_mixing (void)
{
  OnnxBuilder *b = batch_kit_net ("1,4,3");
  onnx_builder_ints (b, "rows", "4,3");
  onnx_builder_ints (b, "flat", "1,12");
  onnx_builder_node (b, "Reshape", "x,rows", "r", NULL);
  onnx_builder_node (b, "Transpose", "r", "t", "perm=1,0");
  onnx_builder_node (b, "Reshape", "t,flat", "y", NULL);
  return b;
}

static OnnxBuilder *net_mixing_dynamic (void)
{
  OnnxBuilder *b = net_mixing ();
  onnx_builder_ints (b, "free_rows", "-1,3");
  onnx_builder_ints (b, "free_flat", "-1,12");
  b->graph->node[0]->input[1] = (char *) "free_rows";
  b->graph->node[2]->input[1] = (char *) "free_flat";
  return b;
}

static OnnxBuilder *net_concat_constant (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_ramp (b, "c", "1,2");
  onnx_builder_node (b, "Concat", "x,c", "y", "axis=1");
  return b;
}

static OnnxBuilder *net_concat_batch (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_ints (b, "rows", "-1,6");
  onnx_builder_node (b, "Concat", "x,x", "c", "axis=0");
  onnx_builder_node (b, "Reshape", "c,rows", "y", NULL);
  return b;
}

static OnnxBuilder *net_reduce (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_node (b, "ReduceMean", "x", "m", "axes=0,0");
  b->graph->node[0]->attribute[0]->n_ints = 1;
  onnx_builder_node (b, "Add", "x,m", "y", NULL);
  return b;
}

static OnnxBuilder *net_reversed (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_ints (b, "zero", "0");
  onnx_builder_ints (b, "minus", "-1");
  onnx_builder_ints (b, "far", "-1000");
  onnx_builder_node (b, "Slice", "x,minus,far,zero,minus", "y", NULL);
  return b;
}

static OnnxBuilder *net_batch_size (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_ints (b, "zero", "0");
  onnx_builder_node (b, "Shape", "x", "shape", NULL);
  onnx_builder_node (b, "Gather", "shape,zero", "n", "axis=0");
  onnx_builder_node (b, "Cast", "n", "f", "to=1");
  onnx_builder_node (b, "Div", "x,f", "y", NULL);
  return b;
}

static OnnxBuilder *net_constant_output (void)
{
  OnnxBuilder *b = batch_kit_net ("1,3");
  onnx_builder_ramp (b, "c", "1,2");
  onnx_builder_node (b, "Relu", "c", "y", NULL);
  onnx_builder_node (b, "Relu", "x", "z", NULL);
  onnx_builder_output (b, "z");
  return b;
}

static const struct {
  OnnxBuilder *(*build) (void);
  uint32_t n_rewritten; /* constants */
  const char *reason;   /* NULL: it batches */
} nets[] = {
  { net_plain, 0, NULL },
  { onnx_builder_small_net, 1, NULL },
  { net_shuffle, 2, NULL },
  { net_halves, 1, NULL },
  { net_cells, 1, NULL },
  { net_rows, 2, NULL },
  { net_resize, 1, NULL },
  { net_shared_target, 2, NULL },
  { net_computed, 1, NULL },
  { net_dynamic, 0, NULL },
  { net_fixed_batch, 0, "input 'x'" },
  { net_softmax, 0, "'make_y' (Softmax): it normalises over the batch" },
  { net_flat_softmax, 0, "normalises over the batch" },
  { net_mixing, 0, "" },
  { net_mixing_dynamic, 0, "'make_y' (Reshape): it mixes the batch with another dim" },
  { net_concat_constant, 0, "at a batch of 2: net.onnx: node 'make_y' (Concat)" },
  { net_concat_batch, 0, "it changes the number of rows per sample" },
  { net_reduce, 0, "'make_m' (ReduceMean)" },
  { net_reversed, 0, "it reorders the batch" },
  { net_batch_size, 0, "'make_y' (Div): it computes with a number that depends on the batch" },
  { net_constant_output, 0, "output 'y' does not have one row for each sample" },
};

/* Everything a rewrite may touch. */
static char *dump (const WeirGraph *graph)
{
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, "%d %u\n", graph->has_batch, graph->values->len);
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    g_string_append_printf (text, "%s %u", node->name, node->n_attrs);
    for (uint32_t i = 0; i < node->n_src; i++)
      g_string_append_printf (text, " %u", node->src[i]);
  }
  return g_string_free (text, FALSE);
}

START_TEST (test_net)
{
  g_autoptr (OnnxBuilder) builder = nets[_i].build ();
  g_autoptr (WeirGraph) graph = batch_kit_parse (builder);
  g_autofree char *before = dump (graph);
  uint32_t n_values = graph->values->len;
  g_autoptr (GError) error = NULL;
  const char *reason = "unset";
  bool rewritten;
  ck_assert_msg (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, &error), "%s",
      error ? error->message : "");
  if (nets[_i].reason) {
    g_autofree char *after = dump (graph);
    ck_assert_msg (reason && strstr (reason, nets[_i].reason), "%s", reason ? reason : "batches");
    ck_assert_str_eq (after, before);
    ck_assert (!rewritten);
    return;
  }
  ck_assert_msg (!reason, "%s", reason);
  ck_assert (graph->has_batch);
  ck_assert_uint_eq (graph->values->len - n_values, nets[_i].n_rewritten);
  ck_assert (rewritten == (nets[_i].n_rewritten > 0));
  batch_kit_check (graph);
}
END_TEST

/* One operator on an input of [1, 3, 4, 4]; b, c, d: ramps of [3, 1, 1], [4] and [3]. */
static const struct {
  const char *op, *src, *attrs;
  bool is_cast; /* the result is no f32 */
  const char *reason;
} nodes[] = {
  { "Max", "x,b,c", NULL, false, NULL },
  { "Mean", "x,b", NULL, false, NULL },
  { "Mod", "b,x", "fmod=1", false, NULL },
  { "Greater", "x,b", NULL, true, NULL },
  { "IsNaN", "x", NULL, true, NULL },
  { "Gelu", "x", NULL, false, NULL },
  { "CastLike", "x,b", NULL, false, NULL },
  { "ArgMax", "x", "axis=1", true, NULL },
  { "ArgMax", "x", "axis=0", true, "does not have rows for each sample" },
  { "ReduceLogSumExp", "x", "axes=1,2", false, NULL },
  { "ReduceSumSquare", "x", "axes=0,1", false, "does not have rows for each sample" },
  { "CumSum", "x,one", NULL, false, NULL },
  { "CumProd", "x,one", NULL, false, NULL },
  { "CumSum", "x,two", "reverse=1", false, NULL },
  { "CumSum", "x,nought", NULL, false, "it sums over the batch" },
  { "CumSum", "x,back", NULL, false, "it sums over the batch" },
  { "Trilu", "x,one", NULL, false, NULL },
  { "Hardmax", "x", "axis=2", false, NULL },
  { "Hardmax", "x", "axis=0", false, "it normalises over the batch" },
  { "LpNormalization", "x", "axis=-3", false, NULL },
  { "LpNormalization", "x", "axis=-4", false, "it normalises over the batch" },
  { "LayerNormalization", "x,c", "axis=1", false, NULL },
  { "LayerNormalization", "x,c", "axis=0", false, "it normalises over the batch" },
  { "RMSNormalization", "x,c", NULL, false, NULL },
  { "RMSNormalization", "x,c", "axis=-4", false, "it normalises over the batch" },
  { "GroupNormalization", "x,d,d", "num_groups=3", false, NULL },
  { "BatchNormalization", "x,d,d,d,d", "training_mode=1", false,
      "it takes statistics of the batch" },
  { "LpPool", "x", "kernel_shape=2,2", false, NULL },
  { "GlobalLpPool", "x", NULL, false, NULL },
  { "Det", "x", NULL, false, NULL },
  { "Crop", "x", "border=1,0,1,2", false, NULL },
};

START_TEST (test_node)
{
  g_autoptr (OnnxBuilder) b = batch_kit_net ("1,3,4,4");
  onnx_builder_ramp (b, "b", "3,1,1");
  onnx_builder_ramp (b, "c", "4");
  onnx_builder_ramp (b, "d", "3");
  onnx_builder_ints (b, "nought", "0");
  onnx_builder_ints (b, "one", "1");
  onnx_builder_ints (b, "two", "2");
  onnx_builder_ints (b, "back", "-4");
  onnx_builder_node (
      b, nodes[_i].op, nodes[_i].src, nodes[_i].is_cast ? "r" : "y", nodes[_i].attrs);
  if (nodes[_i].is_cast)
    onnx_builder_node (b, "Cast", "r", "y", "to=1");
  b->model->opset_import[0]->version = 22;
  g_autoptr (WeirGraph) graph = batch_kit_parse (b);
  const char *reason;
  bool rewritten;
  ck_assert (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, NULL));
  if (nodes[_i].reason) {
    ck_assert_msg (reason && strstr (reason, nodes[_i].reason), "%s: %s", nodes[_i].op,
        reason ? reason : "batches");
  } else {
    ck_assert_msg (!reason, "%s", reason);
    batch_kit_check (graph);
  }
}
END_TEST

/* Indices into a pooled batch are none into each sample. */
START_TEST (test_pool_indices)
{
  g_autoptr (OnnxBuilder) b = batch_kit_net ("1,3,4,4");
  onnx_builder_node (b, "MaxPool", "x", "p,i", "kernel_shape=2,2 strides=2,2");
  onnx_builder_node (b, "MaxUnpool", "p,i", "y", "kernel_shape=2,2 strides=2,2");
  g_autoptr (WeirGraph) graph = batch_kit_parse (b);
  const char *reason;
  bool rewritten;
  ck_assert (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, NULL));
  ck_assert_msg (reason && strstr (reason, "its indices count over the batch"), "%s", reason);
}
END_TEST

/* A graph that does not batch runs at n = 1, also where its file leaves the batch open. */
START_TEST (test_pins_refused)
{
  g_autoptr (OnnxBuilder) builder = batch_kit_net ("n,3");
  onnx_builder_node (builder, "Softmax", "x", "y", "axis=0");
  g_autoptr (WeirGraph) graph = batch_kit_parse (builder);
  const char *reason;
  bool rewritten;
  ck_assert (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, NULL));
  ck_assert_ptr_nonnull (reason);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, weir_ref_evaluate, NULL);
  ck_assert_ptr_nonnull (shapes);
  ck_assert_int_eq (shapes->values[g_array_index (graph->outputs, uint32_t, 0)].dims[0], 1);
}
END_TEST

/* A graph that is wrong at n = 1 is an error, no reason. */
START_TEST (test_broken)
{
  g_autoptr (OnnxBuilder) builder = batch_kit_net ("1,3");
  onnx_builder_ints (builder, "flat", "1,4");
  onnx_builder_node (builder, "Reshape", "x,flat", "y", NULL);
  g_autoptr (WeirGraph) graph = batch_kit_parse (builder);
  g_autoptr (GError) error = NULL;
  const char *reason;
  bool rewritten;
  ck_assert (!weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "make_y"));
  ck_assert (!graph->has_batch);
}
END_TEST

/* The reference models: all of them batch; how many constants had to change. */
static const struct {
  const char *name;
  uint32_t n_rewritten;
  bool computes; /* small enough to check the values here too */
} models[] = {
  { "FastestDet", 13, false },
  { "SqueezeNet_fp16", 0, false },
  { "mnist-winml", 1, true },
  { "mobilenet_v2-qdq-int8-matias", 1, false },
  { "mobilenet_v2_128_0.5", 0, false },
  { "nanodet_m", 42, false },
  { "osnet_x0_25_msmt17", 0, false },
  { "version-RFB-320", 0, false },
  { "version-RFB-320_simplified", 8, false },
  { "version-slim-320", 0, false },
  { "yolox_nano", 3, false },
  { "yunet_n_320_320", 12, false },
  { "yunet_n_dynamic", 0, false },
};

START_TEST (test_model)
{
  g_autofree char *path =
      g_strdup_printf ("%s/models/onnx/%s.onnx", g_getenv ("WEIR_SHARED"), models[_i].name);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_onnx_load (path, NULL, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  WeirValue *input = weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, 0));
  for (uint32_t i = 1; i < input->tensor.rank; i++)
    if (input->tensor.dims[i] < 0)
      input->tensor.dims[i] = 320;
  ck_assert (weir_fold (graph, weir_ref_evaluate, &error));
  uint32_t n_values = graph->values->len;
  const char *reason;
  bool rewritten;
  ck_assert (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, &error));
  ck_assert_msg (!reason, "%s", reason);
  ck_assert_uint_eq (graph->values->len - n_values, models[_i].n_rewritten);
  ck_assert (rewritten == (models[_i].n_rewritten > 0));
  if (models[_i].computes)
    batch_kit_check (graph);
}
END_TEST

static void add_models (Suite *suite)
{
  const char *shared = g_getenv ("WEIR_SHARED");
  g_autofree char *path = g_build_filename (shared ? shared : "", "models", "onnx", NULL);
  if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_print ("skipped: reference models (%s is not there)\n", path);
    return;
  }
  TCase *tcase = tcase_create ("reference");
  tcase_add_loop_test (tcase, test_model, 0, (int) G_N_ELEMENTS (models));
  suite_add_tcase (suite, tcase);
}

int main (void)
{
  Suite *suite = suite_create ("batch");
  TCase *tcase = tcase_create ("nets");
  tcase_add_loop_test (tcase, test_net, 0, (int) G_N_ELEMENTS (nets));
  tcase_add_loop_test (tcase, test_node, 0, (int) G_N_ELEMENTS (nodes));
  tcase_add_test (tcase, test_pool_indices);
  tcase_add_test (tcase, test_pins_refused);
  tcase_add_test (tcase, test_broken);
  suite_add_tcase (suite, tcase);
  add_models (suite);
  return run_suite (suite, CK_FORK_GETENV);
}
