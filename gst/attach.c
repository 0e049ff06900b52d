/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The region id ties WeirMeta and the region of interest together, the analytics id WeirMeta and
 * the analytics object. Objects without detection (a whole picture) have neither: elements that
 * read objects would take them for one. */
#include "gst/attach.h"

#include "gst/analytics.h"
#include "gst/foreign.h"

typedef enum PublicMeta { PUBLIC_ROI = 1, PUBLIC_ANALYTICS = 2 } PublicMeta;

/* By property `meta`. Without analytics in this build, adding them does nothing. */
static const guint public_metas[] = {
  [WEIR_META_AUTO] = PUBLIC_ROI | PUBLIC_ANALYTICS,
  [WEIR_META_ROI] = PUBLIC_ROI,
  [WEIR_META_ANALYTICS] = PUBLIC_ANALYTICS,
  [WEIR_META_BOTH] = PUBLIC_ROI | PUBLIC_ANALYTICS,
};

guint weir_attach_next_id (GstBuffer *buffer, WeirMeta *meta)
{
  guint highest = 0;
  gpointer state = NULL;
  for (guint i = 0; i < meta->objects->len; i++)
    highest = MAX (highest, g_array_index (meta->objects, WeirMetaObject, i).region_id);
  for (GstVideoRegionOfInterestMeta *roi; (roi = weir_roi_next (buffer, &state));)
    if (roi->id > 0 && roi->id <= WEIR_MAX_REGION_ID)
      highest = MAX (highest, (guint) roi->id);
  return highest + 1;
}

/* Items --------------------------------------------------------------------------------------- */

static void add_item (WeirJob *job, const WeirRegion *region, guint target)
{
  weir_request_add_region (job->request, region);
  g_array_append_val (job->targets, target);
}

static void prepare_own (WeirFilter *filter, const WeirMeta *meta, const guint64 *track_ids,
    WeirJob *job, WeirAttachWants wants)
{
  for (guint i = 0; i < meta->objects->len; i++) {
    const WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
    if (!object->is_detection || (wants && !wants (filter, job, object->label, track_ids[i])))
      continue;
    WeirRegion region;
    weir_meta_object_pixels (object, job->frame.width_px, job->frame.height_px, &region);
    add_item (job, &region, i);
  }
}

void weir_attach_prepare_rois (
    WeirFilter *filter, GstBuffer *buffer, WeirJob *job, WeirAttachWants wants)
{
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  const guint n_own = meta ? meta->objects->len : 0;
  g_autofree guint64 *track_ids = g_new (guint64, n_own);
  g_autoptr (GArray) foreign = weir_foreign_list (buffer, meta, &job->frame, track_ids);
  if (meta)
    prepare_own (filter, meta, track_ids, job, wants);
  for (guint i = 0; i < foreign->len; i++) {
    const WeirForeign *object = &g_array_index (foreign, WeirForeign, i);
    if (!wants || wants (filter, job, object->label, object->track_id))
      add_item (job, &object->box, n_own + i);
  }
}

/* Results ------------------------------------------------------------------------------------- */

WeirAttach weir_attach_begin (
    WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame)
{
  return (WeirAttach){ .filter = filter, .buffer = buffer, .meta = meta, .frame = *frame };
}

void weir_attach_end (WeirAttach *attach)
{
  g_clear_pointer (&attach->rois, weir_rois_free);
}

WeirMetaObject *weir_attach_add_object (WeirAttach *attach)
{
  if (attach->next_id == 0)
    attach->next_id = weir_attach_next_id (attach->buffer, attach->meta);
  WeirMetaObject *object = weir_meta_add_object (attach->meta);
  object->region_id = attach->next_id++;
  return object;
}

WeirMetaObject *weir_attach_picture (WeirAttach *attach)
{
  const WeirMeta *meta = attach->meta;
  for (guint i = 0; i < meta->objects->len; i++) {
    WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
    if (!object->is_detection)
      return object;
  }
  WeirMetaObject *object = weir_attach_add_object (attach);
  object->x_max = object->y_max = 1;
  return object;
}

