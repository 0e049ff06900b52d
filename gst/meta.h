/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirMeta: what inference said about one buffer. Survives videoconvert and videoscale (tags
 * "video", "size"; boxes are kept as fractions, so scaling leaves them right). */
#pragma once

#include "engine/frame.h"
#include "engine/result.h"
#include "gst/box.h"
#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct WeirMetaTensor {
  gchar *name, *model;
  guint rank;
  gint64 dims[WEIR_MAX_RANK];
  gsize n_elements;
  gfloat *data;
  guint age; /* frames since it was inferred; 0: on this frame */
} WeirMetaTensor;

typedef struct WeirMetaClass {
  gchar *label;
  gint label_id;      /* WEIR_NO_CLASS: a text or a number */
  gdouble confidence; /* NAN: it has none */
} WeirMetaClass;

typedef struct WeirMetaAttribute {
  gchar *name, *model;
  GArray *classes; /* WeirMetaClass, best first, at least one */
  guint age;       /* frames since it was inferred; 0: on this frame */
} WeirMetaAttribute;

typedef struct WeirMetaObject {
  guint region_id;       /* unique in the buffer; the id of its GstVideoRegionOfInterestMeta */
  guint parent_id;       /* 0: none */
  gint analytics_id;     /* of its GstAnalyticsODMtd in the same buffer; -1: none */
  WeirBox box;           /* as these two state it, scaled as they are; empty where it has none */
  guint64 track_id;      /* says that it is the object of earlier frames; 0: not tracked */
  gboolean is_detection; /* FALSE: the whole picture, looked at by a classifier */
  gdouble x_min, y_min, x_max, y_max; /* 0..1 of the picture */
  gdouble confidence;
  gint label_id;
  gchar *label;
  GArray *attributes; /* WeirMetaAttribute */
  GArray *tensors;    /* WeirMetaTensor */
} WeirMetaObject;

/* Thread-safety: as the buffer that carries it. The status, stream and frame are those of the first
 * element that looked at the buffer, the one that finds the objects; a later one changes the status
 * only to FAILED, when it failed (so a frame whose detection was skipped does not become "inferred"
 * because a classifier found nothing to do, nor the other way round). */
typedef struct WeirMeta {
  GstMeta meta;
  WeirStatus status;
  gchar *reason;    /* why it is not inferred; NULL */
  guint reused_age; /* frames since it was inferred, where status is REUSED */
  gchar *stream;
  guint64 frame;   /* counts the stream's buffers from 0 */
  GArray *objects; /* WeirMetaObject */
} WeirMeta;

GType weir_meta_api_get_type (void);
const GstMetaInfo *weir_meta_get_info (void);

/* The buffer's, NULL where it has none. */
WeirMeta *weir_buffer_get_meta (GstBuffer *buffer);
/* The buffer's (must be writable), made where it has none. */
WeirMeta *weir_buffer_ensure_meta (GstBuffer *buffer);

/* Appends an object with empty arrays; the pointer is valid until the next append. */
WeirMetaObject *weir_meta_add_object (WeirMeta *meta);
/* An object that stands in no buffer, with empty arrays. */
WeirMetaObject *weir_meta_object_new (void);
void weir_meta_object_free (WeirMetaObject *object);
WeirMetaObject *weir_meta_find_object (WeirMeta *meta, guint region_id);
/* Copies strings and data. */
WeirMetaAttribute *weir_meta_object_add_attribute (
    WeirMetaObject *object, const gchar *name, const gchar *model);
void weir_meta_attribute_add_class (
    WeirMetaAttribute *attribute, const gchar *label, gint label_id, gdouble confidence);
WeirMetaTensor *weir_meta_object_add_tensor (
    WeirMetaObject *object, const WeirNamedTensor *tensor, const gchar *model);
/* Points of the picture, in 0..1 of it: a tensor [n, 2] called landmarks or keypoints. */
gboolean weir_meta_tensor_is_points (const WeirMetaTensor *tensor);
/* Where the tensor is points: of one box (corners as x_min, y_min, x_max, y_max) they become the
 * same of another. */
void weir_meta_tensor_move (WeirMetaTensor *tensor, const gdouble src[4], const gdouble dst[4]);
/* Copies attributes and tensors from these indices on to another object, with their age. */
void weir_meta_object_append_results (
    WeirMetaObject *dst, const WeirMetaObject *src, guint first_attribute, guint first_tensor);

/* The box in whole pixels of a width × height picture: floor, ceil, clipped, at least 1 pixel. */
void weir_meta_object_pixels (
    const WeirMetaObject *object, guint width, guint height, WeirRegion *pixels);
/* The box that the object's public metas state, or would where it has none. Of `frame` the size is
 * read. */
WeirBox weir_meta_object_box (const WeirMetaObject *object, const WeirFrame *frame);

G_END_DECLS
