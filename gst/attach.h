/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects on buffers: WeirMeta and the public metas (GstVideoRegionOfInterestMeta and, where this
 * build has it, GstAnalyticsRelationMeta, as the property `meta` says) kept in step. */
#pragma once

#include "gst/filter.h"
#include "gst/roi.h"

G_BEGIN_DECLS

/* Is this object to be looked at? `track_id` 0: it is not tracked. Asked once an object that lies
 * in the picture. */
typedef gboolean (*WeirAttachWants) (
    WeirFilter *filter, const WeirJob *job, const gchar *label, guint64 track_id);

/* Adds an item for every object found upstream that is wanted (`wants` NULL: all): WeirMeta's
 * detections, then the objects that others attached (see foreign.h). job->targets gets the index of
 * each item's object in WeirMeta, ascending, once weir_foreign_import has run. */
void weir_attach_prepare_rois (
    WeirFilter *filter, GstBuffer *buffer, WeirJob *job, WeirAttachWants wants);

/* Greater ids that others gave are replaced, so that there is always a next one. */
#define WEIR_MAX_REGION_ID (G_MAXINT / 2)
/* The region id above all of these that the buffer has. */
guint weir_attach_next_id (GstBuffer *buffer, WeirMeta *meta);

/* Results on their way to one frame, whose objects may be many: ids and regions of interest are
 * looked up once. Meanwhile nobody else changes the buffer's objects and public metas.
 * Thread-safety: the owner's. */
typedef struct WeirAttach {
  WeirFilter *filter;
  GstBuffer *buffer; /* writable */
  WeirMeta *meta;    /* the buffer's */
  WeirFrame frame;   /* its size */
  guint next_id;     /* 0: not known yet */
  WeirRois *rois;    /* NULL: not looked for yet */
} WeirAttach;

WeirAttach weir_attach_begin (
    WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame);
void weir_attach_end (WeirAttach *attach);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (WeirAttach, weir_attach_end)

/* Appends an object with an id of its own and empty arrays, as weir_meta_add_object. */
WeirMetaObject *weir_attach_add_object (WeirAttach *attach);
/* The object without detection that stands for the whole picture; made where there is none. */
WeirMetaObject *weir_attach_picture (WeirAttach *attach);
/* Gives the detections from index `first` on the public metas that they lack. */
void weir_attach_objects (WeirAttach *attach, guint first);
/* Below: `object` is one of the WeirMeta. */
/* Puts the object's attributes from index `first` on into its public metas, which are made where
 * it lacks them. */
void weir_attach_attributes (WeirAttach *attach, WeirMetaObject *object, guint first);
/* Adds the attributes and tensors of an item to the object and to its public metas. */
void weir_attach_result (WeirAttach *attach, WeirMetaObject *object, const WeirResult *result);

G_END_DECLS
