/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators that keep elements and change dimensions, and of constants and Shape. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

bool weir_shape_flatten (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t axis = weir_node_int (job->node, "axis", 1);
  if (axis < 0)
    axis += src->rank;
  if (axis < 0 || axis > src->rank) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("axis is out of range for %s", shape);
  }
  dst->dtype = src->dtype;
  dst->rank = 2;
  dst->dims[0] = dst->dims[1] = 1;
  for (uint32_t i = 0; i < src->rank; i++)
    if (!weir_checked_mul_i64 (dst->dims[i >= axis], src->dims[i], &dst->dims[i >= axis]))
      return weir_job_fail ("too many elements");
  return true;
}

static bool reshape_error (
    const WeirShapeJob *job, const int64_t *target, uint32_t n, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (&job->src[0]);
  g_autoptr (GString) text = g_string_new (NULL);
  for (uint32_t i = 0; i < n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "," : "", target[i]);
  return weir_job_fail ("%s cannot be reshaped to [%s]", shape, text->str);
}

/* Product of all dims but `skip`. */
static bool multiply_dims (const WeirTensor *tensor, uint32_t skip, int64_t *product)
{
  WeirTensor others = *tensor;
  if (skip < others.rank)
    others.dims[skip] = 1;
  return weir_tensor_n_elements (&others, product);
}

/* 0 copies the source's dim, unless allowzero; *unknown is the place of a -1. */
static bool set_target (
    const WeirShapeJob *job, const int64_t *target, uint32_t n, uint32_t *unknown)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  bool allows_zero = weir_node_int (job->node, "allowzero", 0) != 0;
  *unknown = WEIR_NONE;
  if (n > WEIR_MAX_RANK)
    return false;
  dst->dtype = src->dtype;
  dst->rank = n;
  for (uint32_t i = 0; i < n; i++) {
    bool is_copy = target[i] == 0 && !allows_zero;
    if ((is_copy && i >= src->rank) || target[i] < -1 || (target[i] == -1 && *unknown != WEIR_NONE))
      return false;
    if (target[i] == -1)
      *unknown = i;
    dst->dims[i] = is_copy ? src->dims[i] : target[i];
  }
  return true;
}

bool weir_shape_reshape (const WeirShapeJob *job, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  int64_t target[WEIR_MAX_INTS], n_src, n_dst;
  uint32_t n, unknown;
  if (!weir_shape_ints (job, "shape", 1, target, &n, error))
    return false;
  if (!set_target (job, target, n, &unknown) || !weir_tensor_n_elements (&job->src[0], &n_src) ||
      !multiply_dims (dst, unknown, &n_dst))
    return reshape_error (job, target, n, error);
  if (unknown == WEIR_NONE)
    return n_src == n_dst || reshape_error (job, target, n, error);
  if (!n_dst || n_src % n_dst)
    return reshape_error (job, target, n, error);
  dst->dims[unknown] = n_src / n_dst;
  return true;
}

bool weir_shape_squeeze (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  uint32_t axes[WEIR_MAX_RANK], n;
  bool goes[WEIR_MAX_RANK] = { false };
  if (!weir_shape_axes (job, "axes", 1, src->rank, axes, &n, error))
    return false;
  for (uint32_t i = 0; i < n; i++) {
    if (src->dims[axes[i]] != 1) {
      g_autofree char *shape = weir_tensor_describe (src);
      return weir_job_fail ("axis %u of %s is not 1", axes[i], shape);
    }
    goes[axes[i]] = true;
  }
  dst->dtype = src->dtype;
  dst->rank = 0;
  for (uint32_t i = 0; i < src->rank; i++)
    if (n ? !goes[i] : src->dims[i] != 1)
      dst->dims[dst->rank++] = src->dims[i];
  return true;
}

