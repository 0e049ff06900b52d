/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every detector on outputs made by hand: where its boxes lie, what it keeps, what it never keeps.
 */
#include "engine/post/boxes.h"
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

static float *fill_yolox (Fixture *fixture)
{
  float *row = fixture_add_output (fixture, "o", "1,84,7");
  row += (64 + 1 * 4 + 2) * 7; /* stride 16, cell (2, 1) */
  row[0] = 0.5f;
  row[1] = 0.25f;
  row[2] = (float) log (2);
  row[3] = 0;
  row[4] = 0.9f;
  row[5] = 0.1f;
  row[6] = 0.8f;
  return &row[4];
}

static float *fill_yolox_decoded (Fixture *fixture)
{
  float *confidence = fill_yolox (fixture);
  const float box[] = { 40, 20, 32, 16 };
  memcpy (confidence - 4, box, sizeof box);
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_EXP);
  return confidence;
}

/* Bins 0 and 1 of 8 get softmax weights whose mean is `distance`, 0 < distance < 1. */
static void set_bins (float *bins, double distance)
{
  for (uint32_t k = 2; k < 8; k++)
    bins[k] = -200;
  bins[0] = (float) log (1 - distance);
  bins[1] = (float) log (distance);
}

static float *fill_nanodet (Fixture *fixture)
{
  fixture_add_output (fixture, "c8", "1,64,2");
  fixture_add_output (fixture, "c16", "1,16,2");
  float *classes = fixture_add_output (fixture, "c32", "1,4,2");
  fixture_add_output (fixture, "d8", "1,64,32");
  fixture_add_output (fixture, "d16", "1,16,32");
  float *bins = fixture_add_output (fixture, "d32", "1,4,32");
  /* stride 32, cell (1, 0): centre (47.5, 15.5) */
  const double sides_px[] = { 47.5 - 24, 15.5 - 12, 56 - 47.5, 28 - 15.5 };
  for (uint32_t k = 0; k < 4; k++)
    set_bins (bins + 32 + 8 * k, sides_px[k] / 32);
  classes[2] = 0.2f;
  classes[3] = 0.72f;
  return &classes[3];
}

/* The same half a pixel further right and lower, strides 8 to 64. */
static float *fill_picodet (Fixture *fixture)
{
  static const double sides_px[] = { 48 - 24, 16 - 12, 56 - 48, 28 - 16 };
  fixture_add_output (fixture, "c8", "1,64,2");
  fixture_add_output (fixture, "c16", "1,16,2");
  float *classes = fixture_add_output (fixture, "c32", "1,4,2");
  fixture_add_output (fixture, "c64", "1,1,2");
  fixture_add_output (fixture, "d8", "1,64,32");
  fixture_add_output (fixture, "d16", "1,16,32");
  float *bins = fixture_add_output (fixture, "d32", "1,4,32");
  fixture_add_output (fixture, "d64", "1,1,32");
  for (uint32_t k = 0; k < 4; k++)
    set_bins (bins + 32 + 8 * k, sides_px[k] / 32);
  classes[2] = 0.2f;
  classes[3] = 0.72f;
  return &classes[3];
}

static float *fill_fastestdet (Fixture *fixture)
{
  float *map = fixture_add_output (fixture, "o", "1,7,4,4");
  float *cell = map + 1 * 4 + 2; /* cell (2, 1) */
  cell[0] = 0.9f;
  cell[16 * 1] = (float) atanh (0.5);
  cell[16 * 2] = (float) atanh (0.25);
  cell[16 * 3] = 0;                /* half the width */
  cell[16 * 4] = (float) -log (3); /* a quarter of the height */
  cell[16 * 5] = 0.1f;
  cell[16 * 6] = 0.8f;
  return cell;
}

static float *fill_yunet (Fixture *fixture)
{
  fixture_add_output (fixture, "cls_8", "1,64,1");
  float *cls = fixture_add_output (fixture, "cls_16", "1,16,1");
  fixture_add_output (fixture, "cls_32", "1,4,1");
  fixture_add_output (fixture, "obj_8", "1,64,1");
  float *obj = fixture_add_output (fixture, "obj_16", "1,16,1");
  fixture_add_output (fixture, "obj_32", "1,4,1");
  fixture_add_output (fixture, "bbox_8", "1,64,4");
  float *bbox = fixture_add_output (fixture, "bbox_16", "1,16,4") + 6 * 4;
  fixture_add_output (fixture, "bbox_32", "1,4,4");
  fixture_add_output (fixture, "kps_8", "1,64,10");
  float *kps = fixture_add_output (fixture, "kps_16", "1,16,10") + 6 * 10;
  fixture_add_output (fixture, "kps_32", "1,4,10");
  cls[6] = 0.81f;
  obj[6] = 0.64f;
  bbox[0] = 0.5f;
  bbox[1] = 0.25f;
  bbox[2] = (float) log (2);
  for (uint32_t k = 0; k < 10; k++)
    kps[k] = 0.1f * (float) k;
  kps[0] = -4;
  return &cls[6];
}

