/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* docs/elements.md is what the elements say of themselves, the texts are whole and of one style,
 * and neither loading the plugin nor playing prints anything. With --markdown FILE it writes the
 * page. */
#include "elements_page.h"
#include "tests/run_suite.h"
#include "tests/slowdown.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN "weir"

static gchar *make_page (void)
{
  g_autoptr (GError) error = NULL;
  gchar *page = elements_page_new (g_getenv ("WEIR_SOURCE_ROOT"), &error);
  if (!page)
    fprintf (stderr, "docs/elements.md: %s\n", error->message);
  return page;
}

START_TEST (test_page_is_up_to_date)
{
  g_autofree gchar *path =
      g_build_filename (g_getenv ("WEIR_SOURCE_ROOT"), "docs", "elements.md", NULL);
  g_autofree gchar *page = make_page ();
  g_autofree gchar *committed = NULL;
  g_file_get_contents (path, &committed, NULL, NULL);
  ck_assert_msg (g_strcmp0 (page, committed) == 0,
      "docs/elements.md is stale: run meson devenv -C build sh -c "
      "'WEIR_SOURCE_ROOT=.. tests/elements/test_elements_page --markdown ../docs/elements.md'");
}
END_TEST

START_TEST (test_page_has_all_elements)
{
  g_autofree gchar *page = make_page ();
  g_auto (GStrv) parts = g_strsplit (page, "\nSince: ", -1);
  ck_assert_uint_eq (g_strv_length (parts) - 1, g_strv_length ((gchar **) elements_page_names ()));
  GList *features = gst_registry_get_feature_list_by_plugin (gst_registry_get (), PLUGIN);
  ck_assert_uint_eq (g_list_length (features), g_strv_length ((gchar **) elements_page_names ()));
  for (GList *item = features; item; item = item->next)
    ck_assert_msg (g_strv_contains (elements_page_names (), GST_OBJECT_NAME (item->data)),
        "%s is not on the page", GST_OBJECT_NAME (item->data));
  gst_plugin_feature_list_free (features);
}
END_TEST

/* One style: a capital or a name in front, no full stop behind, blanks only between words. */
static void assert_pleasant (const gchar *where, const gchar *text)
{
  ck_assert_msg (text && *text, "%s: no text", where);
  const gsize n = strlen (text);
  ck_assert_msg (text[n - 1] != '.' && text[n - 1] != ' ', "%s: '%s' ends badly", where, text);
  ck_assert_msg (
      !g_ascii_islower (text[0]) && text[0] != ' ', "%s: '%s' begins badly", where, text);
  ck_assert_msg (!strstr (text, "  ") && !strchr (text, '\n'), "%s: '%s'", where, text);
  ck_assert_msg (g_str_is_ascii (text), "%s: '%s' is not plain", where, text);
}

static void check_enum (const gchar *where, const GParamSpec *spec)
{
  const GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;
  GstPluginAPIFlags flags;
  ck_assert_msg (gst_type_is_plugin_api (spec->value_type, &flags), "%s", where);
  for (guint i = 0; i < values->n_values; i++)
    if (!g_str_equal (values->values[i].value_name, "bfloat16"))
      assert_pleasant (where, values->values[i].value_name);
}

/* A number with a special value says what it means. */
static void check_special (const gchar *where, GParamSpec *spec)
{
  const gchar *blurb = g_param_spec_get_blurb (spec);
  const gboolean has_zero = G_IS_PARAM_SPEC_UINT (spec) && G_PARAM_SPEC_UINT (spec)->minimum == 0;
  const gboolean has_minus = G_IS_PARAM_SPEC_INT (spec) && G_PARAM_SPEC_INT (spec)->minimum == -1;
  ck_assert_msg (!has_zero || strstr (blurb, "0 ="), "%s: what is 0?", where);
  ck_assert_msg (!has_minus || strstr (blurb, "-1 ="), "%s: what is -1?", where);
  if (G_IS_PARAM_SPEC_STRING (spec) && !G_PARAM_SPEC_STRING (spec)->default_value)
    ck_assert_msg (strstr (blurb, "unset:") || g_str_equal (spec->name, "model") ||
                       g_str_equal (spec->name, "config"),
        "%s: what if unset?", where);
}

START_TEST (test_texts)
{
  GstElement *element = gst_element_factory_make (elements_page_names ()[_i], NULL);
  guint n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (guint i = 0; i < n; i++) {
    const GParamSpec *spec = specs[i];
    if (!g_str_has_prefix (g_type_name (spec->owner_type), "Infer") &&
        !g_str_equal (g_type_name (spec->owner_type), "WeirFilter"))
      continue;
    g_autofree gchar *where = g_strdup_printf ("%s: %s", elements_page_names ()[_i], spec->name);
    assert_pleasant (where, g_param_spec_get_blurb (specs[i]));
    assert_pleasant (where, g_param_spec_get_nick (specs[i]));
    check_special (where, specs[i]);
    if (G_IS_PARAM_SPEC_ENUM (spec))
      check_enum (where, spec);
    ck_assert_msg (!(spec->flags & G_PARAM_WRITABLE) ||
                       spec->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING),
        "%s: when may it be set?", where);
  }
  gst_object_unref (element);
}
END_TEST

