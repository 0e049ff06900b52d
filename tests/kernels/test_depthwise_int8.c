/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution of codes against a plain loop, byte for byte, with extremes: codes and
 * weights at their ends, results beyond the codes, any zero point. Buffers have exactly the size
 * that is allowed, for the sanitizers. --bench times it. */
#include "kernels/depthwise_int8.h"
#include "kernels/kernels.h"

#include "tests/kernels/bench_int8.h"
#include "tests/kernels/int8_kit.h"
#include "tests/run_suite.h"

typedef struct Row {
  size_t items, channels, height, width, kernel, stride, pad;
  uint8_t src_zero, low, high, flip;
  float step; /* of the sums: large ones saturate */
} Row;

static const Row rows[] = {
  { 1, 64, 8, 8, 3, 1, 1, 0, 0, 255, 0, 1e-3f },
  { 2, 64, 7, 5, 3, 1, 1, 128, 0, 255, 0x80, 1e-2f },
  { 1, 32, 9, 6, 3, 1, 1, 255, 10, 200, 0, 1e-3f },
  { 1, 16, 9, 6, 3, 1, 1, 3, 10, 200, 0, 1 },
  { 1, 16, 17, 6, 3, 2, 1, 3, 0, 255, 0, 1e-3f },
  { 2, 144, 7, 7, 3, 1, 1, 5, 0, 255, 0, 1e-3f },
  { 2, 96, 12, 10, 3, 2, 1, 7, 0, 255, 0x80, 1e-3f },
  { 1, 117, 5, 4, 3, 1, 1, 128, 0, 255, 0, 2e-3f }, /* 64 + 32 + 16 + 16 that overlap */
  { 1, 20, 5, 4, 3, 1, 1, 9, 0, 255, 0, 2e-3f },
  { 1, 64, 1, 1, 3, 1, 1, 200, 0, 255, 0, 2e-3f },
  { 1, 48, 3, 3, 3, 1, 0, 200, 0, 255, 0, 2e-3f },
  { 1, 96, 33, 9, 3, 1, 1, 12, 0, 255, 0, 1e-3f }, /* several chunks of strips */
  { 1, 80, 9, 8, 5, 1, 2, 12, 0, 255, 0, 1e-3f },
  { 1, 48, 9, 9, 5, 2, 2, 12, 0, 255, 0, 1e-3f },
  { 1, 128, 11, 10, 5, 2, 1, 128, 0, 128, 0x80, 5e-4f },
  { 1, 64, 2, 3, 5, 1, 2, 128, 0, 255, 0, 5e-4f },
};

static size_t count_results (const Row *row, size_t n)
{
  return (n + 2 * row->pad - row->kernel) / row->stride + 1;
}

static WeirDepthwiseInt8 shape_of (const Row *row)
{
  return (WeirDepthwiseInt8){ row->items, row->channels, row->height, row->width,
    count_results (row, row->height), count_results (row, row->width), row->kernel, row->stride,
    row->pad, row->pad };
}

static uint8_t result_at (const WeirDepthwiseInt8 *s, const WeirRequantise *codes,
    const uint8_t *src, const int8_t *weights, size_t row, size_t x, size_t c)
{
  int32_t sum = 0;
  for (size_t ky = 0; ky < s->kernel; ky++)
    for (size_t kx = 0; kx < s->kernel; kx++) {
      size_t at_y = row % s->dst_height * s->stride + ky - s->pad_y;
      size_t at_x = x * s->stride + kx - s->pad_x;
      if (at_y >= s->src_height || at_x >= s->src_width)
        continue;
      size_t pixel = (row / s->dst_height * s->src_height + at_y) * s->src_width + at_x;
      sum += (src[pixel * s->n_channels + c] - codes->src_zero) *
             weights[(c * s->kernel + ky) * s->kernel + kx];
    }
  return kit_code (codes, sum, c);
}

/* Unit by unit, the last first. */
static void check_row (const Row *row)
{
  WeirDepthwiseInt8 s = shape_of (row);
  size_t n_src = s.n_items * s.src_height * s.src_width * s.n_channels;
  size_t n_rows = s.n_items * s.dst_height, n_dst = n_rows * s.dst_width * s.n_channels, i = 0;
  uint8_t *src = kit_codes_new (n_src, 1),
          *weights = kit_codes_new (s.n_channels * s.kernel * s.kernel, 2);
  float *scale = kit_numbers_new (s.n_channels, 3, 0.5f * row->step, row->step);
  float *bias = kit_numbers_new (s.n_channels, 4, -100, 300);
  uint8_t *got = kit_results_new (n_dst);
  WeirRequantise codes = { scale, bias, row->src_zero, row->low, row->high, row->flip };
  WeirDepthwiseInt8Plan plan;
  ck_assert (weir_depthwise_int8_plan (&plan, &s));
  uint8_t *packed = aligned_alloc (64, (plan.packed_bytes + 63) / 64 * 64);
  weir_depthwise_int8_pack (&plan, packed, (const int8_t *) weights, &codes);
  WeirDepthwiseInt8Job job = { &plan, packed, codes, src, got };
  for (size_t unit = plan.n_units; unit-- > 0;)
    weir_depthwise_int8_run (&job, unit, unit + 1);
  for (size_t y = 0; y < n_rows; y++)
    for (size_t x = 0; x < s.dst_width; x++)
      for (size_t c = 0; c < s.n_channels; c++, i++) {
        uint8_t expected = result_at (&s, &codes, src, (const int8_t *) weights, y, x, c);
        ck_assert_msg (got[i] == expected, "row %d, y %d x %d channel %d: %d, not %d",
            (int) (row - rows), (int) y, (int) x, (int) c, got[i], expected);
      }
  kit_results_free (got, n_dst);
  void *buffers[] = { src, weights, scale, bias, packed };
  for (i = 0; i < sizeof buffers / sizeof *buffers; i++)
    free (buffers[i]);
}

START_TEST (test_equals_plain_loop)
{
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    check_row (&rows[i]);
}
END_TEST

/* What there is no kernel for is somebody else's. */
START_TEST (test_refuses)
{
  static const struct {
    size_t channels, kernel, stride;
    bool ok;
  } limits[] = {
    { 16, 3, 1, true },
    { 15, 3, 1, false },
    { 16, 4, 1, false },
    { 16, 3, 3, false },
    { 16, 7, 1, false },
    { 16, 0, 0, false },
  };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    WeirDepthwiseInt8 shape = shape_of (&rows[0]);
    WeirDepthwiseInt8Plan plan;
    shape.n_channels = limits[i].channels;
    shape.kernel = limits[i].kernel;
    shape.stride = limits[i].stride;
    ck_assert (weir_depthwise_int8_plan (&plan, &shape) == limits[i].ok);
  }
}
END_TEST

int main (int argc, char **argv)
{
  if (!(weir_cpu_isa () & WEIR_ISA_VNNI))
    return 77;
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_int8_depthwise ();
  Suite *suite = suite_create ("depthwise int8");
  TCase *tcase = tcase_create ("depthwise int8");
  tcase_add_test (tcase, test_equals_plain_loop);
  tcase_add_test (tcase, test_refuses);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
