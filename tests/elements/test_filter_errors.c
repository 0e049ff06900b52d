/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings that cannot work fail at NULL→READY, with a sentence of their own on the bus; what
 * gst-inspect-1.0 shows is what an instance has. */
#include "element_kit.h"
#include "fake_engine.h"
#include "gst/analytics.h"
#include <string.h>

static const struct {
  const gchar *launch;
  gboolean is_classifier;
  GQuark (*domain) (void);
  gint code;
  const gchar *text;
} rows[] = {
  { "inferdetect", FALSE, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS,
      "inferdetect: property 'model' is not set: " },
  { "inferclassify", TRUE, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS,
      "inferclassify: property 'model' is not set: " },
  { "inferdetect model=missing.onnx", FALSE, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND,
      "inferdetect: missing.onnx: no such file" },
  { "inferdetect model=a.onnx device=CPU(4x)", FALSE, gst_resource_error_quark,
      GST_RESOURCE_ERROR_SETTINGS, "'CPU(4x)' is no device" },
  { "inferdetect model=a.onnx meta=analytics", FALSE, gst_stream_error_quark,
      GST_STREAM_ERROR_NOT_IMPLEMENTED, "GstAnalyticsRelationMeta (it needs GStreamer 1.24" },
  { "inferclassify model=a.onnx meta=both", TRUE, gst_stream_error_quark,
      GST_STREAM_ERROR_NOT_IMPLEMENTED, "expected auto or roi" },
  { "inferdetect model=a.onnx", TRUE, gst_stream_error_quark, GST_STREAM_ERROR_NOT_IMPLEMENTED,
      "gives no objects (a test double); use inferclassify" },
  { "inferclassify model=a.onnx", FALSE, gst_stream_error_quark, GST_STREAM_ERROR_NOT_IMPLEMENTED,
      "gives objects, not attributes; use inferdetect" },
};

START_TEST (test_error_at_ready)
{
  const FakeEngine engine = { .is_classifier = rows[_i].is_classifier };
  if (strstr (rows[_i].launch, "meta=") && weir_analytics_is_available ())
    return; /* this build can do it: see test_analytics */
  fake_engine_reset (&engine);
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch (rows[_i].launch, NULL);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  for (guint i = 0; i < 2; i++) { /* a second try fails alike */
    ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
    gst_element_set_state (element, GST_STATE_NULL);
  }
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  gst_message_unref (message);
  ck_assert (error->domain == rows[_i].domain ());
  ck_assert_int_eq (error->code, rows[_i].code);
  ck_assert_msg (strstr (error->message, rows[_i].text) != NULL, "%s", error->message);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
  ck_assert_uint_eq (fake_engine_n_sessions (), 0);
}
END_TEST

/* After an error the property can be set right. */
START_TEST (test_recovers_from_error)
{
  const FakeEngine engine = { .n_workers = 0 };
  fake_engine_reset (&engine);
  GstElement *element = gst_element_factory_make ("inferdetect", NULL);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_set (element, "model", "a.onnx", NULL);
  ck_assert_int_eq (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
}
END_TEST

/* name=default as users read them in the interface list; "-" has no property. */
static const struct {
  const gchar *name, *detect, *classify;
} defaults[] = {
  { "model", "NULL", "NULL" },
  { "labels", "NULL", "NULL" },
  { "device", "\"CPU\"", "\"CPU\"" },
  { "precision", "auto", "auto" },
  { "performance-hint", "throughput", "throughput" },
  { "num-requests", "0", "0" },
  { "batch-size", "0", "0" },
  { "batch-timeout", "-1", "-1" },
  { "allow-auto-batching", "TRUE", "TRUE" },
  { "config", "NULL", "NULL" },
  { "instance", "NULL", "NULL" },
  { "region", "full-frame", "roi-list" },
  { "classes", "NULL", "NULL" },
  { "interval", "1", "1" },
  { "color-format", "auto", "auto" },
  { "mean", "NULL", "NULL" },
  { "scale", "NULL", "NULL" },
  { "resize", "auto", "auto" },
  { "decoder", "\"auto\"", "\"auto\"" },
  { "leaky", "no", "no" },
  { "qos", "FALSE", "FALSE" },
  { "meta", "auto", "auto" },
  { "attach-tensors", "FALSE", "FALSE" },
  { "deterministic", "FALSE", "FALSE" },
  { "stream", "NULL", "NULL" },
  { "threshold", "0.5", "0" },
  { "iou-threshold", "0.45", "-" },
  { "max-detections", "200", "-" },
  { "top-k", "-", "1" },
};

static gchar *describe (const GValue *value)
{
  if (G_VALUE_HOLDS_ENUM (value)) {
    GEnumClass *klass = g_type_class_peek (G_VALUE_TYPE (value));
    return g_strdup (g_enum_get_value (klass, g_value_get_enum (value))->value_nick);
  }
  if (G_VALUE_HOLDS_FLOAT (value))
    return g_strdup_printf ("%g", (gdouble) g_value_get_float (value));
  return g_strdup_value_contents (value);
}

static void assert_default (GstElement *element, const gchar *name, const gchar *expected)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  GValue value = G_VALUE_INIT;
  if (g_str_equal (expected, "-")) {
    ck_assert_msg (!spec, "%s", name);
    return;
  }
  ck_assert_msg (spec != NULL, "%s", name);
  ck_assert_msg (spec->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING), "%s", name);
  g_value_init (&value, spec->value_type);
  g_object_get_property (G_OBJECT (element), name, &value);
  g_autofree gchar *text = describe (&value);
  ck_assert_msg (g_str_equal (text, expected), "%s: %s, not %s", name, text, expected);
  ck_assert_msg (g_param_value_defaults (spec, &value), "%s", name);
  g_value_unset (&value);
}

