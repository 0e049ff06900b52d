/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The YOLO families on outputs made by hand. */
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

static float *fill_v8 (Fixture *fixture)
{
  static const float column[] = { 40, 20, 32, 16, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "output0", "1,6,84");
  for (uint32_t k = 0; k < G_N_ELEMENTS (column); k++)
    values[84 * k + 70] = column[k];
  return &values[84 * 5 + 70];
}

static float *fill_v8_turned (Fixture *fixture)
{
  static const float row[] = { 40, 20, 32, 16, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "output0", "1,84,8");
  memcpy (values + 70 * 8, row, sizeof row);
  return values + 70 * 8 + 5;
}

static float *fill_v6 (Fixture *fixture)
{
  static const float row[] = { 40, 20, 32, 16, 1, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "outputs", "1,84,7");
  memcpy (values + 83 * 7, row, sizeof row);
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_GRID | WEIR_OUTPUT_CONSTANT_PART);
  return values + 83 * 7 + 6;
}

static float logit (double p)
{
  return (float) log (p / (1 - p));
}

/* One anchor of one cell: `values` go to base, base + step, … */
static float *put (float *map, size_t base, size_t step, const float values[7])
{
  for (uint32_t c = 0; c < 7; c++)
    map[base + c * step] = values[c];
  return &map[base + 4 * step];
}

/* Objectness 0.9 and classes of which the second has 0.8. */
static void set_scores (float values[7])
{
  values[4] = logit (0.9);
  values[5] = -5;
  values[6] = logit (0.8);
}

/* Maps of strides 32, 16, 8, coarsest first, all logits very negative; returns the coarsest. */
static float *add_maps (Fixture *fixture, uint32_t n_maps)
{
  float *first = NULL;
  for (uint32_t i = 0; i < n_maps; i++) {
    char dims[32];
    uint32_t size = 2u << i;
    g_snprintf (dims, sizeof dims, "1,21,%u,%u", size, size);
    float *map = fixture_add_output (fixture, "map", dims);
    for (size_t k = 0; k < 21u * size * size; k++)
      map[k] = -9;
    first = first ? first : map;
  }
  return first;
}

/* Cell (1, 0) of stride 32, second anchor: the centre (40, 20) is a quarter right of its left edge
 * and five eighths under its upper one. */
static float *fill_v3 (Fixture *fixture)
{
  float values[7] = { logit (0.25), logit (0.625), (float) log (32 / 156.0),
    (float) log (16 / 198.0) };
  set_scores (values);
  return put (add_maps (fixture, 3), 7 * 4 + 1, 4, values);
}

static float *fill_v3_tiny (Fixture *fixture)
{
  float values[7] = { logit (0.25), logit (0.625), (float) log (32 / 135.0),
    (float) log (16 / 169.0) };
  set_scores (values);
  return put (add_maps (fixture, 2), 7 * 4 + 1, 4, values);
}

/* RegionYolo has done the sigmoids. */
static float *fill_v3_region (Fixture *fixture)
{
  float values[7] = { 0.25f, 0.625f, (float) log (32 / 156.0), (float) log (16 / 198.0), 0.9f, 0,
    0.8f };
  float *confidence = put (add_maps (fixture, 3), 7 * 4 + 1, 4, values);
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_REGION);
  return confidence;
}

/* The same from numbers of a model-proc file, which names the coarsest map's masks first. */
static float *fill_v3_members (Fixture *fixture)
{
  float values[7] = { logit (0.25), logit (0.625), (float) log (2), (float) log (2) };
  set_scores (values);
  fixture_set_metadata (fixture, "weir.anchors", "1,1, 2,2, 3,3, 4,4, 5,5, 6,6, 16,8");
  fixture_set_metadata (fixture, "weir.masks", "0,6,2,3,4,5,0,1,2");
  return put (add_maps (fixture, 3), 7 * 4 + 1, 4, values);
}

/* x = 1.05 s - 0.025 */
static float *fill_v4 (Fixture *fixture)
{
  float values[7] = { logit (0.275 / 1.05), logit (0.65 / 1.05), (float) log (32 / 192.0),
    (float) log (16 / 243.0) };
  set_scores (values);
  return put (add_maps (fixture, 3), 7 * 4 + 1, 4, values);
}

static float *fill_v4_tiny (Fixture *fixture)
{
  float values[7] = { logit (0.275 / 1.05), logit (0.65 / 1.05), (float) log (32 / 135.0),
    (float) log (16 / 169.0) };
  set_scores (values);
  return put (add_maps (fixture, 2), 7 * 4 + 1, 4, values);
}

