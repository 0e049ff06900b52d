/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools over windows and over whole planes, and the way back from a MaxPool. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* Where output position `at` reads: taps [first, end) of each dimension lie inside the input. */
typedef struct Taps {
  int64_t first[3], end[3], origin[3];
} Taps;

static void find_taps (const WeirGrid *g, const int64_t at[3], Taps *taps)
{
  for (int i = 0; i < 3; i++) {
    taps->origin[i] = at[i] * g->stride[i] - g->pad[i];
    taps->first[i] = MAX (0, weir_ref_divide_up (-taps->origin[i], g->dilation[i]));
    taps->end[i] =
        MIN (g->kernel[i], weir_ref_divide_up (g->src[i] - taps->origin[i], g->dilation[i]));
    taps->end[i] = MAX (taps->end[i], taps->first[i]);
  }
}

/* Where tap k of dimension i reads. */
static inline int64_t tap_at (const WeirGrid *g, const Taps *taps, int i, int64_t k)
{
  return taps->origin[i] + k * g->dilation[i];
}

/* The largest value of a window and where it is, -1 where the window is empty. */
static double find_max (const WeirGrid *g, const Taps *taps, WeirDtype dtype, const void *src,
    int64_t plane, int64_t *place)
{
  double best = -(double) INFINITY;
  *place = -1;
  for (int64_t z = taps->first[0]; z < taps->end[0]; z++)
    for (int64_t y = taps->first[1]; y < taps->end[1]; y++) {
      int64_t row = (tap_at (g, taps, 0, z) * g->src[1] + tap_at (g, taps, 1, y)) * g->src[2];
      for (int64_t x = taps->first[2]; x < taps->end[2]; x++) {
        int64_t i = row + tap_at (g, taps, 2, x);
        double value = dtype == WEIR_DTYPE_F32 ? (double) ((const float *) src)[plane + i]
                                               : weir_ref_load (dtype, src, plane + i);
        if (value > best || *place < 0) {
          best = value;
          *place = i;
        }
      }
    }
  return best;
}

/* Index within a plane, counted column by column where storage_order is 1. */
static int64_t reorder_place (const WeirGrid *g, int64_t place, bool is_column_major)
{
  if (place < 0 || !is_column_major)
    return place;
  int64_t x = place % g->src[2], y = place / g->src[2] % g->src[1];
  int64_t z = place / g->src[2] / g->src[1];
  return (x * g->src[1] + y) * g->src[0] + z;
}

bool weir_ref_max_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  int64_t *places = job->node->n_dst > 1 ? weir_tensor_data (&job->dst[1]) : NULL;
  bool is_column_major = weir_node_int (job->node, "storage_order", 0) != 0;
  WeirWindow window;
  WeirGrid g;
  int64_t i = 0, place;
  if (!weir_window_resolve (job->graph, job->node, src, NULL, &window, error))
    return false;
  weir_ref_grid_init (&g, &window, src);
  for (int64_t c = 0; c < src->dims[0] * src->dims[1]; c++)
    for (int64_t z = 0; z < g.dst[0]; z++)
      for (int64_t y = 0; y < g.dst[1]; y++)
        for (int64_t x = 0; x < g.dst[2]; x++, i++) {
          Taps taps;
          find_taps (&g, (int64_t[3]){ z, y, x }, &taps);
          double best =
              find_max (&g, &taps, src->dtype, weir_tensor_data (src), c * g.n_src, &place);
          weir_ref_store (dst->dtype, weir_tensor_data (dst), i, best);
          if (places)
            places[i] = c * g.n_src + reorder_place (&g, place, is_column_major);
        }
  return true;
}

/* |x|^p; the sum of x itself where p is 0. */
static double power (double x, double p)
{
  return p == 0 ? x : p == 1 ? fabs (x) : p == 2 ? x * x : pow (fabs (x), p);
}

static double sum_window (const WeirGrid *g, const Taps *taps, const float *plane, double p)
{
  double sum = 0;
  for (int64_t z = taps->first[0]; z < taps->end[0]; z++)
    for (int64_t y = taps->first[1]; y < taps->end[1]; y++) {
      const float *row =
          plane + (tap_at (g, taps, 0, z) * g->src[1] + tap_at (g, taps, 1, y)) * g->src[2];
      for (int64_t x = taps->first[2]; x < taps->end[2]; x++)
        sum += power ((double) row[tap_at (g, taps, 2, x)], p);
    }
  return sum;
}

/* Elements that the sum is divided by: with count_include_pad those in the padding count, those
 * that ceil_mode adds beyond it do not. */
static int64_t count_taps (const WeirGrid *g, const Taps *taps, bool includes_pad)
{
  int64_t n = 1;
  for (int i = 0; i < 3; i++) {
    int64_t limit = g->src[i] + g->pad_end[i] - taps->origin[i];
    int64_t padded = MIN (g->kernel[i], weir_ref_divide_up (limit, g->dilation[i]));
    n *= includes_pad ? MAX (padded, 0) : taps->end[i] - taps->first[i];
  }
  return n;
}

