/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions and matrix products of quantised tensors.
 *
 * The operands less their zero points are small integers, which a float holds, and their sums of
 * products integers that a double holds: so the operators of convolution.c and matrix.c compute
 * them exactly, and all rounding is done here, once. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* Room for the sources less their zero points, and for sums. */
size_t weir_ref_quantised_scratch (const WeirShapeJob *job)
{
  size_t n_bytes = 0;
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (job->src[i].dtype != WEIR_DTYPE_NONE)
      n_bytes += ((size_t) weir_ref_n (&job->src[i]) + 2) * sizeof (double);
  for (uint32_t i = 0; i < job->node->n_dst; i++)
    if (job->dst[i].dtype != WEIR_DTYPE_NONE)
      n_bytes += ((size_t) weir_ref_n (&job->dst[i]) + 2) * 2 * sizeof (double);
  return n_bytes + job->node->n_src * sizeof (WeirTensor);
}

/* Numbers that belong to a tensor's elements: offset in `tensor` of the one for a position. */
typedef struct Params {
  const WeirTensor *tensor; /* NULL: none */
  int64_t stride[WEIR_MAX_RANK];
} Params;

static double param_at (const Params *params, int64_t offset)
{
  return params->tensor
             ? weir_ref_load (params->tensor->dtype, weir_tensor_data (params->tensor), offset)
             : 0;
}

static WeirWalk walk_of (const WeirTensor *tensor)
{
  WeirWalk walk = { .rank = tensor->rank };
  memcpy (walk.dims, tensor->dims, tensor->rank * sizeof *tensor->dims);
  return walk;
}

static void set_stride (WeirWalk *walk, int operand, const Params *params)
{
  memcpy (walk->stride[operand], params->stride, walk->rank * sizeof *params->stride);
}

/* One for each index of an axis, or one. */
static Params params_of_axis (const WeirShapeJob *job, uint32_t i, uint32_t axis)
{
  Params params = { weir_job_src (job, i), { 0 } };
  if (params.tensor && weir_ref_n (params.tensor) > 1)
    params.stride[axis] = 1;
  return params;
}

static Params params_of_matrix (
    const WeirShapeJob *job, uint32_t i, const WeirTensor *operand, bool is_per_row)
{
  Params params = { weir_job_src (job, i), { 0 } };
  if (params.tensor)
    weir_matrix_params (params.tensor, operand, is_per_row, params.stride);
  return params;
}

/* The source less its zero points, in f32, in scratch that *room moves on behind. */
static WeirTensor subtract_zero (const WeirTensor *src, const Params *zero, char **room)
{
  WeirTensor dst = *src;
  float *data = (float *) (void *) *room;
  WeirWalk walk = walk_of (src);
  int64_t n = weir_ref_n (src);
  set_stride (&walk, 0, zero);
  for (int64_t i = 0; i < n; i++) {
    data[i] = (float) (weir_ref_load (src->dtype, weir_tensor_data (src), i) -
                       param_at (zero, walk.offset[0]));
    weir_walk_next (&walk);
  }
  dst.dtype = WEIR_DTYPE_F32;
  dst.buffer = data;
  dst.offset_bytes = 0;
  *room += ((size_t) n + 2) / 2 * sizeof (double);
  return dst;
}

/* Sums of products of sources a and b by operator `fn`, as f64 in scratch. */
static bool sum_up (const WeirShapeJob *job, WeirRefFn fn, const WeirTensor *a, const WeirTensor *b,
    char **room, WeirTensor *sums, GError **error)
{
  WeirTensor src[] = { *a, *b, { 0 } };
  WeirShapeJob floating = { job->graph, job->node, src, sums };
  *sums = job->dst[0];
  sums->dtype = WEIR_DTYPE_F64;
  sums->buffer = *room;
  sums->offset_bytes = 0;
  *room += (size_t) weir_ref_n (sums) * sizeof (double);
  return fn (&floating, NULL, error);
}

static bool sum_conv (const WeirShapeJob *job, uint32_t weights, uint32_t zero,
    uint32_t weights_zero, char **room, WeirTensor *sums, GError **error)
{
  Params a_zero = params_of_axis (job, zero, 0), b_zero = params_of_axis (job, weights_zero, 0);
  WeirTensor a = subtract_zero (&job->src[0], &a_zero, room);
  WeirTensor b = subtract_zero (&job->src[weights], &b_zero, room);
  return sum_up (job, weir_ref_conv, &a, &b, room, sums, error);
}

