/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution, compiled once per instruction set.
 *
 * Including files define the vector: Vec, Mask, LANES, set (x), load (p), load_some (p, mask),
 * store (p, v), store_some (p, v, mask), fma (a, b, c), clip (v, least, most), first (n), and
 * DEPTHWISE, the function's name.
 *
 * PIXELS neighbouring results of LANES channels are summed in registers. Each tap loads its weights
 * once and multiplies them with PIXELS source vectors that come straight from memory, so that loads
 * and multiplications keep pace. Channels are the inner loop: the source is read along memory.
 * Results whose taps reach over an end of the row are done one by one with fewer taps. Every result
 * is summed in the order of the taps, so all variants agree. */
#include "kernels/depthwise.h"

#include <stdbool.h>

#define PIXELS      8
#define MAX_KERNEL  5
#define MAX_COLUMNS ((PIXELS - 1) * 2 + MAX_KERNEL)

/* Taps along the row that lie inside the source. */
typedef struct Taps {
  size_t begin, end;
} Taps;

static inline __attribute__ ((always_inline)) void sum_block (const WeirDepthwise *shape,
    float *dst, const float *const *rows, const float *weights, const float *bias, ptrdiff_t src,
    Taps taps, size_t n_pixels, bool is_whole, Mask mask)
{
  size_t n_channels = shape->n_channels;
  size_t step = shape->stride * n_channels, tap_step = shape->dilation * n_channels;
  Vec sums[PIXELS], least = set (shape->least), most = set (shape->most);
  for (size_t p = 0; p < n_pixels; p++)
    sums[p] = is_whole ? load (bias) : load_some (bias, mask);
  for (size_t ky = 0; ky < shape->kernel_height; ky++) {
    if (!rows[ky])
      continue;
    const float *w = weights + (ky * shape->kernel_width + taps.begin) * n_channels;
    const float *s = rows[ky] + src + (ptrdiff_t) (taps.begin * tap_step);
    for (size_t kx = taps.begin; kx < taps.end; kx++, w += n_channels, s += tap_step) {
      Vec weight = is_whole ? load (w) : load_some (w, mask);
      for (size_t p = 0; p < n_pixels; p++)
        sums[p] =
            fma (weight, is_whole ? load (s + p * step) : load_some (s + p * step, mask), sums[p]);
    }
  }
  for (size_t p = 0; p < n_pixels; p++) {
    Vec result = clip (sums[p], least, most);
    if (is_whole)
      store (dst + p * n_channels, result);
    else
      store_some (dst + p * n_channels, result, mask);
  }
}

/* What a block at an end of the row may not touch: source columns before `begin` and from `end` on
 * count as zero, results from n_pixels on are not stored. Columns are counted from the block's
 * first tap. */
typedef struct Edge {
  size_t begin, end, n_pixels;
} Edge;

/* The same for windows of `kernel` neighbours, `stride` apart, both constants where this is
 * expanded: each source vector serves all the taps that read it. A vector is skipped by an empty
 * mask, which reads nothing. */
static inline __attribute__ ((always_inline)) void sum_windows (const WeirDepthwise *shape,
    float *dst, const float *const *rows, const float *weights, const float *bias, ptrdiff_t src,
    const Edge *edge, size_t kernel, size_t stride, bool is_whole, Mask mask)
{
  size_t n_channels = shape->n_channels, n_columns = (PIXELS - 1) * stride + kernel;
  Vec sums[PIXELS], w[MAX_KERNEL];
  Vec least = set (shape->least), most = set (shape->most);
  Mask masks[MAX_COLUMNS];
  for (size_t q = 0; edge && q < n_columns; q++)
    masks[q] = q >= edge->begin && q < edge->end ? mask : first (0);
  for (size_t p = 0; p < PIXELS; p++)
    sums[p] = is_whole ? load (bias) : load_some (bias, mask);
  for (size_t ky = 0; ky < shape->kernel_height; ky++, weights += kernel * n_channels) {
    if (!rows[ky])
      continue;
    const float *s = rows[ky] + src;
    for (size_t kx = 0; kx < kernel; kx++)
      w[kx] =
          is_whole ? load (weights + kx * n_channels) : load_some (weights + kx * n_channels, mask);
#pragma GCC unroll 24
    for (size_t q = 0; q < n_columns; q++, s += n_channels) {
      Vec v = edge ? load_some (s, masks[q]) : is_whole ? load (s) : load_some (s, mask);
#pragma GCC unroll 8
      for (size_t kx = 0; kx < kernel; kx++)
        if (q >= kx && (q - kx) % stride == 0 && (q - kx) / stride < PIXELS)
          sums[(q - kx) / stride] = fma (w[kx], v, sums[(q - kx) / stride]);
    }
  }
#pragma GCC unroll 8
  for (size_t p = 0; p < PIXELS; p++) {
    Vec result = clip (sums[p], least, most);
    if (edge && p >= edge->n_pixels)
      break;
    if (is_whole)
      store (dst + p * n_channels, result);
    else
      store_some (dst + p * n_channels, result, mask);
  }
}

