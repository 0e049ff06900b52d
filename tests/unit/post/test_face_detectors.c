/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Face detectors on outputs made by hand: boxes, and where their landmarks lie. */
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

/* Stride 16, cell (2, 1), the prior of 32 pixels: centre (40, 24), the box 4 pixels above it. */
#define PRIOR_64 (64 * 3 + (1 * 4 + 2) * 2)

/* Where every family's first and last points lie, in pixels of the input of 64×64. */
static const double first_point_px[] = { 30, 10 }, last_point_px[] = { 50, 26 };

static float *fill_yunet_2022 (Fixture *fixture)
{
  float *loc = fixture_add_output (fixture, "loc", "1,235,14") + 14 * PRIOR_64;
  float *conf = fixture_add_output (fixture, "conf", "1,235,2") + 2 * PRIOR_64;
  float *iou = fixture_add_output (fixture, "iou", "1,235,1") + PRIOR_64;
  loc[1] = -4 / (0.1f * 32);
  loc[3] = (float) (log (0.5) / 0.2);
  loc[4] = -10 / 3.2f;
  loc[5] = -14 / 3.2f;
  loc[12] = 10 / 3.2f;
  loc[13] = 2 / 3.2f;
  conf[1] = 0.81f;
  iou[0] = 0.64f;
  return &conf[1];
}

/* Of 64 priors a cell row: 8×8×2, then 4×4×2 with 64 pixels first. */
static float *fill_retinaface (Fixture *fixture)
{
  uint32_t row = 8 * 8 * 2 + (1 * 4 + 2) * 2;
  float *boxes = fixture_add_output (fixture, "bbox", "1,168,4") + 4 * row;
  float *scores = fixture_add_output (fixture, "conf", "1,168,2") + 2 * row;
  float *points = fixture_add_output (fixture, "landms", "1,168,10") + 10 * row;
  boxes[1] = -4 / 6.4f;
  boxes[2] = (float) (log (0.5) / 0.2);
  boxes[3] = (float) (log (0.25) / 0.2);
  points[0] = -10 / 6.4f;
  points[1] = -14 / 6.4f;
  points[8] = 10 / 6.4f;
  points[9] = 2 / 6.4f;
  scores[0] = 0.28f;
  scores[1] = 0.72f;
  return &scores[1];
}

static float *fill_retinaface_raw (Fixture *fixture)
{
  float *score = fill_retinaface (fixture);
  float *scores = fixture->outputs[1].buffer;
  for (uint32_t i = 0; i < 168; i++)
    scores[2 * i] = 9;
  score[-1] = 0;
  score[0] = (float) log (0.72 / 0.28);
  fixture_set_traits (fixture, 0, 0);
  return score;
}

/* Two anchors a cell; cell (3, 1) of stride 16: (48, 16) */
static float *fill_scrfd_of (Fixture *fixture, bool has_batch, bool has_points)
{
  static const uint32_t n_rows[] = { 128, 32, 8 };
  static const uint32_t n_columns[] = { 1, 4, 10 };
  float *score = NULL;
  uint32_t row = (1 * 4 + 3) * 2 + 1;
  for (uint32_t role = 0; role < (has_points ? 3 : 2); role++)
    for (uint32_t i = 0; i < 3; i++) {
      g_autofree char *dims =
          g_strdup_printf ("%s%u,%u", has_batch ? "1," : "", n_rows[i], n_columns[role]);
      float *table = fixture_add_output (fixture, "o", dims);
      static const float sides[] = { 24 / 16.0f, 4 / 16.0f, 8 / 16.0f, 12 / 16.0f };
      static const float points[] = { -18 / 16.0f, -6 / 16.0f, 0, 0, 0, 0, 0, 0, 2 / 16.0f,
        10 / 16.0f };
      if (i == 1 && role == 0)
        score = table + row;
      else if (i == 1)
        memcpy (table + row * n_columns[role], role == 1 ? sides : points,
            n_columns[role] * sizeof *table);
    }
  *score = 0.72f;
  return score;
}

