/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of a request's tensor in the type and layout of a plan's input, element by element. Buffers
 * have exactly the size that is allowed, for the sanitizers. */
#include "engine/base/half.h"
#include "engine/sched/convert_row.h"

#include "tests/run_suite.h"
#include <glib.h>

static const struct {
  uint32_t rank;
  int64_t dims[4];
} shapes[] = {
  { 4, { 1, 3, 40, 50 } },
  { 4, { 1, 3, 1, 1 } },
  { 4, { 2, 4, 31, 33 } },
  { 4, { 1, 1, 70, 60 } },
  { 4, { 1, 2, 9, 1 } },
  { 4, { 1, 150, 7, 9 } },
  { 3, { 1, 5, 6 } },
  { 2, { 1, 5000 } },
  { 1, { 7 } },
};
static const WeirDtype sources[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16, WEIR_DTYPE_BF16,
  WEIR_DTYPE_F64, WEIR_DTYPE_U8 };
static const WeirDtype targets[] = { WEIR_DTYPE_F32, WEIR_DTYPE_BF16 };
static const WeirLayout layouts[] = { WEIR_LAYOUT_PLAIN, WEIR_LAYOUT_CHANNELS_LAST };

/* What each type holds exactly. */
static float value_at (size_t i)
{
  return (float) (i * 37 % 251);
}

static void set_element (void *data, WeirDtype dtype, size_t i, float value)
{
  switch (dtype) {
  case WEIR_DTYPE_F16:
    ((uint16_t *) data)[i] = weir_f32_to_f16 (value);
    break;
  case WEIR_DTYPE_BF16:
    ((uint16_t *) data)[i] = weir_f32_to_bf16 (value);
    break;
  case WEIR_DTYPE_F64:
    ((double *) data)[i] = (double) value;
    break;
  case WEIR_DTYPE_U8:
    ((uint8_t *) data)[i] = (uint8_t) value;
    break;
  default:
    ((float *) data)[i] = value;
  }
}

static void check (uint32_t shape, WeirDtype from, WeirDtype to, WeirLayout layout)
{
  WeirTensor dst = { .dtype = to, .rank = shapes[shape].rank, .layout = layout };
  size_t n = 1, n_channels = dst.rank > 1 ? (size_t) shapes[shape].dims[1] : 1, n_spatial = 1;
  for (uint32_t i = 0; i < dst.rank; i++) {
    dst.dims[i] = shapes[shape].dims[i];
    n *= (size_t) dst.dims[i];
    n_spatial *= i > 1 ? (size_t) dst.dims[i] : 1;
  }
  g_autofree char *src = g_malloc (n * weir_dtype_bytes (from));
  g_autofree char *got = g_malloc (n * weir_dtype_bytes (to));
  for (size_t i = 0; i < n; i++)
    set_element (src, from, i, value_at (i));
  dst.buffer = got;
  weir_convert_row (src, from, &dst);
  for (size_t i = 0; i < n; i++) {
    size_t item = i / (n_channels * n_spatial), c = i / n_spatial % n_channels, s = i % n_spatial;
    size_t at = layout == WEIR_LAYOUT_PLAIN ? i : (item * n_spatial + s) * n_channels + c;
    float value = to == WEIR_DTYPE_F32
                      ? ((const float *) (const void *) got)[at]
                      : weir_bf16_to_f32 (((const uint16_t *) (const void *) got)[at]);
    ck_assert_msg (value == value_at (i), "shape %u, types %d to %d, layout %d, element %zu: %g",
        shape, from, to, layout, i, (double) value);
  }
}

START_TEST (test_every_element)
{
  for (uint32_t s = 0; s < G_N_ELEMENTS (sources); s++)
    for (uint32_t t = 0; t < G_N_ELEMENTS (targets); t++)
      for (uint32_t l = 0; l < G_N_ELEMENTS (layouts); l++)
        check ((uint32_t) _i, sources[s], targets[t], layouts[l]);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("convert row");
  TCase *tcase = tcase_create ("convert row");
  tcase_add_loop_test (tcase, test_every_element, 0, (int) G_N_ELEMENTS (shapes));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
