/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's convolution: every variant against a plain one in f64, and against each other byte for
 * byte; bf16 against f32. Source, weights and results have exactly the size that is allowed, for
 * the sanitizers. */
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"
#include "kernels/winograd.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
#define N_VARIANTS (sizeof variants / sizeof *variants)

/* Most error beside the largest result, for each root of the source channels: two and a half times
 * what random pictures show. The points 1 and 2 exceed it. */
#define BOUND 5e-7

typedef struct Row {
  size_t items, src_channels, height, width, dst_channels;
  size_t pad_y, pad_x, end_y, end_x; /* before and behind */
  bool adds;
  WeirActivation activation;
} Row;

#define NONE \
  false,     \
  {          \
    0        \
  }
#define RELU                             \
  {                                      \
    WEIR_ACTIVATION_CLIP, 0, INFINITY, 0 \
  }
#define CLIP                              \
  {                                       \
    WEIR_ACTIVATION_CLIP, -0.25f, 0.5f, 0 \
  }
#define LEAKY                              \
  {                                        \
    WEIR_ACTIVATION_LEAKY_RELU, 0, 0, 0.1f \
  }

static const Row rows[] = {
  { 1, 16, 8, 8, 16, 1, 1, 1, 1, NONE }, { 1, 16, 6, 6, 16, 0, 0, 0, 0, NONE },
  { 1, 1, 1, 1, 1, 1, 1, 1, 1, NONE }, { 2, 3, 2, 2, 5, 1, 1, 1, 1, NONE },
  { 1, 17, 3, 3, 33, 0, 0, 0, 0, NONE }, { 1, 31, 3, 4, 15, 1, 1, 1, 1, NONE },
  { 3, 24, 4, 4, 48, 1, 1, 1, 1, NONE }, { 2, 20, 5, 5, 18, 1, 1, 1, 1, NONE },
  { 1, 20, 5, 5, 18, 0, 0, 0, 0, NONE }, { 2, 9, 6, 7, 8, 1, 1, 1, 1, NONE },
  { 1, 40, 7, 7, 100, 1, 1, 1, 1, NONE }, /* several steps of channels */
  { 1, 8, 9, 17, 12, 1, 0, 0, 1, NONE },  /* uneven */
  { 1, 8, 9, 17, 12, 0, 1, 2, 0, NONE },
  { 1, 4, 3, 3, 4, 5, 6, 7, 4, NONE }, /* tiles wholly outside */
  { 2, 48, 13, 13, 36, 1, 1, 1, 1, false, RELU }, { 1, 16, 10, 11, 40, 1, 1, 1, 1, false, CLIP },
  { 1, 16, 10, 11, 24, 1, 1, 1, 1, false, LEAKY }, { 1, 16, 10, 11, 24, 1, 1, 1, 1, true, RELU },
  { 2, 16, 9, 6, 19, 1, 1, 1, 1, true, { 0 } },
  { 1, 16, 9, 10, 20, 1, 1, 1, 1, false, { WEIR_ACTIVATION_HARD_SWISH, 0, 0, 0 } },
  { 1, 16, 9, 10, 20, 1, 1, 1, 1, true, { WEIR_ACTIVATION_SIGMOID, 0, 0, 0 } },
  { 1, 16, 9, 10, 20, 1, 1, 1, 1, false, { WEIR_ACTIVATION_SWISH, 0, 0, 1 } },
  { 1, 16, 9, 10, 20, 1, 1, 1, 1, true, { WEIR_ACTIVATION_ROUND_TO_CODES, -20, 235, 0.125f } },
  { 1, 16, 9, 10, 20, 1, 1, 1, 1, true, { WEIR_ACTIVATION_ROUND_TO_LEVELS, -2, 7, 0 } },
  { 2, 64, 45, 43, 70, 1, 1, 1, 1, true, RELU }, /* several units */
};

static float *random_new (size_t n, unsigned seed, float scale)
{
  float *values = aligned_alloc (64, (n * sizeof *values + 64) / 64 * 64);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = ((float) (seed >> 8) / 8388608.0f - 1.0f) * scale;
  }
  return values;
}

