/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The contract of the data flow where no other test has it: what a buffer keeps, who pushes, what
 * tees, gaps, caps, flushes and broken devices do. */
#include "element_kit.h"
#include "fake_engine.h"
#include <string.h>

static const FakeEngine plain = { .n_workers = 0 };
static const FakeEngine busy = { .n_workers = 4, .delay_us = 2000 };

#define ALL_FLAGS                                                                    \
  (GST_BUFFER_FLAG_LIVE | GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_RESYNC |         \
      GST_BUFFER_FLAG_CORRUPTED | GST_BUFFER_FLAG_MARKER | GST_BUFFER_FLAG_HEADER |  \
      GST_BUFFER_FLAG_GAP | GST_BUFFER_FLAG_DROPPABLE | GST_BUFFER_FLAG_DELTA_UNIT | \
      GST_BUFFER_FLAG_NON_DROPPABLE | GST_VIDEO_BUFFER_FLAG_INTERLACED |             \
      GST_VIDEO_BUFFER_FLAG_TFF)

/* Lines apart, so that downstream without GstVideoMeta gets a copy. */
static GstBuffer *padded_buffer (void)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { KIT_WIDTH + 8 };
  GstBuffer *buffer = kit_buffer_sized (0, 7, KIT_WIDTH + 8, KIT_HEIGHT);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
      KIT_WIDTH, KIT_HEIGHT, 1, offset, stride);
  return buffer;
}

/* 0: nobody else's; 1: shared; 2: copied into the layout of its caps. */
START_TEST (test_buffer_keeps_what_it_says)
{
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = _i == 2 ? padded_buffer () : kit_buffer (0, 7);
  if (_i == 2) {
    g_autoptr (GstCaps) caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
    GstQuery *query = gst_query_new_allocation (caps, TRUE);
    ck_assert (gst_pad_peer_query (h->srcpad, query));
    gst_query_unref (query);
  }
  GST_BUFFER_PTS (buffer) = 11;
  GST_BUFFER_DTS (buffer) = 5;
  GST_BUFFER_DURATION (buffer) = 13;
  GST_BUFFER_OFFSET (buffer) = 17;
  GST_BUFFER_OFFSET_END (buffer) = 19;
  GST_BUFFER_FLAG_SET (buffer, ALL_FLAGS);
  g_autoptr (GstCaps) reference = gst_caps_new_empty_simple ("timestamp/x-test");
  gst_buffer_add_reference_timestamp_meta (buffer, reference, 23, 29);
  GstBuffer *other = _i == 1 ? gst_buffer_ref (buffer) : NULL;
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  ck_assert_uint_eq (GST_BUFFER_PTS (buffer), 11);
  ck_assert_uint_eq (GST_BUFFER_DTS (buffer), 5);
  ck_assert_uint_eq (GST_BUFFER_DURATION (buffer), 13);
  ck_assert_uint_eq (GST_BUFFER_OFFSET (buffer), 17);
  ck_assert_uint_eq (GST_BUFFER_OFFSET_END (buffer), 19);
  ck_assert_uint_eq (GST_BUFFER_FLAGS (buffer) & ALL_FLAGS, ALL_FLAGS);
  ck_assert (gst_buffer_get_reference_timestamp_meta (buffer, NULL) != NULL);
  gst_buffer_unref (buffer);
  gst_clear_buffer (&other);
  gst_harness_teardown (h);
}
END_TEST

typedef struct Pushers {
  GThread *thread;
  guint n, n_others;
} Pushers;

static GstPadProbeReturn note_thread (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Pushers *pushers = user;
  pushers->n_others += pushers->thread && pushers->thread != g_thread_self ();
  pushers->thread = g_thread_self ();
  pushers->n++;
  return GST_PAD_PROBE_OK;
}

