/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boxes in whole pixels: clipping, comparing, scaling. */
#include "gst/box.h"

static gint saturate (gint64 value)
{
  return (gint) CLAMP (value, G_MININT, G_MAXINT);
}

WeirBox weir_box_make (gint64 x_px, gint64 y_px, gint64 width_px, gint64 height_px)
{
  return (WeirBox){ saturate (x_px), saturate (y_px), saturate (width_px), saturate (height_px) };
}

static void clip_interval (
    gint64 start, gint64 length, gint64 size, guint32 *clipped_start, guint32 *clipped_length)
{
  const gint64 first = CLAMP (start, 0, size), end = CLAMP (start + length, first, size);
  *clipped_start = (guint32) first;
  *clipped_length = (guint32) (end - first);
}

gboolean weir_box_clip (const WeirBox *box, const WeirFrame *frame, WeirRegion *clipped)
{
  clip_interval (box->x_px, box->width_px, frame->width_px, &clipped->x_px, &clipped->width_px);
  clip_interval (box->y_px, box->height_px, frame->height_px, &clipped->y_px, &clipped->height_px);
  return clipped->width_px > 0 && clipped->height_px > 0;
}

static gboolean is_near (gint64 a, gint64 b)
{
  return ABS (a - b) <= 1;
}

gboolean weir_box_is_near (const WeirBox *a, const WeirBox *b, const WeirFrame *frame)
{
  WeirRegion in_a, in_b;
  weir_box_clip (a, frame, &in_a);
  weir_box_clip (b, frame, &in_b);
  return is_near (in_a.x_px, in_b.x_px) && is_near (in_a.y_px, in_b.y_px) &&
         is_near ((gint64) in_a.x_px + in_a.width_px, (gint64) in_b.x_px + in_b.width_px) &&
         is_near ((gint64) in_a.y_px + in_a.height_px, (gint64) in_b.y_px + in_b.height_px);
}

static gint scale (gint64 value, gint src, gint dst)
{
  return saturate (value * dst / src);
}

WeirBox weir_box_scale (
    const WeirBox *box, gint src_width, gint src_height, gint dst_width, gint dst_height)
{
  return (WeirBox){ .x_px = scale (box->x_px, src_width, dst_width),
    .y_px = scale (box->y_px, src_height, dst_height),
    .width_px = scale (box->width_px, src_width, dst_width),
    .height_px = scale (box->height_px, src_height, dst_height) };
}
