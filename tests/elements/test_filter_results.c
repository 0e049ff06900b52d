/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is attached: objects and attributes on the right frames, both metas in step, statuses. */
#include "element_kit.h"
#include "fake_engine.h"
#include <string.h>

static const FakeEngine detector = { .n_workers = 0 };
static const FakeEngine classifier = { .is_classifier = TRUE };

/* The only region of interest with this id. */
static GstVideoRegionOfInterestMeta *find_roi (GstBuffer *buffer, guint id)
{
  GstVideoRegionOfInterestMeta *found = NULL, *roi;
  gpointer state = NULL;
  while ((roi = (GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    if (roi->id != (gint) id)
      continue;
    ck_assert (!found);
    found = roi;
  }
  ck_assert (found != NULL);
  return found;
}

static guint n_rois (GstBuffer *buffer)
{
  return gst_buffer_get_n_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

static void add_roi (
    GstBuffer *buffer, const gchar *type, gint id, guint x, guint y, guint w, guint h)
{
  gst_buffer_add_video_region_of_interest_meta (buffer, type, x, y, w, h)->id = id;
}

static void assert_roi_box (
    const GstVideoRegionOfInterestMeta *roi, guint x, guint y, guint w, guint h)
{
  ck_assert_uint_eq (roi->x, x);
  ck_assert_uint_eq (roi->y, y);
  ck_assert_uint_eq (roi->w, w);
  ck_assert_uint_eq (roi->h, h);
}

START_TEST (test_detect_attaches_both_metas)
{
  WeirMeta *meta;
  gdouble x_min, y_max, confidence;
  gint label_id;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect name=cam7 model=net.onnx");
  gst_harness_push (h, kit_buffer (0, 42));
  GstBuffer *buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  ck_assert_str_eq (meta->stream, "cam7");
  ck_assert_uint_eq (meta->objects->len, 1);
  const WeirMetaObject *object = kit_object (meta, 0);
  ck_assert (object->is_detection);
  ck_assert_uint_eq (object->region_id, 1);
  ck_assert_uint_eq (object->parent_id, 0);
  ck_assert_str_eq (object->label, "thing");
  ck_assert_int_eq (object->label_id, 42);
  ck_assert (object->x_min == 0.25 && object->y_min == 0.25);
  ck_assert (object->x_max == 0.75 && object->y_max == 0.75 && object->confidence == 0.75);
  ck_assert_uint_eq (n_rois (buffer), 1);
  GstVideoRegionOfInterestMeta *roi = find_roi (buffer, 1);
  ck_assert_str_eq (g_quark_to_string (roi->roi_type), "thing");
  assert_roi_box (roi, 8, 4, 16, 8);
  ck_assert (gst_structure_get (gst_video_region_of_interest_meta_get_param (roi, "detection"),
      "confidence", G_TYPE_DOUBLE, &confidence, "label_id", G_TYPE_INT, &label_id, "x_min",
      G_TYPE_DOUBLE, &x_min, "y_max", G_TYPE_DOUBLE, &y_max, NULL));
  ck_assert (confidence == 0.75 && label_id == 42 && x_min == 0.25 && y_max == 0.75);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* Another owner of the same buffer (the other branch of a tee) sees no metadata; a buffer that
 * nobody shares is not copied. */
START_TEST (test_shared_buffer_stays_clean)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *own = kit_buffer (0, 1), *shared = kit_buffer (1, 1);
  GST_BUFFER_OFFSET (shared) = 77;
  GST_BUFFER_FLAG_SET (shared, GST_BUFFER_FLAG_MARKER);
  gst_harness_push (h, own);
  gst_harness_push (h, gst_buffer_ref (shared));
  GstBuffer *first = kit_pull (h, &meta), *second = kit_pull (h, &meta);
  ck_assert (first == own);
  ck_assert (second != shared);
  ck_assert (!weir_buffer_get_meta (shared));
  ck_assert_uint_eq (n_rois (shared), 0);
  ck_assert (gst_buffer_peek_memory (second, 0) == gst_buffer_peek_memory (shared, 0));
  ck_assert_uint_eq (GST_BUFFER_PTS (second), KIT_FRAME_NS);
  ck_assert_uint_eq (GST_BUFFER_OFFSET (second), 77);
  ck_assert (GST_BUFFER_FLAG_IS_SET (second, GST_BUFFER_FLAG_MARKER));
  gst_buffer_unref (first);
  gst_buffer_unref (second);
  gst_buffer_unref (shared);
  gst_harness_teardown (h);
}
END_TEST

/* Two detectors in a row: ids stay unique, the second one's objects have parents. */
START_TEST (test_detect_in_regions)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=a.onnx ! inferdetect model=b.onnx "
                               "! inferdetect model=c.onnx region=roi-list");
  gst_harness_push (h, kit_buffer (0, 9));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 4);
  ck_assert_uint_eq (n_rois (buffer), 4);
  for (guint i = 0; i < 4; i++) {
    const WeirMetaObject *object = kit_object (meta, i);
    ck_assert_uint_eq (object->region_id, i + 1);
    ck_assert_uint_eq (object->parent_id, i < 2 ? 0 : i - 1);
    ck_assert_int_eq (find_roi (buffer, i + 1)->parent_id, (gint) object->parent_id);
  }
  assert_roi_box (find_roi (buffer, 3), 12, 6, 8, 4);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* Tensors of the picture come behind its objects, whose ids count from 1. */
START_TEST (test_detect_with_tensors)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=a.onnx attach-tensors=true "
                               "! inferdetect model=b.onnx attach-tensors=true region=roi-list");
  gst_harness_push (h, kit_buffer (0, 9));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 3);
  ck_assert_uint_eq (n_rois (buffer), 2);
  for (guint i = 0; i < 3; i++) {
    const WeirMetaObject *object = kit_object (meta, i);
    ck_assert_uint_eq (object->region_id, i + 1);
    ck_assert_int_eq (object->is_detection, i != 1);
    ck_assert_uint_eq (object->parent_id, i == 2 ? 1 : 0);
    ck_assert_uint_eq (object->tensors->len, i < 2 ? 1 : 0);
  }
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  const gchar *classes;
  guint n_objects, n_warnings;
} class_rows[] = { { "thing", 1, 0 }, { "car, thing", 1, 1 }, { "car,bus", 0, 2 }, { "", 1, 0 } };

