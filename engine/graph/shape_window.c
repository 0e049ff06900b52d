/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of convolutions and pools: a window that slides over the spatial dimensions.
 *
 * All attributes are limited to 2^31 - 1 each, so that products of two and sums of a few never
 * overflow 64 bits. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"

#include <string.h>

/* Per-dimension attribute: absent gives the fallback, present must have n_spatial elements. */
static bool read_attr (const WeirShapeJob *job, const char *name, uint32_t n, int64_t minimum,
    int64_t fallback, int64_t *result, GError **error)
{
  uint32_t n_ints;
  const int64_t *ints = weir_node_ints (job->node, name, &n_ints);
  if (n_ints && n_ints != n)
    return weir_job_fail ("%s has %u elements, expected %u", name, n_ints, n);
  for (uint32_t i = 0; i < n; i++) {
    result[i] = n_ints ? ints[i] : fallback;
    if (result[i] < minimum || result[i] > INT32_MAX)
      return weir_job_fail ("%s %" G_GINT64_FORMAT " is out of range", name, result[i]);
  }
  return true;
}

static bool read_kernel (
    const WeirShapeJob *job, const WeirTensor *weights, WeirWindow *window, GError **error)
{
  uint32_t n_ints, n = window->n_spatial;
  const int64_t *ints = weir_node_ints (job->node, "kernel_shape", &n_ints);
  if (!weights)
    return read_attr (job, "kernel_shape", n, 1, 0, window->kernel, error);
  for (uint32_t i = 0; i < n; i++) {
    int64_t size = weights->dims[2 + i];
    if (size < 1 || size > INT32_MAX || (n_ints && (n_ints != n || ints[i] != size))) {
      g_autofree char *shape = weir_tensor_describe (weights);
      return weir_job_fail ("kernel_shape and weights %s do not agree", shape);
    }
    window->kernel[i] = size;
  }
  return true;
}

static bool read_window (const WeirShapeJob *job, const WeirTensor *src, const WeirTensor *weights,
    WeirWindow *window, GError **error)
{
  int64_t pads[2 * WEIR_MAX_SPATIAL];
  if (src->rank < 3 || src->rank > 2 + WEIR_MAX_SPATIAL ||
      (weights && weights->rank != src->rank)) {
    g_autofree char *a = weir_tensor_describe (src);
    g_autofree char *b = weights ? weir_tensor_describe (weights) : NULL;
    return weir_job_fail ("input %s%s%s: expected 3 to 5 dimensions%s", a, b ? " and weights " : "",
        b ? b : "", b ? ", equally many in both" : "");
  }
  memset (window, 0, sizeof *window);
  uint32_t n = window->n_spatial = src->rank - 2;
  if (!read_kernel (job, weights, window, error) ||
      !read_attr (job, "strides", n, 1, 1, window->stride, error) ||
      !read_attr (job, "dilations", n, 1, 1, window->dilation, error) ||
      !read_attr (job, "pads", 2 * n, 0, 0, pads, error))
    return false;
  memcpy (window->pad_begin, pads, n * sizeof *pads);
  memcpy (window->pad_end, pads + n, n * sizeof *pads);
  for (uint32_t i = 0; i < n; i++)
    if (src->dims[2 + i] > INT32_MAX)
      return weir_job_fail (
          "spatial dimension %" G_GINT64_FORMAT " is out of range", src->dims[2 + i]);
  return true;
}

typedef enum AutoPad { NOTSET, VALID, SAME_UPPER, SAME_LOWER, N_AUTO_PADS } AutoPad;

static bool read_auto_pad (const WeirShapeJob *job, AutoPad *auto_pad, GError **error)
{
  static const char *const names[N_AUTO_PADS] = { "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER" };
  const char *name = weir_node_string (job->node, "auto_pad", "NOTSET");
  for (int i = 0; i < N_AUTO_PADS; i++)
    if (!*name || strcmp (name, names[i]) == 0) {
      *auto_pad = (AutoPad) i;
      return true;
    }
  return weir_job_fail ("auto_pad '%s' is unknown", name);
}

/* SAME_LOWER puts the odd element in front. */
static void share_pad (int64_t total, bool is_lower, int64_t *begin, int64_t *end)
{
  *begin = is_lower ? total - total / 2 : total / 2;
  *end = total - *begin;
}

