/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic of OpenVINO IR that ONNX writes otherwise. */
#include "engine/formats/ir_private.h"

#include <math.h>

static bool is_integer (const WeirIrJob *job, uint32_t i)
{
  WeirDtype dtype = weir_ir_info (job, weir_ir_src (job, i)).dtype;
  return dtype != WEIR_DTYPE_F32 && dtype != WEIR_DTYPE_NONE && dtype != WEIR_DTYPE_BOOL;
}

/* Broadcasting is NumPy's, or there is none to do. */
static bool check_broadcast (WeirIrJob *job)
{
  WeirIrInfo a = weir_ir_info (job, weir_ir_src (job, 0));
  WeirIrInfo b = weir_ir_info (job, weir_ir_src (job, 1));
  return !weir_ir_is (job, "auto_broadcast", "numpy", "pdpd") ||
         (a.has_rank && b.has_rank && (a.rank == b.rank || b.rank == 0)) ||
         ir_refuse (job, "auto_broadcast 'pdpd' is not supported, expected numpy or none");
}

bool weir_ir_convert_binary (WeirIrJob *job)
{
  return weir_ir_need (job, 2) && check_broadcast (job) &&
         weir_ir_emit (job, job->row->op, job->row->opset, job->src, 2, NULL, 0);
}

/* Whole numbers are divided as Python does, to the lower one; (a - a mod b) / b is exact. */
bool weir_ir_convert_divide (WeirIrJob *job)
{
  bool is_python;
  if (!weir_ir_need (job, 2) || !weir_ir_bool (job, "m_pythondiv", true, &is_python) ||
      !check_broadcast (job))
    return false;
  uint32_t src[] = { job->src[0], job->src[1] };
  if (is_python && is_integer (job, 0))
    src[0] = weir_ir_binary (
        job, WEIR_OP_SUB, src[0], weir_ir_binary (job, WEIR_OP_MOD, src[0], src[1]));
  return weir_ir_emit (job, WEIR_OP_DIV, 14, src, 2, NULL, 0);
}

/* The remainder of the dividend's sign. */
bool weir_ir_convert_mod (WeirIrJob *job)
{
  WeirAttr fmod = weir_ir_attr_int ("fmod", 1);
  return weir_ir_need (job, 2) && check_broadcast (job) &&
         weir_ir_emit (job, WEIR_OP_MOD, 13, job->src, 2, &fmod, 1);
}

/* The remainder of the divisor's sign: of floating numbers a - b · floor (a / b). */
bool weir_ir_convert_floor_mod (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2) || !check_broadcast (job))
    return false;
  uint32_t a = job->src[0], b = job->src[1];
  if (is_integer (job, 0))
    return weir_ir_emit (job, WEIR_OP_MOD, 13, job->src, 2, NULL, 0);
  uint32_t quotient = weir_ir_unary (job, WEIR_OP_FLOOR, weir_ir_binary (job, WEIR_OP_DIV, a, b));
  const uint32_t src[] = { a, weir_ir_binary (job, WEIR_OP_MUL, b, quotient) };
  return weir_ir_emit (job, WEIR_OP_SUB, 14, src, 2, NULL, 0);
}

bool weir_ir_convert_not_equal (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2) || !check_broadcast (job))
    return false;
  uint32_t equal = weir_ir_binary (job, WEIR_OP_EQUAL, job->src[0], job->src[1]);
  return weir_ir_emit (job, WEIR_OP_NOT, 13, &equal, 1, NULL, 0);
}

bool weir_ir_convert_squared_difference (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2) || !check_broadcast (job))
    return false;
  uint32_t difference = weir_ir_binary (job, WEIR_OP_SUB, job->src[0], job->src[1]);
  const uint32_t src[] = { difference, difference };
  return weir_ir_emit (job, WEIR_OP_MUL, 14, src, 2, NULL, 0);
}

