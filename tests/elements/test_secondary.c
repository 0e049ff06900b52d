/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secondary inference: inferclassify on what inferdetect found, by class, in parts of objects, on
 * hundreds of objects and on none. */
#include "fake_engine.h"
#include "secondary_kit.h"
#include "tests/must.h"

static const FakeEngine quick = { .n_workers = 1 };

static GstHarness *harness_new (const gchar *properties)
{
  g_autofree gchar *launch = g_strdup_printf ("inferclassify model=classify.onnx %s", properties);
  return kit_harness (launch);
}

static void push (GstHarness *h, guint index, const Thing *things, guint n_things)
{
  ck_assert_int_eq (gst_harness_push (h, secondary_buffer (index, things, n_things)), GST_FLOW_OK);
}

/* Which of these are looked at. */
static const Thing street[] = { { "person", 0, 0, 0, 4, 4, 10 },
  { "street lamp", 0, 5, 0, 4, 4, 11 }, { NULL, 0, 10, 0, 4, 4, 12 }, { "", 0, 15, 0, 4, 4, 13 },
  { "person", 0, 20, 0, 4, 4, 14 }, { "Person", 0, 25, 0, 4, 4, 15 } };

static const struct {
  const gchar *classes;
  guint looked_at; /* bits */
} class_rows[] = {
  { "", 0x3f },
  { "person", 0x11 },
  { "person,street lamp", 0x13 },
  { " street lamp , person ", 0x13 },
  { "street", 0 },
  { "dog", 0 },
  { "dog,Person,cat", 0x20 },
};