static bool slide (const WeirShapeJob *job, const WeirTensor *src, AutoPad auto_pad, WeirWindow *w,
    uint32_t i, GError **error)
{
  int64_t n_src = src->dims[2 + i];
  int64_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1;
  if (auto_pad == SAME_UPPER || auto_pad == SAME_LOWER) {
    w->dst[i] = (n_src + w->stride[i] - 1) / w->stride[i];
    int64_t total = n_src ? (w->dst[i] - 1) * w->stride[i] + extent - n_src : 0;
    share_pad (MAX (total, 0), auto_pad == SAME_LOWER, &w->pad_begin[i], &w->pad_end[i]);
    return true;
  }
  if (auto_pad == VALID)
    w->pad_begin[i] = w->pad_end[i] = 0;
  int64_t room = n_src + w->pad_begin[i] + w->pad_end[i] - extent;
  if (room < 0) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("input %s with pads %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                          " is smaller than the window of %" G_GINT64_FORMAT,
        shape, w->pad_begin[i], w->pad_end[i], extent);
  }
  w->dst[i] = room / w->stride[i] + 1;
  /* A window that ceil_mode adds must still begin inside the input or the padding before it. */
  if (weir_node_int (job->node, "ceil_mode", 0) && room % w->stride[i] &&
      w->dst[i] * w->stride[i] < n_src + w->pad_begin[i])
    w->dst[i]++;
  return true;
}

bool weir_window_resolve (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    const WeirTensor *weights_or_null, WeirWindow *window, GError **error)
{
  const WeirShapeJob at = { graph, node, NULL, NULL }, *job = &at;
  AutoPad auto_pad;
  if (!read_window (job, src, weights_or_null, window, error) ||
      !read_auto_pad (job, &auto_pad, error))
    return false;
  for (uint32_t i = 0; i < window->n_spatial; i++)
    if (!slide (job, src, auto_pad, window, i, error))
      return false;
  return true;
}

static bool read_output_shape (
    const WeirShapeJob *job, uint32_t n, int64_t *shape, bool *is_given, GError **error)
{
  uint32_t n_ints;
  const int64_t *ints = weir_node_ints (job->node, "output_shape", &n_ints);
  *is_given = n_ints > 0;
  if (n_ints && n_ints != n && n_ints != n + 2)
    return weir_job_fail ("output_shape has %u elements, expected %u", n_ints, n);
  for (uint32_t i = 0; n_ints && i < n; i++) {
    shape[i] = ints[n_ints - n + i];
    if (shape[i] < 1 || shape[i] > INT32_MAX)
      return weir_job_fail ("output_shape %" G_GINT64_FORMAT " is out of range", shape[i]);
  }
  return true;
}

bool weir_window_resolve_transposed (const WeirGraph *graph, const WeirNode *node,
    const WeirTensor *src, const WeirTensor *weights, WeirWindow *window, GError **error)
{
  const WeirShapeJob at = { graph, node, NULL, NULL }, *job = &at;
  int64_t extra[WEIR_MAX_SPATIAL], shape[WEIR_MAX_SPATIAL];
  AutoPad auto_pad;
  bool is_given;
  if (!read_window (job, src, weights, window, error) || !read_auto_pad (job, &auto_pad, error) ||
      !read_attr (job, "output_padding", window->n_spatial, 0, 0, extra, error) ||
      !read_output_shape (job, window->n_spatial, shape, &is_given, error))
    return false;
  for (uint32_t i = 0; i < window->n_spatial; i++) {
    int64_t n_src = src->dims[2 + i];
    int64_t full = (n_src - 1) * window->stride[i] + extra[i] +
                   (window->kernel[i] - 1) * window->dilation[i] + 1;
    bool is_same = auto_pad == SAME_UPPER || auto_pad == SAME_LOWER;
    if (is_given || is_same) {
      window->dst[i] = is_given ? shape[i] : n_src * window->stride[i];
      share_pad (MAX (full - window->dst[i], 0), auto_pad != SAME_UPPER, &window->pad_begin[i],
          &window->pad_end[i]);
      continue;
    }
    if (auto_pad == VALID)
      window->pad_begin[i] = window->pad_end[i] = 0;
    window->dst[i] = full - window->pad_begin[i] - window->pad_end[i];
    if (n_src < 1 || window->dst[i] < 1)
      return weir_job_fail ("spatial dimension %u would be %" G_GINT64_FORMAT, i, window->dst[i]);
  }
  return true;
}

/* dst = [batch, channels, window's dst]. */
static void set_dst (const WeirShapeJob *job, int64_t n_channels, const WeirWindow *window)
{
  WeirTensor *dst = &job->dst[0];
  dst->dtype = job->src[0].dtype;
  dst->rank = 2 + window->n_spatial;
  dst->dims[0] = job->src[0].dims[0];
  dst->dims[1] = n_channels;
  for (uint32_t i = 0; i < window->n_spatial; i++)
    dst->dims[2 + i] = window->dst[i];
}

static bool check_types (const WeirShapeJob *job, GError **error)
{
  for (uint32_t i = 0; i < MIN (job->node->n_src, 3); i++) {
    const WeirTensor *src = weir_job_src (job, i);
    if (src && (!weir_dtype_is_floating (src->dtype) || src->dtype != job->src[0].dtype))
      return weir_job_fail (
          "input %u is %s, expected one floating type for all", i, weir_dtype_name (src->dtype));
  }
  return true;
}

