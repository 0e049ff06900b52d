/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that only move bytes: most are one strided copy. */
#include "engine/ref/ref.h"

#include <string.h>

/* Bytes of everything from axis on. */
static size_t tail_bytes (const WeirTensor *tensor, uint32_t axis)
{
  return (size_t) weir_ref_product (tensor, axis, tensor->rank) * weir_dtype_bytes (tensor->dtype);
}

static bool find_axis (const WeirShapeJob *job, int64_t fallback, uint32_t *axis, GError **error)
{
  return weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", fallback),
      job->src[0].rank, axis, error);
}

/* n blocks, each to or from every `step` bytes. */
static void copy_blocks (
    char *dst, size_t dst_step, const char *src, size_t src_step, size_t n_bytes, int64_t n)
{
  for (int64_t i = 0; n_bytes && i < n; i++)
    memcpy (dst + (size_t) i * dst_step, src + (size_t) i * src_step, n_bytes);
}

bool weir_ref_concat (const WeirShapeJob *job, void *scratch, GError **error)
{
  uint32_t axis;
  size_t at = 0, step;
  if (!find_axis (job, 1, &axis, error))
    return false;
  step = tail_bytes (&job->dst[0], axis);
  for (uint32_t i = 0; i < job->node->n_src; i++) {
    size_t n_bytes = tail_bytes (&job->src[i], axis);
    if (n_bytes)
      copy_blocks ((char *) weir_tensor_data (&job->dst[0]) + at, step,
          weir_tensor_data (&job->src[i]), n_bytes, n_bytes,
          weir_ref_product (&job->dst[0], 0, axis));
    at += n_bytes;
  }
  return true;
}

bool weir_ref_split (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  uint32_t axis;
  size_t at = 0, step;
  int64_t n;
  if (!find_axis (job, 0, &axis, error))
    return false;
  step = tail_bytes (src, axis);
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    if (!weir_split_size (job, axis, i, &n, error)) /* outputs that nobody wants have no dims */
      return false;
    size_t n_bytes = (size_t) n * tail_bytes (src, axis + 1);
    if (n_bytes && job->dst[i].buffer)
      copy_blocks (weir_tensor_data (&job->dst[i]), n_bytes,
          (const char *) weir_tensor_data (src) + at, step, n_bytes,
          weir_ref_product (src, 0, axis));
    at += n_bytes;
  }
  return true;
}

/* Channel `channel` of the Concat of all sources. */
static const char *find_channel (const WeirShapeJob *job, int64_t item, int64_t channel)
{
  uint32_t i = 0;
  while (channel >= job->src[i].dims[1])
    channel -= job->src[i++].dims[1];
  return (const char *) weir_tensor_data (&job->src[i]) +
         (size_t) (item * job->src[i].dims[1] + channel) * tail_bytes (&job->src[i], 2);
}

bool weir_ref_channel_gather (const WeirShapeJob *job, void *scratch, GError **error)
{
  uint32_t n;
  const int64_t *channels = weir_node_ints (job->node, "channels", &n),
                *split = weir_node_ints (job->node, "split", &n);
  size_t n_bytes = tail_bytes (&job->src[0], 2);
  for (uint32_t i = 0; i < job->node->n_dst; channels += split[i++]) {
    char *dst = weir_tensor_data (&job->dst[i]);
    for (int64_t item = 0; n_bytes && dst && item < job->src[0].dims[0]; item++)
      for (int64_t c = 0; c < split[i]; c++, dst += n_bytes)
        memcpy (dst, find_channel (job, item, channels[c]), n_bytes);
  }
  return true;
}

