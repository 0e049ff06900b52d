/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Noise in the planes of any format. */
#include "tests/unit/pre/pre_picture.h"

static uint32_t state = 1;

uint32_t picture_random (uint32_t n)
{
  state = state * 1664525u + 1013904223u;
  return (uint32_t) (((uint64_t) state * n) >> 32);
}

uint32_t picture_row_bytes (WeirPixelFormat format, uint32_t width_px, int plane)
{
  uint32_t half = (width_px + 1) / 2;
  switch (format) {
  case WEIR_PIXEL_I420:
  case WEIR_PIXEL_YV12:
    return plane ? half : width_px;
  case WEIR_PIXEL_NV12:
    return plane == 2 ? 0 : plane ? 2 * half : width_px;
  case WEIR_PIXEL_P010:
    return plane == 2 ? 0 : plane ? 4 * half : 2 * width_px;
  case WEIR_PIXEL_YUY2:
  case WEIR_PIXEL_UYVY:
    return plane ? 0 : 4 * half;
  case WEIR_PIXEL_GRAY8:
    return plane ? 0 : width_px;
  case WEIR_PIXEL_RGB:
  case WEIR_PIXEL_BGR:
    return plane ? 0 : 3 * width_px;
  default:
    return plane ? 0 : 4 * width_px;
  }
}

uint32_t picture_n_rows (WeirPixelFormat format, uint32_t height_px, int plane)
{
  if (picture_row_bytes (format, 1, plane) == 0)
    return 0;
  return plane ? (height_px + 1) / 2 : height_px;
}

WeirFrame picture_new (WeirPixelFormat format, uint32_t width_px, uint32_t height_px,
    uint32_t slack_bytes, uint32_t seed)
{
  WeirFrame frame = { .format = format, .width_px = width_px, .height_px = height_px };
  state = seed;
  for (int i = 0; i < WEIR_MAX_PLANES; i++) {
    uint32_t row_bytes = picture_row_bytes (format, width_px, i);
    uint32_t n_rows = picture_n_rows (format, height_px, i);
    size_t n_bytes = (size_t) (row_bytes + slack_bytes) * n_rows;
    if (n_rows == 0)
      continue;
    uint8_t *bytes = g_malloc (n_bytes);
    for (size_t k = 0; k < n_bytes; k++)
      bytes[k] = (uint8_t) picture_random (256);
    frame.planes[i] = bytes;
    frame.stride_bytes[i] = (int32_t) (row_bytes + slack_bytes);
  }
  return frame;
}

void picture_clear (WeirFrame *frame)
{
  for (int i = 0; i < WEIR_MAX_PLANES; i++)
    g_clear_pointer ((void **) &frame->planes[i], g_free);
}
