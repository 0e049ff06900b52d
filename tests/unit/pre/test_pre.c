/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir_pre_run against the definition: every format, odd sizes and positions, every type and
 * layout. */
#include "tests/run_suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/half.h"
#include "tests/unit/pre/pre_oracle.h"
#include "tests/unit/pre/pre_picture.h"

/* "" is the best variant this CPU has; the others mask abilities. */
static const char *const masks[] = { "", "avx512vbmi", "avx512", "avx512,avx2" };

static uint8_t *run_u8 (const WeirInputSpec *spec, const WeirFrame *frame, const WeirRegion *region)
{
  size_t n_bytes = (size_t) spec->n_channels * spec->width_px * spec->height_px;
  WeirTensor input = { .dtype = WEIR_DTYPE_U8,
    .rank = 4,
    .dims = { 1, spec->n_channels, spec->height_px, spec->width_px },
    .buffer = g_malloc (n_bytes) };
  g_autoptr (WeirPre) pre = weir_pre_new (spec);
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_pre_check (frame, region, &error), "%s", error ? error->message : "");
  weir_pre_run (pre, frame, region, &input, 0);
  return input.buffer;
}

typedef struct Tally {
  uint32_t n_values, n_different;
} Tally;

static void compare (
    const WeirInputSpec *spec, const WeirFrame *frame, const WeirRegion *region, Tally *tally)
{
  g_autofree uint8_t *got = run_u8 (spec, frame, region);
  const uint8_t *next = got;
  for (uint32_t c = 0; c < spec->n_channels; c++)
    for (uint32_t y = 0; y < spec->height_px; y++)
      for (uint32_t x = 0; x < spec->width_px; x++, next++) {
        int want = oracle_value (spec, frame, region, c, x, y);
        if (*next != want)
          ck_abort_msg (
              "%s %ux%u region %ux%u at (%u, %u) to %ux%u: channel %u at (%u, %u) is %d, not %d",
              weir_pixel_format_name (frame->format), frame->width_px, frame->height_px,
              region->width_px, region->height_px, region->x_px, region->y_px, spec->width_px,
              spec->height_px, c, x, y, *next, want);
        tally->n_values++;
        tally->n_different += *next != want;
      }
}

/* Region and result sizes: shrinking, growing, both, single pixels, edges. */
static const struct {
  uint32_t frame_w, frame_h;
  WeirRegion region;
  uint32_t in_w, in_h;
  WeirResize resize;
} resizes[] = {
  { 97, 61, { 0, 0, 97, 61 }, 40, 30, WEIR_RESIZE_STRETCH },
  { 97, 61, { 13, 7, 51, 33 }, 64, 48, WEIR_RESIZE_STRETCH },
  { 97, 61, { 1, 1, 96, 60 }, 33, 65, WEIR_RESIZE_STRETCH },
  { 97, 61, { 96, 60, 1, 1 }, 5, 7, WEIR_RESIZE_STRETCH },
  { 97, 61, { 31, 0, 1, 61 }, 17, 19, WEIR_RESIZE_STRETCH },
  { 97, 61, { 0, 31, 97, 1 }, 17, 19, WEIR_RESIZE_STRETCH },
  { 98, 64, { 95, 3, 3, 5 }, 50, 20, WEIR_RESIZE_STRETCH },
  { 97, 61, { 5, 5, 80, 40 }, 1, 1, WEIR_RESIZE_STRETCH },
  { 5, 3, { 0, 0, 5, 3 }, 20, 12, WEIR_RESIZE_STRETCH },
  { 1, 1, { 0, 0, 1, 1 }, 9, 9, WEIR_RESIZE_STRETCH },
  { 2, 9, { 1, 2, 1, 6 }, 9, 9, WEIR_RESIZE_STRETCH },
  { 97, 61, { 0, 0, 97, 61 }, 48, 48, WEIR_RESIZE_LETTERBOX_TOP_LEFT },
  { 61, 97, { 3, 5, 41, 90 }, 48, 48, WEIR_RESIZE_LETTERBOX_TOP_LEFT },
  { 97, 61, { 9, 9, 75, 31 }, 47, 50, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 61, 97, { 0, 0, 61, 97 }, 50, 47, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 97, 61, { 0, 0, 97, 1 }, 30, 30, WEIR_RESIZE_LETTERBOX_CENTRE },
  { 97, 61, { 3, 3, 91, 41 }, 32, 32, WEIR_RESIZE_CROP },
  { 61, 97, { 3, 3, 41, 91 }, 40, 30, WEIR_RESIZE_CROP },
};

