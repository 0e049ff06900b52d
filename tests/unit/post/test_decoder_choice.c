/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which decoder a model gets, by the names and shapes of its outputs, and which shapes are refused.
 */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"

#define MAX_ROW_OUTPUTS 12

typedef struct Output {
  const char *name, *dims;
} Output;

#define YUNET(N8, N16, N32)                                                                     \
  {                                                                                             \
    { "cls_8", "1," N8 ",1" }, { "cls_16", "1," N16 ",1" }, { "cls_32", "1," N32 ",1" },        \
        { "obj_8", "1," N8 ",1" }, { "obj_16", "1," N16 ",1" }, { "obj_32", "1," N32 ",1" },    \
        { "bbox_8", "1," N8 ",4" }, { "bbox_16", "1," N16 ",4" }, { "bbox_32", "1," N32 ",4" }, \
        { "kps_8", "1," N8 ",10" }, { "kps_16", "1," N16 ",10" },                               \
    {                                                                                           \
      "kps_32", "1," N32 ",10"                                                                  \
    }                                                                                           \
  }
#define NANODET(N8, N16, N32, C, B)                                                 \
  {                                                                                 \
    { "792", "1," N8 "," C }, { "814", "1," N16 "," C }, { "836", "1," N32 "," C }, \
        { "795", "1," N8 "," B }, { "817", "1," N16 "," B },                        \
    {                                                                               \
      "839", "1," N32 "," B                                                         \
    }                                                                               \
  }

enum {
  UNKNOWN = 0,
  KNOWN = WEIR_OUTPUT_KNOWN,
  SOFTMAX = KNOWN | WEIR_OUTPUT_SOFTMAX,
  EXP = KNOWN | WEIR_OUTPUT_EXP
};

