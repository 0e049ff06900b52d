/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators that copy, select and reorder elements. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

#include <string.h>

static bool src_error (const WeirShapeJob *job, const char *text, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (&job->src[0]);
  return weir_job_fail ("input is %s: %s", shape, text);
}

static bool read_axis (const WeirShapeJob *job, int64_t fallback, uint32_t *axis, GError **error)
{
  return weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", fallback),
      job->src[0].rank, axis, error);
}

bool weir_shape_concat (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *first = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  uint32_t axis;
  if (!read_axis (job, 1, &axis, error))
    return false;
  *dst = (WeirTensor){ .dtype = first->dtype, .rank = first->rank };
  memcpy (dst->dims, first->dims, sizeof dst->dims);
  for (uint32_t i = 1; i < job->node->n_src; i++) {
    WeirTensor other = job->src[i];
    int64_t n = other.rank == first->rank ? other.dims[axis] : 0;
    other.dims[axis] = first->dims[axis];
    if (other.dtype != first->dtype || !weir_tensor_same_shape (first, &other) ||
        !weir_checked_add_i64 (dst->dims[axis], n, &dst->dims[axis])) {
      g_autofree char *a = weir_tensor_describe (first);
      g_autofree char *b = weir_tensor_describe (&job->src[i]);
      return weir_job_fail (
          "inputs 0 and %u are %s and %s, expected equal but for axis %u", i, a, b, axis);
    }
  }
  return true;
}

bool weir_shape_expand (const WeirShapeJob *job, GError **error)
{
  int64_t dims[WEIR_MAX_INTS];
  WeirTensor target = { .dtype = job->src[0].dtype };
  if (!weir_shape_ints (job, "shape", 1, dims, &target.rank, error))
    return false;
  if (target.rank > WEIR_MAX_RANK)
    return src_error (job, "the target has too many dimensions", error);
  for (uint32_t i = 0; i < target.rank; i++) {
    if (dims[i] < 0)
      return src_error (job, "the target has a negative dimension", error);
    target.dims[i] = dims[i];
  }
  if (!weir_shape_broadcast (&job->src[0], &target, &job->dst[0])) {
    g_autofree char *shape = weir_tensor_describe (&target);
    g_autofree char *text = g_strdup_printf ("it does not broadcast to %s", shape);
    return src_error (job, text, error);
  }
  job->dst[0].dtype = target.dtype;
  return true;
}

bool weir_shape_gather (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  WeirTensor *dst = &job->dst[0];
  uint32_t axis;
  if (!read_axis (job, 0, &axis, error))
    return false;
  if (indices->dtype != WEIR_DTYPE_I64 && indices->dtype != WEIR_DTYPE_I32)
    return weir_job_fail ("indices are %s, expected i64 or i32", weir_dtype_name (indices->dtype));
  if (data->rank + indices->rank > WEIR_MAX_RANK + 1)
    return src_error (job, "the result has too many dimensions", error);
  dst->dtype = data->dtype;
  for (uint32_t i = 0; i < axis; i++)
    dst->dims[dst->rank++] = data->dims[i];
  for (uint32_t i = 0; i < indices->rank; i++)
    dst->dims[dst->rank++] = indices->dims[i];
  for (uint32_t i = axis + 1; i < data->rank; i++)
    dst->dims[dst->rank++] = data->dims[i];
  return true;
}

static bool read_pad_mode (const WeirShapeJob *job, WeirPadMode *mode, GError **error)
{
  static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
  uint32_t choice;
  if (!weir_shape_choice (job, "mode", "constant", names, G_N_ELEMENTS (names), &choice, error))
    return false;
  *mode = (WeirPadMode) choice;
  return true;
}

bool weir_pads_resolve (const WeirShapeJob *job, WeirPads *pads, GError **error)
{
  uint32_t axes[WEIR_MAX_RANK], n_axes, n, rank = job->src[0].rank;
  int64_t list[WEIR_MAX_INTS];
  memset (pads, 0, sizeof *pads);
  if (!read_pad_mode (job, &pads->mode, error) ||
      !weir_shape_ints (job, "pads", 1, list, &n, error) ||
      !weir_shape_axes (job, NULL, 3, rank, axes, &n_axes, error))
    return false;
  for (uint32_t i = 0; !weir_job_src (job, 3) && i < rank; i++)
    axes[n_axes++] = i;
  if (n != 2 * n_axes)
    return weir_job_fail ("pads have %u elements, expected %u", n, 2 * n_axes);
  for (uint32_t i = 0; i < n_axes; i++) {
    pads->begin[axes[i]] = list[i];
    pads->end[axes[i]] = list[n_axes + i];
  }
  return true;
}

