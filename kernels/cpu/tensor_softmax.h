/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Softmax along and across rows: part of the tensor kernels, included by tensor_loops.h behind what
 * it is made of. */
#pragma once

static float find_max (const float *src, size_t n)
{
  float lanes[LANES], most = src[0];
  size_t i = LANES;
  if (n < LANES) {
    for (i = 1; i < n; i++)
      most = larger (src[i], most);
    return most;
  }
  Lanes largest;
  memcpy (&largest, src, sizeof largest);
  for (; i + LANES <= n; i += LANES) {
    Lanes x;
    memcpy (&x, src + i, sizeof x);
    LaneBits is_larger = x > largest;
    largest = (Lanes) (((LaneBits) x & is_larger) | ((LaneBits) largest & ~is_larger));
  }
  memcpy (lanes, &largest, sizeof lanes);
  for (size_t k = 0; i + k < n; k++)
    lanes[k] = larger (src[i + k], lanes[k]);
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t k = 0; k < half; k++)
      lanes[k] = larger (lanes[k + half], lanes[k]);
  return lanes[0];
}

static void exp_row (float *restrict dst, const float *restrict src, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = exp_f32 (src[i]);
}

static float find_sum (const float *src, size_t n)
{
  float lanes[LANES], total = 0.0f;
  Lanes sum = { 0.0f };
  size_t i = 0;
  if (n < LANES) {
    for (; i < n; i++)
      total += src[i];
    return total;
  }
  for (; i + LANES <= n; i += LANES) {
    Lanes x;
    memcpy (&x, src + i, sizeof x);
    sum += x;
  }
  memcpy (lanes, &sum, sizeof lanes);
  for (size_t k = 0; i + k < n; k++)
    lanes[k] += src[i + k];
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t k = 0; k < half; k++)
      lanes[k] += lanes[k + half];
  return lanes[0];
}

static void softmax_long (float *restrict dst, const float *restrict src, size_t n, bool is_log)
{
  float most = find_max (src, n), sum = 0.0f, block[BLOCK];
  for (size_t begin = 0; begin < n; begin += BLOCK) {
    size_t m = n - begin < BLOCK ? n - begin : BLOCK;
    for (size_t i = 0; i < m; i++)
      dst[begin + i] = src[begin + i] - most;
    exp_row (block, dst + begin, m);
    sum += find_sum (block, m);
    if (!is_log)
      memcpy (dst + begin, block, m * sizeof (float));
  }
  float scale = 1.0f / sum, shift = logf (sum);
  if (is_log)
    for (size_t i = 0; i < n; i++)
      dst[i] -= shift;
  else
    for (size_t i = 0; i < n; i++)
      dst[i] *= scale;
}

/* Short rows share the exponentials of a block, so that they fill vectors. */
static void softmax_short (
    float *restrict dst, const float *restrict src, size_t n_rows, size_t n, bool is_log)
{
  float block[BLOCK];
  for (size_t row = 0; row < n_rows; row++) {
    float most = find_max (src + row * n, n);
    for (size_t i = 0; i < n; i++)
      dst[row * n + i] = src[row * n + i] - most;
  }
  exp_row (block, dst, n_rows * n);
  for (size_t row = 0; row < n_rows; row++) {
    const float *exps = block + row * n;
    float sum = find_sum (exps, n);
    float scale = 1.0f / sum, shift = is_log ? logf (sum) : 0.0f;
    for (size_t i = 0; i < n; i++)
      dst[row * n + i] = is_log ? dst[row * n + i] - shift : exps[i] * scale;
  }
}

/* As the others, without a loop in the loop. */
static void softmax_pairs (float *restrict dst, const float *restrict src, size_t n_rows)
{
  for (size_t i = 0; i < n_rows; i++) {
    float a = src[2 * i], b = src[2 * i + 1], most = larger (b, a);
    float exp_a = exp_f32 (a - most), exp_b = exp_f32 (b - most);
    float scale = 1.0f / (exp_a + exp_b);
    dst[2 * i] = exp_a * scale;
    dst[2 * i + 1] = exp_b * scale;
  }
}

static void softmax (float *dst, const float *src, size_t n_rows, size_t n, bool is_log)
{
  size_t at_once = BLOCK / n;
  if (n == 2 && !is_log) {
    softmax_pairs (dst, src, n_rows);
    return;
  }
  if (at_once < 2) {
    for (size_t row = 0; row < n_rows; row++)
      softmax_long (dst + row * n, src + row * n, n, is_log);
    return;
  }
  for (size_t row = 0; row < n_rows; row += at_once) {
    size_t m = n_rows - row < at_once ? n_rows - row : at_once;
    softmax_short (dst + row * n, src + row * n, m, n, is_log);
  }
}

static void columns_block (float *restrict dst, const float *restrict src, size_t n_rows,
    size_t stride, size_t n, bool is_log)
{
  float most[BLOCK], sum[BLOCK];
  memcpy (most, src, n * sizeof (float));
  memset (sum, 0, n * sizeof (float));
  for (size_t row = 1; row < n_rows; row++)
    for (size_t i = 0; i < n; i++)
      most[i] = larger (src[row * stride + i], most[i]);
  for (size_t row = 0; row < n_rows; row++)
    for (size_t i = 0; i < n; i++) {
      float shifted = src[row * stride + i] - most[i], value = exp_f32 (shifted);
      dst[row * stride + i] = is_log ? shifted : value;
      sum[i] += value;
    }
  for (size_t i = 0; i < n; i++)
    sum[i] = is_log ? logf (sum[i]) : 1.0f / sum[i];
  for (size_t row = 0; row < n_rows; row++)
    for (size_t i = 0; i < n; i++)
      dst[row * stride + i] =
          is_log ? dst[row * stride + i] - sum[i] : dst[row * stride + i] * sum[i];
}

static void softmax_columns (
    float *dst, const float *src, size_t n_rows, size_t stride, size_t n, bool is_log)
{
  for (size_t begin = 0; begin < n; begin += BLOCK) {
    size_t m = n - begin < BLOCK ? n - begin : BLOCK;
    columns_block (dst + begin, src + begin, n_rows, stride, m, is_log);
  }
}
