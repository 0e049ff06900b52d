/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO's poses, masks and turned boxes on outputs made by hand. */
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

#define N_CELLS 84 /* of an input of 64×64 */

static void set_column (float *values, uint32_t cell, const float *numbers, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++)
    values[N_CELLS * k + cell] = numbers[k];
}

/* One class, points (24, 12) and (56, 28) of three numbers, two more at 0. */
static float *fill_pose (Fixture *fixture)
{
  static const float column[] = { 40, 20, 32, 16, 0.72f, 24, 12, 0.9f, 56, 28, 0.4f };
  float *values = fixture_add_output (fixture, "output0", "1,17,84");
  fixture_set_metadata (fixture, "weir.keypoints", "4,3");
  set_column (values, 70, column, G_N_ELEMENTS (column));
  return &values[N_CELLS * 4 + 70];
}

/* Turned by a right angle: width and height change places. */
static float *fill_obb (Fixture *fixture)
{
  static const float column[] = { 40, 20, 16, 32, 0.1f, 0.72f, (float) G_PI_2 };
  float *values = fixture_add_output (fixture, "output0", "1,7,84");
  set_column (values, 70, column, G_N_ELEMENTS (column));
  return &values[N_CELLS * 5 + 70];
}

/* Prototype 0 is 2 in the left half of the picture, -2 in the right one; coefficients 1 and 0. */
static float *fill_seg (Fixture *fixture)
{
  static const float column[] = { 40, 20, 32, 16, 0.1f, 0.72f, 1, 0 };
  float *values = fixture_add_output (fixture, "output0", "1,8,84");
  float *protos = fixture_add_output (fixture, "output1", "1,2,16,16");
  set_column (values, 70, column, G_N_ELEMENTS (column));
  for (uint32_t i = 0; i < 256; i++) {
    protos[i] = i % 16 < 10 ? 2 : -2;
    protos[256 + i] = 77;
  }
  return &values[N_CELLS * 5 + 70];
}

static const Family families[] = {
  { "yolo-pose", 0, "0", 0.72, fill_pose, false },
  { "yolo-obb", 1, "1", 0.72, fill_obb, false },
  { "yolo-seg", 1, "1", 0.72, fill_seg, false },
};

static const WeirNamedTensor *find_tensor (const WeirObject *object, const char *name)
{
  for (uint32_t i = 0; i < object->n_tensors; i++)
    if (g_str_equal (object->tensors[i].name, name))
      return &object->tensors[i];
  ck_abort_msg ("no tensor %s", name);
}

static void assert_points (const WeirNamedTensor *tensor, const double *points, uint32_t n)
{
  ck_assert (tensor->rank == 2 && tensor->dims[0] == n && tensor->dims[1] == 2);
  ck_assert (!tensor->is_values);
  for (uint32_t i = 0; i < 2 * n; i++)
    ck_assert_double_eq_tol ((double) tensor->data[i], points[i], 1e-6);
}

START_TEST (test_yolo_pose_points)
{
  static const double points[] = { 0.375, 0.1875, 0.875, 0.4375, 0, 0, 0, 0 };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_pose (fixture);
  ck_assert_str_eq (fixture_choose (fixture), "yolo-pose");
  ck_assert (fixture_decode (fixture, "yolo-pose", NULL));
  const WeirObject *object = &fixture->result.objects[0];
  assert_points (find_tensor (object, "keypoints"), points, 4);
  const WeirNamedTensor *confidences = find_tensor (object, "keypoints_confidence");
  ck_assert (confidences->is_values && confidences->rank == 1 && confidences->dims[0] == 4);
  ck_assert (confidences->data[0] == 0.9f && confidences->data[1] == 0.4f);
  /* two numbers a point: no visibility */
  fixture_set_metadata (fixture, "weir.keypoints", "4,2");
  ck_assert (fixture_decode (fixture, "yolo-pose", NULL));
  ck_assert_uint_eq (fixture->result.objects[0].n_tensors, 1);
}
END_TEST

START_TEST (test_yolo_pose_shape)
{
  static const char *const wrong[] = { "0,3", "4,4", "x", "1.0e9,3", "4,3,2", "-1" };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_pose (fixture);
  for (uint32_t i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    fixture_set_metadata (fixture, "weir.keypoints", wrong[i]);
    ck_assert_msg (!fixture_decode (fixture, "yolo-pose", &error), "%s", wrong[i]);
    ck_assert_ptr_nonnull (strstr (error->message, "keypoints"));
  }
}
END_TEST

START_TEST (test_yolo_obb_corners)
{
  /* upper left of the box before it is turned, clockwise: turned, it is the upper right */
  static const double points[] = { 0.875, 0.1875, 0.875, 0.4375, 0.375, 0.4375, 0.375, 0.1875 };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_obb (fixture);
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_ANGLE | WEIR_OUTPUT_GRID);
  ck_assert_str_eq (fixture_choose (fixture), "yolo-obb");
  ck_assert (fixture_decode (fixture, "yolo-obb", NULL));
  assert_points (find_tensor (&fixture->result.objects[0], "rotated_box"), points, 4);
}
END_TEST

/* Of two long boxes side by side at 45 degrees the upright boxes nearly coincide, they do not; of a
 * copy a little off its place one remains. */