bool weir_ref_average_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  bool includes_pad = weir_node_int (job->node, "count_include_pad", 0) != 0;
  WeirWindow window;
  WeirGrid g;
  if (!weir_window_resolve (job->graph, job->node, src, NULL, &window, error))
    return false;
  weir_ref_grid_init (&g, &window, src);
  for (int64_t c = 0; c < src->dims[0] * src->dims[1]; c++)
    for (int64_t z = 0; z < g.dst[0]; z++)
      for (int64_t y = 0; y < g.dst[1]; y++)
        for (int64_t x = 0; x < g.dst[2]; x++) {
          Taps taps;
          find_taps (&g, (int64_t[3]){ z, y, x }, &taps);
          int64_t n = count_taps (&g, &taps, includes_pad);
          double sum = sum_window (&g, &taps, weir_ref_f32 (src) + c * g.n_src, 0);
          *dst++ = n ? (float) (sum / (double) n) : 0;
        }
  return true;
}

bool weir_ref_global_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n_planes = src->dims[0] * src->dims[1], n = weir_ref_product (src, 2, src->rank);
  bool is_max = job->node->op == WEIR_OP_GLOBAL_MAX_POOL;
  for (int64_t c = 0; c < n_planes; c++) {
    const float *plane = weir_ref_f32 (src) + c * n;
    double sum = 0;
    float best = n ? plane[0] : 0;
    for (int64_t i = 0; i < n; i++) {
      sum += (double) plane[i];
      best = MAX (best, plane[i]);
    }
    weir_ref_dst_f32 (&job->dst[0])[c] = is_max || !n ? best : (float) (sum / (double) n);
  }
  return true;
}

/* Operator set 1 has p as a float. */
static double read_p (const WeirNode *node)
{
  return (double) weir_node_float (node, "p", (float) weir_node_int (node, "p", 2));
}

bool weir_ref_lp_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  double p = read_p (job->node);
  WeirWindow window;
  WeirGrid g;
  if (!weir_window_resolve (job->graph, job->node, src, NULL, &window, error))
    return false;
  weir_ref_grid_init (&g, &window, src);
  for (int64_t c = 0; c < src->dims[0] * src->dims[1]; c++)
    for (int64_t z = 0; z < g.dst[0]; z++)
      for (int64_t y = 0; y < g.dst[1]; y++)
        for (int64_t x = 0; x < g.dst[2]; x++) {
          Taps taps;
          find_taps (&g, (int64_t[3]){ z, y, x }, &taps);
          double sum = sum_window (&g, &taps, weir_ref_f32 (src) + c * g.n_src, p);
          *dst++ = (float) pow (sum, 1 / p);
        }
  return true;
}

bool weir_ref_global_lp_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n = weir_ref_product (src, 2, src->rank);
  double p = read_p (job->node);
  for (int64_t c = 0; c < src->dims[0] * src->dims[1]; c++) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
      sum += power ((double) weir_ref_f32 (src)[c * n + i], p);
    weir_ref_dst_f32 (&job->dst[0])[c] = (float) pow (sum, 1 / p);
  }
  return true;
}

static int64_t flatten (const int64_t *at, const int64_t *dims, uint32_t rank)
{
  int64_t i = 0;
  for (uint32_t axis = 0; axis < rank; axis++)
    i = i * dims[axis] + at[axis];
  return i;
}

/* Indices count in the shape that the window gives, at whose place dst begins. */
bool weir_ref_max_unpool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  const int64_t *indices = weir_tensor_data (&job->src[1]);
  int64_t dims[WEIR_MAX_RANK], at[WEIR_MAX_RANK], n_pooled = 1;
  size_t size = weir_dtype_bytes (src->dtype);
  if (!weir_unpool_resolve (job, dims, error))
    return false;
  for (uint32_t i = 0; i < src->rank; i++)
    n_pooled *= dims[i];
  memset (weir_tensor_data (dst), 0, (size_t) weir_ref_n (dst) * size);
  for (int64_t i = 0; i < weir_ref_n (src); i++) {
    int64_t rest = indices[i];
    if (rest < 0 || rest >= n_pooled)
      return weir_job_fail ("index %" G_GINT64_FORMAT " is out of range for %" G_GINT64_FORMAT
                            " elements",
          rest, n_pooled);
    for (uint32_t axis = src->rank; axis-- > 0; rest /= dims[axis])
      at[axis] = rest % dims[axis];
    memcpy ((char *) weir_tensor_data (dst) + (size_t) flatten (at, dst->dims, dst->rank) * size,
        (const char *) weir_tensor_data (src) + (size_t) i * size, size);
  }
  return true;
}
