/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstAnalyticsRelationMeta: what is attached, read back with the public functions of GStreamer
 * alone, and what others attached. Built where GStreamer has it. */
#include "element_kit.h"
#include "fake_engine.h"
#include "gst/analytics.h"
#include "gst/foreign.h"
#include "gst/roi.h"
#include <gst/analytics/analytics.h>
#include <math.h>
#include <string.h>

static const FakeEngine detector = { .n_workers = 0 };
static const FakeEngine classifier = { .is_classifier = TRUE };
static const WeirFrame frame = { .width_px = KIT_WIDTH, .height_px = KIT_HEIGHT };

static GstAnalyticsRelationMeta *relations (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  ck_assert (meta != NULL);
  return meta;
}

/* Results of a type; a buffer without the meta has none. */
static guint n_results (GstBuffer *buffer, GstAnalyticsMtdType type)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  guint n = 0;
  while (meta && gst_analytics_relation_meta_iterate (meta, &state, type, &mtd))
    n++;
  return n;
}

static guint n_objects (GstBuffer *buffer)
{
  return n_results (buffer, gst_analytics_od_mtd_get_mtd_type ());
}

static guint n_rois (GstBuffer *buffer)
{
  return gst_buffer_get_n_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

static guint add_od (
    GstBuffer *buffer, const gchar *label, gint x, gint y, gint w, gint h, gfloat confidence)
{
  GstAnalyticsMtd mtd;
  ck_assert (
      gst_analytics_relation_meta_add_od_mtd (gst_buffer_add_analytics_relation_meta (buffer),
          g_quark_from_string (label), x, y, w, h, confidence, &mtd));
  return mtd.id;
}

/* A track, in this relation to the object; `back`: the relation is the track's. */
static void add_track (
    GstBuffer *buffer, guint id, guint64 track_id, GstAnalyticsRelTypes type, gboolean back)
{
  GstAnalyticsMtd mtd;
  ck_assert (gst_analytics_relation_meta_add_tracking_mtd (relations (buffer), track_id, 0, &mtd));
  ck_assert (gst_analytics_relation_meta_set_relation (
      relations (buffer), type, back ? mtd.id : id, back ? id : mtd.id));
}

static WeirMeta *import (GstBuffer *buffer)
{
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  weir_foreign_import (buffer, meta, &frame);
  return meta;
}

static guint n_foreign (GstBuffer *buffer)
{
  g_autoptr (GArray) list = weir_foreign_list (buffer, weir_buffer_get_meta (buffer), &frame, NULL);
  return list->len;
}

/* One buffer through a launch line. */
static GstBuffer *run (const FakeEngine *engine, const gchar *launch, GstBuffer *buffer)
{
  WeirMeta *meta;
  fake_engine_reset (engine);
  GstHarness *h = kit_harness (launch);
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  gst_harness_teardown (h);
  return buffer;
}

static GstBuffer *detect (void)
{
  return run (&detector, "inferdetect model=a.onnx", kit_buffer (0, 20));
}

static void assert_od (
    GstBuffer *buffer, const WeirMetaObject *object, gint x, gint y, gint w, gint h)
{
  GstAnalyticsODMtd od;
  gint box[4];
  gfloat confidence;
  ck_assert_int_ge (object->analytics_id, 0);
  ck_assert (gst_analytics_relation_meta_get_od_mtd (
      relations (buffer), (guint) object->analytics_id, &od));
  ck_assert (
      gst_analytics_od_mtd_get_location (&od, &box[0], &box[1], &box[2], &box[3], &confidence));
  ck_assert_int_eq (box[0], x);
  ck_assert_int_eq (box[1], y);
  ck_assert_int_eq (box[2], w);
  ck_assert_int_eq (box[3], h);
  ck_assert (confidence == 0.75f);
  ck_assert_str_eq (g_quark_to_string (gst_analytics_od_mtd_get_obj_type (&od)), "thing");
}

static GstAnalyticsRelTypes relation (GstBuffer *buffer, gint first, gint second)
{
  return gst_analytics_relation_meta_get_relation (
      relations (buffer), (guint) first, (guint) second);
}

/* A detection, and one within it. */
START_TEST (test_detections)
{
  GstBuffer *buffer = run (&detector,
      "inferdetect model=a.onnx ! inferdetect model=b.onnx region=roi-list", kit_buffer (0, 20));
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, 2);
  ck_assert_uint_eq (gst_analytics_relation_get_length (relations (buffer)), 2);
  assert_od (buffer, kit_object (meta, 0), 8, 4, 16, 8);
  assert_od (buffer, kit_object (meta, 1), 12, 6, 8, 4);
  const gint parent = kit_object (meta, 0)->analytics_id,
             child = kit_object (meta, 1)->analytics_id;
  ck_assert_int_eq (relation (buffer, child, parent), GST_ANALYTICS_REL_TYPE_IS_PART_OF);
  ck_assert_int_eq (relation (buffer, parent, child), GST_ANALYTICS_REL_TYPE_CONTAIN);
  ck_assert_uint_eq (n_rois (buffer), 2);
  gst_buffer_unref (buffer);
}
END_TEST