/* What a row is computed from, and with. */
typedef struct Case {
  WeirWinograd shape;
  size_t n_src, n_dst, n_weights;
  float *src, *added, *weights, *bias;
} Case;

static Case case_new (const Row *row)
{
  Case c = { .shape = { row->items, row->src_channels, row->dst_channels, row->height, row->width,
                 row->height + row->pad_y + row->end_y - 2,
                 row->width + row->pad_x + row->end_x - 2, row->pad_y, row->pad_x, row->adds,
                 row->activation } };
  const WeirWinograd *s = &c.shape;
  c.n_src = s->n_items * s->src_height * s->src_width * s->src_channels;
  c.n_dst = s->n_items * s->dst_height * s->dst_width * s->dst_channels;
  c.n_weights = 9 * s->src_channels * s->dst_channels;
  c.src = random_new (c.n_src, 1, 1);
  c.added = random_new (c.n_dst, 2, 1);
  c.weights = random_new (c.n_weights, 3, 1.0f / sqrtf (3.0f * (float) s->src_channels));
  c.bias = random_new (s->dst_channels, 4, 1);
  return c;
}

static void case_free (Case *c)
{
  free (c->src);
  free (c->added);
  free (c->weights);
  free (c->bias);
}

/* Result i before the activation. */
static double sum_plain (const Case *c, size_t i)
{
  const WeirWinograd *s = &c->shape;
  size_t k = i % s->dst_channels, x = i / s->dst_channels % s->dst_width;
  size_t y = i / s->dst_channels / s->dst_width % s->dst_height;
  size_t item = i / s->dst_channels / s->dst_width / s->dst_height;
  double sum = (double) c->bias[k] + (s->adds ? (double) c->added[i] : 0.0);
  for (size_t tap = 0; tap < 9; tap++) {
    size_t at_y = y + tap / 3, at_x = x + tap % 3;
    if (at_y < s->pad_y || at_y - s->pad_y >= s->src_height || at_x < s->pad_x ||
        at_x - s->pad_x >= s->src_width)
      continue;
    size_t pixel = (item * s->src_height + at_y - s->pad_y) * s->src_width + at_x - s->pad_x;
    for (size_t n = 0; n < s->src_channels; n++)
      sum += (double) c->src[pixel * s->src_channels + n] *
             (double) c->weights[(k * s->src_channels + n) * 9 + tap];
  }
  return sum;
}

static double activate (const WeirActivation *a, double x)
{
  switch (a->kind) {
  case WEIR_ACTIVATION_CLIP:
    return fmin (fmax (x, (double) a->least), (double) a->most);
  case WEIR_ACTIVATION_LEAKY_RELU:
    return x < 0 ? x * (double) a->alpha : x;
  case WEIR_ACTIVATION_HARD_SWISH:
    return x * fmax (0, fmin (1, x / 6 + 0.5));
  case WEIR_ACTIVATION_ROUND_TO_CODES:
    return fmin (fmax (rint (x / (double) a->alpha), (double) a->least), (double) a->most) *
           (double) a->alpha;
  case WEIR_ACTIVATION_SIGMOID:
    return 1 / (1 + exp (-x));
  case WEIR_ACTIVATION_SWISH:
    return x / (1 + exp (-x * (double) a->alpha));
  case WEIR_ACTIVATION_ROUND_TO_LEVELS: {
    double range = (double) a->most - (double) a->least;
    x = fmin (fmax (x, (double) a->least), (double) a->most) - (double) a->least;
    return rint (x / range * 255) / 255 * range + (double) a->least;
  }
  case WEIR_ACTIVATION_NONE:
    break;
  }
  return x;
}

static size_t picture_bytes (size_t n, bool is_bf16)
{
  return n * (is_bf16 ? sizeof (uint16_t) : sizeof (float));
}

/* Newly allocated. */
static void *picture_new (const float *values, size_t n, bool is_bf16)
{
  void *picture = malloc (picture_bytes (n, is_bf16));
  if (is_bf16)
    weir_tensor_kernels ()->bf16_from_f32 (picture, values, n);
  else
    memcpy (picture, values, picture_bytes (n, is_bf16));
  return picture;
}

