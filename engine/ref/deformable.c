/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DeformConv (Dai et al., 2017; with a mask Zhu et al., 2018) and Col2Im.
 *
 * For each place of the result the sampled input is one column [channels][kernel points] in
 * scratch; every channel of the result is a dot product with it. */
#include "engine/graph/sampling.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

#define MAX_CORNERS 8

/* One deformed point of the kernel: up to eight pixels with weights. */
typedef struct Corners {
  int n;
  int64_t offset[MAX_CORNERS];
  float weight[MAX_CORNERS];
} Corners;

typedef struct Deform {
  const WeirShapeJob *job;
  WeirGrid grid;
  uint32_t n_spatial;
  int64_t n_groups; /* of offsets */
  float *column;
} Deform;

size_t weir_ref_deform_scratch (const WeirShapeJob *job)
{
  const WeirTensor *weights = &job->src[1];
  return (size_t) (job->src[0].dims[1] * weir_ref_product (weights, 2, weights->rank)) *
         sizeof (float);
}

/* Pixels around x along one axis of n, those outside left out. */
static int find_pair (float x, int64_t n, int64_t place[2], float weight[2])
{
  int n_found = 0;
  if (!(x > -1 && x < (float) n))
    return 0;
  float base = floorf (x);
  for (int k = 0; k < 2; k++) {
    int64_t at = (int64_t) base + k;
    if (at < 0 || at >= n)
      continue;
    place[n_found] = at;
    weight[n_found++] = k ? x - base : 1 - (x - base);
  }
  return n_found;
}

static void find_corners (const WeirGrid *grid, const float x[3], float factor, Corners *corners)
{
  corners->n = 1;
  corners->offset[0] = 0;
  corners->weight[0] = factor;
  for (int axis = 0; axis < 3; axis++) {
    Corners before = *corners;
    int64_t place[2];
    float weight[2];
    int n = find_pair (x[axis], grid->src[axis], place, weight);
    corners->n = 0;
    for (int b = 0; b < before.n; b++)
      for (int k = 0; k < n; k++) {
        corners->offset[corners->n] = before.offset[b] * grid->src[axis] + place[k];
        corners->weight[corners->n++] = before.weight[b] * weight[k];
      }
  }
}

/* Where point `point` of the kernel lies for place `at` of the result, and its factor. */
static void deform_point (const Deform *d, int64_t image, int64_t group, int64_t point, int64_t at,
    float x[3], float *factor)
{
  const WeirGrid *g = &d->grid;
  const WeirTensor *mask = weir_job_src (d->job, 4);
  int64_t first = (image * d->n_groups + group) * g->n_kernel + point, rest_at = at, rest = point;
  const float *offset = weir_ref_f32 (&d->job->src[2]);
  for (int axis = 2; axis >= 0; axis--) {
    int given = axis - (3 - (int) d->n_spatial);
    int64_t start = rest_at % g->dst[axis] * g->stride[axis] - g->pad[axis] +
                    rest % g->kernel[axis] * g->dilation[axis];
    rest_at /= g->dst[axis];
    rest /= g->kernel[axis];
    x[axis] = (float) start;
    if (given >= 0)
      x[axis] += offset[(first * d->n_spatial + given) * g->n_dst + at];
  }
  *factor = mask ? weir_ref_f32 (mask)[first * g->n_dst + at] : 1;
}

/* The input that place `at` of the result sees. */
static void fill_column (const Deform *d, int64_t image, int64_t at)
{
  const WeirTensor *src = &d->job->src[0];
  int64_t n_channels = src->dims[1], n_per_group = n_channels / d->n_groups;
  Corners corners;
  float x[3], factor;
  for (int64_t group = 0; group < d->n_groups; group++)
    for (int64_t point = 0; point < d->grid.n_kernel; point++) {
      deform_point (d, image, group, point, at, x, &factor);
      find_corners (&d->grid, x, factor, &corners);
      for (int64_t c = group * n_per_group; c < (group + 1) * n_per_group; c++) {
        const float *plane = weir_ref_f32 (src) + (image * n_channels + c) * d->grid.n_src;
        double sum = 0;
        for (int k = 0; k < corners.n; k++)
          sum += (double) corners.weight[k] * (double) plane[corners.offset[k]];
        d->column[c * d->grid.n_kernel + point] = (float) sum;
      }
    }
}

