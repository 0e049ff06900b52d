/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators that address elements by index. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"
#include "engine/graph/indexing.h"

#include <string.h>

static bool src_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *data = weir_tensor_describe (&job->src[0]);
  g_autofree char *other = weir_tensor_describe (&job->src[i]);
  return weir_job_fail ("input 0 is %s and input %u %s: expected %s", data, i, other, expected);
}

static bool check_indices (const WeirShapeJob *job, GError **error)
{
  WeirDtype dtype = job->src[1].dtype;
  return dtype == WEIR_DTYPE_I64 || dtype == WEIR_DTYPE_I32 ||
         weir_job_fail ("indices are %s, expected i64 or i32", weir_dtype_name (dtype));
}

static bool read_axis (const WeirShapeJob *job, int64_t fallback, uint32_t *axis, GError **error)
{
  return weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", fallback),
      job->src[0].rank, axis, error);
}

static void copy_shape (WeirTensor *dst, const WeirTensor *src)
{
  dst->dtype = src->dtype;
  dst->rank = src->rank;
  memcpy (dst->dims, src->dims, sizeof dst->dims);
}

/* Whether indices have the data's rank and, but for the axis, at most its dims. */
static bool check_elements (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  uint32_t axis;
  if (!check_indices (job, error) || !read_axis (job, 0, &axis, error))
    return false;
  if (indices->rank != data->rank)
    return src_error (job, 1, "equal ranks", error);
  for (uint32_t i = 0; i < data->rank; i++)
    if (i != axis && indices->dims[i] > data->dims[i])
      return src_error (job, 1, "indices no larger than the data but for the axis", error);
  return true;
}

bool weir_shape_gather_elements (const WeirShapeJob *job, GError **error)
{
  if (!check_elements (job, error))
    return false;
  copy_shape (&job->dst[0], &job->src[1]);
  job->dst[0].dtype = job->src[0].dtype;
  return true;
}

bool weir_shape_gather_nd (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  WeirTensor *dst = &job->dst[0];
  int64_t n_batch = weir_node_int (job->node, "batch_dims", 0);
  if (!check_indices (job, error))
    return false;
  if (!data->rank || !indices->rank || n_batch < 0 || n_batch >= MIN (data->rank, indices->rank))
    return src_error (job, 1, "batch_dims below both ranks", error);
  int64_t n_tuple = indices->dims[indices->rank - 1];
  if (n_tuple < 1 || n_tuple > (int64_t) data->rank - n_batch)
    return src_error (job, 1, "the last dimension of the indices to address the data", error);
  for (uint32_t i = 0; i < n_batch; i++)
    if (data->dims[i] != indices->dims[i])
      return src_error (job, 1, "equal batch dimensions", error);
  uint32_t first = (uint32_t) (n_batch + n_tuple);
  if (indices->rank - 1 + data->rank - first > WEIR_MAX_RANK)
    return src_error (job, 1, "a result of at most 8 dimensions", error);
  dst->dtype = data->dtype;
  for (uint32_t i = 0; i + 1 < indices->rank; i++)
    dst->dims[dst->rank++] = indices->dims[i];
  for (uint32_t i = first; i < data->rank; i++)
    dst->dims[dst->rank++] = data->dims[i];
  return true;
}

bool weir_scatter_resolve (const WeirShapeJob *job, WeirScatterReduction *reduction, GError **error)
{
  static const char *const names[] = { "none", "add", "mul", "max", "min" };
  uint32_t choice;
  if (!weir_shape_choice (job, "reduction", "none", names, G_N_ELEMENTS (names), &choice, error))
    return false;
  *reduction = (WeirScatterReduction) choice;
  return true;
}

static bool check_scatter (const WeirShapeJob *job, GError **error)
{
  WeirScatterReduction reduction;
  if (!weir_scatter_resolve (job, &reduction, error))
    return false;
  copy_shape (&job->dst[0], &job->src[0]);
  return job->src[2].dtype == job->src[0].dtype || src_error (job, 2, "one type", error);
}

bool weir_shape_scatter_elements (const WeirShapeJob *job, GError **error)
{
  if (!check_elements (job, error) || !check_scatter (job, error))
    return false;
  return weir_tensor_same_shape (&job->src[1], &job->src[2]) ||
         src_error (job, 2, "updates of the shape of the indices", error);
}

bool weir_shape_scatter_nd (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1], *updates = &job->src[2];
  WeirTensor expected = { .rank = 0 };
  if (!check_indices (job, error) || !check_scatter (job, error))
    return false;
  int64_t n_tuple = indices->rank ? indices->dims[indices->rank - 1] : 0;
  if (n_tuple < 1 || n_tuple > data->rank)
    return src_error (job, 1, "the last dimension of the indices to address the data", error);
  if (indices->rank - 1 + data->rank - (uint32_t) n_tuple > WEIR_MAX_RANK)
    return src_error (job, 2, "updates of at most 8 dimensions", error);
  for (uint32_t i = 0; i + 1 < indices->rank; i++)
    expected.dims[expected.rank++] = indices->dims[i];
  for (uint32_t i = (uint32_t) n_tuple; i < data->rank; i++)
    expected.dims[expected.rank++] = data->dims[i];
  return weir_tensor_same_shape (&expected, updates) ||
         src_error (job, 2, "updates of the indices' dims and the data's remaining ones", error);
}

