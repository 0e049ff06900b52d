/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize and Upsample. Interpolation is separable: every axis has, for each position of the result,
 * a few source positions and weights; an element is the sum over their product. The tables of all
 * axes lie in scratch. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* Taps of one axis: [dims of dst][n_taps]. */
typedef struct Axis {
  int64_t n_taps, stride;
  int32_t *place;
  float *weight;
} Axis;

static int64_t find_nearest (const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t j)
{
  double x = weir_resize_coordinate (resize, axis, n_src, j);
  WeirResizeNearest rounding = resize->nearest;
  if (rounding == WEIR_RESIZE_SIMPLE)
    rounding = resize->scale[axis] < 1 ? WEIR_RESIZE_CEIL : WEIR_RESIZE_FLOOR;
  switch (rounding) {
  case WEIR_RESIZE_CEIL:
    x = ceil (x);
    break;
  case WEIR_RESIZE_FLOOR:
    x = floor (x);
    break;
  case WEIR_RESIZE_ROUND_PREFER_CEIL:
    x = floor (x + 0.5);
    break;
  default:
    x = ceil (x - 0.5);
    break;
  }
  return (int64_t) CLAMP (x, 0, (double) (n_src - 1));
}

/* The kernel at distance t from its centre. */
static double weigh (const WeirResize *resize, double t)
{
  double a = (double) resize->cubic_coeff_a;
  t = fabs (t);
  if (resize->mode == WEIR_RESIZE_LINEAR)
    return t < 1 ? 1 - t : 0;
  if (t < 1)
    return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/* Antialiasing widens the kernel to the source distance of two result elements: this is the most.
 */
static double max_width (const WeirResize *resize, double scale)
{
  return resize->antialias && scale < 1 ? 1 / scale : 1;
}

/* Smallest scale that makes n_dst of n_src: rounding adds half an element at most. Scratch is laid
 * out for it, so that its size follows from shapes alone. */
static double least_scale (int64_t n_src, int64_t n_dst)
{
  return MAX ((double) n_dst - 0.5, 0.5) / (double) n_src;
}

static int64_t count_taps (const WeirResize *resize, int64_t n_src, int64_t n_dst)
{
  double support = resize->mode == WEIR_RESIZE_CUBIC ? 2 : 1;
  if (resize->mode == WEIR_RESIZE_NEAREST)
    return 1;
  return 2 * (int64_t) ceil (support * max_width (resize, least_scale (n_src, n_dst)));
}

/* Weights of result element j, which sum to 1. */
static void fill_taps (
    const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t j, const Axis *taps)
{
  double x = weir_resize_coordinate (resize, axis, n_src, j), sum = 0;
  double width = resize->width[axis];
  /* Only a crop can lie that far outside. */
  x = CLAMP (x, -0x1p40, 0x1p40);
  int64_t first = (int64_t) floor (x) - (taps->n_taps - 1) / 2;
  int32_t *place = taps->place + j * taps->n_taps;
  float *weight = taps->weight + j * taps->n_taps;
  for (int pass = 0; pass < 2; pass++) /* the sum, then the weights */
    for (int64_t k = 0; k < taps->n_taps; k++) {
      int64_t at = first + k;
      bool is_dropped = resize->exclude_outside && (at < 0 || at >= n_src);
      double w = is_dropped ? 0 : weigh (resize, ((double) at - x) / width);
      if (pass == 0) {
        sum += w;
        continue;
      }
      place[k] = (int32_t) CLAMP (at, 0, n_src - 1);
      weight[k] = sum != 0 ? (float) (w / sum) : 0;
    }
}

/* From places in the padded source to its own; zeros get place -1. */
static void remove_pad (const WeirResize *resize, uint32_t axis, int64_t n_own, const Axis *taps)
{
  for (int64_t k = 0; k < resize->dst[axis] * taps->n_taps; k++) {
    int64_t at = taps->place[k] - resize->pad[axis];
    bool is_own = at >= 0 && at < n_own;
    taps->place[k] = is_own ? (int32_t) at : -1;
    taps->weight[k] = is_own ? taps->weight[k] : 0;
  }
}

static void fill_axis (const WeirShapeJob *job, const WeirResize *resize, uint32_t axis, Axis *taps)
{
  int64_t n_src = resize->src[axis], n_dst = job->dst[0].dims[axis];
  bool is_same = n_src == n_dst && resize->scale[axis] == 1 && resize->roi_begin[axis] == 0 &&
                 resize->roi_end[axis] == 1;
  taps->n_taps = is_same ? 1 : count_taps (resize, n_src, n_dst);
  for (int64_t j = 0; j < n_dst; j++)
    if (is_same || resize->mode == WEIR_RESIZE_NEAREST) {
      taps->place[j] = (int32_t) (is_same ? j : find_nearest (resize, axis, n_src, j));
      taps->weight[j] = 1;
    } else {
      fill_taps (resize, axis, n_src, j, taps);
    }
  if (n_src != job->src[0].dims[axis])
    remove_pad (resize, axis, job->src[0].dims[axis], taps);
}

static size_t table_entries (const WeirResize *resize, int64_t n_src, int64_t n_dst)
{
  return n_src && n_dst ? (size_t) (n_dst * count_taps (resize, n_src, n_dst)) : 0;
}

/* For this only mode, antialias and pads matter: they are attributes, while scales may not be known
 * yet. */
size_t weir_ref_resize_scratch (const WeirShapeJob *job)
{
  const char *mode = weir_node_string (job->node, "mode", "nearest");
  WeirResize resize = { .mode = WEIR_RESIZE_LINEAR };
  size_t n = 0;
  if (strcmp (mode, "cubic") == 0 || strcmp (mode, "nearest") == 0)
    resize.mode = *mode == 'c' ? WEIR_RESIZE_CUBIC : WEIR_RESIZE_NEAREST;
  resize.antialias = weir_node_int (job->node, "antialias", 0) != 0;
  memcpy (resize.src, job->src[0].dims, sizeof resize.src);
  if (job->node->op == WEIR_OP_OV_INTERPOLATE && !weir_interpolate_attrs (job, &resize, NULL))
    return 0;
  for (uint32_t i = 0; i < job->src[0].rank; i++)
    n += table_entries (&resize, resize.src[i], job->dst[0].dims[i]);
  return n * (sizeof (int32_t) + sizeof (float));
}

static void fill_tables (
    const WeirShapeJob *job, const WeirResize *resize, void *scratch, Axis axes[WEIR_MAX_RANK])
{
  char *at = scratch;
  int64_t stride[WEIR_MAX_RANK];
  weir_ref_strides (&job->src[0], stride);
  for (uint32_t i = 0; i < job->src[0].rank; i++) {
    size_t n = table_entries (resize, resize->src[i], job->dst[0].dims[i]);
    axes[i].place = (int32_t *) (void *) at;
    axes[i].weight = (float *) (void *) (at + n * sizeof (int32_t));
    axes[i].stride = stride[i];
    at += n * (sizeof (int32_t) + sizeof (float));
    fill_axis (job, resize, i, &axes[i]);
  }
}

static void add_row (const Axis *axis, const float *src, float weight, float *dst, int64_t n)
{
  const int32_t *place = axis->place;
  const float *weights = axis->weight;
  for (int64_t j = 0; j < n; j++, place += axis->n_taps, weights += axis->n_taps) {
    float sum = 0;
    for (int64_t k = 0; k < axis->n_taps; k++)
      sum += place[k] < 0 ? 0 : weights[k] * src[place[k]];
    dst[j] += weight * sum;
  }
}

/* One row of the result: over all combinations of the taps of the other axes. */
static void interpolate_row (
    const Axis *axes, const WeirWalk *row, const float *src, float *dst, int64_t n)
{
  WeirWalk taps = { .rank = row->rank };
  for (uint32_t i = 0; i < row->rank; i++)
    taps.dims[i] = axes[i].n_taps;
  memset (dst, 0, (size_t) n * sizeof *dst);
  do {
    float weight = 1;
    int64_t offset = 0;
    for (uint32_t i = 0; i < row->rank; i++) {
      int64_t k = row->index[i] * axes[i].n_taps + taps.index[i];
      weight *= axes[i].weight[k];
      offset += axes[i].place[k] * axes[i].stride;
    }
    if (weight != 0)
      add_row (&axes[row->rank], src + offset, weight, dst, n);
  } while (weir_walk_next (&taps));
}

/* The same for other types: integers are cut off, as a cast does it. */
static void interpolate_any_row (
    const Axis *axes, const WeirWalk *row, const WeirTensor *src, WeirRefRow dst, int64_t n)
{
  WeirWalk taps = { .rank = row->rank + 1 };
  for (uint32_t i = 0; i <= row->rank; i++)
    taps.dims[i] = axes[i].n_taps;
  for (int64_t j = 0; j < n; j++) {
    double sum = 0;
    do {
      double weight = 1;
      int64_t offset = 0;
      for (uint32_t i = 0; i <= row->rank; i++) {
        int64_t k = (i < row->rank ? row->index[i] : j) * axes[i].n_taps + taps.index[i];
        weight *= (double) axes[i].weight[k];
        offset += axes[i].place[k] * axes[i].stride;
      }
      if (weight != 0)
        sum += weight * weir_ref_load (src->dtype, weir_tensor_data (src), offset);
    } while (weir_walk_next (&taps));
    weir_ref_store (dst.dtype, dst.data, dst.offset + j, sum);
  }
}

static void pick_row (
    const Axis *axes, const WeirWalk *row, const char *src, size_t size, char *dst, int64_t n)
{
  const int32_t *place = axes[row->rank].place;
  int64_t offset = 0;
  bool is_own = true;
  for (uint32_t i = 0; i < row->rank; i++) {
    is_own = is_own && axes[i].place[row->index[i]] >= 0;
    offset += axes[i].place[row->index[i]] * axes[i].stride;
  }
  memset (dst, 0, is_own ? 0 : (size_t) n * size);
  for (int64_t j = 0; is_own && j < n; j++)
    if (place[j] >= 0)
      memcpy (dst + (size_t) j * size, src + (size_t) (offset + place[j]) * size, size);
    else
      memset (dst + (size_t) j * size, 0, size);
}

/* TF_CROP_AND_RESIZE: elements whose place along any axis lies outside of the source. */
static void fill_outside (const WeirShapeJob *job, const WeirResize *resize)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  for (uint32_t axis = 0; axis < dst->rank; axis++) {
    int64_t n_outer = weir_ref_product (dst, 0, axis), n_dst = dst->dims[axis];
    int64_t n_inner = weir_ref_product (dst, axis + 1, dst->rank);
    for (int64_t j = 0; j < n_dst; j++) {
      double x = weir_resize_coordinate (resize, axis, src->dims[axis], j);
      if (x >= 0 && x <= (double) (src->dims[axis] - 1))
        continue;
      for (int64_t o = 0; o < n_outer; o++)
        for (int64_t i = 0; i < n_inner; i++)
          weir_ref_store (dst->dtype, weir_tensor_data (dst), (o * n_dst + j) * n_inner + i,
              (double) resize->extrapolation_value);
    }
  }
}

