/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferclassify
 * @title: inferclassify
 * @short_description: classifies objects or pictures with a neural network
 * @see_also: inferdetect, inferoverlay, inferpublish
 *
 * Runs a classification, regression or embedding network on every object that an element upstream
 * found (#InferClassify:region `roi-list`: inferdetect's, and those that others attached as
 * #GstVideoRegionOfInterestMeta or #GstAnalyticsODMtd) or on the whole picture (`full-frame`), and
 * adds attributes and tensors to it. A frame without objects passes at once.
 *
 * Objects that carry the number of a track need not be looked at in every frame: after a look they
 * keep their attributes and tensors, marked with their age in frames, until
 * #InferClassify:reclassify-interval frames have passed. A track is looked at again at once when
 * its label changes, when its last look failed or was skipped, and after a flush or a new stream.
 * Frames that #InferClassify:interval, #InferClassify:qos or #InferClassify:leaky skip are not
 * looked at at all; tracked objects in them have what is known too. A frame in which every wanted
 * object was known says `reused` as its status, where this element is the first to look at it.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! inferdetect model=faces.onnx ! \
 *     inferclassify model=emotions.onnx classes=face ! inferpublish ! fakesink
 * ]|
 *
 * Messages and statistics are those of #inferdetect.
 *
 * Since: 0.1
 */
#include "gst/classify.h"

#include "gst/attach.h"
#include "gst/foreign.h"
#include "gst/reclassify.h"

struct _InferClassify {
  WeirFilter parent;
  WeirReclassify *known; /* of tracked objects */
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

static gboolean wants_object (
    WeirFilter *filter, const WeirJob *job, const gchar *label, guint64 track_id)
{
  WeirReclassify *known = WEIR_CLASSIFY (filter)->known;
  return weir_filter_wants_class (filter, label) &&
         (track_id == 0 ||
             weir_reclassify_ask (known, &job->id, track_id, label, job->live.reclassify_interval));
}

static void prepare (WeirFilter *filter, GstBuffer *buffer, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST) {
    weir_attach_prepare_rois (filter, buffer, job, wants_object);
    return;
  }
  const WeirRegion whole = { 0, 0, job->frame.width_px, job->frame.height_px };
  weir_request_add_region (job->request, &whole);
}

static void refused (WeirFilter *filter, WeirJob *job)
{
  weir_reclassify_fail_frame (WEIR_CLASSIFY (filter)->known, &job->id);
}

static void attach_fresh (WeirAttach *attach, WeirMetaObject *object, WeirJob *job, guint item)
{
  const guint first_attribute = object->attributes->len, first_tensor = object->tensors->len;
  weir_attach_result (attach, object, weir_request_result (job->request, item));
  if (object->track_id != 0)
    weir_reclassify_store (
        WEIR_CLASSIFY (attach->filter)->known, &job->id, object, first_attribute, first_tensor);
}

static gboolean is_wanted_track (WeirFilter *filter, const WeirMetaObject *object)
{
  return object->track_id != 0 && object->is_detection &&
         weir_filter_wants_class (filter, object->label);
}

/* FALSE: nothing is known. */
static gboolean attach_known (WeirAttach *attach, WeirMetaObject *object, WeirJob *job)
{
  const guint first = object->attributes->len;
  guint age;
  if (!weir_reclassify_recall (WEIR_CLASSIFY (attach->filter)->known, &job->id, object, &age))
    return FALSE;
  weir_attach_attributes (attach, object, first);
  job->n_reused++;
  job->reused_age = MAX (job->reused_age, age);
  return TRUE;
}

static gboolean item_is_inferred (const WeirJob *job, guint item)
{
  return weir_request_result (job->request, item)->status == WEIR_STATUS_INFERRED;
}

/* Nothing was looked at: all that is wanted is known, or a look that frames relied on has failed.
 */
static void note_reuse (WeirJob *job, guint n_unknown)
{
  if (job->n_reused + n_unknown == 0)
    return;
  job->status = n_unknown > 0 ? WEIR_STATUS_SKIPPED : WEIR_STATUS_REUSED;
  job->reason = "reclassify-interval";
}

/* Items come in the order of the objects. */
static void finish_rois (WeirAttach *attach, WeirJob *job)
{
  WeirReclassify *known = WEIR_CLASSIFY (attach->filter)->known;
  GArray *objects = attach->meta->objects;
  const guint n_items = job->status == WEIR_STATUS_INFERRED ? job->targets->len : 0;
  guint n_unknown = 0;
  for (guint i = 0, next = 0; i < objects->len; i++) {
    WeirMetaObject *object = &g_array_index (objects, WeirMetaObject, i);
    const gboolean looked = next < n_items && g_array_index (job->targets, guint, next) == i;
    const guint item = looked ? next++ : 0;
    if (looked && item_is_inferred (job, item)) {
      attach_fresh (attach, object, job, item);
      continue;
    }
    if (looked && object->track_id != 0)
      weir_reclassify_fail (known, &job->id, object->track_id);
    if (is_wanted_track (attach->filter, object))
      n_unknown += !attach_known (attach, object, job);
  }
  if (job->status == WEIR_STATUS_INFERRED && n_items == 0)
    note_reuse (job, n_unknown);
}

/* Of the whole picture, which is one item. */
static gboolean says_something (const WeirJob *job)
{
  const WeirResult *result = weir_request_result (job->request, 0);
  return item_is_inferred (job, 0) && result->n_attributes + result->n_tensors > 0;
}

static void finish (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job)
{
  if (job->status == WEIR_STATUS_FAILED)
    weir_reclassify_fail_frame (WEIR_CLASSIFY (filter)->known, &job->id);
  const gboolean looks_at_objects = weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST;
  if (looks_at_objects)
    weir_foreign_import (buffer, meta, &job->frame);
  g_auto (WeirAttach) attach = weir_attach_begin (filter, buffer, meta, &job->frame);
  if (looks_at_objects)
    finish_rois (&attach, job);
  else if (job->status == WEIR_STATUS_INFERRED && says_something (job))
    attach_fresh (&attach, weir_attach_picture (&attach), job, 0);
}

static GstStateChangeReturn change_state (GstElement *element, GstStateChange transition)
{
  WeirReclassify *known = WEIR_CLASSIFY (element)->known;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    weir_reclassify_clear (known);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (weir_classify_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    weir_reclassify_clear (known);
  return result;
}

static void finalize (GObject *object)
{
  weir_reclassify_free (WEIR_CLASSIFY (object)->known);
  G_OBJECT_CLASS (weir_classify_parent_class)->finalize (object);
}

static void weir_classify_init (InferClassify *self)
{
  self->known = weir_reclassify_new ();
}

static void weir_classify_class_init (InferClassifyClass *klass)
{
  WeirFilterClass *filter = WEIR_FILTER_CLASS (klass);
  filter->owner = WEIR_OWNER_CLASSIFY;
  filter->region_default = WEIR_REGION_ROI_LIST;
  filter->configure = configure;
  filter->prepare = prepare;
  filter->refused = refused;
  filter->finish = finish;
  G_OBJECT_CLASS (klass)->finalize = finalize;
  GST_ELEMENT_CLASS (klass)->change_state = change_state;
  weir_filter_class_setup (filter);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Object classifier",
      "Filter/Analyzer/Video",
      "Classifies objects or pictures with a neural network, batched across streams",
      "The Weir developers");
}
