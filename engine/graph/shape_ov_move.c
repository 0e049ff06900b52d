/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* StridedSlice, ShuffleChannels, ReorgYolo and ExtractImagePatches. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"

#include <string.h>

/* Bits of StridedSlice's masks, one mask for each place of begin, end and strides. */
enum { SKIP_BEGIN = 1, SKIP_END = 2, NEW_AXIS = 4, SHRINK = 8, ELLIPSIS = 16 };

typedef struct Slices {
  int64_t begin[WEIR_MAX_INTS], end[WEIR_MAX_INTS], stride[WEIR_MAX_INTS];
  uint8_t mask[WEIR_MAX_INTS];
  uint32_t n;
} Slices;

static bool read_masks (const WeirShapeJob *job, Slices *slices, GError **error)
{
  static const struct {
    const char *name;
    uint8_t bit;
  } rows[] = {
    { "begin_mask", SKIP_BEGIN },
    { "end_mask", SKIP_END },
    { "new_axis_mask", NEW_AXIS },
    { "shrink_axis_mask", SHRINK },
    { "ellipsis_mask", ELLIPSIS },
  };
  int64_t mask[WEIR_MAX_INTS];
  uint32_t n;
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (!weir_ov_ints (job, rows[i].name, mask, &n, error))
      return false;
    for (uint32_t k = 0; k < MIN (n, slices->n); k++)
      slices->mask[k] |= mask[k] ? rows[i].bit : 0;
  }
  return true;
}

static bool read_slices (const WeirShapeJob *job, Slices *slices, GError **error)
{
  uint32_t n_end, n_strides;
  memset (slices, 0, sizeof *slices);
  if (!weir_shape_ints (job, NULL, 1, slices->begin, &slices->n, error) ||
      !weir_shape_ints (job, NULL, 2, slices->end, &n_end, error) ||
      !weir_shape_ints (job, NULL, 3, slices->stride, &n_strides, error))
    return false;
  bool has_strides = weir_job_src (job, 3) != NULL;
  if (n_end != slices->n || (has_strides && n_strides != slices->n))
    return weir_job_fail ("begin, end and strides have %u, %u and %u elements, expected as many",
        slices->n, n_end, n_strides);
  for (uint32_t i = 0; i < slices->n && !has_strides; i++)
    slices->stride[i] = 1;
  return read_masks (job, slices, error);
}

static bool put_dim (const WeirShapeJob *job, WeirStridedSlice *slice, int64_t dim, GError **error)
{
  if (slice->dst_rank == WEIR_MAX_RANK)
    return weir_job_fail ("the result has more than %d dimensions", WEIR_MAX_RANK);
  slice->dst_dims[slice->dst_rank++] = dim;
  return true;
}

/* One place of begin and end on one axis of the source. */
static bool slice_axis (const WeirShapeJob *job, const Slices *slices, uint32_t i, uint32_t axis,
    WeirStridedSlice *slice, GError **error)
{
  int64_t n = job->src[0].dims[axis], step = slices->stride[i], begin = slices->begin[i],
          end = slices->end[i];
  int64_t first = step > 0 ? 0 : -1, last = step > 0 ? n : n - 1; /* of begin and end */
  if (step == 0)
    return weir_job_fail ("stride 0 on axis %u", axis);
  begin = slices->mask[i] & SKIP_BEGIN ? (step > 0 ? first : last) : begin < 0 ? begin + n : begin;
  if (slices->mask[i] & SHRINK) {
    if (begin < 0 || begin >= n)
      return weir_job_fail ("index %" G_GINT64_FORMAT
                            " is out of range for axis %u of %" G_GINT64_FORMAT " elements",
          slices->begin[i], axis, n);
    slice->start[axis] = begin;
    slice->step[axis] = slice->n[axis] = 1;
    slice->dst_axis[axis] = WEIR_NONE;
    return true;
  }
  end = slices->mask[i] & SKIP_END ? (step > 0 ? last : first) : end < 0 ? end + n : end;
  begin = CLAMP (begin, 0, MAX (last, 0)); /* an index beyond the front is the first element */
  end = CLAMP (end, first, last);
  int64_t length = step > 0 ? end - begin : begin - end;
  uint64_t size = step > 0 ? (uint64_t) step : 0 - (uint64_t) step;
  slice->start[axis] = begin;
  slice->step[axis] = step;
  slice->n[axis] = n && length > 0 ? (int64_t) (((uint64_t) length - 1) / size) + 1 : 0;
  slice->dst_axis[axis] = slice->dst_rank;
  return put_dim (job, slice, slice->n[axis], error);
}

static bool keep_axis (
    const WeirShapeJob *job, uint32_t axis, WeirStridedSlice *slice, GError **error)
{
  slice->start[axis] = 0;
  slice->step[axis] = 1;
  slice->n[axis] = job->src[0].dims[axis];
  slice->dst_axis[axis] = slice->dst_rank;
  return put_dim (job, slice, slice->n[axis], error);
}

/* Places from `i` on that stand for an axis of the source. */
static uint32_t count_axes (const Slices *slices, uint32_t i)
{
  uint32_t n = 0;
  for (; i < slices->n; i++)
    n += !(slices->mask[i] & (NEW_AXIS | ELLIPSIS));
  return n;
}