bool weir_shape_pad (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *value = weir_job_src (job, 2);
  WeirTensor *dst = &job->dst[0];
  WeirPads pads;
  int64_t n_values;
  if (!weir_pads_resolve (job, &pads, error))
    return false;
  if (value &&
      (!weir_tensor_n_elements (value, &n_values) || n_values != 1 || value->dtype != src->dtype))
    return weir_job_fail ("constant_value is not one %s", weir_dtype_name (src->dtype));
  dst->dtype = src->dtype;
  dst->rank = src->rank;
  for (uint32_t i = 0; i < src->rank; i++) {
    if (!weir_checked_add_i64 (src->dims[i], pads.begin[i], &dst->dims[i]) ||
        !weir_checked_add_i64 (dst->dims[i], pads.end[i], &dst->dims[i]) || dst->dims[i] < 0)
      return src_error (job, "pads make a dimension negative", error);
    if (pads.mode != WEIR_PAD_CONSTANT && src->dims[i] == 0 && dst->dims[i] > 0)
      return src_error (job, "nothing to pad with", error);
  }
  return true;
}

/* One axis: bounds beyond the ends are moved to them, the start onto an element, as ONNX says
 * (NumPy has nothing where a walk backwards starts before the first). The largest number means "to
 * the end" in either direction, as ONNX Runtime reads it. */
static bool slice_axis (const WeirShapeJob *job, uint32_t axis, int64_t start, int64_t end,
    int64_t step, WeirSlice *slice, GError **error)
{
  int64_t n = job->src[0].dims[axis];
  int64_t first = step > 0 ? 0 : -1, last = step > 0 ? n : n - 1;
  if (step == 0)
    return weir_job_fail ("step 0 on axis %u", axis);
  bool is_open = end == INT32_MAX || end == INT64_MAX;
  start = start < 0 ? start + n : start;
  end = is_open ? (step > 0 ? n : -1) : end < 0 ? end + n : end;
  start = CLAMP (start, 0, MAX (last, 0));
  end = n ? CLAMP (end, first, last) : start;
  slice->start[axis] = start;
  slice->step[axis] = step;
  slice->dst[axis] = 0;
  if (step > 0 && end > start)
    slice->dst[axis] = (end - start - 1) / step + 1;
  if (step < 0 && start > end) /* -(step + 1) is in range for INT64_MIN as well */
    slice->dst[axis] = step == INT64_MIN ? 1 : (start - end - 1) / -step + 1;
  return true;
}

bool weir_slice_resolve (const WeirShapeJob *job, WeirSlice *slice, GError **error)
{
  int64_t starts[WEIR_MAX_INTS], ends[WEIR_MAX_INTS], steps[WEIR_MAX_INTS];
  uint32_t axes[WEIR_MAX_RANK], n, n_ends, n_axes, n_steps, rank = job->src[0].rank;
  if (!weir_shape_ints (job, "starts", 1, starts, &n, error) ||
      !weir_shape_ints (job, "ends", 2, ends, &n_ends, error) ||
      !weir_shape_axes (job, "axes", 3, rank, axes, &n_axes, error) ||
      !weir_shape_ints (job, "steps", 4, steps, &n_steps, error))
    return false;
  if (n_ends != n || (n_axes && n_axes != n) || (n_steps && n_steps != n) || n > rank)
    return weir_job_fail ("%u starts, %u ends, %u axes and %u steps for %u dimensions", n, n_ends,
        n_axes, n_steps, rank);
  for (uint32_t i = 0; i < rank; i++) {
    slice->start[i] = 0;
    slice->step[i] = 1;
    slice->dst[i] = job->src[0].dims[i];
  }
  for (uint32_t i = 0; i < n; i++)
    if (!slice_axis (
            job, n_axes ? axes[i] : i, starts[i], ends[i], n_steps ? steps[i] : 1, slice, error))
      return false;
  return true;
}