static const struct {
  const char *what;
  uint32_t width_px, height_px;
  uint32_t traits; /* of every output */
  const char *labels, *strides;
  Output outputs[MAX_ROW_OUTPUTS];
  const char *decoder;
  uint32_t n_classes;
} choices[] = {
  /* networks of the reference outputs */
  { "yolox_nano", 416, 416, KNOWN, NULL, NULL, { { "output", "1,3549,85" } }, "yolox", 80 },
  { "nanodet_m", 416, 416, KNOWN, NULL, NULL, NANODET ("2704", "676", "169", "80", "32"), "nanodet",
      80 },
  { "FastestDet", 352, 352, KNOWN, NULL, NULL, { { "734", "1,85,22,22" } }, "fastestdet", 80 },
  { "yunet 320", 320, 320, KNOWN, NULL, NULL, YUNET ("1600", "400", "100"), "yunet", 1 },
  { "yunet dynamic", 384, 256, KNOWN, NULL, NULL, YUNET ("1536", "384", "96"), "yunet", 1 },
  { "version-RFB-320", 320, 240, EXP, NULL, NULL,
      { { "scores", "1,4420,2" }, { "boxes", "1,4420,4" } }, "ultraface", 2 },
  { "version-RFB-320_simplified", 320, 240, KNOWN, NULL, NULL,
      { { "scores", "1,4420,2" }, { "boxes", "1,4420,4" } }, "ultraface-raw", 2 },
  { "UltraFace, graph unknown", 320, 240, UNKNOWN, NULL, NULL,
      { { "scores", "1,4420,2" }, { "boxes", "1,4420,4" } }, "ultraface", 2 },
  { "SqueezeNet", 224, 224, SOFTMAX, NULL, NULL, { { "softmaxout_1", "1,1000,1,1" } },
      "classification", 1000 },
  { "mobilenet qdq", 224, 224, KNOWN, NULL, NULL, { { "class_logits", "1,1000" } },
      "classification", 1000 },
  { "mobilenet_v2_128", 128, 128, SOFTMAX, NULL, NULL, { { "Identity:0", "1,2" } },
      "classification", 2 },
  { "mnist", 28, 28, KNOWN, NULL, NULL, { { "Plus214_Output_0", "1,10" } }, "classification", 10 },
  { "osnet", 128, 256, KNOWN, NULL, NULL, { { "output", "1,512" } }, "embedding", 0 },
  /* other sizes and classes */
  { "yolox 640", 640, 640, UNKNOWN, NULL, NULL, { { "o", "1,8400,6" } }, "yolox", 1 },
  { "yolox wide", 640, 384, UNKNOWN, NULL, NULL, { { "o", "1,5040,25" } }, "yolox", 20 },
  { "yolox odd", 100, 60, UNKNOWN, NULL, NULL, { { "o", "1,140,7" } }, "yolox", 2 },
  { "yolox P6", 640, 640, UNKNOWN, NULL, NULL, { { "o", "1,8500,85" } }, "yolox", 80 },
  { "yolox P6, labels against it", 640, 640, UNKNOWN, "a,b", NULL, { { "o", "1,8500,85" } }, "raw",
      0 },
  { "yolox, own strides", 64, 64, UNKNOWN, NULL, "4,8", { { "o", "1,320,8" } }, "yolox", 3 },
  { "yolox, own strides do not fit", 64, 64, UNKNOWN, NULL, "4,16", { { "o", "1,320,8" } }, "raw",
      0 },
  { "strides that are none", 416, 416, UNKNOWN, NULL, "8,,16", { { "o", "1,3549,85" } }, "raw", 0 },
  { "cells of another size", 416, 416, UNKNOWN, NULL, NULL, { { "o", "1,3548,85" } }, "raw", 0 },
  { "cells without classes", 416, 416, UNKNOWN, NULL, NULL, { { "o", "1,3549,5" } }, "raw", 0 },
  { "nanodet 320, 1 class, 11 bins", 320, 320, UNKNOWN, NULL, NULL,
      NANODET ("1600", "400", "100", "1", "44"), "nanodet", 1 },
  { "nanodet, stride after stride", 64, 64, UNKNOWN, NULL, NULL,
      { { "c8", "1,64,3" }, { "d8", "1,64,32" }, { "c16", "1,16,3" }, { "d16", "1,16,32" },
          { "c32", "1,4,3" }, { "d32", "1,4,32" } },
      "nanodet", 3 },
  { "PicoDet", 64, 64, UNKNOWN, NULL, NULL,
      { { "c8", "1,64,3" }, { "c16", "1,16,3" }, { "c32", "1,4,3" }, { "c64", "1,1,3" },
          { "d8", "1,64,32" }, { "d16", "1,16,32" }, { "d32", "1,4,32" }, { "d64", "1,1,32" } },
      "picodet", 3 },
  { "nanodet, sides that are none", 320, 320, UNKNOWN, NULL, NULL,
      NANODET ("1600", "400", "100", "80", "33"), "raw", 0 },
  { "fastestdet wide", 640, 352, UNKNOWN, NULL, NULL, { { "o", "1,6,22,40" } }, "fastestdet", 1 },
  { "a map of another stride", 320, 320, UNKNOWN, NULL, NULL, { { "o", "1,8,40,40" } }, "raw", 0 },
  { "the same with labels that fit", 320, 320, UNKNOWN, "a,b,c", NULL, { { "o", "1,8,40,40" } },
      "fastestdet", 3 },
  { "a map with two strides", 320, 320, UNKNOWN, NULL, NULL, { { "o", "1,85,20,10" } }, "raw", 0 },
  { "yunet, order and names lost", 64, 64, UNKNOWN, NULL, NULL,
      { { "a", "1,64,10" }, { "b", "1,64,4" }, { "c", "1,64,1" }, { "d", "1,64,1" },
          { "e", "1,16,10" }, { "f", "1,16,4" }, { "g", "1,16,1" }, { "h", "1,16,1" },
          { "i", "1,4,10" }, { "j", "1,4,4" }, { "k", "1,4,1" }, { "l", "1,4,1" } },
      "yunet", 1 },
  { "UltraFace 640, boxes first", 640, 480, EXP, NULL, NULL,
      { { "boxes", "1,17640,4" }, { "scores", "1,17640,2" } }, "ultraface", 2 },
  { "an SSD of another size", 320, 240, EXP, NULL, NULL,
      { { "scores", "1,4421,2" }, { "boxes", "1,4421,4" } }, "raw", 0 },
  { "256 numbers and a softmax", 64, 64, SOFTMAX, NULL, NULL, { { "o", "1,256" } },
      "classification", 256 },
  { "128 numbers, graph unknown", 64, 64, UNKNOWN, NULL, NULL, { { "o", "1,128" } }, "embedding",
      0 },
  { "3 numbers and 3 labels", 64, 64, KNOWN, "a,b,c", NULL, { { "o", "1,3" } }, "classification",
      3 },
  { "one number", 64, 64, KNOWN, NULL, NULL, { { "o", "1,1" } }, "regression", 0 },
  { "a scalar", 64, 64, KNOWN, NULL, NULL, { { "o", "" } }, "regression", 0 },
  { "two vectors", 64, 64, KNOWN, NULL, NULL, { { "a", "1,2" }, { "b", "1,1" } }, "regression", 0 },
};

