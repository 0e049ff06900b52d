/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MaxPool and AveragePool (-DAVERAGE) over up to three dims, channels-last.
 *
 * A work item takes WIDTH channels (1 or 4) of one pixel of the result; pixels are global_size (1)
 * apart. With 4, channels are a multiple of 4 and all is aligned. */
#include "taps.cl"
#include "wide.cl"

#ifdef AVERAGE
#define START             0.0f
#define ACCUMULATE(x, y)  ((x) + (y))
#else
#define START             (-INFINITY)
#define ACCUMULATE(x, y)  fmax (x, y)
#endif

__kernel void pool (__global const real *src, uint src_at, __global real *dst, uint dst_at, Window w)
{
  int c = get_global_id (0) * WIDTH;
  if (c >= w.n_channels)
    return;
  for (int pixel = get_global_id (1); pixel < w.n_pixels; pixel += get_global_size (1)) {
    int x = pixel % w.dst[2], rest = pixel / w.dst[2];
    int y = rest % w.dst[1], z = rest / w.dst[1] % w.dst[0], item = rest / w.dst[1] / w.dst[0];
    Taps tz = find_taps (w, 0, z), ty = find_taps (w, 1, y), tx = find_taps (w, 2, x);
    reals result = START;
    for (int kz = tz.first; kz < tz.end; kz++)
      for (int ky = ty.first; ky < ty.end; ky++) {
        int row = ((item * w.src[0] + tz.origin + kz * w.dilation[0]) * w.src[1] + ty.origin +
                      ky * w.dilation[1]) * w.src[2];
        for (int kx = tx.first; kx < tx.end; kx++)
          result = ACCUMULATE (result,
              FETCH (src, src_at + (row + tx.origin + kx * w.dilation[2]) * w.n_channels + c));
      }
#ifdef AVERAGE
    int n = tz.n * ty.n * tx.n;
    result = n ? result / n : 0.0f;
#endif
    PUT (result, dst, dst_at + pixel * w.n_channels + c);
  }
}
