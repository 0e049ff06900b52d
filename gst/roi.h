/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstVideoRegionOfInterestMeta: one of the two public metas that stand for objects. */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

/* The buffer's regions of interest in the order in which they were attached; *state is NULL at
 * first. NULL: no more. */
GstVideoRegionOfInterestMeta *weir_roi_next (GstBuffer *buffer, gpointer *state);
WeirBox weir_roi_box (const GstVideoRegionOfInterestMeta *roi);

/* A buffer's regions of interest by id: looking for one does not take longer where they are many.
 * Thread-safety: the owner's. Valid until somebody else adds or removes one. */
typedef struct WeirRois WeirRois;

WeirRois *weir_rois_new (GstBuffer *buffer);
void weir_rois_free (WeirRois *rois);
/* The object's: of its region id and with its box; NULL where it has none. Of `frame` the size is
 * read. */
GstVideoRegionOfInterestMeta *weir_rois_find (
    const WeirRois *rois, const WeirMetaObject *object, const WeirFrame *frame);
/* Adds the object's to the (writable) buffer, with its box in pixels and its structure `detection`.
 */
GstVideoRegionOfInterestMeta *weir_rois_add (WeirRois *rois, const WeirMetaObject *object);
/* Adds the structure of an attribute: its best class. */
void weir_roi_add_attribute (GstVideoRegionOfInterestMeta *roi, const WeirMetaAttribute *attribute);

/* The field `id`, of any integer type, of the structure `object_id`; 0 where there is none, or it
 * is negative. */
guint64 weir_roi_track_id (const GstVideoRegionOfInterestMeta *roi);

G_END_DECLS