START_TEST (test_decoder_choice)
{
  g_autoptr (Fixture) fixture = fixture_new (choices[_i].width_px, choices[_i].height_px);
  g_autoptr (GError) error = NULL;
  for (uint32_t k = 0; k < MAX_ROW_OUTPUTS && choices[_i].outputs[k].name; k++)
    fixture_add_output (fixture, choices[_i].outputs[k].name, choices[_i].outputs[k].dims);
  if (choices[_i].labels)
    fixture_set_labels (fixture, choices[_i].labels, ",");
  if (choices[_i].strides)
    fixture_set_metadata (fixture, "weir.strides", choices[_i].strides);
  for (uint32_t k = 0; choices[_i].traits && k < fixture->facts.n_outputs; k++)
    fixture_set_traits (fixture, k, choices[_i].traits);
  const char *why = NULL;
  const WeirDecoder *decoder = weir_decoder_choose (&fixture->facts, &why);
  ck_assert_msg (decoder && g_str_equal (decoder->name, choices[_i].decoder), "%s: %s (%s)",
      choices[_i].what, decoder ? decoder->name : "none", why);
  ck_assert_msg (why && *why, "%s: no reason", choices[_i].what);
  ck_assert_msg (decoder->n_classes (&fixture->facts) == choices[_i].n_classes, "%s: %u classes",
      choices[_i].what, decoder->n_classes (&fixture->facts));
  /* what is chosen must decode: all zeros are no objects */
  fixture->options.threshold = 0.6f;
  ck_assert_msg (fixture_decode (fixture, decoder->name, &error), "%s: %s", choices[_i].what,
      error ? error->message : "");
  ck_assert_uint_eq (fixture->result.n_objects, 0);
}
END_TEST