/* How many of both kinds a detection, classified, has. */
static const struct {
  const gchar *meta;
  guint n_rois, n_objects;
} meta_rows[] = { { "auto", 1, 1 }, { "roi", 1, 0 }, { "analytics", 0, 1 }, { "both", 1, 1 } };

START_TEST (test_meta_property)
{
  const guint n_analytics = meta_rows[_i].n_objects;
  g_autofree gchar *first =
      g_strdup_printf ("inferdetect model=a.onnx meta=%s", meta_rows[_i].meta);
  g_autofree gchar *second =
      g_strdup_printf ("inferclassify model=a.onnx meta=%s", meta_rows[_i].meta);
  GstBuffer *buffer = run (&detector, first, kit_buffer (0, 20));
  ck_assert_uint_eq (n_rois (buffer), meta_rows[_i].n_rois);
  ck_assert_uint_eq (n_objects (buffer), n_analytics);
  ck_assert_uint_eq (gst_buffer_get_analytics_relation_meta (buffer) != NULL, n_analytics);
  buffer = run (&classifier, second, buffer);
  ck_assert_uint_eq (n_rois (buffer), meta_rows[_i].n_rois);
  ck_assert_uint_eq (n_objects (buffer), n_analytics);
  ck_assert_uint_eq (n_results (buffer, gst_analytics_cls_mtd_get_mtd_type ()), n_analytics);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, 1);
  ck_assert_uint_eq (kit_object (meta, 0)->attributes->len, 1);
  ck_assert_int_eq (kit_object (meta, 0)->analytics_id, n_analytics ? 0 : -1);
  ck_assert_uint_eq (n_foreign (buffer), 0);
  gst_buffer_unref (buffer);
}
END_TEST

/* The only classification that the object relates to; `id` -1: that nothing relates to. */
static GstAnalyticsClsMtd find_classification (GstBuffer *buffer, gint id)
{
  GstAnalyticsMtd found, any;
  gpointer state = NULL;
  const GstAnalyticsMtdType type = gst_analytics_cls_mtd_get_mtd_type ();
  if (id >= 0) {
    ck_assert (gst_analytics_relation_meta_get_direct_related (
        relations (buffer), (guint) id, GST_ANALYTICS_REL_TYPE_RELATE_TO, type, &state, &found));
    ck_assert (!gst_analytics_relation_meta_get_direct_related (
        relations (buffer), (guint) id, GST_ANALYTICS_REL_TYPE_RELATE_TO, type, &state, &any));
    return found;
  }
  ck_assert (gst_analytics_relation_meta_iterate (relations (buffer), &state, type, &found));
  const gsize n = gst_analytics_relation_get_length (relations (buffer));
  for (gsize i = 0; i < n; i++)
    ck_assert_int_eq (relation (buffer, (gint) i, (gint) found.id), GST_ANALYTICS_REL_TYPE_NONE);
  return found;
}

static void assert_dark (GstBuffer *buffer, gint id)
{
  const GstAnalyticsClsMtd found = find_classification (buffer, id);
  ck_assert_uint_eq (gst_analytics_cls_mtd_get_length (&found), 1);
  ck_assert_str_eq (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&found, 0)), "dark");
}

START_TEST (test_classifications)
{
  GstBuffer *buffer = run (&classifier, "inferclassify model=b.onnx", detect ());
  assert_dark (buffer, kit_object (weir_buffer_get_meta (buffer), 0)->analytics_id);
  gst_buffer_unref (buffer);
  buffer = run (&classifier, "inferclassify model=b.onnx region=full-frame", kit_buffer (0, 20));
  ck_assert_int_eq (kit_object (weir_buffer_get_meta (buffer), 0)->analytics_id, -1);
  ck_assert_uint_eq (n_objects (buffer), 0);
  assert_dark (buffer, -1);
  gst_buffer_unref (buffer);
}
END_TEST

