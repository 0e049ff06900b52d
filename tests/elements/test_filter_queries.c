/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the elements answer and post: latency, allocation, caps, quality of service, statistics. */
#include "element_kit.h"
#include "fake_engine.h"

#include "gst/filter_latency.h"

static const FakeEngine plain = { .n_workers = 0 };

static void push_frames (GstHarness *h, guint first, guint n)
{
  WeirMeta *meta;
  for (guint i = first; i < first + n; i++) {
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
    gst_buffer_unref (kit_pull (h, &meta));
  }
}

static void set_rate (GstHarness *h, const gchar *rate)
{
  g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=GRAY8,width=32,height=16,framerate=%s", rate);
  gst_harness_set_src_caps_str (h, caps);
}

static gboolean ask_latency (GstHarness *h, GstClockTime *min, GstClockTime *max)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live;
  const gboolean answered = gst_pad_peer_query (h->sinkpad, query);
  gst_query_parse_latency (query, &live, min, max);
  gst_query_unref (query);
  return answered && live;
}

/* Upstream's answer, from a probe on the harness's source. */
static GstPadProbeReturn answer_latency (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  const GstClockTime *max = user;
  if (GST_QUERY_TYPE (info->data) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency (GST_QUERY (info->data), TRUE, 5 * GST_MSECOND, *max);
  return GST_PAD_PROBE_HANDLED;
}

/* Before anything was measured half a frame interval at 25 fps, later the double's 7 ms: the
 * pipeline is told once. */
START_TEST (test_latency)
{
  GstClockTime min, max, upstream_max = GST_CLOCK_TIME_NONE;
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  gst_pad_add_probe (
      h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM, answer_latency, &upstream_max, NULL);
  gst_harness_push (h, kit_buffer (0, 1));
  gst_buffer_unref (kit_pull (h, &meta));
  ck_assert (ask_latency (h, &min, &max));
  ck_assert_uint_eq (min, 25 * GST_MSECOND);
  ck_assert_uint_eq (max, GST_CLOCK_TIME_NONE);
  push_frames (h, 1, 70);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND, GST_MESSAGE_LATENCY);
  ck_assert (message != NULL);
  gst_message_unref (message);
  upstream_max = 10 * GST_MSECOND;
  ck_assert (ask_latency (h, &min, &max));
  ck_assert_uint_eq (min, 12 * GST_MSECOND);
  ck_assert_uint_eq (max, 10 * GST_MSECOND + 4 * KIT_FRAME_NS);
  gst_bus_set_flushing (bus, TRUE);
  gst_bus_set_flushing (bus, FALSE);
  push_frames (h, 71, 70);
  ck_assert (gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY) == NULL);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  guint64 sample_ms;
  guint n;
  guint moved_at; /* the sample after which the pipeline should ask; 0: none */
  guint64 reported_ms;
} latency_rows[] = {
  { 10, 64, 16, 10 },                   /* from the bound of 4 ms, when enough is known */
  { 11, 64, 0, 11 },                    /* a tenth more is no news, but a query gets it */
  { 90, 1, 0, 11 },                     /* one slow frame is none either */
  { 11, 64, 0, 11 }, { 20, 64, 2, 20 }, /* more is told at once */
  { 17, 64, 0, 17 }, { 1, 62, 0, 17 },  /* as long as frames need it */
  { 1, 64, 1, 1 },                      /* less when the window is over */
};

/* A query follows the news, as the pipeline makes it, and each row. */
START_TEST (test_latency_estimate)
{
  WeirLatency latency = { .n_samples = 0 };
  ck_assert_uint_eq (weir_latency_report (&latency, 4 * GST_MSECOND), 4 * GST_MSECOND);
  for (guint i = 0; i < G_N_ELEMENTS (latency_rows); i++) {
    guint moved_at = 0;
    for (guint k = 1; k <= latency_rows[i].n; k++)
      if (weir_latency_add (&latency, latency_rows[i].sample_ms * GST_MSECOND - 1)) {
        ck_assert_msg (moved_at == 0, "row %u: %u, then %u", i, moved_at, k);
        moved_at = k;
        weir_latency_report (&latency, 0);
      }
    ck_assert_msg (moved_at == latency_rows[i].moved_at, "row %u: %u", i, moved_at);
    ck_assert_uint_eq (
        weir_latency_report (&latency, 0), latency_rows[i].reported_ms * GST_MSECOND);
  }
}
END_TEST

/* A query that comes after the first frames knows what they took. */
START_TEST (test_latency_of_first_frames)
{
  WeirLatency latency = { .n_samples = 0 };
  ck_assert_uint_eq (weir_latency_report (&latency, 4 * GST_MSECOND), 4 * GST_MSECOND);
  ck_assert (!weir_latency_add (&latency, 2 * GST_MSECOND));
  ck_assert_uint_eq (weir_latency_report (&latency, 4 * GST_MSECOND), 4 * GST_MSECOND);
  ck_assert (!weir_latency_add (&latency, 30 * GST_MSECOND));
  ck_assert_uint_eq (weir_latency_report (&latency, 4 * GST_MSECOND), 30 * GST_MSECOND);
}
END_TEST