bool weir_strided_slice_resolve (const WeirShapeJob *job, WeirStridedSlice *slice, GError **error)
{
  Slices slices;
  uint32_t axis = 0, rank = job->src[0].rank;
  memset (slice, 0, sizeof *slice);
  if (!read_slices (job, &slices, error))
    return false;
  for (uint32_t i = 0; i < slices.n; i++) {
    if (slices.mask[i] & ELLIPSIS) {
      uint32_t n_after = count_axes (&slices, i + 1);
      while (axis + n_after < rank)
        if (!keep_axis (job, axis++, slice, error))
          return false;
    } else if (slices.mask[i] & NEW_AXIS) {
      if (!put_dim (job, slice, 1, error))
        return false;
    } else if (axis >= rank) {
      return weir_job_fail ("begin and end have more places than the input has dimensions");
    } else if (!slice_axis (job, &slices, i, axis++, slice, error)) {
      return false;
    }
  }
  while (axis < rank)
    if (!keep_axis (job, axis++, slice, error))
      return false;
  return true;
}

bool weir_shape_ov_strided_slice (const WeirShapeJob *job, GError **error)
{
  WeirStridedSlice slice;
  if (!weir_strided_slice_resolve (job, &slice, error))
    return false;
  job->dst[0] = (WeirTensor){ .dtype = job->src[0].dtype, .rank = slice.dst_rank };
  memcpy (job->dst[0].dims, slice.dst_dims, sizeof slice.dst_dims);
  return true;
}

bool weir_shape_ov_shuffle_channels (const WeirShapeJob *job, GError **error)
{
  int64_t group = weir_node_int (job->node, "group", 1);
  uint32_t axis;
  if (!weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", 1),
          job->src[0].rank, &axis, error))
    return false;
  if (group < 1 || job->src[0].dims[axis] % group)
    return weir_job_fail ("%" G_GINT64_FORMAT " groups of %" G_GINT64_FORMAT " elements", group,
        job->src[0].dims[axis]);
  job->dst[0] = (WeirTensor){ .dtype = job->src[0].dtype, .rank = job->src[0].rank };
  memcpy (job->dst[0].dims, job->src[0].dims, sizeof job->dst[0].dims);
  return true;
}

bool weir_shape_ov_reorg_yolo (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t stride[WEIR_MAX_INTS] = { 1 }, s;
  uint32_t n;
  if (!weir_ov_ints (job, "stride", stride, &n, error))
    return false;
  s = stride[0];
  if (src->rank != 4 || s < 1 || s > 4096 || (n > 1 && stride[1] != s) || src->dims[2] % s ||
      src->dims[3] % s || src->dims[1] < s * s) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("stride %" G_GINT64_FORMAT " does not fit %s", s, shape);
  }
  job->dst[0] = (WeirTensor){ .dtype = src->dtype, .rank = 4, .dims = { src->dims[0] } };
  job->dst[0].dims[2] = src->dims[2] / s;
  job->dst[0].dims[3] = src->dims[3] / s;
  return weir_checked_mul_i64 (src->dims[1], s * s, &job->dst[0].dims[1]) ||
         weir_job_fail ("too many channels");
}

static bool read_pair (const WeirShapeJob *job, const char *name, int64_t pair[2], GError **error)
{
  int64_t list[WEIR_MAX_INTS] = { 0 };
  uint32_t n;
  if (!weir_ov_ints (job, name, list, &n, error))
    return false;
  memcpy (pair, list, 2 * sizeof *pair);
  return (n == 2 && list[0] >= 1 && list[1] >= 1 && list[0] <= INT32_MAX && list[1] <= INT32_MAX) ||
         weir_job_fail ("%s are not two positive numbers", name);
}

bool weir_patches_resolve (const WeirShapeJob *job, WeirPatches *patches, GError **error)
{
  static const char *const pads[] = { "valid", "same_upper", "same_lower", NULL };
  uint32_t pad;
  if (job->src[0].rank != 4)
    return weir_job_fail ("input has %u dimensions, expected 4", job->src[0].rank);
  if (!read_pair (job, "sizes", patches->size, error) ||
      !read_pair (job, "strides", patches->stride, error) ||
      !read_pair (job, "rates", patches->rate, error) ||
      !weir_ov_choice (job, "auto_pad", pads, 0, &pad, error))
    return false;
  for (int i = 0; i < 2; i++) {
    int64_t n = job->src[0].dims[2 + i], stride = patches->stride[i];
    int64_t span = patches->rate[i] * (patches->size[i] - 1) + 1;
    int64_t n_same = n ? (n - 1) / stride + 1 : 0;
    int64_t missing = MAX ((n_same - 1) * stride + span - n, 0);
    patches->dst[i] = pad ? n_same : n >= span ? (n - span) / stride + 1 : 0;
    patches->pad[i] = pad ? (missing + (pad == 2)) / 2 : 0;
  }
  return true;
}

bool weir_shape_ov_extract_image_patches (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirPatches patches;
  if (!weir_patches_resolve (job, &patches, error))
    return false;
  job->dst[0] = (WeirTensor){ .dtype = src->dtype, .rank = 4, .dims = { src->dims[0] } };
  memcpy (job->dst[0].dims + 2, patches.dst, sizeof patches.dst);
  return (weir_checked_mul_i64 (src->dims[1], patches.size[0], &job->dst[0].dims[1]) &&
             weir_checked_mul_i64 (job->dst[0].dims[1], patches.size[1], &job->dst[0].dims[1])) ||
         weir_job_fail ("too many channels");
}