static float *fill_scrfd (Fixture *fixture)
{
  return fill_scrfd_of (fixture, false, true);
}

static float *fill_scrfd_boxes (Fixture *fixture)
{
  return fill_scrfd_of (fixture, true, false);
}

/* Map of stride 4, cell (9, 4): (38 + …, 18 + …) with offsets of a half and 0 */
static float *fill_centerface (Fixture *fixture)
{
  enum { N = 16 * 16, CELL = 4 * 16 + 9 };
  float *heat = fixture_add_output (fixture, "537", "1,1,16,16");
  float *size = fixture_add_output (fixture, "538", "1,2,16,16");
  float *offset = fixture_add_output (fixture, "539", "1,2,16,16");
  float *points = fixture_add_output (fixture, "540", "1,10,16,16");
  heat[CELL] = 0.72f;
  size[CELL] = (float) log (4);
  size[N + CELL] = (float) log (8);
  offset[CELL] = 0.5f;
  offset[N + CELL] = 0.5f;
  /* y, x in sizes of the box 24..56 × 12..28 */
  points[0 * N + CELL] = (10 - 12) / 16.0f;
  points[1 * N + CELL] = (30 - 24) / 32.0f;
  points[8 * N + CELL] = (26 - 12) / 16.0f;
  points[9 * N + CELL] = (50 - 24) / 32.0f;
  return &heat[CELL];
}

/* Strides 4 and 8 of an input of 64×64; second map, cell (5, 2): centre (44, 20) */
static float *fill_blazeface (Fixture *fixture)
{
  uint32_t row = 512 + (2 * 8 + 5) * 6 + 3;
  float *rows = fixture_add_output (fixture, "regressors", "1,896,16");
  float *scores = fixture_add_output (fixture, "classificators", "1,896,1");
  static const float numbers[] = { -4, 0, 32, 16, 30 - 44, 10 - 20, 0, 0, 0, 0, 0, 0, 0, 0, 50 - 44,
    26 - 20 };
  memcpy (rows + 16 * row, numbers, sizeof numbers);
  for (uint32_t i = 0; i < 896; i++)
    scores[i] = -9;
  scores[row] = (float) log (0.72 / 0.28);
  return &scores[row];
}

static const Family families[] = {
  { "yunet-2022", 0, "face", 0.72, fill_yunet_2022, false },
  { "retinaface", 1, "face", 0.72, fill_retinaface, false },
  { "retinaface", 1, "face", 0.72, fill_retinaface_raw, false },
  { "scrfd", 0, "face", 0.72, fill_scrfd, false },
  { "scrfd", 0, "face", 0.72, fill_scrfd_boxes, false },
  { "centerface", 0, "face", 0.72, fill_centerface, false },
  { "blazeface", 0, "face", 0.72, fill_blazeface, false },
};

/* The picture is the input's upper half, enlarged by four. */
START_TEST (test_face_landmarks)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  fixture_set_region (fixture, 256, 128, (WeirMapping){ .scale_x = 0.25, .scale_y = 0.25 });
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  const WeirObject *object = &fixture->result.objects[0];
  if (family->fill == fill_scrfd_boxes) {
    ck_assert_uint_eq (object->n_tensors, 0);
    return;
  }
  ck_assert_uint_eq (object->n_tensors, 1);
  const WeirNamedTensor *points = &object->tensors[0];
  int64_t n_points = family->fill == fill_blazeface ? 6 : 5;
  ck_assert_str_eq (points->name, "landmarks");
  ck_assert (points->rank == 2 && points->dims[0] == n_points && points->dims[1] == 2);
  const float *last = points->data + points->n_elements - 2;
  ck_assert_double_eq_tol ((double) points->data[0], first_point_px[0] / 64, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) points->data[1], first_point_px[1] / 32, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) last[0], last_point_px[0] / 64, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) last[1], last_point_px[1] / 32, FAMILY_TOLERANCE);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("face-detectors");
  TCase *tcase = tcase_create ("faces");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  tcase_add_loop_test (tcase, test_face_landmarks, 0, G_N_ELEMENTS (families));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