/* All classes of an attribute, best first; an answer that is no class would stay in memory. */
START_TEST (test_all_classes)
{
  GstBuffer *buffer = detect ();
  WeirMetaObject *object = kit_object (weir_buffer_get_meta (buffer), 0);
  WeirMetaAttribute *mood = weir_meta_object_add_attribute (object, "mood", "net");
  weir_meta_attribute_add_class (mood, "happy", 4, 0.75);
  weir_meta_attribute_add_class (mood, "sad", 1, 0.125);
  weir_meta_attribute_add_class (mood, "none", 2, NAN);
  weir_analytics_add_attribute (buffer, object->analytics_id, mood);
  WeirMetaAttribute *text = weir_meta_object_add_attribute (object, "text", "net");
  weir_meta_attribute_add_class (text, "never seen before: 5317", WEIR_NO_CLASS, 0.5);
  weir_analytics_add_attribute (buffer, object->analytics_id, text);
  const GstAnalyticsClsMtd found = find_classification (buffer, object->analytics_id);
  static const gchar *const labels[] = { "happy", "sad", "none" };
  static const gfloat levels[] = { 0.75f, 0.125f, 0 };
  ck_assert_uint_eq (gst_analytics_cls_mtd_get_length (&found), 3);
  for (guint i = 0; i < 3; i++) {
    ck_assert_str_eq (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&found, i)), labels[i]);
    ck_assert (gst_analytics_cls_mtd_get_level (&found, i) == levels[i]);
  }
  ck_assert_uint_eq (g_quark_try_string ("never seen before: 5317"), 0);
  gst_buffer_unref (buffer);
}
END_TEST

/* The part in the picture of 32 × 16; width 0: left out. */
static const struct {
  gint x, y, w, h;
  WeirRegion box;
} box_rows[] = {
  { 3, 2, 5, 6, { 3, 2, 5, 6 } },
  { -3, -2, 5, 6, { 0, 0, 2, 4 } },
  { 30, 5, 10, 100, { 30, 5, 2, 11 } },
  { -10, -10, 100, 100, { 0, 0, 32, 16 } },
  { -5, 0, 5, 4, { 0 } },
  { 32, 0, 4, 4, { 0 } },
  { 4, 4, 0, 4, { 0 } },
  { 4, 4, -4, 4, { 0 } },
  { 20, 4, G_MININT, 4, { 0 } },
  { 0, 0, G_MAXINT, G_MAXINT, { 0, 0, 32, 16 } },
  { G_MAXINT, G_MAXINT, G_MAXINT, G_MAXINT, { 0 } },
  { G_MININT, G_MININT, G_MAXINT, G_MAXINT, { 0 } },
};

START_TEST (test_foreign_box)
{
  const WeirRegion *box = &box_rows[_i].box;
  GstBuffer *buffer = kit_buffer (0, 20);
  add_od (buffer, "car", box_rows[_i].x, box_rows[_i].y, box_rows[_i].w, box_rows[_i].h, 0.5f);
  g_autoptr (GArray) list = weir_foreign_list (buffer, NULL, &frame, NULL);
  ck_assert_uint_eq (list->len, box->width_px > 0);
  if (list->len > 0)
    ck_assert (memcmp (&g_array_index (list, WeirForeign, 0).box, box, sizeof *box) == 0);
  const guint n = list->len;
  buffer = run (&classifier, "inferclassify model=a.onnx ! inferclassify model=b.onnx", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, n);
  if (n > 0) {
    ck_assert_str_eq (kit_object (meta, 0)->label, "car");
    ck_assert (kit_object (meta, 0)->confidence == 0.5);
    ck_assert_uint_eq (kit_object (meta, 0)->attributes->len, 2);
  }
  gst_buffer_unref (buffer);
}
END_TEST

static const struct {
  gfloat said;
  gdouble read;
} confidence_rows[] = { { 0.25f, 0.25 }, { -1, 0 }, { 77, 1 }, { NAN, 0 }, { INFINITY, 1 } };

START_TEST (test_foreign_confidence)
{
  GstBuffer *buffer = kit_buffer (0, 20);
  add_od (buffer, NULL, 0, 0, 4, 4, confidence_rows[_i].said);
  buffer = run (&classifier, "inferclassify model=a.onnx", buffer);
  const WeirMetaObject *object = kit_object (weir_buffer_get_meta (buffer), 0);
  ck_assert (object->confidence == confidence_rows[_i].read);
  ck_assert (!object->label);
  assert_dark (buffer, object->analytics_id);
  gst_buffer_unref (buffer);
}
END_TEST