static float *fill_ultraface (Fixture *fixture)
{
  float *scores = fixture_add_output (fixture, "scores", "1,9,2");
  float *boxes = fixture_add_output (fixture, "boxes", "1,9,4");
  const float box[] = { 24 / 64.0f, 12 / 64.0f, 56 / 64.0f, 28 / 64.0f };
  memcpy (boxes + 3 * 4, box, sizeof box);
  scores[3 * 2] = 0.28f;
  scores[3 * 2 + 1] = 0.72f;
  return &scores[3 * 2 + 1];
}

static float *fill_ultraface_raw (Fixture *fixture)
{
  /* 64 cells × 3, 16 × 2, 4 × 2, 1 × 3 */
  float *scores = fixture_add_output (fixture, "scores", "1,235,2");
  float *boxes = fixture_add_output (fixture, "boxes", "1,235,4");
  uint32_t row = 64 * 3 + (1 * 4 + 2) * 2; /* stride 16, cell (2, 1), 32 pixels: centre (40, 24) */
  boxes[row * 4 + 1] = -4 / (0.1f * 32);
  boxes[row * 4 + 3] = (float) (log (0.5) / 0.2);
  scores[row * 2 + 1] = 0.72f;
  return &scores[row * 2 + 1];
}

/* Stride 16, cell (3, 1): its corner (48, 16) */
static float *fill_nanodet_plus (Fixture *fixture)
{
  float *row = fixture_add_output (fixture, "output", "1,85,34") + (64 + 1 * 4 + 3) * 34;
  static const double sides_px[] = { 48 - 24, 16 - 12, 56 - 48, 28 - 16 };
  for (uint32_t k = 0; k < 4; k++) {
    double distance = sides_px[k] / 16;
    float *bins = row + 2 + 8 * k;
    for (uint32_t i = 0; i < 8; i++)
      bins[i] = -200;
    /* bins 1 and 2, or 0 and 1 */
    uint32_t first = distance > 1 ? 1 : 0;
    bins[first] = (float) log (1 + first - distance);
    bins[first + 1] = (float) log (distance - first);
  }
  row[0] = 0.2f;
  row[1] = 0.72f;
  return &row[1];
}

static float *fill_ppyoloe (Fixture *fixture)
{
  static const float box[] = { 24, 12, 56, 28 };
  memcpy (fixture_add_output (fixture, "boxes", "1,84,4") + 4 * 80, box, sizeof box);
  float *scores = fixture_add_output (fixture, "scores", "1,3,84");
  scores[84 * 1 + 80] = 0.72f;
  return &scores[84 * 1 + 80];
}

static float *fill_ppyoloe_turned (Fixture *fixture)
{
  static const float box[] = { 24, 12, 56, 28 };
  float *boxes = fixture_add_output (fixture, "boxes", "1,4,84");
  for (uint32_t k = 0; k < 4; k++)
    boxes[84 * k + 80] = box[k];
  float *scores = fixture_add_output (fixture, "scores", "1,3,84");
  scores[84 * 1 + 80] = 0.72f;
  return &scores[84 * 1 + 80];
}

static float *fill_damo (Fixture *fixture)
{
  static const float box[] = { 24, 12, 56, 28 };
  float *scores = fixture_add_output (fixture, "scores", "1,84,3");
  memcpy (fixture_add_output (fixture, "boxes", "1,84,4") + 4 * 80, box, sizeof box);
  scores[3 * 80 + 1] = 0.72f;
  return &scores[3 * 80 + 1];
}

static float *fill_rtdetr (Fixture *fixture)
{
  static const float row[] = { 40 / 64.0f, 20 / 64.0f, 0.5f, 0.25f, 0.1f, 0.72f };
  float *rows = fixture_add_output (fixture, "output0", "1,300,6") + 6 * 7;
  memcpy (rows, row, sizeof row);
  return rows + 5;
}

static float *fill_queries (Fixture *fixture, const char *scores_dims, uint32_t n_columns)
{
  static const float box[] = { 40 / 64.0f, 20 / 64.0f, 0.5f, 0.25f };
  int64_t n;
  float *scores = fixture_add_output (fixture, "logits", scores_dims);
  weir_tensor_n_elements (&fixture->outputs[0], &n);
  for (int64_t i = 0; i < n; i++)
    scores[i] = -200;
  g_autofree char *dims = g_strdup_printf ("1,%u,4", (uint32_t) n / n_columns);
  memcpy (fixture_add_output (fixture, "pred_boxes", dims) + 4 * 7, box, sizeof box);
  scores += 7 * n_columns;
  scores[1] = (float) log (0.72 / 0.28);
  return &scores[1];
}

