/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferdetect
 * @title: inferdetect
 * @short_description: finds objects with a neural network
 * @see_also: inferclassify, inferoverlay, inferpublish
 *
 * Runs a detection network on whole pictures (#InferDetect:region `full-frame`) or on the objects
 * that an element upstream found (`roi-list`), and attaches what it finds: one
 * #GstVideoRegionOfInterestMeta per object, and WeirMeta. Frames leave unchanged and in order. No
 * `queue` is needed before or after it; elements with equal settings share one network and batch
 * their frames together.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! inferdetect model=yolox_nano.onnx
 *     threshold=0.4 ! inferoverlay ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gst/detect.h"

#include "gst/attach.h"

struct _InferDetect {
  WeirFilter parent;
};

G_DEFINE_FINAL_TYPE (InferDetect, weir_detect, WEIR_TYPE_FILTER)

static gboolean configure (WeirFilter *filter, const WeirModel *model, GError **error)
{
  const char *why;
  const char *decoder = weir_model_decoder (model, &why);
  if (weir_model_is_detector (model))
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "%s: decoder '%s' gives no objects (%s); use inferclassify, or set property 'decoder'",
      weir_model_path (model), decoder, why ? why : "as its outputs are");
  return FALSE;
}

static void prepare (WeirFilter *filter, GstBuffer *buffer, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST) {
    weir_attach_prepare_rois (filter, buffer, job, FALSE);
    return;
  }
  const WeirRegion whole = { 0, 0, job->frame.width_px, job->frame.height_px };
  weir_request_add_region (job->request, &whole);
}

static void add_object (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta,
    const WeirObject *found, guint parent_id, const WeirFrame *frame)
{
  /* A network without labels: its objects are called by their number. */
  g_autofree gchar *label =
      found->label ? g_strdup (found->label) : g_strdup_printf ("%d", found->label_id);
  if (!weir_filter_wants_class (filter, label))
    return;
  const guint region_id = weir_attach_next_id (buffer, meta);
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = region_id;
  object->parent_id = parent_id;
  object->is_detection = TRUE;
  object->x_min = found->x_min;
  object->y_min = found->y_min;
  object->x_max = found->x_max;
  object->y_max = found->y_max;
  object->confidence = (gdouble) found->confidence;
  object->label_id = found->label_id;
  object->label = g_steal_pointer (&label);
  for (guint i = 0; i < found->n_tensors; i++)
    weir_meta_object_add_tensor (object, &found->tensors[i], weir_filter_model_name (filter));
  weir_attach_roi (buffer, object, frame);
}

/* Outputs as tensors (property attach-tensors) belong to what the network looked at. */
static void attach_outputs (GstBuffer *buffer, WeirMeta *meta, WeirMetaObject *parent,
    const WeirResult *result, const gchar *model)
{
  if (result->n_attributes == 0 && result->n_tensors == 0)
    return;
  weir_attach_result (buffer, parent ? parent : weir_attach_picture (buffer, meta), result, model);
}

static void finish_item (
    WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job, guint item)
{
  const WeirResult *result = weir_request_result (job->request, item);
  WeirMetaObject *parent = job->targets->len > 0 ? &g_array_index (meta->objects, WeirMetaObject,
                                                       g_array_index (job->targets, guint, item))
                                                 : NULL;
  const guint parent_id = parent ? parent->region_id : 0;
  if (result->status != WEIR_STATUS_INFERRED)
    return;
  attach_outputs (buffer, meta, parent, result, weir_filter_model_name (filter));
  for (guint i = 0; i < result->n_objects; i++)
    add_object (filter, buffer, meta, &result->objects[i], parent_id, &job->frame);
}

static void finish (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST)
    weir_attach_import (buffer, meta, &job->frame);
  for (guint i = 0; i < weir_request_n_items (job->request); i++)
    finish_item (filter, buffer, meta, job, i);
}

static void weir_detect_init (InferDetect *self)
{
}

static void weir_detect_class_init (InferDetectClass *klass)
{
  WeirFilterClass *filter = WEIR_FILTER_CLASS (klass);
  filter->owner = WEIR_OWNER_DETECT;
  filter->region_default = WEIR_REGION_FULL_FRAME;
  filter->configure = configure;
  filter->prepare = prepare;
  filter->finish = finish;
  weir_filter_class_setup (filter);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Object detector",
      "Filter/Analyzer/Video", "Finds objects with a neural network, batched across streams",
      "The Weir developers");
}
