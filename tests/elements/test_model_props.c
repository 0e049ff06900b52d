/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties model-proc and constant-inputs reach the network: their values are what it answers
 * with; what is missing is said on the bus. */
#include "element_kit.h"
#include "tests/unit/formats/onnx_builder.h"
#include <math.h>
#include <string.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static gchar *folder, *model;

/* The mean of a gray picture, and five numbers of an input of their own. */
static void write_model (void)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "mask", F32, "n,5");
  onnx_builder_input (builder, "data", F32, "n,1,8,16");
  onnx_builder_node (builder, "GlobalAveragePool", "data", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "f", "axis=1");
  onnx_builder_node (builder, "Concat", "f,mask", "y", "axis=1");
  onnx_builder_output (builder, "y");
  model = onnx_builder_write (builder, folder, "mask.onnx");
}

static void make_files (void)
{
  folder = onnx_builder_folder ();
  write_model ();
  g_autofree gchar *path = g_build_filename (folder, "proc.json", NULL);
  ck_assert (g_file_set_contents (path,
      "{\"json_schema_version\": \"2.2.0\", \"input_preproc\": [{\"layer_name\": \"data\","
      " \"params\": {\"mean\": [10], \"std\": [2]}},"
      " {\"layer_name\": \"mask\", \"format\": \"sequence_index\"}]}",
      -1, NULL));
}

static void remove_files (void)
{
  g_clear_pointer (&model, g_free);
  onnx_builder_remove (g_steal_pointer (&folder));
}

static const struct {
  const gchar *properties; /* %s: the folder */
  gfloat mean, mask;
} rows[] = {
  { "constant-inputs=mask=0.5%s", 50, 0.5f },
  { "model-proc=%s/proc.json", 20, 1 },
  { "model-proc=%s/proc.json mean=0 constant-inputs=mask=-2", 25, -2 },
};

START_TEST (test_values_arrive)
{
  g_auto (GStrv) halves = g_strsplit (rows[_i].properties, "%s", 2);
  const gboolean in_folder = *halves[1] != '\0';
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify model=%s region=full-frame decoder=raw attach-tensors=true precision=f32 "
      "%s%s%s",
      model, halves[0], in_folder ? folder : "", halves[1]);
  GstHarness *h = kit_harness (launch);
  WeirMeta *meta;
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (0, 50)), GST_FLOW_OK);
  GstBuffer *buffer = kit_pull (h, &meta);
  const WeirMetaObject *object = kit_object (meta, 0);
  ck_assert_uint_eq (object->tensors->len, 1);
  const WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, 0);
  ck_assert_uint_eq (tensor->n_elements, 6);
  ck_assert_msg (fabsf (tensor->data[0] - rows[_i].mean) < 1e-3f, "%g", (gdouble) tensor->data[0]);
  for (guint i = 1; i < 6; i++)
    ck_assert_msg (tensor->data[i] == rows[_i].mask, "%g", (gdouble) tensor->data[i]);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  const gchar *properties, *says;
} errors[] = {
  { "", "input 'mask' f32[1,5] takes no picture" },
  { "constant-inputs=mask=a", "constant-inputs 'mask=a'" },
  { "constant-inputs=other=1", "no such input" },
  { "model-proc=nowhere.json", "nowhere.json" },
};

static void assert_refused (const gchar *path, const gchar *properties, const gchar *says)
{
  g_autoptr (GError) error = NULL;
  GstElement *element = kit_launch ("inferclassify model=%s %s", path, properties);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  gst_message_unref (message);
  ck_assert_msg (strstr (error->message, says) != NULL, "%s", error->message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
}

START_TEST (test_errors_are_told)
{
  assert_refused (model, errors[_i].properties, errors[_i].says);
}
END_TEST

/* All that is missing is named at once, with its node. */
START_TEST (test_unsupported_operator)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "data", F32, "n,1,8,16");
  onnx_builder_node (builder, "Frobnicate", "data", "a", "");
  onnx_builder_node (builder, "Mangle", "a", "y", "");
  onnx_builder_output (builder, "y");
  g_autofree gchar *path = onnx_builder_write (builder, folder, "strange.onnx");
  assert_refused (path, "", "Frobnicate");
  assert_refused (path, "", "Mangle");
  assert_refused (path, "", "strange.onnx");
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("model-props");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_checked_fixture (tcase, make_files, remove_files);
  tcase_add_loop_test (tcase, test_values_arrive, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_errors_are_told, 0, G_N_ELEMENTS (errors));
  tcase_add_test (tcase, test_unsupported_operator);
  return kit_run (tcase);
}
