/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the picture lies in the network's input, the way back, and what is refused. */
#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#include "tests/unit/pre/pre_picture.h"

static const struct {
  WeirResize resize;
  uint32_t in_w, in_h;
  WeirRegion region;
  WeirMapping want;
} mappings[] = {
  { WEIR_RESIZE_STRETCH, 320, 240, { 0, 0, 1920, 1080 }, { 320.0 / 1920, 240.0 / 1080, 0, 0 } },
  { WEIR_RESIZE_STRETCH, 64, 64, { 7, 9, 32, 128 }, { 2, 0.5, 0, 0 } },
  { WEIR_RESIZE_LETTERBOX_TOP_LEFT, 416, 416, { 0, 0, 768, 432 },
      { 416.0 / 768, 416.0 / 768, 0, 0 } },
  { WEIR_RESIZE_LETTERBOX_TOP_LEFT, 320, 320, { 5, 5, 100, 333 },
      { 320.0 / 333, 320.0 / 333, 0, 0 } },
  { WEIR_RESIZE_LETTERBOX_CENTRE, 416, 416, { 0, 0, 768, 432 },
      { 416.0 / 768, 416.0 / 768, 0, 91 } },
  { WEIR_RESIZE_LETTERBOX_CENTRE, 10, 20, { 0, 0, 20, 21 }, { 0.5, 0.5, 0, 5 } },
  { WEIR_RESIZE_CROP, 100, 100, { 0, 0, 300, 200 }, { 0.5, 0.5, -25, 0 } },
  { WEIR_RESIZE_CROP, 100, 50, { 9, 9, 200, 301 }, { 0.5, 0.5, 0, -50 } },
};

START_TEST (test_mapping_is_defined_one)
{
  WeirInputSpec spec = { .width_px = mappings[_i].in_w,
    .height_px = mappings[_i].in_h,
    .n_channels = 3,
    .resize = mappings[_i].resize };
  WeirMapping got;
  weir_pre_mapping (&spec, &mappings[_i].region, &got);
  ck_assert_double_eq_tol (got.scale_x, mappings[_i].want.scale_x, 1e-12);
  ck_assert_double_eq_tol (got.scale_y, mappings[_i].want.scale_y, 1e-12);
  ck_assert_double_eq_tol (got.offset_x_px, mappings[_i].want.offset_x_px, 1e-12);
  ck_assert_double_eq_tol (got.offset_y_px, mappings[_i].want.offset_y_px, 1e-12);
}
END_TEST

/* A white box on black: its edges in the input, taken back through the mapping, are where they
 * were. */
#define FRAME_W 400
#define FRAME_H 300

static double edge (const uint8_t *line, size_t step, uint32_t n, bool is_last)
{
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at = is_last ? n - 1 - i : i;
    if (line[at * step] >= 128)
      return is_last ? at + 1 : at;
  }
  return -1;
}

static void check_edges (const WeirInputSpec *spec, const WeirRegion *region, const uint8_t *input,
    const WeirRegion *box)
{
  WeirMapping map;
  weir_pre_mapping (spec, region, &map);
  uint32_t w = spec->width_px, h = spec->height_px;
  double centre_x =
      (box->x_px + box->width_px / 2.0 - region->x_px) * map.scale_x + map.offset_x_px;
  double centre_y =
      (box->y_px + box->height_px / 2.0 - region->y_px) * map.scale_y + map.offset_y_px;
  const uint8_t *line = input + (size_t) centre_y * w;
  const uint8_t *column = input + (size_t) centre_x;
  double found[4] = { edge (line, 1, w, false), edge (line, 1, w, true), edge (column, w, h, false),
    edge (column, w, h, true) };
  double want[4] = { box->x_px, box->x_px + box->width_px, box->y_px, box->y_px + box->height_px };
  for (int i = 0; i < 4; i++) {
    double scale = i < 2 ? map.scale_x : map.scale_y;
    double offset = i < 2 ? map.offset_x_px : map.offset_y_px;
    double back = (found[i] - offset) / scale + (i < 2 ? region->x_px : region->y_px);
    ck_assert_msg (fabs (back - want[i]) <= 1 / scale + 0.5, "resize %d edge %d: %.2f, not %.2f",
        (int) spec->resize, i, back, want[i]);
  }
}

