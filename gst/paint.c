/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Painting: one loop over (component, row, sample) serves planar, semi-planar and packed formats,
 * as GstVideoFormatInfo tells where the samples of each component lie. */
#include "gst/paint.h"

#include <math.h>

/* Y'CbCr of a colour as fractions: Y 0..1, Cb and Cr -0.5..0.5. */
static void to_ycbcr (const GstVideoInfo *info, const gdouble rgb[3], gdouble ycbcr[3])
{
  gdouble kr = 0.299, kb = 0.114; /* BT.601, where the caps say nothing */

  gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &kr, &kb);
  ycbcr[0] = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  ycbcr[1] = (rgb[2] - ycbcr[0]) / (2 * (1 - kb));
  ycbcr[2] = (rgb[0] - ycbcr[0]) / (2 * (1 - kr));
}

void weir_paint_init (WeirPaint *paint, const GstVideoInfo *info, guint32 rgb)
{
  const GstVideoFormatInfo *format = info->finfo;
  gdouble value[4] = { ((rgb >> 16) & 0xff) / 255.0, ((rgb >> 8) & 0xff) / 255.0,
    (rgb & 0xff) / 255.0, 1.0 };
  gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];

  if (!GST_VIDEO_FORMAT_INFO_IS_RGB (format))
    to_ycbcr (info, (gdouble[3]){ value[0], value[1], value[2] }, value);
  gst_video_color_range_offsets (info->colorimetry.range, format, offset, scale);
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (format, c);
    gint stored = (gint) lrint (value[c] * scale[c] + offset[c]);
    stored = CLAMP (stored, 0, (1 << depth) - 1);
    paint->component[c] = (guint16) (stored << GST_VIDEO_FORMAT_INFO_SHIFT (format, c));
  }
}

/* The samples of one component that a rectangle touches. */
typedef struct Samples {
  guint8 *first;
  gint left, top, width, height; /* in samples */
  gint stride, pixel_stride, w_sub, h_sub;
  gboolean is_wide; /* 16 bits, little endian */
} Samples;

/* False where the rectangle lies outside the frame. */
static gboolean clip (GstVideoFrame *frame, gint *x0, gint *y0, gint *x1, gint *y1)
{
  *x0 = MAX (*x0, 0);
  *y0 = MAX (*y0, 0);
  *x1 = MIN (*x1, GST_VIDEO_FRAME_WIDTH (frame));
  *y1 = MIN (*y1, GST_VIDEO_FRAME_HEIGHT (frame));
  return *x0 < *x1 && *y0 < *y1;
}

static Samples find_samples (GstVideoFrame *frame, guint c, gint x0, gint y0, gint x1, gint y1)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  gint offset = GST_VIDEO_FRAME_COMP_POFFSET (frame, c);
  Samples s = { .first = GST_VIDEO_FRAME_COMP_DATA (frame, c),
    .stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, c),
    .pixel_stride = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c),
    .w_sub = GST_VIDEO_FORMAT_INFO_W_SUB (format, c),
    .h_sub = GST_VIDEO_FORMAT_INFO_H_SUB (format, c),
    .is_wide = GST_VIDEO_FORMAT_INFO_DEPTH (format, c) > 8 };

  s.left = x0 >> s.w_sub;
  s.top = y0 >> s.h_sub;
  s.width = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (format, c, x1) - s.left;
  s.height = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (format, c, y1) - s.top;
  /* GStreamer 1.22 says that Cr of P010 lies one byte behind Cb; it is one sample. */
  s.first += s.is_wide ? GST_ROUND_UP_2 (offset) - offset : 0;
  s.first += (gssize) s.top * s.stride + (gssize) s.left * s.pixel_stride;
  return s;
}

static inline void store (guint8 *sample, guint value, gboolean is_wide)
{
  if (is_wide)
    GST_WRITE_UINT16_LE (sample, value);
  else
    *sample = (guint8) value;
}

void weir_paint_rect (
    GstVideoFrame *frame, gint x0, gint y0, gint x1, gint y1, const WeirPaint *paint)
{
  if (!clip (frame, &x0, &y0, &x1, &y1))
    return;
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++) {
    Samples s = find_samples (frame, c, x0, y0, x1, y1);
    for (gint y = 0; y < s.height; y++) {
      guint8 *sample = s.first + (gssize) y * s.stride;
      for (gint x = 0; x < s.width; x++, sample += s.pixel_stride)
        store (sample, paint->component[c], s.is_wide);
    }
  }
}

void weir_paint_caption (GstVideoFrame *frame, gint x, gint y, const WeirCaption *caption,
    const WeirPaint *letters, const WeirPaint *ground)
{
  gint x0 = x, y0 = y, x1 = x + (gint) caption->width_px, y1 = y + (gint) caption->height_px;

  if (!clip (frame, &x0, &y0, &x1, &y1))
    return;
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++) {
    Samples s = find_samples (frame, c, x0, y0, x1, y1);
    guint light = letters->component[c], dark = ground->component[c];
    for (gint row = 0; row < s.height; row++) {
      /* A chroma sample takes the coverage of its first pixel inside the caption. */
      gint from_y = MAX ((s.top + row) << s.h_sub, y0) - y;
      const guint8 *coverage = caption->coverage + (gssize) from_y * caption->stride_bytes;
      guint8 *sample = s.first + (gssize) row * s.stride;
      for (gint column = 0; column < s.width; column++, sample += s.pixel_stride) {
        guint a = coverage[MAX ((s.left + column) << s.w_sub, x0) - x];
        store (sample, a ? (light * a + dark * (255 - a) + 127) / 255 : dark, s.is_wide);
      }
    }
  }
}

void weir_paint_box (
    GstVideoFrame *frame, const WeirRegion *region, guint line_px, const WeirPaint *paint)
{
  gint x0 = (gint) region->x_px, y0 = (gint) region->y_px;
  gint x1 = x0 + (gint) region->width_px, y1 = y0 + (gint) region->height_px;
  gint line = (gint) MIN (line_px, (MIN (region->width_px, region->height_px) + 1) / 2);

  weir_paint_rect (frame, x0, y0, x1, y0 + line, paint);
  weir_paint_rect (frame, x0, y1 - line, x1, y1, paint);
  weir_paint_rect (frame, x0, y0 + line, x0 + line, y1 - line, paint);
  weir_paint_rect (frame, x1 - line, y0 + line, x1, y1 - line, paint);
}

void weir_paint_dot (GstVideoFrame *frame, gint x, gint y, gint radius_px, const WeirPaint *paint)
{
  for (gint dy = -radius_px; dy <= radius_px; dy++) {
    gint half = (gint) sqrt ((gdouble) (radius_px * radius_px - dy * dy) + 0.5);
    weir_paint_rect (frame, x - half, y + dy, x + half + 1, y + dy + 1, paint);
  }
}