static gint find_parent (const WeirAttach *attach, const WeirMetaObject *object)
{
  const WeirMetaObject *parent =
      object->parent_id > 0 ? weir_meta_find_object (attach->meta, object->parent_id) : NULL;
  return parent && weir_analytics_has (attach->buffer, parent, &attach->frame)
             ? parent->analytics_id
             : -1;
}

/* The region of interest that the object now has; NULL: it is to have none. */
static GstVideoRegionOfInterestMeta *attach_roi (WeirAttach *attach, const WeirMetaObject *object)
{
  if (!attach->rois)
    attach->rois = weir_rois_new (attach->buffer);
  GstVideoRegionOfInterestMeta *roi = weir_rois_find (attach->rois, object, &attach->frame);
  return roi ? roi : weir_rois_add (attach->rois, object);
}

static GstVideoRegionOfInterestMeta *attach_object (
    WeirAttach *attach, WeirMetaObject *object, guint metas)
{
  object->box = weir_meta_object_box (object, &attach->frame);
  if ((metas & PUBLIC_ANALYTICS) && weir_analytics_has_room (attach->buffer) &&
      !weir_analytics_has (attach->buffer, object, &attach->frame))
    object->analytics_id = weir_analytics_add (
        attach->buffer, object, find_parent (attach, object), attach->meta->objects->len);
  return metas & PUBLIC_ROI ? attach_roi (attach, object) : NULL;
}

static guint chosen_metas (const WeirAttach *attach)
{
  return public_metas[weir_filter_settings (attach->filter)->meta];
}

void weir_attach_objects (WeirAttach *attach, guint first)
{
  for (guint i = first; i < attach->meta->objects->len; i++) {
    WeirMetaObject *object = &g_array_index (attach->meta->objects, WeirMetaObject, i);
    if (object->is_detection)
      attach_object (attach, object, chosen_metas (attach));
  }
}

void weir_attach_attributes (WeirAttach *attach, WeirMetaObject *object, guint first)
{
  const guint metas = chosen_metas (attach);
  if (first >= object->attributes->len)
    return;
  GstVideoRegionOfInterestMeta *roi =
      object->is_detection ? attach_object (attach, object, metas) : NULL;
  for (guint i = first; i < object->attributes->len; i++) {
    const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, i);
    if (roi)
      weir_roi_add_attribute (roi, attribute);
    if (metas & PUBLIC_ANALYTICS)
      weir_analytics_add_attribute (attach->buffer, object->analytics_id, attribute);
  }
}

/* The region that the object's item was, in 0..1 of the picture. */
static void region_of (const WeirMetaObject *object, const WeirFrame *frame, gdouble corners[4])
{
  WeirRegion region;
  weir_meta_object_pixels (object, frame->width_px, frame->height_px, &region);
  corners[0] = (gdouble) region.x_px / frame->width_px;
  corners[1] = (gdouble) region.y_px / frame->height_px;
  corners[2] = (gdouble) (region.x_px + region.width_px) / frame->width_px;
  corners[3] = (gdouble) (region.y_px + region.height_px) / frame->height_px;
}

void weir_attach_result (WeirAttach *attach, WeirMetaObject *object, const WeirResult *result)
{
  static const gdouble whole[4] = { 0, 0, 1, 1 };
  const gchar *model = weir_filter_model_name (attach->filter);
  const guint first = object->attributes->len;
  gdouble region[4];
  for (guint i = 0; i < result->n_attributes; i++) {
    const WeirAttribute *attribute = &result->attributes[i];
    if (attribute->n_classes == 0)
      continue;
    WeirMetaAttribute *to = weir_meta_object_add_attribute (object, attribute->name, model);
    for (guint k = 0; k < attribute->n_classes; k++)
      weir_meta_attribute_add_class (to, attribute->classes[k].label,
          attribute->classes[k].label_id, (gdouble) attribute->classes[k].confidence);
  }
  region_of (object, &attach->frame, region);
  for (guint i = 0; i < result->n_tensors; i++)
    weir_meta_tensor_move (
        weir_meta_object_add_tensor (object, &result->tensors[i], model), whole, region);
  weir_attach_attributes (attach, object, first);
}
