/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loader of OpenVINO IR: what a small file becomes, what is refused and how, and the reference
 * models. */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/error.h"
#include "engine/formats/formats.h"
#include "tests/unit/formats/ir_builder.h"
#include "tests/unit/formats/reference_models.h"

static char *folder;

static void make_folder (void)
{
  folder = g_dir_make_tmp ("weir-ir-XXXXXX", NULL);
}

static void remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_rmdir (folder);
  g_clear_pointer (&folder, g_free);
}

static WeirGraph *load (const IrBuilder *builder, GError **error)
{
  g_autofree char *path = ir_builder_write (builder, folder);
  return weir_ir_load (path, NULL, error);
}

static const WeirValue *value_of (const WeirGraph *graph, const GArray *ids, guint i)
{
  ck_assert_uint_lt (i, ids->len);
  return weir_graph_value (graph, g_array_index (ids, uint32_t, i));
}

START_TEST (test_small_net)
{
  g_autoptr (IrBuilder) builder = ir_builder_small_net ();
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (builder, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq (graph->source, "net.xml");
  ck_assert_uint_eq (graph->nodes->len, 4); /* the Convert is none */
  const WeirNode *conv = weir_graph_node (graph, 0);
  ck_assert_int_eq (conv->op, WEIR_OP_CONV);
  ck_assert_str_eq (conv->name, "conv");
  uint32_t n;
  const int64_t *pads = weir_node_ints (conv, "pads", &n);
  ck_assert_uint_eq (n, 4);
  ck_assert_int_eq (pads[3], 1);
  const WeirValue *weights = weir_graph_value (graph, conv->src[1]);
  ck_assert (weights->is_constant && weights->tensor.dtype == WEIR_DTYPE_F32);
  ck_assert_float_eq (((const float *) weir_tensor_data (&weights->tensor))[53], 53.0f);
  const WeirValue *slope = weir_graph_value (graph, weir_graph_node (graph, 1)->src[1]);
  ck_assert_uint_eq (slope->tensor.rank, 3); /* [3] became one per channel: [3, 1, 1] */
  ck_assert_int_eq (slope->tensor.dims[0], 3);
  ck_assert_int_eq (weir_graph_node (graph, 3)->op, WEIR_OP_GEMM);
  ck_assert_int_eq (weir_node_int (weir_graph_node (graph, 3), "transB", 0), 1);
  ck_assert_str_eq (value_of (graph, graph->inputs, 0)->name, "image");
  ck_assert_str_eq (value_of (graph, graph->outputs, 0)->name, "scores");
}
END_TEST

/* Constants are the mapped bytes, unless their address is not one of their type. */
START_TEST (test_mapped)
{
  static const struct {
    guint alignment, pad;
    bool is_mapped;
  } rows[] = { { 4, 0, true }, { 1, 1, false } };
  const float numbers[] = { 1.5f, -2.0f };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (IrBuilder) b = ir_builder_new ();
    g_byte_array_append (b->bin, (const guint8 *) "123", rows[i].pad);
    ir_builder_parameter (b, "x", "f32", "1,2");
    ir_builder_constant (b, "c", "f32", "1,2", numbers, sizeof numbers, rows[i].alignment);
    ir_builder_layer (b, "Add", "y", NULL, "0,1", "f32:1,2");
    ir_builder_result (b, "2");
    g_autoptr (WeirGraph) graph = load (b, NULL);
    ck_assert_ptr_nonnull (graph);
    const WeirFile *file = g_ptr_array_index (graph->files, 0);
    const uint8_t *data =
        weir_tensor_data (&weir_graph_value (graph, weir_graph_node (graph, 0)->src[1])->tensor);
    ck_assert_int_eq (data >= file->bytes && data < file->bytes + file->n_bytes, rows[i].is_mapped);
    ck_assert_mem_eq (data, numbers, sizeof numbers);
  }
}
END_TEST