/* Buffers and serialized events leave from one thread, the element's own. */
START_TEST (test_one_thread_pushes)
{
  Pushers pushers = { 0 };
  KitLog log;
  fake_engine_reset (&busy);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM, note_thread, &pushers, NULL);
  kit_log_init (&log, h->sinkpad);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  for (guint i = 0; i < 20; i++) {
    gst_harness_push (h, kit_buffer (i, 1));
    gst_harness_push_event (h, gst_event_new_gap (i * KIT_FRAME_NS, KIT_FRAME_NS));
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  kit_log_wait_eos (&log);
  ck_assert_uint_ge (pushers.n, 20 + 20 + 4);
  ck_assert_uint_eq (pushers.n_others, 0);
  ck_assert (pushers.thread != g_thread_self ());
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

typedef struct Branch {
  guint n_frames, n_metas, n_objects;
} Branch;

static GstPadProbeReturn count_metas (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Branch *branch = user;
  const WeirMeta *meta = weir_buffer_get_meta (GST_PAD_PROBE_INFO_BUFFER (info));
  branch->n_frames++;
  branch->n_metas += meta != NULL;
  branch->n_objects += meta ? meta->objects->len : 0;
  return GST_PAD_PROBE_OK;
}

static void count_at (GstElement *pipeline, const gchar *name, Branch *branch)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_metas, branch, NULL);
}

/* Behind a tee each branch has its own results, and the third none. */
START_TEST (test_tee)
{
  static const gchar *const sinks[] = { "one", "two", "none" };
  Branch branches[3] = { { 0 } };
  fake_engine_reset (&busy);
  GstElement *pipeline = kit_launch (
      "videotestsrc num-buffers=30 ! video/x-raw,format=GRAY8,width=32,height=16 ! tee name=t "
      "t. ! inferdetect model=a.onnx ! fakesink async=false name=one "
      "t. ! inferdetect model=b.onnx ! inferdetect model=c.onnx ! fakesink async=false name=two "
      "t. ! fakesink async=false name=none");
  for (guint i = 0; i < 3; i++)
    count_at (pipeline, sinks[i], &branches[i]);
  kit_play (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  for (guint i = 0; i < 3; i++)
    ck_assert_uint_eq (branches[i].n_frames, 30);
  ck_assert_uint_eq (branches[0].n_objects, 30);
  ck_assert_uint_eq (branches[1].n_objects, 60);
  ck_assert_uint_eq (branches[2].n_metas, 0);
}
END_TEST

/* A gap infers nothing, keeps its place, and does not count for `interval`. */
START_TEST (test_gap)
{
  KitLog log;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx interval=2");
  kit_log_init (&log, h->sinkpad);
  gst_harness_push (h, kit_buffer (0, 1));
  gst_harness_push_event (h, gst_event_new_gap (KIT_FRAME_NS, KIT_FRAME_NS));
  gst_harness_push (h, kit_buffer (2, 1));
  gst_harness_push_event (h, gst_event_new_gap (3 * KIT_FRAME_NS, KIT_FRAME_NS));
  gst_harness_push (h, kit_buffer (4, 1));
  gst_harness_push_event (h, gst_event_new_eos ());
  kit_log_wait_eos (&log);
  ck_assert (g_str_has_suffix (log.text->str, " buffer-0 gap buffer-2 gap buffer-4 eos"));
  ck_assert_uint_eq (fake_engine_n_items (), 2);
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  const gchar *format;
  gint width, height;
} pictures[] = { { "GRAY8", 32, 16 }, { "NV12", 64, 32 }, { "GRAY8", 1, 1 }, { "I420", 17, 9 },
  { "NV12", 64, 32 } };

static GstBuffer *push_picture (GstHarness *h, guint i)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      pictures[i].format, "width", G_TYPE_INT, pictures[i].width, "height", G_TYPE_INT,
      pictures[i].height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);
  GstVideoInfo info;
  ck_assert (gst_video_info_from_caps (&info, caps));
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_memset (buffer, 0, (guint8) (10 + i), info.size);
  GST_BUFFER_PTS (buffer) = i * KIT_FRAME_NS;
  ck_assert (gst_harness_push_event (h, gst_event_new_caps (caps)));
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  return buffer;
}

