/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What leaves an element leaves in the order in which it came, as through `identity ! queue`,
 * whatever the engine's workers do. */
#include "element_kit.h"
#include "fake_engine.h"
#include <string.h>

static const FakeEngine slow = { .n_workers = 4, .optimal = 3, .delay_us = 2000 };

/* Letters of a schedule: b buffer, s segment, t tag, c custom, g gap, w caps of another width. */
static GstEvent *new_event (gchar letter, guint n)
{
  GstSegment segment;
  switch (letter) {
  case 's':
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.base = n * GST_SECOND;
    return gst_event_new_segment (&segment);
  case 't':
    return gst_event_new_tag (gst_tag_list_new (GST_TAG_TRACK_NUMBER, n, NULL));
  case 'c':
    return gst_event_new_custom (
        GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new ("mark", "n", G_TYPE_INT, (gint) n, NULL));
  case 'g':
    return gst_event_new_gap (n * KIT_FRAME_NS, KIT_FRAME_NS);
  default: {
    g_autoptr (GstCaps) caps = kit_caps ((gint) (16 + n), KIT_HEIGHT);
    return gst_event_new_caps (caps);
  }
  }
}

/* What comes out of the launch line when the schedule goes in. */
static gchar *run_schedule (const gchar *launch, const gchar *schedule)
{
  KitLog log;
  GstHarness *h = gst_harness_new_parse (launch);
  gint width = KIT_WIDTH;
  kit_log_init (&log, h->sinkpad);
  gst_harness_set_src_caps (h, kit_caps (KIT_WIDTH, KIT_HEIGHT));
  for (guint n = 0; schedule[n]; n++) {
    if (schedule[n] == 'b') {
      GstBuffer *buffer = kit_buffer_sized (n, (guint8) n, width, KIT_HEIGHT);
      ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
    } else {
      ck_assert (gst_harness_push_event (h, new_event (schedule[n], n)));
      width = schedule[n] == 'w' ? (gint) (16 + n) : width;
    }
  }
  ck_assert (gst_harness_push_event (h, gst_event_new_eos ()));
  kit_log_wait_eos (&log);
  gchar *text = g_strdup (log.text->str);
  kit_log_clear (&log);
  gst_harness_teardown (h);
  return text;
}

static void compare (const gchar *schedule)
{
  g_autofree gchar *expected = run_schedule (
      "identity ! queue max-size-buffers=0 max-size-time=0 max-size-bytes=0", schedule);
  g_autofree gchar *detected = run_schedule ("inferdetect model=net.onnx", schedule);
  g_autofree gchar *both = run_schedule (
      "inferdetect model=a.onnx ! inferdetect model=b.onnx region=roi-list", schedule);
  ck_assert_str_eq (detected, expected);
  ck_assert_str_eq (both, expected);
}

static const gchar *const schedules[] = {
  "",
  "b",
  "bbbbbbbbbbbbbbbbbbbb",
  "bbbbtbbbb",
  "btbcbgbsbwb",
  "bbwbbwbbbwb",
  "ccccbtttt",
  "bbbbbsbbbbbsbbbbb",
  "gggg",
};

START_TEST (test_filter_order_scripted)
{
  fake_engine_reset (&slow);
  compare (schedules[_i]);
}
END_TEST

START_TEST (test_filter_order_random)
{
  gchar schedule[61] = { 0 };
  GRand *random = g_rand_new_with_seed ((guint32) _i);
  fake_engine_reset (&slow);
  for (guint i = 0; i < 60; i++)
    schedule[i] = "bbbbbbbbstcgw"[g_rand_int_range (random, 0, 13)];
  g_rand_free (random);
  compare (schedule);
}
END_TEST

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
  gst_harness_push_event (h, new_event ('s', 0));
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
  tcase_add_loop_test (tcase, test_filter_order_scripted, 0, G_N_ELEMENTS (schedules));
  tcase_add_loop_test (tcase, test_filter_order_random, 0, 12);
  tcase_add_test (tcase, test_filter_eos_drains);
  tcase_add_test (tcase, test_filter_pause_drains);
  tcase_add_test (tcase, test_filter_after_eos);
  tcase_add_test (tcase, test_filter_oob_event_passes);
  return kit_run (tcase);
}