START_TEST (test_inputs_and_outputs)
{
  g_autoptr (IrBuilder) b = ir_builder_new ();
  ir_builder_parameter (b, "a", "f16", "?,3,1..4,-1");
  ir_builder_parameter (b, "b", "f32", "3");
  ir_builder_ints (b, "0"); /* 2 */
  ir_builder_layer (b, "Split", "parts", "num_splits=\"3\"", "1,2", "f32:1 f32:1 f32:1");
  ir_builder_result (b, "3.2");
  ir_builder_result (b, "1");
  ir_builder_layer (b, "Convert", "same", "destination_type=\"f32\"", "3.1", "f32:1");
  ir_builder_result (b, "6");
  ir_builder_result (b, "3.2");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (b, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->inputs->len, 2); /* one of them read by nobody */
  const WeirTensor *a = &value_of (graph, graph->inputs, 0)->tensor;
  static const int64_t dims[] = { -1, 3, -1, -1 };
  ck_assert_int_eq (a->dtype, WEIR_DTYPE_F32);
  ck_assert_uint_eq (a->rank, 4);
  ck_assert_mem_eq (a->dims, dims, sizeof dims);
  static const char *const names[] = { "parts.2", "b", "same", "parts.2" };
  ck_assert_uint_eq (graph->outputs->len, G_N_ELEMENTS (names));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    ck_assert_str_eq (value_of (graph, graph->outputs, i)->name, names[i]);
}
END_TEST

/* What files bake a batch of 1 into: bounds that are all of an axis, sizes of all axes. */
START_TEST (test_baked_batch)
{
  static const struct {
    const char *line;
    WeirOp op;
    uint32_t src, n; /* elements of that input */
  } rows[] = {
    { "StridedSlice; begin_mask=\"0,0\" end_mask=\"0,0\"; f32[1,4] i64[2]=0,1 i64[2]=1,3; f32[1,2]",
        WEIR_OP_SLICE, 1, 1 },
    { "Interpolate-4; mode=\"nearest\" shape_calculation_mode=\"sizes\"; f32[1,1,2,2] "
      "i64[4]=1,1,4,4 f32[4]=1,1,2,2; f32[1,1,4,4]",
        WEIR_OP_OV_INTERPOLATE, 1, 3 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (IrBuilder) b = ir_builder_line (rows[i].line, false);
    g_autoptr (WeirGraph) graph = load (b, NULL);
    ck_assert_ptr_nonnull (graph);
    const WeirNode *node = weir_graph_node (graph, 0);
    ck_assert_int_eq (node->op, rows[i].op);
    ck_assert_int_eq (weir_graph_value (graph, node->src[rows[i].src])->tensor.dims[0], rows[i].n);
  }
}
END_TEST

START_TEST (test_metadata)
{
  static const char *const expected[][2] = {
    { "model_info.labels", "car bus" },
    { "model_info.scale_values", "58.4 57.1" },
    { "rt_info.MO_version", "2023.0" },
    { "rt_info.conversion_parameters.input_shape", "[1,3,8,8]" },
    { "meta_data.cli_parameters.mean_values", "x[1,2,3]" },
  };
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (IrBuilder) b = ir_builder_small_net ();
  b->tail = "<rt_info><MO_version value=\"2023.0\"/><conversion_parameters>"
            "<input_shape value=\"[1,3,8,8]\"/></conversion_parameters><model_info>"
            "<labels value=\"car bus\"/><scale_values value=\"58.4 57.1\"/></model_info></rt_info>"
            "<meta_data><cli_parameters><mean_values value=\"x[1,2,3]\"/></cli_parameters>"
            "</meta_data><quantization_parameters><a value=\"1\"/></quantization_parameters>";
  g_autofree char *path = ir_builder_write (b, folder);
  g_autoptr (WeirGraph) graph = weir_ir_load (path, metadata, NULL);
  ck_assert_ptr_nonnull (graph);
  ck_assert_uint_eq (g_hash_table_size (metadata), G_N_ELEMENTS (expected));
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++)
    ck_assert_pstr_eq (g_hash_table_lookup (metadata, expected[i][0]), expected[i][1]);
}
END_TEST

START_TEST (test_unknown_unread_is_dropped)
{
  g_autoptr (IrBuilder) b = ir_builder_small_net ();
  ir_builder_layer (b, "Debug", "debug", NULL, "3", "f32:1,3,2,2");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = load (b, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->nodes->len, 4);
}
END_TEST

