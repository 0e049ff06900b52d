/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects that elements of others attached as regions of interest: taken up once, beside ours,
 * whatever their numbers. */
#include "element_kit.h"
#include "fake_engine.h"
#include "gst/foreign.h"
#include "gst/roi.h"
#include <math.h>
#include <string.h>
#include <time.h>

static const FakeEngine detector = { .n_workers = 0 };
static const FakeEngine classifier = { .is_classifier = TRUE };
static const WeirFrame frame = { .width_px = KIT_WIDTH, .height_px = KIT_HEIGHT };

static GstVideoRegionOfInterestMeta *add_roi (
    GstBuffer *buffer, const gchar *type, gint id, guint x, guint y, guint w, guint h)
{
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta (buffer, type, x, y, w, h);
  roi->id = id;
  return roi;
}

static GstVideoRegionOfInterestMeta *nth_roi (GstBuffer *buffer, guint n)
{
  gpointer state = NULL;
  GstVideoRegionOfInterestMeta *roi = weir_roi_next (buffer, &state);
  while (n-- > 0)
    roi = weir_roi_next (buffer, &state);
  ck_assert (roi != NULL);
  return roi;
}

static guint n_rois (GstBuffer *buffer)
{
  return gst_buffer_get_n_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

/* Imported into a new WeirMeta. */
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

/* The part in the picture of 32 × 16; width 0: left out. */
static const struct {
  guint x, y, w, h;
  WeirRegion box;
} box_rows[] = {
  { 3, 2, 5, 6, { 3, 2, 5, 6 } },
  { 0, 0, 32, 16, { 0, 0, 32, 16 } },
  { 30, 5, 10, 100, { 30, 5, 2, 11 } },
  { 31, 15, G_MAXUINT, G_MAXUINT, { 31, 15, 1, 1 } },
  { 32, 0, 4, 4, { 0 } },
  { 0, 16, 4, 4, { 0 } },
  { 4, 4, 0, 4, { 0 } },
  { 4, 4, 4, 0, { 0 } },
  { G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT, { 0 } },
};

START_TEST (test_box)
{
  const WeirRegion *box = &box_rows[_i].box;
  GstBuffer *buffer = kit_buffer (0, 0);
  add_roi (buffer, "face", 4, box_rows[_i].x, box_rows[_i].y, box_rows[_i].w, box_rows[_i].h);
  g_autoptr (GArray) list = weir_foreign_list (buffer, NULL, &frame, NULL);
  ck_assert_uint_eq (list->len, box->width_px > 0);
  WeirMeta *meta = import (buffer);
  ck_assert_uint_eq (meta->objects->len, list->len);
  if (list->len > 0) {
    WeirRegion pixels;
    ck_assert (memcmp (&g_array_index (list, WeirForeign, 0).box, box, sizeof *box) == 0);
    weir_meta_object_pixels (kit_object (meta, 0), KIT_WIDTH, KIT_HEIGHT, &pixels);
    ck_assert (memcmp (&pixels, box, sizeof *box) == 0);
  }
  ck_assert_uint_eq (n_foreign (buffer), 0);
  gst_buffer_unref (buffer);
}
END_TEST

/* Ids 1 (a detection, at 8,4 16x8) and 2 are ours. */
static void add_own (GstBuffer *buffer)
{
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  for (guint i = 0; i < 2; i++) {
    WeirMetaObject *object = weir_meta_add_object (meta);
    object->region_id = i + 1;
    object->is_detection = i == 0;
    object->label = g_strdup ("thing");
    object->x_min = object->y_min = 0.25;
    object->x_max = object->y_max = 0.75;
  }
  kit_object (meta, 0)->box = (WeirBox){ 8, 4, 16, 8 };
  WeirRois *rois = weir_rois_new (buffer);
  weir_rois_add (rois, kit_object (meta, 0));
  weir_rois_free (rois);
}

/* Region ids and parents that four regions of interest come with and get. */
static const struct {
  gint ids[4], parents[4];
  guint new_ids[4], new_parents[4];
} id_rows[] = {
  { { 7, 5, 9, 3 }, { 0, 7, 5, 0 }, { 7, 5, 9, 3 }, { 0, 7, 5, 0 } },
  /* no ids */
  { { 0, 0, -4, G_MININT }, { 0, 0, -1, G_MININT }, { 3, 4, 5, 6 }, { 0, 0, 0, 0 } },
  /* taken by ours, by each other; the children of 1 are those of the foreign one */
  { { 1, 2, 8, 8 }, { 0, 1, 1, 8 }, { 9, 10, 8, 11 }, { 0, 9, 9, 8 } },
  /* part of an object of ours */
  { { 4, 5, 6, 7 }, { 1, 2, 0, 0 }, { 4, 5, 6, 7 }, { 1, 2, 0, 0 } },
  /* parents that there are not, itself, circles, parents that come later */
  { { 4, 5, 6, 7 }, { 99, 5, 7, 6 }, { 4, 5, 6, 7 }, { 0, 0, 7, 0 } },
  /* huge */
  { { G_MAXINT, G_MAXINT - 1, 3, G_MAXINT }, { 3, G_MAXINT, G_MAXINT, G_MAXINT - 1 },
      { 4, 5, 3, 6 }, { 3, 4, 0, 5 } },
};

START_TEST (test_ids)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  add_own (buffer);
  for (guint i = 0; i < 4; i++)
    add_roi (buffer, "face", id_rows[_i].ids[i], i, 0, 4, 4)->parent_id = id_rows[_i].parents[i];
  ck_assert_uint_eq (n_foreign (buffer), 4);
  WeirMeta *meta = import (buffer);
  ck_assert_uint_eq (meta->objects->len, 6);
  for (guint i = 0; i < 4; i++) {
    const WeirMetaObject *object = kit_object (meta, 2 + i);
    const GstVideoRegionOfInterestMeta *roi = nth_roi (buffer, 1 + i);
    ck_assert_uint_eq (object->region_id, id_rows[_i].new_ids[i]);
    ck_assert_uint_eq (object->parent_id, id_rows[_i].new_parents[i]);
    ck_assert_int_eq (roi->id, (gint) object->region_id);
    ck_assert_int_eq (roi->parent_id, (gint) object->parent_id);
    ck_assert_int_eq (object->box.x_px, (gint) i);
  }
  ck_assert_uint_eq (n_foreign (buffer), 0);
  gst_buffer_unref (buffer);
}
END_TEST