static const struct {
  const char *decoder;
  uint32_t width_px, height_px;
  const char *strides;
  Output outputs[3];
  const char *message; /* stands in the error's message */
} refusals[] = {
  { "yolox", 416, 416, NULL, { { "out", "1,3548,85" } },
      "'out' is f32[1,3548,85]; expected 3549 cells" },
  { "yolox", 416, 416, NULL, { { "out", "1,85,52,52" } }, "f32[1,cells,5 + classes]" },
  { "yolox", 416, 416, NULL, { { "a", "1,2" }, { "b", "1,2" } }, "the model has 2 outputs" },
  { "yolox", 416, 416, "8,sixteen", { { "out", "1,3549,85" } }, "weir.strides '8,sixteen'" },
  { "yolox", 416, 416, "8,16,32,64,8,8,8,8,8", { { "out", "1,3549,85" } }, "weir.strides" },
  { "yolox", 416, 416, "0", { { "out", "1,3549,85" } }, "weir.strides '0'" },
  { "nanodet", 64, 64, NULL, { { "a", "1,64,3" }, { "b", "1,60,32" } }, "stride 8" },
  { "nanodet", 64, 64, NULL, { { "a", "1,64,3" }, { "b", "1,64,33" } }, "'b' is f32[1,64,33]" },
  { "nanodet", 64, 64, NULL, { { "a", "1,64,3" } }, "the model has 1 outputs" },
  { "fastestdet", 352, 352, NULL, { { "o", "1,85,22,11" } }, "one stride in both directions" },
  { "fastestdet", 352, 352, NULL, { { "o", "1,5,22,22" } }, "[1,5 + classes,H,W]" },
  { "fastestdet", 352, 352, NULL, { { "o", "1,85,0,22" } }, "one stride in both directions" },
  { "yunet", 320, 320, NULL, { { "o", "1,2" } }, "the model has 1 outputs; expected 12" },
  { "ultraface", 320, 240, NULL, { { "s", "1,9,3" }, { "b", "1,9,4" } }, "scores" },
  { "ultraface", 320, 240, NULL, { { "s", "1,9,2" }, { "b", "1,8,4" } }, "boxes, f32[1,9,4]" },
  { "ultraface-raw", 320, 240, NULL, { { "s", "1,9,2" }, { "b", "1,9,4" } }, "[1,4420,4]" },
  { "detection_output", 64, 64, NULL, { { "o", "1,2,3,7" } },
      "'o' is f32[1,2,3,7]; expected f32[1,1,N,7]" },
  { "boxes_labels", 64, 64, NULL, { { "boxes", "3,6" }, { "labels", "3" } },
      "f32[N,5] or f32[N,4]" },
  { "boxes_labels", 64, 64, NULL, { { "boxes", "3,5" }, { "labels", "4" } }, "labels, one a box" },
  { "boxes_labels", 64, 64, NULL, { { "boxes", "3,4" }, { "labels", "3" } },
      "scores beside boxes" },
  { "yolo-v8", 64, 64, NULL, { { "o", "1,6,83" } }, "of an input of 64×64" },
  { "yolo-v8", 64, 64, NULL, { { "o", "1,4,84" } }, "more than 4 numbers of each of 84 cells" },
  { "yolo-v5", 64, 64, NULL, { { "o", "1,253,7" } }, "three rows a cell" },
  { "yolo-v4", 64, 64, NULL, { { "a", "1,21,2,2" }, { "b", "1,21,2,2" } }, "another stride" },
  { "yolo-v4", 64, 64, NULL, { { "a", "1,21,2,2" } }, "3, for which anchors are published" },
  { "yolo-v3", 64, 64, NULL, { { "a", "1,21,2,2" }, { "b", "1,24,4,4" } },
      "2 classes as in the first" },
  { "yolo-v3", 64, 64, NULL, { { "a", "1,21,2,3" } }, "the cells of one stride" },
  { "nanodet-plus", 64, 64, NULL, { { "o", "1,84,34" } }, "cells of strides 8, 16, 32, 64" },
  { "ppyoloe", 64, 64, NULL, { { "a", "1,84,4" }, { "b", "1,3,85" } }, "corners f32[1,P,4]" },
  { "rtdetr", 64, 64, NULL, { { "a", "1,300,4" } }, "f32[1,N,4 + classes]" },
  { "yolo-fastestv2", 64, 64, NULL, { { "a", "1,4,4,17" }, { "b", "1,2,2,18" } }, "15 + classes" },
  { "yunet-2022", 64, 64, NULL, { { "a", "1,235,14" }, { "b", "1,235,2" }, { "c", "1,234,1" } },
      "0 outputs are f32[1,235,1]" },
  { "retinaface", 64, 64, NULL, { { "a", "1,168,4" }, { "b", "1,168,3" }, { "c", "1,168,10" } },
      "f32[1,168,2]" },
  { "scrfd", 64, 64, NULL, { { "a", "1,168,4" } }, "of each of 3 or 5 strides" },
  { "blazeface", 64, 64, NULL, { { "a", "1,896,16" }, { "b", "1,896,2" } }, "f32[1,896,1]" },
  { "centernet", 64, 64, NULL, { { "a", "1,3,4,4" }, { "b", "1,2,4,4" }, { "c", "1,2,4,8" } },
      "one stride" },
  { "classification", 64, 64, NULL, { { "o", "1,2,3" } }, "'o' is f32[1,2,3]" },
  { "classification", 64, 64, NULL, { { "o", "1,1" } }, "at least 2 classes" },
  { "classification", 64, 64, NULL, { { "o", "1,8,2,2" } }, "[1,classes,1,1]" },
};

START_TEST (test_decoder_refusal)
{
  g_autoptr (Fixture) fixture = fixture_new (refusals[_i].width_px, refusals[_i].height_px);
  g_autoptr (GError) error = NULL;
  for (uint32_t k = 0; k < 3 && refusals[_i].outputs[k].name; k++)
    fixture_add_output (fixture, refusals[_i].outputs[k].name, refusals[_i].outputs[k].dims);
  if (refusals[_i].strides)
    fixture_set_metadata (fixture, "weir.strides", refusals[_i].strides);
  ck_assert (!fixture_decode (fixture, refusals[_i].decoder, &error));
  ck_assert_ptr_nonnull (error);
  ck_assert_msg (strstr (error->message, refusals[_i].message) != NULL, "%s", error->message);
}
END_TEST

