/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MVN, NormalizeL2 and GRN of OpenVINO IR; RegionYolo. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

#include <math.h>

static double find_root (const WeirNormalise *n, double x)
{
  double eps = (double) n->eps;
  switch (n->eps_mode) {
  case WEIR_EPS_OUTSIDE:
    return sqrt (x) + eps;
  case WEIR_EPS_LEAST:
    return sqrt (MAX (x, eps));
  default:
    return sqrt (x + eps);
  }
}

/* The elements at `inner` from `src` on, and their results the same offsets from `dst` on. */
static void normalise (
    const WeirNormalise *n, const float *src, float *dst, WeirWalk *inner, int64_t n_inner)
{
  double mean = 0, sum = 0;
  if (n->subtracts_mean)
    do
      mean += (double) src[inner->offset[0]] / (double) n_inner;
    while (weir_walk_next (inner));
  if (n->divides)
    do {
      double x = (double) src[inner->offset[0]] - mean;
      sum += x * x;
    } while (weir_walk_next (inner));
  double root = n->divides ? find_root (n, n->takes_sum ? sum : sum / (double) n_inner) : 1;
  do
    dst[inner->offset[0]] = (float) (((double) src[inner->offset[0]] - mean) / root);
  while (weir_walk_next (inner));
}

bool weir_ref_ov_normalise (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *src = weir_ref_f32 (&job->src[0]);
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  WeirNormalise n;
  WeirWalk outer, inner;
  int64_t n_inner = 1;
  if (!weir_normalise_resolve (job, &n, error))
    return false;
  if (weir_ref_n (&job->src[0]) == 0)
    return true;
  weir_ref_split_axes (&job->src[0], n.is_reduced, &outer, &inner);
  for (uint32_t i = 0; i < inner.rank; i++)
    n_inner *= inner.dims[i];
  do
    normalise (&n, src + outer.offset[0], dst + outer.offset[0], &inner, n_inner);
  while (weir_walk_next (&outer));
  return true;
}

static void apply_sigmoid (const float *src, float *dst, int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    dst[i] = 1 / (1 + expf (-src[i]));
}

/* Over n elements, `stride` apart. */
static void apply_softmax (const float *src, float *dst, int64_t n, int64_t stride)
{
  float largest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++)
    largest = MAX (largest, src[i * stride]);
  for (int64_t i = 0; i < n; i++)
    sum += dst[i * stride] = expf (src[i * stride] - largest);
  for (int64_t i = 0; i < n; i++)
    dst[i * stride] /= sum;
}

/* One region of one image. The centre and the objectness are probabilities; the sizes stay as they
 * are; the classes are one distribution or as many probabilities. */
static void apply_region (const WeirRegionYolo *r, const float *src, float *dst)
{
  int64_t objectness = r->n_coords * r->n_cells, classes = objectness + r->n_cells;
  memcpy (dst, src, (size_t) (classes + r->n_classes * r->n_cells) * sizeof *dst);
  apply_sigmoid (src, dst, 2 * r->n_cells);
  apply_sigmoid (src + objectness, dst + objectness,
      r->has_softmax ? r->n_cells : (r->n_classes + 1) * r->n_cells);
  for (int64_t i = 0; r->has_softmax && i < r->n_cells; i++)
    apply_softmax (src + classes + i, dst + classes + i, r->n_classes, r->n_cells);
}

bool weir_ref_ov_region_yolo (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *src = weir_ref_f32 (&job->src[0]);
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  WeirRegionYolo r;
  if (!weir_region_yolo_resolve (job, &r, error))
    return false;
  int64_t n_region = (r.n_coords + 1 + r.n_classes) * r.n_cells;
  int64_t n_image = job->src[0].dims[1] * r.n_cells;
  for (int64_t image = 0; image < r.n_images; image++)
    for (int64_t i = 0; i < r.n_regions; i++)
      apply_region (
          &r, src + image * n_image + i * n_region, dst + (image * r.n_regions + i) * n_region);
  return true;
}
