/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the file, a model-proc file and the user say of a model, and who has the last word: sizes
 * left open, labels, colours, mean and scale, padding. */
#include "engine/model.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
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

/* Three classes of a picture; metadata "key=value;…". */
static char *write_classifier (const char *dims, const char *metadata)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "images", F32, dims);
  onnx_builder_node (builder, "GlobalAveragePool", "images", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "prob", "axis=1");
  onnx_builder_output (builder, "prob");
  g_auto (GStrv) pairs = g_strsplit (metadata ? metadata : "", ";", -1);
  for (char **pair = pairs; *pair; pair++) {
    g_auto (GStrv) parts = g_strsplit (*pair, "=", 2);
    onnx_builder_metadata (builder, parts[0], parts[1]);
  }
  return onnx_builder_write (builder, folder, "net.onnx");
}

static char *write_proc (const char *members)
{
  if (!members)
    return NULL;
  g_autofree char *path = g_build_filename (folder, "proc.json", NULL);
  g_autofree char *text = g_strdup_printf ("{\"json_schema_version\": \"2.2.0\", %s}", members);
  ck_assert (g_file_set_contents (path, text, -1, NULL));
  return g_steal_pointer (&path);
}

#define NAMES "names={0: 'a', 1: 'traffic light', 2: 'c'}"
#define PROC_LABELS \
  "\"output_postproc\": [{\"layer_name\": \"prob\", \"labels\": [\"x\", \"y\", \"z\"]}]"
#define TWO_HEADS                                                                         \
  "\"output_postproc\": [{\"layer_name\": \"prob\", \"labels\": [\"x\", \"y\", \"z\"]}, " \
  "{\"layer_name\": \"prob\", \"labels\": [\"u\"]}]"

static const struct {
  const char *metadata, *proc, *given, *expected; /* labels with , between; NULL: none */
} labels[] = {
  { NULL, NULL, NULL, NULL }, { NAMES, NULL, NULL, "a,traffic light,c" },
  { NAMES, PROC_LABELS, NULL, "x,y,z" }, { NAMES, PROC_LABELS, "1,2,3", "1,2,3" },
  { NAMES, TWO_HEADS, NULL, "a,traffic light,c" },
  { "names={0: 'a'}", NULL, NULL, NULL }, /* does not fit: the file's own are dropped */
};

