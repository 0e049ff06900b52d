/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstAnalyticsRelationMeta: one of the two public metas that stand for objects. It needs
 * gstreamer-analytics-1.0 (1.24) at build time; without it there is nothing to read and adding does
 * nothing. An id is that of a GstAnalyticsODMtd of the buffer, -1 none. */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

gboolean weir_analytics_is_available (void);

/* One GstAnalyticsODMtd as it is: its confidence may be no number. */
typedef struct WeirAnalyticsObject {
  gint id;
  gint parent_id; /* of the object that it is part of, or that contains it; of several the first */
  guint64 track_id; /* of the first GstAnalyticsTrackingMtd related to it; 0: none */
  WeirBox box;
  const gchar *label; /* interned; NULL: none */
  gfloat confidence;
} WeirAnalyticsObject;

/* The buffer's objects by ascending id; NULL where it has none. The caller frees the array of
 * WeirAnalyticsObject. */
GArray *weir_analytics_list (GstBuffer *buffer);
/* TRUE where `object` has an analytics object in this buffer, of its analytics_id and with its box.
 * Of `frame` the size is read. */
gboolean weir_analytics_has (
    GstBuffer *buffer, const WeirMetaObject *object, const WeirFrame *frame);

/* Relations take the square of the number of results: 16 MiB a frame of this many. */
#define WEIR_ANALYTICS_MAX_RESULTS 4096u
/* FALSE: there are so many results that nothing is added any more. */
gboolean weir_analytics_has_room (GstBuffer *buffer);
/* Adds a GstAnalyticsODMtd of the object's box in pixels, its label and confidence, as a part of
 * the object `parent_id`, and gives its id, -1 where there is no room. `n_expected`: how many
 * results a meta made for it should have room for. */
gint weir_analytics_add (
    GstBuffer *buffer, const WeirMetaObject *object, gint parent_id, guint n_expected);
/* Adds a GstAnalyticsClsMtd with the attribute's classes, best first, that the object `id` relates
 * to. Labels stay in memory for ever there, so texts and numbers, which are no classes, are left
 * out. A class without confidence gets 0. */
void weir_analytics_add_attribute (GstBuffer *buffer, gint id, const WeirMetaAttribute *attribute);

G_END_DECLS
