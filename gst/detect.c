/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferdetect
 * @title: inferdetect
 * @short_description: finds objects with a neural network
 * @see_also: inferclassify, inferoverlay, inferpublish
 *
 * Runs a detection network on whole pictures (#InferDetect:region `full-frame`) or on the objects
 * that an element upstream found (`roi-list`), and attaches what it finds: one
 * #GstVideoRegionOfInterestMeta and, where this build has it, one #GstAnalyticsODMtd per object
 * (#InferDetect:meta), and WeirMeta. Frames leave unchanged and in order. No
 * `queue` is needed before or after it; elements with equal settings share one network and batch
 * their frames together.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! \
 *     inferdetect model=yolox_nano.onnx threshold=0.4 ! inferoverlay ! videoconvert ! autovideosink
 * ]|
 *
 * ## Messages
 *
 * - ERROR at NULL→READY: what is wrong with a model, a file or a property, and the way out
 * - WARNING at NULL→READY where #InferDetect:classes names what the network does not know
 * - WARNING at the 1st, 10th, 100th … frame that could not be inferred: why, and how many they are.
 *   The frames pass, marked as failed
 * - LATENCY when the time that frames take has moved by more than 25 %
 * - QOS for each frame that passes without inference because it is late (#InferDetect:qos)
 *
 * What the session did, field by field, is in #InferDetect:stats; see [stats.md](stats.md).
 *
 * Since: 0.1
 */
#include "gst/detect.h"

#include "gst/attach.h"
#include "gst/bus_errors.h"
#include "gst/foreign.h"

struct _InferDetect {
  WeirFilter parent;
};

G_DEFINE_FINAL_TYPE (InferDetect, weir_detect, WEIR_TYPE_FILTER)

/* Labels that a warning names at most. */
#define N_NAMED 10

/* A class that the network does not know is a slip of the pen: nothing would be found, in silence.
 * Without labels objects are called by their number, which may be anything. */
static void warn_of_unknown_classes (WeirFilter *filter, const WeirModel *model)
{
  const gchar *classes = weir_filter_settings (filter)->classes;
  uint32_t n_labels;
  const char *const *labels = weir_model_labels (model, &n_labels);
  if (!classes || !*classes || n_labels == 0)
    return;
  g_auto (GStrv) wanted = g_strsplit (classes, ",", -1);
  g_autoptr (GString) known = g_string_new (NULL);
  for (guint k = 0; k < MIN (n_labels, N_NAMED); k++)
    g_string_append_printf (known, "%s%s", k ? ", " : "", labels[k]);
  for (gchar **name = wanted; *name; name++) {
    guint k = 0;
    while (k < n_labels && !g_str_equal (labels[k], g_strstrip (*name)))
      k++;
    if (k == n_labels && **name)
      weir_bus_warning (GST_ELEMENT (filter),
          "property 'classes': %s knows no '%s', nothing will be found for it; it knows %s%s",
          weir_model_path (model), *name, known->str, n_labels > N_NAMED ? " …" : "");
  }
}

static gboolean configure (WeirFilter *filter, const WeirModel *model, GError **error)
{
  const char *why;
  const char *decoder = weir_model_decoder (model, &why);
  if (weir_model_is_detector (model)) {
    warn_of_unknown_classes (filter, model);
    return TRUE;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "%s: decoder '%s' gives no objects (%s); use inferclassify, or set property 'decoder'",
      weir_model_path (model), decoder, why ? why : "as its outputs are");
  return FALSE;
}

static void prepare (WeirFilter *filter, GstBuffer *buffer, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST) {
    weir_attach_prepare_rois (filter, buffer, job, NULL);
    return;
  }
  const WeirRegion whole = { 0, 0, job->frame.width_px, job->frame.height_px };
  weir_request_add_region (job->request, &whole);
}

static void add_object (WeirAttach *attach, const WeirObject *found, guint parent_id)
{
  /* A network without labels: its objects are called by their number. */
  g_autofree gchar *label =
      found->label ? g_strdup (found->label) : g_strdup_printf ("%d", found->label_id);
  if (!weir_filter_wants_class (attach->filter, label))
    return;
  WeirMetaObject *object = weir_attach_add_object (attach);
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
    weir_meta_object_add_tensor (
        object, &found->tensors[i], weir_filter_model_name (attach->filter));
}

/* The objects come first: the ids of a picture's are 1, 2, … whether or not its tensors follow. */
static void finish_item (WeirAttach *attach, WeirJob *job, guint item)
{
  const WeirResult *result = weir_request_result (job->request, item);
  const GArray *objects = attach->meta->objects;
  const gboolean is_picture = job->targets->len == 0;
  const guint target = is_picture ? 0 : g_array_index (job->targets, guint, item);
  const guint parent_id =
      is_picture ? 0 : g_array_index (objects, WeirMetaObject, target).region_id;
  if (result->status != WEIR_STATUS_INFERRED)
    return;
  for (guint i = 0; i < result->n_objects; i++)
    add_object (attach, &result->objects[i], parent_id);
  if (result->n_attributes + result->n_tensors > 0)
    weir_attach_result (attach,
        is_picture ? weir_attach_picture (attach)
                   : &g_array_index (objects, WeirMetaObject, target),
        result);
}

static void finish (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job)
{
  if (weir_filter_settings (filter)->region == WEIR_REGION_ROI_LIST)
    weir_foreign_import (buffer, meta, &job->frame);
  g_auto (WeirAttach) attach = weir_attach_begin (filter, buffer, meta, &job->frame);
  const guint first = meta->objects->len;
  for (guint i = 0; job->status == WEIR_STATUS_INFERRED && i < weir_request_n_items (job->request);
       i++)
    finish_item (&attach, job, i);
  weir_attach_objects (&attach, first);
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
