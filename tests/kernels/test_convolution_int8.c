/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes against a plain loop, byte for byte, with extremes as those of
 * test_gemm_int8.c. --bench times them. */
#include "kernels/convolution_int8.h"
#include "kernels/kernels.h"

#include "tests/kernels/bench_int8.h"
#include "tests/kernels/int8_kit.h"
#include "tests/kernels/tile_emulator.h"
#include "tests/run_suite.h"

typedef struct Row {
  size_t items, channels, results, height, width;
  size_t kernel[2], stride[2], pad[2]; /* pad: before; behind is as much */
  uint8_t src_zero, low, high, flip;
  float step; /* of the sums: large ones saturate */
} Row;

static const Row rows[] = {
  { 1, 3, 32, 11, 9, { 3, 3 }, { 2, 2 }, { 1, 1 }, 128, 0, 255, 0, 1e-2f },
  { 2, 3, 48, 9, 10, { 7, 7 }, { 2, 2 }, { 3, 3 }, 3, 0, 255, 0, 2e-3f },
  { 1, 1, 5, 6, 5, { 3, 3 }, { 1, 1 }, { 1, 1 }, 255, 0, 255, 0, 1e-2f },
  { 2, 16, 64, 5, 5, { 3, 3 }, { 1, 1 }, { 0, 0 }, 0, 10, 240, 0, 2e-3f },
  { 2, 20, 70, 2, 2, { 3, 3 }, { 1, 1 }, { 1, 1 }, 128, 0, 255, 0x80, 2e-3f },
  { 1, 256, 33, 3, 3, { 3, 3 }, { 1, 1 }, { 0, 0 }, 9, 0, 255, 0, 5e-4f },
  { 1, 8, 16, 12, 7, { 1, 5 }, { 1, 3 }, { 0, 2 }, 9, 0, 255, 0, 2e-3f },
  { 1, 8, 17, 8, 7, { 1, 1 }, { 2, 2 }, { 0, 0 }, 9, 0, 255, 0, 1 },
  { 1, 6, 17, 8, 7, { 1, 1 }, { 1, 1 }, { 0, 0 }, 9, 0, 255, 0, 2e-2f },
  { 1, 40, 64, 6, 7, { 3, 3 }, { 1, 1 }, { 1, 1 }, 77, 0, 255, 0, 5e-4f },
  { 2, 64, 40, 5, 3, { 3, 3 }, { 1, 1 }, { 1, 1 }, 77, 0, 255, 0, 5e-4f },
  { 1, 12, 30, 60, 100, { 3, 3 }, { 1, 1 }, { 1, 1 }, 77, 0, 255, 0, 2e-3f }, /* several bands */
};

static size_t count_results (const Row *row, int axis)
{
  size_t n = axis ? row->width : row->height;
  return (n + 2 * row->pad[axis] - row->kernel[axis]) / row->stride[axis] + 1;
}

static WeirConvolutionInt8 shape_of (const Row *row)
{
  return (WeirConvolutionInt8){ row->items, row->channels, row->results, row->height, row->width,
    count_results (row, 0), count_results (row, 1), row->kernel[0], row->kernel[1], row->stride[0],
    row->stride[1], row->pad[0], row->pad[1] };
}

/* Of pixel (row, x), where row counts through all items. */
static int32_t sum_plain (const WeirConvolutionInt8 *s, uint8_t src_zero, const uint8_t *src,
    const int8_t *weights, size_t row, size_t x)
{
  int32_t sum = 0;
  for (size_t ky = 0; ky < s->kernel_height; ky++)
    for (size_t kx = 0; kx < s->kernel_width; kx++) {
      size_t at_y = row % s->dst_height * s->stride_y + ky - s->pad_y;
      size_t at_x = x * s->stride_x + kx - s->pad_x;
      if (at_y >= s->src_height || at_x >= s->src_width)
        continue;
      size_t pixel = (row / s->dst_height * s->src_height + at_y) * s->src_width + at_x;
      for (size_t c = 0; c < s->n_channels; c++)
        sum += (src[pixel * s->n_channels + c] - src_zero) *
               weights[(ky * s->kernel_width + kx) * s->n_channels + c];
    }
  return sum;
}

