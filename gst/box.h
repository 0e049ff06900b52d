/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirBox: a box in whole pixels as a public meta states it, which may lie beyond the picture.
 * Thread-safety: values and pure functions. */
#pragma once

#include "engine/frame.h"
#include <glib.h>

G_BEGIN_DECLS

typedef struct WeirBox {
  gint x_px, y_px, width_px, height_px;
} WeirBox;

/* Numbers that are out of range become the nearest that are not. */
WeirBox weir_box_make (gint64 x_px, gint64 y_px, gint64 width_px, gint64 height_px);
/* The part that lies in the picture; FALSE: no pixel does. */
gboolean weir_box_clip (const WeirBox *box, const WeirFrame *frame, WeirRegion *clipped);
/* In the picture, no edge lies more than a pixel away from that of the other. */
gboolean weir_box_is_near (const WeirBox *a, const WeirBox *b, const WeirFrame *frame);
/* As converters scale regions of interest and analytics objects: each number for itself, towards 0
 * to a whole one. Sizes are greater than 0. */
WeirBox weir_box_scale (
    const WeirBox *box, gint src_width, gint src_height, gint dst_width, gint dst_height);

G_END_DECLS