/* Unit by unit, the last first, in scratch memory full of NaN. The results; newly allocated. */
static void *run_case (const Case *c, unsigned isa, size_t n_parts, bool in_place)
{
  WeirWinogradKernels kernels;
  WeirWinogradPlan plan;
  ck_assert (weir_winograd_variant (isa, &c->shape, &kernels));
  weir_winograd_plan (&plan, &c->shape, &kernels, n_parts);
  float *packed = random_new (plan.n_weight_floats, 0, 0);
  void *src = picture_new (c->src, c->n_src, c->shape.src_is_bf16);
  void *added = picture_new (c->added, c->n_dst, c->shape.dst_is_bf16);
  void *dst = picture_new (c->added, c->n_dst, c->shape.dst_is_bf16);
  float *bias = calloc (plan.n_bias_floats, sizeof *bias);
  float *buffer = malloc (plan.n_weight_floats / 4 * sizeof *buffer);
  size_t n_bytes = (plan.scratch_bytes + 63) / 64 * 64;
  void *scratch = aligned_alloc (64, n_bytes);
  WeirWinogradJob job = { &plan, src, in_place ? dst : added, dst, packed, bias };
  memcpy (bias, c->bias, c->shape.dst_channels * sizeof *bias);
  memset (scratch, 0xff, n_bytes);
  weir_winograd_pack (&plan, packed, c->weights, buffer);
  for (size_t i = plan.n_units; i-- > 0;) {
    WeirWinogradUnit unit = weir_winograd_unit (&plan, i);
    weir_winograd_run (&job, scratch, &unit);
  }
  free (src);
  free (added);
  free (packed);
  free (bias);
  free (buffer);
  free (scratch);
  return dst;
}

static void check_error (const Case *c, const float *got, int row)
{
  double most = 0, error = 0;
  for (size_t i = 0; i < c->n_dst; i++) {
    double sum = sum_plain (c, i);
    double difference = fabs ((double) got[i] - activate (&c->shape.activation, sum));
    most = fmax (most, fabs (sum));
    error = difference <= error ? error : difference; /* NaN counts */
  }
  double bound = BOUND * sqrt ((double) c->shape.src_channels) * most;
  ck_assert_msg (error <= bound, "row %d: error %g beyond %g", row, error, bound);
}

static bool has_variant (unsigned isa, bool is_bf16)
{
  WeirWinograd shape = { .src_is_bf16 = is_bf16, .dst_is_bf16 = is_bf16 };
  WeirWinogradKernels kernels;
  return weir_winograd_variant (isa, &shape, &kernels);
}

START_TEST (test_results_are_near_f64)
{
  for (size_t k = 0; k < N_VARIANTS; k++)
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      WeirWinogradKernels kernels;
      Case c = case_new (&rows[i]);
      if (weir_winograd_variant (variants[k], &c.shape, &kernels)) {
        float *got = run_case (&c, variants[k], 1, false);
        check_error (&c, got, (int) i);
        free (got);
      }
      case_free (&c);
    }
}
END_TEST

static void check_same (const Case *c, const void *expected, void *got, const char *what, int row)
{
  size_t n_bytes = picture_bytes (c->n_dst, c->shape.dst_is_bf16);
  ck_assert_msg (memcmp (expected, got, n_bytes) == 0, "row %d: %s differs", row, what);
  free (got);
}

/* Variants, cuts into units and the place of what is added do not show. */
START_TEST (test_same_bytes)
{
  if (!has_variant (WEIR_ISA_AVX2, false))
    return;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Case c = case_new (&rows[i]);
    float *expected = run_case (&c, WEIR_ISA_AVX2, 1, false);
    check_same (&c, expected, run_case (&c, WEIR_ISA_AVX2, 3, false), "cut in three", (int) i);
    check_same (&c, expected, run_case (&c, WEIR_ISA_AVX2, 1, true), "in place", (int) i);
    if (has_variant (WEIR_ISA_AVX512, false)) {
      check_same (&c, expected, run_case (&c, WEIR_ISA_AVX512, 1, false), "AVX-512", (int) i);
      check_same (&c, expected, run_case (&c, WEIR_ISA_AVX512, 50, true), "cut in 50", (int) i);
    }
    free (expected);
    case_free (&c);
  }
}
END_TEST

