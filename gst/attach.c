/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The region id ties the two metas together. Objects without detection (a whole picture) have no
 * region of interest: elements that read regions would take them for one. */
#include "gst/attach.h"

#include <math.h>
#include <string.h>

static GstVideoRegionOfInterestMeta *next_roi (GstBuffer *buffer, gpointer *state)
{
  return (GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (
      buffer, state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

static GstVideoRegionOfInterestMeta *find_roi (GstBuffer *buffer, guint region_id)
{
  return gst_buffer_get_video_region_of_interest_meta_id (buffer, (gint) region_id);
}

guint weir_attach_next_id (GstBuffer *buffer, WeirMeta *meta)
{
  guint highest = 0;
  gpointer state = NULL;
  for (guint i = 0; i < meta->objects->len; i++)
    highest = MAX (highest, g_array_index (meta->objects, WeirMetaObject, i).region_id);
  for (GstVideoRegionOfInterestMeta *roi; (roi = next_roi (buffer, &state));)
    highest = MAX (highest, (guint) MAX (roi->id, 0));
  return highest + 1;
}

static gboolean has_detections (const WeirMeta *meta)
{
  for (guint i = 0; meta && i < meta->objects->len; i++)
    if (g_array_index (meta->objects, WeirMetaObject, i).is_detection)
      return TRUE;
  return FALSE;
}

static void add_item (WeirJob *job, const WeirRegion *region, guint target)
{
  weir_request_add_region (job->request, region);
  g_array_append_val (job->targets, target);
}

/* The part of the region that lies in the picture; FALSE where there is none. */
static gboolean clip_roi (
    const GstVideoRegionOfInterestMeta *roi, const WeirFrame *frame, WeirRegion *region)
{
  if (roi->x >= frame->width_px || roi->y >= frame->height_px || roi->w == 0 || roi->h == 0)
    return FALSE;
  *region = (WeirRegion){ .x_px = roi->x,
    .y_px = roi->y,
    .width_px = MIN (roi->w, frame->width_px - roi->x),
    .height_px = MIN (roi->h, frame->height_px - roi->y) };
  return TRUE;
}

static void prepare_foreign (
    WeirFilter *filter, GstBuffer *buffer, WeirJob *job, gboolean filter_classes, guint target)
{
  gpointer state = NULL;
  WeirRegion region;
  for (GstVideoRegionOfInterestMeta *roi; (roi = next_roi (buffer, &state)); target++)
    if ((!filter_classes || weir_filter_wants_class (filter, g_quark_to_string (roi->roi_type))) &&
        clip_roi (roi, &job->frame, &region))
      add_item (job, &region, target);
}

void weir_attach_prepare_rois (
    WeirFilter *filter, GstBuffer *buffer, WeirJob *job, gboolean filter_classes)
{
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  if (!has_detections (meta)) {
    prepare_foreign (filter, buffer, job, filter_classes, meta ? meta->objects->len : 0);
    return;
  }
  for (guint i = 0; i < meta->objects->len; i++) {
    const WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
    if (!object->is_detection ||
        (filter_classes && !weir_filter_wants_class (filter, object->label)))
      continue;
    WeirRegion region;
    weir_meta_object_pixels (object, job->frame.width_px, job->frame.height_px, &region);
    add_item (job, &region, i);
  }
}

static void import_roi (
    GstBuffer *buffer, WeirMeta *meta, GstVideoRegionOfInterestMeta *roi, const WeirFrame *frame)
{
  if (roi->id <= 0 || weir_meta_find_object (meta, (guint) roi->id))
    roi->id = (gint) weir_attach_next_id (buffer, meta);
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = (guint) roi->id;
  object->parent_id = (guint) MAX (roi->parent_id, 0);
  object->is_detection = TRUE;
  object->x_min = (gdouble) roi->x / frame->width_px;
  object->y_min = (gdouble) roi->y / frame->height_px;
  object->x_max = ((gdouble) roi->x + roi->w) / frame->width_px;
  object->y_max = ((gdouble) roi->y + roi->h) / frame->height_px;
  object->label = g_strdup (g_quark_to_string (roi->roi_type));
  const GstStructure *detection = gst_video_region_of_interest_meta_get_param (roi, "detection");
  if (detection) {
    gst_structure_get_double (detection, "confidence", &object->confidence);
    gst_structure_get_int (detection, "label_id", &object->label_id);
  }
}

void weir_attach_import (GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame)
{
  gpointer state = NULL;
  if (has_detections (meta))
    return;
  for (GstVideoRegionOfInterestMeta *roi; (roi = next_roi (buffer, &state));)
    import_roi (buffer, meta, roi, frame);
}

void weir_attach_roi (GstBuffer *buffer, const WeirMetaObject *object, const WeirFrame *frame)
{
  WeirRegion box;
  weir_meta_object_pixels (object, frame->width_px, frame->height_px, &box);
  GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta (
      buffer, object->label, box.x_px, box.y_px, box.width_px, box.height_px);
  roi->id = (gint) object->region_id;
  roi->parent_id = (gint) object->parent_id;
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, object->confidence,
               "label_id", G_TYPE_INT, object->label_id, "x_min", G_TYPE_DOUBLE, object->x_min,
               "x_max", G_TYPE_DOUBLE, object->x_max, "y_min", G_TYPE_DOUBLE, object->y_min,
               "y_max", G_TYPE_DOUBLE, object->y_max, NULL));
}

WeirMetaObject *weir_attach_picture (GstBuffer *buffer, WeirMeta *meta)
{
  for (guint i = 0; i < meta->objects->len; i++) {
    WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
    if (!object->is_detection)
      return object;
  }
  const guint region_id = weir_attach_next_id (buffer, meta);
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = region_id;
  object->x_max = object->y_max = 1;
  return object;
}

/* A structure's name must start with a letter and has a small alphabet; names of outputs ("453",
 * "prob emotion") need not. */
static gchar *structure_name (const gchar *name)
{
  gchar *safe = g_ascii_isalpha (*name) ? g_strdup (name) : g_strconcat ("attribute_", name, NULL);
  return g_strcanon (safe, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/-_.:+", '_');
}

static void attach_param (
    GstVideoRegionOfInterestMeta *roi, const WeirAttribute *attribute, const gchar *model)
{
  const WeirClass *best = &attribute->classes[0];
  g_autofree gchar *name = structure_name (attribute->name);
  GstStructure *param = gst_structure_new (
      name, "label", G_TYPE_STRING, best->label, "model", G_TYPE_STRING, model, NULL);
  if (best->label_id != WEIR_NO_CLASS)
    gst_structure_set (param, "label_id", G_TYPE_INT, best->label_id, NULL);
  if (!isnan (best->confidence))
    gst_structure_set (param, "confidence", G_TYPE_DOUBLE, (gdouble) best->confidence, NULL);
  gst_video_region_of_interest_meta_add_param (roi, param);
}

void weir_attach_result (
    GstBuffer *buffer, WeirMetaObject *object, const WeirResult *result, const gchar *model)
{
  GstVideoRegionOfInterestMeta *roi =
      object->is_detection ? find_roi (buffer, object->region_id) : NULL;
  for (guint i = 0; i < result->n_attributes; i++) {
    const WeirAttribute *attribute = &result->attributes[i];
    if (attribute->n_classes == 0)
      continue;
    WeirMetaAttribute *to = weir_meta_object_add_attribute (object, attribute->name, model);
    for (guint k = 0; k < attribute->n_classes; k++)
      weir_meta_attribute_add_class (to, attribute->classes[k].label,
          attribute->classes[k].label_id, (gdouble) attribute->classes[k].confidence);
    if (roi)
      attach_param (roi, attribute, model);
  }
  for (guint i = 0; i < result->n_tensors; i++)
    weir_meta_object_add_tensor (object, &result->tensors[i], model);
}