bool weir_ref_resize (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  size_t size = weir_dtype_bytes (src->dtype);
  WeirResize resize;
  Axis axes[WEIR_MAX_RANK];
  if (!weir_resize_resolve (job, &resize, error))
    return false;
  if (weir_ref_n (dst) == 0)
    return true;
  if (src->rank == 0) {
    memcpy (weir_tensor_data (dst), weir_tensor_data (src), size);
    return true;
  }
  fill_tables (job, &resize, scratch, axes);
  WeirWalk row = { .rank = src->rank - 1 };
  memcpy (row.dims, dst->dims, row.rank * sizeof *row.dims);
  char *to = weir_tensor_data (dst);
  int64_t n = dst->dims[row.rank];
  do {
    if (resize.mode == WEIR_RESIZE_NEAREST)
      pick_row (axes, &row, weir_tensor_data (src), size, to, n);
    else if (src->dtype == WEIR_DTYPE_F32)
      interpolate_row (axes, &row, weir_ref_f32 (src), (float *) (void *) to, n);
    else
      interpolate_any_row (axes, &row, src, (WeirRefRow){ dst->dtype, to, 0, 1 }, n);
    to += (size_t) n * size;
  } while (weir_walk_next (&row));
  if (resize.coordinates == WEIR_RESIZE_TF_CROP_AND_RESIZE)
    fill_outside (job, &resize);
  return true;
}