static float *fill_deformable (Fixture *fixture)
{
  return fill_queries (fixture, "1,300,3", 3);
}

/* Softmax of 0.72 against "no object", the last of three classes. */
static float *fill_detr (Fixture *fixture)
{
  float *score = fill_queries (fixture, "1,100,3", 3);
  for (uint32_t i = 0; i < 100; i++)
    score[2 + 3 * (int) i - 3 * 7 - 1] = 0;
  return score;
}

/* Map of stride 16, cell (2, 1) */
static float *fill_centernet (Fixture *fixture)
{
  float *heat = fixture_add_output (fixture, "hm", "1,3,4,4");
  float *size = fixture_add_output (fixture, "wh", "1,2,4,4");
  float *offset = fixture_add_output (fixture, "reg", "1,2,4,4");
  size[6] = 2;
  size[16 + 6] = 1;
  offset[6] = 0.5f;
  offset[16 + 6] = 0.25f;
  heat[16 + 6] = 0.72f;
  return &heat[16 + 6];
}

static const Family families[] = {
  { "yolox", 1, "1", 0.72, fill_yolox },
  { "yolox", 1, "1", 0.72, fill_yolox_decoded },
  { "nanodet", 1, "1", 0.72, fill_nanodet },
  { "fastestdet", 1, "1", 0.72, fill_fastestdet },
  { "yunet", 0, "face", 0.72, fill_yunet },
  { "ultraface", 1, "face", 0.72, fill_ultraface },
  { "ultraface-raw", 1, "face", 0.72, fill_ultraface_raw },
  { "picodet", 1, "1", 0.72, fill_picodet },
  { "nanodet-plus", 1, "1", 0.72, fill_nanodet_plus },
  { "ppyoloe", 1, "1", 0.72, fill_ppyoloe },
  { "ppyoloe", 1, "1", 0.72, fill_ppyoloe_turned },
  { "damo-yolo", 1, "1", 0.72, fill_damo },
  { "yolo-nas", 1, "1", 0.72, fill_damo },
  { "rtdetr", 1, "1", 0.72, fill_rtdetr },
  { "rtdetr", 1, "1", 0.72, fill_deformable },
  { "rtdetr", 1, "1", 0.72, fill_detr },
  { "centernet", 1, "1", 0.72, fill_centernet },
};

START_TEST (test_detector_corner_not_finite)
{
  static const float values[] = { NAN, INFINITY, -INFINITY };
  for (uint32_t i = 0; i < 4 * G_N_ELEMENTS (values); i++) {
    g_autoptr (Fixture) fixture = fixture_new (64, 64);
    fill_ultraface (fixture);
    ((float *) fixture->outputs[1].buffer)[3 * 4 + i % 4] = values[i / 4];
    ck_assert (fixture_decode (fixture, "ultraface", NULL));
    ck_assert_uint_eq (fixture->result.n_objects, 0);
  }
}
END_TEST

START_TEST (test_yunet_landmarks)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_yunet (fixture);
  fixture_set_region (fixture, 256, 128, (WeirMapping){ .scale_x = 0.25, .scale_y = 0.25 });
  ck_assert (fixture_decode (fixture, "yunet", NULL));
  const WeirObject *object = &fixture->result.objects[0];
  ck_assert_uint_eq (object->n_tensors, 1);
  const WeirNamedTensor *tensor = &object->tensors[0];
  ck_assert_str_eq (tensor->name, "landmarks");
  ck_assert (tensor->rank == 2 && tensor->dims[0] == 5 && tensor->dims[1] == 2);
  ck_assert_uint_eq (tensor->n_elements, 10);
  /* cell (2, 1) of stride 16; the picture is 64×32 pixels of the input */
  ck_assert_double_eq_tol ((double) tensor->data[0], (2 - 4) * 16 / 64.0, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) tensor->data[1], (1 + 0.1) * 16 / 32, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) tensor->data[8], (2 + 0.8) * 16 / 64, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol ((double) tensor->data[9], (1 + 0.9) * 16 / 32, FAMILY_TOLERANCE);
}
END_TEST

START_TEST (test_yunet_landmarks_not_finite)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_yunet (fixture);
  ((float *) fixture->outputs[10].buffer)[6 * 10 + 5] = NAN;
  ck_assert (fixture_decode (fixture, "yunet", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 1);
  ck_assert_uint_eq (fixture->result.objects[0].n_tensors, 0);
}
END_TEST

