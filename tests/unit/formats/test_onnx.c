/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ONNX loader: what a small file becomes, what is refused and how, hostile bytes, and the
 * reference models. */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "tests/unit/formats/onnx_builder.h"
#include "tests/unit/formats/reference_models.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define F16 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16
#define F64 ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE

static char *folder;

static void make_folder (void)
{
  folder = onnx_builder_folder ();
}

static void remove_folder (void)
{
  onnx_builder_remove (g_steal_pointer (&folder));
}

static WeirGraph *load (const OnnxBuilder *builder, GError **error)
{
  g_autofree char *path = onnx_builder_write (builder, folder, "net.onnx");
  return weir_onnx_load (path, NULL, error);
}

static const WeirValue *value_named (const WeirGraph *graph, const char *name)
{
  for (uint32_t i = 0; i < graph->values->len; i++)
    if (strcmp (weir_graph_value (graph, i)->name, name) == 0)
      return weir_graph_value (graph, i);
  ck_abort_msg ("no value '%s'", name);
  return NULL;
}

START_TEST (test_small_net)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (builder, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq (graph->source, "net.onnx");
  ck_assert_uint_eq (graph->nodes->len, 4);
  ck_assert_uint_eq (graph->inputs->len, 1);
  const WeirNode *conv = weir_graph_node (graph, 0);
  ck_assert_int_eq (conv->op, WEIR_OP_CONV);
  ck_assert_uint_eq (conv->opset, 13);
  ck_assert_str_eq (conv->name, "make_conv");
  uint32_t n;
  const int64_t *pads = weir_node_ints (conv, "pads", &n);
  ck_assert_uint_eq (n, 4);
  ck_assert_int_eq (pads[3], 1);
  ck_assert_int_eq (weir_node_int (conv, "group", 7), 1);
  ck_assert_float_eq (weir_node_float (weir_graph_node (graph, 1), "alpha", 0), 0.25f);
  const WeirValue *weights = value_named (graph, "weights");
  ck_assert (weights->is_constant);
  ck_assert_int_eq (weights->tensor.dims[1], 2);
  ck_assert_uint_eq ((uintptr_t) weir_tensor_data (&weights->tensor) % 64, 0);
  ck_assert_float_eq (((const float *) weir_tensor_data (&weights->tensor))[53], 53.0f);
}
END_TEST

START_TEST (test_inputs)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  builder->graph->n_input = 0;
  onnx_builder_input (builder, "bias", F32, "3"); /* a constant, as old files list them */
  onnx_builder_input (builder, "image", F16, "batch,2,4,0");
  g_autoptr (WeirGraph) graph = load (builder, NULL);
  ck_assert_uint_eq (graph->inputs->len, 1);
  const WeirTensor *image = &value_named (graph, "image")->tensor;
  ck_assert_int_eq (image->dtype, WEIR_DTYPE_F32);
  ck_assert_uint_eq (image->rank, 4);
  ck_assert_int_eq (image->dims[0], -1);
  ck_assert_int_eq (image->dims[1], 2);
  ck_assert_int_eq (image->dims[3], -1);
}
END_TEST

START_TEST (test_metadata)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT, *entries = &entry;
  entry.key = (char *) "names";
  entry.value = (char *) "{0: 'car'}";
  builder->model->metadata_props = &entries;
  builder->model->n_metadata_props = 1;
  g_autofree char *path = onnx_builder_write (builder, folder, "net.onnx");
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (WeirGraph) graph = weir_onnx_load (path, metadata, NULL);
  ck_assert_ptr_nonnull (graph);
  ck_assert_str_eq (g_hash_table_lookup (metadata, "names"), "{0: 'car'}");
}
END_TEST

