/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strided copies between planes and pixels, of every pair of types, against element by element. */
#include "engine/base/half.h"
#include "engine/cpu/cpu_copy.h"

#include "tests/run_suite.h"

/* Of a picture [channels][pixels], to [pixels][channels], back, and as it is. */
static const struct {
  int64_t n_channels, n_pixels;
} shapes[] = { { 1, 1 }, { 1, 300 }, { 2, 37 }, { 3, 16 }, { 3, 1000 }, { 4, 257 }, { 5, 513 },
  { 33, 70 }, { 70, 3 } };

static const struct {
  WeirDtype src, dst;
} types[] = { { WEIR_DTYPE_F32, WEIR_DTYPE_F32 }, { WEIR_DTYPE_F32, WEIR_DTYPE_BF16 },
  { WEIR_DTYPE_BF16, WEIR_DTYPE_F32 }, { WEIR_DTYPE_BF16, WEIR_DTYPE_BF16 },
  { WEIR_DTYPE_U8, WEIR_DTYPE_F32 }, { WEIR_DTYPE_U8, WEIR_DTYPE_BF16 },
  { WEIR_DTYPE_U8, WEIR_DTYPE_U8 } };

static double read_at (WeirDtype dtype, const void *data, int64_t i)
{
  if (dtype == WEIR_DTYPE_F32)
    return (double) ((const float *) data)[i];
  if (dtype == WEIR_DTYPE_BF16)
    return (double) weir_bf16_to_f32 (((const uint16_t *) data)[i]);
  return ((const uint8_t *) data)[i];
}

static void write_at (WeirDtype dtype, void *data, int64_t i, double value)
{
  if (dtype == WEIR_DTYPE_F32)
    ((float *) data)[i] = (float) value;
  else if (dtype == WEIR_DTYPE_BF16)
    ((uint16_t *) data)[i] = weir_f32_to_bf16 ((float) value);
  else
    ((uint8_t *) data)[i] = (uint8_t) value;
}

/* Exactly as large as it must be, for the sanitizers; neither all halves nor all rounded. */
static void *picture_new (WeirDtype dtype, int64_t n)
{
  void *data = g_malloc ((size_t) n * weir_dtype_bytes (dtype));
  for (int64_t i = 0; i < n; i++)
    write_at (dtype, data, i,
        dtype == WEIR_DTYPE_U8 ? (double) (i * 7 % 256) : (double) (i * 37 % 1001) / 3 - 150);
  return data;
}

static void check_copy (int shape, int type, bool src_is_planes, bool dst_is_planes)
{
  int64_t c = shapes[shape].n_channels, p = shapes[shape].n_pixels;
  WeirDtype from = types[type].src, to = types[type].dst;
  WeirCpuCopy copy = { .src_dtype = from,
    .dst_dtype = to,
    .rank = 2,
    .dims = { c, p },
    .src_strides = { src_is_planes ? p : 1, src_is_planes ? 1 : c },
    .dst_strides = { dst_is_planes ? p : 1, dst_is_planes ? 1 : c } };
  int64_t src_strides[2] = { copy.src_strides[0], copy.src_strides[1] },
          dst_strides[2] = { copy.dst_strides[0], copy.dst_strides[1] };
  g_autofree void *src = picture_new (from, c * p),
                  *dst = g_malloc0 ((size_t) (c * p) * weir_dtype_bytes (to));
  ck_assert (weir_cpu_copy_can (from, to));
  weir_cpu_copy_prepare (&copy, weir_tensor_kernels ());
  weir_cpu_copy_run (&copy, 1, dst, src);
  for (int64_t i = 0; i < c; i++)
    for (int64_t k = 0; k < p; k++) {
      uint32_t expected; /* as the type holds it */
      write_at (to, &expected, 0, read_at (from, src, i * src_strides[0] + k * src_strides[1]));
      double got = read_at (to, dst, i * dst_strides[0] + k * dst_strides[1]);
      ck_assert_msg (got == read_at (to, &expected, 0),
          "shape %d, types %d: channel %d, pixel %d: %g", shape, type, (int) i, (int) k, got);
    }
}

START_TEST (test_layouts)
{
  for (int shape = 0; shape < (int) G_N_ELEMENTS (shapes); shape++)
    for (int layouts = 0; layouts < 4; layouts++)
      check_copy (shape, _i, layouts & 1, layouts & 2);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cpu copy");
  TCase *tcase = tcase_create ("cpu copy");
  tcase_add_loop_test (tcase, test_layouts, 0, (int) G_N_ELEMENTS (types));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
