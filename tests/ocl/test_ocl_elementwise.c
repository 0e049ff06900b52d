/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element-wise kernels against plain loops. */
#include "engine/ocl/ocl_elementwise.h"

#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include <math.h>

#define MAX_ELEMENTS 20000u

typedef float (*UnaryFn) (float x, float alpha, float beta);

#define DEFINE(name, expression)                       \
  static float name (float x, float alpha, float beta) \
  {                                                    \
    return (float) (expression);                       \
  }

DEFINE (do_abs, fabs (x))
DEFINE (do_affine, alpha *x + beta)
DEFINE (do_ceil, ceil (x))
DEFINE (do_celu, fmax (0, x) + fmin (0, alpha *expm1 (x / alpha)))
DEFINE (do_clip, x<alpha ? alpha : x> beta ? beta : x)
DEFINE (do_cos, cos (x))
DEFINE (do_elu, x < 0 ? alpha * (exp (x) - 1.0) : x)
DEFINE (do_erf, erf (x))
DEFINE (do_exp, exp (x))
DEFINE (do_floor, floor (x))
DEFINE (do_gelu, alpha != 0 ? 0.5 * x * (1 + tanh (sqrt (2 / G_PI) * (x + 0.044715 * x * x * x)))
                            : 0.5 * x * (1 + erf (x / G_SQRT2)))
DEFINE (do_hard_sigmoid, CLAMP (alpha *x + beta, 0, 1))
DEFINE (do_hard_swish, x *CLAMP (x / 6 + 0.5, 0, 1))
DEFINE (do_leaky_relu, x < 0 ? alpha * x : x)
DEFINE (do_log, log (x))
DEFINE (do_mish, x *tanh (log (1 + exp (x))))
DEFINE (do_neg, -x)
DEFINE (do_reciprocal, 1 / x)
DEFINE (do_relu, x > 0 ? x : 0)
DEFINE (do_round, nearbyint (x))
DEFINE (do_round_to_levels,
    nearbyint ((CLAMP (x, alpha, beta) - alpha) / (beta - alpha) * 255) / 255 * (beta - alpha) +
        alpha)
DEFINE (do_round_to_codes, CLAMP (nearbyint (x / alpha), beta, beta + 255) * alpha)
DEFINE (do_scaled_tanh, alpha *tanh (beta *x))
DEFINE (do_selu, beta *(x < 0 ? alpha * (exp (x) - 1) : x))
DEFINE (do_sigmoid, 1 / (1 + exp (-x)))
DEFINE (do_sign, (x > 0) - (x < 0))
DEFINE (do_sin, sin (x))
DEFINE (do_softplus, log (1 + exp (x)))
DEFINE (do_softsign, x / (1 + fabs (x)))
DEFINE (do_sqrt, sqrt (x))
DEFINE (do_swish, x / (1 + exp (-alpha * x)))
DEFINE (do_tanh, tanh (x))
DEFINE (do_thresholded_relu, x > alpha ? x : 0)

static const struct {
  WeirOp op;
  float alpha, beta;
  UnaryFn fn;
} unaries[] = {
  { WEIR_OP_ABS, 0, 0, do_abs },
  { WEIR_OP_AFFINE, 1.5f, -0.25f, do_affine },
  { WEIR_OP_CEIL, 0, 0, do_ceil },
  { WEIR_OP_CELU, 0.75f, 0, do_celu },
  { WEIR_OP_CLIP, 0, 6, do_clip },
  { WEIR_OP_CLIP, -1.25f, 1.5f, do_clip },
  { WEIR_OP_CLIP, -INFINITY, 2, do_clip },
  { WEIR_OP_COS, 0, 0, do_cos },
  { WEIR_OP_ELU, 1, 0, do_elu },
  { WEIR_OP_ELU, 0.5f, 0, do_elu },
  { WEIR_OP_ERF, 0, 0, do_erf },
  { WEIR_OP_EXP, 0, 0, do_exp },
  { WEIR_OP_FLOOR, 0, 0, do_floor },
  { WEIR_OP_GELU, 0, 0, do_gelu },
  { WEIR_OP_GELU, 1, 0, do_gelu },
  { WEIR_OP_HARD_SIGMOID, 0.2f, 0.5f, do_hard_sigmoid },
  { WEIR_OP_HARD_SWISH, 0, 0, do_hard_swish },
  { WEIR_OP_LEAKY_RELU, 0.1f, 0, do_leaky_relu },
  { WEIR_OP_LOG, 0, 0, do_log },
  { WEIR_OP_MISH, 0, 0, do_mish },
  { WEIR_OP_NEG, 0, 0, do_neg },
  { WEIR_OP_QUICK_GELU, 1.702f, 0, do_swish },
  { WEIR_OP_RECIPROCAL, 0, 0, do_reciprocal },
  { WEIR_OP_RELU, 0, 0, do_relu },
  { WEIR_OP_ROUND, 0, 0, do_round },
  { WEIR_OP_ROUND_TO_CODES, 0.25f, -7, do_round_to_codes },
  { WEIR_OP_ROUND_TO_LEVELS, -0.5f, 63.25f, do_round_to_levels },
  { WEIR_OP_SCALED_TANH, 1.25f, 0.5f, do_scaled_tanh },
  { WEIR_OP_SELU, 1.67326319f, 1.05070102f, do_selu },
  { WEIR_OP_SIGMOID, 0, 0, do_sigmoid },
  { WEIR_OP_SIGN, 0, 0, do_sign },
  { WEIR_OP_SIN, 0, 0, do_sin },
  { WEIR_OP_SOFTPLUS, 0, 0, do_softplus },
  { WEIR_OP_SOFTSIGN, 0, 0, do_softsign },
  { WEIR_OP_SQRT, 0, 0, do_sqrt },
  { WEIR_OP_SWISH, 1, 0, do_swish },
  { WEIR_OP_TANH, 0, 0, do_tanh },
  { WEIR_OP_THRESHOLDED_RELU, 1, 0, do_thresholded_relu },
};

