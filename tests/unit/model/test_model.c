/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a loaded file is understood as: pictures or not, layouts, open dims, labels, preprocessing
 * from the file, folders, and what is refused. */
#include "engine/model.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "engine/error.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static char *folder;

static void make_folder (void)
{
  folder = onnx_builder_folder ();
}

static void remove_folder (void)
{
  onnx_builder_remove (g_steal_pointer (&folder));
}

/* One Relu on an input of these dims. */
static char *write_relu (const char *dims, const char *name)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", F32, dims);
  onnx_builder_node (builder, "Relu", "x", "y", "");
  onnx_builder_output (builder, "y");
  return onnx_builder_write (builder, folder, name);
}

static const struct {
  const char *dims, *input_shape, *message; /* message: NULL where it loads */
  bool takes_pictures;
  int64_t shape[4];
} inputs[] = {
  { "1,3,8,12", NULL, NULL, true, { 1, 3, 8, 12 } },
  { "n,3,8,12", NULL, NULL, true, { 1, 3, 8, 12 } },
  { "1,8,12,3", NULL, NULL, true, { 1, 8, 12, 3 } },
  { "1,1,8,12", NULL, NULL, true, { 1, 1, 8, 12 } },
  { "n,3,h,w", "1x3x16x20", NULL, true, { 1, 3, 16, 20 } },
  { "n,3,h,w", NULL, "input-shape", false, { 0 } },
  { "n,3,h,w", "1x3x16", "has 3 dimensions", false, { 0 } },
  { "1,3,8,12", "1x3x9x12", "does not fit", false, { 0 } },
  { "1,3,8,12", "1x3x0x12", "does not fit", false, { 0 } },
  { "1,16", NULL, NULL, false, { 1, 16 } },
  { "1,5,8,12", NULL, NULL, false, { 1, 5, 8, 12 } },
};

START_TEST (test_model_inputs)
{
  g_autofree char *path = write_relu (inputs[_i].dims, "net.onnx");
  WeirModelOptions options = { .input_shape = inputs[_i].input_shape };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = weir_model_load (path, &options, &error);
  ck_assert_msg ((model != NULL) == !inputs[_i].message, "%s", error ? error->message : "loads");
  if (!model) {
    ck_assert_msg (strstr (error->message, inputs[_i].message) != NULL, "%s", error->message);
    ck_assert_msg (strstr (error->message, "net.onnx") != NULL, "%s", error->message);
    return;
  }
  WeirTensor shape;
  ck_assert_str_eq (weir_model_input (model, 0, &shape), "x");
  for (uint32_t i = 0; i < shape.rank; i++)
    ck_assert_int_eq (shape.dims[i], inputs[_i].shape[i]);
  bool takes_pictures = weir_model_check_picture (model, &error);
  ck_assert (takes_pictures == inputs[_i].takes_pictures);
  if (!takes_pictures) {
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
    ck_assert_msg (strstr (error->message, "'x' f32[1,") != NULL, "%s", error->message);
  }
}
END_TEST

START_TEST (test_model_folder_stands_for_its_one_file)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_model_load (folder, NULL, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND));
  g_clear_error (&error);
  g_autofree char *first = write_relu ("1,3,8,12", "one.onnx");
  g_autoptr (WeirModel) model = weir_model_load (folder, NULL, &error);
  ck_assert_msg (model != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq (weir_model_name (model), "one");
  ck_assert_str_eq (weir_model_path (model), first);
  g_free (write_relu ("1,3,8,12", "two.onnx"));
  ck_assert_ptr_null (weir_model_load (folder, NULL, &error));
  ck_assert_msg (strstr (error->message, "2 model files") != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_model_old_ir_is_refused)
{
  g_autofree char *path = g_build_filename (folder, "net.xml", NULL);
  g_autoptr (GError) error = NULL;
  ck_assert (g_file_set_contents (path, "<net version=\"7\"/>", -1, NULL));
  ck_assert_ptr_null (weir_model_load (path, NULL, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
  ck_assert_msg (strstr (error->message, "OpenVINO IR of version 7") != NULL, "%s", error->message);
}
END_TEST

static JsonObject *inspect (WeirModel *model, JsonParser *parser)
{
  g_autofree char *text = weir_model_inspect (model);
  ck_assert (json_parser_load_from_data (parser, text, -1, NULL));
  return json_node_get_object (json_parser_get_root (parser));
}

/* The user's word goes before the file's, the file's before the family's. */
START_TEST (test_model_preprocessing_options_win)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", "find-characters.onnx", NULL);
  WeirModelOptions options = { .mean = "1.5", .resize = "letterbox-centre" };
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (WeirModel) plain = weir_model_load (path, NULL, NULL);
  g_autoptr (WeirModel) model = weir_model_load (path, &options, NULL);
  JsonObject *p = json_object_get_object_member (inspect (plain, parser), "preprocessing");
  ck_assert_str_eq (json_object_get_string_member (p, "resize"), "stretch");
  ck_assert_str_eq (json_object_get_string_member (p, "color"), "gray");
  ck_assert_double_eq (
      json_array_get_double_element (json_object_get_array_member (p, "mean"), 0), 128);
  p = json_object_get_object_member (inspect (model, parser), "preprocessing");
  ck_assert_str_eq (json_object_get_string_member (p, "resize"), "letterbox-centre");
  ck_assert_double_eq (
      json_array_get_double_element (json_object_get_array_member (p, "mean"), 0), 1.5);
  ck_assert_double_eq (
      json_array_get_double_element (json_object_get_array_member (p, "scale"), 0), 1.0 / 128);
}
END_TEST

static const struct {
  WeirModelOptions options;
  const char *message;
} bad_options[] = {
  { { .color_format = "rgb" }, "does not fit an input of 1 channels" },
  { { .color_format = "pink" }, "rgb, bgr, gray" },
  { { .resize = "squeeze" }, "letterbox-centre" },
  { { .mean = "1,2" }, "one number" },
  { { .scale = "nan" }, "one number" },
  { { .labels = "a,b" }, "2 labels" },
  { { .decoder = "yolo99" }, "yolox" },
};

START_TEST (test_model_bad_options_name_what_is_expected)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", "find-characters.onnx", NULL);
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_model_load (path, &bad_options[_i].options, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, bad_options[_i].message) != NULL, "%s", error->message);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("model");
  TCase *tcase = tcase_create ("model");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_model_inputs, 0, G_N_ELEMENTS (inputs));
  tcase_add_test (tcase, test_model_folder_stands_for_its_one_file);
  tcase_add_test (tcase, test_model_old_ir_is_refused);
  tcase_add_test (tcase, test_model_preprocessing_options_win);
  tcase_add_loop_test (
      tcase, test_model_bad_options_name_what_is_expected, 0, G_N_ELEMENTS (bad_options));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