/* [1,H,W,3,7] with finished scores */
static float *fill_v4_channels_last (Fixture *fixture)
{
  float values[7] = { logit (0.35 / 1.1), logit (0.3), (float) log (32 / 36.0),
    (float) log (16 / 75.0), 0.9f, 0, 0.8f };
  /* stride 16, cell (2, 1): x = 1.1 s - 0.05 + 2 = 2.5; y = 1.25 */
  values[0] = logit (0.55 / 1.1);
  values[1] = logit (0.3 / 1.1);
  fixture_add_output (fixture, "a", "1,8,8,3,7");
  float *map = fixture_add_output (fixture, "b", "1,4,4,3,7");
  fixture_add_output (fixture, "c", "1,2,2,3,7");
  return put (map, (1 * 4 + 2) * 21, 1, values);
}

static float *fill_v4_boxes (Fixture *fixture)
{
  static const float box[] = { 24 / 64.0f, 12 / 64.0f, 56 / 64.0f, 28 / 64.0f };
  memcpy (fixture_add_output (fixture, "boxes", "1,252,1,4") + 4 * 100, box, sizeof box);
  float *scores = fixture_add_output (fixture, "confs", "1,252,2") + 2 * 100;
  scores[1] = 0.72f;
  return &scores[1];
}

/* x = 2 s - 0.5, w = (2 s)² anchor; [1,3,H,W,7] */
static float *fill_v5_maps (Fixture *fixture)
{
  float values[7] = { logit (1 / 2.0), logit (0.75 / 2), logit (sqrt (32 / 30.0) / 2),
    logit (sqrt (16 / 61.0) / 2) };
  set_scores (values);
  float *maps[] = { fixture_add_output (fixture, "a", "1,3,8,8,7"),
    fixture_add_output (fixture, "b", "1,3,4,4,7"),
    fixture_add_output (fixture, "c", "1,3,2,2,7") };
  for (uint32_t i = 0; i < 3; i++)
    for (size_t k = 0; k < (size_t) 3 * 7 * (64 >> (2 * i)); k++)
      maps[i][k] = -9;
  return put (maps[1], (1 * 4 + 2) * 7, 1, values);
}

static float *fill_v7_maps (Fixture *fixture)
{
  float *objectness = fill_v5_maps (fixture);
  objectness[-2] = logit (sqrt (32 / 36.0) / 2);
  objectness[-1] = logit (sqrt (16 / 75.0) / 2);
  return objectness;
}

static float *fill_v5 (Fixture *fixture)
{
  static const float row[] = { 40, 20, 32, 16, 0.9f, 0.1f, 0.8f };
  float *rows = fixture_add_output (fixture, "output0", "1,252,7") + 7 * 200;
  memcpy (rows, row, sizeof row);
  return rows + 4;
}

static float *fill_v7_chosen (Fixture *fixture)
{
  static const float rows[] = { 0, 24, 12, 56, 28, 1, 0.72f, 0, 0, 0, 64, 64, 0, 0.1f };
  float *values = fixture_add_output (fixture, "output", "2,7");
  memcpy (values, rows, sizeof rows);
  return values + 6;
}

static float *fill_v10 (Fixture *fixture)
{
  static const float rows[] = { 24, 12, 56, 28, 0.72f, 1, 0, 0, 64, 64, 0.1f, 0 };
  float *values = fixture_add_output (fixture, "output0", "1,300,6");
  memcpy (values, rows, sizeof rows);
  return values + 4;
}

/* Cell (1, 0) of 2×2, third anchor, in cells; the softmax of two classes is the sigmoid of their
 * difference. */
static float *fill_v2 (Fixture *fixture)
{
  float values[7] = { logit (0.25), logit (0.625), (float) log (1 / 3.33843),
    (float) log (0.5 / 5.47434) };
  set_scores (values);
  values[5] = 0;
  float *map = fixture_add_output (fixture, "grid", "1,35,2,2");
  for (size_t k = 0; k < 35 * 4; k++)
    map[k] = -9;
  return put (map, 2 * 7 * 4 + 1, 4, values);
}

static float *fill_v2_flat (Fixture *fixture)
{
  float values[7] = { 0.25f, 0.625f, (float) log (1 / 3.33843), (float) log (0.5 / 5.47434), 0.9f,
    0.2f, 0.8f };
  float *map = fixture_add_output (fixture, "region", "1,140");
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_REGION);
  return put (map, 2 * 7 * 4 + 1, 4, values);
}