static void multiply_column (const Deform *d, int64_t image, int64_t at)
{
  const WeirTensor *weights = &d->job->src[1], *bias = weir_job_src (d->job, 3);
  int64_t n_dst_channels = weights->dims[0], group = weir_node_int (d->job->node, "group", 1);
  int64_t n = weights->dims[1] * d->grid.n_kernel;
  float *dst = weir_ref_dst_f32 (&d->job->dst[0]) + image * n_dst_channels * d->grid.n_dst + at;
  for (int64_t m = 0; m < n_dst_channels; m++) {
    const float *row = weir_ref_f32 (weights) + m * n;
    const float *column = d->column + m / (n_dst_channels / group) * n;
    double sum = bias ? (double) weir_ref_f32 (bias)[m] : 0;
    for (int64_t i = 0; i < n; i++)
      sum += (double) row[i] * (double) column[i];
    dst[m * d->grid.n_dst] = (float) sum;
  }
}

bool weir_ref_deform_conv (const WeirShapeJob *job, void *scratch, GError **error)
{
  Deform d = { .job = job, .column = scratch };
  WeirWindow window;
  if (!weir_window_resolve (job->graph, job->node, &job->src[0], &job->src[1], &window, error))
    return false;
  weir_ref_grid_init (&d.grid, &window, &job->src[0]);
  d.n_spatial = window.n_spatial;
  d.n_groups = weir_node_int (job->node, "offset_group", 1);
  for (int64_t image = 0; image < job->dst[0].dims[0]; image++)
    for (int64_t at = 0; at < d.grid.n_dst; at++) {
      fill_column (&d, image, at);
      multiply_column (&d, image, at);
    }
  return true;
}

static void add_element (const WeirTensor *dst, int64_t to, const WeirTensor *src, int64_t from)
{
  if (dst->dtype == WEIR_DTYPE_F32)
    weir_ref_dst_f32 (dst)[to] += weir_ref_f32 (src)[from];
  else
    weir_ref_store_int (dst->dtype, weir_tensor_data (dst), to,
        (int64_t) ((uint64_t) weir_ref_load_int (dst->dtype, weir_tensor_data (dst), to) +
                   (uint64_t) weir_ref_load_int (src->dtype, weir_tensor_data (src), from)));
}

/* Adds one row of the columns, that of one kernel point, to one plane. */
static void add_kernel_point (
    const WeirShapeJob *job, const WeirCol2Im *c, const int64_t *point, int64_t from, int64_t plane)
{
  WeirWalk walk = { .rank = c->n_dims };
  memcpy (walk.dims, c->columns, c->n_dims * sizeof *c->columns);
  do {
    int64_t to = plane;
    bool is_inside = true;
    for (uint32_t i = 0; i < c->n_dims; i++) {
      int64_t x = walk.index[i] * c->stride[i] - c->pad[i] + point[i] * c->dilation[i];
      is_inside = is_inside && x >= 0 && x < c->image[i];
      to = to * c->image[i] + (is_inside ? x : 0);
    }
    if (is_inside)
      add_element (&job->dst[0], to, &job->src[0], from);
    from++;
  } while (weir_walk_next (&walk));
}

bool weir_ref_col2im (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  WeirCol2Im c;
  int64_t from = 0;
  if (!weir_col2im_resolve (job, &c, error))
    return false;
  if (weir_ref_n (dst) == 0)
    return true;
  memset (weir_tensor_data (dst), 0, (size_t) weir_ref_n (dst) * weir_dtype_bytes (dst->dtype));
  WeirWalk kernel = { .rank = c.n_dims };
  memcpy (kernel.dims, c.block, c.n_dims * sizeof *c.block);
  for (int64_t plane = 0; src->dims[2] && plane < dst->dims[0] * dst->dims[1]; plane++)
    do {
      add_kernel_point (job, &c, kernel.index, from, plane);
      from += src->dims[2];
    } while (weir_walk_next (&kernel));
  return true;
}