/* A pipeline that asked before there were caps, or with another frame rate, is told when more must be
 * expected; what was measured stays true. */
static const struct {
  const gchar *caps_before; /* NULL: none */
  guint n_frames;           /* between the query and the new caps */
  const gchar *caps_after;
  gboolean is_told;
} late_caps[] = {
  { NULL, 0, "25/1", TRUE },
  { "25/1", 3, "10/1", TRUE },
  { "25/1", 3, "24/1", FALSE }, /* a ms more */
  { "25/1", 3, "50/1", FALSE }, /* less can wait */
  { "25/1", 16, "5/1", FALSE },
};

START_TEST (test_latency_of_late_caps)
{
  GstClockTime min, max, upstream_max = GST_CLOCK_TIME_NONE;
  fake_engine_reset (&plain);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  gst_pad_add_probe (
      h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM, answer_latency, &upstream_max, NULL);
  if (late_caps[_i].caps_before)
    set_rate (h, late_caps[_i].caps_before);
  ck_assert (ask_latency (h, &min, &max));
  ck_assert_uint_eq (min, (late_caps[_i].caps_before ? 25 : 5) * GST_MSECOND);
  push_frames (h, 0, late_caps[_i].n_frames);
  ck_assert (ask_latency (h, &min, &max));
  set_rate (h, late_caps[_i].caps_after);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
  ck_assert_int_eq (message != NULL, late_caps[_i].is_told);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

/* Downstream's answer to ALLOCATION. */
typedef struct Answer {
  gboolean answers, has_video_meta, has_pool;
  guint min, max; /* of the pool */
  guint expected_min, expected_max;
  gboolean expected_pool;
} Answer;

static const Answer answers[] = {
  { FALSE, FALSE, FALSE, 0, 0, 5, 0, FALSE }, { TRUE, FALSE, FALSE, 0, 0, 5, 0, FALSE },
  { TRUE, TRUE, TRUE, 2, 0, 7, 0, TRUE }, { TRUE, TRUE, TRUE, 2, 20, 7, 20, TRUE },
  { TRUE, TRUE, TRUE, 2, 4, 7, 0, FALSE }, /* it cannot grow: upstream makes its own */
};

static GstPadProbeReturn answer_allocation (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  const Answer *answer = user;
  GstQuery *query = info->data;
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  if (!answer->answers)
    return GST_PAD_PROBE_DROP;
  if (answer->has_video_meta)
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  if (answer->has_pool) {
    GstBufferPool *pool = gst_buffer_pool_new ();
    gst_query_add_allocation_pool (query, pool, 512, answer->min, answer->max);
    gst_object_unref (pool);
  }
  return GST_PAD_PROBE_HANDLED;
}

START_TEST (test_allocation)
{
  const Answer *answer = &answers[_i];
  GstBufferPool *pool;
  guint size, min, max;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  gst_pad_add_probe (
      h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer_allocation, (gpointer) answer, NULL);
  GstCaps *caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  ck_assert (gst_pad_peer_query (h->srcpad, query));
  ck_assert (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  ck_assert_uint_eq (gst_query_get_n_allocation_pools (query), 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
  ck_assert_uint_eq (min, answer->expected_min);
  ck_assert_uint_eq (max, answer->expected_max);
  ck_assert_uint_eq (size, 512);
  ck_assert_int_eq (pool != NULL, answer->expected_pool);
  gst_clear_object (&pool);
  gst_query_unref (query);
  gst_caps_unref (caps);
  gst_harness_teardown (h);
}
END_TEST

/* Lines of 32 bytes, 40 apart, after 8 bytes of nothing. */
static GstBuffer *padded_buffer (void)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 8 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 40 };
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 8 + 40 * KIT_HEIGHT, NULL);
  gst_buffer_memset (buffer, 0, 200, 8 + 40 * KIT_HEIGHT);
  for (gsize y = 0; y < KIT_HEIGHT; y++)
    gst_buffer_memset (buffer, 8 + 40 * y, (guint8) (y + 1), KIT_WIDTH);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
      KIT_WIDTH, KIT_HEIGHT, 1, offset, stride);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* We tell upstream that GstVideoMeta is fine. Where downstream does not know it, frames leave in
 * the layout of their caps; where it does, or nobody asked, they leave as they are. */