static const struct {
  gdouble said, read;
} confidence_rows[] = { { 0.25, 0.25 }, { 1, 1 }, { -3, 0 }, { 1e300, 1 }, { NAN, 0 },
  { INFINITY, 1 }, { -INFINITY, 0 } };

START_TEST (test_confidence)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  gst_video_region_of_interest_meta_add_param (add_roi (buffer, "face", 4, 0, 0, 4, 4),
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, confidence_rows[_i].said,
          "label_id", G_TYPE_INT, 11, NULL));
  const WeirMetaObject *object = kit_object (import (buffer), 0);
  ck_assert (object->confidence == confidence_rows[_i].read);
  ck_assert_int_eq (object->label_id, 11);
  ck_assert_str_eq (object->label, "face");
  gst_buffer_unref (buffer);
}
END_TEST

/* Neither label nor `detection`, or one whose fields have other types: no reason to fall over. */
START_TEST (test_bare_region)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  gst_buffer_add_video_region_of_interest_meta_id (buffer, 0, 1, 1, 4, 4);
  gst_video_region_of_interest_meta_add_param (add_roi (buffer, "", 4, 0, 0, 4, 4),
      gst_structure_new ("detection", "confidence", G_TYPE_STRING, "much", "label_id",
          G_TYPE_STRING, "one", NULL));
  WeirMeta *meta = import (buffer);
  ck_assert (!kit_object (meta, 0)->label);
  ck_assert_str_eq (kit_object (meta, 1)->label, "");
  for (guint i = 0; i < 2; i++) {
    ck_assert (kit_object (meta, i)->confidence == 0);
    ck_assert_int_eq (kit_object (meta, i)->label_id, 0);
  }
  gst_buffer_unref (buffer);
}
END_TEST

static GstStructure *track (GType type, const gchar *text)
{
  GValue value = G_VALUE_INIT;
  GstStructure *structure = gst_structure_new_empty ("object_id");
  g_value_init (&value, type);
  ck_assert (gst_value_deserialize (&value, text));
  gst_structure_take_value (structure, "id", &value);
  return structure;
}