static bool sum_mat_mul (const WeirShapeJob *job, uint32_t right, uint32_t zero,
    uint32_t right_zero, char **room, WeirTensor *sums, GError **error)
{
  Params a_zero = params_of_matrix (job, zero, &job->src[0], true);
  Params b_zero = params_of_matrix (job, right_zero, &job->src[right], false);
  WeirTensor a = subtract_zero (&job->src[0], &a_zero, room);
  WeirTensor b = subtract_zero (&job->src[right], &b_zero, room);
  return sum_up (job, weir_ref_mat_mul, &a, &b, room, sums, error);
}

/* The axis of the right operand's columns; transposed, they are its rows. */
static bool sum_gemm (const WeirShapeJob *job, char **room, WeirTensor *sums, GError **error)
{
  bool is_transposed = weir_node_int (job->node, "transB", 0) != 0;
  Params a_zero = params_of_axis (job, 2, 0), b_zero = params_of_axis (job, 5, !is_transposed);
  WeirTensor a = subtract_zero (&job->src[0], &a_zero, room);
  WeirTensor b = subtract_zero (&job->src[3], &b_zero, room);
  return sum_up (job, weir_ref_gemm, &a, &b, room, sums, error);
}

static const double *sum_data (const WeirTensor *sums)
{
  return weir_tensor_data (sums);
}

static bool store_sums (const WeirShapeJob *job, const WeirTensor *sums)
{
  const WeirTensor *dst = &job->dst[0];
  for (int64_t i = 0; i < weir_ref_n (dst); i++)
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i, sum_data (sums)[i]);
  return true;
}

bool weir_ref_conv_integer (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  return sum_conv (job, 1, 2, 3, &room, &sums, error) && store_sums (job, &sums);
}

bool weir_ref_mat_mul_integer (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  return sum_mat_mul (job, 1, 2, 3, &room, &sums, error) && store_sums (job, &sums);
}

/* What turns a sum into a result: (sum + bias) · scale[0] · scale[1] / result + zero. */
typedef struct Rescale {
  Params scale[2], result, zero;
  Params bias; /* in the sums' units; of i32 */
  double alpha;
} Rescale;

/* In float like the runtimes that models are calibrated with: a sum of more than 24 bits is rounded
 * first. */
static float rescale_one (const Rescale *r, double sum, const int64_t offset[5])
{
  float scale = (float) param_at (&r->scale[0], offset[0]) *
                (float) param_at (&r->scale[1], offset[1]) * (float) r->alpha;
  if (r->result.tensor)
    scale /= (float) param_at (&r->result, offset[2]);
  return (float) (sum + param_at (&r->bias, offset[4])) * scale;
}

static void rescale (const WeirShapeJob *job, const Rescale *r, const WeirTensor *sums)
{
  const WeirTensor *dst = &job->dst[0];
  WeirWalk first = walk_of (dst), second = walk_of (dst);
  set_stride (&first, 0, &r->scale[0]);
  set_stride (&first, 1, &r->scale[1]);
  set_stride (&first, 2, &r->result);
  set_stride (&second, 0, &r->zero);
  set_stride (&second, 1, &r->bias);
  for (int64_t i = 0; i < weir_ref_n (dst); i++) {
    int64_t offset[] = { first.offset[0], first.offset[1], first.offset[2], second.offset[0],
      second.offset[1] };
    float value = rescale_one (r, sum_data (sums)[i], offset);
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i,
        r->result.tensor ? rint ((double) value) + param_at (&r->zero, offset[3]) : (double) value);
    weir_walk_next (&first);
    weir_walk_next (&second);
  }
}

bool weir_ref_q_linear_conv (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  Rescale r = { .scale = { params_of_axis (job, 1, 0), params_of_axis (job, 4, 1) },
    .result = params_of_axis (job, 6, 0),
    .zero = params_of_axis (job, 7, 0),
    .bias = params_of_axis (job, 8, 1),
    .alpha = 1 };
  if (!sum_conv (job, 3, 2, 5, &room, &sums, error))
    return false;
  rescale (job, &r, &sums);
  return true;
}

/* Scales of operand dims as scales of the result's: the inner dimension, along which they do not
 * change, becomes one that they do not know. */
static Params params_of_result (const WeirShapeJob *job, uint32_t i, uint32_t operand, bool is_row)
{
  const WeirTensor *dst = &job->dst[0];
  Params own = params_of_matrix (job, i, &job->src[operand], is_row),
         params = { own.tensor, { 0 } };
  uint32_t rank = job->src[operand].rank;
  for (uint32_t k = 0; k < rank && k < dst->rank; k++)
    params.stride[dst->rank - 1 - k] = own.stride[rank - 1 - k];
  return params;
}

bool weir_ref_q_linear_mat_mul (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  Rescale r = { .scale = { params_of_result (job, 1, 0, true),
                    params_of_result (job, 4, 3, false) },
    .result = params_of_matrix (job, 6, &job->dst[0], true),
    .zero = params_of_matrix (job, 7, &job->dst[0], true),
    .alpha = 1 };
  if (!sum_mat_mul (job, 3, 2, 5, &room, &sums, error))
    return false;
  rescale (job, &r, &sums);
  return true;
}

