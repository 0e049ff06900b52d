/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crop and ImageScaler: operators that files made for CoreML carry in ONNX's domain. */
#include "engine/ref/ref.h"

bool weir_ref_crop (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (src->dtype);
  int64_t stride[WEIR_MAX_RANK];
  WeirSlice slice;
  if (!weir_crop_resolve (job, &slice, error))
    return false;
  weir_ref_strides (src, stride);
  int64_t offset = slice.start[2] * stride[2] + slice.start[3] * stride[3];
  if (weir_ref_n (dst))
    weir_ref_copy_strided (weir_tensor_data (dst),
        (const char *) weir_tensor_data (src) + (size_t) offset * size, size, dst->rank, dst->dims,
        stride);
  return true;
}

/* scale · x + bias[channel] */
bool weir_ref_image_scaler (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  const WeirAttr *bias = weir_node_attr (job->node, "bias");
  bool has_bias = bias && bias->kind == WEIR_ATTR_FLOATS && bias->n;
  float scale = weir_node_float (job->node, "scale", 1);
  int64_t n_inner = weir_ref_product (src, 2, src->rank);
  for (int64_t i = 0; i < weir_ref_n (src); i++) {
    float shift = has_bias ? bias->floats[i / n_inner % src->dims[1]] : 0;
    weir_ref_dst_f32 (&job->dst[0])[i] = scale * weir_ref_f32 (src)[i] + shift;
  }
  return true;
}