START_TEST (test_labels)
{
  g_autofree char *path = write_classifier ("n,3,8,12", labels[_i].metadata);
  g_autofree char *proc = write_proc (labels[_i].proc);
  WeirModelOptions options = {
    .labels = labels[_i].given, .model_proc = proc, .decoder = "classification"
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = weir_model_load (path, &options, &error);
  ck_assert_msg (model != NULL, "%s", error ? error->message : "");
  uint32_t n;
  const char *const *got = weir_model_labels (model, &n);
  g_autofree char *joined = got ? g_strjoinv (",", (char **) got) : NULL;
  ck_assert_pstr_eq (joined, labels[_i].expected);
}
END_TEST

static const struct {
  const char *dims, *metadata, *given;
  int64_t shape[4]; /* 0: refused */
} sizes[] = {
  { "n,3,h,w", "imgsz=[24, 40]", NULL, { 1, 3, 24, 40 } },
  { "n,h,w,3", "imgsz=[24, 40]", NULL, { 1, 24, 40, 3 } },
  { "n,3,h,w", "imgsz=[24, 40]", "1x3x16x8", { 1, 3, 16, 8 } },
  { "n,3,16,w", "imgsz=24", NULL, { 1, 3, 16, 24 } },
  { "n,3,8,12", "imgsz=24", NULL, { 1, 3, 8, 12 } },
  { "n,c,h,w", "imgsz=24;channels=3", NULL, { 1, 3, 24, 24 } },
  { "n,c,h,w", "imgsz=24", "1x3x16x8", { 1, 3, 16, 8 } },
  { "n,c,h,w", "imgsz=24", NULL, { 0 } },
  { "n,3,h,w", "imgsz=huge", NULL, { 0 } },
};

START_TEST (test_sizes)
{
  g_autofree char *path = write_classifier (sizes[_i].dims, sizes[_i].metadata);
  WeirModelOptions options = { .input_shape = sizes[_i].given, .decoder = "raw" };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = weir_model_load (path, &options, &error);
  WeirTensor shape;
  if (!sizes[_i].shape[0]) {
    ck_assert_ptr_null (model);
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
    ck_assert_msg (strstr (error->message, "input-shape") != NULL, "%s", error->message);
    return;
  }
  ck_assert_msg (model != NULL, "%s", error ? error->message : "");
  weir_model_input (model, 0, &shape);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (shape.dims[i], sizes[_i].shape[i]);
}
END_TEST

#define IMAGENET                                                                               \
  "\"input_preproc\": [{\"params\": {\"color_space\": \"RGB\", \"resize\": \"aspect-ratio\", " \
  "\"range\": [0.0, 1.0], \"padding\": {\"fill_value\": 114}}}]"

static const struct {
  const char *dims, *metadata, *proc;
  WeirModelOptions options;
  const char *color, *resize;
  double mean, scale;
  int pad;
} preprocessings[] = {
  { "n,3,8,12", NULL, IMAGENET, { 0 }, "rgb", "letterbox-centre", 0, 1 / 255.0, 114 },
  { "n,3,8,12", NULL, IMAGENET,
      { .color_format = "bgr", .resize = "crop", .mean = "3", .scale = "2" }, "bgr", "crop", 3, 2,
      114 },
  { "n,3,8,12", "weir.resize=crop;weir.mean=9;weir.scale=9;weir.color-format=bgr", IMAGENET, { 0 },
      "rgb", "letterbox-centre", 0, 1 / 255.0, 114 },
  { "n,3,8,12", "model_info reverse_input_channels=False;model_info scale_values=2", NULL, { 0 },
      "bgr", "stretch", 0, 0.5, 0 },
  { "n,1,8,12", "Image.BitmapPixelFormat=Bgr8;weir.mean=1;weir.scale=1", NULL, { 0 }, "gray",
      "stretch", 1, 1, 0 },
};

static double first_number (JsonObject *object, const char *name)
{
  return json_array_get_double_element (json_object_get_array_member (object, name), 0);
}

START_TEST (test_preprocessing)
{
  g_autofree char *path = write_classifier (preprocessings[_i].dims, preprocessings[_i].metadata);
  g_autofree char *proc = write_proc (preprocessings[_i].proc);
  WeirModelOptions options = preprocessings[_i].options;
  g_autoptr (GError) error = NULL;
  options.model_proc = proc;
  options.decoder = "raw";
  g_autoptr (WeirModel) model = weir_model_load (path, &options, &error);
  ck_assert_msg (model != NULL, "%s", error ? error->message : "");
  g_autofree char *text = weir_model_inspect (model);
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  JsonObject *p = json_object_get_object_member (json_node_get_object (root), "preprocessing");
  ck_assert_str_eq (json_object_get_string_member (p, "color"), preprocessings[_i].color);
  ck_assert_str_eq (json_object_get_string_member (p, "resize"), preprocessings[_i].resize);
  ck_assert_double_eq_tol (first_number (p, "mean"), preprocessings[_i].mean, 1e-6);
  ck_assert_double_eq_tol (first_number (p, "scale"), preprocessings[_i].scale, 1e-7);
  ck_assert_int_eq (json_object_get_int_member (p, "pad"), preprocessings[_i].pad);
}
END_TEST

static const struct {
  const char *dims, *proc, *labels, *says;
} refused[] = {
  { "n,3,8,12", "\"json\": 1", "a,b", "2 labels are given, the network has 3 classes" },
  { "n,3,8,12", "\"output_postproc\": [{\"labels\": [\"x\"]}]", NULL, "3 values and 1 labels" },
  { "n,3,8,12", "\"input_preproc\": [{\"params\": {\"color_space\": \"GRAYSCALE\"}}]", NULL,
      "'gray' does not fit an input of 3 channels" },
  { "n,3,8,12", "\"input_preproc\": [{\"params\": {\"color_space\": \"YUV\"}}]", NULL, "YUV" },
};

START_TEST (test_refused)
{
  g_autofree char *path = write_classifier (refused[_i].dims, NULL);
  g_autofree char *proc = write_proc (refused[_i].proc);
  WeirModelOptions options = {
    .model_proc = proc, .labels = refused[_i].labels, .decoder = "classification"
  };
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_model_load (path, &options, &error));
  ck_assert_msg (strstr (error->message, refused[_i].says) != NULL, "%s", error->message);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("descriptions");
  TCase *tcase = tcase_create ("descriptions");
  tcase_add_checked_fixture (tcase, make_folder, remove_folder);
  tcase_add_loop_test (tcase, test_labels, 0, (int) G_N_ELEMENTS (labels));
  tcase_add_loop_test (tcase, test_sizes, 0, (int) G_N_ELEMENTS (sizes));
  tcase_add_loop_test (tcase, test_preprocessing, 0, (int) G_N_ELEMENTS (preprocessings));
  tcase_add_loop_test (tcase, test_refused, 0, (int) G_N_ELEMENTS (refused));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
