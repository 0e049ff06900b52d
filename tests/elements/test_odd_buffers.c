/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers as broken or unusual producers make them: times that jump, sizes and layouts that do not
 * fit, segments in bytes, lists. */
#include "element_kit.h"
#include "fake_engine.h"

static const FakeEngine plain = { .n_workers = 0 };
static const FakeEngine busy = { .n_workers = 4, .delay_us = 2000 };

/* Times as broken cameras make them: each frame passes as it came. */
static const GstClockTime times[] = { GST_CLOCK_TIME_NONE, 3 * KIT_FRAME_NS, KIT_FRAME_NS,
  KIT_FRAME_NS, GST_CLOCK_TIME_NONE, 1000 * KIT_FRAME_NS, 0 };

START_TEST (test_odd_times)
{
  WeirMeta *meta;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness (_i ? "inferdetect model=net.onnx qos=true interval=1"
                                  : "inferdetect model=net.onnx ! inferdetect model=b.onnx");
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    GstBuffer *buffer = kit_buffer (0, (guint8) (i + 1));
    GST_BUFFER_PTS (buffer) = times[i];
    GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
    ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  }
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), times[i]);
    ck_assert_int_eq (kit_object (meta, 0)->label_id, (gint) i + 1);
    ck_assert_uint_eq (meta->frame, i);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* No bytes, or fewer than the picture has: a failed frame, and the next one is fine. */
static const gssize sizes[] = { 0, 1, KIT_WIDTH *KIT_HEIGHT - 1 };

START_TEST (test_short_buffers)
{
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = sizes[_i] ? kit_buffer (0, 1) : gst_buffer_new ();
  gst_buffer_set_size (buffer, sizes[_i]);
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_FAILED, "the buffer is smaller than its picture");
  ck_assert_uint_eq (gst_buffer_get_size (buffer), (gsize) sizes[_i]);
  gst_buffer_unref (buffer);
  gst_harness_push (h, kit_buffer (1, 5));
  buffer = kit_pull (h, &meta);
  ck_assert_int_eq (kit_object (meta, 0)->label_id, 5);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

/* A picture that stands on its head in memory: the first line is the last one. */
START_TEST (test_negative_stride)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { KIT_WIDTH * (KIT_HEIGHT - 1) };
  gint stride[GST_VIDEO_MAX_PLANES] = { -KIT_WIDTH };
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = kit_buffer (0, 1);
  gst_buffer_memset (buffer, KIT_WIDTH * (KIT_HEIGHT - 1), 9, KIT_WIDTH);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
      KIT_WIDTH, KIT_HEIGHT, 1, offset, stride);
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  ck_assert_int_eq (kit_object (meta, 0)->label_id, 9);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static void count_critical (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer n)
{
  (*(guint *) n)++;
}

/* A segment in bytes, as appsrc sends by default, tells no times: nothing is late. */
START_TEST (test_segment_in_bytes)
{
  WeirMeta *meta;
  GstSegment segment;
  guint n_critical = 0;
  const guint handler =
      g_log_set_handler ("GStreamer", G_LOG_LEVEL_CRITICAL, count_critical, &n_critical);
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx qos=true");
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  gst_harness_push_upstream_event (
      h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, GST_SECOND, GST_SECOND));
  for (guint i = 0; i < 3; i++) {
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
    GstBuffer *buffer = kit_pull (h, &meta);
    kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
  g_log_remove_handler ("GStreamer", handler);
  ck_assert_uint_eq (n_critical, 0);
}
END_TEST

/* Where a stream is relinked, buffers of the caps before may come behind the caps that follow. */
START_TEST (test_other_format)
{
  WeirMeta *meta;
  guint n_critical = 0;
  const guint handler =
      g_log_set_handler ("GStreamer-Video", G_LOG_LEVEL_CRITICAL, count_critical, &n_critical);
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = kit_buffer (0, 1);
  gst_buffer_add_video_meta (
      buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY16_LE, KIT_WIDTH / 2, KIT_HEIGHT);
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_FAILED,
      "the buffer's GstVideoMeta says another pixel format than its caps");
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
  g_log_remove_handler ("GStreamer-Video", handler);
  ck_assert_uint_eq (n_critical, 0);
}
END_TEST