/* What can be wrong with a file: how to make it so, the error's code and words. */
static void harm_version_old (IrBuilder *b)
{
  b->root = "version=\"7\" batch=\"1\"";
}

static void harm_version_new (IrBuilder *b)
{
  b->root = "version=\"12\"";
}

static void harm_version_none (IrBuilder *b)
{
  b->root = "";
}

static void harm_operators (IrBuilder *b)
{
  ir_builder_layer (b, "TensorIterator", "t", NULL, "3", "f32:1");
  ir_builder_layer (b, "LSTMCell-4", "p", NULL, "11", "f32:1");
  ir_builder_layer (b, "LSTMCell-4", "q", NULL, "12", "f32:1");
  ir_builder_layer (b, "LSTMCell", "r", NULL, "13", "f32:1");
  ir_builder_result (b, "14");
}

static void replace (GString *text, const char *from, const char *to)
{
  ck_assert_uint_ge (g_string_replace (text, from, to, 0), 1);
}

static void harm_offset (IrBuilder *b)
{
  replace (b->layers, "offset=\"0\"", "offset=\"99999\"");
}

static void harm_offset_negative (IrBuilder *b)
{
  replace (b->layers, "offset=\"0\"", "offset=\"-4\"");
}

static void harm_offset_overflow (IrBuilder *b)
{
  replace (b->layers, "offset=\"0\"", "offset=\"9223372036854775807\"");
}

static void harm_offset_text (IrBuilder *b)
{
  replace (b->layers, "offset=\"0\"", "offset=\"nothing\"");
}

static void harm_size (IrBuilder *b)
{
  replace (b->layers, "size=\"108\"", "size=\"104\"");
}

static void harm_dim (IrBuilder *b)
{
  replace (b->layers, "shape=\"3,2,3,3\"", "shape=\"3,2,-3,3\"");
}

static void harm_dims_product (IrBuilder *b)
{
  replace (b->layers, "shape=\"3,2,3,3\"", "shape=\"4294967296,4294967296,2,2\"");
}

static void harm_rank (IrBuilder *b)
{
  g_autoptr (GString) dims = g_string_new ("shape=\"1");
  for (int i = 1; i < 200; i++)
    g_string_append (dims, ",1");
  g_string_append (dims, "\"");
  replace (b->layers, "shape=\"1,2,4,4\"", dims->str);
}

static void harm_rank_of_port (IrBuilder *b)
{
  g_autoptr (GString) dims = g_string_new ("<port id=\"2\" precision=\"FP32\"><dim>1</dim>");
  for (int i = 1; i < 200; i++)
    g_string_append (dims, "<dim>1</dim>");
  replace (b->layers, "<port id=\"2\" precision=\"FP32\"><dim>1</dim>", dims->str);
}

static void harm_rank_any (IrBuilder *b)
{
  replace (b->layers, "shape=\"1,2,4,4\"", "shape=\"...\"");
}

static void harm_type (IrBuilder *b)
{
  replace (b->layers, "element_type=\"f16\"", "element_type=\"u4\"");
}

static void harm_type_of_input (IrBuilder *b)
{
  replace (b->layers, "element_type=\"f32\" shape=\"1,2,4,4\"",
      "element_type=\"string\" shape=\"1,2,4,4\"");
}

static void harm_attribute (IrBuilder *b)
{
  replace (b->layers, "strides=\"2,2\"", "strides=\"2,two\"");
}

static void harm_cycle (IrBuilder *b)
{
  replace (b->edges, "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"3\"",
      "<edge from-layer=\"9\" from-port=\"2\" to-layer=\"3\"");
}

static void harm_edge_layer (IrBuilder *b)
{
  replace (b->edges, "from-layer=\"9\"", "from-layer=\"77\"");
}

static void harm_edge_port (IrBuilder *b)
{
  replace (b->edges, "from-layer=\"9\" from-port=\"2\"", "from-layer=\"9\" from-port=\"5\"");
}

static void harm_edge_twice (IrBuilder *b)
{
  g_string_append (
      b->edges, "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"3\" to-port=\"0\"/>");
}

static void harm_edge_missing (IrBuilder *b)
{
  replace (b->edges, "<edge from-layer=\"2\" from-port=\"1\" to-layer=\"3\" to-port=\"1\"/>", "");
}

