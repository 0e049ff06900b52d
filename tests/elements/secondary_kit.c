/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects in WeirMeta and as regions of interest, as inferdetect attaches them. */
#include "secondary_kit.h"

static void add_thing (
    GstBuffer *buffer, WeirMeta *meta, const Thing *thing, guint width, guint height)
{
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = meta->objects->len;
  object->is_detection = TRUE;
  object->track_id = thing->track_id;
  object->label = g_strdup (thing->label);
  object->confidence = 0.5;
  object->x_min = (gdouble) thing->x / width;
  object->y_min = (gdouble) thing->y / height;
  object->x_max = (gdouble) (thing->x + thing->w) / width;
  object->y_max = (gdouble) (thing->y + thing->h) / height;
  gst_buffer_add_video_region_of_interest_meta (
      buffer, thing->label, thing->x, thing->y, thing->w, thing->h)
      ->id = (gint) object->region_id;
}

GstBuffer *secondary_buffer_sized (
    guint index, const Thing *things, guint n_things, guint width, guint height)
{
  GstBuffer *buffer = kit_buffer_sized (index, 0, (gint) width, (gint) height);
  const gsize stride = GST_ROUND_UP_4 (width);
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  for (guint i = 0; i < n_things; i++) {
    gst_buffer_memset (buffer, things[i].y * stride + things[i].x, things[i].value, 1);
    add_thing (buffer, meta, &things[i], width, height);
  }
  return buffer;
}

GstBuffer *secondary_buffer (guint index, const Thing *things, guint n_things)
{
  return secondary_buffer_sized (index, things, n_things, KIT_WIDTH, KIT_HEIGHT);
}

GstVideoRegionOfInterestMeta *secondary_roi (GstBuffer *buffer, guint region_id)
{
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_get_video_region_of_interest_meta_id (buffer, (gint) region_id);
  ck_assert_msg (roi != NULL, "region %u has no region of interest", region_id);
  return roi;
}

/* The n-th structure that is an attribute. */
static const GstStructure *nth_param (const GstVideoRegionOfInterestMeta *roi, guint n)
{
  for (const GList *l = roi->params; l; l = l->next)
    if (gst_structure_has_name (l->data, "shade") && n-- == 0)
      return l->data;
  return NULL;
}

void secondary_assert_shade (
    GstBuffer *buffer, const WeirMetaObject *object, guint index, gint shade, guint age)
{
  const WeirMetaAttribute *attribute =
      &g_array_index (object->attributes, WeirMetaAttribute, index);
  const WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, index);
  const GstStructure *param = nth_param (secondary_roi (buffer, object->region_id), index);
  const gint got = g_array_index (attribute->classes, WeirMetaClass, 0).label_id;
  gint told_shade = -1, told_age = 0;
  ck_assert_msg (got == shade && attribute->age == age && tensor->age == age,
      "frame %" G_GUINT64_FORMAT ", region %u: shade %d (not %d), age %u (not %u)",
      GST_BUFFER_PTS (buffer) / KIT_FRAME_NS, object->region_id, got, shade, attribute->age, age);
  ck_assert (param && gst_structure_get_int (param, "label_id", &told_shade));
  ck_assert_int_eq (gst_structure_get_int (param, "age", &told_age), age > 0);
  ck_assert (told_shade == shade && told_age == (gint) age);
}

void secondary_assert (GstBuffer *buffer, guint object, gint shade, guint age)
{
  const WeirMetaObject *it = kit_object (weir_buffer_get_meta (buffer), object);
  const guint n = shade < 0 ? 0 : 1;
  ck_assert_msg (it->attributes->len == n && it->tensors->len == n,
      "frame %" G_GUINT64_FORMAT ", region %u: %u attributes (not %u)",
      GST_BUFFER_PTS (buffer) / KIT_FRAME_NS, it->region_id, it->attributes->len, n);
  if (n > 0)
    secondary_assert_shade (buffer, it, 0, shade, age);
  else
    ck_assert (!nth_param (secondary_roi (buffer, it->region_id), 0));
}

void secondary_assert_none (GstBuffer *buffer)
{
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  for (guint i = 0; i < meta->objects->len; i++)
    secondary_assert (buffer, i, -1, 0);
}

guint64 secondary_stat (GstHarness *h, const gchar *factory, const gchar *field)
{
  GstElement *element = kit_find (h, factory);
  GstStructure *stats;
  guint64 value = G_MAXUINT64;
  g_object_get (element, "stats", &stats, NULL);
  ck_assert_msg (gst_structure_get_uint64 (stats, field, &value), "no field %s", field);
  gst_structure_free (stats);
  gst_object_unref (element);
  return value;
}

void secondary_flush (GstHarness *h)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_start ()));
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}