static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16 };

/* Relative where large, absolute where small; a half keeps 11 bits. */
static void compare (float got, float exact, WeirDtype dtype, const char *what, uint32_t i)
{
  float want = ocl_kit_round (exact, dtype);
  float tolerance = dtype == WEIR_DTYPE_F16 ? 1.2e-3f : 2e-6f;
  bool is_same = got == want || (isnan (got) && isnan (want)) ||
                 fabsf (got - want) <= tolerance * (1 + fabsf (want));
  if (!is_same)
    ck_abort_msg ("%s %s: element %u is %.9g, expected is %.9g", weir_dtype_name (dtype), what, i,
        (double) got, (double) want);
}

static void run (const WeirOclMemory *memory, const WeirOclElementwise *job)
{
  GError *error = NULL;
  g_autoptr (WeirOclCall) call = weir_ocl_elementwise_new (memory->device, job, &error);
  ocl_must (call, error);
  ocl_must (weir_ocl_queue_run (memory->queue, call, NULL, &error), error);
}

static WeirOclMemory *new_memory (size_t n_bytes)
{
  GError *error = NULL;
  WeirOclMemory *memory = weir_ocl_memory_new (ocl_kit_device, n_bytes, true, false, &error);
  ocl_must (memory, error);
  return memory;
}

/* n numbers through a chain of posts, source and result in one memory at offsets that need not be
 * multiples of 4 elements. */
static void check_chain (const WeirPostOp *posts, const UnaryFn *fns, uint32_t n_posts, uint32_t n,
    uint32_t src_at, WeirDtype dtype)
{
  static float values[MAX_ELEMENTS], results[MAX_ELEMENTS];
  size_t bytes = weir_dtype_bytes (dtype), dst_at = src_at + n + 3;
  g_autoptr (WeirOclMemory) memory = new_memory ((dst_at + n) * bytes);
  WeirOclElementwise job = { .op = posts[0].op,
    .rank = 1,
    .sizes = { n },
    .n_src = 1,
    .src = { { memory->base + src_at * bytes, { 1 } } },
    .dst = { memory->base + dst_at * bytes, { 1 } },
    .dtype = dtype,
    .posts = posts,
    .n_posts = n_posts };
  ocl_kit_fill (values, n, n);
  ocl_kit_upload (memory, src_at * bytes, values, n, dtype);
  run (memory, &job);
  ocl_kit_download (memory, dst_at * bytes, results, n, dtype);
  for (uint32_t i = 0; i < n; i++) {
    float want = ocl_kit_round (values[i], dtype);
    for (uint32_t k = 0; k < n_posts; k++)
      want = fns[k](want, posts[k].alpha, posts[k].beta);
    compare (results[i], want, dtype, weir_op_info (posts[0].op)->name, i);
  }
}

START_TEST (test_ocl_unary)
{
  WeirPostOp post = { unaries[_i].op, unaries[_i].alpha, unaries[_i].beta, WEIR_NONE };
  check_chain (&post, &unaries[_i].fn, 1, 1009, 1, WEIR_DTYPE_F32);
}
END_TEST

/* By ones and by fours, in either type. */
START_TEST (test_ocl_unary_places)
{
  static const struct {
    uint32_t n, at;
  } places[] = { { 1, 0 }, { 1009, 1 }, { 1023, 0 }, { 1024, 0 }, { 1024, 4 }, { 1024, 2 } };
  static const WeirPostOp post = { WEIR_OP_MISH, 0, 0, WEIR_NONE };
  static const UnaryFn fn = do_mish;
  for (uint32_t d = 0; d < G_N_ELEMENTS (dtypes); d++)
    check_chain (&post, &fn, 1, places[_i].n, places[_i].at, dtypes[d]);
}
END_TEST