/* An element that attaches both kinds has found one object. What is equal otherwise is two. */
START_TEST (test_both_kinds_are_one_object)
{
  GstBuffer *buffer = kit_buffer (0, 20);
  gst_buffer_add_video_region_of_interest_meta (buffer, "car", 1, 2, 8, 8)->id = 3;
  gst_buffer_add_video_region_of_interest_meta (buffer, "bus", 1, 2, 8, 8)->id = 4;
  gst_buffer_add_video_region_of_interest_meta (buffer, "car", 20, 2, 50, 8)->id = 5;
  add_od (buffer, "cab", 1, 2, 8, 8, 0.5f);
  const guint twin = add_od (buffer, "car", 1, 2, 8, 8, 0.5f);
  add_od (buffer, "car", 1, 2, 8, 8, 0.5f); /* the region of interest is taken */
  const guint clipped = add_od (buffer, "car", 20, 2, 12, 8, 0.5f);
  ck_assert_uint_eq (n_foreign (buffer), 5);
  buffer = run (&classifier, "inferclassify model=a.onnx ! inferclassify model=b.onnx", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, 5);
  ck_assert_int_eq (kit_object (meta, 0)->analytics_id, (gint) twin);
  ck_assert_int_eq (kit_object (meta, 2)->analytics_id, (gint) clipped);
  ck_assert_uint_eq (n_rois (buffer), 5); /* now each object has both */
  ck_assert_uint_eq (n_objects (buffer), 5);
  gst_buffer_unref (buffer);
}
END_TEST

/* Three objects; a child is part of its parent, or the parent contains it. */
START_TEST (test_foreign_parents)
{
  GstBuffer *buffer = kit_buffer (0, 20);
  const guint part = add_od (buffer, "hand", 4, 4, 4, 4, 0.5f);
  const guint whole = add_od (buffer, "man", 0, 0, 16, 16, 0.5f);
  const guint contained = add_od (buffer, "face", 1, 1, 4, 4, 0.5f);
  const guint beyond = add_od (buffer, "sky", 100, 100, 4, 4, 0.5f);
  GstAnalyticsRelationMeta *r = relations (buffer);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, part, whole);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_CONTAIN, whole, contained);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, whole, beyond);
  WeirMeta *meta = import (buffer);
  ck_assert_uint_eq (meta->objects->len, 3);
  const guint man = kit_object (meta, 1)->region_id;
  ck_assert_uint_eq (kit_object (meta, 0)->parent_id, man);
  ck_assert_uint_eq (kit_object (meta, 1)->parent_id, 0);
  ck_assert_uint_eq (kit_object (meta, 2)->parent_id, man);
  gst_buffer_unref (buffer);
}
END_TEST

/* Circles, an object that is part of itself, and relations to ids that nobody has. */
START_TEST (test_senseless_relations)
{
  GstBuffer *buffer = kit_buffer (0, 20);
  const guint a = add_od (buffer, "a", 4, 4, 4, 4, 0.5f),
              b = add_od (buffer, "b", 0, 0, 8, 8, 0.5f);
  GstAnalyticsRelationMeta *r = relations (buffer);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, a, b);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, b, a);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, a, a);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_IS_PART_OF, a, 4);
  gst_analytics_relation_meta_set_relation (r, GST_ANALYTICS_REL_TYPE_RELATE_TO, a, 3);
  WeirMeta *meta = import (buffer);
  ck_assert_uint_eq (meta->objects->len, 2);
  ck_assert_uint_eq (kit_object (meta, 0)->parent_id, kit_object (meta, 1)->region_id);
  ck_assert_uint_eq (kit_object (meta, 1)->parent_id, 0);
  ck_assert_uint_eq (kit_object (meta, 0)->track_id, 0);
  gst_buffer_unref (buffer);
}
END_TEST

static const struct {
  GstAnalyticsRelTypes type;
  gboolean back;
} track_rows[] = {
  { GST_ANALYTICS_REL_TYPE_RELATE_TO, FALSE },
  { GST_ANALYTICS_REL_TYPE_RELATE_TO, TRUE },
  { GST_ANALYTICS_REL_TYPE_IS_PART_OF, FALSE },
};