/* Every floating type is f32 afterwards; optional inputs keep their places. */
START_TEST (test_widening)
{
  static const uint16_t halves[] = { 0x3c00, 0xc100 };
  static const double doubles[] = { 0.5, -3.0 };
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", F64, "1,2");
  onnx_builder_constant (builder, "h", F16, "2", halves, sizeof halves);
  onnx_builder_constant (builder, "d", F64, "2", doubles, sizeof doubles);
  onnx_builder_node (builder, "Cast", "x", "c", "to=11");
  onnx_builder_node (builder, "Add", "c,h", "a", NULL);
  onnx_builder_node (builder, "Mul", "a,d", "m", NULL);
  onnx_builder_node (builder, "Clip", "m,,d,", "y", NULL);
  onnx_builder_node (builder, "Cast", "y", "i", "to=7");
  onnx_builder_output (builder, "i");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (builder, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  const float *h = weir_tensor_data (&value_named (graph, "h")->tensor);
  const float *d = weir_tensor_data (&value_named (graph, "d")->tensor);
  ck_assert_int_eq (value_named (graph, "h")->tensor.dtype, WEIR_DTYPE_F32);
  ck_assert_float_eq (h[1], -2.5f);
  ck_assert_float_eq (d[1], -3.0f);
  ck_assert_int_eq (value_named (graph, "x")->tensor.dtype, WEIR_DTYPE_F32);
  ck_assert_int_eq (weir_node_int (weir_graph_node (graph, 0), "to", 0), F32);
  ck_assert_int_eq (weir_node_int (weir_graph_node (graph, 4), "to", 0), 7);
  const WeirNode *clip = weir_graph_node (graph, 3);
  ck_assert_uint_eq (clip->n_src, 3);
  ck_assert_uint_eq (clip->src[1], WEIR_NONE);
}
END_TEST

START_TEST (test_unknown_unread_is_dropped)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  onnx_builder_node (builder, "Debug", "conv", "d1", NULL);
  onnx_builder_node (builder, "Relu", "d1", "d2", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (builder, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->nodes->len, 4);
}
END_TEST

START_TEST (test_unsorted_is_sorted)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  Onnx__NodeProto *first = builder->graph->node[0];
  builder->graph->node[0] = builder->graph->node[3];
  builder->graph->node[3] = first;
  g_autoptr (WeirGraph) graph = load (builder, NULL);
  ck_assert_int_eq (weir_graph_node (graph, 0)->op, WEIR_OP_CONV);
}
END_TEST

/* What can be wrong with a file: how to make it so, the error's code and words. */
static void harm_opset_old (OnnxBuilder *builder)
{
  builder->model->opset_import[0]->version = 0;
}

static void harm_opset_none (OnnxBuilder *builder)
{
  builder->model->opset_import[0]->domain = (char *) "com.example";
}

static void harm_operators (OnnxBuilder *builder)
{
  onnx_builder_node (builder, "LegacyPadding", "scores", "q", NULL)->domain =
      (char *) "com.microsoft";
  onnx_builder_node (builder, "FC", "q", "r", NULL);
  onnx_builder_node (builder, "FC", "r", "s", NULL);
  builder->graph->output[0]->name = (char *) "s";
}

static void harm_subgraph (OnnxBuilder *builder)
{
  onnx_builder_node (builder, "If", "scores", "s", NULL);
  builder->graph->output[0]->name = (char *) "s";
}

static void harm_graph_attribute (OnnxBuilder *builder)
{
  onnx_builder_attr (
      builder, builder->graph->node[0], "body", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH);
}

static void harm_size (OnnxBuilder *builder)
{
  builder->graph->initializer[0]->raw_data.len -= 4;
}

static void harm_dim (OnnxBuilder *builder)
{
  builder->graph->initializer[0]->dims[0] = -3;
}

static void harm_dims_product (OnnxBuilder *builder)
{
  for (size_t i = 0; i < builder->graph->initializer[0]->n_dims; i++)
    builder->graph->initializer[0]->dims[i] = INT64_C (1) << 40;
}