static void harm_layer_twice (IrBuilder *b)
{
  replace (b->layers, "<layer id=\"4\"", "<layer id=\"3\"");
}

static void harm_port_twice (IrBuilder *b)
{
  replace (b->layers, "<port id=\"1\"></port></input>", "<port id=\"0\"></port></input>");
}

static void harm_output (IrBuilder *b)
{
  replace (b->edges, "<edge from-layer=\"9\" from-port=\"2\" to-layer=\"10\" to-port=\"0\"/>", "");
}

static void harm_no_output (IrBuilder *b)
{
  replace (b->layers, "type=\"Result\"", "type=\"Nothing\"");
}

static void harm_axis (IrBuilder *b)
{
  ir_builder_ints (b, "0,1");
  ir_builder_layer (b, "Split", "s", "num_splits=\"1\"", "3,11", "f32:1,3,2,2");
  ir_builder_result (b, "12");
}

static void harm_nan (IrBuilder *b)
{
  ir_builder_layer (b, "Clamp", "clamp", "min=\"nan\" max=\"1\"", "3", "f32:1,3,2,2");
  ir_builder_result (b, "11");
}

static const struct {
  void (*harm) (IrBuilder *);
  int code;
  const char *says;
} bad_models[] = {
  { harm_version_old, WEIR_ERROR_UNSUPPORTED, "IR of version 7, supported are 10 and 11: convert" },
  { harm_version_new, WEIR_ERROR_UNSUPPORTED, "IR of version 12, supported are 10 and 11" },
  { harm_version_none, WEIR_ERROR_FORMAT, "attribute 'version' of a <net>" },
  { harm_operators, WEIR_ERROR_UNSUPPORTED,
      "TensorIterator (opset1, 1 layer), LSTMCell (opset4, 2 layers), LSTMCell (opset1, 1 layer)" },
  { harm_offset, WEIR_ERROR_FORMAT, "'weights' (Const): needs 108 bytes at 99999" },
  { harm_offset_negative, WEIR_ERROR_FORMAT, "108 bytes at -4" },
  { harm_offset_overflow, WEIR_ERROR_FORMAT, "108 bytes at 9223372036854775807" },
  { harm_offset_text, WEIR_ERROR_FORMAT, "attribute 'offset' is 'nothing'" },
  { harm_size, WEIR_ERROR_FORMAT, "has 104 bytes at 0, f16[3,2,3,3] needs 108" },
  { harm_dim, WEIR_ERROR_FORMAT, "impossible shape f16[3,2,-3,3]" },
  { harm_dims_product, WEIR_ERROR_FORMAT, "impossible shape" },
  { harm_rank, WEIR_ERROR_UNSUPPORTED, "rank 200, at most 8" },
  { harm_rank_of_port, WEIR_ERROR_UNSUPPORTED, "a port has rank" },
  { harm_rank_any, WEIR_ERROR_UNSUPPORTED, "any number of dimensions" },
  { harm_type, WEIR_ERROR_UNSUPPORTED, "'weights' (Const): element type 'u4'" },
  { harm_type_of_input, WEIR_ERROR_UNSUPPORTED, "'image' (Parameter): element type 'string'" },
  { harm_attribute, WEIR_ERROR_FORMAT, "'conv' (Convolution): attribute 'strides' is '2,two'" },
  { harm_cycle, WEIR_ERROR_FORMAT, "cycle" },
  { harm_edge_layer, WEIR_ERROR_FORMAT, "from layer 77, port 2 to layer 10, port 0 names a layer" },
  { harm_edge_port, WEIR_ERROR_FORMAT, "names a port that does not exist" },
  { harm_edge_twice, WEIR_ERROR_FORMAT, "is the second to that port" },
  { harm_edge_missing, WEIR_ERROR_FORMAT, "'conv' (Convolution): input 1 is not connected" },
  { harm_layer_twice, WEIR_ERROR_FORMAT, "two layers have the number 3" },
  { harm_port_twice, WEIR_ERROR_FORMAT, "has two ports of number 0" },
  { harm_output, WEIR_ERROR_FORMAT, "nothing leads to it" },
  { harm_no_output, WEIR_ERROR_FORMAT, "has no outputs" },
  { harm_axis, WEIR_ERROR_FORMAT, "'s' (Split): has 2 axes" },
  { harm_nan, WEIR_ERROR_FORMAT, "'clamp' (Clamp): a bound is not a number" },
};