/* NanoDet's boxes are clipped to the input before suppression: these two only then overlap enough.
 */
START_TEST (test_nanodet_clips_first)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  fill_nanodet (fixture);
  float *classes = fixture->outputs[2].buffer, *bins = fixture->outputs[5].buffer;
  memset (classes, 0, 8 * sizeof *classes);
  classes[0] = 0.9f; /* cell (0, 0): centre (15.5, 15.5) */
  classes[2] = 0.8f; /* cell (1, 0): centre (47.5, 15.5) */
  for (uint32_t k = 0; k < 8; k++)
    memset (bins + 8 * k, 0, 8 * sizeof *bins); /* 3.5 × 32 = 112 pixels to all sides */
  fixture->options.iou_threshold = 0.9f;
  ck_assert (fixture_decode (fixture, "nanodet", NULL));
  family_assert_box (fixture, 0, 0, 1, 1);
}
END_TEST

/* A neighbour that is less is no object, however little they overlap. */
START_TEST (test_centernet_peaks)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *peak = fill_centernet (fixture);
  float *size = fixture->outputs[1].buffer;
  size[7] = size[16 + 7] = 0.5f;
  size[0] = size[16] = 0.5f;
  peak[1] = 0.7f;
  peak[-6] = 0.7f; /* cell (0, 0), two away */
  ck_assert (fixture_decode (fixture, "centernet", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 2);
  ck_assert_double_eq_tol (fixture->result.objects[1].x_max, 0.0625, FAMILY_TOLERANCE);
}
END_TEST

START_TEST (test_detector_suppression)
{
  static const struct {
    float iou_threshold;
    uint32_t max_detections, n_objects;
  } rows[] = { { 0.45f, 200, 3 }, { 1, 200, 4 }, { 0.45f, 2, 2 }, { 0.45f, 0, 0 } };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *scores = fixture_add_output (fixture, "scores", "1,4,2");
  float *boxes = fixture_add_output (fixture, "boxes", "1,4,4");
  const float values[] = { 0, 0, 0.5f, 0.5f, 0, 0.5f, 0.5f, 1, 0, 0, 0.5f, 0.45f, 0.5f, 0, 1, 1 };
  memcpy (boxes, values, sizeof values);
  scores[1] = 0.6f;
  scores[3] = 0.9f;
  scores[5] = 0.7f; /* suppresses the first */
  scores[7] = 0.8f;
  fixture->options.iou_threshold = rows[_i].iou_threshold;
  fixture->options.max_detections = rows[_i].max_detections;
  ck_assert (fixture_decode (fixture, "ultraface", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, rows[_i].n_objects);
  static const double best_first[] = { 0.9, 0.8, 0.7, 0.6 };
  for (uint32_t i = 0; i < rows[_i].n_objects; i++)
    ck_assert_double_eq_tol (
        (double) fixture->result.objects[i].confidence, best_first[i], FAMILY_TOLERANCE);
}
END_TEST

/* More candidates than are kept in memory: the best are found wherever they stand. */
START_TEST (test_detector_many_candidates)
{
  enum { N = 100000 };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *scores = fixture_add_output (fixture, "scores", "1,100000,2");
  float *boxes = fixture_add_output (fixture, "boxes", "1,100000,4");
  for (uint32_t i = 0; i < N; i++) {
    const float x = (float) (i % 1000) / 1000, y = (float) (i / 1000) / 100;
    const float box[] = { x, y, x + 0.0009f, y + 0.009f };
    memcpy (boxes + 4 * (size_t) i, box, sizeof box);
    scores[2 * i + 1] = 0.5f + (float) ((i * 7919u) % N) / (2 * N);
  }
  fixture->options.max_detections = 5;
  ck_assert (fixture_decode (fixture, "ultraface", NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 5);
  for (uint32_t i = 0; i < 5; i++)
    ck_assert_float_eq (
        fixture->result.objects[i].confidence, 0.5f + (float) (N - 1 - i) / (2 * N));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("detectors");
  TCase *tcase = tcase_create ("detectors");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  tcase_add_test (tcase, test_detector_corner_not_finite);
  tcase_add_test (tcase, test_yunet_landmarks);
  tcase_add_test (tcase, test_yunet_landmarks_not_finite);
  tcase_add_test (tcase, test_nanodet_clips_first);
  tcase_add_test (tcase, test_centernet_peaks);
  tcase_add_loop_test (tcase, test_detector_suppression, 0, 4);
  tcase_add_test (tcase, test_detector_many_candidates);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