/* A tracker between our elements, and one behind a foreign detector. */
START_TEST (test_tracks)
{
  guint64 own[1];
  GstBuffer *buffer = detect ();
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  const guint mine = (guint) kit_object (meta, 0)->analytics_id;
  add_track (buffer, mine, G_MAXUINT64 - 1, track_rows[_i].type, track_rows[_i].back);
  const guint other = add_od (buffer, "car", 1, 1, 4, 4, 0.5f);
  add_track (buffer, other, 9, track_rows[_i].type, track_rows[_i].back);
  add_od (buffer, "car", 2, 1, 4, 4, 0.5f);
  g_autoptr (GArray) list = weir_foreign_list (buffer, meta, &frame, own);
  ck_assert (own[0] == G_MAXUINT64 - 1);
  ck_assert_uint_eq (g_array_index (list, WeirForeign, 0).track_id, 9);
  buffer = run (&classifier, "inferclassify model=a.onnx", buffer);
  meta = weir_buffer_get_meta (buffer);
  ck_assert (kit_object (meta, 0)->track_id == G_MAXUINT64 - 1);
  ck_assert_uint_eq (kit_object (meta, 1)->track_id, 9);
  ck_assert_uint_eq (kit_object (meta, 2)->track_id, 0);
  gst_buffer_unref (buffer);
}
END_TEST

/* An element between took the meta away, or put another in its place: ours is attached again where
 * it is needed, and nothing is related to what is another's. */
START_TEST (test_lost_meta)
{
  GstBuffer *buffer = detect ();
  ck_assert (gst_buffer_remove_meta (buffer, (GstMeta *) relations (buffer)));
  if (_i > 0)
    ck_assert_uint_eq (add_od (buffer, "car", 1, 1, 4, 4, 0.5f), 0);
  if (_i > 1)
    add_od (buffer, "thing", 8, 4, 16, 8, 0.75f); /* as ours was, at another id */
  buffer = run (&classifier, "inferclassify model=a.onnx classes=thing", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, _i > 0 ? 2 : 1);
  ck_assert_int_eq (kit_object (meta, 0)->analytics_id, _i > 0 ? 1 : 0);
  ck_assert_uint_eq (n_objects (buffer), meta->objects->len);
  assert_od (buffer, kit_object (meta, 0), 8, 4, 16, 8);
  assert_dark (buffer, kit_object (meta, 0)->analytics_id);
  gst_buffer_unref (buffer);
}
END_TEST

/* The other branch of a tee keeps its results as they were. */
START_TEST (test_shared_buffer_is_not_written)
{
  GstBuffer *shared = kit_buffer (0, 20);
  add_od (shared, "car", 1, 1, 4, 4, 0.5f);
  GstBuffer *buffer = run (&classifier, "inferclassify model=a.onnx", gst_buffer_ref (shared));
  ck_assert (buffer != shared);
  assert_dark (buffer, 0);
  ck_assert_uint_eq (gst_analytics_relation_get_length (relations (shared)), 1);
  ck_assert (!weir_buffer_get_meta (shared));
  gst_buffer_unref (buffer);
  gst_buffer_unref (shared);
}
END_TEST

/* Objects of both sides go through converters, with every kind of metadata, and are seen once. */
static const struct {
  const gchar *meta, *first, *second;
} scale_rows[] = {
  { "analytics", "width=32,height=16", "width=33,height=15" },
  { "analytics", "width=77,height=31", "width=13,height=50" },
  { "analytics", "width=3,height=3", "width=1920,height=1080" },
  { "both", "width=640,height=479", "width=31,height=17" },
  { "roi", "width=77,height=31", "width=13,height=50" },
};

START_TEST (test_converters_between)
{
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify model=a.onnx meta=%s ! videoscale ! video/x-raw,%s ! videoconvert "
      "! video/x-raw,format=NV12 ! inferclassify model=b.onnx meta=%s ! videoscale "
      "! video/x-raw,%s ! inferclassify model=c.onnx meta=%s",
      scale_rows[_i].meta, scale_rows[_i].first, scale_rows[_i].meta, scale_rows[_i].second,
      scale_rows[_i].meta);
  GstBuffer *buffer = detect ();
  add_od (buffer, "car", -3, -5, 11, 12, 0.5f);
  add_od (buffer, "car", 27, 9, 30, 12, 0.5f);
  gst_buffer_add_video_region_of_interest_meta (buffer, "bus", 25, 3, 50, 50);
  buffer = run (&classifier, launch, buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, 4);
  for (guint i = 0; i < 4; i++)
    ck_assert_uint_eq (kit_object (meta, i)->attributes->len, 3);
  gst_buffer_unref (buffer);
}
END_TEST