/* One for each class that the network does not know. */
static guint count_class_warnings (const gchar *launch)
{
  GstElement *element = gst_parse_launch (launch, NULL);
  GstBus *bus = gst_bus_new ();
  GstMessage *message;
  guint n = 0;
  gst_element_set_bus (element, bus);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING))) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_warning (message, &error, NULL);
    ck_assert_msg (strstr (error->message, "it knows thing") != NULL, "%s", error->message);
    gst_message_unref (message);
    n++;
  }
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
  return n;
}

START_TEST (test_detect_keeps_classes)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  g_autofree gchar *launch =
      g_strdup_printf ("inferdetect model=net.onnx classes=\"%s\"", class_rows[_i].classes);
  GstHarness *h = kit_harness (launch);
  gst_harness_push (h, kit_buffer (0, 9));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, class_rows[_i].n_objects);
  ck_assert_uint_eq (n_rois (buffer), class_rows[_i].n_objects);
  ck_assert_uint_eq (count_class_warnings (launch), class_rows[_i].n_warnings);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static void assert_shade (const WeirMetaObject *object, gint label_id)
{
  ck_assert_uint_eq (object->attributes->len, 1);
  const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, 0);
  ck_assert_str_eq (attribute->name, "shade");
  ck_assert_str_eq (attribute->model, "fake-net");
  ck_assert_uint_eq (attribute->classes->len, 1);
  const WeirMetaClass *best = &g_array_index (attribute->classes, WeirMetaClass, 0);
  ck_assert_str_eq (best->label, "dark");
  ck_assert_int_eq (best->label_id, label_id);
  ck_assert_uint_eq (object->tensors->len, 1);
  ck_assert_str_eq (g_array_index (object->tensors, WeirMetaTensor, 0).name, "row");
}

