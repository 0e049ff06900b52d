/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks with several inputs: which takes the picture, what fills the others, what the values are
 * when the network sees them, and what is said where nothing does. */
#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <json-glib/json-glib.h>
#include <string.h>

#define F32    ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define I64    ONNX__TENSOR_PROTO__DATA_TYPE__INT64
#define WIDTH  20
#define HEIGHT 10

static char *folder;

static void make_folder (void)
{
  folder = onnx_builder_folder ();
}

static void remove_folder (void)
{
  onnx_builder_remove (g_steal_pointer (&folder));
}

/* The mean of each channel, with `side` joined to it; the side input stands first. */
static char *write_model (const char *name, int type, const char *dims)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, name, type, dims);
  onnx_builder_input (builder, "data", F32, "n,3,8,16");
  onnx_builder_node (builder, "GlobalAveragePool", "data", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "f", "axis=1");
  onnx_builder_node (builder, "Cast", name, "c", "to=1");
  if (strcmp (dims, "88,1") == 0)
    onnx_builder_node (builder, "Transpose", "c", "side", "perm=1,0");
  else
    onnx_builder_node (builder, "Flatten", "c", "side", "axis=1");
  onnx_builder_node (builder, "Concat", "f,side", "y", "axis=1");
  onnx_builder_output (builder, "y");
  return onnx_builder_write (builder, folder, "side.onnx");
}

static char *write_proc (const char *entry)
{
  g_autofree char *path = g_build_filename (folder, "proc.json", NULL);
  g_autofree char *text = g_strdup_printf (
      "{\"json_schema_version\": \"2.2.0\", \"input_preproc\": [%s]}", entry ? entry : "");
  ck_assert (g_file_set_contents (path, text, -1, NULL));
  return entry ? g_steal_pointer (&path) : NULL;
}

static const struct {
  const char *name;
  int type;
  const char *dims, *constants, *proc, *fill;
  uint32_t n;
  float values[6];
} rows[] = {
  { "image_info", F32, "n,3", NULL, NULL, "image info: height, width, 1", 3, { 8, 16, 1 } },
  { "im_info", F32, "1,6", NULL, NULL, "image info: height, width, 1, 1, 1, 1", 6,
      { 8, 16, 1, 1, 1, 1 } },
  { "im_shape", F32, "n,2", NULL, NULL, "image info: height, width", 2, { 8, 16 } },
  { "scale_factor", F32, "n,2", NULL, NULL, "ones", 2, { 1, 1 } },
  { "orig_target_sizes", I64, "n,2", NULL, NULL, "image info: width, height", 2, { 16, 8 } },
  { "whatever", I64, "n,4", NULL, NULL, "image info: height, width, 1, 1", 4, { 8, 16, 1, 1 } },
  { "seq_ind", F32, "88,1", NULL, NULL, "ones", 88, { 1, 1, 1, 1, 1, 1 } },
  { "a", F32, "n,5", "a=0.5", NULL, "constant-inputs: 0.5", 5, { 0.5f, 0.5f, 0.5f, 0.5f, 0.5f } },
  { "a", I64, "n,2", "a=7:-8", NULL, "constant-inputs: 7:-8", 2, { 7, -8 } },
  { "a:0", F32, "n,3", "a:0=1 2 3", NULL, "constant-inputs: 1 2 3", 3, { 1, 2, 3 } },
  { "image_info", F32, "n,2", "image_info=5", NULL, "constant-inputs: 5", 2, { 5, 5 } },
  { "a", F32, "n,5", NULL, "{\"layer_name\": \"a\", \"format\": \"sequence_index\"}", "ones", 5,
      { 1, 1, 1, 1, 1 } },
  { "a", F32, "n,5", NULL, "{\"format\": \"image_info\", \"params\": {\"scale\": 2.5}}",
      "image info: height, width, 2.5, 2.5, 2.5", 5, { 8, 16, 2.5f, 2.5f, 2.5f } },
  { "data2", F32, "n,3,8,16", "data2=9", NULL, "constant-inputs: 9", 3 * 8 * 16, { 9, 9 } },
};

