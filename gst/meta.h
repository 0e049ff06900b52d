/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirMeta: what inference said about one buffer. Survives videoconvert and videoscale (tags
 * "video", "size"; boxes are kept as fractions, so scaling leaves them right). */
#pragma once

#include "engine/frame.h"
#include "engine/result.h"
#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct WeirMetaTensor {
  gchar *name, *model;
  guint rank;
  gint64 dims[WEIR_MAX_RANK];
  gsize n_elements;
  gfloat *data;
} WeirMetaTensor;

typedef struct WeirMetaClass {
  gchar *label;
  gint label_id;      /* WEIR_NO_CLASS: a text or a number */
  gdouble confidence; /* NAN: it has none */
} WeirMetaClass;

typedef struct WeirMetaAttribute {
  gchar *name, *model;
  GArray *classes; /* WeirMetaClass, best first, at least one */
} WeirMetaAttribute;

typedef struct WeirMetaObject {
  guint region_id;       /* unique in the buffer; the id of its GstVideoRegionOfInterestMeta */
  guint parent_id;       /* 0: none */
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
WeirMetaObject *weir_meta_find_object (WeirMeta *meta, guint region_id);
/* Copies strings and data. */
WeirMetaAttribute *weir_meta_object_add_attribute (
    WeirMetaObject *object, const gchar *name, const gchar *model);
void weir_meta_attribute_add_class (
    WeirMetaAttribute *attribute, const gchar *label, gint label_id, gdouble confidence);
void weir_meta_object_add_tensor (
    WeirMetaObject *object, const WeirNamedTensor *tensor, const gchar *model);

/* The box in whole pixels of a width × height picture: floor, ceil, clipped, at least 1 pixel. */
void weir_meta_object_pixels (
    const WeirMetaObject *object, guint width, guint height, WeirRegion *pixels);

G_END_DECLS