/* Regions that others attached: looked at where they lie in the picture, ids made unique. */
START_TEST (test_classify_foreign_regions)
{
  WeirMeta *meta;
  gint label_id;
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=net.onnx classes=face,hand");
  GstBuffer *buffer = kit_buffer (0, 0);
  gst_buffer_memset (buffer, 2 * KIT_WIDTH + 3, 50, 1);
  gst_buffer_memset (buffer, 5 * KIT_WIDTH + 30, 60, 1);
  add_roi (buffer, "face", 4, 3, 2, 5, 5);
  add_roi (buffer, "foot", 5, 0, 0, 4, 4);
  add_roi (buffer, "hand", 4, 30, 5, 10, 100); /* hangs over the edge; an id for the second time */
  add_roi (buffer, "face", 6, 32, 0, 4, 4);    /* outside: no object of this picture */
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 3);
  ck_assert_uint_eq (n_rois (buffer), 4);
  assert_shade (kit_object (meta, 0), 50);
  assert_shade (kit_object (meta, 2), 60);
  ck_assert_uint_eq (kit_object (meta, 1)->attributes->len, 0);
  ck_assert_uint_eq (kit_object (meta, 0)->region_id, 4);
  const WeirMetaObject *hand = kit_object (meta, 2);
  ck_assert_uint_eq (hand->region_id, 7);
  const GstStructure *param =
      gst_video_region_of_interest_meta_get_param (find_roi (buffer, 7), "shade");
  ck_assert (param && gst_structure_get_int (param, "label_id", &label_id));
  ck_assert_int_eq (label_id, 60);
  ck_assert_str_eq (gst_structure_get_string (param, "label"), "dark");
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

START_TEST (test_classify_whole_picture)
{
  WeirMeta *meta;
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=a.onnx region=full-frame "
                               "! inferclassify model=b.onnx region=full-frame");
  gst_harness_push (h, kit_buffer (0, 33));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (meta->objects->len, 1);
  const WeirMetaObject *object = kit_object (meta, 0);
  ck_assert (!object->is_detection && object->x_max == 1 && object->y_max == 1);
  ck_assert_uint_eq (object->attributes->len, 2);
  ck_assert_uint_eq (n_rois (buffer), 0);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* No objects, nothing to do: the frame passes as inferred, no item is made. */