static const struct {
  uint32_t n_channels;
  WeirColor color;
} outputs[] = { { 3, WEIR_COLOR_RGB }, { 3, WEIR_COLOR_BGR }, { 1, WEIR_COLOR_GRAY } };

START_TEST (test_run_equals_definition)
{
  int format = _i;
  for (size_t m = 0; m < G_N_ELEMENTS (masks); m++) {
    Tally tally = { 0 };
    g_setenv ("WEIR_CPU_DISABLE", masks[m], TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS (resizes); i++) {
      size_t o = (i + m) % G_N_ELEMENTS (outputs);
      WeirFrame frame = picture_new (format, resizes[i].frame_w, resizes[i].frame_h,
          (uint32_t) (i * 5 % 17), (uint32_t) (100 * m + i));
      WeirInputSpec spec = { .width_px = resizes[i].in_w,
        .height_px = resizes[i].in_h,
        .n_channels = outputs[o].n_channels,
        .color = outputs[o].color,
        .resize = resizes[i].resize,
        .pad = 114 };
      frame.matrix = i % 2 ? WEIR_MATRIX_BT709 : WEIR_MATRIX_BT601;
      frame.range = i / 2 % 2 ? WEIR_RANGE_FULL : WEIR_RANGE_LIMITED;
      compare (&spec, &frame, &resizes[i].region, &tally);
      picture_clear (&frame);
    }
    ck_assert_msg (tally.n_different == 0, "%s: %u of %u values differ",
        weir_pixel_format_name (format), tally.n_different, tally.n_values);
  }
}
END_TEST

START_TEST (test_run_copies_same_size_exactly)
{
  Tally tally = { 0 };
  for (uint32_t i = 0; i < 12; i++) {
    WeirFrame frame = picture_new (_i, 53, 37, i, i);
    WeirRegion region = { picture_random (20), picture_random (15), 1 + picture_random (30),
      1 + picture_random (20) };
    WeirInputSpec spec = { .width_px = region.width_px,
      .height_px = region.height_px,
      .n_channels = outputs[i % 3].n_channels,
      .color = outputs[i % 3].color,
      .resize = (WeirResize) (i % 4) };
    frame.matrix = i % 2 ? WEIR_MATRIX_BT709 : WEIR_MATRIX_BT601;
    frame.range = i / 2 % 2 ? WEIR_RANGE_FULL : WEIR_RANGE_LIMITED;
    compare (&spec, &frame, &region, &tally);
    picture_clear (&frame);
  }
  ck_assert_uint_eq (tally.n_different, 0);
}
END_TEST

static const WeirDtype dtypes[] = { WEIR_DTYPE_U8, WEIR_DTYPE_F32, WEIR_DTYPE_BF16 };

static double read_value (const WeirTensor *input, size_t index)
{
  const void *data = weir_tensor_data (input);
  if (input->dtype == WEIR_DTYPE_U8)
    return ((const uint8_t *) data)[index];
  if (input->dtype == WEIR_DTYPE_F32)
    return (double) ((const float *) data)[index];
  return (double) weir_bf16_to_f32 (((const uint16_t *) data)[index]);
}

static double expected_value (
    const WeirInputSpec *spec, WeirDtype dtype, uint32_t channel, uint8_t level)
{
  float value = ((float) level - spec->mean[channel]) * spec->scale[channel];
  if (dtype == WEIR_DTYPE_U8)
    return level;
  return (double) (dtype == WEIR_DTYPE_F32 ? value : weir_bf16_to_f32 (weir_f32_to_bf16 (value)));
}

/* Row 1 of 3 holds what the u8 run gave, normalised; rows 0 and 2 stay as they were. */
static void check_row (
    const WeirInputSpec *spec, const WeirTensor *input, const uint8_t *levels, uint8_t untouched)
{
  size_t n_px = (size_t) spec->width_px * spec->height_px, n_row = n_px * spec->n_channels;
  size_t row_bytes = n_row * weir_dtype_bytes (input->dtype);
  const uint8_t *bytes = weir_tensor_data (input);
  for (size_t i = 0; i < row_bytes; i++)
    if (bytes[i] != untouched || bytes[2 * row_bytes + i] != untouched)
      ck_abort_msg ("byte %zu of a row that is not ours was written", i);
  for (uint32_t c = 0; c < spec->n_channels; c++)
    for (size_t i = 0; i < n_px; i++) {
      size_t index = input->layout == WEIR_LAYOUT_PLAIN ? c * n_px + i : i * spec->n_channels + c;
      double got = read_value (input, n_row + index);
      double want = expected_value (spec, input->dtype, c, levels[c * n_px + i]);
      if (got != want)
        ck_abort_msg ("%s layout %d channel %u pixel %zu: %.9g, not %.9g",
            weir_dtype_name (input->dtype), (int) input->layout, c, i, got, want);
    }
}

