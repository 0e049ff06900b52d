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

/* What is normalised together: rows of n elements, `stride` apart, at the offsets of a walk. */
typedef struct Rows {
  WeirWalk walk;
  int64_t n, stride, n_all;
} Rows;

static double sum_rows (Rows *rows, const float *src)
{
  double sum = 0;
  do {
    const float *row = src + rows->walk.offset[0];
    for (int64_t i = 0; i < rows->n; i++)
      sum += (double) row[i * rows->stride];
  } while (weir_walk_next (&rows->walk));
  return sum;
}

static double sum_squares (Rows *rows, const float *src, double mean)
{
  double sum = 0;
  do {
    const float *row = src + rows->walk.offset[0];
    for (int64_t i = 0; i < rows->n; i++) {
      double x = (double) row[i * rows->stride] - mean;
      sum += x * x;
    }
  } while (weir_walk_next (&rows->walk));
  return sum;
}

static void scale_rows (Rows *rows, const float *src, float *dst, double mean, double root)
{
  do {
    const float *row = src + rows->walk.offset[0];
    float *to = dst + rows->walk.offset[0];
    for (int64_t i = 0; i < rows->n; i++)
      to[i * rows->stride] = (float) (((double) row[i * rows->stride] - mean) / root);
  } while (weir_walk_next (&rows->walk));
}

static void normalise (const WeirNormalise *n, const float *src, float *dst, Rows *rows)
{
  double count = (double) rows->n_all, root = 1;
  double mean = n->subtracts_mean ? sum_rows (rows, src) / count : 0;
  if (n->divides) {
    double sum = sum_squares (rows, src, mean);
    root = find_root (n, n->takes_sum ? sum : sum / count);
  }
  scale_rows (rows, src, dst, mean, root);
}

/* The last of the axes that go becomes the rows. */
static Rows take_rows (const WeirWalk *inner)
{
  Rows rows = { .walk = *inner, .n = 1, .stride = 1, .n_all = 1 };
  for (uint32_t i = 0; i < inner->rank; i++)
    rows.n_all *= inner->dims[i];
  if (inner->rank) {
    uint32_t last = --rows.walk.rank;
    rows.n = inner->dims[last];
    rows.stride = inner->stride[0][last];
  }
  return rows;
}

bool weir_ref_ov_normalise (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *src = weir_ref_f32 (&job->src[0]);
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  WeirNormalise n;
  WeirWalk outer, inner;
  if (!weir_normalise_resolve (job, &n, error))
    return false;
  if (weir_ref_n (&job->src[0]) == 0)
    return true;
  weir_ref_split_axes (&job->src[0], n.is_reduced, &outer, &inner);
  Rows rows = take_rows (&inner);
  do
    normalise (&n, src + outer.offset[0], dst + outer.offset[0], &rows);
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
