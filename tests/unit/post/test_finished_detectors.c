/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detectors whose network gives finished objects: rows that count are taken as they stand, however
 * many there are, and nothing is suppressed. */
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

#define CORNERS_PX 24, 12, 56, 28
#define CORNERS    24 / 64.0f, 12 / 64.0f, 56 / 64.0f, 28 / 64.0f

static float *add_values (
    Fixture *fixture, const char *name, const char *dims, const float *values, size_t n)
{
  float *output = fixture_add_output (fixture, name, dims);
  memcpy (output, values, n * sizeof *values);
  return output;
}
#define ADD(name, dims, ...)                                       \
  add_values (fixture, name, dims, (const float[]){ __VA_ARGS__ }, \
      sizeof ((const float[]){ __VA_ARGS__ }) / sizeof (float))

static void add_labels (Fixture *fixture, const char *name, uint32_t rank, int64_t n, int64_t label)
{
  int64_t *labels = weir_arena_new_array (fixture->arena, int64_t, (size_t) n);
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I64, .rank = rank, .buffer = labels };
  tensor.dims[0] = 1;
  tensor.dims[rank - 1] = n;
  labels[0] = label;
  fixture_add_tensor (fixture, name, &tensor);
}

static float *fill_detection_output (Fixture *fixture)
{
  float *rows = ADD ("detection_out", "1,1,4,7", 0, 0, 0.1f, 0, 0, 1, 1, 0, 1, 0.72f, CORNERS, -1,
      1, 0.9f, 0, 0, 1, 1, 0, 1, 0.9f, 0, 0, 1, 1);
  return rows + 9;
}

static float *fill_boxes_labels (Fixture *fixture)
{
  float *rows = ADD ("boxes", "2,5", CORNERS_PX, 0.72f, 0, 0, 64, 64, 0.1f);
  add_labels (fixture, "labels", 1, 2, 1);
  return rows + 4;
}

static float *fill_boxes_labels_batch (Fixture *fixture)
{
  add_labels (fixture, "a", 2, 2, 1);
  return ADD ("b", "1,2,5", CORNERS_PX, 0.72f, 0, 0, 64, 64, 0.1f) + 4;
}

static float *fill_torchvision (Fixture *fixture)
{
  ADD ("a", "2,4", CORNERS_PX, 0, 0, 64, 64);
  add_labels (fixture, "b", 1, 2, 1);
  return ADD ("c", "2", 0.72f, 0.1f);
}

static float *fill_ssd (Fixture *fixture)
{
  ADD ("bboxes", "1,2,4", CORNERS, 0, 0, 1, 1);
  add_labels (fixture, "labels", 2, 2, 1);
  return ADD ("scores", "1,2", 0.72f, 0.1f);
}

static float *fill_tensorflow (Fixture *fixture)
{
  ADD ("detection_boxes:0", "1,1,4", 12 / 64.0f, 24 / 64.0f, 28 / 64.0f, 56 / 64.0f);
  ADD ("detection_classes:0", "1,1", 1);
  ADD ("num_detections:0", "1", 1);
  return ADD ("detection_scores:0", "1,1", 0.72f);
}

static float *fill_paddle (Fixture *fixture)
{
  int32_t *count = weir_arena_new_array (fixture->arena, int32_t, 1);
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I32, .rank = 1, .dims = { 1 }, .buffer = count };
  float *rows = ADD ("rows", "2,6", 1, 0.72f, CORNERS_PX, -1, 0.9f, 0, 0, 64, 64);
  fixture_add_tensor (fixture, "count", &tensor);
  return rows + 1;
}

static const Family families[] = {
  { "multiclass_nms", 1, "1", 0.72, fill_paddle, true },
  { "detection_output", 1, "1", 0.72, fill_detection_output, true },
  { "boxes_labels", 1, "1", 0.72, fill_boxes_labels, true },
  { "boxes_labels", 1, "1", 0.72, fill_boxes_labels_batch, true },
  { "boxes_labels_scores", 1, "1", 0.72, fill_torchvision, true },
  { "boxes_labels_scores", 1, "1", 0.72, fill_ssd, true },
  { "boxes_labels_scores", 1, "1", 0.72, fill_tensorflow, true },
};

/* The same box twice stays twice; the rows of another picture are passed over. */
START_TEST (test_detection_output_rows)
{
  g_autoptr (Fixture) fixture = fixture_new (300, 300);
  ADD ("o", "1,1,4,7", 0, 1, 0.9f, -0.5f, 0.25f, 0.5f, 1.5f, 0, 1, 0.8f, -0.5f, 0.25f, 0.5f, 1.5f,
      1, 2, 0.7f, 0, 0, 1, 1, NAN, 1, 0.9f, 0, 0, 1, 1);
  fixture->options.iou_threshold = 0.1f;
  ck_assert (fixture_decode (fixture, "detection_output", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 2);
  const WeirObject *object = &fixture->result.objects[0];
  ck_assert (object->x_min <= 0 && object->x_max == 0.5 && object->y_min == 0.25);
  ck_assert (object->y_max >= 1 && object->y_max <= 1);
  ck_assert_int_eq (fixture->result.objects[1].label_id, 1);
}
END_TEST

/* Fewer rows than the model's facts allow, and none. */
START_TEST (test_finished_fewer_rows)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  const WeirDecoder *decoder = weir_decoder_find (family->decoder);
  void *state = decoder->prepare (&fixture->facts, &fixture->spec, NULL);
  WeirTensor outputs[FIXTURE_MAX_OUTPUTS];
  memcpy (outputs, fixture->outputs, sizeof outputs);
  for (uint32_t k = 0; k < fixture->facts.n_outputs; k++) {
    uint32_t is_table = outputs[k].dims[outputs[k].rank - 1] >= 4;
    outputs[k].dims[outputs[k].rank - 1 - is_table] = 0;
    outputs[k].buffer = NULL;
  }
  WeirDecodeJob job = { .facts = &fixture->facts,
    .input = &fixture->spec,
    .mapping = &fixture->mapping,
    .region_width_px = 64,
    .region_height_px = 64,
    .outputs = outputs,
    .options = &fixture->options,
    .state = state };
  ck_assert (decoder->decode (&job, &fixture->result, NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 0);
  decoder->release (state);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("finished-detectors");
  TCase *tcase = tcase_create ("finished");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  tcase_add_test (tcase, test_detection_output_rows);
  tcase_add_loop_test (tcase, test_finished_fewer_rows, 0, G_N_ELEMENTS (families));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
