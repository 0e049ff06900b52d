/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keypoints and segmentation: peaks, classes of pixels, letterboxes, layouts. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <math.h>

enum { KNOWN = WEIR_OUTPUT_KNOWN, SIGMOID = KNOWN | WEIR_OUTPUT_SIGMOID };

static const WeirNamedTensor *find_tensor (const Fixture *fixture, const char *name)
{
  for (uint32_t i = 0; i < fixture->result.n_tensors; i++)
    if (g_str_equal (fixture->result.tensors[i].name, name))
      return &fixture->result.tensors[i];
  ck_abort_msg ("no tensor %s", name);
}

static void assert_point (const float *point, double x, double y)
{
  ck_assert_double_eq_tol ((double) point[0], x, 1e-6);
  ck_assert_double_eq_tol ((double) point[1], y, 1e-6);
}

START_TEST (test_keypoints_heatmaps)
{
  enum { W = 12, H = 16 };
  g_autoptr (Fixture) fixture = fixture_new (48, 64);
  float *maps = fixture_add_output (fixture, "heatmaps", "1,4,16,12");
  /* right and lower neighbours greater; left and upper; at the border; no number at all */
  maps[5 * W + 3] = 0.75f;
  maps[5 * W + 4] = 0.5f;
  maps[6 * W + 3] = 0.5f;
  maps += W * H;
  maps[5 * W + 3] = 0.5f;
  maps[5 * W + 2] = 0.25f;
  maps[4 * W + 3] = 0.25f;
  maps += W * H;
  maps[15 * W + 11] = 2;
  maps[14 * W + 11] = 1;
  maps += W * H;
  for (uint32_t i = 0; i < W * H; i++)
    maps[i] = NAN;
  ck_assert_str_eq (fixture_choose (fixture), "keypoints");
  ck_assert (fixture_decode (fixture, "keypoints", NULL));
  const WeirNamedTensor *points = find_tensor (fixture, "keypoints");
  const WeirNamedTensor *confidences = find_tensor (fixture, "keypoints_confidence");
  ck_assert (points->rank == 2 && points->dims[0] == 4 && points->dims[1] == 2);
  ck_assert (confidences->rank == 1 && confidences->dims[0] == 4);
  assert_point (points->data, 3.25 / W, 5.25 / H);
  assert_point (points->data + 2, 2.75 / W, 4.75 / H);
  assert_point (points->data + 4, 11.0 / W, 15.0 / H);
  assert_point (points->data + 6, 0, 0);
  ck_assert (confidences->data[0] == 0.75f && confidences->data[2] == 2);
  ck_assert (confidences->data[3] == 0);
}
END_TEST

/* The region is 96×64, in the middle of an input of 48×64: scale 1/2, 16 pixels above it. */
START_TEST (test_keypoints_letterbox)
{
  g_autoptr (Fixture) fixture = fixture_new (48, 64);
  float *maps = fixture_add_output (fixture, "heatmaps", "1,1,16,12");
  maps[8 * 12 + 6] = 1;
  fixture_set_region (fixture, 96, 64,
      (WeirMapping){ .scale_x = 0.5, .scale_y = 0.5, .offset_x_px = 0, .offset_y_px = 16 });
  ck_assert (fixture_decode (fixture, "keypoints", NULL));
  assert_point (find_tensor (fixture, "keypoints")->data, 0.5, 0.5);
}
END_TEST

START_TEST (test_keypoints_simcc)
{
  g_autoptr (Fixture) fixture = fixture_new (48, 64);
  float *x = fixture_add_output (fixture, "simcc_x", "1,3,96");
  float *y = fixture_add_output (fixture, "simcc_y", "1,3,128");
  x[96 + 48] = 0.75f;
  y[128 + 32] = 0.5f;
  ck_assert_str_eq (fixture_choose (fixture), "keypoints");
  ck_assert (fixture_decode (fixture, "keypoints", NULL));
  assert_point (find_tensor (fixture, "keypoints")->data + 2, 0.5, 0.25);
  ck_assert (find_tensor (fixture, "keypoints_confidence")->data[1] == 0.5f);
}
END_TEST

static const struct {
  const char *what, *dims, *labels;
  uint32_t traits;
  float values[24];
  float classes[6]; /* of 2 rows of 3 */
  const char *first, *second;
  double share;
} rows[] = {
  { "scores", "1,3,2,3", "sky,car,road", KNOWN,
      { 1, 0, 0, 0, 0, 5, /* */ 0, 2, 1, 1, 0, NAN, /* */ 0, 2, 3, 0, 7, 5 }, { 0, 1, 2, 1, 2, 0 },
      "sky", "car", 1.0 / 3 },
  { "a mask of probabilities", "1,1,2,3", NULL, SIGMOID, { 0.4f, 0.5f, 1, 0.1f, 0, NAN },
      { 0, 1, 1, 0, 0, 0 }, "0", "1", 2.0 / 3 },
  { "a mask of logits", "1,1,2,3", "person", KNOWN, { -0.4f, 0.5f, 1, 0.1f, 0, -INFINITY },
      { 0, 1, 1, 1, 1, 0 }, "person", "background", 2.0 / 3 },
  { "class numbers", "1,2,3", "a,b", KNOWN | WEIR_OUTPUT_INDEX, { 1, 1, 1, 0, 1, 1e9f },
      { 1, 1, 1, 0, 1, 0 }, "b", "a", 2.0 / 3 },
  { "class numbers, batch of one, channel of one", "1,1,2,3", NULL, KNOWN | WEIR_OUTPUT_INDEX,
      { 65535, 1, 1, 0, -1, NAN }, { 65535, 1, 1, 0, 0, 0 }, "0", "1", 0.5 },
};

