/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders on the outputs of the reference networks: the objects and classes that the reference
 * found in the same pictures. Skipped where the reference data are not there. */
#include "engine/formats/formats.h"
#include "engine/post/traits.h"
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <json-glib/json-glib.h>
#include <math.h>

/* The reference files hold six digits. */
#define TOLERANCE        2e-5
#define LEAST_CONFIDENCE 0.3f

static const char *shared;

typedef struct Row {
  const char *decoder;
  const char *tensors; /* folder of output_K.pb */
  const char *frames, *stream;
  uint32_t width_px, height_px;
  bool is_letterbox;
  float iou_threshold;
  const char *labels;
} Row;

#define COCO   "labels/coco80.names"
#define LABELS "golden/frames/labels/"
#define DOG    "dls_dog_bike_car"

static const Row detections[] = {
  { "yolox", "yolox_nano/case0", "yolox_nano.images", DOG, 416, 416, true, 0.45f, COCO },
  { "nanodet", "nanodet_m/case0", "nanodet_m.images", DOG, 416, 416, false, 0.6f, COCO },
  { "fastestdet", "FastestDet/case0", "FastestDet.images", DOG, 352, 352, false, 0.45f, COCO },
  { "yunet", "yunet_n_320_320/case0", "yunet_n_320_320.face-images", "ultraface_9", 320, 320, true,
      0.45f, LABELS "yunet_n_320_320.txt" },
  { "yunet", "yunet_n_320_320/case1", "yunet_n_320_320.face-images", "dls_nasa", 320, 320, true,
      0.45f, LABELS "yunet_n_320_320.txt" },
  { "yunet", "yunet_n_dynamic/case0", "yunet_n_320_320.face-images", "ultraface_9", 320, 320, true,
      0.45f, NULL },
  { "ultraface", "version-RFB-320/case0", "version-RFB-320.face-images", "ultraface_9", 320, 240,
      false, 0.5f, LABELS "version-RFB-320.txt" },
  { "ultraface-raw", "version-RFB-320_simplified/case0", "version-RFB-320_simplified.face-images",
      "ultraface_9", 320, 240, false, 0.5f, NULL },
};

static const Row classifications[] = {
  { "classification", "SqueezeNet_fp16/case0", "SqueezeNet_fp16.images", "onnxjs_squeezenet-piano",
      224, 224, false, 0, "labels/squeezenet_labels.txt" },
  { "classification", "SqueezeNet_fp16/case1", "SqueezeNet_fp16.images", "winml_kitten_224", 224,
      224, false, 0, "labels/squeezenet_labels.txt" },
  { "classification", "mobilenet_v2-qdq-int8-matias/case0", "mobilenet_v2-qdq-int8-matias.images",
      "winml_kitten_224", 224, 224, false, 0, "labels/squeezenet_labels.txt" },
  { "classification", "mobilenet_v2_128_0.5/case0", "mobilenet_v2_128_0.5.images",
      "dls_pedestrians", 128, 128, false, 0, LABELS "mobilenet_v2_128_0.5.txt" },
  { "classification", "mobilenet_v2_128_0.5/case1", "mobilenet_v2_128_0.5.images",
      "onnxjs_squeezenet-piano", 128, 128, false, 0, NULL },
  { "classification", "mnist-winml/case0", "mnist-winml.digits", "digit-3", 28, 28, false, 0,
      NULL },
  { "classification", "mnist-winml/case1", "mnist-winml.digits", "digit-7", 28, 28, false, 0,
      NULL },
};

/* Outputs in the file's order, with the names they have there. */
static void load_outputs (Fixture *fixture, const char *folder)
{
  for (uint32_t k = 0;; k++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *file = g_strdup_printf ("output_%u.pb", k);
    g_autofree char *path = g_build_filename (shared, "golden/tensors", folder, file, NULL);
    const char *name;
    WeirTensor tensor;
    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      break;
    ck_assert_msg (weir_onnx_load_tensor (path, fixture->arena, &name, &tensor, &error), "%s: %s",
        path, error ? error->message : "");
    fixture_add_tensor (fixture, name, &tensor);
  }
  ck_assert_uint_gt (fixture->facts.n_outputs, 0);
}

/* The line of one picture. */
static JsonObject *load_frame (const Row *row, JsonParser *parser)
{
  g_autofree char *file = g_strconcat (row->frames, ".jsonl", NULL);
  g_autofree char *path = g_build_filename (shared, "golden/frames", file, NULL);
  g_autofree char *text = NULL;
  ck_assert_msg (g_file_get_contents (path, &text, NULL, NULL), "%s", path);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (uint32_t i = 0; lines[i] && *lines[i]; i++) {
    ck_assert (json_parser_load_from_data (parser, lines[i], -1, NULL));
    JsonObject *frame = json_node_get_object (json_parser_get_root (parser));
    if (g_str_equal (json_object_get_string_member (frame, "stream"), row->stream))
      return frame;
  }
  ck_abort_msg ("%s: no picture %s", path, row->stream);
  return NULL;
}

