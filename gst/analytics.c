/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results are numbered from 0 in the order in which they were added, and none is ever taken out; so
 * every id below the length is valid. Relations are asked for pair by pair (3 ns each): the walk
 * over an object's relations would follow them to ids that were never given out. */
#include "gst/analytics.h"

#include <gst/analytics/analytics.h>
#include <math.h>

/* A label's and a confidence's size, and a generous rest: of a classification of a few classes. */
#define RESULT_BYTES 64u
/* Least room of a new meta: it grows by as much again, copying the square of it. */
#define MIN_RESULTS 8u

gboolean weir_analytics_is_available (void)
{
  return TRUE;
}

static gboolean read_object (GstAnalyticsMtd *mtd, WeirAnalyticsObject *found)
{
  const GQuark label = gst_analytics_od_mtd_get_obj_type (mtd);
  *found = (WeirAnalyticsObject){
    .id = (gint) mtd->id, .parent_id = -1, .label = g_quark_to_string (label)
  };
  return gst_analytics_od_mtd_get_location (mtd, &found->box.x_px, &found->box.y_px,
      &found->box.width_px, &found->box.height_px, &found->confidence);
}

/* The result of that id and type; FALSE where there is none. */
static gboolean get_result (
    GstAnalyticsRelationMeta *meta, gint id, GstAnalyticsMtdType type, GstAnalyticsMtd *mtd)
{
  return meta && id >= 0 && (gsize) id < gst_analytics_relation_get_length (meta) &&
         gst_analytics_relation_meta_get_mtd (meta, (guint) id, type, mtd);
}

gboolean weir_analytics_has (
    GstBuffer *buffer, const WeirMetaObject *object, const WeirFrame *frame)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsMtd mtd;
  WeirAnalyticsObject found;
  const WeirBox own = weir_meta_object_box (object, frame);
  return get_result (meta, object->analytics_id, gst_analytics_od_mtd_get_mtd_type (), &mtd) &&
         read_object (&mtd, &found) && weir_box_is_near (&found.box, &own, frame);
}

static void note_parent (WeirAnalyticsObject *child, const WeirAnalyticsObject *parent)
{
  if (child != parent && (child->parent_id < 0 || parent->id < child->parent_id))
    child->parent_id = parent->id;
}

static void find_parents (GstAnalyticsRelationMeta *meta, GArray *list)
{
  WeirAnalyticsObject *objects = (WeirAnalyticsObject *) list->data;
  for (guint a = 0; a < list->len; a++)
    for (guint b = 0; b < list->len; b++) {
      const GstAnalyticsRelTypes types = gst_analytics_relation_meta_get_relation (
          meta, (guint) objects[a].id, (guint) objects[b].id);
      if (types & GST_ANALYTICS_REL_TYPE_IS_PART_OF)
        note_parent (&objects[a], &objects[b]);
      if (types & GST_ANALYTICS_REL_TYPE_CONTAIN)
        note_parent (&objects[b], &objects[a]);
    }
}

static void find_tracks (GstAnalyticsRelationMeta *meta, GArray *list)
{
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  while (gst_analytics_relation_meta_iterate (
      meta, &state, gst_analytics_tracking_mtd_get_mtd_type (), &mtd)) {
    guint64 track_id;
    GstClockTime first_seen, last_seen;
    gboolean is_lost;
    gst_analytics_tracking_mtd_get_info (&mtd, &track_id, &first_seen, &last_seen, &is_lost);
    for (guint i = 0; i < list->len; i++) {
      WeirAnalyticsObject *object = &g_array_index (list, WeirAnalyticsObject, i);
      if (object->track_id == 0 &&
          (gst_analytics_relation_meta_get_relation (meta, (guint) object->id, mtd.id) ||
              gst_analytics_relation_meta_get_relation (meta, mtd.id, (guint) object->id)))
        object->track_id = track_id;
    }
  }
}

GArray *weir_analytics_list (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  WeirAnalyticsObject found;
  GArray *list = NULL;
  while (meta && gst_analytics_relation_meta_iterate (
                     meta, &state, gst_analytics_od_mtd_get_mtd_type (), &mtd))
    if (read_object (&mtd, &found)) {
      if (!list)
        list = g_array_new (FALSE, FALSE, sizeof found);
      g_array_append_val (list, found);
    }
  if (list) {
    find_parents (meta, list);
    find_tracks (meta, list);
  }
  return list;
}

gboolean weir_analytics_has_room (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  return !meta || gst_analytics_relation_get_length (meta) < WEIR_ANALYTICS_MAX_RESULTS;
}

static GstAnalyticsRelationMeta *ensure_meta (GstBuffer *buffer, guint n_expected)
{
  const guint n = CLAMP (n_expected, MIN_RESULTS, WEIR_ANALYTICS_MAX_RESULTS);
  GstAnalyticsRelationMetaInitParams room = { .initial_relation_order = n,
    .initial_buf_size = (gsize) n * RESULT_BYTES };
  return gst_buffer_add_analytics_relation_meta_full (buffer, &room);
}

gint weir_analytics_add (
    GstBuffer *buffer, const WeirMetaObject *object, gint parent_id, guint n_expected)
{
  GstAnalyticsMtd child, parent;
  if (!weir_analytics_has_room (buffer))
    return -1;
  GstAnalyticsRelationMeta *meta = ensure_meta (buffer, n_expected);
  if (!gst_analytics_relation_meta_add_od_mtd (meta, g_quark_from_string (object->label),
          object->box.x_px, object->box.y_px, object->box.width_px, object->box.height_px,
          (gfloat) object->confidence, &child))
    return -1;
  if (get_result (meta, parent_id, gst_analytics_od_mtd_get_mtd_type (), &parent)) {
    gst_analytics_relation_meta_set_relation (
        meta, GST_ANALYTICS_REL_TYPE_IS_PART_OF, child.id, parent.id);
    gst_analytics_relation_meta_set_relation (
        meta, GST_ANALYTICS_REL_TYPE_CONTAIN, parent.id, child.id);
  }
  return (gint) child.id;
}

void weir_analytics_add_attribute (GstBuffer *buffer, gint id, const WeirMetaAttribute *attribute)
{
  const guint n = attribute->classes->len;
  g_autofree gfloat *confidences = g_new (gfloat, n);
  g_autofree GQuark *labels = g_new (GQuark, n);
  GstAnalyticsMtd object, classification;
  if (!weir_analytics_has_room (buffer))
    return;
  for (guint i = 0; i < n; i++) {
    const WeirMetaClass *class = &g_array_index (attribute->classes, WeirMetaClass, i);
    if (class->label_id == WEIR_NO_CLASS)
      return;
    confidences[i] = isnan (class->confidence) ? 0 : (gfloat) class->confidence;
    labels[i] = g_quark_from_string (class->label);
  }
  GstAnalyticsRelationMeta *meta = ensure_meta (buffer, 0);
  if (gst_analytics_relation_meta_add_cls_mtd (meta, n, confidences, labels, &classification) &&
      get_result (meta, id, gst_analytics_od_mtd_get_mtd_type (), &object))
    gst_analytics_relation_meta_set_relation (
        meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, object.id, classification.id);
}
