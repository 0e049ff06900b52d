/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the overlay says about an object: its colour and its text. */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

/* 0xRRGGBB: the same for the same label, on every machine. */
guint32 weir_marks_colour (const gchar *label, gint label_id);
/* True for landmarks: a tensor [n, 2] of that name. */
gboolean weir_marks_is_points (const WeirMetaTensor *tensor);
/* "face 0.98"; with attributes "character 7 0.99": their confidences stand for the object's. */
void weir_marks_object_text (const WeirMetaObject *object, gboolean confidence, GString *text);
/* The same from a region's parameters, as any element wrote them. */
void weir_marks_roi_text (
    const GstVideoRegionOfInterestMeta *roi, gboolean confidence, GString *text);

G_END_DECLS