/* As trackers write it: DL Streamer's an int. */
START_TEST (test_track_ids)
{
  const struct {
    GType type;
    const gchar *text;
    guint64 track_id;
  } rows[] = {
    { G_TYPE_INT, "12", 12 },
    { G_TYPE_INT, "-12", 0 },
    { G_TYPE_UINT, "4294967295", G_MAXUINT32 },
    { G_TYPE_INT64, "1099511627776", G_GUINT64_CONSTANT (1) << 40 },
    { G_TYPE_INT64, "-1", 0 },
    { G_TYPE_UINT64, "18446744073709551615", G_MAXUINT64 },
    { G_TYPE_STRING, "12", 0 },
    { G_TYPE_DOUBLE, "12", 0 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstBuffer *buffer = kit_buffer (0, 0);
    add_own (buffer);
    for (guint k = 0; k < 2; k++) {
      if (k == 1)
        add_roi (buffer, "face", 4, 0, 0, 4, 4);
      gst_video_region_of_interest_meta_add_param (
          nth_roi (buffer, k), track (rows[i].type, rows[i].text));
    }
    guint64 own[2];
    WeirMeta *meta = weir_buffer_get_meta (buffer);
    g_autoptr (GArray) list = weir_foreign_list (buffer, meta, &frame, own);
    ck_assert_uint_eq (own[0], rows[i].track_id);
    ck_assert_uint_eq (own[1], 0);
    ck_assert_uint_eq (g_array_index (list, WeirForeign, 0).track_id, rows[i].track_id);
    weir_foreign_import (buffer, meta, &frame);
    ck_assert_uint_eq (kit_object (meta, 0)->track_id, rows[i].track_id);
    ck_assert_uint_eq (kit_object (meta, 2)->track_id, rows[i].track_id);
    gst_buffer_unref (buffer);
  }
}
END_TEST

/* Of the same id, but elsewhere: not ours. */
static const struct {
  guint x, y, w, h;
  guint n_foreign;
} near_rows[] = {
  { 8, 4, 16, 8, 0 },
  { 9, 3, 16, 10, 0 },
  { 7, 4, 18, 8, 0 },
  { 10, 4, 14, 8, 1 },
  { 8, 4, 18, 8, 1 },
  { 8, 4, 16, 6, 1 },
};

START_TEST (test_ours_is_near)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  add_own (buffer);
  GstVideoRegionOfInterestMeta *roi = nth_roi (buffer, 0);
  roi->x = near_rows[_i].x;
  roi->y = near_rows[_i].y;
  roi->w = near_rows[_i].w;
  roi->h = near_rows[_i].h;
  ck_assert_uint_eq (n_foreign (buffer), near_rows[_i].n_foreign);
  gst_buffer_unref (buffer);
}
END_TEST

/* What inferdetect gives, outside of any pipeline. */
static GstBuffer *detect (GstBuffer *buffer)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=a.onnx");
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  gst_harness_teardown (h);
  return buffer;
}

/* A foreign detector beside inferdetect, and a classifier for the objects of both; a second one
 * finds the same objects, no more. */
START_TEST (test_classify_beside_ours)
{
  WeirMeta *meta;
  GstBuffer *buffer = detect (kit_buffer (0, 20));
  add_roi (buffer, "face", 1, 3, 2, 5, 5);
  add_roi (buffer, "hand", 0, 9, 9, 5, 5);
  fake_engine_reset (&classifier);
  GstHarness *h =
      kit_harness ("inferclassify model=a.onnx ! inferclassify model=b.onnx classes=face,thing "
                   "! inferclassify model=c.onnx");
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 3);
  ck_assert_uint_eq (n_rois (buffer), 3);
  for (guint i = 0; i < 3; i++) {
    const GstVideoRegionOfInterestMeta *roi = nth_roi (buffer, i);
    ck_assert_uint_eq (kit_object (meta, i)->attributes->len, i < 2 ? 3 : 2);
    ck_assert_uint_eq (kit_object (meta, i)->region_id, i + 1);
    ck_assert_int_eq (roi->id, (gint) i + 1);
  }
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* Objects found in objects of both kinds are their children. */
START_TEST (test_detect_inside_both)
{
  WeirMeta *meta;
  GstBuffer *buffer = detect (kit_buffer (0, 20));
  add_roi (buffer, "face", 40, 4, 4, 8, 8);
  GstHarness *h = kit_harness ("inferdetect model=b.onnx region=roi-list");
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 4);
  ck_assert_uint_eq (kit_object (meta, 2)->parent_id, 1);
  ck_assert_uint_eq (kit_object (meta, 3)->parent_id, 40);
  ck_assert_int_eq (nth_roi (buffer, 3)->parent_id, 40);
  ck_assert_uint_eq (nth_roi (buffer, 3)->x, 6);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* A frame that is not looked at says so, and still has what others found. */
