/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interruptions: flushes with work in flight, state changes at any moment, downstream that refuses.
 * Nothing may hang, leak, or arrive from before. */
#include "element_kit.h"
#include "fake_engine.h"

#define DEPTH 4u /* of the ring, with optimal = 2 */

static void assert_nothing_left (void)
{
  ck_assert_uint_eq (fake_engine_n_requests (), 0);
  ck_assert_uint_eq (fake_engine_n_streams (), 0);
  ck_assert_uint_eq (fake_engine_n_sessions (), 0);
}

static void flush (GstHarness *h)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_start ()));
  ck_assert (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

/* Pushes until something else than OK comes back. */
typedef struct Pusher {
  GstHarness *h;
  gint n_pushed; /* atomic */
  GstFlowReturn flow;
  GThread *thread;
} Pusher;

static gpointer push_all (gpointer data)
{
  Pusher *pusher = data;
  do {
    pusher->flow = gst_harness_push (pusher->h, kit_buffer ((guint) pusher->n_pushed, 1));
    g_atomic_int_inc (&pusher->n_pushed);
  } while (pusher->flow == GST_FLOW_OK);
  return NULL;
}

static void start_pusher (Pusher *pusher, GstHarness *h)
{
  *pusher = (Pusher){ .h = h };
  pusher->thread = g_thread_new ("pusher", push_all, pusher);
}

static GstFlowReturn join_pusher (Pusher *pusher)
{
  g_thread_join (pusher->thread);
  return pusher->flow;
}

/* Old frames never come out, their buffers are let go, new ones come. */
START_TEST (test_flush_drops_work_in_flight)
{
  const FakeEngine held = { .n_workers = 2, .hold = TRUE };
  GstBuffer *old[3];
  WeirMeta *meta;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  for (guint i = 0; i < 3; i++) {
    old[i] = kit_buffer (i, 10);
    gst_harness_push (h, gst_buffer_ref (old[i]));
  }
  fake_engine_wait_running (2);
  fake_engine_wait_in_flight (3);
  flush (h);
  fake_engine_release ();
  for (guint i = 3; i < 6; i++)
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 20)), GST_FLOW_OK);
  for (guint i = 3; i < 6; i++) {
    GstBuffer *buffer = kit_pull (h, &meta);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    ck_assert_int_eq (kit_object (meta, 0)->label_id, 20);
    ck_assert_uint_eq (meta->frame, i); /* counts on over a flush */
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
  for (guint i = 0; i < 3; i++) {
    ck_assert_int_eq (GST_MINI_OBJECT_REFCOUNT_VALUE (old[i]), 1);
    gst_buffer_unref (old[i]);
  }
  assert_nothing_left ();
}
END_TEST

/* Buffers of a pool come back soon after a flush, though no further buffer comes. */
START_TEST (test_flush_lets_buffers_go)
{
  const FakeEngine held = { .n_workers = 1, .hold = TRUE };
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBuffer *running = kit_buffer (0, 1), *queued = kit_buffer (1, 1);
  gst_harness_push (h, gst_buffer_ref (running));
  gst_harness_push (h, gst_buffer_ref (queued));
  fake_engine_wait_running (1);
  fake_engine_wait_in_flight (2);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  ck_assert_int_eq (GST_MINI_OBJECT_REFCOUNT_VALUE (queued), 1);
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  fake_engine_release ();
  while (GST_MINI_OBJECT_REFCOUNT_VALUE (running) > 1)
    g_usleep (1000);
  gst_buffer_unref (running);
  gst_buffer_unref (queued);
  gst_harness_teardown (h);
}
END_TEST

/* Caps that stood in the ring are not lost. */
START_TEST (test_flush_keeps_caps)
{
  const FakeEngine held = { .hold = TRUE };
  WeirMeta *meta;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  gst_harness_push (h, kit_buffer (0, 1));
  g_autoptr (GstCaps) caps = kit_caps (48, 24);
  ck_assert (gst_harness_push_event (h, gst_event_new_caps (caps)));
  flush (h);
  fake_engine_release ();
  ck_assert_int_eq (gst_harness_push (h, kit_buffer_sized (1, 7, 48, 24)), GST_FLOW_OK);
  gst_buffer_unref (kit_pull (h, &meta));
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (h->sinkpad);
  ck_assert (gst_caps_is_equal (now, caps));
  gst_harness_teardown (h);
}
END_TEST

static GstPadProbeReturn hold_up (GstPad *pad, GstPadProbeInfo *info, gpointer is_held_up)
{
  if (GST_EVENT_TYPE (info->data) != GST_EVENT_CUSTOM_DOWNSTREAM)
    return GST_PAD_PROBE_PASS;
  g_atomic_int_set ((gint *) is_held_up, TRUE);
  return GST_PAD_PROBE_OK;
}

