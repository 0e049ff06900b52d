/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of Size, Range, EyeLike, Trilu and CastLike, of Crop of old files, and of Simulate. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

#include <math.h>
#include <string.h>

bool weir_shape_size (const WeirShapeJob *job, GError **error)
{
  job->dst[0] = (WeirTensor){ .dtype = WEIR_DTYPE_I64 };
  return true;
}

static int64_t count_ints (int64_t start, int64_t limit, int64_t delta)
{
  bool is_up = delta > 0;
  if (is_up ? limit <= start : limit >= start)
    return 0;
  uint64_t distance =
      is_up ? (uint64_t) limit - (uint64_t) start : (uint64_t) start - (uint64_t) limit;
  uint64_t step = is_up ? (uint64_t) delta : 0 - (uint64_t) delta;
  uint64_t n = (distance - 1) / step + 1;
  return n > INT64_MAX ? INT64_MAX : (int64_t) n;
}

static bool read_ints (const WeirShapeJob *job, int64_t *n)
{
  int64_t value[3];
  for (uint32_t i = 0; i < 3; i++)
    if (!weir_known_int (&job->src[i], 0, &value[i]))
      return false;
  if (value[2] == 0)
    return false;
  *n = count_ints (value[0], value[1], value[2]);
  return true;
}

static bool read_floats (const WeirShapeJob *job, int64_t *n)
{
  float value[3];
  for (uint32_t i = 0; i < 3; i++)
    if (!weir_known_float (&job->src[i], 0, &value[i]) || !isfinite (value[i]))
      return false;
  double steps = ceil ((double) (value[1] - value[0]) / (double) value[2]);
  if (value[2] == 0 || steps > 0x1p62)
    return false;
  *n = steps > 0 ? (int64_t) steps : 0;
  return true;
}

bool weir_shape_range (const WeirShapeJob *job, GError **error)
{
  WeirDtype dtype = job->src[0].dtype;
  int64_t n_elements;
  for (uint32_t i = 0; i < 3; i++) {
    const WeirTensor *src = &job->src[i];
    if (src->dtype != dtype || dtype == WEIR_DTYPE_BOOL ||
        !weir_tensor_n_elements (src, &n_elements) || n_elements != 1) {
      g_autofree char *shape = weir_tensor_describe (src);
      return weir_job_fail ("input %u is %s, expected one number of one type for all", i, shape);
    }
    if (!src->buffer)
      return weir_job_refuse ("its length depends on data, expected known start, limit and delta");
  }
  job->dst[0] = (WeirTensor){ .dtype = dtype, .rank = 1 };
  bool is_float = weir_dtype_is_floating (dtype);
  return (is_float ? read_floats : read_ints) (job, &job->dst[0].dims[0]) ||
         weir_job_fail ("start, limit and delta give no finite range");
}

bool weir_shape_eye_like (const WeirShapeJob *job, GError **error)
{
  int64_t given = weir_node_int (job->node, "dtype", -1);
  if (job->src[0].rank != 2) {
    g_autofree char *shape = weir_tensor_describe (&job->src[0]);
    return weir_job_fail ("input is %s, expected 2 dimensions", shape);
  }
  weir_copy_shape (&job->dst[0], &job->src[0]);
  if (given != -1)
    job->dst[0].dtype = weir_dtype_from_onnx (given);
  return job->dst[0].dtype != WEIR_DTYPE_NONE ||
         weir_job_refuse (
             "element type %" G_GINT64_FORMAT " is not one that tensors can have", given);
}

bool weir_shape_trilu (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *k = weir_job_src (job, 1);
  int64_t n_elements;
  if (job->src[0].rank < 2) {
    g_autofree char *shape = weir_tensor_describe (&job->src[0]);
    return weir_job_fail ("input is %s, expected matrices", shape);
  }
  if (k &&
      (k->dtype != WEIR_DTYPE_I64 || !weir_tensor_n_elements (k, &n_elements) || n_elements != 1)) {
    g_autofree char *shape = weir_tensor_describe (k);
    return weir_job_fail ("k is %s, expected one i64", shape);
  }
  weir_copy_shape (&job->dst[0], &job->src[0]);
  return true;
}

bool weir_shape_cast_like (const WeirShapeJob *job, GError **error)
{
  weir_copy_shape (&job->dst[0], &job->src[0]);
  job->dst[0].dtype = job->src[1].dtype;
  return true;
}

/* border is left, top, right, bottom; with `scale`, a height and width, only left and top count. */
bool weir_crop_resolve (const WeirShapeJob *job, WeirSlice *slice, GError **error)
{
  const WeirTensor *src = &job->src[0];
  uint32_t n_border, n_size;
  const int64_t *border = weir_node_ints (job->node, "border", &n_border);
  const int64_t *size = weir_node_ints (job->node, "scale", &n_size);
  if (src->rank != 4 || n_border != 4 || (n_size && n_size != 2)) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("input is %s with %u borders and %u sizes, expected 4 dimensions, "
                          "4 borders and 2 sizes or none",
        shape, n_border, n_size);
  }
  for (uint32_t i = 0; i < 4; i++) {
    int64_t begin = i < 2 ? 0 : border[3 - i], end = i < 2 || n_size ? 0 : border[5 - i];
    int64_t n = src->dims[i];
    bool is_inside = begin >= 0 && end >= 0 && begin <= n && end <= n - begin;
    slice->start[i] = begin;
    slice->step[i] = 1;
    slice->dst[i] = i >= 2 && n_size ? size[i - 2] : is_inside ? n - begin - end : -1;
    if (!is_inside || slice->dst[i] < 0 || slice->dst[i] > n - begin)
      return weir_job_fail ("it leaves the %" G_GINT64_FORMAT " elements of dimension %u", n, i);
  }
  return true;
}

bool weir_shape_crop (const WeirShapeJob *job, GError **error)
{
  WeirSlice slice;
  if (!weir_crop_resolve (job, &slice, error))
    return false;
  job->dst[0] = (WeirTensor){ .dtype = job->src[0].dtype, .rank = 4 };
  memcpy (job->dst[0].dims, slice.dst, 4 * sizeof *slice.dst);
  return true;
}

/* `results`: type, rank and dims at a batch of 1 for each output, one behind the other. */
bool weir_shape_simulate (const WeirShapeJob *job, GError **error)
{
  uint32_t n_ints, at = 0;
  const int64_t *ints = weir_node_ints (job->node, "results", &n_ints);
  int64_t n = weir_simulate_n (job->node, &job->src[0]);
  for (uint32_t k = 0; k < job->node->n_dst; k++) {
    WeirTensor *dst = &job->dst[k];
    if (n_ints - at < 2 || ints[at] <= WEIR_DTYPE_NONE || ints[at] >= WEIR_N_DTYPES ||
        ints[at + 1] < 0 || ints[at + 1] > WEIR_MAX_RANK || ints[at + 1] > n_ints - at - 2)
      return weir_job_fail ("output %u: type, rank and dims are expected", k);
    dst->dtype = (WeirDtype) ints[at];
    dst->rank = (uint32_t) ints[at + 1];
    memcpy (dst->dims, ints + at + 2, dst->rank * sizeof *ints);
    if (dst->rank && (dst->dims[0] < 0 || !weir_checked_mul_i64 (dst->dims[0], n, &dst->dims[0])))
      return weir_job_fail ("output %u: its rows exceed what a tensor can have", k);
    at += 2 + dst->rank;
  }
  return true;
}