START_TEST (test_yolo_obb_suppression)
{
  static const float boxes[][6] = { { 30, 30, 30, 3, 0.9f, (float) G_PI_4 },
    { 33, 27, 30, 3, 0.8f, (float) G_PI_4 }, { 30.3f, 30.2f, 30, 3, 0.7f, (float) G_PI_4 },
    { 20, 20, 0, 3, 0.9f, 0 }, { 20, 20, 9, 3, 0.9f, NAN } };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *values = fixture_add_output (fixture, "output0", "1,6,84");
  for (uint32_t i = 0; i < G_N_ELEMENTS (boxes); i++)
    set_column (values, 10 * i, boxes[i], 6);
  ck_assert (fixture_decode (fixture, "yolo-obb", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 2);
  ck_assert (fixture->result.objects[0].confidence == 0.9f);
  ck_assert (fixture->result.objects[1].confidence == 0.8f);
  fixture->options.max_detections = 1;
  ck_assert (fixture_decode (fixture, "yolo-obb", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 1);
}
END_TEST

static double sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

/* The box is 24..56 × 12..28, in prototypes 6..14 × 3..7: eight cells by four, of which the first
 * four show the left half. */
START_TEST (test_yolo_seg_mask)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_seg (fixture);
  ck_assert_str_eq (fixture_choose (fixture), "yolo-seg");
  ck_assert (fixture_decode (fixture, "yolo-seg", NULL));
  const WeirNamedTensor *mask = find_tensor (&fixture->result.objects[0], "mask");
  ck_assert (mask->is_values && mask->rank == 2 && mask->dims[0] == 4 && mask->dims[1] == 8);
  for (uint32_t i = 0; i < 32; i++)
    ck_assert_double_eq_tol ((double) mask->data[i], sigmoid (i % 8 < 4 ? 2 : -2), 1e-6);
}
END_TEST

/* Prototypes of any size give no more than 1024 cells a line. */
START_TEST (test_yolo_seg_large)
{
  static const float row[] = { 32, 32, 64, 64, 0.9f, 1 };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  set_column (fixture_add_output (fixture, "output0", "1,6,84"), 0, row, 6);
  fixture_add_output (fixture, "output1", "1,1,2,4096");
  ck_assert (fixture_decode (fixture, "yolo-seg", NULL));
  const WeirNamedTensor *mask = find_tensor (&fixture->result.objects[0], "mask");
  ck_assert (mask->dims[0] == 2 && mask->dims[1] == 1024);
  ck_assert (mask->data[0] == 0.5f && mask->data[2047] == 0.5f);
}
END_TEST

/* Half of the box is cut off by the region's edge: the mask covers what is left. */
START_TEST (test_yolo_seg_clipped)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *score = fill_seg (fixture);
  score[-5 * N_CELLS] = 64; /* cx: 48..80 */
  ck_assert (fixture_decode (fixture, "yolo-seg", NULL));
  const WeirNamedTensor *mask = find_tensor (&fixture->result.objects[0], "mask");
  ck_assert (mask->dims[0] == 4 && mask->dims[1] == 4);
  ck_assert_double_eq_tol ((double) mask->data[0], sigmoid (-2), 1e-6);
}
END_TEST

static const struct {
  const char *what, *dims, *labels, *task;
  uint32_t size_px, traits;
  const char *decoder;
} choices[] = {
  { "COCO's persons", "1,56,8400", NULL, NULL, 640, 0, "yolo-pose" },
  { "the same turned round", "1,8400,56", NULL, "pose", 640, 0, "yolo-pose" },
  { "52 classes by their labels", "1,7,84", "a,b,c", NULL, 64, 0, "yolo-v8" },
  { "a label and four points", "1,17,84", "person", NULL, 64, 0, "yolo-pose" },
  { "DOTA", "1,20,21504", NULL, NULL, 1024, 0, "yolo-obb" },
  { "16 classes by the graph", "1,20,21504", NULL, NULL, 1024, WEIR_OUTPUT_GRID, "yolo-v8" },
  { "two labels and an angle", "1,7,84", "a,b", NULL, 64, 0, "yolo-obb" },
  { "YOLOX", "1,84,7", "a,b", NULL, 64, 0, "yolox" },
  { "obb by the task", "1,7,84", NULL, "obb", 64, 0, "yolo-obb" },
  { "a task goes before a graph", "1,7,84", NULL, "detect", 64, WEIR_OUTPUT_ANGLE, "yolo-v8" },
};

START_TEST (test_yolo_tasks_choice)
{
  g_autoptr (Fixture) fixture = fixture_new (choices[_i].size_px, choices[_i].size_px);
  fixture_add_output (fixture, "output0", choices[_i].dims);
  if (choices[_i].labels)
    fixture_set_labels (fixture, choices[_i].labels, ",");
  if (choices[_i].task)
    fixture_set_metadata (fixture, "weir.task", choices[_i].task);
  if (choices[_i].traits)
    fixture_set_traits (fixture, 0, choices[_i].traits);
  const char *name = fixture_choose (fixture);
  ck_assert_msg (g_str_equal (name, choices[_i].decoder), "%s: %s", choices[_i].what, name);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("yolo-tasks");
  TCase *tcase = tcase_create ("tasks");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  tcase_add_test (tcase, test_yolo_pose_points);
  tcase_add_test (tcase, test_yolo_pose_shape);
  tcase_add_test (tcase, test_yolo_obb_corners);
  tcase_add_test (tcase, test_yolo_obb_suppression);
  tcase_add_test (tcase, test_yolo_seg_mask);
  tcase_add_test (tcase, test_yolo_seg_large);
  tcase_add_test (tcase, test_yolo_seg_clipped);
  tcase_add_loop_test (tcase, test_yolo_tasks_choice, 0, G_N_ELEMENTS (choices));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