START_TEST (test_factories)
{
  static const gchar *const keys[] = { GST_ELEMENT_METADATA_LONGNAME,
    GST_ELEMENT_METADATA_DESCRIPTION, GST_ELEMENT_METADATA_AUTHOR, GST_ELEMENT_METADATA_KLASS };
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (elements_page_names ()[_i]);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    assert_pleasant (keys[i], gst_element_factory_get_metadata (factory, keys[i]));
  ck_assert_str_eq (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_AUTHOR),
      "The Weir developers");
  ck_assert_uint_eq (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)), GST_RANK_NONE);
  ck_assert_uint_eq (gst_element_factory_get_num_pad_templates (factory), 2);
}
END_TEST

START_TEST (test_plugin)
{
  g_autoptr (GstPlugin) plugin = gst_registry_find_plugin (gst_registry_get (), PLUGIN);
  ck_assert (plugin != NULL);
  assert_pleasant (PLUGIN, gst_plugin_get_description (plugin));
  ck_assert_str_eq (gst_plugin_get_license (plugin), "LGPL");
  ck_assert_str_eq (gst_plugin_get_version (plugin), WEIR_VERSION);
  ck_assert_str_eq (gst_plugin_get_source (plugin), "weir");
}
END_TEST

/* Whatever goes to the standard output and, where `both`, error while `act` runs. */
static gchar *capture (void (*act) (void), gboolean both)
{
  g_autofree gchar *path = NULL;
  gchar *text = NULL;
  const int fd = g_file_open_tmp ("weir-XXXXXX", &path, NULL);
  const int saved[] = { dup (STDOUT_FILENO), dup (STDERR_FILENO) };
  fflush (NULL);
  dup2 (fd, STDOUT_FILENO);
  if (both)
    dup2 (fd, STDERR_FILENO);
  act ();
  fflush (NULL);
  dup2 (saved[0], STDOUT_FILENO);
  dup2 (saved[1], STDERR_FILENO);
  close (saved[0]);
  close (saved[1]);
  close (fd);
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  g_unlink (path);
  return text;
}

static void load_and_fail (void)
{
  for (const gchar *const *name = elements_page_names (); *name; name++) {
    GstElement *element = gst_element_factory_make (*name, NULL);
    gst_element_set_state (element, GST_STATE_READY); /* no model: an error on the bus */
    gst_element_set_state (element, GST_STATE_NULL);
    gst_object_unref (element);
  }
}

START_TEST (test_loading_prints_nothing)
{
  g_autofree gchar *text = capture (load_and_fail, TRUE);
  ck_assert_str_eq (text, "");
}
END_TEST

static void play (void)
{
  g_autoptr (GError) error = NULL;
  const gchar *root = g_getenv ("WEIR_SOURCE_ROOT");
  g_autofree gchar *line =
      g_strdup_printf ("videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48 "
                       "! inferdetect model=%s/pipelines/clocks/find-characters.onnx "
                       "! inferclassify model=%s/pipelines/clocks/read-characters.onnx "
                       "! inferoverlay ! inferpublish location=/dev/null ! fakesink",
          root, root);
  GstElement *pipeline = gst_parse_launch (line, &error);
  ck_assert_msg (pipeline && !error, "%s", error ? error->message : "");
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      bus, patience (60) * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  ck_assert (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

START_TEST (test_playing_prints_nothing)
{
  g_autofree gchar *text = capture (play, FALSE);
  ck_assert_str_eq (text, "");
}
END_TEST

static int write_page (const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *page = make_page ();
  if (!page)
    return 1;
  if (g_file_set_contents (path, page, -1, &error))
    return 0;
  fprintf (stderr, "%s: %s\n", path, error->message);
  return 1;
}

int main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  if (argc == 3 && strcmp (argv[1], "--markdown") == 0)
    return write_page (argv[2]);
  const int n_elements = (int) g_strv_length ((gchar **) elements_page_names ());
  TCase *tcase = tcase_create ("elements-page");
  tcase_add_test (tcase, test_loading_prints_nothing);
  tcase_add_test (tcase, test_page_is_up_to_date);
  tcase_add_test (tcase, test_page_has_all_elements);
  tcase_add_loop_test (tcase, test_texts, 0, n_elements);
  tcase_add_loop_test (tcase, test_factories, 0, n_elements);
  tcase_add_test (tcase, test_plugin);
  tcase_add_test (tcase, test_playing_prints_nothing);
  Suite *suite = suite_create ("elements");
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
