/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators on quantised tensors: those of the same operators on floating tensors, with
 * scales and zero points that fit. */
#include "engine/graph/geometry.h"

#include <string.h>

static bool is_8_bit (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
}

static bool is_one (const WeirTensor *tensor)
{
  int64_t n;
  return weir_tensor_n_elements (tensor, &n) && n == 1;
}

static bool param_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (&job->src[i]);
  return weir_job_fail ("input %u is %s, expected %s", i, shape, expected);
}

/* src[at] is of 8 bits, src[zero], where given, one zero point of the same type. */
static bool check_zero (const WeirShapeJob *job, uint32_t at, uint32_t zero, GError **error)
{
  const WeirTensor *tensor = weir_job_src (job, at), *point = weir_job_src (job, zero);
  if (!tensor || !is_8_bit (tensor->dtype)) {
    return weir_job_refuse ("input %u is %s, expected u8 or i8", at,
        weir_dtype_name (tensor ? tensor->dtype : WEIR_DTYPE_NONE));
  }
  return !point || point->dtype == tensor->dtype ||
         param_error (job, zero, "a zero point of the tensor's type", error);
}

static bool check_scale (const WeirShapeJob *job, uint32_t scale, GError **error)
{
  const WeirTensor *tensor = weir_job_src (job, scale);
  return (tensor && weir_dtype_is_floating (tensor->dtype)) ||
         param_error (job, scale, "a floating scale", error);
}

/* One scale, and one zero point or none, for all of src[at]. */
static bool check_whole (
    const WeirShapeJob *job, uint32_t at, uint32_t scale, uint32_t zero, GError **error)
{
  const WeirTensor *point = weir_job_src (job, zero);
  if (!check_zero (job, at, zero, error) || !check_scale (job, scale, error))
    return false;
  if (!is_one (&job->src[scale]) || (point && !is_one (point)))
    return param_error (job, is_one (&job->src[scale]) ? zero : scale, "one number", error);
  return true;
}

/* One number, or a vector of n. */
static bool is_number_or_vector (const WeirTensor *tensor, int64_t n)
{
  return is_one (tensor) || (tensor->rank == 1 && tensor->dims[0] == n);
}

static bool check_vector (const WeirShapeJob *job, uint32_t i, int64_t n, GError **error)
{
  return !weir_job_src (job, i) || is_number_or_vector (&job->src[i], n) ||
         param_error (job, i, "one number or one for each output channel", error);
}

/* The result's scale and zero point: dst is of the zero point's type; u8 without one. */
static bool set_result (const WeirShapeJob *job, uint32_t scale, uint32_t zero, GError **error)
{
  const WeirTensor *point = weir_job_src (job, zero);
  if (!check_scale (job, scale, error))
    return false;
  if (point && !is_8_bit (point->dtype))
    return weir_job_refuse (
        "zero point of the result is %s, expected u8 or i8", weir_dtype_name (point->dtype));
  job->dst[0].dtype = point ? point->dtype : WEIR_DTYPE_U8;
  return true;
}

/* One scale and one zero point for the result. */
static bool set_whole_result (
    const WeirShapeJob *job, uint32_t scale, uint32_t zero, GError **error)
{
  const WeirTensor *point = weir_job_src (job, zero);
  if (!set_result (job, scale, zero, error))
    return false;
  return (is_one (&job->src[scale]) && (!point || is_one (point))) ||
         param_error (job, is_one (&job->src[scale]) ? zero : scale, "one number", error);
}

/* The source as a floating tensor of the same shape. */
static WeirTensor as_float (const WeirShapeJob *job, uint32_t i)
{
  WeirTensor tensor = { 0 };
  if (!weir_job_src (job, i))
    return tensor;
  tensor = job->src[i];
  tensor.dtype = WEIR_DTYPE_F32;
  tensor.buffer = NULL;
  return tensor;
}

/* The shape that operator `fn` gives for floating sources a, b and c. */
static bool shape_as (
    const WeirShapeJob *job, WeirShapeFn fn, uint32_t a, uint32_t b, uint32_t c, GError **error)
{
  WeirTensor src[] = { as_float (job, a), as_float (job, b), as_float (job, c) };
  WeirNode node = *job->node;
  node.n_src = G_N_ELEMENTS (src);
  WeirShapeJob floating = { .graph = job->graph, .node = &node, .src = src, .dst = job->dst };
  return fn (&floating, error);
}

/* --- convolutions --- */

bool weir_shape_conv_integer (const WeirShapeJob *job, GError **error)
{
  if (!check_zero (job, 0, 2, error) || !check_zero (job, 1, 3, error) ||
      !shape_as (job, weir_shape_conv, 0, 1, WEIR_NONE, error))
    return false;
  job->dst[0].dtype = WEIR_DTYPE_I32;
  const WeirTensor *zero = weir_job_src (job, 2);
  return (!zero || is_one (zero) || param_error (job, 2, "one number", error)) &&
         check_vector (job, 3, job->src[1].dims[0], error);
}