START_TEST (test_mapping_leads_back_to_the_picture)
{
  static const uint32_t sizes[][2] = { { 320, 240 }, { 120, 200 }, { 333, 100 }, { 640, 640 } };
  WeirRegion box = { 170, 120, 80, 60 }, region = { 21, 15, 351, 271 };
  g_autofree uint8_t *pixels = g_malloc0 (FRAME_W * FRAME_H);
  WeirFrame frame = { .format = WEIR_PIXEL_GRAY8,
    .range = WEIR_RANGE_FULL,
    .width_px = FRAME_W,
    .height_px = FRAME_H,
    .planes = { pixels },
    .stride_bytes = { FRAME_W } };
  for (uint32_t y = 0; y < box.height_px; y++)
    memset (pixels + (box.y_px + y) * FRAME_W + box.x_px, 255, box.width_px);
  for (size_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    WeirInputSpec spec = { .width_px = sizes[i][0],
      .height_px = sizes[i][1],
      .n_channels = 1,
      .color = WEIR_COLOR_GRAY,
      .resize = (WeirResize) _i };
    WeirTensor input = {
      .dtype = WEIR_DTYPE_U8, .rank = 4, .dims = { 1, 1, sizes[i][1], sizes[i][0] }
    };
    g_autofree uint8_t *bytes = g_malloc (sizes[i][0] * sizes[i][1]);
    g_autoptr (WeirPre) pre = weir_pre_new (&spec);
    input.buffer = bytes;
    weir_pre_run (pre, &frame, &region, &input, 0);
    check_edges (&spec, &region, bytes, &box);
  }
}
END_TEST

/* A white picture: padding is exactly what lies outside the placed size. */
static const struct {
  WeirResize resize;
  uint32_t in_w, in_h, region_w, region_h;
  WeirRegion placed;
} paddings[] = {
  { WEIR_RESIZE_LETTERBOX_TOP_LEFT, 100, 100, 300, 200, { 0, 0, 100, 66 } },
  { WEIR_RESIZE_LETTERBOX_TOP_LEFT, 90, 60, 100, 201, { 0, 0, 29, 60 } },
  { WEIR_RESIZE_LETTERBOX_CENTRE, 100, 100, 300, 200, { 0, 17, 100, 66 } },
  { WEIR_RESIZE_LETTERBOX_CENTRE, 90, 60, 100, 201, { 30, 0, 29, 60 } },
  { WEIR_RESIZE_LETTERBOX_CENTRE, 20, 20, 380, 1, { 0, 9, 20, 1 } },
  { WEIR_RESIZE_STRETCH, 40, 40, 380, 9, { 0, 0, 40, 40 } },
  { WEIR_RESIZE_CROP, 40, 40, 380, 9, { 0, 0, 40, 40 } },
};

START_TEST (test_padding_surrounds_the_picture)
{
  uint32_t w = paddings[_i].in_w, h = paddings[_i].in_h;
  const WeirRegion *placed = &paddings[_i].placed;
  WeirInputSpec spec = { .width_px = w,
    .height_px = h,
    .n_channels = 3,
    .color = WEIR_COLOR_BGR,
    .resize = paddings[_i].resize,
    .mean = { 1, 2, 3 },
    .scale = { 0.5f, 0.25f, 2 },
    .pad = 114 };
  g_autofree uint8_t *pixels = g_malloc (3 * FRAME_W * FRAME_H);
  WeirFrame frame = { .format = WEIR_PIXEL_RGB,
    .width_px = FRAME_W,
    .height_px = FRAME_H,
    .planes = { pixels },
    .stride_bytes = { 3 * FRAME_W } };
  WeirRegion region = { 3, 5, paddings[_i].region_w, paddings[_i].region_h };
  g_autofree float *values = g_new (float, 3 * w * h);
  WeirTensor input = { .dtype = WEIR_DTYPE_F32,
    .layout = WEIR_LAYOUT_CHANNELS_LAST,
    .rank = 4,
    .dims = { 1, 3, h, w },
    .buffer = values };
  g_autoptr (WeirPre) pre = weir_pre_new (&spec);
  memset (pixels, 255, 3 * FRAME_W * FRAME_H);
  weir_pre_run (pre, &frame, &region, &input, 0);
  for (uint32_t i = 0; i < 3 * w * h; i++) {
    uint32_t c = i % 3, x = i / 3 % w, y = i / 3 / w;
    bool is_picture = x >= placed->x_px && x < placed->x_px + placed->width_px &&
                      y >= placed->y_px && y < placed->y_px + placed->height_px;
    float want = ((is_picture ? 255.0f : 114.0f) - spec.mean[c]) * spec.scale[c];
    if (values[i] != want)
      ck_abort_msg ("(%u, %u) channel %u: %g, not %g", x, y, c, (double) values[i], (double) want);
  }
}
END_TEST

