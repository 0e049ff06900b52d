/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conv and ConvTranspose, accumulated in double. Their result may be f64, too: integer.c wants sums
 * that are not rounded.
 *
 * Both compute one stretch of one output row at a time. The innermost loop adds one kernel tap
 * times a stretch of an input row, with the bounds worked out outside. */
#include "engine/ref/ref.h"

#include <string.h>

#define STRETCH 512

/* A stretch [x0, x1) of output row (z, y). */
typedef struct Stretch {
  int64_t z, y, x0, x1;
  double sum[STRETCH];
} Stretch;

/* Input rows [channel][z][y] of one image and group; weights of one output channel. */
typedef struct Operands {
  const float *src, *weights;
  int64_t n_channels, weight_stride; /* between input channels */
} Operands;

/* sum[x] += weight · src[x · stride], n of them */
static void add_tap (double *sum, const float *src, int64_t stride, double weight, int64_t n)
{
  if (stride == 1)
    for (int64_t i = 0; i < n; i++)
      sum[i] += weight * (double) src[i];
  else
    for (int64_t i = 0; i < n; i++)
      sum[i] += weight * (double) src[i * stride];
}

static void add_kernel_row (
    const WeirGrid *g, const Operands *op, int64_t kz, int64_t ky, Stretch *out)
{
  int64_t z = out->z * g->stride[0] - g->pad[0] + kz * g->dilation[0];
  int64_t y = out->y * g->stride[1] - g->pad[1] + ky * g->dilation[1];
  if (z < 0 || z >= g->src[0] || y < 0 || y >= g->src[1])
    return;
  for (int64_t kx = 0; kx < g->kernel[2]; kx++) {
    int64_t shift = kx * g->dilation[2] - g->pad[2]; /* 0 <= x · stride + shift < width */
    int64_t first = MAX (out->x0, weir_ref_divide_up (-shift, g->stride[2]));
    int64_t end = MIN (out->x1, weir_ref_divide_up (g->src[2] - shift, g->stride[2]));
    if (first >= end)
      continue;
    const float *src = op->src + (z * g->src[1] + y) * g->src[2] + first * g->stride[2] + shift;
    const float *weight = op->weights + (kz * g->kernel[1] + ky) * g->kernel[2] + kx;
    for (int64_t c = 0; c < op->n_channels; c++)
      add_tap (out->sum + first - out->x0, src + c * g->n_src, g->stride[2],
          (double) weight[c * op->weight_stride], end - first);
  }
}

/* Output x takes input i where x = i · stride + shift. */
static void add_kernel_row_transposed (
    const WeirGrid *g, const Operands *op, int64_t kz, int64_t ky, Stretch *out)
{
  int64_t z = out->z + g->pad[0] - kz * g->dilation[0];
  int64_t y = out->y + g->pad[1] - ky * g->dilation[1];
  if (z < 0 || y < 0 || z % g->stride[0] || y % g->stride[1])
    return;
  z /= g->stride[0];
  y /= g->stride[1];
  if (z >= g->src[0] || y >= g->src[1])
    return;
  for (int64_t kx = 0; kx < g->kernel[2]; kx++) {
    int64_t shift = kx * g->dilation[2] - g->pad[2];
    int64_t first = MAX (0, weir_ref_divide_up (out->x0 - shift, g->stride[2]));
    int64_t end = MIN (g->src[2], weir_ref_divide_up (out->x1 - shift, g->stride[2]));
    const float *src = op->src + (z * g->src[1] + y) * g->src[2];
    const float *weight = op->weights + (kz * g->kernel[1] + ky) * g->kernel[2] + kx;
    for (int64_t c = 0; c < op->n_channels; c++)
      for (int64_t i = first; i < end; i++)
        out->sum[i * g->stride[2] + shift - out->x0] +=
            (double) weight[c * op->weight_stride] * (double) src[c * g->n_src + i];
  }
}

typedef void (*AddFn) (const WeirGrid *g, const Operands *op, int64_t kz, int64_t ky, Stretch *out);