START_TEST (test_allocation_foreign_layout)
{
  WeirMeta *meta;
  guint8 line_end[2];
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  if (_i > 0)
    gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer_allocation,
        (gpointer) &answers[_i], NULL);
  if (_i > 0) {
    GstCaps *caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
    GstQuery *query = gst_query_new_allocation (caps, TRUE);
    ck_assert (gst_pad_peer_query (h->srcpad, query));
    gst_query_unref (query);
    gst_caps_unref (caps);
  }
  GstBuffer *buffer = gst_harness_push_and_pull (h, padded_buffer ());
  meta = weir_buffer_get_meta (buffer);
  ck_assert_int_eq (kit_object (meta, 0)->label_id, 1);
  const gboolean copied = _i == 1;
  ck_assert_int_eq (gst_buffer_get_video_meta (buffer) == NULL, copied);
  ck_assert_uint_eq (
      gst_buffer_get_size (buffer), copied ? KIT_WIDTH * KIT_HEIGHT : 8 + 40 * KIT_HEIGHT);
  gst_buffer_extract (buffer, copied ? 31 : 8 + 31, line_end, 2);
  ck_assert_uint_eq (line_end[0], 1);
  ck_assert_uint_eq (line_end[1], copied ? 2 : 200);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static gpointer ask_drain (gpointer h)
{
  GstQuery *query = gst_query_new_drain ();
  gst_pad_peer_query (((GstHarness *) h)->srcpad, query);
  gst_query_unref (query);
  return NULL;
}

/* A serialized query waits its turn; a flush ends the waiting. */
START_TEST (test_query_waits_for_frames)
{
  const FakeEngine held = { .hold = TRUE };
  KitLog log;
  fake_engine_reset (&held);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx");
  kit_log_init (&log, h->sinkpad);
  gst_harness_push (h, kit_buffer (0, 1));
  GThread *thread = g_thread_new ("query", ask_drain, h);
  g_usleep (20 * 1000);
  if (_i == 0)
    fake_engine_release ();
  else
    gst_harness_push_event (h, gst_event_new_flush_start ());
  g_thread_join (thread);
  if (_i == 0)
    kit_log_wait (&log, "buffer-0 query-drain");
  fake_engine_release ();
  kit_log_clear (&log);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  const gchar *caps;
  gboolean accepted;
} caps_rows[] = {
  { "video/x-raw,format=NV12,width=17,height=9,framerate=30/1", TRUE },
  { "video/x-raw,format=P010_10LE,width=16,height=8,framerate=0/1", TRUE },
  { "video/x-raw,format=xBGR,width=1,height=1,framerate=30/1", TRUE },
  { "video/x-raw,format=v210,width=16,height=8,framerate=30/1", FALSE },
  { "video/x-raw(memory:DMABuf),format=NV12,width=16,height=8,framerate=30/1", FALSE },
  { "video/x-raw(memory:VAMemory),format=NV12,width=16,height=8,framerate=30/1", FALSE },
  { "video/x-raw,format=NV12,width=16,height=8,framerate=25/1,interlace-mode=interleaved,"
    "field-order=top-field-first",
      TRUE },
  { "video/x-raw,format=NV12,width=16,height=8,framerate=0/1,max-framerate=60/1,"
    "pixel-aspect-ratio=4/3,colorimetry=bt601,chroma-site=mpeg2",
      TRUE },
  { "video/x-raw(format:Interlaced),format=NV12,width=16,height=8,framerate=25/1,"
    "interlace-mode=alternate",
      FALSE },
  { "video/x-raw,format=NV12,width=32767,height=32767,framerate=30/1", TRUE },
  { "video/x-raw,format=NV12,width=0,height=8,framerate=30/1", FALSE },
  { "audio/x-raw", FALSE },
};

START_TEST (test_caps)
{
  fake_engine_reset (&plain);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_rows[_i].caps);
  GstQuery *query = gst_query_new_accept_caps (caps);
  gboolean accepted = FALSE;
  ck_assert (gst_pad_peer_query (h->srcpad, query));
  gst_query_parse_accept_caps_result (query, &accepted);
  ck_assert_int_eq (accepted, caps_rows[_i].accepted);
  gst_query_unref (query);
  gst_harness_teardown (h);
}
END_TEST

/* Without a frame rate, or with one of a frame in decades, nothing is known of waits or of the ring
 * in time. */
static const gchar *const no_rates[] = { "0/1", "1/2147483647", "1/3601" };

START_TEST (test_latency_without_rate)
{
  GstClockTime min, max, upstream_max = 10 * GST_MSECOND;
  WeirMeta *meta;
  fake_engine_reset (&plain);
  GstHarness *h = gst_harness_new_parse ("inferdetect model=net.onnx");
  gst_pad_add_probe (
      h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM, answer_latency, &upstream_max, NULL);
  set_rate (h, no_rates[_i]);
  for (guint i = 0; i < 16; i++) {
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, 1)), GST_FLOW_OK);
    gst_buffer_unref (kit_pull (h, &meta));
  }
  ck_assert (ask_latency (h, &min, &max));
  ck_assert_uint_eq (min, 12 * GST_MSECOND);
  ck_assert_uint_eq (max, 17 * GST_MSECOND);
  gst_harness_teardown (h);
}
END_TEST

