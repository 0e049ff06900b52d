/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirFrame: one picture in system memory, as its producer laid it out. */
#pragma once

#include "export.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

WEIR_BEGIN_PUBLIC

typedef enum WeirPixelFormat {
  WEIR_PIXEL_I420 = 0,
  WEIR_PIXEL_YV12,
  WEIR_PIXEL_NV12,
  WEIR_PIXEL_YUY2,
  WEIR_PIXEL_UYVY,
  WEIR_PIXEL_P010, /* little endian, 10 bits in the high bits of 16 */
  WEIR_PIXEL_GRAY8,
  WEIR_PIXEL_RGB,
  WEIR_PIXEL_BGR,
  WEIR_PIXEL_RGBA,
  WEIR_PIXEL_BGRA,
  WEIR_PIXEL_RGBX,
  WEIR_PIXEL_BGRX,
  WEIR_PIXEL_XRGB,
  WEIR_PIXEL_XBGR,
  WEIR_N_PIXEL_FORMATS
} WeirPixelFormat;

typedef enum WeirMatrix { WEIR_MATRIX_BT601 = 0, WEIR_MATRIX_BT709 } WeirMatrix;
typedef enum WeirRange { WEIR_RANGE_LIMITED = 0, WEIR_RANGE_FULL } WeirRange;

#define WEIR_MAX_PLANES 3

/* Thread-safety: a value; the planes stay the caller's and must outlive the request.
 * Planes follow the format's usual order (YV12: Y, V, U). Chroma of odd sizes is rounded up. */
typedef struct WeirFrame {
  WeirPixelFormat format;
  WeirMatrix matrix; /* ignored by RGB formats */
  WeirRange range;   /* ignored by RGB formats; GRAY8 honours it */
  uint32_t width_px;
  uint32_t height_px;
  const uint8_t *planes[WEIR_MAX_PLANES];
  int32_t stride_bytes[WEIR_MAX_PLANES];
} WeirFrame;

/* A rectangle of whole pixels inside a frame. */
typedef struct WeirRegion {
  uint32_t x_px, y_px, width_px, height_px;
} WeirRegion;

const char *weir_pixel_format_name (WeirPixelFormat format);
uint32_t weir_pixel_format_n_planes (WeirPixelFormat format);

WEIR_END_PUBLIC