static void set_picture (Fixture *fixture, const Row *row, JsonObject *frame)
{
  JsonObject *size = json_object_get_object_member (frame, "resolution");
  double width = (double) json_object_get_int_member (size, "width");
  double height = (double) json_object_get_int_member (size, "height");
  WeirMapping mapping = { .scale_x = row->width_px / width, .scale_y = row->height_px / height };
  if (row->is_letterbox)
    mapping.scale_x = mapping.scale_y = MIN (mapping.scale_x, mapping.scale_y);
  fixture_set_region (fixture, (uint32_t) width, (uint32_t) height, mapping);
}

static Fixture *decode_row (const Row *row, JsonObject *frame)
{
  Fixture *fixture = fixture_new (row->width_px, row->height_px);
  g_autoptr (GError) error = NULL;
  load_outputs (fixture, row->tensors);
  set_picture (fixture, row, frame);
  if (row->labels) {
    g_autofree char *path = g_build_filename (shared, row->labels, NULL);
    g_auto (GStrv) labels = weir_labels_load (path, &error);
    ck_assert_msg (labels != NULL, "%s", error ? error->message : "");
    g_autofree char *joined = g_strjoinv ("\n", labels);
    fixture_set_labels (fixture, joined, "\n");
  }
  if (g_str_equal (row->decoder, "ultraface-raw"))
    fixture_set_traits (fixture, 0, WEIR_OUTPUT_SOFTMAX);
  ck_assert_str_eq (fixture_choose (fixture), row->decoder);
  uint32_t n_classes = weir_decoder_find (row->decoder)->n_classes (&fixture->facts);
  if (row->labels)
    ck_assert_uint_eq (n_classes, fixture->facts.n_labels);
  fixture->options = (WeirDecodeOptions){ .threshold = LEAST_CONFIDENCE,
    .iou_threshold = row->iou_threshold,
    .max_detections = 1000,
    .top_k = 5 };
  if (g_str_equal (row->decoder, "classification"))
    fixture->options.threshold = 0;
  ck_assert_msg (fixture_decode (fixture, row->decoder, &error), "%s", error ? error->message : "");
  return fixture;
}

static void assert_near (const Row *row, const char *what, double got, double expected)
{
  ck_assert_msg (fabs (got - expected) <= TOLERANCE, "%s, %s: %s is %.6f; expected %.6f",
      row->tensors, row->stream, what, got, expected);
}

static void compare_landmarks (const Row *row, const WeirObject *object, JsonObject *expected)
{
  if (!json_object_has_member (expected, "tensors")) {
    ck_assert_uint_eq (object->n_tensors, 0);
    return;
  }
  ck_assert_uint_eq (object->n_tensors, 1);
  JsonArray *tensors = json_object_get_array_member (expected, "tensors");
  JsonObject *tensor = json_array_get_object_element (tensors, 0);
  JsonArray *data = json_object_get_array_member (tensor, "data");
  ck_assert_str_eq (object->tensors[0].name, json_object_get_string_member (tensor, "name"));
  ck_assert_uint_eq (object->tensors[0].n_elements, json_array_get_length (data));
  for (guint i = 0; i < json_array_get_length (data); i++)
    assert_near (row, "a landmark", (double) object->tensors[0].data[i],
        json_array_get_double_element (data, i));
}

static void compare_object (const Row *row, const WeirObject *object, JsonObject *expected)
{
  JsonObject *detection = json_object_get_object_member (expected, "detection");
  JsonObject *box = json_object_get_object_member (detection, "bounding_box");
  ck_assert_int_eq (object->label_id, json_object_get_int_member (detection, "label_id"));
  ck_assert_str_eq (object->label, json_object_get_string_member (detection, "label"));
  assert_near (row, "confidence", (double) object->confidence,
      json_object_get_double_member (detection, "confidence"));
  assert_near (row, "x_min", object->x_min, json_object_get_double_member (box, "x_min"));
  assert_near (row, "y_min", object->y_min, json_object_get_double_member (box, "y_min"));
  assert_near (row, "x_max", object->x_max, json_object_get_double_member (box, "x_max"));
  assert_near (row, "y_max", object->y_max, json_object_get_double_member (box, "y_max"));
  compare_landmarks (row, object, expected);
}