START_TEST (test_detect_inside_at_intervals)
{
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=b.onnx region=roi-list interval=2");
  for (guint i = 0; i < 4; i++) {
    WeirMeta *meta;
    const gboolean looks = i % 2 == 0;
    GstBuffer *buffer = kit_buffer (i, 20);
    add_roi (buffer, "face", 40, 4, 4, 8, 8);
    gst_harness_push (h, buffer);
    buffer = kit_pull (h, &meta);
    kit_assert_status (
        meta, looks ? WEIR_STATUS_INFERRED : WEIR_STATUS_SKIPPED, looks ? NULL : "interval");
    ck_assert_uint_eq (meta->objects->len, looks ? 2 : 1);
    ck_assert_uint_eq (kit_object (meta, 0)->region_id, 40);
    ck_assert_uint_eq (n_rois (buffer), looks ? 2 : 1);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_items (), 2);
  gst_harness_teardown (h);
}
END_TEST

/* The other branch of a tee keeps its regions as they were. */
START_TEST (test_shared_buffer_is_not_written)
{
  WeirMeta *meta;
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=a.onnx");
  GstBuffer *shared = kit_buffer (0, 20);
  add_roi (shared, "face", 0, 3, 2, 5, 5);
  add_roi (shared, "face", 0, 4, 2, 5, 5)->parent_id = 12;
  gst_harness_push (h, gst_buffer_ref (shared));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 2);
  ck_assert_int_eq (nth_roi (buffer, 1)->id, 2);
  ck_assert_int_eq (nth_roi (buffer, 1)->parent_id, 0);
  ck_assert (!weir_buffer_get_meta (shared));
  for (guint i = 0; i < 2; i++) {
    ck_assert_int_eq (nth_roi (shared, i)->id, 0);
    ck_assert (!nth_roi (shared, i)->params);
  }
  ck_assert_int_eq (nth_roi (shared, 1)->parent_id, 12);
  gst_buffer_unref (buffer);
  gst_buffer_unref (shared);
  gst_harness_teardown (h);
}
END_TEST

#define N_MANY 500

/* Hundreds of objects in a frame, each classified for what it is. */
START_TEST (test_many_objects)
{
  WeirMeta *meta;
  GstBuffer *buffer = detect (kit_buffer (0, 20));
  for (guint i = 0; i < N_MANY; i++) {
    const guint x = i % (KIT_WIDTH - 2), y = i / (KIT_WIDTH - 2) % (KIT_HEIGHT - 2);
    add_roi (buffer, "face", (gint) i, x, y, 2, 2);
    gst_buffer_memset (buffer, y * KIT_WIDTH + x, (guint8) (x + y), 1);
  }
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=a.onnx ! inferclassify model=b.onnx");
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, N_MANY + 1);
  ck_assert_uint_eq (fake_engine_n_items (), 2 * (N_MANY + 1));
  for (guint i = 1; i <= N_MANY; i++) {
    const WeirMetaObject *object = kit_object (meta, i);
    ck_assert_uint_eq (object->attributes->len, 2);
    const WeirMetaAttribute *shade = &g_array_index (object->attributes, WeirMetaAttribute, 1);
    ck_assert_int_eq (g_array_index (shade->classes, WeirMetaClass, 0).label_id,
        object->box.x_px + object->box.y_px);
    ck_assert (weir_meta_find_object (meta, object->region_id) == object);
  }
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

#define N_HOSTILE 40000

/* Each is part of the one before, all have the same place, some the same id: work that grows with
 * the square of their number would take minutes. */
