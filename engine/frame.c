/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pixel formats by table. */
#include "engine/frame.h"

static const struct {
  const char *name;
  uint32_t n_planes;
} formats[WEIR_N_PIXEL_FORMATS] = {
  [WEIR_PIXEL_I420] = { "I420", 3 },
  [WEIR_PIXEL_YV12] = { "YV12", 3 },
  [WEIR_PIXEL_NV12] = { "NV12", 2 },
  [WEIR_PIXEL_YUY2] = { "YUY2", 1 },
  [WEIR_PIXEL_UYVY] = { "UYVY", 1 },
  [WEIR_PIXEL_P010] = { "P010", 2 },
  [WEIR_PIXEL_GRAY8] = { "GRAY8", 1 },
  [WEIR_PIXEL_RGB] = { "RGB", 1 },
  [WEIR_PIXEL_BGR] = { "BGR", 1 },
  [WEIR_PIXEL_RGBA] = { "RGBA", 1 },
  [WEIR_PIXEL_BGRA] = { "BGRA", 1 },
  [WEIR_PIXEL_RGBX] = { "RGBx", 1 },
  [WEIR_PIXEL_BGRX] = { "BGRx", 1 },
  [WEIR_PIXEL_XRGB] = { "xRGB", 1 },
  [WEIR_PIXEL_XBGR] = { "xBGR", 1 },
};

const char *weir_pixel_format_name (WeirPixelFormat format)
{
  return (unsigned) format < WEIR_N_PIXEL_FORMATS ? formats[format].name : "?";
}

uint32_t weir_pixel_format_n_planes (WeirPixelFormat format)
{
  return (unsigned) format < WEIR_N_PIXEL_FORMATS ? formats[format].n_planes : 0;
}