START_TEST (test_refuses)
{
  g_autoptr (IrBuilder) builder = ir_builder_small_net ();
  g_autoptr (GError) error = NULL;
  bad_models[_i].harm (builder);
  ck_assert_ptr_null (load (builder, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "net.xml: "));
  ck_assert_msg (strstr (error->message, bad_models[_i].says) != NULL, "%s", error->message);
  ck_assert_msg (error->domain == WEIR_ERROR && error->code == bad_models[_i].code, "%d: %s",
      error->code, error->message);
}
END_TEST

START_TEST (test_no_file)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_ir_load ("no-such.xml", NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error->message, "no-such.xml: "));
  g_clear_error (&error);
  g_autoptr (IrBuilder) b = ir_builder_small_net ();
  g_autofree char *path = ir_builder_write (b, folder);
  g_autofree char *bin = g_build_filename (folder, "net.bin", NULL);
  g_unlink (bin);
  ck_assert_ptr_null (weir_ir_load (path, NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_NOT_FOUND);
  ck_assert_msg (strstr (error->message, "net.bin: cannot be read: no such file") != NULL, "%s",
      error->message);
}
END_TEST

/* The reference models, as far as they are there. */
static const struct {
  const char *name, *precision;
  guint n_inputs, n_outputs;
  const char *refused;
} models[] = {
  { "age-gender-recognition-retail-0013", "FP16-INT8", 1, 2, NULL },
  { "emotions-recognition-retail-0003", "FP16-INT8", 1, 1, NULL },
  { "face-detection-retail-0004", "FP16", 1, 1, NULL },
  { "face-detection-retail-0004", "FP16-INT8", 1, 1, NULL },
  { "face-detection-retail-0004", "FP32", 1, 1, NULL },
  { "face-detection-retail-0004", "irv3-refused", 0, 0, "version 3, supported are 10 and 11" },
  { "head-pose-estimation-adas-0001", "FP16", 1, 3, NULL },
  { "landmarks-regression-retail-0009", "FP32", 1, 1, NULL },
  { "license-plate-recognition-barrier-0001", "FP16", 2, 1, NULL },
  { "person-attributes-recognition-crossroad-0230", "FP16", 1, 3, NULL },
  { "person-detection-retail-0013", "FP16", 1, 1, NULL },
  { "person-reidentification-retail-0288", "FP16", 1, 1, NULL },
  { "person-vehicle-bike-detection-2000", "FP16", 1, 1, NULL },
  { "vehicle-attributes-recognition-barrier-0039", "FP32", 1, 2, NULL },
  { "vehicle-license-plate-detection-barrier-0106", "FP16", 1, 1, NULL },
};

START_TEST (test_reference_model)
{
  g_autofree char *path = g_strdup_printf ("%s/models/ir/%s/%s/%s.xml", g_getenv ("WEIR_SHARED"),
      models[_i].name, models[_i].precision, models[_i].name);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_ir_load (path, NULL, &error);
  check_reference_model (
      graph, error, models[_i].name, models[_i].refused, models[_i].n_inputs, models[_i].n_outputs);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ir");
  TCase *tcase = tcase_create ("ir");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_test (tcase, test_small_net);
  tcase_add_test (tcase, test_mapped);
  tcase_add_test (tcase, test_inputs_and_outputs);
  tcase_add_test (tcase, test_baked_batch);
  tcase_add_test (tcase, test_metadata);
  tcase_add_test (tcase, test_unknown_unread_is_dropped);
  tcase_add_loop_test (tcase, test_refuses, 0, (int) G_N_ELEMENTS (bad_models));
  tcase_add_test (tcase, test_no_file);
  suite_add_tcase (suite, tcase);
  TCase *reference = reference_case ("ir");
  if (reference) {
    tcase_add_loop_test (reference, test_reference_model, 0, (int) G_N_ELEMENTS (models));
    suite_add_tcase (suite, reference);
  }
  return run_suite (suite, CK_FORK_GETENV);
}