START_TEST (test_thousands)
{
  const clock_t start = clock ();
  WeirMeta *meta;
  GstBuffer *buffer = kit_buffer (0, 20);
  for (gint i = 0; i < N_HOSTILE; i++)
    add_roi (buffer, "face", i % 10 ? i : 7, (guint) i % 30, (guint) i / 30 % 14, 2, 2)->parent_id =
        i - 1;
  fake_engine_reset (&(FakeEngine){ .n_workers = 1 });
  GstHarness *h = kit_harness ("inferdetect model=a.onnx region=roi-list meta=roi "
                               "! inferclassify model=classify.onnx meta=roi");
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 2 * N_HOSTILE);
  ck_assert_uint_eq (n_rois (buffer), 2 * N_HOSTILE);
  for (guint i = 0; i < N_HOSTILE; i++) {
    const WeirMetaObject *child = kit_object (meta, N_HOSTILE + i);
    ck_assert_uint_eq (child->parent_id, kit_object (meta, i)->region_id);
    ck_assert_uint_eq (child->attributes->len, 1);
    ck_assert_uint_gt (child->region_id, kit_object (meta, N_HOSTILE + i - 1)->region_id);
  }
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
  ck_assert_int_lt ((clock () - start) / CLOCKS_PER_SEC, 20);
}
END_TEST

/* Converters between our elements scale the public metas in their own way: objects are still seen
 * once. */
static const struct {
  const gchar *first, *second;
} scale_rows[] = {
  { "width=32,height=16", "width=32,height=16" },
  { "width=16,height=8", "width=33,height=15" },
  { "width=77,height=31", "width=13,height=50" },
  { "width=640,height=479", "width=31,height=17" },
  { "width=3,height=3", "width=1920,height=1080" },
};

START_TEST (test_converters_between)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  g_autofree gchar *launch = g_strdup_printf (
      "inferdetect model=a.onnx ! inferdetect model=b.onnx region=roi-list ! videoscale "
      "! video/x-raw,%s ! videoconvert ! video/x-raw,format=I420 "
      "! inferdetect model=c.onnx region=roi-list ! videoscale ! video/x-raw,%s "
      "! inferdetect model=d.onnx region=roi-list",
      scale_rows[_i].first, scale_rows[_i].second);
  GstHarness *h = kit_harness (launch);
  gst_harness_push (h, kit_buffer (0, 20));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 8);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* A foreign object is taken up before a converter and not a second time behind it. */
START_TEST (test_converters_between_foreign)
{
  WeirMeta *meta;
  fake_engine_reset (&classifier);
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify model=a.onnx ! videoscale ! video/x-raw,%s ! inferclassify model=b.onnx "
      "! videoscale ! video/x-raw,%s ! inferclassify model=c.onnx",
      scale_rows[_i].first, scale_rows[_i].second);
  GstHarness *h = kit_harness (launch);
  GstBuffer *buffer = kit_buffer (0, 20);
  add_roi (buffer, "face", 0, 3, 1, 7, 5);
  add_roi (buffer, "face", 1, 27, 11, 70, 50);
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 2);
  for (guint i = 0; i < 2; i++)
    ck_assert_uint_eq (kit_object (meta, i)->attributes->len, 3);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* No public meta at all. */
START_TEST (test_none)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  ck_assert_uint_eq (n_foreign (buffer), 0);
  ck_assert_uint_eq (import (buffer)->objects->len, 0);
  gst_buffer_unref (buffer);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("foreign");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_box, 0, G_N_ELEMENTS (box_rows));
  tcase_add_loop_test (tcase, test_ids, 0, G_N_ELEMENTS (id_rows));
  tcase_add_loop_test (tcase, test_confidence, 0, G_N_ELEMENTS (confidence_rows));
  tcase_add_test (tcase, test_bare_region);
  tcase_add_test (tcase, test_track_ids);
  tcase_add_loop_test (tcase, test_ours_is_near, 0, G_N_ELEMENTS (near_rows));
  tcase_add_test (tcase, test_classify_beside_ours);
  tcase_add_test (tcase, test_detect_inside_both);
  tcase_add_test (tcase, test_detect_inside_at_intervals);
  tcase_add_test (tcase, test_shared_buffer_is_not_written);
  tcase_add_test (tcase, test_many_objects);
  tcase_add_test (tcase, test_thousands);
  tcase_add_loop_test (tcase, test_converters_between, 0, G_N_ELEMENTS (scale_rows));
  tcase_add_loop_test (tcase, test_converters_between_foreign, 0, G_N_ELEMENTS (scale_rows));
  tcase_add_test (tcase, test_none);
  return kit_run (tcase);
}
