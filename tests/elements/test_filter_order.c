/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What EOS, pausing and events out of band do to frames that wait; the order of everything else is
 * test_order_random's. */
#include "element_kit.h"
#include "fake_engine.h"
#include <string.h>

static const FakeEngine slow = { .n_workers = 4, .optimal = 3, .delay_us = 2000 };

START_TEST (test_filter_eos_drains)
{
  KitLog log;
  GString *expected = g_string_new (" stream-start caps-32 segment");
  fake_engine_reset (&slow);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  for (guint i = 0; i < 30; i++) {
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, (guint8) i)), GST_FLOW_OK);
    g_string_append_printf (expected, " buffer-%u", i);
  }
  const guint n_drains = fake_engine_n_drains ();
  gst_harness_push_event (h, gst_event_new_eos ());
  kit_log_wait_eos (&log);
  ck_assert_uint_gt (fake_engine_n_drains (), n_drains);
  g_string_append (expected, " eos");
  ck_assert_str_eq (log.text->str, expected->str);
  for (guint i = 0; i < 30; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_int_eq (kit_object (meta, 0)->label_id, (gint) i);
    ck_assert_uint_eq (meta->frame, i);
    ck_assert_uint_eq (GST_BUFFER_DURATION (buffer), KIT_FRAME_NS);
    gst_buffer_unref (buffer);
  }
  g_string_free (expected, TRUE);
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

/* A paused element adds nothing: others need not wait for it, and have its share. */
START_TEST (test_filter_pause_drains)
{
  fake_engine_reset (&slow);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (0, 0)), GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (h));
  const guint n_drains = fake_engine_n_drains ();
  gst_element_set_state (h->element, GST_STATE_PAUSED);
  ck_assert_uint_eq (fake_engine_n_drains (), n_drains + 1);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (1, 1)), GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (h));
  gst_harness_teardown (h);
}
END_TEST

/* Buffers after EOS are refused; a new stream starts over. */
START_TEST (test_filter_after_eos)
{
  KitLog log;
  fake_engine_reset (&slow);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  gst_harness_push_event (h, gst_event_new_eos ());
  kit_log_wait_eos (&log);
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (0, 0)), GST_FLOW_EOS);
  gst_harness_push_event (h, gst_event_new_stream_start ("again"));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (1, 0)), GST_FLOW_OK);
  kit_log_wait (&log, " stream-start segment buffer-1");
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

/* An event that is not serialized overtakes frames that wait. */
START_TEST (test_filter_oob_event_passes)
{
  KitLog log;
  const FakeEngine held = { .hold = TRUE };
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  gst_harness_push (h, kit_buffer (0, 0));
  gst_harness_push_event (h,
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty ("urgent")));
  kit_log_wait (&log, "custom-downstream-oob");
  ck_assert (!strstr (log.text->str, "buffer-0"));
  fake_engine_release ();
  kit_log_wait (&log, "buffer-0");
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-order");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_filter_eos_drains);
  tcase_add_test (tcase, test_filter_pause_drains);
  tcase_add_test (tcase, test_filter_after_eos);
  tcase_add_test (tcase, test_filter_oob_event_passes);
  return kit_run (tcase);
}
