/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colour conversion is the rounded real-number one, for every variant of the kernels. --exhaustive
 * tries all 2^24 triples of the four codes of 8 bits (without it every fifth Y, all chroma pairs).
 */
#include "tests/run_suite.h"
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pre/pre_oracle.h"
#include "tests/unit/pre/pre_picture.h"

#define SIZE_PX 512

static bool is_exhaustive;
static const char *const masks[] = { "", "avx512vbmi", "avx512", "avx512,avx2" };

/* One 2x2 block of I420 for each pair of Cb and Cr; four values of Y in each block. */
static WeirFrame all_chroma_new (uint32_t first_luma)
{
  WeirFrame frame = picture_new (WEIR_PIXEL_I420, SIZE_PX, SIZE_PX, 0, 1);
  uint8_t *planes[3] = { (uint8_t *) frame.planes[0], (uint8_t *) frame.planes[1],
    (uint8_t *) frame.planes[2] };
  for (uint32_t y = 0; y < SIZE_PX; y++)
    for (uint32_t x = 0; x < SIZE_PX; x++)
      planes[0][y * SIZE_PX + x] = (uint8_t) (first_luma + 2 * (y % 2) + x % 2);
  for (uint32_t i = 0; i < 256 * 256; i++) {
    planes[1][i] = (uint8_t) (i % 256);
    planes[2][i] = (uint8_t) (i / 256);
  }
  return frame;
}

/* Random 10-bit samples; all pairs of the high eight bits of Cb and Cr. */
static WeirFrame ten_bits_new (uint32_t seed)
{
  WeirFrame frame = picture_new (WEIR_PIXEL_P010, SIZE_PX, SIZE_PX, 0, seed);
  uint8_t *chroma = (uint8_t *) frame.planes[1];
  for (uint32_t i = 0; i < 256 * 256; i++) {
    chroma[4 * i + 1] = (uint8_t) (i % 256);
    chroma[4 * i + 3] = (uint8_t) (i / 256);
  }
  return frame;
}

static void run_same_size (const WeirFrame *frame, uint8_t *planes)
{
  WeirInputSpec spec = { .width_px = SIZE_PX, .height_px = SIZE_PX, .n_channels = 3 };
  WeirRegion region = { 0, 0, SIZE_PX, SIZE_PX };
  WeirTensor input = {
    .dtype = WEIR_DTYPE_U8, .rank = 4, .dims = { 1, 3, SIZE_PX, SIZE_PX }, .buffer = planes
  };
  g_autoptr (WeirPre) pre = weir_pre_new (&spec);
  weir_pre_run (pre, frame, &region, &input, 0);
}

static void check_frame (const WeirFrame *frame)
{
  const size_t n_px = (size_t) SIZE_PX * SIZE_PX;
  g_autofree uint8_t *want = g_malloc (3 * n_px);
  g_autofree uint8_t *got = g_malloc (3 * n_px);
  for (uint32_t i = 0; i < n_px; i++) {
    int rgb[3];
    oracle_pixel (frame, i % SIZE_PX, i / SIZE_PX, rgb);
    for (int c = 0; c < 3; c++)
      want[c * n_px + i] = (uint8_t) rgb[c];
  }
  for (size_t m = 0; m < G_N_ELEMENTS (masks); m++) {
    g_setenv ("WEIR_CPU_DISABLE", masks[m], TRUE);
    run_same_size (frame, got);
    for (size_t i = 0; i < 3 * n_px; i++)
      if (got[i] != want[i])
        ck_abort_msg ("mask '%s' matrix %d range %d pixel %zu channel %zu: %d, not %d", masks[m],
            (int) frame->matrix, (int) frame->range, i % n_px, i / n_px, got[i], want[i]);
  }
}

START_TEST (test_color_8_bits_is_exact)
{
  for (uint32_t luma = 0; luma < 256; luma += is_exhaustive ? 4 : 20) {
    WeirFrame frame = all_chroma_new (luma);
    frame.matrix = (WeirMatrix) (_i % 2);
    frame.range = (WeirRange) (_i / 2);
    check_frame (&frame);
    picture_clear (&frame);
  }
}
END_TEST

START_TEST (test_color_10_bits_is_exact)
{
  for (uint32_t seed = 0; seed < (is_exhaustive ? 64 : 4); seed++) {
    WeirFrame frame = ten_bits_new (seed);
    frame.matrix = (WeirMatrix) (_i % 2);
    frame.range = (WeirRange) (_i / 2);
    check_frame (&frame);
    picture_clear (&frame);
  }
}
END_TEST

/* Anchors that need no oracle. */
static const struct {
  WeirRange range;
  uint8_t y, u, v, rgb[3];
} known[] = {
  { WEIR_RANGE_LIMITED, 16, 128, 128, { 0, 0, 0 } },
  { WEIR_RANGE_LIMITED, 235, 128, 128, { 255, 255, 255 } },
  { WEIR_RANGE_LIMITED, 0, 128, 128, { 0, 0, 0 } },
  { WEIR_RANGE_LIMITED, 255, 128, 128, { 255, 255, 255 } },
  { WEIR_RANGE_LIMITED, 126, 128, 128, { 128, 128, 128 } },
  { WEIR_RANGE_LIMITED, 81, 90, 240, { 254, 0, 0 } },
  { WEIR_RANGE_FULL, 0, 128, 128, { 0, 0, 0 } },
  { WEIR_RANGE_FULL, 255, 128, 128, { 255, 255, 255 } },
  { WEIR_RANGE_FULL, 76, 85, 255, { 254, 0, 0 } },
};

START_TEST (test_color_known_values)
{
  uint8_t y[64], u[64], v[64], got[3];
  WeirFrame frame = { .format = WEIR_PIXEL_I420,
    .width_px = 8,
    .height_px = 8,
    .planes = { y, u, v },
    .stride_bytes = { 8, 8, 8 },
    .range = known[_i].range };
  WeirRegion region = { 0, 0, 8, 8 };
  WeirInputSpec spec = { .width_px = 1, .height_px = 1, .n_channels = 3 };
  WeirTensor input = { .dtype = WEIR_DTYPE_U8, .rank = 4, .dims = { 1, 3, 1, 1 }, .buffer = got };
  g_autoptr (WeirPre) pre = weir_pre_new (&spec);
  memset (y, known[_i].y, sizeof y);
  memset (u, known[_i].u, sizeof u);
  memset (v, known[_i].v, sizeof v);
  weir_pre_run (pre, &frame, &region, &input, 0);
  ck_assert_mem_eq (got, known[_i].rgb, 3);
}
END_TEST

int main (int argc, char **argv)
{
  is_exhaustive = argc > 1 && strcmp (argv[1], "--exhaustive") == 0;
  Suite *suite = suite_create ("pre-color");
  TCase *tcase = tcase_create ("conversion");
  tcase_add_loop_test (tcase, test_color_8_bits_is_exact, 0, 4);
  tcase_add_loop_test (tcase, test_color_10_bits_is_exact, 0, 4);
  tcase_add_loop_test (tcase, test_color_known_values, 0, G_N_ELEMENTS (known));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
