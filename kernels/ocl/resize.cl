/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize over two spatial dims, channels-last: nearest, or linear (-DLINEAR), by tables of where each
 * row and column of the result is taken from.
 *
 * A work item takes WIDTH channels (1 or 4) of one pixel; pixels are global_size (1) apart. */
#include "wide.cl"

typedef struct Tap {
  int first, second;
  float weight; /* of the second */
} Tap;

__kernel void resize (__global const real *src, uint src_at, __global real *dst, uint dst_at,
    __global const Tap *rows, uint rows_at, __global const Tap *columns, uint columns_at, int n_channels,
    int src_height, int src_width, int height, int width, int n_pixels)
{
  int c = get_global_id (0) * WIDTH;
  if (c >= n_channels)
    return;
  for (int pixel = get_global_id (1); pixel < n_pixels; pixel += get_global_size (1)) {
    int item = pixel / width / height;
    Tap column = columns[columns_at + pixel % width], row = rows[rows_at + pixel / width % height];
    uint plane = src_at + item * src_height * src_width * n_channels + c;
    uint above = plane + row.first * src_width * n_channels;
    reals y = FETCH (src, above + column.first * n_channels);
#ifdef LINEAR
    uint below = plane + row.second * src_width * n_channels;
    reals right = FETCH (src, above + column.second * n_channels);
    reals left = FETCH (src, below + column.first * n_channels);
    reals last = FETCH (src, below + column.second * n_channels);
    y = (1.0f - row.weight) * ((1.0f - column.weight) * y + column.weight * right) +
        row.weight * ((1.0f - column.weight) * left + column.weight * last);
#endif
    PUT (y, dst, dst_at + pixel * n_channels + c);
  }
}
