/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reclassify-interval: tracked objects are looked at when they are due, and in other frames have
 * what is known, exactly, however many frames are in flight. */
#include "fake_engine.h"
#include "secondary_kit.h"

#define N_TRACKED 4

static const FakeEngine quick = { .n_workers = 1 };
static const FakeEngine held = { .hold = TRUE, .optimal = 32, .delay_us = 300 };

static void push (GstHarness *h, guint index, const Thing *things, guint n_things)
{
  ck_assert_int_eq (gst_harness_push (h, secondary_buffer (index, things, n_things)), GST_FLOW_OK);
}

static const struct {
  const gchar *properties;
  guint n_frames;
  gint interval; /* of looks that follow; the age is what is left of it; 0: never again */
  gboolean in_flight;
} rows[] = {
  { "", 8, 1, FALSE },
  { "reclassify-interval=1", 40, 1, TRUE },
  { "reclassify-interval=3", 10, 3, FALSE },
  { "reclassify-interval=3", 50, 3, TRUE },
  { "reclassify-interval=0", 8, 0, FALSE },
  { "reclassify-interval=0", 50, 0, TRUE },
  { "reclassify-interval=4294967295", 8, 0, FALSE },
};

static GstHarness *harness_new (const gchar *properties)
{
  g_autofree gchar *launch = g_strdup_printf ("inferclassify model=classify.onnx %s", properties);
  return kit_harness (launch);
}

/* A tracked object and one that is not; each frame has its own shades. */
START_TEST (test_tracks_interval)
{
  const gint interval = rows[_i].interval;
  guint n_looks = 0;
  fake_engine_reset (rows[_i].in_flight ? &held : &quick);
  GstHarness *h = harness_new (rows[_i].properties);
  for (guint i = 0; i < rows[_i].n_frames; i++) {
    const Thing things[] = { { "face", 7, 1, 2, 5, 5, (guint8) (1 + i) },
      { "face", 0, 9, 2, 5, 5, (guint8) (101 + i) } };
    push (h, i, things, 2);
  }
  fake_engine_release ();
  for (guint i = 0; i < rows[_i].n_frames; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    const guint looked_at = interval > 0 ? i - i % (guint) interval : 0;
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    secondary_assert (buffer, 0, (gint) looked_at + 1, i - looked_at);
    secondary_assert (buffer, 1, (gint) i + 101, 0);
    n_looks += looked_at == i;
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_items (), n_looks + rows[_i].n_frames);
  ck_assert_uint_eq (
      secondary_stat (h, "inferclassify", "stream-reused"), rows[_i].n_frames - n_looks);
  gst_harness_teardown (h);
}
END_TEST

/* The frame's shade is its number + 1: frame `i` shall say that of frame `looked_at`. */
static void expect (GstHarness *h, guint i, guint looked_at)
{
  const Thing thing = { "face", 7, 1, 2, 5, 5, (guint8) (1 + i) };
  WeirMeta *meta;
  push (h, i, &thing, 1);
  GstBuffer *buffer = kit_pull (h, &meta);
  secondary_assert (buffer, 0, (gint) looked_at + 1, i - looked_at);
  gst_buffer_unref (buffer);
}