static void round_values (float *values, size_t n)
{
  uint16_t *rounded = picture_new (values, n, true);
  weir_tensor_kernels ()->f32_from_bf16 (values, rounded, n);
  free (rounded);
}

/* Pictures of bf16 give what those of f32 with the same values give, rounded once. */
START_TEST (test_bf16_is_rounded_f32)
{
  static const struct {
    bool src, dst;
    const char *what;
  } types[] = { { true, true, "bf16" }, { true, false, "bf16 to f32" },
    { false, true, "f32 to bf16" } };
  if (!has_variant (WEIR_ISA_AVX512, true))
    return;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Case c = case_new (&rows[i]);
    round_values (c.src, c.n_src);
    round_values (c.added, c.n_dst);
    float *exact = run_case (&c, WEIR_ISA_AVX512, 1, false);
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
      Case of_type = c;
      of_type.shape.src_is_bf16 = types[k].src;
      of_type.shape.dst_is_bf16 = types[k].dst;
      void *expected = picture_new (exact, c.n_dst, types[k].dst);
      check_same (&of_type, expected, run_case (&of_type, WEIR_ISA_AVX512, 1, false), types[k].what,
          (int) i);
      check_same (&of_type, expected, run_case (&of_type, WEIR_ISA_AVX512, 3, true), types[k].what,
          (int) i);
      free (expected);
    }
    free (exact);
    case_free (&c);
  }
}
END_TEST

/* Only AVX-512 reads and writes bf16. */
START_TEST (test_variants_of_bf16)
{
  ck_assert (!has_variant (WEIR_ISA_AVX2, true));
  ck_assert_int_eq (has_variant (WEIR_ISA_AVX512, true), has_variant (WEIR_ISA_AVX512, false));
}
END_TEST

/* An item alone gives the bytes that it gives in company. */
START_TEST (test_items_are_apart)
{
  unsigned isa = has_variant (WEIR_ISA_AVX512, false) ? WEIR_ISA_AVX512 : WEIR_ISA_AVX2;
  if (!has_variant (isa, false))
    return;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Case all = case_new (&rows[i]), one = all;
    float *expected = run_case (&all, isa, 1, false);
    one.shape.n_items = 1;
    one.n_src /= all.shape.n_items;
    one.n_dst /= all.shape.n_items;
    for (size_t n = 0; n < all.shape.n_items; n++) {
      one.src = all.src + n * one.n_src;
      one.added = all.added + n * one.n_dst;
      check_same (&one, expected + n * one.n_dst, run_case (&one, isa, 1, false), "alone", (int) i);
    }
    free (expected);
    case_free (&all);
  }
}
END_TEST

/* Units are all tiles and channels, each once; parts that are asked for are there. */
START_TEST (test_units_are_the_whole)
{
  WeirWinogradKernels kernels = { 0 };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t n_parts = 1; n_parts < 5; n_parts++) {
      Case c = case_new (&rows[i]);
      WeirWinogradPlan plan;
      size_t n = 0;
      weir_winograd_plan (&plan, &c.shape, &kernels, n_parts);
      for (size_t u = 0; u < plan.n_units; u++) {
        WeirWinogradUnit unit = weir_winograd_unit (&plan, u);
        ck_assert (unit.n_tiles > 0 && unit.first_tile + unit.n_tiles <= plan.n_tiles);
        ck_assert (
            unit.n_channels > 0 && unit.first_channel + unit.n_channels <= c.shape.dst_channels);
        n += unit.n_tiles * unit.n_channels;
      }
      ck_assert_uint_eq (n, plan.n_tiles * c.shape.dst_channels);
      ck_assert (plan.n_units >= n_parts || plan.n_tiles < n_parts * 14);
      case_free (&c);
    }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("winograd");
  TCase *tcase = tcase_create ("winograd");
  tcase_add_test (tcase, test_results_are_near_f64);
  tcase_add_test (tcase, test_same_bytes);
  tcase_add_test (tcase, test_bf16_is_rounded_f32);
  tcase_add_test (tcase, test_variants_of_bf16);
  tcase_add_test (tcase, test_items_are_apart);
  tcase_add_test (tcase, test_units_are_the_whole);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