START_TEST (test_secondary_classes)
{
  WeirMeta *meta;
  g_autofree gchar *properties = g_strdup_printf ("classes=\"%s\"", class_rows[_i].classes);
  guint n_items = 0;
  fake_engine_reset (&quick);
  GstHarness *h = harness_new (properties);
  push (h, 0, street, G_N_ELEMENTS (street));
  GstBuffer *buffer = kit_pull (h, &meta);
  for (guint i = 0; i < G_N_ELEMENTS (street); i++) {
    const gboolean looked_at = class_rows[_i].looked_at >> i & 1;
    secondary_assert (buffer, i, looked_at ? street[i].value : -1, 0);
    n_items += looked_at;
  }
  ck_assert_uint_eq (fake_engine_n_items (), n_items);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* Untracked objects have nothing in frames that are skipped. */
START_TEST (test_secondary_interval)
{
  fake_engine_reset (&quick);
  GstHarness *h = harness_new ("interval=3 reclassify-interval=0");
  for (guint i = 0; i < 7; i++) {
    WeirMeta *meta;
    push (h, i, street, 1);
    GstBuffer *buffer = kit_pull (h, &meta);
    secondary_assert (buffer, 0, i % 3 == 0 ? street[0].value : -1, 0);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_items (), 3);
  gst_harness_teardown (h);
}
END_TEST

static void assert_box (GstBuffer *buffer, const WeirMetaObject *object, guint parent_id,
    const gchar *label, const WeirRegion *pixels)
{
  const GstVideoRegionOfInterestMeta *roi = secondary_roi (buffer, object->region_id);
  WeirRegion box;
  weir_meta_object_pixels (object, KIT_WIDTH, KIT_HEIGHT, &box);
  ck_assert_uint_eq (object->parent_id, parent_id);
  ck_assert_int_eq (roi->parent_id, (gint) parent_id);
  ck_assert_str_eq (object->label, label);
  ck_assert_str_eq (g_quark_to_string (roi->roi_type), label);
  ck_assert (box.x_px == pixels->x_px && box.y_px == pixels->y_px &&
             box.width_px == pixels->width_px && box.height_px == pixels->height_px);
  ck_assert (roi->x == box.x_px && roi->y == box.y_px && roi->w == box.width_px &&
             roi->h == box.height_px);
}

/* Parts are found in each object (the double finds the middle half of a region), parts of the parts
 * in these, and only the parts are looked at. */
START_TEST (test_secondary_nested)
{
  static const Thing things[] = { { "face", 0, 0, 0, 16, 16, 10 },
    { "foot", 0, 16, 4, 16, 8, 20 } };
  static const WeirRegion eyes[] = { { 4, 4, 8, 8 }, { 20, 6, 8, 4 } };
  static const WeirRegion pupils[] = { { 6, 6, 4, 4 }, { 22, 7, 4, 2 } };
  WeirMeta *meta;
  fake_engine_reset (&quick);
  GstHarness *h = kit_harness (
      "inferdetect model=find-eye.onnx region=roi-list "
      "! inferclassify model=classify.onnx classes=eye name=one "
      "! inferdetect model=find-pupil.onnx region=roi-list ! inferclassify model=classify.onnx "
      "classes=pupil,face");
  GstBuffer *buffer = secondary_buffer (0, things, 2);
  gst_buffer_memset (buffer, 4 * KIT_WIDTH + 4, 30, 1);  /* the corner of an eye */
  gst_buffer_memset (buffer, 6 * KIT_WIDTH + 20, 40, 1); /* of the other */
  gst_buffer_memset (buffer, 6 * KIT_WIDTH + 6, 50, 1);  /* of its pupil */
  gst_buffer_memset (buffer, 7 * KIT_WIDTH + 22, 60, 1);
  gst_harness_push (h, buffer);
  buffer = kit_pull (h, &meta);
  /* 2 objects, an eye in each, and a pupil in each of these 4 */
  ck_assert_uint_eq (meta->objects->len, 8);
  for (guint i = 0; i < 2; i++) {
    assert_box (buffer, kit_object (meta, 2 + i), 1 + i, "eye", &eyes[i]);
    assert_box (buffer, kit_object (meta, 4 + i), 1 + i, "pupil", &eyes[i]);
    assert_box (buffer, kit_object (meta, 6 + i), 3 + i, "pupil", &pupils[i]);
  }
  static const gint shades[] = { 10, -1, 30, 40, 30, 40, 50, 60 };
  for (guint i = 0; i < G_N_ELEMENTS (shades); i++)
    secondary_assert (buffer, i, shades[i], 0);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

#define N_MANY     500u
#define MANY_WIDTH 320u

/* Object i of frame f; neighbours differ. */
static guint8 many_value (guint f, guint i)
{
  return (guint8) ((7 * i + 31 * f) % 251);
}

/* Hundreds of objects in each of a few frames in flight; half of them tracked and known after the
 * first frame. */
START_TEST (test_secondary_many_objects)
{
  const FakeEngine busy = { .n_workers = 4, .delay_us = 2000 };
  const guint n_frames = 6;
  Thing things[N_MANY];
  fake_engine_reset (&busy);
  GstHarness *h = harness_new ("reclassify-interval=0");
  gst_harness_set_src_caps (h, kit_caps (MANY_WIDTH, MANY_WIDTH));
  for (guint f = 0; f < n_frames; f++) {
    for (guint i = 0; i < N_MANY; i++)
      things[i] =
          (Thing){ "face", i % 2 ? i : 0, i % 25 * 12, i / 25 * 12, 9, 9, many_value (f, i) };
    ck_assert_int_eq (
        gst_harness_push (h, secondary_buffer_sized (f, things, N_MANY, MANY_WIDTH, MANY_WIDTH)),
        GST_FLOW_OK);
  }
  for (guint f = 0; f < n_frames; f++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (meta->objects->len, N_MANY);
    for (guint i = 0; i < N_MANY; i++) {
      const WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
      const guint looked_at = i % 2 ? 0 : f;
      must (object->region_id == i + 1 && object->attributes->len == 1);
      const WeirMetaAttribute *shade = &g_array_index (object->attributes, WeirMetaAttribute, 0);
      must (g_array_index (shade->classes, WeirMetaClass, 0).label_id == many_value (looked_at, i));
      must (shade->age == f - looked_at);
    }
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_items (), N_MANY / 2 * (n_frames + 1));
  gst_harness_teardown (h);
}
END_TEST

/* Frames without objects, or without wanted ones, need no place in the queue: they are taken while
 * it is full, and leave as soon as their turn has come. */
START_TEST (test_secondary_none)
{
  static const FakeEngine full = { .hold = TRUE, .limit = 1, .optimal = 8 };
  static const Thing dog = { "dog", 0, 0, 0, 4, 4, 10 };
  fake_engine_reset (&full);
  GstHarness *busy = harness_new ("classes=person");
  GstHarness *idle = harness_new ("classes=person");
  push (busy, 0, street, 1);
  fake_engine_wait_running (1);
  for (guint i = 1; i < 10; i++) {
    WeirMeta *meta;
    push (busy, i, &dog, i % 2);
    push (idle, i, &dog, i % 2);
    GstBuffer *buffer = kit_pull (idle, &meta); /* at once */
    secondary_assert_none (buffer);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (gst_harness_buffers_in_queue (busy), 0);
  fake_engine_release ();
  for (guint i = 0; i < 10; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (busy, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    if (i == 0)
      secondary_assert (buffer, 0, street[0].value, 0);
    else
      secondary_assert_none (buffer);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_items (), 1);
  gst_harness_teardown (busy);
  gst_harness_teardown (idle);
}
END_TEST

/* One object fails: those beside it have what they should, and the frame says so. */
START_TEST (test_secondary_failing_object)
{
  fake_engine_reset (&quick);
  GstHarness *h = harness_new ("");
  for (guint i = 0; i < 5; i++) {
    WeirMeta *meta;
    Thing things[4];
    for (guint k = 0; k < 4; k++)
      things[k] = (Thing){ "face", 0, 8 * k, 3, 6, 6, k == i ? 255 : (guint8) (10 * i + k) };
    push (h, i, things, 4);
    GstBuffer *buffer = kit_pull (h, &meta);
    for (guint k = 0; k < 4; k++)
      secondary_assert (buffer, k, k == i ? -1 : (gint) (10 * i + k), 0);
    kit_assert_status (
        meta, i < 4 ? WEIR_STATUS_FAILED : WEIR_STATUS_INFERRED, i < 4 ? "too white" : NULL);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (secondary_stat (h, "inferclassify", "stream-failed"), 4);
  gst_harness_teardown (h);
}
END_TEST

/* Behind inferdetect: one stream through both, frame by frame right. */
START_TEST (test_secondary_after_detect)
{
  const FakeEngine busy = { .n_workers = 4, .optimal = 8, .delay_us = 300 };
  const guint n_frames = 60;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=find-face.onnx interval=2 "
                               "! inferclassify model=classify.onnx classes=face");
  gst_harness_set_drop_buffers (h, FALSE);
  for (guint i = 0; i < n_frames; i++)
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, (guint8) i)), GST_FLOW_OK);
  for (guint i = 0; i < n_frames; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    ck_assert_uint_eq (meta->objects->len, i % 2 == 0);
    if (i % 2 == 0)
      secondary_assert (buffer, 0, (gint) i, 0);
    kit_assert_status (
        meta, i % 2 ? WEIR_STATUS_SKIPPED : WEIR_STATUS_INFERRED, i % 2 ? "interval" : NULL);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("secondary");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_secondary_classes, 0, G_N_ELEMENTS (class_rows));
  tcase_add_test (tcase, test_secondary_interval);
  tcase_add_test (tcase, test_secondary_nested);
  tcase_add_test (tcase, test_secondary_many_objects);
  tcase_add_test (tcase, test_secondary_none);
  tcase_add_test (tcase, test_secondary_failing_object);
  tcase_add_test (tcase, test_secondary_after_detect);
  return kit_run (tcase);
}