bool weir_shape_unsqueeze (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t list[WEIR_MAX_INTS];
  uint32_t axes[WEIR_MAX_RANK], n;
  bool is_new[WEIR_MAX_RANK] = { false };
  if (!weir_shape_ints (job, "axes", 1, list, &n, error))
    return false;
  if (n > WEIR_MAX_RANK - src->rank)
    return weir_job_fail ("%u dimensions, expected at most %u", src->rank + n, WEIR_MAX_RANK);
  if (!weir_shape_axes (job, "axes", 1, src->rank + n, axes, &n, error))
    return false;
  for (uint32_t i = 0; i < n; i++)
    is_new[axes[i]] = true;
  dst->dtype = src->dtype;
  dst->rank = src->rank + n;
  for (uint32_t i = 0, k = 0; i < dst->rank; i++)
    dst->dims[i] = is_new[i] ? 1 : src->dims[k++];
  return true;
}

bool weir_shape_align (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  uint32_t axis, rank = job->src[1].rank;
  weir_copy_shape (&job->dst[0], src);
  if (rank == 0)
    return true;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), rank, &axis, error))
    return false;
  while (src->rank && job->dst[0].rank + axis < rank)
    job->dst[0].dims[job->dst[0].rank++] = 1;
  return true;
}

bool weir_shape_constant (const WeirShapeJob *job, GError **error)
{
  static const struct {
    const char *name;
    WeirAttrKind kind;
    WeirDtype dtype;
    uint32_t rank;
  } forms[] = {
    { "value_float", WEIR_ATTR_FLOAT, WEIR_DTYPE_F32, 0 },
    { "value_floats", WEIR_ATTR_FLOATS, WEIR_DTYPE_F32, 1 },
    { "value_int", WEIR_ATTR_INT, WEIR_DTYPE_I64, 0 },
    { "value_ints", WEIR_ATTR_INTS, WEIR_DTYPE_I64, 1 },
  };
  WeirTensor *dst = &job->dst[0];
  const WeirAttr *attr = weir_node_attr (job->node, "value");
  if (attr && attr->kind == WEIR_ATTR_TENSOR) {
    *dst = attr->tensor;
    dst->buffer = NULL;
    dst->offset_bytes = 0;
    return true;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (forms); i++) {
    attr = weir_node_attr (job->node, forms[i].name);
    if (!attr || attr->kind != forms[i].kind)
      continue;
    dst->dtype = forms[i].dtype;
    dst->rank = forms[i].rank;
    dst->dims[0] = attr->n;
    return true;
  }
  return weir_job_refuse ("no value, or one that is not a dense tensor of numbers");
}

bool weir_shape_constant_of_shape (const WeirShapeJob *job, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  const WeirAttr *value = weir_node_attr (job->node, "value");
  int64_t dims[WEIR_MAX_INTS], n_elements;
  uint32_t n;
  if (!weir_shape_ints (job, NULL, 0, dims, &n, error))
    return false;
  if (n > WEIR_MAX_RANK)
    return weir_job_fail ("%u dimensions, expected at most %u", n, WEIR_MAX_RANK);
  dst->dtype = WEIR_DTYPE_F32;
  if (value && value->kind == WEIR_ATTR_TENSOR) {
    if (!weir_tensor_n_elements (&value->tensor, &n_elements) || n_elements != 1 ||
        !value->tensor.buffer)
      return weir_job_fail ("attribute 'value' does not have one element");
    dst->dtype = value->tensor.dtype;
  }
  dst->rank = n;
  memcpy (dst->dims, dims, n * sizeof *dims);
  return true;
}

bool weir_shape_shape (const WeirShapeJob *job, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  int64_t rank = job->src[0].rank;
  int64_t start = weir_node_int (job->node, "start", 0);
  int64_t end = weir_node_int (job->node, "end", rank);
  start = CLAMP (start < 0 ? start + rank : start, 0, rank);
  end = CLAMP (end < 0 ? end + rank : end, 0, rank);
  dst->dtype = WEIR_DTYPE_I64;
  dst->rank = 1;
  dst->dims[0] = MAX (end - start, 0);
  return true;
}