/* x, its scale and zero point, weights, theirs. */
static bool check_conv (const WeirShapeJob *job, GError **error)
{
  return check_whole (job, 0, 1, 2, error) && check_zero (job, 3, 5, error) &&
         check_scale (job, 4, error) && shape_as (job, weir_shape_conv, 0, 3, 8, error) &&
         check_vector (job, 4, job->src[3].dims[0], error) &&
         check_vector (job, 5, job->src[3].dims[0], error);
}

static bool check_bias (const WeirShapeJob *job, uint32_t i, WeirDtype dtype, GError **error)
{
  const WeirTensor *bias = weir_job_src (job, i);
  return !bias || bias->dtype == dtype ||
         param_error (job, i, dtype == WEIR_DTYPE_I32 ? "a bias of i32" : "a bias of f32", error);
}

bool weir_shape_q_linear_conv (const WeirShapeJob *job, GError **error)
{
  return check_conv (job, error) && check_bias (job, 8, WEIR_DTYPE_I32, error) &&
         set_whole_result (job, 6, 7, error);
}

bool weir_shape_quantised_conv (const WeirShapeJob *job, GError **error)
{
  return check_conv (job, error) && check_bias (job, 8, WEIR_DTYPE_F32, error) &&
         (!weir_job_src (job, 6) || set_whole_result (job, 6, 7, error));
}

/* --- matrices --- */

bool weir_matrix_params (const WeirTensor *param, const WeirTensor *operand, bool is_per_row,
    int64_t stride[WEIR_MAX_RANK])
{
  uint32_t rank = operand->rank, unused = is_per_row ? rank - 1 : rank - 2;
  uint32_t axis = is_per_row ? rank - 2 : rank - 1;
  int64_t n = 1;
  memset (stride, 0, WEIR_MAX_RANK * sizeof *stride);
  if (is_one (param))
    return true;
  if (param->rank == 1) {
    stride[axis < rank ? axis : 0] = 1;
    return axis < rank && param->dims[0] == operand->dims[axis];
  }
  if (param->rank != rank || rank < 2 || param->dims[unused] != 1)
    return false;
  for (uint32_t i = rank; i-- > 0;) {
    if (param->dims[i] != 1 && param->dims[i] != operand->dims[i])
      return false;
    stride[i] = param->dims[i] == 1 ? 0 : n;
    n *= param->dims[i];
  }
  return true;
}

static bool check_params (
    const WeirShapeJob *job, uint32_t i, const WeirTensor *operand, bool is_per_row, GError **error)
{
  int64_t stride[WEIR_MAX_RANK];
  const WeirTensor *param = weir_job_src (job, i);
  if (!param || weir_matrix_params (param, operand, is_per_row, stride))
    return true;
  return param_error (job, i,
      is_per_row ? "one number or one for each row" : "one number or one for each column", error);
}

bool weir_shape_mat_mul_integer (const WeirShapeJob *job, GError **error)
{
  if (!check_zero (job, 0, 2, error) || !check_zero (job, 1, 3, error) ||
      !shape_as (job, weir_shape_mat_mul, 0, 1, WEIR_NONE, error))
    return false;
  job->dst[0].dtype = WEIR_DTYPE_I32;
  return check_params (job, 2, &job->src[0], true, error) &&
         check_params (job, 3, &job->src[1], false, error);
}

/* Operands 0 and 3 with the scales and zero points behind them. */
static bool check_operands (const WeirShapeJob *job, GError **error)
{
  return check_zero (job, 0, 2, error) && check_zero (job, 3, 5, error) &&
         check_scale (job, 1, error) && check_scale (job, 4, error) &&
         check_params (job, 1, &job->src[0], true, error) &&
         check_params (job, 2, &job->src[0], true, error) &&
         check_params (job, 4, &job->src[3], false, error) &&
         check_params (job, 5, &job->src[3], false, error);
}

bool weir_shape_q_linear_mat_mul (const WeirShapeJob *job, GError **error)
{
  return shape_as (job, weir_shape_mat_mul, 0, 3, WEIR_NONE, error) &&
         check_operands (job, error) && set_result (job, 6, 7, error) &&
         check_params (job, 6, &job->dst[0], true, error) &&
         check_params (job, 7, &job->dst[0], true, error);
}

/* Operands of one number each, the right one with one for each of its columns. */
static bool check_gemm (const WeirShapeJob *job, GError **error)
{
  return check_whole (job, 0, 1, 2, error) && check_zero (job, 3, 5, error) &&
         check_scale (job, 4, error) && check_vector (job, 4, job->dst[0].dims[1], error) &&
         check_vector (job, 5, job->dst[0].dims[1], error);
}

