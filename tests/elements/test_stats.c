/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's `stats` and the engine's JSON say the same, field by field; and the element's own
 * fields count its stream. */
#include "element_kit.h"

#include "gst/filter_private.h"
#include <json-glib/json-glib.h>
#include <string.h>

#define N_FRAMES 12

static gchar *network;

static WeirSession *session_of (GstElement *element)
{
  return weir_filter_private ((WeirFilter *) element)->session;
}

static JsonObject *read_json (WeirSession *session)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  g_autofree char *text = weir_stats_to_json (stats);
  g_autoptr (JsonNode) node = json_from_string (text, NULL);
  ck_assert_msg (node != NULL, "%s", text);
  return json_node_dup_object (node);
}

static gdouble number_of (const GValue *value)
{
  return G_VALUE_HOLDS_UINT (value)     ? g_value_get_uint (value)
         : G_VALUE_HOLDS_UINT64 (value) ? (gdouble) g_value_get_uint64 (value)
                                        : g_value_get_double (value);
}

static void assert_arrays_equal (const gchar *name, JsonArray *json, const GValue *value)
{
  ck_assert_msg (GST_VALUE_HOLDS_ARRAY (value), "%s", name);
  ck_assert_uint_eq (json_array_get_length (json), gst_value_array_get_size (value));
  for (guint i = 0; i < json_array_get_length (json); i++)
    ck_assert (json_array_get_double_element (json, i) ==
               number_of (gst_value_array_get_value (value, i)));
}

static void assert_equal (const gchar *name, JsonNode *json, const GValue *value)
{
  ck_assert_msg (value != NULL, "%s is missing", name);
  if (JSON_NODE_HOLDS_ARRAY (json))
    assert_arrays_equal (name, json_node_get_array (json), value);
  else if (JSON_NODE_HOLDS_NULL (json) || json_node_get_value_type (json) == G_TYPE_STRING)
    ck_assert_msg (g_strcmp0 (JSON_NODE_HOLDS_NULL (json) ? NULL : json_node_get_string (json),
                       g_value_get_string (value)) == 0,
        "%s is '%s'", name, g_value_get_string (value));
  else
    ck_assert_msg (json_node_get_double (json) == number_of (value), "%s is %f and %f", name,
        json_node_get_double (json), number_of (value));
}

/* Fields of the element alone are "frames" and those that begin with "stream-". */
static void assert_same (const GstStructure *structure, JsonObject *json)
{
  g_autoptr (GList) members = json_object_get_members (json);
  guint n_own = 0;
  for (GList *l = members; l; l = l->next) {
    g_autofree gchar *name = g_strdelimit (g_strdup (l->data), "_", '-');
    assert_equal (
        name, json_object_get_member (json, l->data), gst_structure_get_value (structure, name));
  }
  for (gint i = 0; i < gst_structure_n_fields (structure); i++) {
    const gchar *name = gst_structure_nth_field_name (structure, (guint) i);
    n_own += g_str_equal (name, "frames") || g_str_has_prefix (name, "stream-");
  }
  ck_assert_uint_eq ((guint) gst_structure_n_fields (structure), g_list_length (members) + n_own);
}

static guint64 count_of (const GstStructure *structure, const gchar *name)
{
  const GValue *value = gst_structure_get_value (structure, name);
  ck_assert_msg (value != NULL, "%s is missing", name);
  return (guint64) number_of (value);
}

static GstHarness *play (const gchar *properties)
{
  g_autofree gchar *launch =
      g_strdup_printf ("inferdetect model=%s device=REF %s", network, properties);
  GstHarness *h = kit_harness (launch);
  for (guint i = 0; i < N_FRAMES; i++) {
    WeirMeta *meta;
    gst_harness_push (h, kit_buffer (i, (guint8) (10 * i)));
    gst_buffer_unref (kit_pull (h, &meta));
  }
  return h;
}

START_TEST (test_stats_agree)
{
  GstHarness *h = play ("batch-size=3");
  GstElement *element = kit_find (h, "inferdetect");
  GstStructure *structure;
  g_autoptr (JsonObject) json = read_json (session_of (element));
  g_object_get (element, "stats", &structure, NULL);
  ck_assert_str_eq (gst_structure_get_name (structure), "weir-stats");
  assert_same (structure, json);
  ck_assert_uint_eq (count_of (structure, "frames"), N_FRAMES);
  ck_assert_uint_eq (count_of (structure, "stream-items"), N_FRAMES);
  ck_assert_uint_eq (count_of (structure, "items"), N_FRAMES);
  ck_assert_uint_eq (count_of (structure, "streams"), 1);
  ck_assert_uint_gt (count_of (structure, "service-us-p50"), 0);
  ck_assert_uint_eq (
      gst_value_array_get_size (gst_structure_get_value (structure, "batch-histogram")), 3 + 1);
  g_autofree gchar *text = gst_structure_to_string (structure); /* as people print it */
  GstStructure *parsed = gst_structure_from_string (text, NULL);
  ck_assert_msg (parsed != NULL, "%s", text);
  gst_structure_free (parsed);
  gst_structure_free (structure);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
END_TEST

/* They can still be read when the session is gone, and are whole before there is one. */
START_TEST (test_stats_outlive_the_session)
{
  GstHarness *h = play ("");
  GstElement *element = kit_find (h, "inferdetect"), *fresh;
  GstStructure *structure;
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_get (element, "stats", &structure, NULL);
  ck_assert_uint_eq (count_of (structure, "items"), N_FRAMES);
  ck_assert_uint_eq (count_of (structure, "frames"), N_FRAMES);
  gst_structure_free (structure);
  gst_object_unref (element);
  gst_harness_teardown (h);
  fresh = gst_element_factory_make ("inferdetect", NULL);
  g_object_get (fresh, "stats", &structure, NULL);
  ck_assert_uint_eq (count_of (structure, "frames"), 0);
  ck_assert_uint_eq (count_of (structure, "stream-items"), 0);
  ck_assert_uint_eq (count_of (structure, "stream-skipped"), 0);
  ck_assert_uint_eq (count_of (structure, "stream-failed"), 0);
  gst_structure_free (structure);
  gst_object_unref (fresh);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("stats");
  gst_init (&argc, &argv);
  kit_register ();
  network = g_build_filename (
      g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", "find-characters.onnx", NULL);
  tcase_add_test (tcase, test_stats_agree);
  tcase_add_test (tcase, test_stats_outlive_the_session);
  return kit_run (tcase);
}