START_TEST (test_property_defaults)
{
  GstElement *detect = gst_element_factory_make ("inferdetect", NULL);
  GstElement *classify = gst_element_factory_make ("inferclassify", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (defaults); i++) {
    assert_default (detect, defaults[i].name, defaults[i].detect);
    assert_default (classify, defaults[i].name, defaults[i].classify);
  }
  gst_object_unref (detect);
  gst_object_unref (classify);
}
END_TEST

/* Every value of every property comes back as it was set. */
START_TEST (test_property_round_trip)
{
  static const gchar *const settings[] = { "model=a b.onnx", "labels=a,b", "device=BATCH:CPU(4)",
    "precision=bf16", "precision=int8", "performance-hint=latency", "num-requests=1024",
    "batch-timeout=0", "allow-auto-batching=FALSE", "region=roi-list", "color-format=gray",
    "resize=letterbox-top-left", "resize=letterbox-centre", "resize=crop", "leaky=downstream",
    "meta=both", "threshold=0.25", "interval=4", "stream=cam" };
  GstElement *element = gst_element_factory_make ("inferdetect", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_auto (GStrv) pair = g_strsplit (settings[i], "=", 2);
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), pair[0]);
    GValue value = G_VALUE_INIT;
    gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
    g_value_init (&value, spec->value_type);
    g_object_get_property (G_OBJECT (element), pair[0], &value);
    g_autofree gchar *text =
        G_VALUE_HOLDS_STRING (&value) ? g_value_dup_string (&value) : describe (&value);
    ck_assert_str_eq (text, pair[1]);
    g_value_unset (&value);
  }
  gst_object_unref (element);
}
END_TEST

START_TEST (test_factory)
{
  static const gchar *const names[] = { "inferdetect", "inferclassify" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GstElementFactory *factory = gst_element_factory_find (names[i]);
    ck_assert_str_eq (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS),
        "Filter/Analyzer/Video");
    ck_assert_str_eq (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_AUTHOR),
        "The Weir developers");
    ck_assert_uint_eq (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)), GST_RANK_NONE);
    gst_object_unref (factory);
  }
}
END_TEST

static GMutex lines_lock;

static void keep_line (GstDebugCategory *category, GstDebugLevel level, const gchar *file,
    const gchar *function, gint line, GObject *object, GstDebugMessage *message, gpointer text)
{
  g_mutex_lock (&lines_lock);
  if (g_str_equal (gst_debug_category_get_name (category), "weir"))
    g_string_append_printf (text, "%d %s\n", level, gst_debug_message_get (message));
  g_mutex_unlock (&lines_lock);
}

/* A task that is between two cells when it is paused says nothing of it: another flush finds it
 * waiting. */
static void flush_until (GstHarness *h, const GString *text, const gchar *line)
{
  gboolean is_there = FALSE;
  for (guint i = 0; i < 100 && !is_there; i++) {
    g_usleep (1000 * i);
    gst_harness_push_event (h, gst_event_new_flush_start ());
    gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
    g_mutex_lock (&lines_lock);
    is_there = strstr (text->str, line) != NULL;
    g_mutex_unlock (&lines_lock);
  }
}

/* GST_DEBUG=weir:N tells what is going on: 4 of a session, 5 of changes, 6 of each frame. */
START_TEST (test_debug_log)
{
  static const gchar *const lines[] = { "4 stream 'porch' of a session with a.onnx on CPU, which ",
    "5 latency: own ", "6 frame 0: inferred, 1 objects\n", "5 the task pauses: flushing\n" };
  const FakeEngine engine = { 0 };
  g_autoptr (GString) text = g_string_new (NULL);
  WeirMeta *meta;
  fake_engine_reset (&engine);
  (gst_debug_add_log_function) (keep_line, text, NULL); /* the macro is not ISO C */
  gst_debug_set_threshold_for_name ("weir", GST_LEVEL_LOG);
  GstHarness *h = kit_harness ("inferdetect model=a.onnx stream=porch");
  gst_harness_query_latency (h);
  gst_harness_push (h, kit_buffer (0, 1));
  gst_buffer_unref (kit_pull (h, &meta));
  flush_until (h, text, lines[3]);
  gst_harness_teardown (h);
  (gst_debug_remove_log_function) (keep_line);
  gst_debug_unset_threshold_for_name ("weir");
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    ck_assert_msg (strstr (text->str, lines[i]) != NULL, "no '%s' in:\n%s", lines[i], text->str);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-errors");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_loop_test (tcase, test_error_at_ready, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_recovers_from_error);
  tcase_add_test (tcase, test_property_defaults);
  tcase_add_test (tcase, test_property_round_trip);
  tcase_add_test (tcase, test_factory);
  tcase_add_test (tcase, test_debug_log);
  return kit_run (tcase);
}