/* One output channel of one image, which stands at element `at` of dst. */
static void compute_plane (const WeirGrid *g, const Operands *op, AddFn add, double bias,
    const WeirTensor *dst, int64_t at)
{
  Stretch out;
  for (out.z = 0; out.z < g->dst[0]; out.z++)
    for (out.y = 0; out.y < g->dst[1]; out.y++)
      for (out.x0 = 0; out.x0 < g->dst[2]; out.x0 = out.x1) {
        out.x1 = MIN (out.x0 + STRETCH, g->dst[2]);
        for (int64_t i = 0; i < out.x1 - out.x0; i++)
          out.sum[i] = bias;
        for (int64_t kz = 0; kz < g->kernel[0]; kz++)
          for (int64_t ky = 0; ky < g->kernel[1]; ky++)
            add (g, op, kz, ky, &out);
        for (int64_t i = 0; i < out.x1 - out.x0; i++)
          weir_ref_store (dst->dtype, weir_tensor_data (dst), at++, out.sum[i]);
      }
}

/* A pointwise convolution is one long row. */
static void flatten_grid (WeirGrid *g)
{
  for (int i = 0; i < 3; i++)
    if (g->kernel[i] != 1 || g->stride[i] != 1 || g->pad[i] || g->pad_end[i])
      return;
  g->src[0] = g->src[1] = g->dst[0] = g->dst[1] = 1;
  g->src[2] = g->n_src;
  g->dst[2] = g->n_dst;
}

bool weir_ref_conv (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *weights = &job->src[1], *dst = &job->dst[0];
  const WeirTensor *bias = weir_job_src (job, 2);
  int64_t n_dst_channels = weights->dims[0], n_channels = weights->dims[1];
  int64_t group = weir_node_int (job->node, "group", 1);
  WeirWindow window;
  WeirGrid grid;
  if (!weir_window_resolve (job->graph, job->node, src, weights, &window, error))
    return false;
  weir_ref_grid_init (&grid, &window, src);
  flatten_grid (&grid);
  for (int64_t i = 0; i < src->dims[0]; i++)
    for (int64_t m = 0; m < n_dst_channels; m++) {
      int64_t g = m / (n_dst_channels / group);
      Operands op = { weir_ref_f32 (src) + (i * src->dims[1] + g * n_channels) * grid.n_src,
        weir_ref_f32 (weights) + m * n_channels * grid.n_kernel, n_channels, grid.n_kernel };
      compute_plane (&grid, &op, add_kernel_row, bias ? (double) weir_ref_f32 (bias)[m] : 0, dst,
          (i * n_dst_channels + m) * grid.n_dst);
    }
  return true;
}

bool weir_ref_conv_transpose (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *weights = &job->src[1], *dst = &job->dst[0];
  const WeirTensor *bias = weir_job_src (job, 2);
  int64_t group = weir_node_int (job->node, "group", 1), n_per_group = weights->dims[1];
  int64_t n_channels = weights->dims[0] / group;
  WeirWindow window;
  WeirGrid grid;
  if (!weir_window_resolve_transposed (job->graph, job->node, src, weights, &window, error))
    return false;
  weir_ref_grid_init (&grid, &window, src);
  for (int64_t i = 0; i < src->dims[0]; i++)
    for (int64_t m = 0; m < dst->dims[1]; m++) {
      int64_t g = m / n_per_group;
      const float *first =
          weir_ref_f32 (weights) + (g * n_channels * n_per_group + m % n_per_group) * grid.n_kernel;
      Operands op = { weir_ref_f32 (src) + (i * src->dims[1] + g * n_channels) * grid.n_src, first,
        n_channels, n_per_group * grid.n_kernel };
      compute_plane (&grid, &op, add_kernel_row_transposed,
          bias ? (double) weir_ref_f32 (bias)[m] : 0, dst, (i * dst->dims[1] + m) * grid.n_dst);
    }
  return true;
}
