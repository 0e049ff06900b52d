/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferclassify
 * @title: inferclassify
 * @short_description: classifies objects or pictures with a neural network
 * @see_also: inferdetect, inferoverlay, inferpublish
 *
 * Runs a classification, regression or embedding network on every object that an element upstream
 * found (#InferClassify:region `roi-list`: WeirMeta, or #GstVideoRegionOfInterestMeta of others) or
 * on the whole picture (`full-frame`), and adds attributes and tensors to it. A frame without
 * objects passes at once.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! inferdetect model=faces.onnx
 *     ! inferclassify model=emotions.onnx classes=face ! inferpublish ! fakesink
 * ]|
 *
 * Since: 0.1
 */
#include "gst/classify.h"

#include "gst/attach.h"

struct _InferClassify {
  WeirFilter parent;
};

G_DEFINE_FINAL_TYPE (InferClassify, weir_classify, WEIR_TYPE_FILTER)

static gboolean configure (WeirFilter *filter, const WeirModel *model, GError **error)
{
  const char *why;
  if (!weir_model_is_detector (model))
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "%s: decoder '%s' gives objects, not attributes; use inferdetect (region=roi-list looks "
      "inside objects), or set property 'decoder'",
      weir_model_path (model), weir_model_decoder (model, &why));
  return FALSE;
}

static void prepare (WeirFilter *filter, GstBuffer *buffer, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST) {
    weir_attach_prepare_rois (filter, buffer, job, TRUE);
    return;
  }
  const WeirRegion whole = { 0, 0, job->frame.width_px, job->frame.height_px };
  weir_request_add_region (job->request, &whole);
}

static WeirMetaObject *find_target (
    GstBuffer *buffer, WeirMeta *meta, const WeirJob *job, guint item)
{
  if (job->targets->len == 0)
    return weir_attach_picture (buffer, meta);
  const guint target = g_array_index (job->targets, guint, item);
  return &g_array_index (meta->objects, WeirMetaObject, target);
}

static void finish (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST)
    weir_attach_import (buffer, meta, &job->frame);
  for (guint i = 0; i < weir_request_n_items (job->request); i++) {
    const WeirResult *result = weir_request_result (job->request, i);
    if (result->status == WEIR_STATUS_INFERRED && result->n_attributes + result->n_tensors > 0)
      weir_attach_result (
          buffer, find_target (buffer, meta, job, i), result, weir_filter_model_name (filter));
  }
}

static void weir_classify_init (InferClassify *self)
{
}

static void weir_classify_class_init (InferClassifyClass *klass)
{
  WeirFilterClass *filter = WEIR_FILTER_CLASS (klass);
  filter->owner = WEIR_OWNER_CLASSIFY;
  filter->region_default = WEIR_REGION_ROI_LIST;
  filter->configure = configure;
  filter->prepare = prepare;
  filter->finish = finish;
  weir_filter_class_setup (filter);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Object classifier",
      "Filter/Analyzer/Video",
      "Classifies objects or pictures with a neural network, batched across streams",
      "The Weir developers");
}