/* Of whole numbers: those between the bounds, and of unsigned ones not below 0. */
static bool clamp_integers (WeirIrJob *job, WeirDtype dtype, float least, float most)
{
  bool is_unsigned = dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_U16 || dtype == WEIR_DTYPE_U32 ||
                     dtype == WEIR_DTYPE_U64;
  double bits = 8.0 * (double) weir_dtype_bytes (dtype) - (is_unsigned ? 0 : 1);
  double limit = exp2 (MIN (bits, 62));
  double low = CLAMP (ceil ((double) least), is_unsigned ? 0 : -limit, limit - 1);
  double high = CLAMP (floor ((double) most), is_unsigned ? 0 : -limit, limit - 1);
  const uint32_t src[] = { job->src[0], weir_ir_add_scalar (job, dtype, low),
    weir_ir_add_scalar (job, dtype, high) };
  return weir_ir_emit (job, WEIR_OP_CLIP, 12, src, 3, NULL, 0);
}

bool weir_ir_convert_clamp (WeirIrJob *job)
{
  float least, most;
  if (!weir_ir_need (job, 1) || !weir_ir_float (job, "min", -INFINITY, &least) ||
      !weir_ir_float (job, "max", INFINITY, &most))
    return false;
  if (isnan (least) || isnan (most))
    return ir_malformed (job, "a bound is not a number");
  if (is_integer (job, 0))
    return clamp_integers (job, weir_ir_info (job, job->src[0]).dtype, least, most);
  const uint32_t src[] = { job->src[0], weir_ir_add_float (job, least),
    weir_ir_add_float (job, most) };
  return weir_ir_emit (job, WEIR_OP_CLIP, 13, src, 3, NULL, 0);
}

/* max (0, min (1, alpha x + beta)), alpha and beta being inputs. */
bool weir_ir_convert_hard_sigmoid (WeirIrJob *job)
{
  float alpha, beta;
  if (!weir_ir_need (job, 3))
    return false;
  if (weir_ir_known_float (job, 1, &alpha) && weir_ir_known_float (job, 2, &beta)) {
    const WeirAttr attrs[] = { weir_ir_attr_float ("alpha", alpha),
      weir_ir_attr_float ("beta", beta) };
    return weir_ir_emit (job, WEIR_OP_HARD_SIGMOID, 6, job->src, 1, attrs, 2);
  }
  uint32_t scaled = weir_ir_binary (job, WEIR_OP_MUL, job->src[0], job->src[1]);
  const uint32_t src[] = { weir_ir_binary (job, WEIR_OP_ADD, scaled, job->src[2]),
    weir_ir_add_float (job, 0), weir_ir_add_float (job, 1) };
  return weir_ir_emit (job, WEIR_OP_CLIP, 13, src, 3, NULL, 0);
}

/* min (max (x + 3, 0), 6) / 6 */
bool weir_ir_convert_h_sigmoid (WeirIrJob *job)
{
  const WeirAttr attrs[] = { weir_ir_attr_float ("alpha", 1.0f / 6),
    weir_ir_attr_float ("beta", 0.5f) };
  return weir_ir_need (job, 1) &&
         weir_ir_emit (job, WEIR_OP_HARD_SIGMOID, 6, job->src, 1, attrs, 2);
}

/* x · sigmoid (beta x), beta being an input. */
bool weir_ir_convert_swish (WeirIrJob *job)
{
  float beta = 1;
  if (!weir_ir_need (job, 1))
    return false;
  if (weir_ir_src (job, 1) == WEIR_NONE || weir_ir_known_float (job, 1, &beta)) {
    WeirAttr alpha = weir_ir_attr_float ("alpha", beta);
    return weir_ir_emit (job, WEIR_OP_SWISH, 24, job->src, 1, &alpha, 1);
  }
  uint32_t scaled = weir_ir_binary (job, WEIR_OP_MUL, job->src[0], job->src[1]);
  const uint32_t src[] = { job->src[0], weir_ir_unary (job, WEIR_OP_SIGMOID, scaled) };
  return weir_ir_emit (job, WEIR_OP_MUL, 14, src, 2, NULL, 0);
}