/* y0, x0, y1, x1; the second class's score */
static float *fill_v3_nms (Fixture *fixture)
{
  static const float box[] = { 12, 24, 28, 56 };
  int32_t *kept = weir_arena_new_array (fixture->arena, int32_t, 6);
  const int32_t rows[] = { 0, 1, 5, -1, -1, -1 };
  memcpy (kept, rows, sizeof rows);
  memcpy (fixture_add_output (fixture, "boxes", "1,63,4") + 5 * 4, box, sizeof box);
  float *scores = fixture_add_output (fixture, "scores", "1,2,63");
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I32, .rank = 3, .dims = { 1, 2, 3 }, .buffer = kept };
  fixture_add_tensor (fixture, "kept", &tensor);
  scores[63 + 5] = 0.72f;
  return &scores[63 + 5];
}

/* Cell (2, 1) of stride 16, second anchor; [1,H,W,15 + 2] */
static float *fill_fastestv2 (Fixture *fixture)
{
  float *map = fixture_add_output (fixture, "a", "1,4,4,17") + (1 * 4 + 2) * 17;
  fixture_add_output (fixture, "b", "1,2,2,17");
  const float box[] = { 0.5f, 0.375f, (float) sqrt (32 / 37.88) / 2,
    (float) sqrt (16 / 51.48) / 2 };
  memcpy (map + 4, box, sizeof box);
  map[12 + 1] = 0.9f;
  map[15] = 0.1f;
  map[16] = 0.8f;
  return &map[12 + 1];
}

/* The same as maps before sigmoid and softmax. */
static float *fill_fastestv2_parts (Fixture *fixture)
{
  const float box[] = { 0, logit (0.375), logit (sqrt (32 / 37.88) / 2),
    logit (sqrt (16 / 51.48) / 2) };
  float *reg = fixture_add_output (fixture, "reg2", "1,12,4,4") + 6;
  float *obj = fixture_add_output (fixture, "obj2", "1,3,4,4");
  float *cls = fixture_add_output (fixture, "cls2", "1,2,4,4") + 6;
  fixture_add_output (fixture, "reg3", "1,12,2,2");
  float *others = fixture_add_output (fixture, "obj3", "1,3,2,2");
  fixture_add_output (fixture, "cls3", "1,2,2,2");
  for (uint32_t i = 0; i < 48; i++)
    obj[i] = -9;
  for (uint32_t i = 0; i < 12; i++)
    others[i] = -9;
  for (uint32_t k = 0; k < 4; k++)
    reg[(4 + k) * 16] = box[k];
  cls[16] = logit (0.8);
  obj[16 + 6] = logit (0.9);
  return &obj[16 + 6];
}

static const Family families[] = {
  { "yolo-v2", 1, "1", 0.72, fill_v2, false },
  { "yolo-v2-region", 1, "1", 0.72, fill_v2_flat, false },
  { "yolo-v3", 1, "1", 0.72, fill_v3, false },
  { "yolo-v3", 1, "1", 0.72, fill_v3_tiny, false },
  { "yolo-v3", 1, "1", 0.72, fill_v3_region, false },
  { "yolo-v3", 1, "1", 0.72, fill_v3_members, false },
  { "yolo-v3-nms", 1, "1", 0.72, fill_v3_nms, false },
  { "yolo-v4", 1, "1", 0.72, fill_v4, false },
  { "yolo-v4", 1, "1", 0.72, fill_v4_tiny, false },
  { "yolo-v4", 1, "1", 0.72, fill_v4_channels_last, false },
  { "yolo-v4-boxes", 1, "1", 0.72, fill_v4_boxes, false },
  { "yolo-v5", 1, "1", 0.72, fill_v5, false },
  { "yolo-v5", 1, "1", 0.72, fill_v5_maps, false },
  { "yolo-v7", 1, "1", 0.72, fill_v7_maps, false },
  { "yolo-v7", 1, "1", 0.72, fill_v7_chosen, true },
  { "yolo-v10", 1, "1", 0.72, fill_v10, true },
  { "yolo-fastestv2", 1, "1", 0.72, fill_fastestv2, false },
  { "yolo-fastestv2", 1, "1", 0.72, fill_fastestv2_parts, false },
  { "yolo-v8", 1, "1", 0.72, fill_v8, false },
  { "yolo-v8", 1, "1", 0.72, fill_v8_turned, false },
  { "yolo-v8", 1, "1", 0.72, fill_v6, false },
};

int main (void)
{
  Suite *suite = suite_create ("yolo-detectors");
  TCase *tcase = tcase_create ("yolo");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
