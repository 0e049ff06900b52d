/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings over the real engine: what takes effect while frames flow, what waits for the next start
 * and says so, what is refused at NULL→READY. */
#include "element_kit.h"
#include <string.h>

#define LOOK "inferclassify region=full-frame model=%s/pipelines/clocks/read-characters.onnx "

static GstHarness *open_harness (const gchar *properties)
{
  g_autofree gchar *element = g_strdup_printf (LOOK, g_getenv ("WEIR_SOURCE_ROOT"));
  g_autofree gchar *launch = g_strconcat (element, properties, NULL);
  return kit_harness (launch);
}

/* A field of `stats`, as text. */
static gchar *stat_of (GstElement *element, const gchar *field)
{
  GstStructure *stats;
  g_object_get (element, "stats", &stats, NULL);
  gchar *text = g_strdup_value_contents (gst_structure_get_value (stats, field));
  gst_structure_free (stats);
  return text;
}

static void assert_stat (GstElement *element, const gchar *field, const gchar *expected)
{
  g_autofree gchar *value = stat_of (element, field);
  ck_assert_msg (g_str_equal (value, expected), "%s is %s, not %s", field, value, expected);
}

static GstBus *watch (GstElement *element)
{
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  return bus;
}

/* The next warning; NULL: none. */
static gchar *pop_warning (GstBus *bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  if (!message)
    return NULL;
  gst_message_parse_warning (message, &error, NULL);
  return g_strdup (error->message);
}

static void assert_no_warning (GstBus *bus)
{
  g_autofree gchar *warning = pop_warning (bus);
  ck_assert_msg (!warning, "%s", warning);
}

/* Pushes frames first..first + n - 1. */
static void push (GstHarness *h, guint first, guint n)
{
  for (guint i = first; i < first + n; i++)
    ck_assert_int_eq (gst_harness_push (h, kit_buffer (i, (guint8) i)), GST_FLOW_OK);
}

static void pull_all (GstHarness *h, guint n)
{
  for (guint i = 0; i < n; i++) {
    WeirMeta *meta;
    GstBuffer *buffer = kit_pull (h, &meta);
    kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
    ck_assert_uint_eq (GST_BUFFER_PTS (buffer), i * KIT_FRAME_NS);
    gst_buffer_unref (buffer);
  }
}

/* Property, value, and the bound that holds from then on. */
static const struct {
  const gchar *name, *value, *num_requests;
} changes[] = {
  { "num-requests", "3", "3" },
  { "config", "PERFORMANCE_HINT_NUM_REQUESTS=9", "9" },
  { "num-requests", "1", "1" },
  { "batch-timeout", "0", "1" },
  { "config", "AUTO_BATCH_TIMEOUT=2,PERFORMANCE_HINT_NUM_REQUESTS=1024", "1024" },
  { "batch-timeout", "-1", "1024" },
  { "config", "", "1024" },
};

