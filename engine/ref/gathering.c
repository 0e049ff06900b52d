/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that address elements by index: reading. Runs of elements are copied whole. */
#include "engine/graph/indexing.h"
#include "engine/ref/ref.h"

#include <string.h>

bool weir_ref_index (const WeirShapeJob *job, const WeirTensor *indices, int64_t i, int64_t n,
    int64_t *index, GError **error)
{
  int64_t k = weir_ref_load_int (indices->dtype, weir_tensor_data (indices), i);
  *index = k < 0 ? k + n : k;
  return (*index >= 0 && *index < n) ||
         weir_job_fail (
             "index %" G_GINT64_FORMAT " is out of range for %" G_GINT64_FORMAT " elements", k, n);
}

/* Rows of the indices: where each begins in a tensor of the same rank but for the axis, whose
 * elements the indices choose. */
void weir_ref_element_walk (
    const WeirTensor *tensor, const WeirTensor *indices, uint32_t axis, WeirElementWalk *walk)
{
  int64_t stride[WEIR_MAX_RANK];
  weir_ref_strides (tensor, stride);
  walk->chosen = stride[axis];
  stride[axis] = 0;
  walk->n_row = indices->rank ? indices->dims[indices->rank - 1] : 1;
  walk->step = indices->rank ? stride[indices->rank - 1] : 0;
  walk->outer = (WeirWalk){ .rank = indices->rank ? indices->rank - 1 : 0 };
  memcpy (walk->outer.dims, indices->dims, walk->outer.rank * sizeof *indices->dims);
  memcpy (walk->outer.stride[0], stride, walk->outer.rank * sizeof *stride);
}

bool weir_ref_gather_elements (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  size_t size = weir_dtype_bytes (data->dtype);
  const char *from = weir_tensor_data (data);
  char *to = weir_tensor_data (&job->dst[0]);
  WeirElementWalk walk;
  uint32_t axis;
  int64_t k, at = 0;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), data->rank, &axis, error))
    return false;
  if (weir_ref_n (indices) == 0)
    return true;
  weir_ref_element_walk (data, indices, axis, &walk);
  do {
    for (int64_t i = 0; i < walk.n_row; i++, at++) {
      if (!weir_ref_index (job, indices, at, data->dims[axis], &k, error))
        return false;
      int64_t place = walk.outer.offset[0] + i * walk.step + k * walk.chosen;
      weir_ref_copy_element (to + (size_t) at * size, from + (size_t) place * size, size);
    }
  } while (weir_walk_next (&walk.outer));
  return true;
}

bool weir_ref_tuple (
    const WeirShapeJob *job, const WeirTuples *tuples, int64_t i, int64_t *offset, GError **error)
{
  int64_t k;
  *offset = i / tuples->n_per_batch * tuples->batch_stride;
  for (int64_t t = 0; t < tuples->n_tuple; t++) {
    if (!weir_ref_index (job, &job->src[1], i * tuples->n_tuple + t, tuples->dims[t], &k, error))
      return false;
    *offset += k * tuples->stride[t];
  }
  return true;
}

void weir_ref_tuples_init (const WeirShapeJob *job, uint32_t n_batch, WeirTuples *tuples)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  int64_t stride[WEIR_MAX_RANK];
  weir_ref_strides (data, stride);
  tuples->n_tuple = indices->dims[indices->rank - 1];
  tuples->n = weir_ref_product (indices, 0, indices->rank - 1);
  tuples->n_per_batch = MAX (weir_ref_product (indices, n_batch, indices->rank - 1), 1);
  tuples->batch_stride = weir_ref_product (data, n_batch, data->rank);
  tuples->n_slice = weir_ref_product (data, n_batch + (uint32_t) tuples->n_tuple, data->rank);
  for (int64_t t = 0; t < tuples->n_tuple; t++) {
    tuples->dims[t] = data->dims[n_batch + t];
    tuples->stride[t] = stride[n_batch + t];
  }
}

bool weir_ref_gather_nd (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirTuples tuples;
  int64_t offset;
  weir_ref_tuples_init (job, (uint32_t) weir_node_int (job->node, "batch_dims", 0), &tuples);
  size_t size = weir_dtype_bytes (job->src[0].dtype), n_bytes = (size_t) tuples.n_slice * size;
  char *to = weir_tensor_data (&job->dst[0]);
  for (int64_t i = 0; i < tuples.n; i++, to += n_bytes) {
    if (!weir_ref_tuple (job, &tuples, i, &offset, error))
      return false;
    if (n_bytes)
      memcpy (to, (const char *) weir_tensor_data (&job->src[0]) + (size_t) offset * size, n_bytes);
  }
  return true;
}