static void harm_rank (OnnxBuilder *builder)
{
  static int64_t dims[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 54 };
  builder->graph->initializer[0]->dims = dims;
  builder->graph->initializer[0]->n_dims = 9;
}

static void harm_type (OnnxBuilder *builder)
{
  builder->graph->initializer[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
}

static void harm_twice (OnnxBuilder *builder)
{
  builder->graph->initializer[1]->name = (char *) "weights";
}

static void harm_double_producer (OnnxBuilder *builder)
{
  onnx_builder_node (builder, "Relu", "scores", "conv", NULL);
  onnx_builder_node (builder, "Relu", "conv", "s", NULL);
  builder->graph->output[0]->name = (char *) "s";
}

static void harm_missing (OnnxBuilder *builder)
{
  builder->graph->node[1]->input[0] = (char *) "nowhere";
}

static void harm_cycle (OnnxBuilder *builder)
{
  onnx_builder_node (builder, "Add", "conv,t", "s", NULL);
  onnx_builder_node (builder, "Relu", "s", "t", NULL);
  builder->graph->output[0]->name = (char *) "t";
}

static void harm_output (OnnxBuilder *builder)
{
  builder->graph->output[0]->name = (char *) "nothing";
}

static void harm_no_output (OnnxBuilder *builder)
{
  builder->graph->n_output = 0;
}

static void harm_name (OnnxBuilder *builder)
{
  builder->graph->node[0]->output[0] = builder->graph->node[1]->input[0] = (char *) "c\xE9";
}

static void harm_inputs (OnnxBuilder *builder)
{
  builder->graph->node[0]->n_input = 1;
}

static void harm_no_shape (OnnxBuilder *builder)
{
  builder->graph->input[0]->type->tensor_type->shape = NULL;
}

static void harm_no_type (OnnxBuilder *builder)
{
  builder->graph->input[0]->type = NULL;
}

static const struct {
  void (*harm) (OnnxBuilder *);
  int code;
  const char *says;
} bad_models[] = {
  { harm_opset_old, WEIR_ERROR_UNSUPPORTED, "operator set 0 of ONNX, supported are 1 to 22" },
  { harm_opset_none, WEIR_ERROR_UNSUPPORTED, "operator set 0" },
  { harm_operators, WEIR_ERROR_UNSUPPORTED, "com.microsoft:LegacyPadding (1 node), FC (2 nodes)" },
  { harm_subgraph, WEIR_ERROR_UNSUPPORTED, "If (1 node)" },
  { harm_graph_attribute, WEIR_ERROR_UNSUPPORTED, "'make_conv' (Conv): attribute 'body'" },
  { harm_size, WEIR_ERROR_FORMAT, "'weights': has 212 bytes, its type and dims say 216" },
  { harm_dim, WEIR_ERROR_FORMAT, "impossible shape f32[-3,2,3,3]" },
  { harm_dims_product, WEIR_ERROR_FORMAT, "impossible shape" },
  { harm_rank, WEIR_ERROR_UNSUPPORTED, "rank 9" },
  { harm_type, WEIR_ERROR_UNSUPPORTED, "element type 8 (string)" },
  { harm_twice, WEIR_ERROR_FORMAT, "two constants are named 'weights'" },
  { harm_double_producer, WEIR_ERROR_FORMAT, "two nodes write 'conv'" },
  { harm_missing, WEIR_ERROR_FORMAT, "'make_relu' (LeakyRelu): reads 'nowhere'" },
  { harm_cycle, WEIR_ERROR_FORMAT, "cycle" },
  { harm_output, WEIR_ERROR_FORMAT, "'nothing'" },
  { harm_no_output, WEIR_ERROR_FORMAT, "has no outputs" },
  { harm_name, WEIR_ERROR_FORMAT, "UTF-8" },
  { harm_inputs, WEIR_ERROR_FORMAT, "has 1 inputs, expected 2 to 3" },
  { harm_no_shape, WEIR_ERROR_SHAPE, "input 'image' has no shape" },
  { harm_no_type, WEIR_ERROR_UNSUPPORTED, "input 'image' is not a tensor" },
};

START_TEST (test_refuses)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  g_autoptr (GError) error = NULL;
  bad_models[_i].harm (builder);
  ck_assert_ptr_null (load (builder, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "net.onnx: "));
  ck_assert_msg (strstr (error->message, bad_models[_i].says) != NULL, "%s", error->message);
  ck_assert_msg (error->domain == WEIR_ERROR && error->code == bad_models[_i].code, "%d: %s",
      error->code, error->message);
}
END_TEST