static void check_fill (WeirModel *model, int row)
{
  WeirTensor shape;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = weir_model_inspect (model);
  ck_assert_str_eq (weir_model_input (model, 0, &shape), rows[row].name);
  ck_assert_pstr_eq (weir_model_input_fill (model, 0), rows[row].fill);
  ck_assert_pstr_eq (weir_model_input_fill (model, 1), "picture");
  ck_assert_ptr_null (weir_model_input_fill (model, 2));
  ck_assert (json_parser_load_from_data (parser, text, -1, NULL));
  JsonArray *inputs =
      json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "inputs");
  JsonObject *side = json_array_get_object_element (inputs, 0);
  ck_assert_pstr_eq (json_object_get_string_member (side, "fill"), rows[row].fill);
}

static void check_values (const float *values, int row, const float *channels)
{
  for (int c = 0; c < 3; c++)
    ck_assert_float_eq_tol (values[c], channels[c], 1e-3f);
  for (uint32_t i = 0; i < rows[row].n; i++)
    ck_assert_float_eq (values[3 + i], rows[row].values[i % (rows[row].n > 6 ? 2 : 6)]);
}

static void run_frame (WeirStream *stream, int row)
{
  g_autoptr (GError) error = NULL;
  guint8 picture[HEIGHT * WIDTH * 3];
  for (int i = 0; i < HEIGHT * WIDTH; i++)
    memcpy (picture + 3 * i, (guint8[]){ 10, 20, 40 }, 3);
  WeirFrame frame = { .format = WEIR_PIXEL_RGB,
    .width_px = WIDTH,
    .height_px = HEIGHT,
    .planes = { picture },
    .stride_bytes = { WIDTH * 3 } };
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  weir_request_set_frame (request, &frame);
  for (uint32_t i = 0; i < 3; i++)
    weir_request_add_region (request, &(WeirRegion){ i, i, WIDTH - i, HEIGHT - i });
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  for (uint32_t i = 0; i < 3; i++) {
    const WeirResult *result = weir_request_result (request, i);
    ck_assert_uint_eq (result->tensors[0].n_elements, 3 + rows[row].n);
    check_values (result->tensors[0].data, row, (float[]){ 10, 20, 40 });
  }
}

/* The picture alone as a tensor of two rows: the other input is filled. */
static void run_tensor (WeirStream *stream, int row)
{
  g_autoptr (GError) error = NULL;
  g_autofree float *pictures = g_new (float, 2 * 3 * 8 * 16);
  for (int i = 0; i < 2 * 3 * 8 * 16; i++)
    pictures[i] = (float) (i / (8 * 16));
  WeirTensor tensor = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 2, 3, 8, 16 }, .buffer = pictures
  };
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  ck_assert_msg (
      weir_request_set_input (request, 1, &tensor, &error), "%s", error ? error->message : "");
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  const float *outputs = weir_tensor_data (weir_request_output (request, 0));
  for (uint32_t i = 0; i < 2; i++) {
    float first = 3 * (float) i;
    check_values (outputs + i * (3 + rows[row].n), row, (float[]){ first, first + 1, first + 2 });
  }
}

START_TEST (test_filled)
{
  g_autofree char *path = write_model (rows[_i].name, rows[_i].type, rows[_i].dims);
  g_autofree char *proc = write_proc (rows[_i].proc);
  static const char *const devices[] = { "REF", "CPU" };
  for (size_t d = 0; d < G_N_ELEMENTS (devices); d++) {
    WeirSessionOptions options = { .model = path,
      .device = devices[d],
      .precision = "f32",
      .batch_timeout_ms = -1,
      .model_options = { .decoder = "raw",
          .color_format = "rgb",
          .constant_inputs = rows[_i].constants,
          .model_proc = proc } };
    g_autoptr (GError) error = NULL;
    g_autoptr (WeirSession) session = weir_session_open (&options, &error);
    ck_assert_msg (session != NULL, "%s", error ? error->message : "");
    check_fill (weir_session_model (session), _i);
    ck_assert_pstr_eq (weir_model_batch_limit_reason (weir_session_model (session)), NULL);
    WeirStream *stream = weir_stream_new (session, "s", 0);
    run_frame (stream, _i);
    run_tensor (stream, _i);
    weir_stream_free (stream);
  }
}
END_TEST