START_TEST (test_segmentation_classes)
{
  g_autoptr (Fixture) fixture = fixture_new (3, 2);
  g_autoptr (GError) error = NULL;
  float *values = fixture_add_output (fixture, "out", rows[_i].dims);
  int64_t n;
  ck_assert (weir_tensor_n_elements (&fixture->outputs[0], &n) && n <= 24);
  memcpy (values, rows[_i].values, (size_t) n * sizeof *values);
  if (rows[_i].labels)
    fixture_set_labels (fixture, rows[_i].labels, ",");
  fixture_set_traits (fixture, 0, rows[_i].traits);
  fixture->options.threshold = 0;
  fixture->options.top_k = 2;
  ck_assert_msg (fixture_decode (fixture, "segmentation", &error), "%s: %s", rows[_i].what,
      error ? error->message : "");
  const WeirNamedTensor *map = find_tensor (fixture, "segmentation");
  ck_assert (map->rank == 2 && map->dims[0] == 2 && map->dims[1] == 3);
  for (uint32_t i = 0; i < 6; i++)
    ck_assert_msg (map->data[i] == rows[_i].classes[i], "%s: pixel %u is %g", rows[_i].what, i,
        (double) map->data[i]);
  const WeirAttribute *attribute = &fixture->result.attributes[0];
  ck_assert_uint_eq (attribute->n_classes, 2);
  ck_assert_str_eq (attribute->name, "segmentation");
  ck_assert_str_eq (attribute->classes[0].label, rows[_i].first);
  ck_assert_str_eq (attribute->classes[1].label, rows[_i].second);
  ck_assert_double_eq_tol ((double) attribute->classes[0].confidence, rows[_i].share, 1e-6);
}
END_TEST

/* The same scores with the channels last, for a network that takes such pictures. */
START_TEST (test_segmentation_channels_last)
{
  const int64_t input[] = { 1, 4, 6, 3 };
  g_autoptr (Fixture) fixture = fixture_new (6, 4);
  memcpy (fixture->input.dims, input, sizeof input);
  float *values = fixture_add_output (fixture, "out", "1,4,6,5");
  for (uint32_t i = 0; i < 24; i++)
    values[5 * i + i % 5] = 1;
  ck_assert_str_eq (fixture_choose (fixture), "segmentation");
  ck_assert (fixture_decode (fixture, "segmentation", NULL));
  const WeirNamedTensor *map = find_tensor (fixture, "segmentation");
  ck_assert (map->dims[0] == 4 && map->dims[1] == 6);
  for (uint32_t i = 0; i < 24; i++)
    ck_assert (map->data[i] == (float) (i % 5));
}
END_TEST

/* A region of 40×20 in an input of 20×20: 5 lines above and below show nothing of it. */
START_TEST (test_segmentation_letterbox)
{
  g_autoptr (Fixture) fixture = fixture_new (20, 20);
  float *values = fixture_add_output (fixture, "out", "1,2,20,20");
  for (uint32_t y = 0; y < 20; y++)
    for (uint32_t x = 0; x < 20; x++)
      values[400 + 20 * y + x] = y >= 5 && y < 15 && x < 15 ? 1 : -1;
  fixture_set_region (fixture, 40, 20,
      (WeirMapping){ .scale_x = 0.5, .scale_y = 0.5, .offset_x_px = 0, .offset_y_px = 5 });
  ck_assert (fixture_decode (fixture, "segmentation", NULL));
  const WeirNamedTensor *map = find_tensor (fixture, "segmentation");
  ck_assert (map->dims[0] == 10 && map->dims[1] == 20);
  ck_assert (map->data[0] == 1 && map->data[199] == 0);
  ck_assert_double_eq_tol (
      (double) fixture->result.attributes[0].classes[0].confidence, 0.75, 1e-6);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("maps");
  TCase *tcase = tcase_create ("maps");
  tcase_add_test (tcase, test_keypoints_heatmaps);
  tcase_add_test (tcase, test_keypoints_letterbox);
  tcase_add_test (tcase, test_keypoints_simcc);
  tcase_add_loop_test (tcase, test_segmentation_classes, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_segmentation_channels_last);
  tcase_add_test (tcase, test_segmentation_letterbox);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
