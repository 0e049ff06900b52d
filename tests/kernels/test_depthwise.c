/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution: every variant against a plain loop, byte for byte. Where weights are
 * rounded, and sums in another order, numbers are such that neither changes the sum. Buffers have
 * exactly the size that is allowed, for the sanitizers. --bench times it. */
#include "kernels/depthwise.h"
#include "kernels/kernels.h"

#include "tests/kernels/bench_depthwise.h"
#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512, WEIR_ISA_BF16 };
#define STRIP_ROWS 4
#define N_VARIANTS (sizeof variants / sizeof *variants)

enum { NO_POST, SWISH, ADD_SWISH, SWISH_ADD, LEAKY, HARD_ADD, SWISH_SUM, CODES, LEVELS };

typedef struct Row {
  size_t items, channels, height, width;
  size_t kernel[2], stride[2], dilation[2], pad[2]; /* pad: before; behind is as much */
  float least, most;
  int posts;
} Row;

/* Of the pictures. */
typedef struct Types {
  bool src_is_bf16, dst_is_bf16;
} Types;

static const Types types[] = { { false, false }, { true, true }, { false, true }, { true, false } };

#define NO_CLIP -INFINITY, INFINITY

static const Row rows[] = {
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 2, 32, 7, 13, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, INFINITY },
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, 6 },
  { 1, 24, 9, 17, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, 0, INFINITY },
  { 1, 5, 1, 1, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 2, 4, 6, 5, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 1, 8, 10, 150, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 1, 58, 6, 133, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -0.5f, INFINITY },
  { 1, 58, 6, 133, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 1, 33, 11, 20, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, NO_CLIP },
  { 1, 40, 11, 21, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, NO_CLIP },
  { 1, 33, 11, 70, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 2 }, NO_CLIP },
  { 1, 20, 12, 9, { 7, 7 }, { 1, 1 }, { 1, 1 }, { 3, 3 }, NO_CLIP },
  { 1, 8, 5, 18, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0, 0 }, NO_CLIP },
  { 1, 19, 9, 23, { 3, 3 }, { 1, 1 }, { 2, 2 }, { 2, 2 }, NO_CLIP },
  { 1, 19, 9, 23, { 3, 3 }, { 2, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 1, 19, 4, 23, { 1, 7 }, { 1, 1 }, { 1, 1 }, { 0, 3 }, NO_CLIP },
  { 1, 19, 9, 23, { 2, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, -1, 1 },
  { 1, 21, 9, 9, { 1, 1 }, { 4, 4 }, { 1, 1 }, { 0, 0 }, NO_CLIP },
  { 1, 21, 3, 3, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 9, 8 }, NO_CLIP },
  { 1, 17, 6, 8, { 6, 8 }, { 1, 1 }, { 1, 1 }, { 0, 0 }, NO_CLIP },
  { 2, 96, 40, 36, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP }, /* several bands */
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH },
  { 1, 40, 9, 70, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, INFINITY, ADD_SWISH },
  { 2, 37, 9, 17, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 2 }, NO_CLIP, SWISH_ADD },
  { 1, 144, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH_ADD }, /* two groups */
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, LEAKY },
  { 1, 70, 6, 9, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 2, 2 }, NO_CLIP, HARD_ADD },
  { 1, 70, 6, 9, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH_SUM },
  { 1, 8, 7, 9, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH_SUM },
  { 1, 20, 9, 23, { 2, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH_SUM },
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -3, 252, CODES },
  { 1, 19, 9, 23, { 2, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, -3, 252, CODES },
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -0.7f, 1.1f, LEVELS },
  { 1, 24, 9, 17, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, 1.3f, LEVELS },
  { 1, 40, 9, 70, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP },
  { 1, 43, 9, 7, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1 }, 0, 6 },
  { 1, 40, 9, 7, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, NO_CLIP, SWISH_ADD },
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, 0, 1.3f }, /* no bf16 */
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -INFINITY, 0.5f },
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -INFINITY, -0.5f },
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -INFINITY, -0.0f },
  { 1, 16, 8, 8, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, -0.0f, 2 },
  { 1, 16, 8, 8, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 2 }, 0.25f, 2 },
  { 1, 16, 8, 8, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 2 }, 0, 0 },
};