/* Anchors that cannot be used. */
START_TEST (test_decoder_anchors_refused)
{
  static const struct {
    const char *anchors, *masks, *message;
  } given[] = { { "1,2,x", NULL, "anchors '1,2,x'" }, { "1,2,3", NULL, "3 numbers in anchors" },
    { "1,2,3,4", NULL, "4 numbers in anchors and 0 in masks" },
    { "1,2,3,4", "0,1,2,0,1,9", "4 numbers in anchors and 6 in masks" },
    { "1,2,3,4", "0,1,-1,0,1,1", "numbers of them in masks" },
    { "1,2,3,4", "nan,1,1,0,1,1", "masks 'nan" } };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (GError) error = NULL;
  fixture_add_output (fixture, "a", "1,21,2,2");
  fixture_add_output (fixture, "b", "1,21,4,4");
  fixture_set_metadata (fixture, "weir.anchors", given[_i].anchors);
  if (given[_i].masks)
    fixture_set_metadata (fixture, "weir.masks", given[_i].masks);
  ck_assert (!fixture_decode (fixture, "yolo-v3", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, given[_i].message) != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_decoder_metadata_name)
{
  g_autoptr (Fixture) fixture = fixture_new (416, 416);
  fixture_add_output (fixture, "output", "1,3549,85");
  fixture_set_metadata (fixture, "weir.decoder", "raw");
  ck_assert_str_eq (fixture_choose (fixture), "raw");
  fixture_set_metadata (fixture, "weir.decoder", "auto");
  ck_assert_str_eq (fixture_choose (fixture), "yolox");
  fixture_set_metadata (fixture, "weir.decoder", "yolov99");
  const char *why = NULL;
  ck_assert_ptr_null (weir_decoder_choose (&fixture->facts, &why));
  ck_assert_ptr_nonnull (strstr (why, "does not exist"));
}
END_TEST

START_TEST (test_decoder_table)
{
  for (uint32_t i = 0; weir_decoders[i]; i++) {
    const WeirDecoder *decoder = weir_decoders[i];
    ck_assert_ptr_eq (weir_decoder_find (decoder->name), decoder);
    ck_assert (decoder->blurb && decoder->match && decoder->n_classes && decoder->prepare &&
               decoder->release && decoder->decode);
    for (uint32_t c = 0; c < 3; c++)
      ck_assert (decoder->scale[c] > 0);
  }
  ck_assert_ptr_null (weir_decoder_find ("yolov99"));
  ck_assert_ptr_null (weir_decoder_find (NULL));
}
END_TEST

START_TEST (test_decoder_documented)
{
  const char *root = g_getenv ("WEIR_SOURCE_ROOT");
  g_autofree char *path = g_build_filename (root ? root : ".", "docs", "decoders.md", NULL);
  g_autofree char *text = NULL;
  ck_assert_msg (g_file_get_contents (path, &text, NULL, NULL), "%s cannot be read", path);
  for (uint32_t i = 0; weir_decoders[i]; i++) {
    g_autofree char *name = g_strdup_printf ("`%s`", weir_decoders[i]->name);
    ck_assert_msg (strstr (text, name) != NULL, "%s does not name %s", path, name);
  }
}
END_TEST

START_TEST (test_decoder_channels_last_input)
{
  g_autoptr (Fixture) fixture = fixture_new (640, 384);
  const int64_t dims[] = { 1, 384, 640, 3 };
  memcpy (fixture->input.dims, dims, sizeof dims);
  fixture_add_output (fixture, "output", "1,5040,85");
  ck_assert_str_eq (fixture_choose (fixture), "yolox");
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("decoder-choice");
  TCase *tcase = tcase_create ("choice");
  tcase_add_loop_test (tcase, test_decoder_choice, 0, G_N_ELEMENTS (choices));
  tcase_add_loop_test (tcase, test_decoder_refusal, 0, G_N_ELEMENTS (refusals));
  tcase_add_loop_test (tcase, test_decoder_anchors_refused, 0, 6);
  tcase_add_test (tcase, test_decoder_metadata_name);
  tcase_add_test (tcase, test_decoder_table);
  tcase_add_test (tcase, test_decoder_documented);
  tcase_add_test (tcase, test_decoder_channels_last_input);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