bool weir_ref_gather (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  uint32_t axis;
  if (!find_axis (job, 0, &axis, error))
    return false;
  int64_t n_indices = weir_ref_n (indices), n = data->dims[axis];
  int64_t n_outer = weir_ref_product (data, 0, axis);
  size_t n_bytes = tail_bytes (data, axis + 1);
  for (int64_t i = 0; i < n_indices; i++) {
    int64_t k = weir_ref_load_int (indices->dtype, weir_tensor_data (indices), i);
    k = k < 0 ? k + n : k;
    if (k < 0 || k >= n)
      return weir_job_fail ("index %" G_GINT64_FORMAT " is out of range for %" G_GINT64_FORMAT
                            " elements of axis %u",
          k < 0 ? k - n : k, n, axis);
    if (n_bytes)
      copy_blocks ((char *) weir_tensor_data (&job->dst[0]) + (size_t) i * n_bytes,
          n_bytes * (size_t) n_indices,
          (const char *) weir_tensor_data (data) + (size_t) k * n_bytes, n_bytes * (size_t) n,
          n_bytes, n_outer);
  }
  return true;
}

static void copy_to_dst (const WeirShapeJob *job, int64_t offset, uint32_t rank,
    const int64_t *dims, const int64_t *stride)
{
  size_t size = weir_dtype_bytes (job->src[0].dtype);
  if (weir_ref_n (&job->dst[0]))
    weir_ref_copy_strided (weir_tensor_data (&job->dst[0]),
        (const char *) weir_tensor_data (&job->src[0]) + (size_t) offset * size, size, rank, dims,
        stride);
}

bool weir_ref_expand (const WeirShapeJob *job, void *scratch, GError **error)
{
  int64_t stride[WEIR_MAX_RANK];
  weir_ref_broadcast_strides (&job->src[0], &job->dst[0], stride);
  copy_to_dst (job, 0, job->dst[0].rank, job->dst[0].dims, stride);
  return true;
}

bool weir_ref_slice (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t stride[WEIR_MAX_RANK], offset = 0;
  WeirSlice slice;
  if (!weir_slice_resolve (job, &slice, error))
    return false;
  if (weir_ref_n (&job->dst[0]) == 0)
    return true;
  weir_ref_strides (src, stride);
  for (uint32_t i = 0; i < src->rank; i++) {
    offset += slice.start[i] * stride[i];
    /* One element has no next one, and a step may be anything. */
    stride[i] = slice.dst[i] > 1 ? stride[i] * slice.step[i] : stride[i];
  }
  copy_to_dst (job, offset, src->rank, slice.dst, stride);
  return true;
}

/* Each axis is seen as two: repeats with stride 0, then the elements. */
bool weir_ref_tile (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  int64_t own[WEIR_MAX_RANK], dims[2 * WEIR_MAX_RANK], stride[2 * WEIR_MAX_RANK];
  if (weir_ref_n (dst) == 0)
    return true;
  weir_ref_strides (src, own);
  for (uint32_t i = 0; i < src->rank; i++) {
    dims[2 * i] = dst->dims[i] / src->dims[i];
    dims[2 * i + 1] = src->dims[i];
    stride[2 * i] = 0;
    stride[2 * i + 1] = own[i];
  }
  copy_to_dst (job, 0, 2 * src->rank, dims, stride);
  return true;
}

/* dst axis i is axis perm[i] of src seen as `dims`. */
static void permute (
    const WeirShapeJob *job, uint32_t rank, const int64_t *dims, const uint32_t *perm)
{
  WeirTensor view = { .rank = rank };
  int64_t own[WEIR_MAX_RANK], dst_dims[WEIR_MAX_RANK], stride[WEIR_MAX_RANK];
  memcpy (view.dims, dims, rank * sizeof *dims);
  weir_ref_strides (&view, own);
  for (uint32_t i = 0; i < rank; i++) {
    dst_dims[i] = dims[perm[i]];
    stride[i] = own[perm[i]];
  }
  copy_to_dst (job, 0, rank, dst_dims, stride);
}

bool weir_ref_transpose (const WeirShapeJob *job, void *scratch, GError **error)
{
  uint32_t perm[WEIR_MAX_RANK];
  if (!weir_perm_resolve (job, perm, error))
    return false;
  permute (job, job->src[0].rank, job->src[0].dims, perm);
  return true;
}

