/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planes side by side become pixels, for the compiler to make vectors of: part of the tensor
 * kernels, see tensor_loops.h. */
#pragma once

#include <stddef.h>
#include <string.h>

#define PLANE_BLOCK 64 /* pixels of many channels, whose lines stay in the first-level cache */

/* A group of stores with a step is a few permutations, where their number is known. */
#define INTERLEAVE(N)                                                         \
  static void interleave_##N (                                                \
      float *restrict dst, const float *restrict src, size_t plane, size_t n) \
  {                                                                           \
    for (size_t i = 0; i < n; i++)                                            \
      for (size_t c = 0; c < N; c++)                                          \
        dst[i * N + c] = src[c * plane + i];                                  \
  }

INTERLEAVE (2)
INTERLEAVE (3)
INTERLEAVE (4)

static void interleave_many (
    float *restrict dst, const float *restrict src, size_t n_channels, size_t plane, size_t n)
{
  for (size_t begin = 0; begin < n; begin += PLANE_BLOCK) {
    size_t end = begin + PLANE_BLOCK < n ? begin + PLANE_BLOCK : n;
    for (size_t c = 0; c < n_channels; c++)
      for (size_t i = begin; i < end; i++)
        dst[i * n_channels + c] = src[c * plane + i];
  }
}

static void interleave (float *dst, const float *src, size_t n_channels, size_t plane, size_t n)
{
  switch (n_channels) {
  case 1:
    memcpy (dst, src, n * sizeof *dst);
    break;
  case 2:
    interleave_2 (dst, src, plane, n);
    break;
  case 3:
    interleave_3 (dst, src, plane, n);
    break;
  case 4:
    interleave_4 (dst, src, plane, n);
    break;
  default:
    interleave_many (dst, src, n_channels, plane, n);
  }
}
