/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GridSample and AffineGrid. The source pixels and weights of a place are the same in all channels,
 * so they are worked out once. */
#include "engine/graph/sampling.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

#define MAX_TAPS 64 /* 4 along each of 3 axes */

/* Along one axis. */
typedef struct AxisTaps {
  int n;
  int64_t place[4]; /* -1: outside, where 0 is */
  float weight[4];
} AxisTaps;

typedef struct Taps {
  int n;
  int64_t offset[MAX_TAPS];
  float weight[MAX_TAPS];
} Taps;

/* x in lowest..highest by mirroring there. */
static float reflect (float x, float lowest, float highest)
{
  float range = highest - lowest;
  if (!(range > 0))
    return lowest;
  float rest = fmodf (fabsf (x - lowest), 2 * range);
  if (isnan (rest)) /* x is infinite */
    return lowest;
  return lowest + (rest > range ? 2 * range - rest : rest);
}

static float place_of (const WeirGridSample *g, float at, int64_t n)
{
  float size = (float) n;
  float x = g->aligns_corners ? (at + 1) / 2 * (size - 1) : ((at + 1) * size - 1) / 2;
  float lowest = g->aligns_corners ? 0 : -0.5f,
        highest = g->aligns_corners ? size - 1 : size - 0.5f;
  x = isnan (x) ? -2 : x;
  if (g->mode == WEIR_SAMPLE_NEAREST)
    x = rintf (x);
  if (x >= lowest && x <= highest)
    return x;
  switch (g->padding) {
  case WEIR_SAMPLE_BORDER: /* a cubic one sees the pixels inside from there, as in PyTorch */
    if (g->mode == WEIR_SAMPLE_CUBIC)
      return CLAMP (x, -4, size + 4);
    return x < 0 ? 0 : size - 1;
  case WEIR_SAMPLE_REFLECTION:
    return reflect (x, lowest, highest);
  default:
    return CLAMP (x, -4, size + 4);
  }
}

/* The pixel at index i, which may lie outside. */
static int64_t pixel_of (const WeirGridSample *g, int64_t i, int64_t n)
{
  if (i >= 0 && i < n)
    return i;
  if (g->padding == WEIR_SAMPLE_ZEROS)
    return -1;
  if (g->padding == WEIR_SAMPLE_REFLECTION) {
    float lowest = g->aligns_corners ? 0 : -0.5f;
    i = (int64_t) reflect ((float) i, lowest, (float) (n - 1) - lowest);
  }
  return CLAMP (i, 0, n - 1);
}

/* Keys' kernel with a = -0.75 at distance t. */
static float cubic (float t)
{
  const float a = -0.75f;
  t = fabsf (t);
  return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
}

static void find_axis_taps (const WeirGridSample *g, float at, int64_t n, AxisTaps *taps)
{
  float x = place_of (g, at, n), base = floorf (x);
  int first = g->mode == WEIR_SAMPLE_CUBIC ? -1 : 0;
  taps->n = g->mode == WEIR_SAMPLE_NEAREST ? 1 : g->mode == WEIR_SAMPLE_LINEAR ? 2 : 4;
  for (int k = 0; k < taps->n; k++) {
    float t = x - base - (float) (first + k);
    taps->place[k] = pixel_of (g, (int64_t) base + first + k, n);
    taps->weight[k] = taps->n == 1 ? 1 : taps->n == 2 ? 1 - fabsf (t) : cubic (t);
  }
}

/* Every combination of taps of the axes that lies inside. */
static void find_taps (const WeirGridSample *g, const float *at, const int64_t *dims, Taps *taps)
{
  AxisTaps axes[WEIR_MAX_SPATIAL];
  taps->n = 1;
  taps->offset[0] = 0;
  taps->weight[0] = 1;
  for (uint32_t i = 0; i < g->n_spatial; i++) {
    Taps before = *taps;
    find_axis_taps (g, at[g->n_spatial - 1 - i], dims[i], &axes[i]);
    taps->n = 0;
    for (int b = 0; b < before.n; b++)
      for (int k = 0; k < axes[i].n; k++)
        if (axes[i].place[k] >= 0) {
          taps->offset[taps->n] = before.offset[b] * dims[i] + axes[i].place[k];
          taps->weight[taps->n++] = before.weight[b] * axes[i].weight[k];
        }
  }
}

static void sample_channels (
    const WeirTensor *src, const WeirTensor *dst, int64_t image, int64_t at, const Taps *taps)
{
  int64_t n_channels = src->dims[1];
  int64_t n_src = weir_ref_product (src, 2, src->rank),
          n_dst = weir_ref_product (dst, 2, dst->rank);
  for (int64_t c = image * n_channels; c < (image + 1) * n_channels; c++) {
    int64_t to = c * n_dst + at;
    double sum = 0;
    if (src->dtype == WEIR_DTYPE_F32) {
      const float *from = weir_ref_f32 (src) + c * n_src;
      for (int k = 0; k < taps->n; k++)
        sum += (double) taps->weight[k] * (double) from[taps->offset[k]];
    } else {
      for (int k = 0; k < taps->n; k++)
        sum += (double) taps->weight[k] *
               weir_ref_load (src->dtype, weir_tensor_data (src), c * n_src + taps->offset[k]);
    }
    weir_ref_store (dst->dtype, weir_tensor_data (dst), to, sum);
  }
}

bool weir_ref_grid_sample (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  const float *grid = weir_ref_f32 (&job->src[1]);
  WeirGridSample g;
  Taps taps;
  if (!weir_grid_sample_resolve (job, &g, error))
    return false;
  int64_t n_places = weir_ref_product (dst, 2, dst->rank);
  for (int64_t image = 0; weir_ref_n (dst) && image < dst->dims[0]; image++)
    for (int64_t at = 0; at < n_places; at++, grid += g.n_spatial) {
      find_taps (&g, grid, src->dims + 2, &taps);
      sample_channels (src, dst, image, at, &taps);
    }
  return true;
}

/* Centres of n pixels in -1..1, or with aligned corners the first and last at the ends. */
static double centre_of (int64_t i, int64_t n, bool aligns_corners)
{
  if (aligns_corners)
    return n > 1 ? 2 * (double) i / (double) (n - 1) - 1 : -1;
  return (2 * (double) i + 1) / (double) n - 1;
}

bool weir_ref_affine_grid (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  bool aligns_corners = weir_node_int (job->node, "align_corners", 0) != 0;
  uint32_t n_spatial = dst->rank - 2;
  float *to = weir_ref_dst_f32 (dst);
  WeirWalk walk = { .rank = n_spatial };
  memcpy (walk.dims, dst->dims + 1, n_spatial * sizeof *dst->dims);
  if (weir_ref_n (dst) == 0)
    return true;
  for (int64_t image = 0; image < dst->dims[0]; image++) {
    const float *theta = weir_ref_f32 (&job->src[0]) + image * n_spatial * (n_spatial + 1);
    do {
      for (uint32_t row = 0; row < n_spatial; row++) {
        const float *factors = theta + row * (n_spatial + 1);
        double sum = (double) factors[n_spatial];
        for (uint32_t k = 0; k < n_spatial; k++) { /* factors: last axis first */
          uint32_t axis = n_spatial - 1 - k;
          sum +=
              (double) factors[k] * centre_of (walk.index[axis], walk.dims[axis], aligns_corners);
        }
        *to++ = (float) sum;
      }
    } while (weir_walk_next (&walk));
  }
  return true;
}
