/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of pixel formats, and the check of a frame against it. */
#include "engine/pre/source.h"

#define ONE_PLANE(bytes) \
  {                      \
    {                    \
      0, 0, 0, bytes     \
    }                    \
  }
#define RGB(bytes, r, g, b)                                                                       \
  {                                                                                               \
    .samples = { WEIR_SAMPLES_RGB, bytes, { r, g, b } }, .n_bits = 8, .planes = ONE_PLANE (bytes) \
  }
#define PLANAR(u, v)                                             \
  {                                                              \
    .samples = { WEIR_SAMPLES_PLANAR }, .n_bits = 8, .planes = { \
      { 0, 0, 0, 1 },                                            \
      { u, 1, 1, 1 },                                            \
      { v, 1, 1, 1 }                                             \
    }                                                            \
  }
#define PACKED_YUV(y0, y1, u, v)                                                          \
  {                                                                                       \
    .samples = { WEIR_SAMPLES_PACKED_YUV, 0, { y0, y1, u, v } }, .n_bits = 8, .planes = { \
      { 0, 1, 0, 4 }                                                                      \
    }                                                                                     \
  }
#define SEMIPLANAR(kind, bits, bytes)                \
  {                                                  \
    .samples = { kind }, .n_bits = bits, .planes = { \
      { 0, 0, 0, bytes },                            \
      { 1, 1, 1, 2 * (bytes) }                       \
    }                                                \
  }

static const WeirSource sources[WEIR_N_PIXEL_FORMATS] = {
  [WEIR_PIXEL_I420] = PLANAR (1, 2),
  [WEIR_PIXEL_YV12] = PLANAR (2, 1),
  [WEIR_PIXEL_NV12] = SEMIPLANAR (WEIR_SAMPLES_SEMIPLANAR, 8, 1),
  [WEIR_PIXEL_YUY2] = PACKED_YUV (0, 2, 1, 3),
  [WEIR_PIXEL_UYVY] = PACKED_YUV (1, 3, 0, 2),
  [WEIR_PIXEL_P010] = SEMIPLANAR (WEIR_SAMPLES_SEMIPLANAR10, 10, 2),
  [WEIR_PIXEL_GRAY8] = { { WEIR_SAMPLES_GRAY }, 8, ONE_PLANE (1) },
  [WEIR_PIXEL_RGB] = RGB (3, 0, 1, 2),
  [WEIR_PIXEL_BGR] = RGB (3, 2, 1, 0),
  [WEIR_PIXEL_RGBA] = RGB (4, 0, 1, 2),
  [WEIR_PIXEL_BGRA] = RGB (4, 2, 1, 0),
  [WEIR_PIXEL_RGBX] = RGB (4, 0, 1, 2),
  [WEIR_PIXEL_BGRX] = RGB (4, 2, 1, 0),
  [WEIR_PIXEL_XRGB] = RGB (4, 1, 2, 3),
  [WEIR_PIXEL_XBGR] = RGB (4, 3, 2, 1),
};

/* Luma weights of red and blue. */
static const struct {
  double red, blue;
} matrices[] = {
  [WEIR_MATRIX_BT601] = { 0.299, 0.114 },
  [WEIR_MATRIX_BT709] = { 0.2126, 0.0722 },
};

const WeirSource *weir_source_find (WeirPixelFormat format)
{
  return (unsigned) format < WEIR_N_PIXEL_FORMATS ? &sources[format] : NULL;
}

void weir_source_code (const WeirSource *source, const WeirFrame *frame, WeirColorCode *code)
{
  weir_color_code_init (code, matrices[frame->matrix].red, matrices[frame->matrix].blue,
      frame->range == WEIR_RANGE_FULL, source->n_bits);
}

void weir_source_rows (
    const WeirSource *source, const WeirFrame *frame, uint32_t y_px, const uint8_t *rows[3])
{
  for (int i = 0; i < WEIR_MAX_PLANES; i++) {
    const WeirSourcePlane *plane = &source->planes[i];
    ptrdiff_t stride_bytes = frame->stride_bytes[plane->index];
    rows[i] = frame->planes[plane->index] + (ptrdiff_t) (y_px >> plane->y_shift) * stride_bytes;
  }
}

static bool check_plane (const WeirFrame *frame, const WeirSourcePlane *plane, GError **error)
{
  const char *name = weir_pixel_format_name (frame->format);
  uint64_t columns = ((uint64_t) frame->width_px + (1u << plane->x_shift) - 1) >> plane->x_shift;
  uint64_t row_bytes = columns * plane->unit_bytes;
  if (!frame->planes[plane->index]) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s frame: plane %u is missing", name, plane->index);
    return false;
  }
  if (frame->stride_bytes[plane->index] < 0 ||
      (uint64_t) frame->stride_bytes[plane->index] < row_bytes) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s frame: stride of plane %u is %d bytes, %u pixels need at least %" G_GUINT64_FORMAT,
        name, plane->index, frame->stride_bytes[plane->index], frame->width_px, row_bytes);
    return false;
  }
  return true;
}

static bool check_region (const WeirFrame *frame, const WeirRegion *region, GError **error)
{
  if (region->width_px && region->height_px &&
      (uint64_t) region->x_px + region->width_px <= frame->width_px &&
      (uint64_t) region->y_px + region->height_px <= frame->height_px)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "region %ux%u at (%u, %u): must not be empty and lie inside the frame of %ux%u",
      region->width_px, region->height_px, region->x_px, region->y_px, frame->width_px,
      frame->height_px);
  return false;
}

bool weir_pre_check (const WeirFrame *frame, const WeirRegion *region, GError **error)
{
  const WeirSource *source = weir_source_find (frame->format);
  if (!source) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "frame: unknown pixel format %d",
        (int) frame->format);
    return false;
  }
  if ((unsigned) frame->matrix >= G_N_ELEMENTS (matrices) ||
      (unsigned) frame->range > WEIR_RANGE_FULL) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "frame: unknown matrix %d or range %d",
        (int) frame->matrix, (int) frame->range);
    return false;
  }
  for (int i = 0; i < WEIR_MAX_PLANES && source->planes[i].unit_bytes; i++)
    if (!check_plane (frame, &source->planes[i], error))
      return false;
  return check_region (frame, region, error);
}
