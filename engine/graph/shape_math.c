/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of element-wise operators, casts, matrix products, reductions and normalisations. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

/* Operators that ONNX defines for integers as well. */
static bool takes_integers (WeirOp op)
{
  return op == WEIR_OP_ABS || op == WEIR_OP_CLIP || op == WEIR_OP_NEG || op == WEIR_OP_RELU ||
         op == WEIR_OP_SHRINK || op == WEIR_OP_SIGN;
}

bool weir_shape_unary (const WeirShapeJob *job, GError **error)
{
  WeirDtype dtype = job->src[0].dtype;
  if (dtype == WEIR_DTYPE_BOOL ||
      (!weir_dtype_is_floating (dtype) && !takes_integers (job->node->op)))
    return weir_job_fail ("input is %s, expected a %s type", weir_dtype_name (dtype),
        takes_integers (job->node->op) ? "numeric" : "floating");
  for (uint32_t i = 1; job->node->op == WEIR_OP_CLIP && i < 3; i++) {
    const WeirTensor *bound = weir_job_src (job, i);
    int64_t n_elements;
    if (bound && (!weir_tensor_n_elements (bound, &n_elements) || n_elements != 1 ||
                     bound->dtype != dtype)) {
      g_autofree char *shape = weir_tensor_describe (bound);
      return weir_job_fail ("input %u is %s, expected one %s", i, shape, weir_dtype_name (dtype));
    }
  }
  weir_copy_shape (&job->dst[0], &job->src[0]);
  return true;
}

static bool pair_error (const WeirShapeJob *job, const char *expected, GError **error)
{
  g_autofree char *a = weir_tensor_describe (&job->src[0]);
  g_autofree char *b = weir_tensor_describe (&job->src[1]);
  return weir_job_fail ("inputs are %s and %s, expected %s", a, b, expected);
}

bool weir_shape_binary (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[1];
  if (a->dtype == WEIR_DTYPE_BOOL || b->dtype == WEIR_DTYPE_BOOL ||
      (a->dtype != b->dtype && job->node->op != WEIR_OP_POW))
    return pair_error (job, "one numeric type", error);
  if (!weir_shape_broadcast (a, b, &job->dst[0]))
    return pair_error (job, "shapes that broadcast", error);
  job->dst[0].dtype = a->dtype;
  return true;
}

bool weir_shape_prelu (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *slope = &job->src[1];
  if (!weir_shape_broadcast (src, slope, &job->dst[0]) ||
      !weir_tensor_same_shape (src, &job->dst[0]) || src->dtype != slope->dtype ||
      src->dtype == WEIR_DTYPE_BOOL)
    return pair_error (job, "a slope of the same type that broadcasts to the input", error);
  job->dst[0].dtype = src->dtype;
  return true;
}

bool weir_shape_cast (const WeirShapeJob *job, GError **error)
{
  int64_t to = weir_node_int (job->node, "to", 0);
  weir_copy_shape (&job->dst[0], &job->src[0]);
  job->dst[0].dtype = weir_dtype_from_onnx (to);
  if (job->dst[0].dtype == WEIR_DTYPE_NONE)
    return weir_job_refuse (
        "element type %" G_GINT64_FORMAT " is not one that tensors can have", to);
  return true;
}

bool weir_shape_gemm (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[1], *c = weir_job_src (job, 2);
  WeirTensor *dst = &job->dst[0], sum;
  uint32_t trans_a = weir_node_int (job->node, "transA", 0) != 0;
  uint32_t trans_b = weir_node_int (job->node, "transB", 0) != 0;
  if (a->rank != 2 || b->rank != 2 || a->dims[1 - trans_a] != b->dims[trans_b] ||
      a->dtype != b->dtype || a->dtype == WEIR_DTYPE_BOOL)
    return pair_error (job, "two matrices of one type whose inner dimensions are equal", error);
  dst->dtype = a->dtype;
  dst->rank = 2;
  dst->dims[0] = a->dims[trans_a];
  dst->dims[1] = b->dims[1 - trans_b];
  if (c && (c->dtype != a->dtype || !weir_shape_broadcast (dst, c, &sum) ||
               !weir_tensor_same_shape (dst, &sum))) {
    g_autofree char *shape = weir_tensor_describe (c);
    return weir_job_fail ("C is %s, expected it to broadcast to [%" G_GINT64_FORMAT
                          ",%" G_GINT64_FORMAT "]",
        shape, dst->dims[0], dst->dims[1]);
  }
  return true;
}

