/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the overlay says about an object: its colour and its text. */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

/* 0xRRGGBB: the same for the same label, on every machine. */
guint32 weir_marks_colour (const gchar *label, gint label_id);
/* "face 0.98"; with attributes "character 7 0.99": their confidences stand for the object's. Where
 * it is tracked, its number follows the label: "face #7 0.98". */
void weir_marks_object_text (const WeirMetaObject *object, gboolean confidence, GString *text);
/* The same from a region's parameters, as any element wrote them. */
void weir_marks_roi_text (
    const GstVideoRegionOfInterestMeta *roi, gboolean confidence, GString *text);

G_END_DECLS