bool weir_ref_depth_to_space (const WeirShapeJob *job, void *scratch, GError **error)
{
  const int64_t *d = job->src[0].dims, *to = job->dst[0].dims;
  int64_t b = weir_node_int (job->node, "blocksize", 1);
  bool is_crd = strcmp (weir_node_string (job->node, "mode", "DCR"), "CRD") == 0;
  const int64_t dcr[] = { d[0], b, b, to[1], d[2], d[3] },
                crd[] = { d[0], to[1], b, b, d[2], d[3] };
  static const uint32_t dcr_perm[] = { 0, 3, 4, 1, 5, 2 }, crd_perm[] = { 0, 1, 4, 2, 5, 3 };
  permute (job, 6, is_crd ? crd : dcr, is_crd ? crd_perm : dcr_perm);
  return true;
}

bool weir_ref_space_to_depth (const WeirShapeJob *job, void *scratch, GError **error)
{
  const int64_t *d = job->src[0].dims, *to = job->dst[0].dims;
  int64_t b = weir_node_int (job->node, "blocksize", 1);
  const int64_t dims[] = { d[0], d[1], to[2], b, to[3], b };
  static const uint32_t perm[] = { 0, 3, 5, 1, 2, 4 };
  permute (job, 6, dims, perm);
  return true;
}

/* Channel (g, k) goes to (k, g). */
bool weir_ref_channel_shuffle (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t group = weir_node_int (job->node, "group", 1);
  const int64_t dims[] = { src->dims[0], group, src->dims[1] / group,
    weir_ref_product (src, 2, src->rank) };
  static const uint32_t perm[] = { 0, 2, 1, 3 };
  permute (job, 4, dims, perm);
  return true;
}

typedef struct Padding {
  const WeirShapeJob *job;
  WeirPads pads;
  int64_t stride[WEIR_MAX_RANK]; /* of src */
  size_t element_bytes;
  const char *src;
  const char *value;
  char *dst; /* moves on as elements are written */
} Padding;

/* Where element i of a padded axis comes from; -1 for the constant. */
static int64_t find_source (WeirPadMode mode, int64_t i, int64_t n)
{
  int64_t period = mode == WEIR_PAD_WRAP ? n : 2 * (n - 1);
  if (i >= 0 && i < n)
    return i;
  if (mode == WEIR_PAD_CONSTANT)
    return -1;
  if (mode == WEIR_PAD_EDGE || period == 0)
    return i < 0 ? 0 : n - 1;
  i %= period;
  i = i < 0 ? i + period : i;
  return i < n ? i : period - i;
}

/* All of dst from axis on; offset < 0: constant. */
static void pad_axis (Padding *p, uint32_t axis, int64_t offset)
{
  const WeirTensor *src = &p->job->src[0];
  if (axis == src->rank) {
    const char *from = offset < 0 ? p->value : p->src + (size_t) offset * p->element_bytes;
    memcpy (p->dst, from, p->element_bytes);
    p->dst += p->element_bytes;
    return;
  }
  for (int64_t i = 0; i < p->job->dst[0].dims[axis]; i++) {
    int64_t k = find_source (p->pads.mode, i - p->pads.begin[axis], src->dims[axis]);
    pad_axis (p, axis + 1, offset < 0 || k < 0 ? -1 : offset + k * p->stride[axis]);
  }
}

bool weir_ref_pad (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *value = weir_job_src (job, 2);
  char constant[sizeof (double)] = { 0 };
  Padding p = { .job = job, .element_bytes = weir_dtype_bytes (src->dtype) };
  if (!weir_pads_resolve (job, &p.pads, error))
    return false;
  if (weir_ref_n (&job->dst[0]) == 0)
    return true;
  weir_ref_store (src->dtype, constant, 0, (double) weir_node_float (job->node, "value", 0));
  p.src = weir_tensor_data (src);
  p.dst = weir_tensor_data (&job->dst[0]);
  p.value = value ? weir_tensor_data (value) : constant;
  weir_ref_strides (src, p.stride);
  pad_axis (&p, 0, 0);
  return true;
}