/* A 1-D operand is a row on the left and a column on the right; its dimension of 1 then goes. */
static bool multiply_shapes (const WeirTensor *a, const WeirTensor *b, WeirTensor *dst)
{
  WeirTensor batch_a = *a, batch_b = *b;
  if (a->rank < 1 || b->rank < 1)
    return false;
  int64_t k = b->rank == 1 ? b->dims[0] : b->dims[b->rank - 2];
  batch_a.rank = a->rank > 2 ? a->rank - 2 : 0;
  batch_b.rank = b->rank > 2 ? b->rank - 2 : 0;
  if (a->dims[a->rank - 1] != k || !weir_shape_broadcast (&batch_a, &batch_b, dst))
    return false;
  if (a->rank > 1)
    dst->dims[dst->rank++] = a->dims[a->rank - 2];
  if (b->rank > 1)
    dst->dims[dst->rank++] = b->dims[b->rank - 1];
  return true;
}

bool weir_shape_mat_mul (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *a = &job->src[0], *b = &job->src[1];
  if (a->dtype != b->dtype || a->dtype == WEIR_DTYPE_BOOL ||
      !multiply_shapes (a, b, &job->dst[0]))
    return pair_error (job, "matrices of one type whose inner dimensions are equal", error);
  job->dst[0].dtype = a->dtype;
  return true;
}

bool weir_reduce_resolve (const WeirShapeJob *job, bool is_reduced[WEIR_MAX_RANK], GError **error)
{
  uint32_t axes[WEIR_MAX_RANK], n, rank = job->src[0].rank;
  bool is_all;
  if (!weir_shape_axes (job, "axes", 1, rank, axes, &n, error))
    return false;
  is_all = n == 0 && !weir_node_int (job->node, "noop_with_empty_axes", 0);
  for (uint32_t i = 0; i < WEIR_MAX_RANK; i++)
    is_reduced[i] = is_all && i < rank;
  for (uint32_t i = 0; i < n; i++)
    is_reduced[axes[i]] = true;
  return true;
}

bool weir_shape_reduce (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  bool is_reduced[WEIR_MAX_RANK];
  bool keeps = weir_node_int (job->node, "keepdims", 1) != 0;
  if (!weir_reduce_resolve (job, is_reduced, error))
    return false;
  dst->dtype = src->dtype;
  dst->rank = 0;
  for (uint32_t i = 0; i < src->rank; i++)
    if (!is_reduced[i] || keeps)
      dst->dims[dst->rank++] = is_reduced[i] ? 1 : src->dims[i];
  return true;
}

/* Softmax before opset 13 sees [product before axis, product from axis on]. */
bool weir_softmax_resolve (const WeirShapeJob *job, WeirSoftmax *softmax, GError **error)
{
  const WeirTensor *src = &job->src[0];
  bool is_flat = job->node->opset < 13;
  uint32_t axis;
  if (!weir_axis_resolve (job->graph, job->node,
          weir_node_int (job->node, "axis", is_flat ? 1 : -1), src->rank, &axis, error))
    return false;
  softmax->n_outer = softmax->n = softmax->n_inner = 1;
  for (uint32_t i = 0; i < src->rank; i++)
    if (i < axis)
      softmax->n_outer *= src->dims[i];
    else if (i == axis || is_flat)
      softmax->n *= src->dims[i];
    else
      softmax->n_inner *= src->dims[i];
  return true;
}

/* Inputs 1..n_params hold one number per channel. */
static bool check_params (const WeirShapeJob *job, uint32_t n_params, GError **error)
{
  const WeirTensor *src = &job->src[0];
  for (uint32_t i = 1; i <= n_params; i++)
    if (src->rank < 2 || job->src[i].rank != 1 || job->src[i].dims[0] != src->dims[1]) {
      g_autofree char *a = weir_tensor_describe (src);
      g_autofree char *b = weir_tensor_describe (&job->src[i]);
      return weir_job_fail ("input %u is %s, expected one number per channel of %s", i, b, a);
    }
  return true;
}

static bool check_batch_normalization (const WeirShapeJob *job, GError **error)
{
  bool is_training = weir_node_int (job->node, "training_mode", 0) != 0;
  if (!weir_node_int (job->node, "spatial", 1))
    return weir_job_refuse ("statistics per element, expected one per channel");
  if (is_training ? weir_job_wants (job, 3) : weir_job_wants (job, 1))
    return weir_job_refuse ("outputs of a training step before operator set 14");
  if (!check_params (job, 4, error))
    return false;
  for (uint32_t i = 1; i < MIN (job->node->n_dst, 3); i++)
    weir_copy_shape (&job->dst[i], &job->src[2 + i]);
  return true;
}

static bool check_instance_normalization (const WeirShapeJob *job, GError **error)
{
  return check_params (job, 2, error);
}