START_TEST (test_ocl_posts_in_order)
{
  static const WeirPostOp posts[] = { { WEIR_OP_AFFINE, 2, 1, WEIR_NONE },
    { WEIR_OP_LEAKY_RELU, 0.5f, 0, WEIR_NONE }, { WEIR_OP_CLIP, -1, 5, WEIR_NONE },
    { WEIR_OP_NEG, 0, 0, WEIR_NONE }, { WEIR_OP_NEG, 0, 0, WEIR_NONE } };
  static const UnaryFn fns[] = { do_affine, do_leaky_relu, do_clip, do_neg };
  WeirOclPosts too_many;
  for (uint32_t n = 1; n <= G_N_ELEMENTS (fns); n++)
    check_chain (posts, fns, n, 1009, 0, WEIR_DTYPE_F32);
  ck_assert (!weir_ocl_posts_init (&too_many, posts, 5));
}
END_TEST

/* dims of a source are those of the result, or 1 where it is repeated. */
typedef struct Shape {
  uint32_t rank;
  uint32_t dst[WEIR_MAX_RANK], a[WEIR_MAX_RANK], b[WEIR_MAX_RANK];
  uint32_t gap; /* elements that rows of the result are further apart than they are long */
} Shape;

enum { BY_ONES = 4, BY_FOURS = 5 };

static const Shape shapes[] = {
  { 1, { 1 }, { 1 }, { 1 } },
  { 1, { 1009 }, { 1009 }, { 1009 } },
  { 1, { 1024 }, { 1024 }, { 1 } },
  { 1, { 1024 }, { 1 }, { 1024 } },
  { 4, { 2, 5, 7, 13 }, { 2, 5, 7, 13 }, { 2, 5, 7, 13 } }, /* of one shape */
  { 4, { 2, 5, 7, 16 }, { 2, 5, 7, 16 }, { 1, 1, 1, 16 } }, /* a bias */
  { 4, { 2, 5, 7, 13 }, { 2, 5, 7, 13 }, { 1, 1, 1, 13 } }, /* … of a prime number */
  { 4, { 3, 5, 7, 32 }, { 3, 5, 7, 32 }, { 3, 1, 1, 32 } }, /* a gate of channels */
  { 4, { 3, 5, 7, 32 }, { 3, 5, 7, 1 }, { 3, 5, 7, 32 } },  /* … of places */
  { 4, { 2, 3, 5, 7 }, { 1, 3, 1, 7 }, { 2, 1, 5, 1 } },    /* both repeated */
  { 4, { 2, 3, 5, 8 }, { 2, 3, 5, 8 }, { 2, 3, 5, 8 }, 4 }, /* into a part of the channels */
  { 4, { 2, 3, 5, 7 }, { 2, 3, 5, 7 }, { 2, 3, 5, 7 }, 5 }, /* … that is not aligned */
  { 4, { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1 } },
  { 6, { 2, 1, 3, 1, 5, 8 }, { 2, 1, 3, 1, 5, 8 }, { 1, 1, 3, 1, 1, 8 } },
};

static float do_add (float a, float b)
{
  return a + b;
}

static float do_sub (float a, float b)
{
  return a - b;
}

static float do_mul (float a, float b)
{
  return a * b;
}

static float do_div (float a, float b)
{
  return a / b;
}

static float do_prelu (float a, float b)
{
  return a < 0 ? a * b : a;
}

enum { SUB_ROW = 1 };

static const struct {
  WeirOp op;
  float (*fn) (float a, float b);
} binaries[] = {
  { WEIR_OP_ADD, do_add },
  { WEIR_OP_SUB, do_sub },
  { WEIR_OP_MUL, do_mul },
  { WEIR_OP_DIV, do_div },
  { WEIR_OP_MAX, fmaxf },
  { WEIR_OP_MIN, fminf },
  { WEIR_OP_PRELU, do_prelu },
};

/* Row-major strides of `dims`, 0 where they are 1; how many elements there are. */
static uint32_t set_strides (
    const Shape *shape, const uint32_t *dims, uint32_t gap, uint32_t *strides)
{
  uint32_t n = 1;
  for (uint32_t d = shape->rank; d-- > 0;) {
    strides[d] = dims[d] == 1 ? 0 : n;
    n *= dims[d];
    if (d == shape->rank - 1)
      n += gap;
  }
  return n;
}

/* Where element i of the result, counted row by row, is in a tensor with these strides. */
static uint32_t locate (const Shape *shape, uint32_t i, const uint32_t *strides)
{
  uint32_t at = 0;
  for (uint32_t d = shape->rank; d-- > 0; i /= shape->dst[d])
    at += i % shape->dst[d] * strides[d];
  return at;
}