bool weir_shape_q_gemm (const WeirShapeJob *job, GError **error)
{
  return shape_as (job, weir_shape_gemm, 0, 3, 6, error) && check_gemm (job, error) &&
         check_bias (job, 6, WEIR_DTYPE_I32, error) &&
         (!weir_job_src (job, 7) || set_whole_result (job, 7, 8, error));
}

bool weir_shape_quantised_mat_mul (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *bias = weir_job_src (job, 8), *dst = &job->dst[0];
  bool is_gemm = weir_node_int (job->node, "transA", 0) || weir_node_int (job->node, "transB", 0);
  if (!shape_as (job, is_gemm ? weir_shape_gemm : weir_shape_mat_mul, 0, 3, WEIR_NONE, error) ||
      !check_whole (job, 0, 1, 2, error) || !check_zero (job, 3, 5, error) ||
      !check_scale (job, 4, error))
    return false;
  int64_t n = dst->rank ? dst->dims[dst->rank - 1] : 1;
  return check_vector (job, 4, n, error) && check_vector (job, 5, n, error) &&
         check_bias (job, 8, WEIR_DTYPE_F32, error) &&
         (!bias || is_number_or_vector (bias, n) || param_error (job, 8, "a row", error)) &&
         (!weir_job_src (job, 6) || set_whole_result (job, 6, 7, error));
}

/* --- the rest --- */

bool weir_shape_q_linear_binary (const WeirShapeJob *job, GError **error)
{
  return check_whole (job, 0, 1, 2, error) && check_whole (job, 3, 4, 5, error) &&
         shape_as (job, weir_shape_binary, 0, 3, WEIR_NONE, error) &&
         set_whole_result (job, 6, 7, error);
}

/* To and from the order of dims that all other operators have, where channels stand last. */
static void rotate (WeirTensor *tensor, bool to_first)
{
  uint32_t last = tensor->rank - 1, from = to_first ? last : 1, to = to_first ? 1 : last;
  int64_t n_channels = tensor->dims[from];
  memmove (tensor->dims + (to_first ? 2 : 1), tensor->dims + (to_first ? 1 : 2),
      (last - 1) * sizeof *tensor->dims);
  tensor->dims[to] = n_channels;
}

bool weir_shape_q_linear_pool (const WeirShapeJob *job, GError **error)
{
  bool is_global = job->node->op == WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL;
  bool is_last = weir_node_int (job->node, "channels_last", 0) != 0;
  WeirTensor src = as_float (job, 0);
  WeirShapeJob floating = { .graph = job->graph, .node = job->node, .src = &src, .dst = job->dst };
  if (!check_whole (job, 0, 1, 2, error))
    return false;
  is_last = is_last && src.rank >= 3;
  if (is_last)
    rotate (&src, true);
  if (!(is_global ? weir_shape_global_pool : weir_shape_pool) (&floating, error))
    return false;
  if (is_last)
    rotate (&job->dst[0], false);
  return set_whole_result (job, 3, 4, error);
}

bool weir_shape_q_linear_concat (const WeirShapeJob *job, GError **error)
{
  uint32_t n = (job->node->n_src - 2 + 2) / 3; /* a last zero point may be left out */
  g_autofree WeirTensor *src = g_new0 (WeirTensor, (size_t) n + 1);
  WeirNode node = *job->node;
  for (uint32_t i = 0; i < n; i++) {
    if (!check_whole (job, 2 + 3 * i, 3 + 3 * i, 4 + 3 * i, error))
      return false;
    src[i] = as_float (job, 2 + 3 * i);
  }
  node.n_src = n;
  WeirShapeJob floating = { .graph = job->graph, .node = &node, .src = src, .dst = job->dst };
  return weir_shape_concat (&floating, error) && set_whole_result (job, 0, 1, error);
}

bool weir_shape_q_linear_unary (const WeirShapeJob *job, GError **error)
{
  if (!check_whole (job, 0, 1, 2, error))
    return false;
  job->dst[0] = as_float (job, 0);
  return set_whole_result (job, 3, 4, error);
}

bool weir_shape_lookup (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *table = &job->src[1];
  bool is_whole = table->rank == 1 && table->dims[0] == 256;
  bool is_by_channel =
      table->rank == 2 && table->dims[1] == 256 && src->rank >= 2 && table->dims[0] == src->dims[1];
  if (!is_8_bit (src->dtype) || !is_8_bit (table->dtype) || !(is_whole || is_by_channel))
    return param_error (job, 1, "256 entries of 8 bits, for all or for each channel", error);
  job->dst[0] = as_float (job, 0);
  job->dst[0].dtype = table->dtype;
  return true;
}