bool weir_ir_convert_gelu (WeirIrJob *job)
{
  bool is_tanh = weir_ir_is (job, "approximation_mode", "erf", "tanh");
  WeirAttr mode = weir_ir_attr_text ("approximate", is_tanh ? "tanh" : "none");
  return weir_ir_need (job, 1) && weir_ir_emit (job, WEIR_OP_GELU, 20, job->src, 1, &mode, 1);
}

bool weir_ir_convert_selu (WeirIrJob *job)
{
  float alpha, lambda;
  if (!weir_ir_need (job, 3))
    return false;
  if (!weir_ir_known_float (job, 1, &alpha) || !weir_ir_known_float (job, 2, &lambda))
    return ir_refuse (job, "alpha and lambda are not constants, which is all that is supported");
  const WeirAttr attrs[] = { weir_ir_attr_float ("alpha", alpha),
    weir_ir_attr_float ("gamma", lambda) };
  return weir_ir_emit (job, WEIR_OP_SELU, 6, job->src, 1, attrs, 2);
}

/* A list of slopes is one per channel; other shapes broadcast. */
bool weir_ir_convert_prelu (WeirIrJob *job)
{
  uint32_t rank;
  int64_t dims[WEIR_MAX_RANK];
  if (!weir_ir_need (job, 2) || !weir_ir_rank (job, 0, &rank))
    return false;
  uint32_t src[] = { job->src[0], job->src[1] };
  WeirIrInfo slope = weir_ir_info (job, src[1]);
  if (slope.has_rank && slope.rank == 1 && rank > 2) {
    for (uint32_t i = 0; i + 1 < rank; i++)
      dims[i] = i ? 1 : -1;
    if (slope.dims[0] >= 0)
      dims[0] = slope.dims[0];
    src[1] = weir_ir_reshape (job, src[1], dims, rank - 1);
  }
  return weir_ir_emit (job, WEIR_OP_PRELU, 9, src, 2, NULL, 0);
}

/* Halves away from zero: floor |x| plus 1 where the rest is a half or more. */
bool weir_ir_convert_round (WeirIrJob *job)
{
  if (!weir_ir_need (job, 1))
    return false;
  if (weir_ir_is (job, "mode", "half_to_even", "half_to_even"))
    return weir_ir_emit (job, WEIR_OP_ROUND, 11, job->src, 1, NULL, 0);
  uint32_t size = weir_ir_unary (job, WEIR_OP_ABS, job->src[0]);
  uint32_t whole = weir_ir_unary (job, WEIR_OP_FLOOR, size);
  uint32_t rest = weir_ir_binary (job, WEIR_OP_SUB, size, whole);
  uint32_t is_up =
      weir_ir_binary (job, WEIR_OP_GREATER_OR_EQUAL, rest, weir_ir_add_float (job, 0.5f));
  uint32_t up = weir_ir_cast (job, is_up, WEIR_DTYPE_F32);
  const uint32_t src[] = { weir_ir_unary (job, WEIR_OP_SIGN, job->src[0]),
    weir_ir_binary (job, WEIR_OP_ADD, whole, up) };
  return weir_ir_emit (job, WEIR_OP_MUL, 14, src, 2, NULL, 0);
}

bool weir_ir_convert_select (WeirIrJob *job)
{
  return weir_ir_need (job, 3) &&
         (!weir_ir_is (job, "auto_broadcast", "numpy", "pdpd") ||
             ir_refuse (job, "auto_broadcast 'pdpd' is not supported, expected numpy or none")) &&
         weir_ir_emit (job, WEIR_OP_WHERE, 16, job->src, 3, NULL, 0);
}

