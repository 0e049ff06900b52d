/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Primitives that are made while other threads make some of other types compute what they should.
 *
 * Shapes are new each time, for oneDNN keeps the primitives of those that it has seen. */
#include "engine/cpu/cpu.h"
#include "engine/cpu/dnnl.h"

#include "tests/must.h"
#include "tests/run_suite.h"
#include <stdatomic.h>
#include <stdlib.h>

#define N_SHAPES 400
#define CHANNELS 16 /* of the result; the source has one */
#define HEIGHT   6
#define KERNEL   3

static WeirDnnlShape picture (WeirDtype dtype, int64_t channels, int64_t height, int64_t width)
{
  return (WeirDnnlShape){ dtype, 4, { 1, channels, height, width },
    { channels * height * width, 1, width * channels, channels } };
}

static WeirDnnlSpec convolution (WeirDtype src, WeirDtype weights, int64_t channels, int64_t width)
{
  int64_t taps = KERNEL * KERNEL;
  return (WeirDnnlSpec){ .kind = WEIR_DNNL_CONVOLUTION,
    .src = picture (src, channels, HEIGHT, width),
    .weights = { weights, 4, { CHANNELS, channels, KERNEL, KERNEL },
        { channels * taps, taps, KERNEL, 1 } },
    .dst = picture (WEIR_DTYPE_F32, CHANNELS, HEIGHT - KERNEL + 1, width - KERNEL + 1),
    .packs_weights = true,
    .n_spatial = 2,
    .kernel = { KERNEL, KERNEL },
    .stride = { 1, 1 },
    .dilation = { 1, 1 } };
}

typedef struct Other {
  WeirDnnl *dnnl;
  WeirDtype src, weights;
  atomic_bool is_over;
} Other;

/* Describes convolutions of another type for as long as the test goes on. */
static gpointer describe_others (gpointer data)
{
  Other *other = data;
  weir_cpu_thread_enter ();
  for (int64_t i = 0; !atomic_load (&other->is_over); i++) {
    WeirDnnlSpec spec = convolution (other->src, other->weights, 32, KERNEL + i % 10000);
    weir_dnnl_choose (other->dnnl, &spec);
  }
  return NULL;
}

static float *values_new (int64_t n, int64_t seed)
{
  float *values = aligned_alloc (64, ((size_t) n * sizeof *values + 63) / 64 * 64);
  for (int64_t i = 0; i < n; i++)
    values[i] = (float) ((i * 7 + seed * 13) % 17 - 8);
  return values;
}

/* Whole numbers, so that sums in any order are the same. */
static float expected (
    const float *src, const float *weights, int64_t width, int64_t y, int64_t x, int64_t channel)
{
  float sum = 0;
  for (int64_t i = 0; i < KERNEL * KERNEL; i++)
    sum += src[(y + i / KERNEL) * width + x + i % KERNEL] * weights[channel * KERNEL * KERNEL + i];
  return sum;
}

static void check_width (WeirDnnl *dnnl, int64_t width)
{
  WeirDnnlSpec spec = convolution (WEIR_DTYPE_F32, WEIR_DTYPE_F32, 1, width);
  WeirDnnlPrimitive *primitive = weir_dnnl_primitive_new (dnnl, &spec, NULL);
  must (primitive);
  WeirDnnlLayout *layout = weir_dnnl_primitive_layout (primitive);
  int64_t n_rows = spec.dst.dims[2], n_columns = spec.dst.dims[3];
  size_t n_scratch = weir_dnnl_primitive_scratch_bytes (primitive);
  float *src = values_new (HEIGHT * width, width);
  float *weights = values_new (CHANNELS * KERNEL * KERNEL, width + 1);
  float *dst = values_new (n_rows * n_columns * CHANNELS, 0);
  void *packed = aligned_alloc (64, (weir_dnnl_layout_bytes (layout) + 127) / 64 * 64);
  void *scratch = aligned_alloc (64, (n_scratch + 127) / 64 * 64);
  must (weir_dnnl_pack (dnnl, &spec.weights, weights, layout, packed, NULL));
  WeirDnnlArgs args = { .src = src, .weights = packed, .dst = dst, .scratch = scratch };
  WeirDnnlBound *bound = weir_dnnl_bind (primitive, &args, NULL);
  must (bound && weir_dnnl_run (bound, NULL));
  for (int64_t i = 0; i < n_rows * n_columns * CHANNELS; i++)
    must (dst[i] == expected (src, weights, width, i / CHANNELS / n_columns,
                        i / CHANNELS % n_columns, i % CHANNELS));
  weir_dnnl_unbind (bound);
  weir_dnnl_layout_free (layout);
  weir_dnnl_primitive_free (primitive);
  void *all[] = { src, weights, dst, packed, scratch };
  for (size_t i = 0; i < G_N_ELEMENTS (all); i++)
    free (all[i]);
}

static const WeirDtype others[][2] = {
  { WEIR_DTYPE_BF16, WEIR_DTYPE_BF16 },
  { WEIR_DTYPE_U8, WEIR_DTYPE_I8 },
  { WEIR_DTYPE_F32, WEIR_DTYPE_F32 },
};

START_TEST (test_types_side_by_side)
{
  weir_cpu_thread_enter ();
  WeirDnnl *dnnl = weir_dnnl_new (NULL);
  Other other = { .dnnl = dnnl, .src = others[_i][0], .weights = others[_i][1] };
  GThread *thread = g_thread_new ("others", describe_others, &other);
  for (int64_t i = 0; i < N_SHAPES; i++)
    check_width (dnnl, KERNEL + i);
  atomic_store (&other.is_over, true);
  g_thread_join (thread);
  weir_dnnl_free (dnnl);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cpu dnnl");
  TCase *tcase = tcase_create ("cpu dnnl");
  tcase_add_loop_test (tcase, test_types_side_by_side, 0, G_N_ELEMENTS (others));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