/* What was flushed while it ran gives its place back, also when downstream holds the task up. */
START_TEST (test_flush_gives_places_back)
{
  const FakeEngine held = { .n_workers = 1, .hold = TRUE };
  Pusher pusher;
  gint is_held_up = FALSE;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  const gulong probe = gst_pad_add_probe (h->sinkpad,
      GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, hold_up, &is_held_up, NULL);
  gst_harness_push (h, kit_buffer (0, 1));
  fake_engine_wait_running (1);
  flush (h);
  gst_harness_push_event (
      h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("x")));
  while (!g_atomic_int_get (&is_held_up))
    g_usleep (1000);
  start_pusher (&pusher, h);
  while (g_atomic_int_get (&pusher.n_pushed) < (gint) DEPTH - 1)
    g_usleep (1000);
  fake_engine_release ();
  while (g_atomic_int_get (&pusher.n_pushed) < (gint) DEPTH)
    g_usleep (1000);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  ck_assert_int_eq (join_pusher (&pusher), GST_FLOW_FLUSHING);
  gst_pad_remove_probe (h->sinkpad, probe);
  gst_harness_teardown (h);
  assert_nothing_left ();
}
END_TEST

/* Nobody will ever take what stands behind an error, done by then or only later. */
static const FakeEngine behind_error[] = { { .n_workers = 1, .hold = TRUE },
  { .n_workers = 1, .delay_us = 20000 } };

