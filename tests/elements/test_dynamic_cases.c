/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams that come and go, one case each: all of them, one that is stuck, one whose source is
 * switched, one element in two pipelines. */
#include "clock_kit.h"
#include "dynamic_wall.h"
#include "element_kit.h"

#include "tests/slowdown.h"

#define HANG_S     60
#define N_SWITCHES repeat (40, 4)

static gchar *models; /* folder of the networks */

static void end_branches (DynamicWall *wall)
{
  watchdog_say (&wall->dog, "ending all branches");
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    dynamic_branch_end (wall->branches[i]);
    gst_element_set_state (wall->branches[i], GST_STATE_NULL);
    gst_bin_remove (GST_BIN (wall->pipeline), wall->branches[i]);
    dynamic_arrivals_clear (&wall->arrivals[i]);
  }
  victim_remove_drained (&wall->victim);
}

static void add_branches (DynamicWall *wall)
{
  watchdog_say (&wall->dog, "adding all branches");
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    wall->branches[i] = dynamic_branch_new (&wall->settings, i, -1);
    dynamic_arrivals_init (&wall->arrivals[i]);
    dynamic_branch_watch (wall->branches[i], &wall->arrivals[i]);
    gst_bin_add (GST_BIN (wall->pipeline), wall->branches[i]);
    ck_assert (gst_element_sync_state_with_parent (wall->branches[i]));
  }
  victim_open (&wall->victim);
}

/* An element with the settings of those that left begins anew. */
static void check_session_is_gone (void)
{
  GstElement *other =
      kit_launch ("inferdetect name=find model=%s/find-characters.onnx ! fakesink", models);
  gst_element_set_state (other, GST_STATE_READY);
  ck_assert_uint_eq (kit_stat (other, "find", "items"), 0);
  gst_element_set_state (other, GST_STATE_NULL);
  gst_object_unref (other);
}

/* The session closes with its last stream and opens with its first, while the pipeline plays. */
START_TEST (test_all_leave_and_return)
{
  DynamicWall wall;
  dynamic_wall_open (&wall, models, "");
  dynamic_wall_wait (&wall, 3);
  end_branches (&wall);
  check_session_is_gone ();
  add_branches (&wall);
  dynamic_wall_wait (&wall, 6);
  ck_assert_uint_eq (kit_stat (wall.branches[1], "find", "streams"), DYNAMIC_N_CAMERAS);
  ck_assert_uint_eq (kit_stat (wall.branches[1], "find", "loads"), 1);
  dynamic_wall_close (&wall);
  dynamic_wall_check_solo (&wall, 1e-4);
  dynamic_wall_clear (&wall);
}
END_TEST

/* Nothing leaves one stream any more, whose items and frames stay where they are: the others go on
 * without a pause in what num-requests leaves them, and the pipeline stops at once all the same. */
START_TEST (test_one_is_stuck)
{
  static const gchar *const stuck[] = { "find", "read" };
  DynamicWall wall;
  Block block;
  dynamic_wall_open (&wall, models, "num-requests=8 deterministic=true");
  dynamic_wall_measure (&wall);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (wall.victim.branch), stuck[_i]);
  watchdog_say (&wall.dog, "blocking");
  block_close (&block, element, "src", GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM);
  dynamic_wall_wait (&wall, 8);
  const gint64 start_us = g_get_monotonic_time ();
  dynamic_wall_close (&wall);
  g_print ("closed in %.1f ms\n", (gdouble) (g_get_monotonic_time () - start_us) * 1e-3);
  block_open (&block);
  const guint n_late = dynamic_wall_count_pauses (&wall);
  ck_assert_uint_eq (is_timed () ? n_late : 0, 0);
  dynamic_wall_check_solo (&wall, 0);
  dynamic_wall_clear (&wall);
}
END_TEST

typedef struct Count {
  gint n_frames, n_wrong; /* atomic */
} Count;

static void count_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user)
{
  Count *self = user;
  GstVideoInfo info;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  if (!meta || meta->status != WEIR_STATUS_INFERRED || !gst_video_info_from_caps (&info, caps) ||
      gst_buffer_get_size (buffer) != info.size)
    g_atomic_int_inc (&self->n_wrong);
  g_atomic_int_inc (&self->n_frames);
}

static void watch_frames (GstElement *pipeline, Count *count)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  *count = (Count){ 0 };
  g_signal_connect (sink, "handoff", G_CALLBACK (count_frame), count);
}

static void wait_frames (Count *count, gint n_frames)
{
  const gint end = g_atomic_int_get (&count->n_frames) + n_frames;
  while (g_atomic_int_get (&count->n_frames) < end)
    g_usleep (1000);
}