static bool check_mean_variance_normalization (const WeirShapeJob *job, GError **error)
{
  uint32_t axes[WEIR_MAX_RANK], n;
  if (!weir_shape_axes (job, "axes", WEIR_NONE, job->src[0].rank, axes, &n, error))
    return false;
  return n || job->src[0].rank == 4 || weir_job_fail ("axes are required unless the input is 4-D");
}

static bool check_lrn (const WeirShapeJob *job, GError **error)
{
  int64_t size = weir_node_int (job->node, "size", 0);
  if (size < 1 || size > INT32_MAX || job->src[0].rank < 2) {
    g_autofree char *shape = weir_tensor_describe (&job->src[0]);
    return weir_job_fail (
        "size %" G_GINT64_FORMAT " over input %s, expected size >= 1 and channels", size, shape);
  }
  return true;
}

static bool check_softmax (const WeirShapeJob *job, GError **error)
{
  WeirSoftmax softmax;
  return weir_softmax_resolve (job, &softmax, error);
}

static bool check_channel_shuffle (const WeirShapeJob *job, GError **error)
{
  int64_t group = weir_node_int (job->node, "group", 1);
  if (group < 1 || job->src[0].rank < 2 || job->src[0].dims[1] % group) {
    g_autofree char *shape = weir_tensor_describe (&job->src[0]);
    return weir_job_fail (
        "group %" G_GINT64_FORMAT " does not divide the channels of %s", group, shape);
  }
  return true;
}

static bool check_image_scaler (const WeirShapeJob *job, GError **error)
{
  const WeirAttr *bias = weir_node_attr (job->node, "bias");
  uint32_t n = bias && bias->kind == WEIR_ATTR_FLOATS ? bias->n : 0;
  if (job->src[0].rank < 2 || (n && n != job->src[0].dims[1])) {
    g_autofree char *shape = weir_tensor_describe (&job->src[0]);
    return weir_job_fail ("bias has %u numbers, expected one per channel of %s", n, shape);
  }
  return true;
}

/* Training mode is one that drops something. The mask of inference is all ones; before opset 10 it
 * had the input's type. */
static bool check_dropout (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *ratio = weir_job_src (job, 1), *training = weir_job_src (job, 2);
  float p = 0.5f;
  bool is_known = !ratio || (ratio->buffer && weir_known_float (ratio, 0, &p));
  if (training && (!training->buffer || *(const uint8_t *) weir_tensor_data (training)) &&
      (!is_known || p != 0))
    return weir_job_refuse ("training mode, expected inference");
  if (weir_job_wants (job, 1)) {
    weir_copy_shape (&job->dst[1], &job->src[0]);
    if (job->node->opset >= 10)
      job->dst[1].dtype = WEIR_DTYPE_BOOL;
  }
  return true;
}

static const WeirShapeFn checks[WEIR_N_OPS] = {
  [WEIR_OP_BATCH_NORMALIZATION] = check_batch_normalization,
  [WEIR_OP_INSTANCE_NORMALIZATION] = check_instance_normalization,
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = check_mean_variance_normalization,
  [WEIR_OP_LRN] = check_lrn,
  [WEIR_OP_SOFTMAX] = check_softmax,
  [WEIR_OP_LOG_SOFTMAX] = check_softmax,
  [WEIR_OP_HARDMAX] = check_softmax,
  [WEIR_OP_IMAGE_SCALER] = check_image_scaler,
  [WEIR_OP_CHANNEL_SHUFFLE] = check_channel_shuffle,
  [WEIR_OP_DROPOUT] = check_dropout,
};

/* Operators of which only these compute; the others of weir_shape_first copy bytes. */
static bool is_normalisation (WeirOp op)
{
  return op == WEIR_OP_BATCH_NORMALIZATION || op == WEIR_OP_INSTANCE_NORMALIZATION ||
         op == WEIR_OP_MEAN_VARIANCE_NORMALIZATION || op == WEIR_OP_LRN || op == WEIR_OP_SOFTMAX ||
         op == WEIR_OP_LOG_SOFTMAX || op == WEIR_OP_HARDMAX || op == WEIR_OP_IMAGE_SCALER;
}

bool weir_shape_first (const WeirShapeJob *job, GError **error)
{
  WeirShapeFn check = checks[job->node->op];
  for (uint32_t i = 0; is_normalisation (job->node->op) && i < MIN (job->node->n_src, 5); i++) {
    const WeirTensor *src = weir_job_src (job, i);
    if (src && !weir_dtype_is_floating (src->dtype))
      return weir_job_fail (
          "input %u is %s, expected a floating type", i, weir_dtype_name (src->dtype));
  }
  weir_copy_shape (&job->dst[0], &job->src[0]);
  return !check || check (job, error);
}