static void check_results (const WeirConvolutionInt8 *s, const WeirRequantise *codes,
    const uint8_t *src, const int8_t *weights, const uint8_t *got, int number)
{
  size_t n_weights = s->kernel_height * s->kernel_width * s->n_channels;
  for (size_t y = 0; y < s->n_items * s->dst_height; y++)
    for (size_t x = 0; x < s->dst_width; x++)
      for (size_t n = 0; n < s->n_results; n++, got++) {
        int32_t sum = sum_plain (s, codes->src_zero, src, weights + n * n_weights, y, x);
        uint8_t expected = kit_code (codes, sum, n);
        ck_assert_msg (*got == expected, "row %d, y %d x %d result %d: %d, not %d", number, (int) y,
            (int) x, (int) n, *got, expected);
      }
}

/* Unit by unit, the last first, in scratch memory of just the size. */
static void check_row (const Row *row, const WeirGemmInt8Kernels *kernels)
{
  WeirConvolutionInt8 s = shape_of (row);
  WeirConvolutionInt8Plan plan;
  size_t n_dst = s.n_items * s.dst_height * s.dst_width * s.n_results;
  uint8_t *src = kit_codes_new (s.n_items * s.src_height * s.src_width * s.n_channels, 1);
  uint8_t *weights =
      kit_codes_new (s.n_results * s.kernel_height * s.kernel_width * s.n_channels, 2);
  float *scale = kit_numbers_new (s.n_results, 3, 0.5f * row->step, row->step);
  float *bias = kit_numbers_new (s.n_results, 4, -100, 300);
  uint8_t *got = kit_results_new (n_dst);
  WeirRequantise codes = { scale, bias, row->src_zero, row->low, row->high, row->flip };
  ck_assert (weir_convolution_int8_plan (&plan, &s));
  plan.gemm.kernels = kernels;
  uint8_t *packed = aligned_alloc (64, (plan.gemm.packed_bytes + 63) / 64 * 64);
  uint8_t *scratch = malloc (plan.scratch_bytes);
  weir_gemm_int8_pack (&plan.gemm, packed, (const int8_t *) weights, &codes);
  WeirConvolutionInt8Job job = { &plan, packed, codes, src, got };
  for (size_t unit = plan.n_units; unit-- > 0;) {
    memset (scratch, 0x5a, plan.scratch_bytes);
    weir_convolution_int8_run (&job, scratch, unit, unit + 1);
  }
  check_results (&s, &codes, src, (const int8_t *) weights, got, (int) (row - rows));
  kit_results_free (got, n_dst);
  void *buffers[] = { src, weights, scale, bias, packed, scratch };
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
    free (buffers[i]);
}

static const unsigned variants[] = { WEIR_ISA_VNNI, WEIR_ISA_AMX };

START_TEST (test_equals_plain_loop)
{
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    check_row (&rows[i], weir_gemm_int8_kernels (variants[_i]));
}
END_TEST

/* Windows and pads that are none. */
START_TEST (test_refuses)
{
  static const struct {
    size_t kernel, stride, pad;
    bool ok;
  } limits[] = {
    { 64, 1, 1, true },
    { 65, 1, 1, false },
    { 3, 64, 1, true },
    { 3, 65, 1, false },
    { 3, 1, 2, true },
    { 3, 1, 3, false },
    { 0, 1, 0, false },
    { 3, 0, 0, false },
  };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    WeirConvolutionInt8 shape = shape_of (&rows[0]);
    WeirConvolutionInt8Plan plan;
    shape.kernel_width = limits[i].kernel;
    shape.stride_x = limits[i].stride;
    shape.pad_x = limits[i].pad;
    ck_assert (weir_convolution_int8_plan (&plan, &shape) == limits[i].ok);
  }
}
END_TEST

int main (int argc, char **argv)
{
  if (!(weir_cpu_isa () & WEIR_ISA_VNNI))
    return 77;
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_int8_convolution ();
  Suite *suite = suite_create ("convolution int8");
  TCase *tcase = tcase_create ("convolution int8");
  for (int i = 0; i < (int) (sizeof variants / sizeof *variants); i++)
    if (weir_gemm_int8_kernels (variants[i]) && weir_may_test (variants[i]))
      tcase_add_loop_test (tcase, test_equals_plain_loop, i, i + 1);
  tcase_add_test (tcase, test_refuses);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