/* Lets the other source through. While its pad is idle nothing of the old source is inside the
 * selector, which would send it behind the new one's caps. */
static GstPadProbeReturn switch_source (GstPad *pad, GstPadProbeInfo *info, gpointer other)
{
  g_autoptr (GstElement) select = gst_pad_get_parent_element (other);
  g_object_set (select, "active-pad", other, NULL);
  return GST_PAD_PROBE_REMOVE;
}

static void switch_between (GstElement *select, const gchar *from, const gchar *to)
{
  g_autoptr (GstPad) old = gst_element_get_static_pad (select, from);
  g_autoptr (GstPad) source = gst_pad_get_peer (old);
  gst_pad_add_probe (source, GST_PAD_PROBE_TYPE_IDLE, switch_source,
      gst_element_get_static_pad (select, to), gst_object_unref);
}

/* Two elements of one session in one branch, behind a selector whose sources differ in size and
 * format. */
START_TEST (test_sources_are_switched)
{
  Watchdog dog;
  Count count;
  watchdog_start (&dog, "switching sources", HANG_S);
  GstElement *pipeline = kit_launch (
      "input-selector name=select sync-streams=false ! inferdetect name=find "
      "model=%s/find-characters.onnx ! inferdetect name=again model=%s/find-characters.onnx ! "
      "fakesink name=sink async=false signal-handoffs=true "
      "videotestsrc is-live=true ! video/x-raw,format=NV12,width=320,height=240,framerate=60/%u ! "
      "select.sink_0 videotestsrc is-live=true pattern=ball ! "
      "video/x-raw,format=GRAY8,width=400,height=200,framerate=50/%u ! select.sink_1",
      models, models, slowdown (), slowdown ());
  g_autoptr (GstElement) select = gst_bin_get_by_name (GST_BIN (pipeline), "select");
  watch_frames (pipeline, &count);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < N_SWITCHES; i++) {
    wait_frames (&count, 2);
    switch_between (select, i % 2 ? "sink_1" : "sink_0", i % 2 ? "sink_0" : "sink_1");
    dynamic_look_at_bus (pipeline, NULL, 0);
    watchdog_step (&dog);
  }
  ck_assert_uint_eq (kit_stat (pipeline, "find", "streams"), 2);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  ck_assert_int_eq (count.n_wrong, 0);
  watchdog_stop (&dog);
}
END_TEST

/* The same element plays in one pipeline, then in another one with other pictures. */
START_TEST (test_element_moves)
{
  static const gchar *const sources[] = {
    "videotestsrc name=source is-live=true ! capsfilter name=last "
    "caps=video/x-raw,format=I420,width=320,height=240,framerate=60/1",
    "videotestsrc name=source is-live=true ! capsfilter name=last "
    "caps=video/x-raw,format=BGR,width=401,height=201,framerate=60/1",
  };
  Watchdog dog;
  Count count;
  g_autoptr (GstElement) detect =
      gst_object_ref_sink (kit_launch ("inferdetect model=%s/find-characters.onnx", models));
  watchdog_start (&dog, "moving an element", HANG_S);
  for (guint i = 0; i < 6; i++) {
    GstElement *pipeline = gst_pipeline_new (NULL);
    GstElement *source = gst_parse_bin_from_description (sources[i % 2], TRUE, NULL);
    GstElement *sink = gst_element_factory_make ("fakesink", "sink");
    g_object_set (sink, "async", FALSE, "signal-handoffs", TRUE, NULL);
    gst_bin_add_many (GST_BIN (pipeline), source, detect, sink, NULL);
    ck_assert (gst_element_link_many (source, detect, sink, NULL));
    watch_frames (pipeline, &count);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_frames (&count, 5);
    /* every other time it only stops, and takes its session along */
    gst_element_set_locked_state (detect, i % 2);
    gst_element_set_state (detect, i % 2 ? GST_STATE_READY : GST_STATE_NULL);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_bin_remove (GST_BIN (pipeline), detect);
    gst_element_set_locked_state (detect, FALSE);
    gst_object_unref (pipeline);
    ck_assert_int_eq (count.n_wrong, 0);
    watchdog_step (&dog);
  }
  gst_element_set_state (detect, GST_STATE_NULL);
  watchdog_stop (&dog);
}
END_TEST

int main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  kit_register ();
  models = clock_models ();
  if (!models)
    return 77;
  TCase *tcase = tcase_create ("dynamic-cases");
  tcase_set_timeout (tcase, 600);
  tcase_add_test (tcase, test_all_leave_and_return);
  tcase_add_loop_test (tcase, test_one_is_stuck, 0, 2);
  tcase_add_test (tcase, test_sources_are_switched);
  tcase_add_test (tcase, test_element_moves);
  return kit_run (tcase);
}