/* Caps change while frames are in flight: each is read by its own, and no model is loaded again. */
START_TEST (test_caps_change_in_flight)
{
  const FakeEngine held = { .hold = TRUE, .optimal = 8 };
  WeirMeta *meta;
  fake_engine_reset (&held);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  gst_harness_play (h);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
    push_picture (h, i);
  fake_engine_wait_in_flight (G_N_ELEMENTS (pictures));
  fake_engine_release ();
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
    ck_assert_int_eq (kit_object (meta, 0)->label_id, (gint) (10 + i));
    const GstVideoRegionOfInterestMeta *roi =
        gst_buffer_get_video_region_of_interest_meta_id (buffer, 1);
    ck_assert_uint_eq (roi->x, (guint) pictures[i].width / 4);
    ck_assert_uint_le (roi->y + roi->h, (guint) pictures[i].height);
    gst_buffer_unref (buffer);
  }
  ck_assert_uint_eq (fake_engine_n_opened (), 1);
  gst_harness_teardown (h);
}
END_TEST

/* Caps that the element does not take are refused in the middle of a stream, and so are buffers
 * until there are others. */
START_TEST (test_caps_change_refused)
{
  WeirMeta *meta;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  g_autoptr (GstCaps) caps =
      gst_caps_from_string ("video/x-raw,format=v210,width=32,height=16,framerate=25/1");
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (0, 1)), GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_caps (caps));
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (1, 1)), GST_FLOW_NOT_NEGOTIATED);
  gst_harness_set_src_caps (h, kit_caps (16, 16));
  ck_assert_int_eq (gst_harness_push (h, kit_buffer_sized (2, 3, 16, 16)), GST_FLOW_OK);
  gst_buffer_unref (kit_pull (h, &meta));
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_int_eq (kit_object (meta, 0)->label_id, 3);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static void flush (GstHarness *h)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_start ()));
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

/* FLUSH_STOP forgets how late the old position was, and the counts start anew. */
START_TEST (test_flush_clears_qos)
{
  WeirMeta *meta;
  guint64 processed, dropped;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx qos=true");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < 3; i++) {
      gst_harness_push (h, kit_buffer (i, 1));
      GstBuffer *buffer = kit_pull (h, &meta);
      kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
      gst_buffer_unref (buffer);
    }
    gst_harness_push_upstream_event (
        h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, GST_SECOND, 2 * KIT_FRAME_NS));
    for (guint i = 3; i < 5; i++) {
      gst_harness_push (h, kit_buffer (i, 1));
      GstBuffer *buffer = kit_pull (h, &meta);
      kit_assert_status (meta, WEIR_STATUS_SKIPPED, "qos");
      gst_buffer_unref (buffer);
      GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS);
      ck_assert (message != NULL);
      gst_message_parse_qos_stats (message, NULL, &processed, &dropped);
      ck_assert_uint_eq (processed, 3);
      ck_assert_uint_eq (dropped, i - 2);
      gst_message_unref (message);
    }
    flush (h);
  }
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

static GstPadProbeReturn not_live (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  if (GST_QUERY_TYPE (info->data) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency (GST_QUERY (info->data), FALSE, 0, GST_CLOCK_TIME_NONE);
  return GST_PAD_PROBE_HANDLED;
}

/* A pipeline that is not live does not wait for anybody: no message makes it ask again. */
START_TEST (test_latency_of_files)
{
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBus *bus = gst_bus_new ();
  GstQuery *query = gst_query_new_latency ();
  gst_element_set_bus (h->element, bus);
  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM, not_live, NULL, NULL);
  ck_assert (gst_pad_peer_query (h->sinkpad, query));
  gst_query_unref (query);
  for (guint i = 0; i < 100; i++) {
    gst_harness_push (h, kit_buffer (i, 1));
    gst_buffer_unref (kit_pull (h, &meta));
  }
  ck_assert (gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY) == NULL);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