START_TEST (test_run_stores_types_and_layouts)
{
  WeirFrame frame = picture_new (WEIR_PIXEL_NV12, 75, 43, 3, 9);
  WeirRegion region = { 3, 1, 71, 40 };
  for (size_t o = 0; o < G_N_ELEMENTS (outputs); o++)
    for (int resize = 0; resize <= WEIR_RESIZE_CROP; resize++) {
      WeirInputSpec spec = { .width_px = 37,
        .height_px = 41,
        .n_channels = outputs[o].n_channels,
        .color = outputs[o].color,
        .resize = resize,
        .mean = { 123.675f, 116.28f, 103.53f },
        .scale = { 0.0171f, 0.0175f, 0.0174f },
        .pad = 77 };
      g_autofree uint8_t *levels = run_u8 (&spec, &frame, &region);
      g_autoptr (WeirPre) pre = weir_pre_new (&spec);
      for (int k = 0; k < 6; k++) {
        size_t n = 3 * (size_t) spec.n_channels * 37 * 41;
        WeirTensor input = { .dtype = dtypes[k % 3],
          .layout = k / 3,
          .rank = 4,
          .dims = { 3, spec.n_channels, 41, 37 },
          .offset_bytes = 64 };
        g_autofree char *memory = g_malloc (64 + n * sizeof (float));
        memset (memory, 0x5a, 64 + n * sizeof (float));
        input.buffer = memory;
        weir_pre_run (pre, &frame, &region, &input, 1);
        check_row (&spec, &input, levels, 0x5a);
      }
    }
  picture_clear (&frame);
}
END_TEST

/* One object serves frames and regions of all kinds, one after the other. */
START_TEST (test_run_keeps_nothing_of_earlier_frames)
{
  WeirInputSpec spec = {
    .width_px = 31, .height_px = 23, .n_channels = 3, .resize = WEIR_RESIZE_LETTERBOX_CENTRE
  };
  g_autoptr (WeirPre) pre = weir_pre_new (&spec);
  uint8_t got[3 * 31 * 23];
  WeirTensor input = { .dtype = WEIR_DTYPE_U8, .rank = 4, .dims = { 1, 3, 23, 31 }, .buffer = got };
  for (uint32_t i = 0; i < 60; i++) {
    WeirFrame frame = picture_new (
        (WeirPixelFormat) (i * 7 % WEIR_N_PIXEL_FORMATS), 40 + i % 3, 30 + i % 2, 0, i);
    WeirRegion region = { i % 4, i % 3, 20 + i % 5, 15 + i % 7 };
    frame.range = (WeirRange) (i % 2);
    g_autofree uint8_t *fresh = run_u8 (&spec, &frame, &region);
    weir_pre_run (pre, &frame, &region, &input, 0);
    ck_assert_mem_eq (got, fresh, sizeof got);
    picture_clear (&frame);
  }
}
END_TEST

START_TEST (test_variants_agree)
{
  for (uint32_t i = 0; i < 2 * WEIR_N_PIXEL_FORMATS; i++) {
    WeirFrame frame = picture_new ((WeirPixelFormat) (i / 2), 331 + i, 201, i, i);
    WeirRegion region = { i % 5, i % 3, 301, 190 };
    WeirInputSpec spec = { .width_px = 150 + 200 * (i % 2), .height_px = 120, .n_channels = 3 };
    g_autofree uint8_t *first = NULL;
    for (size_t m = 0; m < G_N_ELEMENTS (masks); m++) {
      g_setenv ("WEIR_CPU_DISABLE", masks[m], TRUE);
      g_autofree uint8_t *bytes = run_u8 (&spec, &frame, &region);
      if (first)
        ck_assert_mem_eq (bytes, first, (size_t) 3 * spec.width_px * spec.height_px);
      else
        first = g_steal_pointer (&bytes);
    }
    picture_clear (&frame);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("pre");
  TCase *tcase = tcase_create ("run");
  tcase_add_loop_test (tcase, test_run_equals_definition, 0, WEIR_N_PIXEL_FORMATS);
  tcase_add_loop_test (tcase, test_run_copies_same_size_exactly, 0, WEIR_N_PIXEL_FORMATS);
  tcase_add_test (tcase, test_run_stores_types_and_layouts);
  tcase_add_test (tcase, test_run_keeps_nothing_of_earlier_frames);
  tcase_add_test (tcase, test_variants_agree);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
