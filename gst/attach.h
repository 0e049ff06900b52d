/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects on buffers: WeirMeta and GstVideoRegionOfInterestMeta kept in step, by region id. */
#pragma once

#include "gst/filter.h"

G_BEGIN_DECLS

/* Adds an item for every object found upstream (and wanted by `classes` where `filter_classes`):
 * WeirMeta's detections, or where it has none the region-of-interest metas that others attached.
 * job->targets gets the index of each item's object in WeirMeta, once weir_attach_import has run.
 */
void weir_attach_prepare_rois (
    WeirFilter *filter, GstBuffer *buffer, WeirJob *job, gboolean filter_classes);
/* Makes WeirMeta objects of foreign region-of-interest metas where WeirMeta has no detection. */
void weir_attach_import (GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame);

/* Adds the GstVideoRegionOfInterestMeta of an object, with its structure `detection`. */
void weir_attach_roi (GstBuffer *buffer, const WeirMetaObject *object, const WeirFrame *frame);
/* The region id above all that the buffer has. */
guint weir_attach_next_id (GstBuffer *buffer, WeirMeta *meta);
/* The object without detection that stands for the whole picture; made where there is none. */
WeirMetaObject *weir_attach_picture (GstBuffer *buffer, WeirMeta *meta);
/* Attributes and tensors of an item, to the object and to its region-of-interest meta. */
void weir_attach_result (
    GstBuffer *buffer, WeirMetaObject *object, const WeirResult *result, const gchar *model);

G_END_DECLS
