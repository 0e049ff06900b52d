/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects that elements of others attached: GstVideoRegionOfInterestMeta and, where this build has
 * it, GstAnalyticsODMtd. A meta is ours where WeirMeta has an object of its id whose box it still
 * has (a pixel more or less: converters scale both); an analytics object of the same box and label
 * as a region of interest is the same object. */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

/* An object that no object of WeirMeta stands for. */
typedef struct WeirForeign {
  WeirBox stated;     /* the box as it was attached */
  WeirRegion box;     /* the part of it that lies in the picture, at least one pixel */
  const gchar *label; /* interned; NULL: none */
  gint label_id;
  gdouble confidence; /* 0..1; 0 where it says none */
  guint64 track_id;   /* 0: not tracked */
  /* Where it comes from; valid as long as the buffer's metas are. */
  GstVideoRegionOfInterestMeta *roi; /* NULL: none */
  gint analytics_id;                 /* of its GstAnalyticsODMtd; -1: none */
  gint parent_analytics_id;          /* of the object that this one is part of; -1: none */
} WeirForeign;

/* The buffer's foreign objects, in an order that depends on its metas alone: regions of interest,
 * then analytics objects, each as they were attached. What has no pixel in the picture is left out.
 * Reads only: the buffer may be shared. `meta` is the buffer's WeirMeta, NULL where it has none;
 * of `frame` the size is read. `own_track_ids`, NULL or of meta->objects->len, gets the track ids
 * that our own objects will have after an import. The caller frees the array of WeirForeign. */
GArray *weir_foreign_list (
    GstBuffer *buffer, const WeirMeta *meta, const WeirFrame *frame, guint64 *own_track_ids);

/* Appends one object to `meta`, the WeirMeta of the writable buffer, for each of this list, in its
 * order: what stands at i there is object meta->objects->len + i, as that was before. Ids that are
 * taken or no ids are replaced, in the region of interest too, and parents follow. Our own objects
 * get the track ids that a tracker attached to them since: the field `id` of the structure
 * `object_id` of a region of interest, or a GstAnalyticsTrackingMtd related to an analytics object.
 */
void weir_foreign_import (GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame);

G_END_DECLS
