/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* StridedSlice, ShuffleChannels, ReorgYolo and ExtractImagePatches of OpenVINO IR. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

bool weir_ref_ov_strided_slice (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (src->dtype);
  WeirStridedSlice slice;
  int64_t stride[WEIR_MAX_RANK], offset = 0;
  if (!weir_strided_slice_resolve (job, &slice, error))
    return false;
  if (weir_ref_n (dst) == 0)
    return true;
  weir_ref_strides (src, stride);
  for (uint32_t i = 0; i < src->rank; i++) {
    offset += slice.start[i] * stride[i];
    /* One element has no next one, and a step may be anything. */
    stride[i] = slice.n[i] > 1 ? stride[i] * slice.step[i] : stride[i];
  }
  weir_ref_copy_strided (weir_tensor_data (dst),
      (const char *) weir_tensor_data (src) + (ptrdiff_t) offset * (ptrdiff_t) size, size,
      src->rank, slice.n, stride);
  return true;
}

/* [before, group, channels of a group, after] with the middle two exchanged. */
bool weir_ref_ov_shuffle_channels (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n_groups = weir_node_int (job->node, "group", 1);
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 1), src->rank, &axis, error))
    return false;
  if (weir_ref_n (src) == 0)
    return true;
  int64_t n = src->dims[axis] / n_groups, inner = weir_ref_product (src, axis + 1, src->rank);
  int64_t dims[4] = { weir_ref_product (src, 0, axis), n, n_groups, inner };
  int64_t stride[4] = { src->dims[axis] * inner, inner, n * inner, 1 };
  weir_ref_copy_strided (weir_tensor_data (&job->dst[0]), weir_tensor_data (src),
      weir_dtype_bytes (src->dtype), 4, dims, stride);
  return true;
}

/* As darknet's layer: the picture is read as if it had C / s² channels of s H × s W, whatever its
 * dims. Element (c, h, w), before the new dims are put on, is at channel c mod C / s², row
 * h s + (c div C / s²) div s, column w s + (c div C / s²) mod s of that. */
bool weir_ref_ov_reorg_yolo (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  size_t size = weir_dtype_bytes (src->dtype);
  int64_t s = src->dims[2] ? src->dims[2] / MAX (job->dst[0].dims[2], 1) : 1;
  int64_t n_channels = src->dims[1], height = src->dims[2], width = src->dims[3];
  int64_t n = n_channels / (s * s), n_item = n_channels * height * width, at = 0;
  const char *from = weir_tensor_data (src);
  char *to = weir_tensor_data (&job->dst[0]);
  for (int64_t item = 0; item < src->dims[0]; item++)
    for (int64_t c = 0; c < n_channels; c++)
      for (int64_t h = 0; h < height; h++)
        for (int64_t w = 0; w < width; w++, at++) {
          int64_t row = h * s + c / n / s, column = w * s + c / n % s;
          int64_t source = ((c % n) * height * s + row) * width * s + column;
          bool is_inside = source < n_item; /* not always, where s² does not divide C */
          memset (to + (size_t) at * size, 0, size);
          if (is_inside)
            memcpy (to + (size_t) at * size, from + (size_t) (item * n_item + source) * size, size);
        }
  return true;
}

/* Row y of one plane of the result: src row at, every stride-th element from `first` on; 0 outside.
 */
static void copy_patch_row (const char *src, char *dst, size_t size, int64_t width, int64_t first,
    int64_t stride, int64_t n)
{
  for (int64_t x = 0; x < n; x++) {
    int64_t at = first + x * stride;
    bool is_inside = src && at >= 0 && at < width;
    if (is_inside)
      memcpy (dst + (size_t) x * size, src + (size_t) at * size, size);
    else
      memset (dst + (size_t) x * size, 0, size);
  }
}

/* Channels of the result: by row and column in the patch, then by channel. */
bool weir_ref_ov_extract_image_patches (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (src->dtype);
  int64_t n_channels = src->dims[1], height = src->dims[2], width = src->dims[3];
  char *to = weir_tensor_data (dst);
  WeirPatches p;
  if (!weir_patches_resolve (job, &p, error))
    return false;
  for (int64_t i = 0; n_channels && i < dst->dims[0] * dst->dims[1]; i++) {
    int64_t place = i % dst->dims[1] / n_channels, image = i / dst->dims[1];
    const char *plane = (const char *) weir_tensor_data (src) +
                        (size_t) ((image * n_channels + i % n_channels) * height * width) * size;
    for (int64_t y = 0; y < p.dst[0]; y++) {
      int64_t row = y * p.stride[0] + place / p.size[1] * p.rate[0] - p.pad[0];
      bool is_inside = row >= 0 && row < height;
      copy_patch_row (is_inside ? plane + (size_t) (row * width) * size : NULL, to, size, width,
          place % p.size[1] * p.rate[1] - p.pad[1], p.stride[1], p.dst[1]);
      to += (size_t) p.dst[1] * size;
    }
  }
  return true;
}