#define WINDOWS(name, kernel, stride)                                                              \
  static void name (const WeirDepthwise *shape, float *dst, const float *const *rows,              \
      const float *weights, const float *bias, ptrdiff_t src, const Edge *edge)                    \
  {                                                                                                \
    size_t n_channels = shape->n_channels, c = 0;                                                  \
    if (!edge)                                                                                     \
      for (; c + LANES <= n_channels; c += LANES)                                                  \
        sum_windows (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, NULL,       \
            kernel, stride, true, first (0));                                                      \
    else                                                                                           \
      for (; c + LANES <= n_channels; c += LANES)                                                  \
        sum_windows (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, edge,       \
            kernel, stride, true, first (LANES));                                                  \
    if (c == n_channels)                                                                           \
      return;                                                                                      \
    Mask mask = first (n_channels - c);                                                            \
    if (!edge)                                                                                     \
      sum_windows (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, NULL, kernel, \
          stride, false, mask);                                                                    \
    else                                                                                           \
      sum_windows (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, edge, kernel, \
          stride, false, mask);                                                                    \
  }

WINDOWS (windows_3_1, 3, 1)
WINDOWS (windows_3_2, 3, 2)
WINDOWS (windows_5_1, 5, 1)
WINDOWS (windows_5_2, 5, 2)

typedef void (*WindowsFn) (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias, ptrdiff_t src, const Edge *edge);

static WindowsFn find_windows (const WeirDepthwise *shape)
{
  static const struct {
    size_t kernel, stride;
    WindowsFn fn;
  } table[] = {
    { 3, 1, windows_3_1 },
    { 3, 2, windows_3_2 },
    { 5, 1, windows_5_1 },
    { 5, 2, windows_5_2 },
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].kernel == shape->kernel_width && table[i].stride == shape->stride &&
        shape->dilation == 1)
      return table[i].fn;
  return NULL;
}

/* n_pixels results from column x on, all channels. */
static inline __attribute__ ((always_inline)) void sum_pixels (const WeirDepthwise *shape,
    float *dst, const float *const *rows, const float *weights, const float *bias, size_t x,
    Taps taps, size_t n_pixels)
{
  size_t n_channels = shape->n_channels, c = 0;
  ptrdiff_t src =
      ((ptrdiff_t) (x * shape->stride) - (ptrdiff_t) shape->pad) * (ptrdiff_t) n_channels;
  dst += x * n_channels;
  for (; c + LANES <= n_channels; c += LANES)
    sum_block (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, taps, n_pixels,
        true, first (0));
  if (c < n_channels)
    sum_block (shape, dst + c, rows, weights + c, bias + c, src + (ptrdiff_t) c, taps, n_pixels,
        false, first (n_channels - c));
}

static Taps find_taps (const WeirDepthwise *shape, size_t x)
{
  size_t at = x * shape->stride, dilation = shape->dilation;
  size_t begin = at >= shape->pad ? 0 : (shape->pad - at + dilation - 1) / dilation;
  size_t limit = shape->src_width + shape->pad; /* taps lie before it, counted from the padding */
  size_t end = at >= limit ? 0 : (limit - at + dilation - 1) / dilation;
  Taps taps = { begin, end < shape->kernel_width ? end : shape->kernel_width };
  return taps;
}

/* Any window: result by result where taps reach out of the row. */
static void run_any (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias, size_t begin, size_t end)
{
  Taps all = { 0, shape->kernel_width };
  size_t x = 0;
  for (; x < begin; x++)
    sum_pixels (shape, dst, rows, weights, bias, x, find_taps (shape, x), 1);
  for (; x + PIXELS <= end; x += PIXELS)
    sum_pixels (shape, dst, rows, weights, bias, x, all, PIXELS);
  for (; x < shape->dst_width; x++)
    sum_pixels (shape, dst, rows, weights, bias, x, find_taps (shape, x), 1);
}

static void run_windows (WindowsFn windows, const WeirDepthwise *shape, float *dst,
    const float *const *rows, const float *weights, const float *bias, size_t begin, size_t end)
{
  size_t n_channels = shape->n_channels, limit = shape->src_width + shape->pad;
  for (size_t x = 0; x < shape->dst_width; x += PIXELS) {
    size_t at = x * shape->stride, n_left = shape->dst_width - x;
    Edge edge = { at < shape->pad ? shape->pad - at : 0, at < limit ? limit - at : 0,
      n_left < PIXELS ? n_left : PIXELS };
    bool is_inside = x >= begin && x + PIXELS <= end;
    windows (shape, dst + x * n_channels, rows, weights, bias,
        ((ptrdiff_t) at - (ptrdiff_t) shape->pad) * (ptrdiff_t) n_channels,
        is_inside ? NULL : &edge);
  }
}

void DEPTHWISE (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias);

void DEPTHWISE (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias)
{
  size_t extent = (shape->kernel_width - 1) * shape->dilation + 1;
  size_t limit = shape->src_width + shape->pad; /* whole windows end before it */
  size_t begin = (shape->pad + shape->stride - 1) / shape->stride;
  size_t end = limit >= extent ? (limit - extent) / shape->stride + 1 : 0;
  WindowsFn windows = find_windows (shape);
  begin = begin < shape->dst_width ? begin : shape->dst_width;
  end = end < shape->dst_width ? end : shape->dst_width;
  if (windows)
    run_windows (windows, shape, dst, rows, weights, bias, begin, end);
  else
    run_any (shape, dst, rows, weights, bias, begin, end);
}