/* Bytes that are no model at all. */
static const struct {
  const char *bytes;
  size_t n_bytes;
  const char *says;
} bad_files[] = {
  { "", 0, "is empty, expected an ONNX model" },
  { "<?xml version=\"1.0\"?>\n<net/>\n", 29, "not an ONNX model, or truncated" },
  { "\x08\x08", 2, "not an ONNX model, or truncated" },         /* no graph */
  { "\x3a\x00\x3a\x00", 4, "not an ONNX model, or truncated" }, /* two graphs */
  { "\x3a\xff\xff\xff\xff\x7f", 6, "not an ONNX model, or truncated" },
  { "\x3b\x3c", 2, "not an ONNX model, or truncated" }, /* a group */
};

START_TEST (test_bad_file)
{
  g_autofree char *path = g_build_filename (folder, "bad.onnx", NULL);
  g_autoptr (GError) error = NULL;
  ck_assert (g_file_set_contents (path, bad_files[_i].bytes, (gssize) bad_files[_i].n_bytes, NULL));
  ck_assert_ptr_null (weir_onnx_load (path, NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error->message, "bad.onnx: "));
  ck_assert_msg (strstr (error->message, bad_files[_i].says) != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_no_file)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_onnx_load ("no-such.onnx", NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error->message, "no-such.onnx: "));
  g_clear_error (&error);
  ck_assert_ptr_null (weir_onnx_load (folder, NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error->message, "folder"));
}
END_TEST

/* Types of sequences of sequences …: as deep as two megabytes can say it. */
START_TEST (test_deep_nesting)
{
  enum { DEPTH = 300000, MAX_HEAD = 10 };
  size_t size = (size_t) DEPTH * 2 * MAX_HEAD, at = size, length = 0;
  g_autofree uint8_t *bytes = g_malloc (size);
  for (size_t i = 0; i < DEPTH; i++) {
    uint8_t head[MAX_HEAD], *end = head;
    static const uint8_t tags[] = { 0x0a, 0x22 }; /* Sequence.elem_type, TypeProto.sequence_type */
    *end++ =
        i + 3 < DEPTH ? tags[(i + 1) % 2] : (const uint8_t[]){ 0x12, 0x5a, 0x3a }[i + 3 - DEPTH];
    for (size_t rest = length; (*end++ = (uint8_t) (rest > 127 ? rest | 128 : rest)) > 127;)
      rest >>= 7;
    at -= (size_t) (end - head);
    memcpy (bytes + at, head, (size_t) (end - head));
    length += (size_t) (end - head);
  }
  g_autofree char *path = g_build_filename (folder, "deep.onnx", NULL);
  g_autoptr (GError) error = NULL;
  ck_assert (g_file_set_contents (path, (char *) bytes + at, (gssize) (size - at), NULL));
  ck_assert_ptr_null (weir_onnx_load (path, NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_FORMAT);
}
END_TEST

static void load_bytes (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_onnx_parse ("bytes.onnx", bytes, n_bytes, NULL, &error);
  ck_assert ((graph != NULL) == (error == NULL));
  if (error) {
    ck_assert (error->domain == WEIR_ERROR && error->code != WEIR_ERROR_INTERNAL);
    ck_assert_msg (g_utf8_validate (error->message, -1, NULL), "%s", error->message);
  }
}

/* A file cut anywhere must give a graph or an error; cut inside the graph always an error. */
START_TEST (test_truncated)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  g_autoptr (GBytes) packed = onnx_builder_pack (builder);
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  for (size_t n = 0; n < n_bytes; n++)
    load_bytes (bytes, n);
}
END_TEST

