/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Solid rectangles painted straight into the components of a mapped frame, whatever its raw format.
 *
 * Blending thin lines as overlay rectangles unpacks and packs the frame's full width for every row
 * of every line (1 to 4 ms for twelve boxes at 1280x720); writing the components costs
 * microseconds. */
#pragma once

#include "engine/frame.h"
#include "gst/caption.h"
#include <gst/video/video.h>

G_BEGIN_DECLS

/* A colour in the components of one format and colorimetry. Thread-safety: a value. */
typedef struct WeirPaint {
  guint16 component[GST_VIDEO_MAX_COMPONENTS]; /* as stored, shift included */
} WeirPaint;

/* `rgb` is 0xRRGGBB in full-range R'G'B'. */
void weir_paint_init (WeirPaint *paint, const GstVideoInfo *info, guint32 rgb);

/* Pixels x0 <= x < x1, y0 <= y < y1, clipped to the frame (mapped for writing). Chroma samples that
 * the rectangle touches are painted whole. */
void weir_paint_rect (
    GstVideoFrame *frame, gint x0, gint y0, gint x1, gint y1, const WeirPaint *paint);
/* A frame of `line_px` inside the region; filled where the region is too small for a hole. */
void weir_paint_box (
    GstVideoFrame *frame, const WeirRegion *region, guint line_px, const WeirPaint *paint);
/* The caption with its upper left corner at (x, y): letters of one colour on a ground of another.
 */
void weir_paint_caption (GstVideoFrame *frame, gint x, gint y, const WeirCaption *caption,
    const WeirPaint *letters, const WeirPaint *ground);
void weir_paint_dot (GstVideoFrame *frame, gint x, gint y, gint radius_px, const WeirPaint *paint);

G_END_DECLS