static bool check_bias (const WeirShapeJob *job, int64_t n_channels, GError **error)
{
  const WeirTensor *bias = weir_job_src (job, 2);
  if (bias && (bias->rank != 1 || bias->dims[0] != n_channels)) {
    g_autofree char *shape = weir_tensor_describe (bias);
    return weir_job_fail ("bias is %s, expected [%" G_GINT64_FORMAT "]", shape, n_channels);
  }
  return true;
}

static bool channel_error (const WeirShapeJob *job, int64_t group, GError **error)
{
  g_autofree char *src = weir_tensor_describe (&job->src[0]);
  g_autofree char *weights = weir_tensor_describe (&job->src[1]);
  return weir_job_fail (
      "input %s, weights %s, group %" G_GINT64_FORMAT " do not fit together", src, weights, group);
}

bool weir_shape_conv (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *weights = &job->src[1];
  int64_t group = weir_node_int (job->node, "group", 1);
  int64_t n_src_channels;
  WeirWindow window;
  if (!check_types (job, error) ||
      !weir_window_resolve (job->graph, job->node, src, weights, &window, error))
    return false;
  if (group < 1 || weights->dims[0] % group ||
      !weir_checked_mul_i64 (weights->dims[1], group, &n_src_channels) ||
      n_src_channels != src->dims[1])
    return channel_error (job, group, error);
  set_dst (job, weights->dims[0], &window);
  return check_bias (job, weights->dims[0], error);
}

bool weir_shape_conv_transpose (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *weights = &job->src[1];
  int64_t group = weir_node_int (job->node, "group", 1);
  int64_t n_dst_channels;
  WeirWindow window;
  if (!check_types (job, error) ||
      !weir_window_resolve_transposed (job->graph, job->node, src, weights, &window, error))
    return false;
  if (group < 1 || weights->dims[0] % group || weights->dims[0] != src->dims[1] ||
      !weir_checked_mul_i64 (weights->dims[1], group, &n_dst_channels))
    return channel_error (job, group, error);
  set_dst (job, n_dst_channels, &window);
  return check_bias (job, n_dst_channels, error);
}

bool weir_shape_pool (const WeirShapeJob *job, GError **error)
{
  WeirWindow window;
  if (!weir_window_resolve (job->graph, job->node, &job->src[0], NULL, &window, error))
    return false;
  set_dst (job, job->src[0].dims[1], &window);
  if (weir_job_wants (job, 1)) {
    job->dst[1] = job->dst[0];
    job->dst[1].dtype = WEIR_DTYPE_I64;
  }
  return true;
}

bool weir_shape_global_pool (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  if (src->rank < 2) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("input is %s, expected at least 2 dimensions", shape);
  }
  dst->dtype = src->dtype;
  dst->rank = src->rank;
  for (uint32_t i = 0; i < src->rank; i++)
    dst->dims[i] = i < 2 ? src->dims[i] : 1;
  return true;
}

bool weir_shape_lp_pool (const WeirShapeJob *job, GError **error)
{
  return check_types (job, error) && weir_shape_pool (job, error);
}

/* As a convolution backwards: each element is one place of a window. */
bool weir_unpool_resolve (const WeirShapeJob *job, int64_t dims[WEIR_MAX_RANK], GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirWindow window;
  if (!read_window (job, src, NULL, &window, error))
    return false;
  for (uint32_t i = 0; i < src->rank; i++)
    dims[i] = src->dims[i];
  for (uint32_t i = 0; i < window.n_spatial; i++) {
    dims[2 + i] = (src->dims[2 + i] - 1) * window.stride[i] + window.kernel[i] -
                  window.pad_begin[i] - window.pad_end[i];
    if (src->dims[2 + i] < 1 || dims[2 + i] < 1)
      return weir_job_fail ("spatial dimension %u would be %" G_GINT64_FORMAT, i, dims[2 + i]);
  }
  return true;
}

/* output_shape must hold what the window gives: it is filled up at the ends. */
bool weir_shape_max_unpool (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t given[WEIR_MAX_INTS], dims[WEIR_MAX_RANK];
  uint32_t n;
  if (job->src[1].dtype != WEIR_DTYPE_I64 || !weir_tensor_same_shape (src, &job->src[1])) {
    g_autofree char *a = weir_tensor_describe (src);
    g_autofree char *b = weir_tensor_describe (&job->src[1]);
    return weir_job_fail ("inputs are %s and %s, expected an i64 index for each", a, b);
  }
  if (!weir_unpool_resolve (job, dims, error) || !weir_shape_ints (job, NULL, 2, given, &n, error))
    return false;
  if (n && n != src->rank)
    return weir_job_fail ("output_shape has %u elements, expected %u", n, src->rank);
  weir_copy_shape (&job->dst[0], src);
  memcpy (job->dst[0].dims, n ? given : dims, src->rank * sizeof *dims);
  for (uint32_t i = 0; i < n; i++)
    if (given[i] < dims[i])
      return weir_job_fail ("output_shape has %" G_GINT64_FORMAT " in dimension %u, expected at "
                            "least %" G_GINT64_FORMAT,
          given[i], i, dims[i]);
  return true;
}
