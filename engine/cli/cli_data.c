/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making, stacking and comparing tensors; nothing here is on a measured path. */
#include "engine/cli/cli_data.h"

#include <math.h>
#include <string.h>

bool cli_tensor_allocate (CliTensor *tensor, GError **error)
{
  size_t n_bytes;

  tensor->tensor.layout = WEIR_LAYOUT_PLAIN;
  tensor->tensor.offset_bytes = 0;
  tensor->tensor.buffer =
      weir_tensor_bytes (&tensor->tensor, &n_bytes) ? g_try_malloc (MAX (n_bytes, 1)) : NULL;
  if (!tensor->tensor.buffer) {
    g_autofree char *shape = weir_tensor_describe (&tensor->tensor);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for a tensor %s", shape);
    return false;
  }
  return true;
}

void cli_tensor_clear (CliTensor *tensor)
{
  g_free (tensor->tensor.buffer);
  *tensor = (CliTensor){ 0 };
}

/* The type that requests take for it: half floats are given as f32. */
static WeirDtype given_dtype (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 ? WEIR_DTYPE_F32 : dtype;
}

bool cli_input_is_filled (const WeirModel *model, uint32_t k)
{
  const char *fill = weir_model_input_fill (model, k);
  return fill && strcmp (fill, "picture") != 0;
}

bool cli_tensor_random (
    CliTensor *tensor, const WeirModel *model, uint32_t k, uint32_t n, GError **error)
{
  uint32_t axis = weir_model_input_axis (model, k);
  uint32_t seed = 2463534242u + k; /* xorshift32 */
  int64_t n_elements;
  size_t step;
  char *data;

  weir_model_input (model, k, &tensor->tensor);
  tensor->tensor.dtype = given_dtype (tensor->tensor.dtype);
  if (tensor->tensor.rank > axis &&
      __builtin_mul_overflow (tensor->tensor.dims[axis], (int64_t) n, &tensor->tensor.dims[axis]))
    tensor->tensor.dims[axis] = -1;
  if (!cli_tensor_allocate (tensor, error) ||
      !weir_tensor_n_elements (&tensor->tensor, &n_elements))
    return false;
  step = weir_dtype_bytes (tensor->tensor.dtype);
  data = tensor->tensor.buffer;
  memset (data, 0, (size_t) n_elements * step);
  for (int64_t i = 0; i < n_elements; i++, data += step) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    float f32 = (float) (seed >> 8) / 16777216.0f;
    double f64 = (double) f32;
    if (tensor->tensor.dtype == WEIR_DTYPE_F32)
      memcpy (data, &f32, sizeof f32);
    else if (tensor->tensor.dtype == WEIR_DTYPE_F64)
      memcpy (data, &f64, sizeof f64);
    else
      data[G_BYTE_ORDER == G_BIG_ENDIAN ? step - 1 : 0] = (char) (seed >> 31);
  }
  return true;
}

/* Checks that there is one value, or one a channel. */
static bool check_channels (
    const GArray *values, const char *what, int64_t n_channels, GError **error)
{
  if (!values || values->len == 1 || (int64_t) values->len == n_channels)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "--%s: %u numbers, where the data has %" G_GINT64_FORMAT " channels; give one or as many",
      what, values->len, n_channels);
  return false;
}

static float channel_value (const GArray *values, int64_t channel, float none)
{
  if (!values)
    return none;
  return (float) g_array_index (values, double, values->len == 1 ? 0 : channel);
}

bool cli_tensor_normalise (
    CliTensor *dst, const WeirTensor *src, const GArray *mean, const GArray *scale, GError **error)
{
  int64_t n_channels = src->rank >= 2 ? src->dims[1] : 1, n_elements, inner = 1;
  const uint8_t *from = weir_tensor_data (src);
  float *to;

  if (!check_channels (mean, "mean", n_channels, error) ||
      !check_channels (scale, "scale", n_channels, error))
    return false;
  dst->tensor = *src;
  dst->tensor.dtype = WEIR_DTYPE_F32;
  if (!cli_tensor_allocate (dst, error) || !weir_tensor_n_elements (src, &n_elements))
    return false;
  for (uint32_t d = 2; d < src->rank; d++)
    inner *= src->dims[d];
  to = dst->tensor.buffer;
  for (int64_t i = 0; i < n_elements; i++) {
    int64_t channel = src->rank >= 2 ? i / inner % n_channels : 0;
    to[i] =
        ((float) from[i] - channel_value (mean, channel, 0)) * channel_value (scale, channel, 1);
  }
  return true;
}