/* In -1..1; eighths where they are to be `exact`. */
static float *random_new (size_t n, unsigned seed, bool exact)
{
  float *values = malloc (n * sizeof *values);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] =
        exact ? (float) (seed >> 28) / 8.0f - 1.0f : (float) (seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

/* Room in the type of a picture, filled from f32. */
static void *picture_new (const float *values, size_t n, bool is_bf16)
{
  void *picture = malloc (n * (is_bf16 ? sizeof (uint16_t) : sizeof (float)));
  if (is_bf16)
    weir_tensor_kernels ()->bf16_from_f32 (picture, values, n);
  else
    memcpy (picture, values, n * sizeof *values);
  return picture;
}

static size_t count_results (const Row *row, int axis)
{
  size_t n = axis ? row->width : row->height;
  return (n + 2 * row->pad[axis] - (row->kernel[axis] - 1) * row->dilation[axis] - 1) /
             row->stride[axis] +
         1;
}

static WeirDepthwise shape_of (const Row *row, Types type)
{
  static const WeirDepthwisePost add = { 0 };
  const WeirDepthwisePost swish = { weir_tensor_kernels ()->unary[WEIR_UNARY_SWISH], 1, 0 };
  WeirDepthwise shape = { row->items, row->channels, row->height, row->width,
    count_results (row, 0), count_results (row, 1), row->kernel[0], row->kernel[1], row->stride[0],
    row->stride[1], row->dilation[0], row->dilation[1], row->pad[0], row->pad[1], type.src_is_bf16,
    type.dst_is_bf16,
    { row->posts == LEAKY         ? WEIR_ACTIVATION_LEAKY_RELU
        : row->posts == HARD_ADD  ? WEIR_ACTIVATION_HARD_SWISH
        : row->posts == SWISH_SUM ? WEIR_ACTIVATION_SWISH
        : row->posts == CODES     ? WEIR_ACTIVATION_ROUND_TO_CODES
        : row->posts == LEVELS    ? WEIR_ACTIVATION_ROUND_TO_LEVELS
                                  : WEIR_ACTIVATION_CLIP,
        row->least, row->most, 0.3f },
    .n_posts = 0 };
  if (row->posts == ADD_SWISH)
    shape.posts[shape.n_posts++] = add;
  if (row->posts >= SWISH && row->posts <= SWISH_ADD)
    shape.posts[shape.n_posts++] = swish;
  if (row->posts == SWISH_ADD || row->posts == HARD_ADD)
    shape.posts[shape.n_posts++] = add;
  return shape;
}

static float element_at (const void *picture, size_t i, bool is_bf16)
{
  float value;
  if (!is_bf16)
    return ((const float *) picture)[i];
  uint32_t bits = (uint32_t) ((const uint16_t *) picture)[i] << 16;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static float activate (const WeirDepthwise *s, float sum)
{
  const WeirActivation *activation = &s->activation;
  float value;
  if (activation->kind == WEIR_ACTIVATION_CLIP) { /* of equal zeros the bound */
    sum = activation->least == -INFINITY || sum > activation->least ? sum : activation->least;
    return activation->most == INFINITY || sum < activation->most ? sum : activation->most;
  }
  static const WeirUnary ops[] = { [WEIR_ACTIVATION_LEAKY_RELU] = WEIR_UNARY_LEAKY_RELU,
    [WEIR_ACTIVATION_HARD_SWISH] = WEIR_UNARY_HARD_SWISH,
    [WEIR_ACTIVATION_ROUND_TO_CODES] = WEIR_UNARY_ROUND_TO_CODES,
    [WEIR_ACTIVATION_SWISH] = WEIR_UNARY_SWISH,
    [WEIR_ACTIVATION_ROUND_TO_LEVELS] = WEIR_UNARY_ROUND_TO_LEVELS };
  bool is_levels = activation->kind == WEIR_ACTIVATION_ROUND_TO_LEVELS;
  weir_tensor_kernels ()->unary[ops[activation->kind]](&value, &sum, 1,
      is_levels ? activation->least : activation->alpha,
      is_levels ? activation->most : activation->least);
  return value;
}

static float sum_plain (const WeirDepthwise *s, const void *src, const float *weights,
    const float *bias, size_t row, size_t x, size_t c)
{
  size_t item = row / s->dst_height, y = row % s->dst_height;
  float sum = bias[c];
  for (size_t ky = 0; ky < s->kernel_height; ky++)
    for (size_t kx = 0; kx < s->kernel_width; kx++) {
      size_t at_y = y * s->stride_y + ky * s->dilation_y;
      size_t at_x = x * s->stride_x + kx * s->dilation_x;
      if (at_y < s->pad_y || at_y - s->pad_y >= s->src_height || at_x < s->pad_x ||
          at_x - s->pad_x >= s->src_width)
        continue;
      size_t pixel = (item * s->src_height + at_y - s->pad_y) * s->src_width + at_x - s->pad_x;
      sum = fmaf (weights[(c * s->kernel_height + ky) * s->kernel_width + kx],
          element_at (src, pixel * s->n_channels + c, s->src_is_bf16), sum);
    }
  return activate (s, sum);
}

static void *expected_new (const WeirDepthwise *s, const void *src, const void *added,
    const float *weights, const float *bias)
{
  size_t n_rows = s->n_items * s->dst_height, i = 0;
  size_t n = n_rows * s->dst_width * s->n_channels;
  float *values = malloc (n * sizeof *values);
  for (size_t row = 0; row < n_rows; row++)
    for (size_t x = 0; x < s->dst_width; x++)
      for (size_t c = 0; c < s->n_channels; c++, i++) {
        float value = sum_plain (s, src, weights, bias, row, x, c);
        for (size_t k = 0; k < s->n_posts; k++) {
          float before = value;
          if (s->posts[k].fn)
            s->posts[k].fn (&value, &before, 1, s->posts[k].alpha, s->posts[k].beta);
          else
            value += element_at (added, i, s->dst_is_bf16);
        }
        values[i] = value;
      }
  void *picture = picture_new (values, n, s->dst_is_bf16);
  free (values);
  return picture;
}

/* Unit by unit, the last first, in scratch memory full of NaN. */
static void run_backwards (const WeirDepthwiseJob *job)
{
  size_t n_bytes = (job->plan->scratch_bytes + 63) / 64 * 64;
  void *scratch = aligned_alloc (64, n_bytes);
  memset (scratch, 0xff, n_bytes);
  for (size_t i = job->plan->n_units; i-- > 0;)
    weir_depthwise_run (job, scratch, i, i + 1);
  free (scratch);
}

/* Some rows after the others, from a ring of source rows with what they need and no more, into a
 * few rows of results that are moved to dst. */
static void run_in_rings (const WeirDepthwiseJob *whole, const char *src, char *dst)
{
  const WeirDepthwise *s = &whole->plan->shape;
  size_t extent = (s->kernel_height - 1) * s->dilation_y + 1;
  size_t src_row = s->src_width * s->n_channels * (s->src_is_bf16 ? 2 : 4);
  size_t dst_row = s->dst_width * s->n_channels * (s->dst_is_bf16 ? 2 : 4);
  WeirDepthwiseJob job = *whole;
  job.src_rows = (STRIP_ROWS - 1) * s->stride_y + extent;
  job.dst_rows = STRIP_ROWS;
  char *ring = malloc (job.src_rows * src_row), *results = malloc (STRIP_ROWS * dst_row);
  void *scratch = aligned_alloc (64, (job.plan->scratch_bytes + 63) / 64 * 64);
  job.src = ring;
  job.dst = results;
  for (size_t i = 0; i < s->n_items * s->dst_height; i++) {
    size_t item = i / s->dst_height, y = i % s->dst_height;
    size_t end = y + STRIP_ROWS < s->dst_height ? y + STRIP_ROWS : s->dst_height;
    if (y % STRIP_ROWS)
      continue;
    for (size_t at = y * s->stride_y; at < (end - 1) * s->stride_y + extent; at++)
      if (at >= s->pad_y && at - s->pad_y < s->src_height)
        memcpy (ring + (at - s->pad_y) % job.src_rows * src_row,
            src + (item * s->src_height + at - s->pad_y) * src_row, src_row);
    weir_depthwise_run_rows (&job, scratch, item, y, end);
    memcpy (dst + i * dst_row, results, (end - y) * dst_row);
  }
  free (ring);
  free (results);
  free (scratch);
}

static void check_row (const Row *row, Types type, unsigned isa)
{
  const WeirDepthwiseKernels *kernels = weir_depthwise_variant (isa);
  WeirDepthwise s = shape_of (row, type);
  size_t n_src = s.n_items * s.src_height * s.src_width * s.n_channels;
  size_t n_dst = s.n_items * s.dst_height * s.dst_width * s.n_channels;
  size_t dst_bytes = n_dst * (s.dst_is_bf16 ? sizeof (uint16_t) : sizeof (float));
  bool exact = isa == WEIR_ISA_BF16;
  float *src_f32 = random_new (n_src, 1, exact), *added_f32 = random_new (n_dst, 2, exact);
  float *weights = random_new (s.n_channels * s.kernel_height * s.kernel_width, 3, exact);
  float *bias = random_new (s.n_channels, 4, exact);
  void *src = picture_new (src_f32, n_src, s.src_is_bf16);
  void *added = picture_new (added_f32, n_dst, s.dst_is_bf16);
  void *expected = expected_new (&s, src, added, weights, bias), *got = calloc (1, dst_bytes);
  WeirDepthwisePlan plan;
  ck_assert (weir_depthwise_plan (&plan, &s, kernels));
  float *packed = malloc (plan.n_weight_floats * sizeof *packed);
  WeirDepthwiseJob job = { &plan, src, got, { added, added }, packed };
  weir_depthwise_pack_weights (&plan, packed, weights, bias);
  run_backwards (&job);
  ck_assert_msg (memcmp (expected, got, dst_bytes) == 0,
      "variant %u, row %d, bf16 %d to %d: differs from the plain loop", isa, (int) (row - rows),
      type.src_is_bf16, type.dst_is_bf16);
  if (plan.reads_src && plan.writes_dst) {
    memset (got, 0, dst_bytes);
    run_in_rings (&job, src, got);
    ck_assert_msg (memcmp (expected, got, dst_bytes) == 0,
        "variant %u, row %d, bf16 %d to %d: differs in rings of rows", isa, (int) (row - rows),
        type.src_is_bf16, type.dst_is_bf16);
  }
  void *buffers[] = { src_f32, added_f32, weights, bias, src, added, expected, got, packed };
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
    free (buffers[i]);
}

START_TEST (test_variants_equal_plain_loop)
{
  for (size_t k = 0; k < N_VARIANTS; k++)
    for (size_t i = 0; weir_depthwise_variant (variants[k]) && i < sizeof rows / sizeof *rows; i++)
      for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        check_row (&rows[i], types[t], variants[k]);
}
END_TEST

/* AVX-512 reads and writes bf16 itself, but where post-ops follow. */
START_TEST (test_bf16_is_direct)
{
  const WeirDepthwiseKernels *kernels = weir_depthwise_variant (WEIR_ISA_AVX512);
  WeirDepthwise shape = shape_of (&rows[0], types[1]);
  WeirDepthwisePlan plan;
  if (!kernels)
    return;
  ck_assert (weir_depthwise_plan (&plan, &shape, kernels) && plan.reads_src && plan.writes_dst);
  shape.src_is_bf16 = false;
  ck_assert (weir_depthwise_plan (&plan, &shape, kernels) && plan.reads_src && plan.writes_dst);
  shape.n_posts = 1;
  ck_assert (weir_depthwise_plan (&plan, &shape, kernels) && !plan.writes_dst);
}
END_TEST

/* The usual windows of 16 channels and more, from bf16 to bf16 with AVX512_BF16. */
START_TEST (test_rounded_weights)
{
  const WeirDepthwiseKernels *kernels = weir_depthwise_variant (WEIR_ISA_BF16);
  for (size_t i = 0; kernels && i < sizeof rows / sizeof *rows; i++)
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
      WeirDepthwise s = shape_of (&rows[i], types[t]);
      WeirDepthwisePlan plan;
      bool is_usual = (s.kernel_height == 3 || s.kernel_height == 5) && s.stride_y <= 2 &&
                      s.kernel_width == s.kernel_height && s.stride_x == s.stride_y &&
                      s.dilation_y == 1 && s.n_channels >= kernels->n_lanes && s.n_posts == 0;
      ck_assert (weir_depthwise_plan (&plan, &s, kernels));
      ck_assert_int_eq (plan.rounds_weights, is_usual && s.src_is_bf16 && s.dst_is_bf16);
    }
}
END_TEST

/* What is too large for the ring in the first-level cache is somebody else's. */
START_TEST (test_limits)
{
  static const struct {
    size_t kernel, stride, dilation;
    bool ok;
  } limits[] = {
    { 64, 1, 1, true },
    { 65, 1, 1, false },
    { 2, 1, 63, true },
    { 2, 1, 64, false },
    { 3, 64, 1, true },
    { 3, 65, 1, false },
    { 3, 0, 1, false },
    { 0, 1, 1, false },
    { SIZE_MAX / 2, 1, SIZE_MAX / 2, false },
  };
  for (size_t i = 0; weir_depthwise_kernels () && i < sizeof limits / sizeof *limits; i++) {
    WeirDepthwisePlan plan;
    WeirDepthwise shape = shape_of (&rows[0], types[0]);
    shape.src_width = shape.dst_width = 200;
    shape.kernel_width = limits[i].kernel;
    shape.stride_x = limits[i].stride;
    shape.dilation_x = limits[i].dilation;
    ck_assert (weir_depthwise_plan (&plan, &shape, weir_depthwise_kernels ()) == limits[i].ok);
  }
}
END_TEST

int main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_depthwise ();
  Suite *suite = suite_create ("depthwise");
  TCase *tcase = tcase_create ("depthwise");
  tcase_add_test (tcase, test_variants_equal_plain_loop);
  tcase_add_test (tcase, test_bf16_is_direct);
  tcase_add_test (tcase, test_rounded_weights);
  tcase_add_test (tcase, test_limits);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