/* The device breaks while frames flow: they pass, marked, with a warning at 1 and 10. */
START_TEST (test_device_breaks)
{
  const FakeEngine broken = { .breaks = TRUE };
  WeirMeta *meta;
  GstMessage *message;
  guint n_warnings = 0;
  fake_engine_reset (&broken);
  GstHarness *h = kit_harness ("inferdetect name=cam model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  for (guint i = 0; i < 12; i++) {
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
    GstBuffer *buffer = kit_pull (h, &meta);
    kit_assert_status (meta, WEIR_STATUS_FAILED, "the device was lost");
    ck_assert_uint_eq (meta->objects->len, 0);
    gst_buffer_unref (buffer);
  }
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR))) {
    g_autoptr (GError) error = NULL;
    ck_assert_int_eq (GST_MESSAGE_TYPE (message), GST_MESSAGE_WARNING);
    gst_message_parse_warning (message, &error, NULL);
    ck_assert_msg (strstr (error->message, "stream 'cam' was not inferred: the device was lost"),
        "%s", error->message);
    gst_message_unref (message);
    n_warnings++;
  }
  ck_assert_uint_eq (n_warnings, 2);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

/* Each try to start says what is wrong once, as an error and nothing else. */
START_TEST (test_error_once)
{
  fake_engine_reset (&plain);
  GstElement *pipeline = kit_launch ("videotestsrc ! inferdetect model=missing.onnx ! fakesink");
  GstBus *bus = gst_element_get_bus (pipeline);
  for (guint i = 0; i < 2; i++) {
    GstMessage *message;
    ck_assert_int_eq (
        gst_element_set_state (pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    ck_assert (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
    gst_message_unref (message);
    ck_assert (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) == NULL);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}
END_TEST

/* Nobody is linked behind the element: upstream hears of it, as with any other. */
START_TEST (test_no_peer)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  fake_engine_reset (&busy);
  GstElement *pipeline = kit_launch (
      "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=16 ! inferdetect model=net.onnx");
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, &debug);
  ck_assert_msg (strstr (debug, "not-linked") != NULL, "%s", debug);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}
END_TEST

/* A live pipeline whose clock goes (PLAYING→PAUSED→PLAYING with another one) goes on. */
START_TEST (test_clock_is_lost)
{
  Branch before = { 0 }, behind = { 0 };
  fake_engine_reset (&busy);
  GstElement *pipeline = kit_launch ("videotestsrc is-live=true num-buffers=40 ! "
                                     "video/x-raw,format=GRAY8,width=32,height=16,framerate=100/1 "
                                     "! inferdetect name=d model=a.onnx "
                                     "! fakesink name=sink sync=true");
  count_at (pipeline, "d", &before);
  count_at (pipeline, "sink", &behind);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstClock) clock = g_object_new (GST_TYPE_SYSTEM_CLOCK, NULL);
    g_usleep (50 * 1000);
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    gst_pipeline_use_clock (GST_PIPELINE (pipeline), clock);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
  }
  kit_play (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  ck_assert_uint_ge (before.n_frames, 37); /* a live source drops what it had in hand */
  ck_assert_uint_eq (behind.n_frames, before.n_frames);
  ck_assert_uint_eq (behind.n_objects, before.n_frames);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("contract");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_buffer_keeps_what_it_says, 0, 3);
  tcase_add_test (tcase, test_one_thread_pushes);
  tcase_add_test (tcase, test_tee);
  tcase_add_test (tcase, test_gap);
  tcase_add_test (tcase, test_caps_change_in_flight);
  tcase_add_test (tcase, test_caps_change_refused);
  tcase_add_test (tcase, test_flush_clears_qos);
  tcase_add_test (tcase, test_latency_of_files);
  tcase_add_test (tcase, test_device_breaks);
  tcase_add_test (tcase, test_error_once);
  tcase_add_test (tcase, test_no_peer);
  tcase_add_test (tcase, test_clock_is_lost);
  return kit_run (tcase);
}