static void send_qos (GstHarness *h, GstClockTime running_ns, GstClockTimeDiff diff)
{
  gst_harness_push_upstream_event (
      h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, diff, running_ns));
}

START_TEST (test_qos)
{
  WeirMeta *meta;
  guint64 processed, dropped;
  GstFormat format;
  fake_engine_reset (&plain);
  GstHarness *h =
      kit_harness (_i ? "inferdetect model=net.onnx qos=true" : "inferdetect model=net.onnx");
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  push_frames (h, 0, 2);
  send_qos (h, KIT_FRAME_NS, KIT_FRAME_NS); /* late by a frame: the next 3 are not worth it */
  for (guint i = 2; i < 7; i++) {
    gst_harness_push (h, kit_buffer (i, 1));
    GstBuffer *buffer = kit_pull (h, &meta);
    const gboolean late = _i && i <= 4;
    kit_assert_status (
        meta, late ? WEIR_STATUS_SKIPPED : WEIR_STATUS_INFERRED, late ? "qos" : NULL);
    ck_assert_uint_eq (meta->objects->len, late ? 0 : 1);
    gst_buffer_unref (buffer);
  }
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS);
  ck_assert_int_eq (message != NULL, _i);
  if (message) {
    gst_message_parse_qos_stats (message, &format, &processed, &dropped);
    ck_assert_uint_eq (processed, 2);
    ck_assert_uint_eq (dropped, 1);
    gst_message_unref (message);
  }
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
END_TEST

static guint64 stat_of (GstElement *element, const gchar *name)
{
  GstStructure *stats;
  guint64 value = G_MAXUINT64;
  g_object_get (element, "stats", &stats, NULL);
  ck_assert_str_eq (gst_structure_get_name (stats), "weir-stats");
  gst_structure_get_uint64 (stats, name, &value);
  gst_structure_free (stats);
  return value;
}

START_TEST (test_stats)
{
  static const gchar *const names[] = { "device", "precision", "streams", "num-requests",
    "in-flight", "batch-max", "batch-max-reason", "items", "batches", "mean-batch",
    "batch-histogram", "cut-full", "cut-complete", "cut-deadline", "cut-idle", "cut-drain",
    "wait-us-p50", "wait-us-p90", "wait-us-p99", "service-us-p50", "service-us-p90",
    "service-us-p99", "latency-us-p50", "latency-us-p90", "latency-us-p99", "skipped", "failed",
    "retried", "memory-bytes", "load-ms", "frames", "stream-items" };
  GstStructure *stats;
  fake_engine_reset (&plain);
  GstHarness *h = kit_harness ("inferdetect model=net.onnx interval=2");
  GstElement *element = kit_find (h, "inferdetect");
  push_frames (h, 0, 5);
  g_object_get (element, "stats", &stats, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    ck_assert_msg (gst_structure_has_field (stats, names[i]), "%s", names[i]);
  const GValue *histogram = gst_structure_get_value (stats, "batch-histogram");
  ck_assert_uint_eq (gst_value_array_get_size (histogram), 5);
  ck_assert_uint_eq (g_value_get_uint64 (gst_value_array_get_value (histogram, 1)), 3);
  gst_structure_free (stats);
  ck_assert_uint_eq (stat_of (element, "frames"), 5);
  ck_assert_uint_eq (stat_of (element, "stream-items"), 3);
  gst_element_set_state (element, GST_STATE_NULL); /* the last figures stay readable */
  ck_assert_uint_eq (stat_of (element, "frames"), 5);
  ck_assert_uint_eq (stat_of (element, "stream-items"), 3);
  ck_assert_uint_eq (stat_of (element, "items"), 3);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-queries");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_latency);
  tcase_add_test (tcase, test_latency_estimate);
  tcase_add_test (tcase, test_latency_of_first_frames);
  tcase_add_loop_test (tcase, test_latency_of_late_caps, 0, G_N_ELEMENTS (late_caps));
  tcase_add_loop_test (tcase, test_allocation, 0, G_N_ELEMENTS (answers));
  tcase_add_loop_test (tcase, test_allocation_foreign_layout, 0, 3);
  tcase_add_loop_test (tcase, test_query_waits_for_frames, 0, 2);
  tcase_add_loop_test (tcase, test_caps, 0, G_N_ELEMENTS (caps_rows));
  tcase_add_loop_test (tcase, test_latency_without_rate, 0, G_N_ELEMENTS (no_rates));
  tcase_add_loop_test (tcase, test_qos, 0, 2);
  tcase_add_test (tcase, test_stats);
  return kit_run (tcase);
}