bool weir_shape_slice (const WeirShapeJob *job, GError **error)
{
  WeirSlice slice;
  WeirTensor *dst = &job->dst[0];
  if (!weir_slice_resolve (job, &slice, error))
    return false;
  dst->dtype = job->src[0].dtype;
  dst->rank = job->src[0].rank;
  memcpy (dst->dims, slice.dst, sizeof dst->dims);
  return true;
}

static bool check_n_sizes (const WeirShapeJob *job, int64_t n, GError **error)
{
  return n == job->node->n_dst ||
         weir_job_fail ("%" G_GINT64_FORMAT " sizes for %u outputs", n, job->node->n_dst);
}

/* Opset 18 makes the last outputs smaller; before, all had to be equal. Lists of sizes may be
 * longer than WEIR_MAX_INTS, so they are read one by one. */
bool weir_split_size (
    const WeirShapeJob *job, uint32_t axis, uint32_t i, int64_t *size, GError **error)
{
  const WeirAttr *attr = weir_node_attr (job->node, "split");
  const WeirTensor *sizes = weir_job_src (job, 1);
  int64_t dim = job->src[0].dims[axis], n = job->node->n_dst;
  if (attr && attr->kind == WEIR_ATTR_INTS) {
    if (!check_n_sizes (job, attr->n, error))
      return false;
    *size = attr->ints[i];
  } else if (sizes) {
    if (!sizes->buffer || sizes->rank != 1)
      return weir_job_refuse ("sizes depend on data, expected a known list");
    if (!check_n_sizes (job, sizes->dims[0], error))
      return false;
    if (!weir_known_int (sizes, i, size))
      return weir_job_fail ("sizes are %s, expected i64", weir_dtype_name (sizes->dtype));
  } else {
    int64_t chunk = dim / n + (dim % n != 0);
    if (job->node->opset < 18 && dim % n)
      return src_error (job, "the axis does not split evenly", error);
    *size = CLAMP (dim - i * chunk, 0, chunk);
    return check_n_sizes (job, weir_node_int (job->node, "num_outputs", n), error);
  }
  return *size >= 0 || weir_job_fail ("size %" G_GINT64_FORMAT " of output %u", *size, i);
}