START_TEST (test_flipped)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  g_autoptr (GBytes) packed = onnx_builder_pack (builder);
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  g_autofree uint8_t *copy = g_malloc (n_bytes);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  for (int i = 0; i < 3000; i++) {
    memcpy (copy, bytes, n_bytes);
    for (int k = g_rand_int_range (random, 1, 4); k > 0; k--)
      copy[g_rand_int_range (random, 0, (gint32) n_bytes)] = (uint8_t) g_rand_int (random);
    load_bytes (copy, n_bytes);
  }
}
END_TEST

/* The reference models, as far as they are there. */
static const struct {
  const char *name, *refused; /* words of the error; NULL: it loads */
  guint n_inputs, n_outputs;
} models[] = {
  { "FastestDet", NULL, 1, 1 },
  { "SqueezeNet_fp16", NULL, 1, 1 },
  { "mnist-winml", NULL, 1, 1 },
  { "mobilenet_v2-qdq-int8-matias", NULL, 1, 1 },
  { "mobilenet_v2_128_0.5", NULL, 1, 1 },
  { "nanodet_m", NULL, 1, 6 },
  { "osnet_x0_25_msmt17", NULL, 1, 1 },
  { "pcb-aoi",
      "com.microsoft:LegacyPadding (3 nodes), FC (1 node), ai.onnx.ml:ArrayFeatureExtractor (1 "
      "node), "
      "ai.onnx.ml:ZipMap (1 node)",
      0, 0 },
  { "squeezenet_dao_fp16", NULL, 1, 1 },
  { "version-RFB-320", NULL, 1, 2 },
  { "version-RFB-320_simplified", NULL, 1, 2 },
  { "version-slim-320", NULL, 1, 2 },
  { "yolox_nano", NULL, 1, 1 },
  { "yunet_n_320_320", NULL, 1, 12 },
  { "yunet_n_dynamic", NULL, 1, 12 },
};

START_TEST (test_reference_model)
{
  g_autofree char *path =
      g_strdup_printf ("%s/models/onnx/%s.onnx", g_getenv ("WEIR_SHARED"), models[_i].name);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_onnx_load (path, NULL, &error);
  check_reference_model (
      graph, error, models[_i].name, models[_i].refused, models[_i].n_inputs, models[_i].n_outputs);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("onnx");
  TCase *tcase = tcase_create ("onnx");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_test (tcase, test_small_net);
  tcase_add_test (tcase, test_inputs);
  tcase_add_test (tcase, test_metadata);
  tcase_add_test (tcase, test_widening);
  tcase_add_test (tcase, test_unknown_unread_is_dropped);
  tcase_add_test (tcase, test_unsorted_is_sorted);
  tcase_add_loop_test (tcase, test_refuses, 0, (int) G_N_ELEMENTS (bad_models));
  tcase_add_loop_test (tcase, test_bad_file, 0, (int) G_N_ELEMENTS (bad_files));
  tcase_add_test (tcase, test_no_file);
  tcase_add_test (tcase, test_deep_nesting);
  tcase_add_test (tcase, test_truncated);
  tcase_add_test (tcase, test_flipped);
  suite_add_tcase (suite, tcase);
  TCase *reference = reference_case ("onnx");
  if (reference) {
    tcase_add_loop_test (reference, test_reference_model, 0, (int) G_N_ELEMENTS (models));
    suite_add_tcase (suite, reference);
  }
  return run_suite (suite, CK_FORK_GETENV);
}