START_TEST (test_error_lets_buffers_go)
{
  GstBuffer *waiting = kit_buffer (1, 1);
  KitLog log;
  fake_engine_reset (&behind_error[_i]);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  kit_log_set_flow (&log, GST_FLOW_ERROR);
  gst_harness_push (h, kit_buffer (0, 1));
  gst_harness_push (h, gst_buffer_ref (waiting));
  fake_engine_release ();
  while (GST_MINI_OBJECT_REFCOUNT_VALUE (waiting) > 1)
    g_usleep (1000);
  gst_buffer_unref (waiting);
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

START_TEST (test_flush_releases_blocked_chain)
{
  const FakeEngine held = { .hold = TRUE, .limit = _i ? 2 : 0 }; /* in submit, or at a full ring */
  Pusher pusher;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  start_pusher (&pusher, h);
  fake_engine_wait_in_flight (_i ? 2 : DEPTH);
  while (g_atomic_int_get (&pusher.n_pushed) < (_i ? 2 : (gint) DEPTH))
    g_usleep (1000);
  g_usleep (20 * 1000); /* a chain that does not block would be through by now */
  ck_assert_int_eq (g_atomic_int_get (&pusher.n_pushed), _i ? 2 : (gint) DEPTH);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  ck_assert_int_eq (join_pusher (&pusher), GST_FLOW_FLUSHING);
  fake_engine_release ();
  gst_harness_teardown (h);
  assert_nothing_left ();
}
END_TEST

static gpointer release_soon (gpointer unused)
{
  g_usleep (20 * 1000);
  fake_engine_release ();
  return NULL;
}

START_TEST (test_stop_releases_blocked_chain)
{
  const FakeEngine held = { .hold = TRUE, .limit = _i ? 2 : 0 };
  Pusher pusher;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstElement *element = kit_find (h, "inferdetect");
  start_pusher (&pusher, h);
  fake_engine_wait_in_flight (_i ? 2 : DEPTH);
  GThread *releaser = g_thread_new ("releaser", release_soon, NULL);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  ck_assert_int_ne (join_pusher (&pusher), GST_FLOW_OK);
  g_thread_join (releaser);
  assert_nothing_left ();
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

START_TEST (test_flush_at_random_moments)
{
  const FakeEngine busy = { .n_workers = 4, .optimal = 4, .delay_us = 500, .limit = 6 };
  GRand *random = g_rand_new_with_seed ((guint32) _i);
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx ! inferdetect model=b.onnx");
  gst_harness_set_drop_buffers (h, TRUE);
  for (guint i = 0; i < 30; i++) {
    Pusher pusher;
    start_pusher (&pusher, h);
    g_usleep ((gulong) g_rand_int_range (random, 0, 3000));
    ck_assert (gst_harness_push_event (h, gst_event_new_flush_start ()));
    ck_assert_int_eq (join_pusher (&pusher), GST_FLOW_FLUSHING);
    ck_assert (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  }
  g_rand_free (random);
  gst_harness_teardown (h);
  assert_nothing_left ();
}
END_TEST

/* Up and down again, at once or after some frames. */
START_TEST (test_state_loops)
{
  const FakeEngine busy = { .n_workers = 4, .delay_us = 1000 };
  fake_engine_reset (&busy);
  GstElement *pipeline =
      gst_parse_launch ("videotestsrc ! video/x-raw,width=32,height=32 "
                        "! inferdetect model=a.onnx ! inferdetect model=b.onnx ! fakesink",
          NULL);
  for (guint i = 0; i < 50; i++) {
    ck_assert_int_ne (
        gst_element_set_state (pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    if (i % 2)
      ck_assert_int_eq (gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE),
          GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (pipeline, i % 3 ? GST_STATE_NULL : GST_STATE_READY);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  assert_nothing_left ();
}
END_TEST

static const GstFlowReturn refusals[] = { GST_FLOW_EOS, GST_FLOW_NOT_LINKED, GST_FLOW_ERROR,
  GST_FLOW_NOT_NEGOTIATED };

/* Upstream hears of it within the frames that the element holds. */
START_TEST (test_downstream_refusal_returns)
{
  const FakeEngine busy = { .delay_us = 200 };
  KitLog log;
  Pusher pusher;
  fake_engine_reset (&busy);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  kit_log_set_flow (&log, refusals[_i]);
  start_pusher (&pusher, h);
  ck_assert_int_eq (join_pusher (&pusher), refusals[_i]);
  ck_assert_int_le (g_atomic_int_get (&pusher.n_pushed), (gint) DEPTH + 2);
  kit_log_clear (&log);
  gst_harness_teardown (h);
  assert_nothing_left ();
}
END_TEST

/* After EOS from downstream a new segment is a new chance. */
START_TEST (test_downstream_eos_ends_with_segment)
{
  const FakeEngine plain = { .n_workers = 0 };
  GstSegment segment;
  KitLog log;
  Pusher pusher;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  kit_log_set_flow (&log, GST_FLOW_EOS);
  start_pusher (&pusher, h);
  ck_assert_int_eq (join_pusher (&pusher), GST_FLOW_EOS);
  kit_log_set_flow (&log, GST_FLOW_OK);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  ck_assert (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (99, 1)), GST_FLOW_OK);
  kit_log_wait (&log, " segment buffer-99");
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

/* A branch that is linked again goes on after its RECONFIGURE. */
START_TEST (test_not_linked_ends_with_reconfigure)
{
  const FakeEngine plain = { .n_workers = 0 };
  KitLog log;
  Pusher pusher;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  kit_log_set_flow (&log, GST_FLOW_NOT_LINKED);
  start_pusher (&pusher, h);
  ck_assert_int_eq (join_pusher (&pusher), GST_FLOW_NOT_LINKED);
  kit_log_set_flow (&log, GST_FLOW_OK);
  gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
  ck_assert_int_eq (gst_harness_push (h, kit_buffer (99, 1)), GST_FLOW_OK);
  kit_log_wait (&log, "buffer-99");
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

/* An error that comes when upstream has already said EOS is told on the bus. */
START_TEST (test_error_after_eos_is_posted)
{
  const FakeEngine held = { .hold = TRUE };
  KitLog log;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  kit_log_init (&log, h->sinkpad);
  gst_harness_push (h, kit_buffer (0, 1));
  gst_harness_push_event (h, gst_event_new_eos ());
  kit_log_set_flow (&log, GST_FLOW_ERROR);
  fake_engine_release ();
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_unref (message);
  kit_log_wait_eos (&log);
  kit_log_clear (&log);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-flush");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_flush_drops_work_in_flight);
  tcase_add_test (tcase, test_flush_lets_buffers_go);
  tcase_add_test (tcase, test_flush_keeps_caps);
  tcase_add_test (tcase, test_flush_gives_places_back);
  tcase_add_loop_test (tcase, test_error_lets_buffers_go, 0, G_N_ELEMENTS (behind_error));
  tcase_add_loop_test (tcase, test_flush_releases_blocked_chain, 0, 2);
  tcase_add_loop_test (tcase, test_stop_releases_blocked_chain, 0, 2);
  tcase_add_loop_test (tcase, test_flush_at_random_moments, 0, 5);
  tcase_add_test (tcase, test_state_loops);
  tcase_add_loop_test (tcase, test_downstream_refusal_returns, 0, G_N_ELEMENTS (refusals));
  tcase_add_test (tcase, test_downstream_eos_ends_with_segment);
  tcase_add_test (tcase, test_not_linked_ends_with_reconfigure);
  tcase_add_test (tcase, test_error_after_eos_is_posted);
  return kit_run (tcase);
}