START_TEST (test_classify_without_objects)
{
  WeirMeta *meta;
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=net.onnx");
  gst_harness_push (h, kit_buffer (0, 33));
  gst_buffer_unref (kit_pull (h, &meta));
  gst_harness_push (h, kit_buffer (1, 33));
  GstBuffer *buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  ck_assert_uint_eq (meta->objects->len, 0);
  ck_assert_uint_eq (fake_engine_n_items (), 0);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

START_TEST (test_interval)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx interval=3");
  for (guint i = 0; i < 8; i++) {
    if (i == 5) { /* a flush starts counting anew: frame 5 is inferred */
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (h, gst_event_new_flush_start ());
      gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
      gst_harness_push_event (h, gst_event_new_segment (&segment));
    }
    gst_harness_push (h, kit_buffer (i, 1));
    GstBuffer *buffer = kit_pull (h, &meta);
    const gboolean inferred = i == 0 || i == 3 || i == 5;
    kit_assert_status (
        meta, inferred ? WEIR_STATUS_INFERRED : WEIR_STATUS_SKIPPED, inferred ? NULL : "interval");
    ck_assert_uint_eq (meta->frame, i);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

static guint64 own_stat (GstHarness *h, const gchar *factory, const gchar *name)
{
  GstElement *element = kit_find (h, factory);
  GstStructure *stats;
  guint64 value = G_MAXUINT64;
  g_object_get (element, "stats", &stats, NULL);
  ck_assert (gst_structure_get_uint64 (stats, name, &value));
  gst_structure_free (stats);
  gst_object_unref (element);
  return value;
}

/* The queue takes one request at a time: the others pass, in order, and nobody waits. */
START_TEST (test_leaky)
{
  const FakeEngine held = { .hold = TRUE, .limit = 1 };
  WeirMeta *meta;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx leaky=downstream");
  for (guint i = 0; i < 3; i++)
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
  fake_engine_release ();
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    kit_assert_status (
        meta, i ? WEIR_STATUS_SKIPPED : WEIR_STATUS_INFERRED, i ? "queue full" : NULL);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (own_stat (h, "inferdetect", "stream-items"), 1);
  ck_assert_uint_eq (own_stat (h, "inferdetect", "stream-skipped"), 2);
  gst_harness_teardown (h);
}
END_TEST

/* Nor does anybody wait where the element's own frames in the engine are as many as may be. */
START_TEST (test_leaky_depth)
{
  const FakeEngine held = { .hold = TRUE, .optimal = 2 };
  const guint n_frames = 16, n_inferred = 4;
  WeirMeta *meta;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx leaky=downstream");
  for (guint i = 0; i < n_frames; i++)
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
  fake_engine_release ();
  for (guint i = 0; i < n_frames; i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    kit_assert_status (meta, i < n_inferred ? WEIR_STATUS_INFERRED : WEIR_STATUS_SKIPPED,
        i < n_inferred ? NULL : "queue full");
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (own_stat (h, "inferdetect", "stream-skipped"), n_frames - n_inferred);
  gst_harness_teardown (h);
}
END_TEST

/* The status is the first element's; a later one changes it only by failing. */
static const struct {
  const gchar *first, *second;
  WeirStatus status; /* of frame 1 */
  const gchar *reason;
  guint8 value;
} status_rows[] = {
  { "interval=1", "interval=2", WEIR_STATUS_INFERRED, NULL, 1 },
  { "interval=2", "interval=1", WEIR_STATUS_SKIPPED, "interval", 1 },
  { "interval=2", "interval=1", WEIR_STATUS_FAILED, "too white", 255 },
  { "interval=1", "interval=2", WEIR_STATUS_FAILED, "too white", 255 },
};

START_TEST (test_status_of_two)
{
  WeirMeta *meta;
  fake_engine_reset (&detector);
  g_autofree gchar *launch = g_strdup_printf ("inferdetect name=a model=a.onnx %s "
                                              "! inferdetect name=b model=b.onnx %s",
      status_rows[_i].first, status_rows[_i].second);
  GstHarness *h = kit_harness (launch);
  for (guint i = 0; i < 2; i++) {
    gst_harness_push (h, kit_buffer (i, status_rows[_i].value));
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_str_eq (meta->stream, "a");
    if (i == 1)
      kit_assert_status (meta, status_rows[_i].status, status_rows[_i].reason);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* A region that fails fails alone; failures are told at 1, 10, 100, not each. */
START_TEST (test_failures)
{
  WeirMeta *meta;
  GstMessage *message;
  guint n_warnings = 0;
  fake_engine_reset (&classifier);
  GstHarness *h = kit_harness ("inferclassify model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  for (guint i = 0; i < 25; i++) {
    GstBuffer *buffer = kit_buffer (i, 8);
    gst_buffer_memset (buffer, 0, 255, 1);
    add_roi (buffer, "a", 1, 0, 0, 4, 4);
    add_roi (buffer, "b", 2, 4, 0, 4, 4);
    gst_harness_push (h, buffer);
    buffer = kit_pull (h, &meta);
    kit_assert_status (meta, WEIR_STATUS_FAILED, "too white");
    ck_assert_uint_eq (kit_object (meta, 0)->attributes->len, 0);
    assert_shade (kit_object (meta, 1), 8);
    gst_buffer_unref (buffer);
  }
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING))) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_warning (message, &error, NULL);
    ck_assert (strstr (error->message, "too white"));
    ck_assert (strstr (error->message, n_warnings ? "(10 such" : "(1 such"));
    gst_message_unref (message);
    n_warnings++;
  }
  ck_assert_uint_eq (n_warnings, 2);
  ck_assert_uint_eq (own_stat (h, "inferclassify", "stream-items"), 50);
  ck_assert_uint_eq (own_stat (h, "inferclassify", "stream-failed"), 25);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

/* A buffer smaller than its picture is a failed frame, not a crash. */
START_TEST (test_short_buffer)
{
  WeirMeta *meta;
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 64 };
  fake_engine_reset (&detector);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = kit_buffer (0, 1);
  if (_i == 0)
    gst_buffer_set_size (buffer, 100);
  else /* a meta that promises twice the bytes */
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
        KIT_WIDTH, KIT_HEIGHT, 1, offset, stride);
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  ck_assert_int_eq (meta->status, WEIR_STATUS_FAILED);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-results");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_detect_attaches_both_metas);
  tcase_add_test (tcase, test_shared_buffer_stays_clean);
  tcase_add_test (tcase, test_detect_in_regions);
  tcase_add_test (tcase, test_detect_with_tensors);
  tcase_add_loop_test (tcase, test_detect_keeps_classes, 0, G_N_ELEMENTS (class_rows));
  tcase_add_test (tcase, test_classify_foreign_regions);
  tcase_add_test (tcase, test_classify_whole_picture);
  tcase_add_test (tcase, test_classify_without_objects);
  tcase_add_test (tcase, test_interval);
  tcase_add_test (tcase, test_leaky);
  tcase_add_test (tcase, test_leaky_depth);
  tcase_add_loop_test (tcase, test_status_of_two, 0, G_N_ELEMENTS (status_rows));
  tcase_add_test (tcase, test_failures);
  tcase_add_loop_test (tcase, test_short_buffer, 0, 2);
  return kit_run (tcase);
}