static uint8_t bytes[64 * 64 * 4];

static const struct {
  const char *what;
  WeirFrame frame;
  WeirRegion region;
  const char *message; /* part of it; NULL: accepted */
} checks[] = {
  { "whole", { WEIR_PIXEL_NV12, 0, 0, 63, 63, { bytes, bytes }, { 64, 64 } }, { 0, 0, 63, 63 },
      NULL },
  { "last pixel", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 24 } }, { 7, 7, 1, 1 }, NULL },
  { "odd chroma", { WEIR_PIXEL_I420, 0, 0, 9, 9, { bytes, bytes, bytes }, { 9, 5, 5 } },
      { 0, 0, 9, 9 }, NULL },
  { "format", { WEIR_N_PIXEL_FORMATS, 0, 0, 8, 8, { bytes }, { 24 } }, { 0, 0, 8, 8 },
      "unknown pixel format 15" },
  { "matrix", { WEIR_PIXEL_NV12, 7, 0, 8, 8, { bytes, bytes }, { 8, 8 } }, { 0, 0, 8, 8 },
      "matrix 7" },
  { "plane", { WEIR_PIXEL_NV12, 0, 0, 8, 8, { bytes }, { 8, 8 } }, { 0, 0, 8, 8 },
      "plane 1 is missing" },
  { "stride", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 23 } }, { 0, 0, 8, 8 }, "at least 24" },
  { "negative", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { -24 } }, { 0, 0, 8, 8 }, "-24" },
  { "chroma stride", { WEIR_PIXEL_I420, 0, 0, 9, 9, { bytes, bytes, bytes }, { 9, 5, 4 } },
      { 0, 0, 9, 9 }, "plane 2 is 4 bytes" },
  { "pairs", { WEIR_PIXEL_YUY2, 0, 0, 9, 9, { bytes }, { 18 } }, { 0, 0, 9, 9 }, "at least 20" },
  { "empty", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 24 } }, { 4, 4, 0, 4 }, "region 0x4" },
  { "wide", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 24 } }, { 4, 4, 5, 4 }, "frame of 8x8" },
  { "high", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 24 } }, { 0, 8, 1, 1 }, "at (0, 8)" },
  { "overflow", { WEIR_PIXEL_RGB, 0, 0, 8, 8, { bytes }, { 24 } }, { 4, 4, UINT32_MAX - 2, 4 },
      "region 4294967293x4" },
  { "no frame", { WEIR_PIXEL_RGB, 0, 0, 0, 0, { bytes }, { 24 } }, { 0, 0, 1, 1 }, "frame of 0x0" },
};

START_TEST (test_check_names_what_is_wrong)
{
  g_autoptr (GError) error = NULL;
  bool ok = weir_pre_check (&checks[_i].frame, &checks[_i].region, &error);
  ck_assert_msg (ok == !checks[_i].message, "%s", checks[_i].what);
  if (ok)
    return;
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, checks[_i].message) != NULL, "%s: %s", checks[_i].what,
      error->message);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("pre-geometry");
  TCase *tcase = tcase_create ("geometry");
  tcase_add_loop_test (tcase, test_mapping_is_defined_one, 0, G_N_ELEMENTS (mappings));
  tcase_add_loop_test (tcase, test_mapping_leads_back_to_the_picture, 0, WEIR_RESIZE_CROP + 1);
  tcase_add_loop_test (tcase, test_padding_surrounds_the_picture, 0, G_N_ELEMENTS (paddings));
  tcase_add_loop_test (tcase, test_check_names_what_is_wrong, 0, G_N_ELEMENTS (checks));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