#define N_MANY 500

START_TEST (test_many_objects)
{
  GstBuffer *buffer = detect ();
  for (guint i = 0; i < N_MANY; i++)
    add_od (buffer, "car", (gint) (i % 30), (gint) (i / 30 % 14), 2, 2, 0.5f);
  buffer = run (&classifier, "inferclassify model=a.onnx", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, N_MANY + 1);
  ck_assert_uint_eq (n_objects (buffer), N_MANY + 1);
  ck_assert_uint_eq (n_rois (buffer), N_MANY + 1);
  for (guint i = 0; i <= N_MANY; i++)
    assert_dark (buffer, kit_object (meta, i)->analytics_id);
  gst_buffer_unref (buffer);
}
END_TEST

/* Relations would take more memory than the machine has: beyond a limit objects are in WeirMeta and
 * regions of interest alone, and nothing is related to what is not there. */
START_TEST (test_too_many_objects)
{
  const guint n = WEIR_ANALYTICS_MAX_RESULTS + 100;
  GstBuffer *buffer = kit_buffer (0, 20);
  for (guint i = 0; i < n; i++)
    gst_buffer_add_video_region_of_interest_meta (buffer, "car", i % 30, i / 30 % 14, 2, 2);
  buffer = run (&(FakeEngine){ .n_workers = 1 },
      "inferdetect model=a.onnx region=roi-list ! inferclassify model=classify.onnx", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (meta->objects->len, 2 * n);
  ck_assert_uint_eq (n_rois (buffer), 2 * n);
  ck_assert_uint_eq (n_objects (buffer), WEIR_ANALYTICS_MAX_RESULTS);
  ck_assert_uint_eq (
      gst_analytics_relation_get_length (relations (buffer)), WEIR_ANALYTICS_MAX_RESULTS);
  for (guint i = 0; i < n; i++)
    ck_assert_int_eq (
        kit_object (meta, n + i)->analytics_id, i < WEIR_ANALYTICS_MAX_RESULTS ? (gint) i : -1);
  gst_buffer_unref (buffer);
}
END_TEST

/* A meta that others made as small as one can: it grows result by result. */
START_TEST (test_small_meta)
{
  const GstAnalyticsRelationMetaInitParams params = { .initial_relation_order = 1 };
  GstBuffer *buffer = kit_buffer (0, 20);
  gst_buffer_add_analytics_relation_meta_full (
      buffer, (GstAnalyticsRelationMetaInitParams *) &params);
  for (gint i = 0; i < 20; i++)
    add_od (buffer, "car", i, 2, 4, 4, 0.5f);
  buffer = run (&(FakeEngine){ .n_workers = 1 },
      "inferdetect model=a.onnx region=roi-list ! inferclassify model=classify.onnx", buffer);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  ck_assert_uint_eq (n_objects (buffer), 40);
  for (guint i = 0; i < 40; i++)
    assert_dark (buffer, kit_object (meta, i)->analytics_id);
  gst_buffer_unref (buffer);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("analytics");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_detections);
  tcase_add_loop_test (tcase, test_meta_property, 0, G_N_ELEMENTS (meta_rows));
  tcase_add_test (tcase, test_classifications);
  tcase_add_test (tcase, test_all_classes);
  tcase_add_loop_test (tcase, test_foreign_box, 0, G_N_ELEMENTS (box_rows));
  tcase_add_loop_test (tcase, test_foreign_confidence, 0, G_N_ELEMENTS (confidence_rows));
  tcase_add_test (tcase, test_both_kinds_are_one_object);
  tcase_add_test (tcase, test_foreign_parents);
  tcase_add_test (tcase, test_senseless_relations);
  tcase_add_loop_test (tcase, test_tracks, 0, G_N_ELEMENTS (track_rows));
  tcase_add_loop_test (tcase, test_lost_meta, 0, 3);
  tcase_add_test (tcase, test_shared_buffer_is_not_written);
  tcase_add_loop_test (tcase, test_converters_between, 0, G_N_ELEMENTS (scale_rows));
  tcase_add_test (tcase, test_many_objects);
  tcase_add_test (tcase, test_too_many_objects);
  tcase_add_test (tcase, test_small_meta);
  return kit_run (tcase);
}
