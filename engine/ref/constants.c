/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views (as copies), constants, Shape, and the plan's reorder. */
#include "engine/ref/ref.h"

#include <string.h>

bool weir_ref_copy (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  size_t n_bytes = (size_t) weir_ref_n (dst) * weir_dtype_bytes (dst->dtype);
  if (n_bytes && weir_tensor_data (dst) != weir_tensor_data (&job->src[0]))
    memcpy (weir_tensor_data (dst), weir_tensor_data (&job->src[0]), n_bytes);
  if (job->node->n_dst > 1 && job->dst[1].buffer) /* Dropout's mask keeps everything */
    for (int64_t i = 0; i < weir_ref_n (&job->dst[1]); i++)
      weir_ref_store (job->dst[1].dtype, weir_tensor_data (&job->dst[1]), i, 1);
  return true;
}

static void convert_all (WeirDtype dtype, const void *data, const WeirTensor *dst)
{
  WeirRefRow from = { dtype, (void *) (uintptr_t) data, 0, 1 };
  WeirRefRow to = { dst->dtype, weir_tensor_data (dst), 0, 1 };
  weir_ref_convert (from, to, weir_ref_n (dst));
}

/* The same order of attributes as the shape function's. */
bool weir_ref_constant (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirNode *node = job->node;
  const WeirAttr *attr = weir_node_attr (node, "value");
  if (attr && attr->kind == WEIR_ATTR_TENSOR)
    convert_all (attr->tensor.dtype, weir_tensor_data (&attr->tensor), &job->dst[0]);
  else if ((attr = weir_node_attr (node, "value_float")) && attr->kind == WEIR_ATTR_FLOAT)
    convert_all (WEIR_DTYPE_F32, &attr->f, &job->dst[0]);
  else if ((attr = weir_node_attr (node, "value_floats")) && attr->kind == WEIR_ATTR_FLOATS)
    convert_all (WEIR_DTYPE_F32, attr->floats, &job->dst[0]);
  else if ((attr = weir_node_attr (node, "value_int")) && attr->kind == WEIR_ATTR_INT)
    convert_all (WEIR_DTYPE_I64, &attr->i, &job->dst[0]);
  else if ((attr = weir_node_attr (node, "value_ints")) && attr->kind == WEIR_ATTR_INTS)
    convert_all (WEIR_DTYPE_I64, attr->ints, &job->dst[0]);
  return true;
}

bool weir_ref_constant_of_shape (const WeirShapeJob *job, void *scratch, GError **error)
{
  static const float nought = 0;
  const WeirTensor *dst = &job->dst[0];
  const WeirAttr *value = weir_node_attr (job->node, "value");
  bool is_given = value && value->kind == WEIR_ATTR_TENSOR;
  WeirRefRow from = { is_given ? value->tensor.dtype : WEIR_DTYPE_F32,
    is_given ? weir_tensor_data (&value->tensor) : (void *) (uintptr_t) &nought, 0, 0 };
  WeirRefRow to = { dst->dtype, weir_tensor_data (dst), 0, 1 };
  weir_ref_convert (from, to, weir_ref_n (dst));
  return true;
}

bool weir_ref_shape (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t start = weir_node_int (job->node, "start", 0), rank = src->rank;
  start = CLAMP (start < 0 ? start + rank : start, 0, rank);
  for (int64_t i = 0; i < job->dst[0].dims[0]; i++)
    weir_ref_store_int (
        job->dst[0].dtype, weir_tensor_data (&job->dst[0]), i, src->dims[start + i]);
  return true;
}

/* Row by row along the last dimension; in channels-last memory its elements are n_channels apart.
 */
bool weir_ref_reorder (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *ends[2] = { &job->src[0], &job->dst[0] };
  const WeirTensor *src = ends[0], *dst = ends[1];
  uint32_t last = src->rank ? src->rank - 1 : 0;
  WeirWalk walk = { .rank = last };
  if (weir_ref_n (src) == 0)
    return true;
  if (src->layout == dst->layout) {
    convert_all (src->dtype, weir_tensor_data (src), dst);
    return true;
  }
  for (int k = 0; k < 2; k++) {
    weir_ref_strides (src, walk.stride[k]);
    if (ends[k]->layout != WEIR_LAYOUT_CHANNELS_LAST)
      continue;
    int64_t n_inner = weir_ref_product (src, 2, src->rank);
    for (uint32_t i = 2; i < src->rank; i++)
      walk.stride[k][i] *= src->dims[1];
    walk.stride[k][1] = 1;
    walk.stride[k][0] = src->dims[1] * n_inner;
  }
  memcpy (walk.dims, src->dims, last * sizeof *src->dims);
  int64_t step[2] = { walk.stride[0][last], walk.stride[1][last] };
  do {
    WeirRefRow from = { src->dtype, weir_tensor_data (src), walk.offset[0], step[0] };
    WeirRefRow to = { dst->dtype, weir_tensor_data (dst), walk.offset[1], step[1] };
    weir_ref_convert (from, to, src->dims[last]);
  } while (weir_walk_next (&walk));
  return true;
}