/* Every floating type is f32 here, so many conversions change nothing. */
static bool convert_to (WeirIrJob *job, WeirDtype dtype)
{
  uint32_t src = job->src[0];
  WeirIrInfo info = weir_ir_info (job, src);
  int64_t values[WEIR_MAX_RANK];
  uint32_t n;
  WeirAttr to = weir_ir_attr_int ("to", weir_ir_onnx_type (dtype));
  if (info.dtype == dtype) {
    weir_ir_alias (job, 0, src);
    return true;
  }
  /* lists of axes and the like are to be seen as constants */
  if ((dtype == WEIR_DTYPE_I64 || dtype == WEIR_DTYPE_I32) &&
      weir_ir_known_ints (job, 0, values, &n)) {
    weir_ir_alias (job, 0, weir_ir_add_list (job, dtype, values, n, info.rank));
    return true;
  }
  return weir_ir_emit (job, WEIR_OP_CAST, 13, &src, 1, &to, 1);
}

bool weir_ir_convert_convert (WeirIrJob *job)
{
  const char *type = weir_ir_string (job, "destination_type", "none");
  WeirDtype dtype = weir_ir_widened_dtype (type);
  if (dtype == WEIR_DTYPE_NONE)
    return ir_refuse (job, "element type '%s' is not supported", type);
  return weir_ir_need (job, 1) && convert_to (job, dtype);
}

bool weir_ir_convert_convert_like (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2))
    return false;
  WeirDtype dtype = weir_ir_info (job, job->src[1]).dtype;
  if (dtype == WEIR_DTYPE_NONE)
    return ir_refuse (job, "the element type to convert to is not known");
  return convert_to (job, dtype);
}

bool weir_ir_convert_is_finite (WeirIrJob *job)
{
  if (!weir_ir_need (job, 1))
    return false;
  uint32_t is_bad =
      weir_ir_binary (job, WEIR_OP_OR, weir_ir_unary (job, WEIR_OP_IS_INF, job->src[0]),
          weir_ir_unary (job, WEIR_OP_IS_NAN, job->src[0]));
  return weir_ir_emit (job, WEIR_OP_NOT, 13, &is_bad, 1, NULL, 0);
}

/* A transposed operand has its last two axes exchanged; a vector has only one. */
static bool transpose_operand (WeirIrJob *job, uint32_t i, bool is_transposed, uint32_t *value)
{
  int64_t perm[WEIR_MAX_RANK];
  uint32_t rank;
  *value = job->src[i];
  if (!is_transposed)
    return true;
  if (!weir_ir_rank (job, i, &rank))
    return false;
  if (rank < 2)
    return true;
  for (uint32_t k = 0; k < rank; k++)
    perm[k] = k;
  perm[rank - 1] = rank - 2;
  perm[rank - 2] = rank - 1;
  *value = weir_ir_transpose (job, *value, perm, rank);
  return true;
}

bool weir_ir_convert_mat_mul (WeirIrJob *job)
{
  bool trans_a, trans_b;
  uint32_t src[2];
  if (!weir_ir_need (job, 2) || !weir_ir_bool (job, "transpose_a", false, &trans_a) ||
      !weir_ir_bool (job, "transpose_b", false, &trans_b))
    return false;
  WeirIrInfo a = weir_ir_info (job, job->src[0]), b = weir_ir_info (job, job->src[1]);
  if (a.has_rank && b.has_rank && a.rank == 2 && b.rank == 2 && a.dtype == WEIR_DTYPE_F32) {
    const WeirAttr attrs[] = { weir_ir_attr_int ("transA", trans_a),
      weir_ir_attr_int ("transB", trans_b) };
    return weir_ir_emit (job, WEIR_OP_GEMM, 13, job->src, 2, attrs, 2);
  }
  return transpose_operand (job, 0, trans_a, &src[0]) &&
         transpose_operand (job, 1, trans_b, &src[1]) &&
         weir_ir_emit (job, WEIR_OP_MAT_MUL, 13, src, 2, NULL, 0);
}