bool weir_ref_q_gemm (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  WeirNode node = *job->node;
  Rescale r = { .scale = { params_of_axis (job, 1, 0), params_of_axis (job, 4, 1) },
    .result = params_of_axis (job, 7, 0),
    .zero = params_of_axis (job, 8, 0),
    .bias = { weir_job_src (job, 6), { 0 } },
    .alpha = (double) weir_node_float (job->node, "alpha", 1) };
  WeirShapeJob plain = *job; /* alpha belongs to the scale */
  g_autofree WeirAttr *attrs = g_memdup2 (node.attrs, node.n_attrs * sizeof *attrs);
  for (uint32_t i = 0; i < node.n_attrs; i++)
    if (strcmp (attrs[i].name, "alpha") == 0)
      attrs[i].f = 1;
  node.attrs = attrs;
  plain.node = &node;
  if (r.bias.tensor)
    weir_ref_broadcast_strides (r.bias.tensor, &job->dst[0], r.bias.stride);
  if (!sum_gemm (&plain, &room, &sums, error))
    return false;
  rescale (job, &r, &sums);
  return true;
}

/* --- the internal operators --- */

/* Added inputs as f32: those of 8 bits less their zero point, times their scale. */
static void widen_added (const WeirShapeJob *job, WeirTensor *src, char **room)
{
  for (uint32_t k = 0; k < job->node->n_post; k++) {
    uint32_t i = job->node->post[k].src;
    if (i == WEIR_NONE || job->src[i].dtype == WEIR_DTYPE_F32)
      continue;
    Params zero = params_of_axis (job, i + 2, 0);
    float scale = *weir_ref_f32 (&job->src[i + 1]);
    src[i] = subtract_zero (&job->src[i], &zero, room);
    for (int64_t n = 0; n < weir_ref_n (&src[i]); n++)
      weir_ref_dst_f32 (&src[i])[n] *= scale;
  }
}

/* Sums to f32, with bias and post-ops, and from there to the result's type. `axis`: of channels. */
static void finish (const WeirShapeJob *job, const WeirTensor *sums, uint32_t axis, char *room)
{
  const WeirTensor *dst = &job->dst[0], *scale = weir_job_src (job, 6);
  Rescale r = { .scale = { params_of_axis (job, 1, 0), params_of_axis (job, 4, axis) },
    .alpha = 1 };
  Params bias = params_of_axis (job, 8, axis), zero = params_of_axis (job, 7, 0);
  WeirTensor *src = (WeirTensor *) (void *) room, real = *dst;
  size_t n_src_bytes = job->node->n_src * sizeof *src;
  memcpy (src, job->src, n_src_bytes);
  room += n_src_bytes;
  real.dtype = WEIR_DTYPE_F32;
  real.buffer = dst->dtype == WEIR_DTYPE_F32 ? dst->buffer : room;
  real.offset_bytes = dst->dtype == WEIR_DTYPE_F32 ? dst->offset_bytes : 0;
  room += ((size_t) weir_ref_n (dst) + 2) / 2 * sizeof (double);
  WeirShapeJob floating = { job->graph, job->node, src, &real };
  rescale (&floating, &r, sums);
  WeirWalk walk = walk_of (dst);
  set_stride (&walk, 0, &bias);
  for (int64_t i = 0; bias.tensor && i < weir_ref_n (dst); i++, weir_walk_next (&walk))
    weir_ref_dst_f32 (&real)[i] += (float) param_at (&bias, walk.offset[0]);
  widen_added (job, src, &room);
  weir_ref_apply_post (&floating);
  for (int64_t i = 0; scale && i < weir_ref_n (dst); i++)
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i,
        rint ((double) (weir_ref_f32 (&real)[i] / *weir_ref_f32 (scale))) + param_at (&zero, 0));
}

bool weir_ref_quantised_conv (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  if (!sum_conv (job, 3, 2, 5, &room, &sums, error))
    return false;
  finish (job, &sums, 1, room);
  return true;
}

bool weir_ref_quantised_mat_mul (const WeirShapeJob *job, void *scratch, GError **error)
{
  char *room = scratch;
  WeirTensor sums;
  bool is_gemm = weir_node_int (job->node, "transA", 0) || weir_node_int (job->node, "transB", 0);
  if (is_gemm ? !sum_gemm (job, &room, &sums, error)
              : !sum_mat_mul (job, 3, 2, 5, &room, &sums, error))
    return false;
  finish (job, &sums, job->dst[0].rank ? job->dst[0].rank - 1 : 0, room);
  return true;
}