/* Sizes of a GstVideoMeta that no memory holds, or that are less than the caps say. */
static const struct {
  guint width, height;
  const gchar *reason;
} size_rows[] = {
  { G_MAXUINT, KIT_HEIGHT, "the buffer is smaller than its picture" },
  { KIT_WIDTH, G_MAXUINT, "the buffer is smaller than its picture" },
  { G_MAXINT, KIT_HEIGHT, "the buffer is smaller than its picture" },
  { 0, KIT_HEIGHT, "the buffer's GstVideoMeta says a smaller picture than its caps" },
  { KIT_WIDTH, KIT_HEIGHT - 1, "the buffer's GstVideoMeta says a smaller picture than its caps" },
};

START_TEST (test_other_size)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { KIT_WIDTH };
  WeirMeta *meta;
  guint n_critical = 0;
  const guint handler =
      g_log_set_handler ("GStreamer-Video", G_LOG_LEVEL_CRITICAL, count_critical, &n_critical);
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *buffer = kit_buffer (0, 1);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
      size_rows[_i].width, size_rows[_i].height, 1, offset, stride);
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_FAILED, size_rows[_i].reason);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
  g_log_remove_handler ("GStreamer-Video", handler);
  ck_assert_uint_eq (n_critical, 0);
}
END_TEST

/* A meta that promises more lines than there are, before an element that wants the layout of the
 * caps: the frame passes as it is, and nobody reads beyond its end. */
START_TEST (test_short_buffer_is_not_copied)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 1 << 20 };
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h =
      kit_harness (_i ? "inferdetect model=net.onnx interval=2" : "inferdetect model=net.onnx");
  g_autoptr (GstCaps) caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  ck_assert (gst_pad_peer_query (h->srcpad, query));
  gst_query_unref (query);
  for (guint i = 0; i < 2; i++) {
    GstBuffer *buffer = kit_buffer (i, 1);
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
        KIT_WIDTH, KIT_HEIGHT, 1, offset, stride);
    ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
    buffer = kit_pull (h, &meta);
    ck_assert_int_eq (meta->status, _i && i == 1 ? WEIR_STATUS_SKIPPED : WEIR_STATUS_FAILED);
    ck_assert_uint_eq (gst_buffer_get_size (buffer), KIT_WIDTH * KIT_HEIGHT);
    ck_assert (gst_buffer_get_video_meta (buffer) != NULL);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* Buffers that come as a list are frames like others. */
START_TEST (test_buffer_list)
{
  WeirMeta *meta;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBufferList *list = gst_buffer_list_new ();
  for (guint i = 0; i < 12; i++)
    gst_buffer_list_add (list, kit_buffer (i, (guint8) i));
  ck_assert_int_eq (gst_pad_push_list (h->srcpad, list), GST_FLOW_OK);
  for (guint i = 0; i < 12; i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_int_eq (kit_object (meta, 0)->label_id, (gint) i);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("odd-buffers");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_odd_times, 0, 2);
  tcase_add_loop_test (tcase, test_short_buffers, 0, G_N_ELEMENTS (sizes));
  tcase_add_test (tcase, test_negative_stride);
  tcase_add_test (tcase, test_segment_in_bytes);
  tcase_add_test (tcase, test_other_format);
  tcase_add_loop_test (tcase, test_other_size, 0, G_N_ELEMENTS (size_rows));
  tcase_add_loop_test (tcase, test_short_buffer_is_not_copied, 0, 2);
  tcase_add_test (tcase, test_buffer_list);
  return kit_run (tcase);
}
