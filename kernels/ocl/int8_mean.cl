/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Averages of windows of codes, channels-last: sums are exact. CODE: uchar or char. A work item takes one
 * channel of one pixel of the result; pixels are global_size (1) apart. */
#include "codes.cl"
#include "taps.cl"

/* factor: a step of the source in steps of the result. */
__kernel void int8_mean (__global const CODE *src, uint src_at, __global uchar *dst, uint dst_at,
    Window w, int zero, float factor, Codes codes)
{
  int c = get_global_id (0);
  if (c >= w.n_channels)
    return;
  for (int pixel = get_global_id (1); pixel < w.n_pixels; pixel += get_global_size (1)) {
    int x = pixel % w.dst[2], rest = pixel / w.dst[2];
    int y = rest % w.dst[1], z = rest / w.dst[1] % w.dst[0], item = rest / w.dst[1] / w.dst[0];
    Taps tz = find_taps (w, 0, z), ty = find_taps (w, 1, y), tx = find_taps (w, 2, x);
    int sum = 0;
    for (int kz = tz.first; kz < tz.end; kz++)
      for (int ky = ty.first; ky < ty.end; ky++) {
        int row = ((item * w.src[0] + tz.origin + kz * w.dilation[0]) * w.src[1] + ty.origin +
                      ky * w.dilation[1]) * w.src[2] + tx.origin;
        for (int kx = tx.first; kx < tx.end; kx++)
          sum += src[src_at + (row + kx * w.dilation[2]) * w.n_channels + c] - zero;
      }
    int n = max (tz.n * ty.n * tx.n, 1);
    Codes count = { .scale = n, .inverse = 1.0f / n };
    dst[dst_at + pixel * w.n_channels + c] =
        to_code (to_steps (convert_float (sum) * factor, count), codes);
  }
}
