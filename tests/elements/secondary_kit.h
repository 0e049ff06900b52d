/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures with objects as an element upstream found them, and what a classifier over the test
 * double has to say of each. */
#pragma once

#include "element_kit.h"

/* An object of whole pixels whose corner has this byte: its "shade", 255 fails. */
typedef struct Thing {
  const gchar *label;
  guint64 track_id;
  guint x, y, w, h;
  guint8 value;
} Thing;

/* Picture `index` with these objects in its WeirMeta, region ids from 1 on, and a region of
 * interest for each. */
GstBuffer *secondary_buffer (guint index, const Thing *things, guint n_things);
GstBuffer *secondary_buffer_sized (
    guint index, const Thing *things, guint n_things, guint width, guint height);

/* Attribute `index` of the object and of its region of interest: this shade, of so many frames ago.
 */
void secondary_assert_shade (
    GstBuffer *buffer, const WeirMetaObject *object, guint index, gint shade, guint age);
/* The only one: -1: the object has none. */
void secondary_assert (GstBuffer *buffer, guint object, gint shade, guint age);
/* No object has an attribute. */
void secondary_assert_none (GstBuffer *buffer);

GstVideoRegionOfInterestMeta *secondary_roi (GstBuffer *buffer, guint region_id);
/* A counter of an element's stats. */
guint64 secondary_stat (GstHarness *h, const gchar *factory, const gchar *field);
/* Flush, and a segment after it. */
void secondary_flush (GstHarness *h);
