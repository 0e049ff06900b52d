/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of two tensors and more, element by element with broadcasting: arithmetic, comparisons,
 * logic and bits.
 *
 * Rows of f32 have loops of their own; all else goes element by element, integers in 64 bits, where
 * what leaves them is cut to the type's width. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* The remainder has the sign of the divisor, as NumPy's and Python's has. */
static float floor_mod (float x, float y)
{
  float rest = fmodf (x, y);
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

/* One row: a, b with strides 0 or more, dst dense. A NaN goes through Max and Min. */
#define ROW(expression)                         \
  for (int64_t i = 0; i < n; i++) {             \
    float x = a[i * step_a], y = b[i * step_b]; \
    dst[i] = (expression);                      \
  }                                             \
  break;

static void combine_row (WeirOp op, bool is_fmod, const float *a, int64_t step_a, const float *b,
    int64_t step_b, float *dst, int64_t n)
{
  switch (op) {
  case WEIR_OP_ADD:
  case WEIR_OP_SUM:
  case WEIR_OP_MEAN:
    ROW (x + y)
  case WEIR_OP_SUB:
    ROW (x - y)
  case WEIR_OP_MUL:
    ROW (x * y)
  case WEIR_OP_DIV:
    ROW (x / y)
  case WEIR_OP_MOD:
    ROW (is_fmod ? fmodf (x, y) : floor_mod (x, y))
  case WEIR_OP_POW:
    ROW (powf (x, y))
  case WEIR_OP_PRELU:
    ROW (x < 0 ? x * y : x)
  case WEIR_OP_MAX:
    ROW (x > y || isnan (x) ? x : y)
  case WEIR_OP_MIN:
    ROW (x < y || isnan (x) ? x : y)
  default:
    break;
  }
}

/* Division towards zero; by zero gives zero. */
static int64_t divide (int64_t a, int64_t b, bool is_u64)
{
  if (b == 0)
    return 0;
  if (is_u64)
    return (int64_t) ((uint64_t) a / (uint64_t) b);
  return b == -1 ? (int64_t) (0 - (uint64_t) a) : a / b;
}

static int64_t remainder_of (int64_t a, int64_t b, bool is_fmod, bool is_u64)
{
  if (b == 0)
    return 0;
  if (is_u64)
    return (int64_t) ((uint64_t) a % (uint64_t) b);
  int64_t rest = b == -1 ? 0 : a % b;
  return !is_fmod && rest && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* By squaring; of negative exponents only 1 and -1 leave anything. */
static int64_t power_of (int64_t base, int64_t exponent, bool is_u64)
{
  uint64_t result = 1, factor = (uint64_t) base, left = (uint64_t) exponent;
  if (exponent < 0 && !is_u64)
    return base == 1 || (base == -1 && exponent % 2 == 0) ? 1 : base == -1 ? -1 : 0;
  for (; left; left >>= 1, factor *= factor)
    if (left & 1)
      result *= factor;
  return (int64_t) result;
}

static bool is_less (int64_t a, int64_t b, bool is_u64)
{
  return is_u64 ? (uint64_t) a < (uint64_t) b : a < b;
}

/* The element's own bits shifted in: those of a negative number only to the right. */
static int64_t shift (int64_t a, int64_t b, bool is_left, bool is_u64)
{
  if (b < 0 || b > 63)
    return is_left || a >= 0 || is_u64 ? 0 : -1;
  if (is_left)
    return (int64_t) ((uint64_t) a << b);
  return is_u64 ? (int64_t) ((uint64_t) a >> b) : a >> b;
}

/* What a node's attributes say of its operator. */
typedef struct Rule {
  WeirOp op;
  bool is_fmod, is_left, is_u64;
} Rule;

static int64_t combine_integers (const Rule *rule, int64_t a, int64_t b)
{
  uint64_t x = (uint64_t) a, y = (uint64_t) b;
  switch (rule->op) {
  case WEIR_OP_ADD:
  case WEIR_OP_SUM:
  case WEIR_OP_MEAN:
    return (int64_t) (x + y);
  case WEIR_OP_SUB:
    return (int64_t) (x - y);
  case WEIR_OP_MUL:
    return (int64_t) (x * y);
  case WEIR_OP_DIV:
    return divide (a, b, rule->is_u64);
  case WEIR_OP_MOD:
    return remainder_of (a, b, rule->is_fmod, rule->is_u64);
  case WEIR_OP_POW:
    return power_of (a, b, rule->is_u64);
  case WEIR_OP_PRELU:
    return is_less (a, 0, rule->is_u64) ? (int64_t) (x * y) : a;
  case WEIR_OP_MAX:
    return is_less (a, b, rule->is_u64) ? b : a;
  case WEIR_OP_MIN:
    return is_less (b, a, rule->is_u64) ? b : a;
  case WEIR_OP_AND:
  case WEIR_OP_BITWISE_AND:
    return (int64_t) (x & y);
  case WEIR_OP_OR:
  case WEIR_OP_BITWISE_OR:
    return (int64_t) (x | y);
  case WEIR_OP_XOR:
  case WEIR_OP_BITWISE_XOR:
    return (int64_t) (x ^ y);
  case WEIR_OP_BIT_SHIFT:
    return shift (a, b, rule->is_left, rule->is_u64);
  default:
    return a;
  }
}

/* From what the numbers are to each other; nothing of the three where one is NaN. */
static bool compare (WeirOp op, bool less, bool equal, bool greater)
{
  switch (op) {
  case WEIR_OP_EQUAL:
    return equal;
  case WEIR_OP_GREATER:
    return greater;
  case WEIR_OP_GREATER_OR_EQUAL:
    return greater || equal;
  case WEIR_OP_LESS:
    return less;
  default:
    return less || equal;
  }
}

static bool is_comparison (WeirOp op)
{
  return op == WEIR_OP_EQUAL || op == WEIR_OP_GREATER || op == WEIR_OP_GREATER_OR_EQUAL ||
         op == WEIR_OP_LESS || op == WEIR_OP_LESS_OR_EQUAL;
}

static void compare_any (const Rule *rule, WeirRefRow a, WeirRefRow b, WeirRefRow dst, int64_t n)
{
  bool is_float = weir_dtype_is_floating (a.dtype);
  for (int64_t i = 0; i < n; i++) {
    int64_t ia = a.offset + i * a.stride, ib = b.offset + i * b.stride;
    bool result;
    if (is_float) {
      double x = weir_ref_load (a.dtype, a.data, ia), y = weir_ref_load (b.dtype, b.data, ib);
      result = compare (rule->op, x<y, x == y, x> y);
    } else {
      int64_t x = weir_ref_load_int (a.dtype, a.data, ia);
      int64_t y = weir_ref_load_int (b.dtype, b.data, ib);
      result =
          compare (rule->op, is_less (x, y, rule->is_u64), x == y, is_less (y, x, rule->is_u64));
    }
    ((uint8_t *) dst.data)[dst.offset + i] = result;
  }
}

static void combine_any (const Rule *rule, WeirRefRow a, WeirRefRow b, WeirRefRow dst, int64_t n)
{
  bool is_mixed = weir_dtype_is_floating (a.dtype) || weir_dtype_is_floating (b.dtype);
  for (int64_t i = 0; i < n; i++) {
    int64_t ia = a.offset + i * a.stride, ib = b.offset + i * b.stride, to = dst.offset + i;
    if (is_mixed) /* Pow alone */
      weir_ref_store (dst.dtype, dst.data, to,
          pow (weir_ref_load (a.dtype, a.data, ia), weir_ref_load (b.dtype, b.data, ib)));
    else
      weir_ref_store_int (dst.dtype, dst.data, to,
          combine_integers (rule, weir_ref_load_int (a.dtype, a.data, ia),
              weir_ref_load_int (b.dtype, b.data, ib)));
  }
}

void weir_ref_combine (const WeirNode *node, WeirOp op, const WeirTensor *a, const WeirTensor *b,
    const WeirTensor *dst)
{
  Rule rule = { op, weir_node_int (node, "fmod", 0) != 0,
    strcmp (weir_node_string (node, "direction", ""), "LEFT") == 0, a->dtype == WEIR_DTYPE_U64 };
  bool is_f32 = a->dtype == WEIR_DTYPE_F32 && b->dtype == WEIR_DTYPE_F32;
  uint32_t last = dst->rank ? dst->rank - 1 : 0;
  WeirWalk walk = { .rank = last };
  int64_t n = dst->rank ? dst->dims[last] : 1, at = 0;
  if (weir_ref_n (dst) == 0)
    return;
  memcpy (walk.dims, dst->dims, last * sizeof *walk.dims);
  weir_ref_broadcast_strides (a, dst, walk.stride[0]);
  weir_ref_broadcast_strides (b, dst, walk.stride[1]);
  int64_t step_a = dst->rank ? walk.stride[0][last] : 0,
          step_b = dst->rank ? walk.stride[1][last] : 0;
  do {
    WeirRefRow row_a = { a->dtype, weir_tensor_data (a), walk.offset[0], step_a };
    WeirRefRow row_b = { b->dtype, weir_tensor_data (b), walk.offset[1], step_b };
    WeirRefRow row_dst = { dst->dtype, weir_tensor_data (dst), at, 1 };
    if (is_comparison (op))
      compare_any (&rule, row_a, row_b, row_dst, n);
    else if (is_f32)
      combine_row (op, rule.is_fmod, weir_ref_f32 (a) + walk.offset[0], step_a,
          weir_ref_f32 (b) + walk.offset[1], step_b, weir_ref_dst_f32 (dst) + at, n);
    else
      combine_any (&rule, row_a, row_b, row_dst, n);
    at += n;
  } while (weir_walk_next (&walk));
}

bool weir_ref_binary (const WeirShapeJob *job, void *scratch, GError **error)
{
  weir_ref_combine (job->node, job->node->op, &job->src[0], &job->src[1], &job->dst[0]);
  return true;
}

static void divide_all (const WeirTensor *dst, uint32_t n_src)
{
  union {
    float f32;
    int64_t i64;
  } number = { .i64 = 0 };
  WeirTensor divisor = { .dtype = dst->dtype, .buffer = &number };
  WeirNode node = { .op = WEIR_OP_DIV };
  weir_ref_store (dst->dtype, &number, 0, n_src);
  weir_ref_combine (&node, WEIR_OP_DIV, dst, &divisor, dst);
}

bool weir_ref_variadic (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  uint32_t n_src = job->node->n_src;
  if (n_src == 1)
    return weir_ref_copy (job, scratch, error);
  for (uint32_t i = 1; i < n_src; i++)
    weir_ref_combine (job->node, job->node->op, i == 1 ? &job->src[0] : dst, &job->src[i], dst);
  if (job->node->op == WEIR_OP_MEAN)
    divide_all (dst, n_src);
  return true;
}