/* A change while playing counts from the last look. */
START_TEST (test_tracks_interval_changes)
{
  static const struct {
    guint interval, looked_at;
  } frames[] = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 3, 4 }, { 3, 4 }, { 3, 4 }, { 3, 7 },
    { 1, 8 }, { 1, 9 }, { 0, 9 }, { 5, 9 }, { 2, 12 }, { 2, 12 } };
  fake_engine_reset (&quick);
  GstHarness *h = harness_new ("");
  GstElement *element = kit_find (h, "inferclassify");
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    g_object_set (element, "reclassify-interval", frames[i].interval, NULL);
    expect (h, i, frames[i].looked_at);
  }
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* After these, what is old is another story: a flush, another stream, a stop. */
static void restart_by_stream (GstHarness *h)
{
  GstSegment segment;
  g_autoptr (GstCaps) caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  ck_assert (gst_harness_push_event (h, gst_event_new_stream_start ("another")));
  ck_assert (gst_harness_push_event (h, gst_event_new_caps (caps)));
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

static void restart_by_state (GstHarness *h)
{
  GstElement *element = kit_find (h, "inferclassify");
  gst_element_set_state (element, GST_STATE_READY);
  gst_element_set_state (element, GST_STATE_PLAYING);
  gst_object_unref (element);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
}

static void (*const restarts[]) (
    GstHarness *h) = { secondary_flush, restart_by_stream, restart_by_state };

START_TEST (test_tracks_restart)
{
  fake_engine_reset (&quick);
  GstHarness *h = harness_new ("reclassify-interval=0");
  expect (h, 0, 0);
  expect (h, 1, 0);
  restarts[_i](h);
  expect (h, 2, 2);
  expect (h, 3, 2);
  gst_harness_teardown (h);
}
END_TEST

/* Work of frames that were flushed is nobody's. */
START_TEST (test_tracks_flush_in_flight)
{
  const guint n_frames = 20;
  fake_engine_reset (&held);
  GstHarness *h = harness_new ("reclassify-interval=0");
  for (guint i = 0; i < n_frames; i++) {
    const Thing thing = { "face", 7, 1, 2, 5, 5, (guint8) (1 + i) };
    push (h, i, &thing, 1);
  }
  fake_engine_wait_running (1);
  secondary_flush (h);
  fake_engine_release ();
  expect (h, n_frames, n_frames);
  expect (h, n_frames + 1, n_frames);
  ck_assert_uint_eq (gst_harness_buffers_in_queue (h), 0);
  gst_harness_teardown (h);
}
END_TEST

/* Frames of the old stream that are still in flight keep what is theirs. */
START_TEST (test_tracks_stream_in_flight)
{
  fake_engine_reset (&held);
  GstHarness *h = harness_new ("reclassify-interval=0");
  for (guint i = 0; i < 8; i++) {
    const Thing thing = { "face", 7, 1, 2, 5, 5, (guint8) (1 + i) };
    if (i == 4)
      restart_by_stream (h);
    push (h, i, &thing, 1);
  }
  fake_engine_release ();
  for (guint i = 0; i < 8; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    const guint looked_at = i / 4 * 4;
    secondary_assert (buffer, 0, (gint) looked_at + 1, i - looked_at);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* A short story: what stands in each frame, and what is to be said of it. */
typedef struct Scene {
  guint n_things;
  Thing things[2];
  gint shades[2]; /* -1: none */
  guint ages[2];
  WeirStatus status;
} Scene;

#define LEFT  1, 2, 5, 5
#define RIGHT 20, 2, 5, 5

static const struct {
  const gchar *name, *properties;
  guint n_scenes;
  Scene scenes[6];
} stories[] = {
  { "tracks swap places", "reclassify-interval=0", 2,
      { { 2, { { "face", 1, LEFT, 10 }, { "face", 2, RIGHT, 20 } }, { 10, 20 }, { 0, 0 } },
          { 2, { { "face", 2, LEFT, 11 }, { "face", 1, RIGHT, 21 } }, { 20, 10 }, { 1, 1 } } } },
  { "a number comes back for something else", "reclassify-interval=0", 4,
      { { 1, { { "face", 1, LEFT, 10 } }, { 10 }, { 0 } },
          { 1, { { "hand", 1, LEFT, 11 } }, { 11 }, { 0 } },
          { 1, { { "hand", 1, RIGHT, 12 } }, { 11 }, { 1 } },
          { 1, { { "face", 1, LEFT, 13 } }, { 13 }, { 0 } } } },
  { "a track is gone for a while", "reclassify-interval=4", 4,
      { { 2, { { "face", 1, LEFT, 10 }, { "face", 2, RIGHT, 20 } }, { 10, 20 }, { 0, 0 } },
          { 1, { { "face", 2, LEFT, 11 } }, { 20 }, { 1 } }, { 0 },
          { 2, { { "face", 2, LEFT, 13 }, { "face", 1, RIGHT, 23 } }, { 20, 10 }, { 3, 3 } } } },
  { "a look fails: the next frame tries again", "reclassify-interval=0", 4,
      { { 2, { { "face", 1, LEFT, 255 }, { "face", 2, RIGHT, 20 } }, { -1, 20 }, { 0, 0 },
            WEIR_STATUS_FAILED },
          { 2, { { "face", 1, LEFT, 255 }, { "face", 2, RIGHT, 21 } }, { -1, 20 }, { 0, 1 },
              WEIR_STATUS_FAILED },
          { 2, { { "face", 1, LEFT, 12 }, { "face", 2, RIGHT, 22 } }, { 12, 20 }, { 0, 2 } },
          { 2, { { "face", 1, LEFT, 255 }, { "face", 2, RIGHT, 255 } }, { 12, 20 }, { 1, 3 } } } },
  { "a look fails: what was known stays", "reclassify-interval=1", 3,
      { { 2, { { "face", 1, LEFT, 10 }, { "face", 0, RIGHT, 20 } }, { 10, 20 }, { 0, 0 } },
          { 2, { { "face", 1, LEFT, 255 }, { "face", 0, RIGHT, 255 } }, { 10, -1 }, { 1, 0 },
              WEIR_STATUS_FAILED },
          { 2, { { "face", 1, LEFT, 12 }, { "face", 0, RIGHT, 22 } }, { 12, 22 }, { 0, 0 } } } },
  { "frames that interval skips", "reclassify-interval=0 interval=2", 4,
      { { 2, { { "face", 1, LEFT, 10 }, { "face", 0, RIGHT, 20 } }, { 10, 20 }, { 0, 0 } },
          { 2, { { "face", 1, LEFT, 11 }, { "face", 0, RIGHT, 21 } }, { 10, -1 }, { 1, 0 } },
          { 2, { { "face", 1, LEFT, 12 }, { "face", 0, RIGHT, 22 } }, { 10, 22 }, { 2, 0 } },
          { 2, { { "face", 1, LEFT, 13 }, { "face", 2, RIGHT, 23 } }, { 10, -1 }, { 3, 0 } } } },
  { "interval alone", "interval=3", 4,
      { { 1, { { "face", 1, LEFT, 10 } }, { 10 }, { 0 } },
          { 1, { { "face", 1, LEFT, 11 } }, { 10 }, { 1 } },
          { 1, { { "face", 1, LEFT, 12 } }, { 10 }, { 2 } },
          { 1, { { "face", 1, LEFT, 13 } }, { 13 }, { 0 } } } },
  { "classes that are not wanted are not recalled", "reclassify-interval=0 classes=face", 3,
      { { 2, { { "face", 1, LEFT, 10 }, { "hand", 2, RIGHT, 20 } }, { 10, -1 }, { 0, 0 } },
          { 2, { { "hand", 1, LEFT, 11 }, { "face", 2, RIGHT, 21 } }, { -1, 21 }, { 0, 0 } },
          { 2, { { "face", 1, LEFT, 12 }, { "face", 2, RIGHT, 22 } }, { 10, 21 }, { 2, 1 } } } },
  { "no label", "reclassify-interval=0", 3,
      { { 1, { { NULL, 1, LEFT, 10 } }, { 10 }, { 0 } },
          { 1, { { NULL, 1, LEFT, 11 } }, { 10 }, { 1 } },
          { 1, { { "face", 1, LEFT, 12 } }, { 12 }, { 0 } } } },
  { "one number twice in a frame", "reclassify-interval=0", 1,
      { { 2, { { "face", 1, LEFT, 10 }, { "face", 1, RIGHT, 20 } }, { 10, 20 }, { 0, 0 } } } },
};

START_TEST (test_tracks_story)
{
  fake_engine_reset (&quick);
  GstHarness *h = harness_new (stories[_i].properties);
  for (guint i = 0; i < stories[_i].n_scenes; i++) {
    const Scene *scene = &stories[_i].scenes[i];
    WeirMeta *meta;
    push (h, i, scene->things, scene->n_things);
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_msg (meta->status == scene->status, "%s, frame %u: %s", stories[_i].name, i,
        weir_status_name (meta->status));
    for (guint k = 0; k < scene->n_things; k++)
      secondary_assert (buffer, k, scene->shades[k], scene->ages[k]);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* The queue is full: the frame passes, with what is known, and a look that was refused is made up
 * for as soon as it can be. */
START_TEST (test_tracks_leaky)
{
  static const FakeEngine full = { .hold = TRUE, .limit = 1 };
  static const gint shades[][2] = { { 1, -1 }, { 1, -1 }, { 1, 24 }, { 1, 24 } };
  fake_engine_reset (&full);
  GstHarness *h = harness_new ("reclassify-interval=0 leaky=downstream");
  for (guint i = 0; i < 4; i++) {
    WeirMeta *meta;
    const Thing things[] = { { "face", 1, LEFT, (guint8) (1 + i) },
      { "face", 2, RIGHT, (guint8) (21 + i) } };
    push (h, i, things, i == 0 ? 1 : 2);
    if (i < 2)
      continue;
    /* Two frames have come while the first was held; now the queue is empty. */
    fake_engine_release ();
    for (guint k = i == 2 ? 0 : i; k <= i; k++) {
      GstBuffer *buffer = kit_pull (h, &meta);
      secondary_assert (buffer, 0, shades[k][0], k);
      if (k > 0)
        secondary_assert (buffer, 1, k < 3 ? -1 : 24, 0);
      gst_buffer_unref (buffer);
    }
    fake_engine_wait_idle (); /* a frame leaves before its request's place is free */
  }
  ck_assert_uint_eq (secondary_stat (h, "inferclassify", "stream-skipped"), 2);
  ck_assert_uint_eq (secondary_stat (h, "inferclassify", "stream-reused"), 3);
  gst_harness_teardown (h);
}
END_TEST

/* Each element has its own table: one looks once, the other at every second frame. */
START_TEST (test_tracks_two_classifiers)
{
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferclassify model=classify-a.onnx reclassify-interval=0 "
                               "! inferclassify model=classify-b.onnx reclassify-interval=2");
  for (guint i = 0; i < 6; i++) {
    const Thing thing = { "face", 7, LEFT, (guint8) (1 + i) };
    push (h, i, &thing, 1);
  }
  fake_engine_release ();
  for (guint i = 0; i < 6; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    const WeirMetaObject *object = kit_object (meta, 0);
    ck_assert_uint_eq (object->attributes->len, 2);
    ck_assert_uint_eq (object->tensors->len, 2);
    secondary_assert_shade (buffer, object, 0, 1, i);
    secondary_assert_shade (buffer, object, 1, (gint) (1 + i - i % 2), i % 2);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* What trackers of others say of a region. */
static void set_track (GstVideoRegionOfInterestMeta *roi, gint id)
{
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("object_id", "id", G_TYPE_INT, id, NULL));
}

/* The same objects as elements of others attach them. */
static GstBuffer *foreign_buffer (guint index, const Thing *things, guint n_things)
{
  GstBuffer *buffer = kit_buffer (index, 0);
  for (guint i = 0; i < n_things; i++) {
    const Thing *thing = &things[i];
    GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta (
        buffer, thing->label, thing->x, thing->y, thing->w, thing->h);
    gst_buffer_memset (buffer, thing->y * KIT_WIDTH + thing->x, thing->value, 1);
    if (thing->track_id)
      set_track (roi, (gint) thing->track_id);
  }
  return buffer;
}

static void assert_reused (GstBuffer *buffer, guint age)
{
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  kit_assert_status (meta, age > 0 ? WEIR_STATUS_REUSED : WEIR_STATUS_INFERRED,
      age > 0 ? "reclassify-interval" : NULL);
  ck_assert_uint_eq (meta->reused_age, age);
}

/* Where nothing was looked at before: a frame whose wanted objects were all known says that it is
 * reused, and how old the oldest is; one with anything new that it is inferred. */
START_TEST (test_tracks_status)
{
  static const guint ages[] = { 0, 0, 2, 3, 0, 0, 2, 0 };
  static const guint n_things[] = { 1, 2, 2, 2, 2, 2, 2, 3 };
  fake_engine_reset (&held);
  GstHarness *h = harness_new ("reclassify-interval=4 classes=face");
  for (guint i = 0; i < G_N_ELEMENTS (ages); i++) {
    const Thing things[] = { { "face", 1, LEFT, (guint8) (1 + i) },
      { "face", 2, RIGHT, (guint8) (21 + i) }, { "face", 0, 10, 10, 5, 5, 99 } };
    ck_assert_int_eq (gst_harness_push (h, foreign_buffer (i, things, n_things[i])), GST_FLOW_OK);
  }
  fake_engine_release ();
  for (guint i = 0; i < G_N_ELEMENTS (ages); i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    /* Track 1 is looked at in frames 0 and 4, track 2 in 1 and 5, the third object in 7. */
    secondary_assert (buffer, 0, i < 4 ? 1 : 5, i % 4);
    if (n_things[i] > 1)
      secondary_assert (buffer, 1, i < 5 ? 22 : 26, (i + 3) % 4);
    assert_reused (buffer, ages[i]);
    ck_assert_uint_eq (kit_object (meta, 0)->track_id, 1);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* Frames that relied on a look that failed do not claim anything; no objects, and none that are
 * wanted, are no reuse. */
START_TEST (test_tracks_status_without_result)
{
  static const struct {
    const gchar *label;
    WeirStatus status;
    const gchar *reason;
  } frames[] = { { "face", WEIR_STATUS_FAILED, "too white" },
    { "face", WEIR_STATUS_SKIPPED, "reclassify-interval" }, { "hand", WEIR_STATUS_INFERRED, NULL },
    { NULL, WEIR_STATUS_INFERRED, NULL } };
  fake_engine_reset (&held);
  GstHarness *h = harness_new ("reclassify-interval=0 classes=face");
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    const Thing thing = { frames[i].label, 1, LEFT, 255 };
    gst_harness_push (h, foreign_buffer (i, &thing, frames[i].label ? 1 : 0));
  }
  fake_engine_release ();
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    kit_assert_status (meta, frames[i].status, frames[i].reason);
    secondary_assert_none (buffer);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

static GstPadProbeReturn track_all (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  gpointer state = NULL;
  GstMeta *roi;
  while ((roi = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    set_track ((GstVideoRegionOfInterestMeta *) roi, 7);
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

/* A tracker of others between our two elements. Frames that inferdetect has looked at stay
 * inferred. */
START_TEST (test_tracks_of_a_tracker_between)
{
  fake_engine_reset (&quick);
  GstHarness *h = kit_harness ("inferdetect model=find-face.onnx ! identity ! inferclassify "
                               "model=classify.onnx reclassify-interval=3");
  GstElement *tracker = kit_find (h, "identity");
  GstPad *pad = gst_element_get_static_pad (tracker, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, track_all, NULL, NULL);
  for (guint i = 0; i < 8; i++) {
    WeirMeta *meta;
    gst_harness_push (h, kit_buffer (i, (guint8) (1 + i)));
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (kit_object (meta, 0)->track_id, 7);
    secondary_assert (buffer, 0, (gint) (1 + i - i % 3), i % 3);
    kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
    gst_buffer_unref (buffer);
  }
  gst_object_unref (pad);
  gst_object_unref (tracker);
  gst_harness_teardown (h);
}
END_TEST

/* What the next frame must say, by the rules alone. */
typedef struct Oracle {
  const gchar *label[1 + N_TRACKED]; /* by track; NULL: never looked at */
  guint frame[1 + N_TRACKED];
  gint shade[1 + N_TRACKED];
} Oracle;

typedef struct Expected {
  guint n;
  gint shade[N_TRACKED];
  guint age[N_TRACKED];
} Expected;

static GstBuffer *random_frame (
    GRand *rand, Oracle *oracle, guint i, guint interval, gboolean skipped, Expected *expected)
{
  static const gchar *const labels[] = { "face", "hand" };
  Thing things[N_TRACKED];
  guint first = (guint) g_rand_int_range (rand, 0, N_TRACKED);
  expected->n = (guint) g_rand_int_range (rand, 0, N_TRACKED + 1);
  for (guint k = 0; k < expected->n; k++) {
    const guint track = 1 + (first + k) % N_TRACKED;
    const gchar *label = labels[g_rand_int_range (rand, 0, 8) == 0];
    const guint8 value = (guint8) g_rand_int_range (rand, 0, 255);
    const gboolean due = !oracle->label[track] || oracle->label[track] != label ||
                         (interval > 0 && i - oracle->frame[track] >= interval);
    things[k] = (Thing){ label, track, 1 + 7 * k, 3, 6, 6, value };
    if (due && !skipped) {
      oracle->label[track] = label;
      oracle->frame[track] = i;
      oracle->shade[track] = value;
    }
    expected->shade[k] = oracle->label[track] == label ? oracle->shade[track] : -1;
    expected->age[k] = i - oracle->frame[track];
  }
  return secondary_buffer (i, things, expected->n);
}

#define N_BURST 24

static void pull_burst (GstHarness *h, const Expected *expected, guint n_frames)
{
  for (guint i = 0; i < n_frames; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (meta->objects->len, expected[i].n);
    for (guint k = 0; k < expected[i].n; k++)
      secondary_assert (buffer, k, expected[i].shade[k], expected[i].age[k]);
    gst_buffer_unref (buffer);
  }
}

/* Bursts of frames, pulled or flushed, over one element: what each says follows from the frames
 * before it, whatever the engine's order. */
START_TEST (test_tracks_random)
{
  const FakeEngine busy = { .n_workers = 4, .optimal = 16, .delay_us = 200 };
  const guint frame_interval = 1 + (guint) _i % 3;
  g_autofree gchar *properties = g_strdup_printf ("interval=%u", frame_interval);
  GRand *rand = g_rand_new_with_seed (1000 + (guint32) _i);
  Oracle oracle = { { NULL } };
  Expected expected[N_BURST];
  guint since_restart = 0;
  fake_engine_reset (&busy);
  GstHarness *h = harness_new (properties);
  GstElement *element = kit_find (h, "inferclassify");
  for (guint burst = 0, i = 0; burst < 12; burst++) {
    for (guint k = 0; k < N_BURST; k++, i++, since_restart++) {
      const guint interval = (guint) g_rand_int_range (rand, 0, 6);
      g_object_set (element, "reclassify-interval", interval, NULL);
      ck_assert_int_eq (
          gst_harness_push (h, random_frame (rand, &oracle, i, interval,
                                   since_restart % frame_interval != 0, &expected[k])),
          GST_FLOW_OK);
    }
    if (g_rand_int_range (rand, 0, 3) > 0) {
      pull_burst (h, expected, N_BURST);
      continue;
    }
    secondary_flush (h);
    while (gst_harness_buffers_in_queue (h) > 0) /* left before the flush */
      gst_buffer_unref (gst_harness_pull (h));
    oracle = (Oracle){ { NULL } };
    since_restart = 0;
  }
  g_rand_free (rand);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("tracks");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_tracks_interval, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_tracks_interval_changes);
  tcase_add_loop_test (tcase, test_tracks_restart, 0, G_N_ELEMENTS (restarts));
  tcase_add_test (tcase, test_tracks_flush_in_flight);
  tcase_add_test (tcase, test_tracks_stream_in_flight);
  tcase_add_loop_test (tcase, test_tracks_story, 0, G_N_ELEMENTS (stories));
  tcase_add_test (tcase, test_tracks_leaky);
  tcase_add_test (tcase, test_tracks_two_classifiers);
  tcase_add_test (tcase, test_tracks_status);
  tcase_add_test (tcase, test_tracks_status_without_result);
  tcase_add_test (tcase, test_tracks_of_a_tracker_between);
  tcase_add_loop_test (tcase, test_tracks_random, 0, 12);
  return kit_run (tcase);
}