static void check_shape (const Shape *shape, uint32_t row, WeirDtype dtype)
{
  static float a[MAX_ELEMENTS], b[MAX_ELEMENTS], results[MAX_ELEMENTS];
  size_t bytes = weir_dtype_bytes (dtype);
  WeirOclElementwise job = {
    .op = binaries[row].op, .rank = shape->rank, .n_src = 2, .dtype = dtype
  };
  uint32_t n_a = set_strides (shape, shape->a, 0, job.src[0].strides);
  uint32_t n_b = set_strides (shape, shape->b, 0, job.src[1].strides);
  uint32_t n_dst = set_strides (shape, shape->dst, shape->gap, job.dst.strides), n = 1;
  size_t b_at = (n_a + 3) / 4 * 4 * bytes, dst_at = b_at + (n_b + 3) / 4 * 4 * bytes;
  g_autoptr (WeirOclMemory) memory = new_memory (dst_at + n_dst * bytes);
  for (uint32_t d = 0; d < shape->rank; d++)
    n *= job.sizes[d] = shape->dst[d];
  job.src[0].address = memory->base;
  job.src[1].address = memory->base + b_at;
  job.dst.address = memory->base + dst_at;
  ocl_kit_fill (a, n_a, 1);
  ocl_kit_fill (b, n_b, 2);
  ocl_kit_upload (memory, 0, a, n_a, dtype);
  ocl_kit_upload (memory, b_at, b, n_b, dtype);
  ck_assert (weir_ocl_elementwise_can (&job));
  run (memory, &job);
  ocl_kit_download (memory, dst_at, results, n_dst, dtype);
  for (uint32_t i = 0; i < n; i++) {
    float x = ocl_kit_round (a[locate (shape, i, job.src[0].strides)], dtype);
    float y = ocl_kit_round (b[locate (shape, i, job.src[1].strides)], dtype);
    uint32_t at = locate (shape, i, job.dst.strides);
    compare (results[at], binaries[row].fn (x, y), dtype, weir_op_info (job.op)->name, i);
    results[at] = 0;
  }
  for (uint32_t i = 0; i < n_dst; i++)
    ck_assert_msg (results[i] == 0, "element %u, which is a gap, was written", i);
}

/* Each is a program or more that is compiled: all shapes for the one in which order matters … */
START_TEST (test_ocl_broadcast)
{
  for (uint32_t d = 0; d < G_N_ELEMENTS (dtypes); d++)
    check_shape (&shapes[_i], SUB_ROW, dtypes[d]);
}
END_TEST

/* … and for the others one that is taken by ones and one that is taken by fours. */
START_TEST (test_ocl_binary)
{
  check_shape (&shapes[BY_ONES], (uint32_t) _i, WEIR_DTYPE_F32);
  check_shape (&shapes[BY_FOURS], (uint32_t) _i, WEIR_DTYPE_F16);
}
END_TEST

START_TEST (test_ocl_elementwise_refused)
{
  WeirOclElementwise job = { .op = WEIR_OP_ADD,
    .rank = 1,
    .sizes = { 8 },
    .n_src = 2,
    .src = { { NULL, { 1 } }, { NULL, { 1 } } },
    .dst = { NULL, { 1 } },
    .dtype = WEIR_DTYPE_F32 };
  ck_assert (weir_ocl_elementwise_can (&job));
  job.op = WEIR_OP_BIT_SHIFT;
  ck_assert (!weir_ocl_elementwise_can (&job));
  job.op = WEIR_OP_ADD;
  job.dtype = WEIR_DTYPE_I64;
  ck_assert (!weir_ocl_elementwise_can (&job));
  /* every other dim repeated in one source: nothing can be merged */
  job.dtype = WEIR_DTYPE_F32;
  job.rank = 5;
  for (uint32_t d = 0; d < 5; d++) {
    job.sizes[d] = 2;
    job.dst.strides[d] = job.src[0].strides[d] = 16 >> d;
    job.src[1].strides[d] = d % 2;
  }
  ck_assert (!weir_ocl_elementwise_can (&job));
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_ocl_elementwise_new (ocl_kit_device, &job, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl elementwise");
  TCase *tcase = tcase_create ("ocl elementwise");
  ocl_kit_start ();
  tcase_add_loop_test (tcase, test_ocl_unary, 0, G_N_ELEMENTS (unaries));
  tcase_add_loop_test (tcase, test_ocl_unary_places, 0, 6);
  tcase_add_test (tcase, test_ocl_posts_in_order);
  tcase_add_loop_test (tcase, test_ocl_broadcast, 0, G_N_ELEMENTS (shapes));
  tcase_add_loop_test (tcase, test_ocl_binary, 0, G_N_ELEMENTS (binaries));
  tcase_add_test (tcase, test_ocl_elementwise_refused);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