START_TEST (test_reference_detections)
{
  const Row *row = &detections[_i];
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *frame = load_frame (row, parser);
  g_autoptr (Fixture) fixture = decode_row (row, frame);
  JsonArray *expected = json_object_get_array_member (frame, "objects");
  ck_assert_uint_gt (json_array_get_length (expected), 0);
  ck_assert_uint_eq (fixture->result.n_objects, json_array_get_length (expected));
  for (uint32_t i = 0; i < fixture->result.n_objects; i++)
    compare_object (row, &fixture->result.objects[i], json_array_get_object_element (expected, i));
}
END_TEST

/* Of equal classes the reference may name another. */
static void compare_class (const Row *row, const WeirClass *class, JsonArray *best, guint i)
{
  JsonObject *expected = json_array_get_object_element (best, i);
  double confidence = json_object_get_double_member (expected, "confidence");
  bool is_unique = true;
  for (guint k = 0; k < json_array_get_length (best); k++) {
    JsonObject *other = json_array_get_object_element (best, k);
    double difference = json_object_get_double_member (other, "confidence") - confidence;
    is_unique = is_unique && (k == i || fabs (difference) > TOLERANCE);
  }
  assert_near (row, "confidence", (double) class->confidence, confidence);
  if (!is_unique || i + 1 == json_array_get_length (best))
    return;
  ck_assert_int_eq (class->label_id, json_object_get_int_member (expected, "label_id"));
  if (row->labels)
    ck_assert_str_eq (class->label, json_object_get_string_member (expected, "label"));
}

START_TEST (test_reference_classifications)
{
  const Row *row = &classifications[_i];
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *frame = load_frame (row, parser);
  g_autoptr (Fixture) fixture = decode_row (row, frame);
  JsonArray *objects = json_object_get_array_member (frame, "objects");
  JsonObject *picture = json_array_get_object_element (objects, 0);
  JsonObject *expected = json_object_get_object_member (picture, "classification");
  JsonArray *best = json_object_get_array_member (expected, "top5");
  ck_assert_uint_eq (fixture->result.n_attributes, 1);
  const WeirAttribute *attribute = &fixture->result.attributes[0];
  ck_assert_uint_eq (attribute->n_classes, json_array_get_length (best));
  for (guint i = 0; i < attribute->n_classes; i++)
    compare_class (row, &attribute->classes[i], best, i);
}
END_TEST

static const struct {
  const char *model;
  uint32_t traits[2]; /* of the first two outputs */
} traits[] = {
  { "version-RFB-320.onnx",
      { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX, WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_EXP } },
  { "version-slim-320.onnx",
      { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX, WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_EXP } },
  { "version-RFB-320_simplified.onnx",
      { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX, WEIR_OUTPUT_KNOWN } },
  { "SqueezeNet_fp16.onnx", { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX } },
  { "mobilenet_v2_128_0.5.onnx", { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX } },
  { "mobilenet_v2-qdq-int8-matias.onnx", { WEIR_OUTPUT_KNOWN } },
  { "mnist-winml.onnx", { WEIR_OUTPUT_KNOWN } },
  { "osnet_x0_25_msmt17.onnx", { WEIR_OUTPUT_KNOWN } },
  { "yolox_nano.onnx", { WEIR_OUTPUT_KNOWN } },
  { "FastestDet.onnx", { WEIR_OUTPUT_KNOWN } },
  { "yunet_n_320_320.onnx", { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SIGMOID } },
  { "nanodet_m.onnx", { WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SIGMOID } },
};

START_TEST (test_reference_traits)
{
  const uint32_t compared =
      WEIR_OUTPUT_KNOWN | WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_EXP;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (shared, "models/onnx", traits[_i].model, NULL);
  g_autoptr (WeirGraph) graph = weir_onnx_load (path, NULL, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  for (uint32_t k = 0; k < 2 && traits[_i].traits[k]; k++)
    ck_assert_msg ((weir_output_traits (graph, k) & compared) == traits[_i].traits[k],
        "%s: output %u: %x", traits[_i].model, k, weir_output_traits (graph, k));
  ck_assert_uint_eq (weir_output_traits (graph, graph->outputs->len), 0);
}
END_TEST

int main (void)
{
  shared = g_getenv ("WEIR_SHARED");
  g_autofree char *tensors = shared ? g_build_filename (shared, "golden/tensors", NULL) : NULL;
  if (!tensors || !g_file_test (tensors, G_FILE_TEST_IS_DIR)) {
    g_print ("skipped: no golden/tensors in WEIR_SHARED\n");
    return 77;
  }
  Suite *suite = suite_create ("post-reference");
  TCase *tcase = tcase_create ("reference");
  tcase_add_loop_test (tcase, test_reference_detections, 0, G_N_ELEMENTS (detections));
  tcase_add_loop_test (tcase, test_reference_classifications, 0, G_N_ELEMENTS (classifications));
  tcase_add_loop_test (tcase, test_reference_traits, 0, G_N_ELEMENTS (traits));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