START_TEST (test_live_while_frames_flow)
{
  GstHarness *h = open_harness ("num-requests=5");
  GstElement *element = kit_find (h, "inferclassify");
  GstBus *bus = watch (element);
  const guint n_changes = G_N_ELEMENTS (changes);
  assert_stat (element, "num-requests", "5");
  for (guint i = 0; i < 8 * n_changes; i++) {
    push (h, i * 3, 3);
    gst_util_set_object_arg (
        G_OBJECT (element), changes[i % n_changes].name, changes[i % n_changes].value);
    assert_stat (element, "num-requests", changes[i % n_changes].num_requests);
  }
  assert_no_warning (bus);
  gst_harness_push_event (h, gst_event_new_eos ());
  pull_all (h, 24 * n_changes);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

START_TEST (test_live_for_all_who_share)
{
  GstHarness *a = open_harness ("instance=shared"), *b = open_harness ("instance=shared");
  GstElement *first = kit_find (a, "inferclassify"), *second = kit_find (b, "inferclassify");
  g_object_set (first, "num-requests", 7, NULL);
  assert_stat (second, "num-requests", "7");
  g_object_set (second, "config", "PERFORMANCE_HINT_NUM_REQUESTS=2", NULL);
  assert_stat (first, "num-requests", "2");
  push (b, 0, 20);
  push (a, 0, 20);
  pull_all (a, 20);
  pull_all (b, 20);
  gst_object_unref (first);
  gst_object_unref (second);
  gst_harness_teardown (a);
  gst_harness_teardown (b);
}
END_TEST

/* A config while playing; the keys whose warnings come, in order. */
static const struct {
  const gchar *config, *num_requests;
  const gchar *warnings[3];
} configs[] = {
  { "PERFORMANCE_HINT=THROUGHPUT,AUTO_BATCH_TIMEOUT=4", "5", { NULL } }, /* as it was opened */
  { "PERFORMANCE_HINT=THROUGHPUT,PERFORMANCE_HINT_NUM_REQUESTS=8", "8", { NULL } },
  { "PERFORMANCE_HINT=LATENCY,PERFORMANCE_HINT_NUM_REQUESTS=8", "8",
      { "config: PERFORMANCE_HINT=LATENCY: takes effect at the next start" } },
  { "ALLOW_AUTO_BATCHING=NO,PERFORMANCE_HINT_NUM_REQUESTS=9,CACHE_DIR=", "9",
      { "ALLOW_AUTO_BATCHING=NO: takes effect at the next start",
          "CACHE_DIR=: takes effect at the next start" } },
  { "PERFORMANCE_HINT_NUM_REQUESTS=1025,AUTO_BATCH_TIMEOUT=x", "5",
      { "PERFORMANCE_HINT_NUM_REQUESTS=1025: expected is 0 to 1024",
          "AUTO_BATCH_TIMEOUT=x: expected is milliseconds" } },
  { "AUTO_BATCH_TIMEOUT=3,AUTO_BATCH_TIMEOUT=3", "5",
      { "AUTO_BATCH_TIMEOUT=3: the key is given" } },
  { "FROB=1", "5", { "unknown key 'FROB'" } },
};

START_TEST (test_live_config_warns)
{
  GstHarness *h = open_harness ("num-requests=5 config=PERFORMANCE_HINT=THROUGHPUT");
  GstElement *element = kit_find (h, "inferclassify");
  GstBus *bus = watch (element);
  g_autofree gchar *kept = NULL;
  g_object_set (element, "config", configs[_i].config, NULL);
  for (guint i = 0; i < 3 && configs[_i].warnings[i]; i++) {
    g_autofree gchar *warning = pop_warning (bus);
    ck_assert_msg (warning && strstr (warning, configs[_i].warnings[i]), "no '%s' in %s",
        configs[_i].warnings[i], warning);
  }
  assert_no_warning (bus);
  assert_stat (element, "num-requests", configs[_i].num_requests);
  g_object_get (element, "config", &kept, NULL);
  ck_assert_str_eq (kept, configs[_i].config);
  push (h, 0, 3);
  pull_all (h, 3);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* The wait that batching may add, before anything was measured: 25 fps, so half of 40 ms at most.
 */
static const struct {
  const gchar *properties;
  guint before_ms;
  const gchar *name, *value; /* a change */
  guint after_ms;
} latencies[] = {
  { "batch-timeout=3", 3, "batch-timeout", "9", 9 },
  { "batch-timeout=3 config=AUTO_BATCH_TIMEOUT=5", 5, "config", "AUTO_BATCH_TIMEOUT=0", 0 },
  { "", 20, "config", "AUTO_BATCH_TIMEOUT=7", 7 },
  { "batch-timeout=1000", 20, "batch-timeout", "-1", 20 },
  { "allow-auto-batching=false", 0, "batch-timeout", "5", 0 },
  { "config=PERFORMANCE_HINT=LATENCY", 0, "batch-timeout", "5", 0 },
};

START_TEST (test_live_latency)
{
  GstHarness *h = open_harness (latencies[_i].properties);
  GstElement *element = kit_find (h, "inferclassify");
  ck_assert_uint_eq (gst_harness_query_latency (h), latencies[_i].before_ms * GST_MSECOND);
  gst_util_set_object_arg (G_OBJECT (element), latencies[_i].name, latencies[_i].value);
  ck_assert_uint_eq (gst_harness_query_latency (h), latencies[_i].after_ms * GST_MSECOND);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* What only loading obeys is obeyed at the next start. */
START_TEST (test_live_config_at_next_start)
{
  GstHarness *h = open_harness ("");
  GstElement *element = kit_find (h, "inferclassify");
  g_object_set (element, "config", "PERFORMANCE_HINT=LATENCY", NULL);
  assert_stat (element, "batch-max-reason", "\"device\"");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_state (element, GST_STATE_PLAYING);
  assert_stat (element, "batch-max", "1");
  assert_stat (element, "batch-max-reason", "\"hint\"");
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* Key or property, value and range are named. */
static const struct {
  const gchar *property, *value, *message;
} refused[] = {
  { "config", "AUTO_BATCH_TIMEOUT=-2",
      "config: AUTO_BATCH_TIMEOUT=-2: expected is milliseconds, -1 (adaptive) to 2147483647" },
  { "config", "PERFORMANCE_HINT_NUM_REQUESTS=1025",
      "config: PERFORMANCE_HINT_NUM_REQUESTS=1025: expected is 0 to 1024" },
  { "config", "PERFORMANCE_HINT=FAST", "PERFORMANCE_HINT=FAST: expected is LATENCY or THROUGHPUT" },
  { "config", "OPTIMAL_NUMBER_OF_INFER_REQUESTS=4",
      "OPTIMAL_NUMBER_OF_INFER_REQUESTS=4: the key is read only" },
  { "config", "FROB=1", "config: unknown key 'FROB'; known are PERFORMANCE_HINT, " },
  { "device", "GPU(4x)", "'GPU(4x)'" },
  { "device", "BATCH:A,B", "'BATCH:A,B'" },
  { "device", "BATCH:GPU(0)", "'BATCH:GPU(0)'" },
  { "device", "(4)", "'(4)'" },
};

START_TEST (test_refused_at_ready)
{
  g_autofree gchar *launch = g_strdup_printf (LOOK, g_getenv ("WEIR_SOURCE_ROOT"));
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch (launch, NULL);
  GstBus *bus = watch (element);
  g_object_set (element, refused[_i].property, refused[_i].value, NULL);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  ck_assert (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  ck_assert_msg (strstr (error->message, refused[_i].message) != NULL, "%s", error->message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
}
END_TEST

/* Batches of the sizes from..to that ran. */
static guint64 count_batches (GstElement *element, guint from, guint to)
{
  GstStructure *stats;
  guint64 n = 0;
  g_object_get (element, "stats", &stats, NULL);
  const GValue *counts = gst_structure_get_value (stats, "batch-histogram");
  for (guint i = from; i <= to && i < gst_value_array_get_size (counts); i++)
    n += g_value_get_uint64 (gst_value_array_get_value (counts, i));
  gst_structure_free (stats);
  return n;
}

/* At the start nobody knows what a batch gains, so few frames are let in: more are once it is
 * learned. */
START_TEST (test_depth_follows_what_is_learned)
{
  const guint n_frames = 160;
  GstHarness *h = open_harness ("device=SIM(4,1)");
  GstElement *element = kit_find (h, "inferclassify");
  push (h, 0, n_frames);
  gst_harness_push_event (h, gst_event_new_eos ());
  pull_all (h, n_frames);
  ck_assert_uint_gt (count_batches (element, 5, 8), 0);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* Which properties can be set while playing is written in their flags. */
START_TEST (test_mutable_flags)
{
  static const gchar *const playing[] = { "num-requests", "batch-timeout", "config" };
  static const gchar *const ready[] = { "device", "precision", "performance-hint", "batch-size",
    "allow-auto-batching", "instance", "deterministic" };
  GstElement *element = gst_element_factory_make ("inferdetect", NULL);
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);
  for (guint i = 0; i < G_N_ELEMENTS (playing); i++)
    ck_assert (g_object_class_find_property (klass, playing[i])->flags & GST_PARAM_MUTABLE_PLAYING);
  for (guint i = 0; i < G_N_ELEMENTS (ready); i++)
    ck_assert (
        !(g_object_class_find_property (klass, ready[i])->flags & GST_PARAM_MUTABLE_PLAYING));
  gst_object_unref (element);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("live-settings");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_live_while_frames_flow);
  tcase_add_test (tcase, test_live_for_all_who_share);
  tcase_add_loop_test (tcase, test_live_config_warns, 0, G_N_ELEMENTS (configs));
  tcase_add_loop_test (tcase, test_live_latency, 0, G_N_ELEMENTS (latencies));
  tcase_add_test (tcase, test_live_config_at_next_start);
  tcase_add_loop_test (tcase, test_refused_at_ready, 0, G_N_ELEMENTS (refused));
  tcase_add_test (tcase, test_depth_follows_what_is_learned);
  tcase_add_test (tcase, test_mutable_flags);
  return kit_run (tcase);
}