/* src stands in for the i-th of n equal parts of dst along the axis. */
static void copy_part (
    const WeirTensor *dst, const WeirTensor *src, uint32_t axis, uint32_t i, uint32_t n)
{
  size_t n_bytes = 0, n_outer = 1;

  weir_tensor_bytes (src, &n_bytes);
  for (uint32_t d = 0; d < axis; d++)
    n_outer *= (size_t) src->dims[d];
  if (n_bytes == 0)
    return;
  n_bytes /= n_outer;
  for (size_t outer = 0; outer < n_outer; outer++)
    memcpy ((char *) dst->buffer + (outer * n + i) * n_bytes,
        (char *) weir_tensor_data (src) + outer * n_bytes, n_bytes);
}

bool cli_tensor_stack (
    CliTensor *dst, const WeirTensor *const *src, uint32_t n, uint32_t axis, GError **error)
{
  dst->tensor = *src[0];
  for (uint32_t i = 1; i < n; i++)
    if (src[i]->dtype != src[0]->dtype || !weir_tensor_same_shape (src[i], src[0])) {
      g_autofree char *here = weir_tensor_describe (src[i]);
      g_autofree char *first = weir_tensor_describe (src[0]);
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
          "data of a batch must have one shape: %s and %s were given", first, here);
      return false;
    }
  if (n > 1 && src[0]->rank <= axis) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "scalar data cannot form a batch");
    return false;
  }
  if (src[0]->rank > axis &&
      __builtin_mul_overflow (src[0]->dims[axis], (int64_t) n, &dst->tensor.dims[axis]))
    dst->tensor.dims[axis] = -1;
  if (!cli_tensor_allocate (dst, error))
    return false;
  for (uint32_t i = 0; i < n; i++)
    copy_part (&dst->tensor, src[i], src[i]->rank > axis ? axis : 0, i, n);
  return true;
}

bool cli_tensor_block (const WeirTensor *stacked, uint32_t i, uint32_t n, WeirTensor *view)
{
  size_t n_bytes;

  *view = *stacked;
  if (n == 1)
    return true;
  if (stacked->rank == 0 || stacked->dims[0] % n != 0)
    return false;
  view->dims[0] = stacked->dims[0] / n;
  if (!weir_tensor_bytes (view, &n_bytes))
    return false;
  view->offset_bytes += i * n_bytes;
  return true;
}

/* |got - expected|; equal specials are no difference, other specials an infinite one. */
static double distance (double got, double expected)
{
  if (got == expected || (isnan (got) && isnan (expected)))
    return 0;
  return isfinite (got) && isfinite (expected) ? fabs (got - expected) : INFINITY;
}

static void measure (const double *got, const double *expected, size_t n, double atol, double rtol,
    CliDifference *difference)
{
  double sum = 0, dot = 0, got2 = 0, expected2 = 0;

  *difference = (CliDifference){ 0 };
  for (size_t i = 0; i < n; i++) {
    double d = distance (got[i], expected[i]), size = fabs (expected[i]);
    difference->max_abs = fmax (difference->max_abs, d);
    if (size > atol)
      difference->max_rel = fmax (difference->max_rel, d > 0 ? d / size : 0);
    difference->n_beyond += d > 0 && !(d <= atol + rtol * size);
    sum += d;
    if (isfinite (got[i]) && isfinite (expected[i])) {
      dot += got[i] * expected[i];
      got2 += got[i] * got[i];
      expected2 += expected[i] * expected[i];
    }
  }
  difference->mean_abs = n ? sum / (double) n : 0;
  difference->cosine =
      got2 > 0 && expected2 > 0 ? dot / sqrt (got2 * expected2) : (double) (got2 == expected2);
}

bool cli_tensor_compare (const WeirTensor *got, const WeirTensor *expected, double atol,
    double rtol, CliDifference *difference, GError **error)
{
  g_autofree double *a = NULL, *b = NULL;
  int64_t n_elements = 0;
  size_t n = 0;

  if (weir_tensor_n_elements (expected, &n_elements)) {
    n = (size_t) n_elements;
    a = g_try_new (double, n + 1);
    b = g_try_new (double, n + 1);
  }
  if (!a || !b) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory to compare tensors");
    return false;
  }
  weir_tensor_to_doubles (got, n, a);
  weir_tensor_to_doubles (expected, n, b);
  measure (a, b, n, atol, rtol, difference);
  return true;
}
