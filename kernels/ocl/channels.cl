/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* x · scale + shift by channel, and the chain of posts: BatchNormalization. scale and shift are f32.
 *
 * The tensor is [outer, channels, pixels] in the order of memory (pixels 1: channels-last). A work
 * item takes elements that are global_size apart. */
#include "posts.cl"

__kernel void channels (__global const real *src, uint src_at, __global real *dst, uint dst_at,
    __global const float *scale, uint scale_at, __global const float *shift, uint shift_at, uint n,
    uint n_channels, uint n_pixels, float8 parameters)
{
  for (uint i = get_global_id (0); i < n; i += get_global_size (0)) {
    uint c = i / n_pixels % n_channels;
    float y = load (src, src_at + i) * scale[scale_at + c] + shift[shift_at + c];
    store (post (y, parameters), dst, dst_at + i);
  }
}
