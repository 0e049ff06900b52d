/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Regions of interest: found, added, read. */
#include "gst/roi.h"

#include <math.h>

GstVideoRegionOfInterestMeta *weir_roi_next (GstBuffer *buffer, gpointer *state)
{
  return (GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (
      buffer, state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

WeirBox weir_roi_box (const GstVideoRegionOfInterestMeta *roi)
{
  return weir_box_make (roi->x, roi->y, roi->w, roi->h);
}

struct WeirRois {
  GstBuffer *buffer;
  GHashTable *by_id; /* id → GSList of the regions that have it, the first of them last */
};

static void free_list (gpointer list)
{
  g_slist_free (list);
}

static void note_roi (WeirRois *rois, GstVideoRegionOfInterestMeta *roi)
{
  gpointer list = NULL;
  g_hash_table_steal_extended (rois->by_id, GINT_TO_POINTER (roi->id), NULL, &list);
  g_hash_table_insert (rois->by_id, GINT_TO_POINTER (roi->id), g_slist_prepend (list, roi));
}

WeirRois *weir_rois_new (GstBuffer *buffer)
{
  WeirRois *rois = g_new0 (WeirRois, 1);
  gpointer state = NULL;
  rois->buffer = buffer;
  rois->by_id = g_hash_table_new_full (NULL, NULL, NULL, free_list);
  for (GstVideoRegionOfInterestMeta *roi; (roi = weir_roi_next (buffer, &state));)
    note_roi (rois, roi);
  return rois;
}

void weir_rois_free (WeirRois *rois)
{
  if (!rois)
    return;
  g_hash_table_unref (rois->by_id);
  g_free (rois);
}

GstVideoRegionOfInterestMeta *weir_rois_find (
    const WeirRois *rois, const WeirMetaObject *object, const WeirFrame *frame)
{
  const WeirBox own = weir_meta_object_box (object, frame);
  GstVideoRegionOfInterestMeta *found = NULL;
  for (GSList *l = g_hash_table_lookup (rois->by_id, GUINT_TO_POINTER (object->region_id)); l;
       l = l->next) {
    const WeirBox box = weir_roi_box (l->data);
    if (weir_box_is_near (&box, &own, frame))
      found = l->data;
  }
  return found;
}

GstVideoRegionOfInterestMeta *weir_rois_add (WeirRois *rois, const WeirMetaObject *object)
{
  GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta (rois->buffer,
      object->label, (guint) object->box.x_px, (guint) object->box.y_px,
      (guint) object->box.width_px, (guint) object->box.height_px);
  roi->id = (gint) object->region_id;
  roi->parent_id = (gint) object->parent_id;
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, object->confidence,
               "label_id", G_TYPE_INT, object->label_id, "x_min", G_TYPE_DOUBLE, object->x_min,
               "x_max", G_TYPE_DOUBLE, object->x_max, "y_min", G_TYPE_DOUBLE, object->y_min,
               "y_max", G_TYPE_DOUBLE, object->y_max, NULL));
  note_roi (rois, roi);
  return roi;
}

/* A structure's name must start with a letter and has a small alphabet; names of outputs ("453",
 * "prob emotion") need not. */
static gchar *structure_name (const gchar *name)
{
  gchar *safe = g_ascii_isalpha (*name) ? g_strdup (name) : g_strconcat ("attribute_", name, NULL);
  return g_strcanon (safe, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/-_.:+", '_');
}

void weir_roi_add_attribute (GstVideoRegionOfInterestMeta *roi, const WeirMetaAttribute *attribute)
{
  const WeirMetaClass *best = &g_array_index (attribute->classes, WeirMetaClass, 0);
  g_autofree gchar *name = structure_name (attribute->name);
  GstStructure *param = gst_structure_new (
      name, "label", G_TYPE_STRING, best->label, "model", G_TYPE_STRING, attribute->model, NULL);
  if (best->label_id != WEIR_NO_CLASS)
    gst_structure_set (param, "label_id", G_TYPE_INT, best->label_id, NULL);
  if (!isnan (best->confidence))
    gst_structure_set (param, "confidence", G_TYPE_DOUBLE, best->confidence, NULL);
  if (attribute->age > 0)
    gst_structure_set (param, "age", G_TYPE_INT, (gint) MIN (attribute->age, G_MAXINT), NULL);
  gst_video_region_of_interest_meta_add_param (roi, param);
}

guint64 weir_roi_track_id (const GstVideoRegionOfInterestMeta *roi)
{
  const GstStructure *track = gst_video_region_of_interest_meta_get_param (
      (GstVideoRegionOfInterestMeta *) roi, "object_id");
  const GValue *value = track ? gst_structure_get_value (track, "id") : NULL;
  GValue whole = G_VALUE_INIT;
  if (!value || (!G_VALUE_HOLDS_INT (value) && !G_VALUE_HOLDS_UINT (value) &&
                    !G_VALUE_HOLDS_INT64 (value) && !G_VALUE_HOLDS_UINT64 (value)))
    return 0;
  if (G_VALUE_HOLDS_UINT64 (value))
    return g_value_get_uint64 (value);
  g_value_init (&whole, G_TYPE_INT64);
  g_value_transform (value, &whole);
  return (guint64) MAX (g_value_get_int64 (&whole), 0);
}