/* Both inputs as tensors, the sequence with its items in columns. */
START_TEST (test_columns)
{
  g_autofree char *path = write_model ("seq_ind", F32, "88,1");
  WeirSessionOptions options = { .model = path, .device = "CPU", .precision = "f32" };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (weir_model_input_axis (weir_session_model (session), 0), 1);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  float sequence[88 * 3], pictures[3 * 3 * 8 * 16] = { 0 };
  for (int i = 0; i < 88 * 3; i++)
    sequence[i] = (float) (i % 3 * 100 + i / 3);
  WeirTensor inputs[] = {
    { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 88, 3 }, .buffer = sequence },
    { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 3, 3, 8, 16 }, .buffer = pictures },
  };
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  for (uint32_t k = 0; k < 2; k++)
    ck_assert_msg (
        weir_request_set_input (request, k, &inputs[k], &error), "%s", error ? error->message : "");
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  const float *outputs = weir_tensor_data (weir_request_output (request, 0));
  for (int i = 0; i < 3; i++)
    for (int t = 0; t < 88; t++)
      ck_assert_float_eq (outputs[i * 91 + 3 + t], (float) (i * 100 + t));
  weir_request_free (request);
  weir_stream_free (stream);
}
END_TEST

static const struct {
  const char *name, *dims, *constants, *says;
} bad_constants[] = {
  { "a", "n,5", "b=1", "no such input: there are 'a' f32[1,5], 'data' f32[1,3,8,16]" },
  { "a", "n,5", "a", "NAME=VALUE" },
  { "a", "n,5", "a=one", "a number or a:b:c" },
  { "a", "n,5", "a=", "one number" },
  { "a", "n,5", "a=1:2", "f32[1,5]" },
  { "a", "n,5", "a=1e60", "one number of this type" },
  { "a", "n,5", "a=nan", "one number of this type" },
};

START_TEST (test_bad_constants)
{
  g_autofree char *path = write_model (bad_constants[_i].name, F32, bad_constants[_i].dims);
  WeirModelOptions options = { .constant_inputs = bad_constants[_i].constants };
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_model_load (path, &options, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, bad_constants[_i].says) != NULL, "%s", error->message);
}
END_TEST

static const struct {
  const char *name, *dims, *says;
} unfilled[] = {
  { "mask", "n,5", "'mask' f32[1,5] takes no picture" },
  { "mask", "n,5", "constant-inputs=mask=VALUE" },
  { "second", "n,3,4,4", NULL }, /* "data" is the likelier name */
};

/* Such a network loads, for tensors; only frames cannot be given. */
START_TEST (test_unfilled)
{
  g_autofree char *path = write_model (unfilled[_i].name, F32, unfilled[_i].dims);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = weir_model_load (path, NULL, &error);
  ck_assert_msg (model != NULL, "%s", error ? error->message : "");
  ck_assert_ptr_null (weir_model_input_fill (model, 0));
  ck_assert_pstr_eq (weir_model_input_fill (model, 1), "picture");
  ck_assert (!weir_model_check_picture (model, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  if (unfilled[_i].says)
    ck_assert_msg (strstr (error->message, unfilled[_i].says) != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_two_pictures)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "left", F32, "n,3,8,16");
  onnx_builder_input (builder, "right", F32, "n,3,8,16");
  onnx_builder_node (builder, "Sub", "left,right", "y", "");
  onnx_builder_output (builder, "y");
  g_autofree char *path = onnx_builder_write (builder, folder, "two.onnx");
  g_autofree char *proc = write_proc ("{\"layer_name\": \"right\"}");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = weir_model_load (path, NULL, NULL);
  ck_assert (!weir_model_check_picture (model, &error));
  ck_assert_msg (strstr (error->message, "several inputs could take the picture") != NULL, "%s",
      error->message);
  g_autoptr (WeirModel) named =
      weir_model_load (path, &(WeirModelOptions){ .model_proc = proc }, NULL);
  ck_assert_pstr_eq (weir_model_input_fill (named, 1), "picture");
  g_autoptr (WeirModel) given =
      weir_model_load (path, &(WeirModelOptions){ .constant_inputs = "right=0" }, NULL);
  ck_assert_pstr_eq (weir_model_input_fill (given, 0), "picture");
  ck_assert (weir_model_check_picture (given, NULL));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("side_inputs");
  TCase *tcase = tcase_create ("side_inputs");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_filled, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_columns);
  tcase_add_loop_test (tcase, test_bad_constants, 0, (int) G_N_ELEMENTS (bad_constants));
  tcase_add_loop_test (tcase, test_unfilled, 0, (int) G_N_ELEMENTS (unfilled));
  tcase_add_test (tcase, test_two_pictures);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