bool weir_shape_split (const WeirShapeJob *job, GError **error)
{
  uint32_t axis;
  int64_t sum = 0;
  if (!read_axis (job, 0, &axis, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    WeirTensor *dst = &job->dst[i];
    dst->dtype = job->src[0].dtype;
    dst->rank = job->src[0].rank;
    memcpy (dst->dims, job->src[0].dims, sizeof dst->dims);
    if (!weir_split_size (job, axis, i, &dst->dims[axis], error))
      return false;
    if (!weir_checked_add_i64 (sum, dst->dims[axis], &sum))
      return src_error (job, "sizes do not add up", error);
  }
  return sum == job->src[0].dims[axis] || src_error (job, "sizes do not add up", error);
}

bool weir_shape_tile (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t repeats[WEIR_MAX_INTS];
  uint32_t n;
  if (!weir_shape_ints (job, "repeats", 1, repeats, &n, error))
    return false;
  if (n != src->rank)
    return src_error (job, "expected one repeat per dimension", error);
  dst->dtype = src->dtype;
  dst->rank = n;
  for (uint32_t i = 0; i < n; i++)
    if (repeats[i] < 0 || !weir_checked_mul_i64 (src->dims[i], repeats[i], &dst->dims[i]))
      return src_error (job, "a repeat is out of range", error);
  return true;
}

bool weir_perm_resolve (const WeirShapeJob *job, uint32_t perm[WEIR_MAX_RANK], GError **error)
{
  uint32_t n, rank = job->src[0].rank;
  if (!weir_shape_axes (job, "perm", WEIR_NONE, rank, perm, &n, error))
    return false;
  if (n && n != rank)
    return src_error (job, "expected perm to name every dimension", error);
  for (uint32_t i = 0; !n && i < rank; i++)
    perm[i] = rank - 1 - i;
  return true;
}

bool weir_shape_transpose (const WeirShapeJob *job, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  uint32_t perm[WEIR_MAX_RANK];
  if (!weir_perm_resolve (job, perm, error))
    return false;
  dst->dtype = job->src[0].dtype;
  dst->rank = job->src[0].rank;
  for (uint32_t i = 0; i < dst->rank; i++)
    dst->dims[i] = job->src[0].dims[perm[i]];
  return true;
}

/* blocksize, of which the square must fit into 64 bits with room. */
static bool read_block (const WeirShapeJob *job, int64_t *block, GError **error)
{
  *block = weir_node_int (job->node, "blocksize", 0);
  if (*block < 1 || *block > INT32_MAX || job->src[0].rank != 4)
    return src_error (job, "expected 4 dimensions and a positive blocksize", error);
  return true;
}

bool weir_shape_depth_to_space (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t block;
  if (!read_block (job, &block, error))
    return false;
  *dst = (WeirTensor){ .dtype = src->dtype, .rank = 4, .dims = { src->dims[0] } };
  dst->dims[1] = src->dims[1] / (block * block);
  if (src->dims[1] % (block * block) ||
      !weir_checked_mul_i64 (src->dims[2], block, &dst->dims[2]) ||
      !weir_checked_mul_i64 (src->dims[3], block, &dst->dims[3]))
    return src_error (job, "blocksize squared does not divide the channels", error);
  return true;
}

bool weir_shape_space_to_depth (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t block;
  if (!read_block (job, &block, error))
    return false;
  *dst = (WeirTensor){ .dtype = src->dtype, .rank = 4, .dims = { src->dims[0] } };
  dst->dims[2] = src->dims[2] / block;
  dst->dims[3] = src->dims[3] / block;
  if (src->dims[2] % block || src->dims[3] % block ||
      !weir_checked_mul_i64 (src->dims[1], block * block, &dst->dims[1]))
    return src_error (job, "blocksize does not divide height and width", error);
  return true;
}

/* Of dims alone: channels of all sources, of all results, and what lies around them. */
static bool count_gathered (const WeirShapeJob *job, int64_t *n_src, GError **error)
{
  const WeirTensor *first = &job->src[0];
  *n_src = 0;
  for (uint32_t i = 0; i < job->node->n_src; i++) {
    WeirTensor other = job->src[i];
    int64_t n = other.rank < 2 ? 0 : other.dims[1];
    other.dims[1] = first->dims[1];
    if (first->rank < 2 || other.dtype != first->dtype || !weir_tensor_same_shape (first, &other) ||
        !weir_checked_add_i64 (*n_src, n, n_src)) {
      g_autofree char *a = weir_tensor_describe (first);
      g_autofree char *b = weir_tensor_describe (&job->src[i]);
      return weir_job_fail (
          "inputs 0 and %u are %s and %s, expected equal but for axis 1", i, a, b);
    }
  }
  return true;
}

bool weir_shape_channel_gather (const WeirShapeJob *job, GError **error)
{
  uint32_t n_channels, n_split;
  const int64_t *channels = weir_node_ints (job->node, "channels", &n_channels),
                *split = weir_node_ints (job->node, "split", &n_split);
  int64_t n_src, n = 0;
  if (!count_gathered (job, &n_src, error))
    return false;
  for (uint32_t i = 0; i < n_channels; i++)
    if (channels[i] < 0 || channels[i] >= n_src)
      return weir_job_fail (
          "channel %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, channels[i], n_src);
  for (uint32_t i = 0; i < n_split; i++)
    if (split[i] < 0 || !weir_checked_add_i64 (n, split[i], &n))
      return weir_job_fail ("a part has %" G_GINT64_FORMAT " channels", split[i]);
  if (n_split != job->node->n_dst || n != n_channels)
    return weir_job_fail ("%u channels are not what the %u parts of %u results have", n_channels,
        n_split, job->node->n_dst);
  for (uint32_t i = 0; i < n_split; i++) {
    if (!weir_job_wants (job, i))
      continue;
    weir_copy_shape (&job->dst[i], &job->src[0]);
    job->dst[i].dims[1] = split[i];
  }
  return true;
}