bool weir_ref_one_hot (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *indices = &job->src[0], *values = &job->src[2], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (values->dtype);
  const char *off = weir_tensor_data (values), *on = off + size;
  char *to = weir_tensor_data (dst);
  uint32_t axis;
  int64_t depth;
  if (!weir_one_hot_resolve (job, &axis, &depth, error))
    return false;
  int64_t n_inner = weir_ref_product (indices, axis, indices->rank), n_dst = weir_ref_n (dst);
  for (int64_t i = 0; i < n_dst; i++)
    weir_ref_copy_element (to + (size_t) i * size, off, size);
  for (int64_t i = 0; i < weir_ref_n (indices); i++) {
    double index = weir_ref_load (indices->dtype, weir_tensor_data (indices), i);
    int64_t k = index > -0x1p62 && index < 0x1p62 ? (int64_t) index : -1 - depth;
    k = k < 0 && job->node->opset >= 11 ? k + depth : k;
    if (k >= 0 && k < depth)
      weir_ref_copy_element (
          to + (size_t) ((i / n_inner * depth + k) * n_inner + i % n_inner) * size, on, size);
  }
  return true;
}

/* dst[time][batch] of the first two axes, in either order. */
bool weir_ref_reverse_sequence (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *lengths = &job->src[1];
  int64_t time_axis = weir_node_int (job->node, "time_axis", 0);
  int64_t n_time = src->dims[time_axis], n_batch = src->dims[1 - time_axis];
  size_t n_bytes = (size_t) weir_ref_product (src, 2, src->rank) * weir_dtype_bytes (src->dtype);
  size_t time_step = time_axis == 0 ? (size_t) n_batch * n_bytes : n_bytes;
  size_t batch_step = time_axis == 0 ? n_bytes : (size_t) n_time * n_bytes;
  for (int64_t b = 0; b < n_batch; b++) {
    int64_t n = weir_ref_load_int (lengths->dtype, weir_tensor_data (lengths), b);
    if (n < 0 || n > n_time)
      return weir_job_fail ("length %" G_GINT64_FORMAT " of sequence %" G_GINT64_FORMAT
                            ", expected at most %" G_GINT64_FORMAT,
          n, b, n_time);
    for (int64_t t = 0; n_bytes && t < n_time; t++)
      memcpy ((char *) weir_tensor_data (&job->dst[0]) + (size_t) b * batch_step +
                  (size_t) t * time_step,
          (const char *) weir_tensor_data (src) + (size_t) b * batch_step +
              (size_t) (t < n ? n - 1 - t : t) * time_step,
          n_bytes);
  }
  return true;
}

bool weir_ref_compress (const WeirShapeJob *job, void *scratch, GError **error)
{
  const uint8_t *condition = weir_tensor_data (&job->src[1]);
  size_t size = weir_dtype_bytes (job->src[0].dtype);
  const char *from = weir_tensor_data (&job->src[0]);
  char *to = weir_tensor_data (&job->dst[0]);
  WeirCompress c;
  if (!weir_compress_resolve (job, &c, error))
    return false;
  size_t n_bytes = (size_t) c.n_inner * size;
  int64_t n = MIN (job->src[1].dims[0], c.n);
  for (int64_t o = 0; n_bytes && o < c.n_outer; o++)
    for (int64_t i = 0; i < n; i++)
      if (condition[i]) {
        memcpy (to, from + (size_t) (o * c.n + i) * n_bytes, n_bytes);
        to += n_bytes;
      }
  return true;
}

bool weir_ref_center_crop_pad (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (src->dtype);
  int64_t stride[WEIR_MAX_RANK], src_offset = 0, dst_offset = 0;
  WeirCrop crop;
  if (!weir_center_crop_pad_resolve (job, &crop, error))
    return false;
  if (weir_ref_n (dst) == 0)
    return true;
  memset (weir_tensor_data (dst), 0, (size_t) weir_ref_n (dst) * size);
  if (weir_ref_n (src) == 0 || src->rank == 0) {
    if (src->rank == 0)
      memcpy (weir_tensor_data (dst), weir_tensor_data (src), size);
    return true;
  }
  WeirWalk walk = { .rank = src->rank - 1 };
  weir_ref_strides (src, stride);
  memcpy (walk.stride[0], stride, walk.rank * sizeof *stride);
  for (uint32_t i = 0; i < src->rank; i++)
    src_offset += crop.src_start[i] * stride[i];
  weir_ref_strides (dst, stride);
  memcpy (walk.stride[1], stride, walk.rank * sizeof *stride);
  for (uint32_t i = 0; i < src->rank; i++)
    dst_offset += crop.dst_start[i] * stride[i];
  memcpy (walk.dims, crop.n, walk.rank * sizeof *crop.n);
  do {
    memcpy ((char *) weir_tensor_data (dst) + (size_t) (dst_offset + walk.offset[1]) * size,
        (const char *) weir_tensor_data (src) + (size_t) (src_offset + walk.offset[0]) * size,
        (size_t) crop.n[walk.rank] * size);
  } while (weir_walk_next (&walk));
  return true;
}