/* A known number of any type. */
static bool known_number (const WeirTensor *tensor, int64_t *value)
{
  float real;
  if (weir_known_int (tensor, 0, value))
    return true;
  if (weir_known_float (tensor, 0, &real)) {
    *value = real >= 0 && real < 0x1p62f ? (int64_t) real : -1;
    return true;
  }
  uint64_t bits = 0; /* unsigned types, and signed ones where the number is not negative */
  memcpy (&bits, weir_tensor_data (tensor), weir_dtype_bytes (tensor->dtype));
  *value = (int64_t) bits;
  return true;
}

bool weir_one_hot_resolve (const WeirShapeJob *job, uint32_t *axis, int64_t *depth, GError **error)
{
  const WeirTensor *number = &job->src[1];
  int64_t n;
  if (!weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", -1),
          job->src[0].rank + 1, axis, error))
    return false;
  if (!weir_tensor_n_elements (number, &n) || n != 1)
    return src_error (job, 1, "the depth to be one number", error);
  if (!number->buffer)
    return weir_job_refuse ("the depth depends on data, expected a known number");
  known_number (number, depth);
  return *depth >= 1 || weir_job_fail ("depth %" G_GINT64_FORMAT ", expected at least 1", *depth);
}

bool weir_shape_one_hot (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *indices = &job->src[0], *values = &job->src[2];
  WeirTensor *dst = &job->dst[0];
  uint32_t axis;
  int64_t depth;
  if (!weir_one_hot_resolve (job, &axis, &depth, error))
    return false;
  if (values->rank != 1 || values->dims[0] != 2)
    return src_error (job, 2, "the values to be two", error);
  if (indices->rank == WEIR_MAX_RANK)
    return weir_job_fail ("the result would have more than %d dimensions", WEIR_MAX_RANK);
  dst->dtype = values->dtype;
  dst->rank = indices->rank + 1;
  for (uint32_t i = 0; i < dst->rank; i++)
    dst->dims[i] = i == axis ? depth : indices->dims[i < axis ? i : i - 1];
  return true;
}

bool weir_shape_reverse_sequence (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *lengths = &job->src[1];
  int64_t batch_axis = weir_node_int (job->node, "batch_axis", 1);
  int64_t time_axis = weir_node_int (job->node, "time_axis", 0);
  if (src->rank < 2 || (batch_axis | 1) != 1 || (time_axis | 1) != 1 || batch_axis == time_axis)
    return weir_job_fail ("%u dimensions, batch_axis %" G_GINT64_FORMAT
                          " and time_axis %" G_GINT64_FORMAT ", expected one of them 0, one 1",
        src->rank, batch_axis, time_axis);
  if (lengths->rank != 1 || lengths->dims[0] != src->dims[batch_axis] || !check_indices (job, NULL))
    return src_error (job, 1, "one i64 length per sequence", error);
  copy_shape (&job->dst[0], src);
  return true;
}

bool weir_compress_resolve (const WeirShapeJob *job, WeirCompress *compress, GError **error)
{
  const WeirTensor *src = &job->src[0];
  *compress = (WeirCompress){ 1, 1, 1, weir_node_attr (job->node, "axis") == NULL, 0 };
  if (compress->is_flat)
    return weir_tensor_n_elements (src, &compress->n) || weir_job_fail ("too many elements");
  if (!read_axis (job, 0, &compress->axis, error))
    return false;
  for (uint32_t i = 0; i < src->rank; i++)
    if (i == compress->axis)
      compress->n = src->dims[i];
    else
      *(i < compress->axis ? &compress->n_outer : &compress->n_inner) *= src->dims[i];
  return true;
}

/* As onnx.helper does it: of an odd difference the larger part lies behind. */
static void centre (int64_t n_src, int64_t n_dst, uint32_t i, WeirCrop *crop)
{
  crop->dst[i] = n_dst;
  crop->n[i] = MIN (n_src, n_dst);
  crop->src_start[i] = (n_src - crop->n[i]) / 2;
  crop->dst_start[i] = (n_dst - crop->n[i]) / 2;
}

bool weir_center_crop_pad_resolve (const WeirShapeJob *job, WeirCrop *crop, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t target[WEIR_MAX_INTS];
  uint32_t axes[WEIR_MAX_RANK], n, n_axes;
  if (!weir_shape_ints (job, "shape", 1, target, &n, error) ||
      !weir_shape_axes (job, "axes", WEIR_NONE, src->rank, axes, &n_axes, error))
    return false;
  for (uint32_t i = 0; !weir_node_attr (job->node, "axes") && i < src->rank; i++)
    axes[n_axes++] = i;
  if (n != n_axes)
    return weir_job_fail ("the shape has %u elements, expected %u", n, n_axes);
  for (uint32_t i = 0; i < src->rank; i++)
    centre (src->dims[i], src->dims[i], i, crop);
  for (uint32_t i = 0; i < n; i++) {
    if (target[i] < 0)
      return weir_job_fail ("the shape has a negative dimension");
    centre (src->dims[axes[i]], target[i], axes[i], crop);
  }
  return true;
}

bool weir_shape_center_crop_pad (const WeirShapeJob *job, GError **error)
{
  WeirCrop crop;
  if (!weir_center_crop_pad_resolve (job, &crop, error))
    return false;
  copy_shape (&job->dst[0], &job->src[0]);
  memcpy (job->dst[0].dims, crop.dst, job->src[0].rank * sizeof *crop.dst);
  return true;
}
