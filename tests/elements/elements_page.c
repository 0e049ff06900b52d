/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything comes from where gst-inspect-1.0 has it (factory, pad templates, param specs) but the
 * prose, which is the SECTION comment of the element's source. Nothing depends on the version of
 * GStreamer: what other classes bring along is named, not described. */
#include "elements_page.h"

#include <gst/gst.h>
#include <string.h>

#define DASH "–"

static const struct {
  const gchar *name, *source;
} elements[] = {
  { "inferdetect", "gst/detect.c" },
  { "inferclassify", "gst/classify.c" },
  { "inferoverlay", "gst/overlay.c" },
  { "inferpublish", "gst/publish.c" },
};

static const gchar *const names[] = { "inferdetect", "inferclassify", "inferoverlay",
  "inferpublish", NULL };
G_STATIC_ASSERT (G_N_ELEMENTS (names) == G_N_ELEMENTS (elements) + 1);

/* They share the properties of their base class: one table for both. */
#define BASE        "WeirFilter"
#define FIRST_HEIR  "inferdetect"
#define SECOND_HEIR "inferclassify"

static const gchar introduction[] =
    "# Elements\n"
    "\n"
    "Generated from what `gst-inspect-1.0` shows, by `test_elements_page --markdown "
    "docs/elements.md`; a test keeps it so.\n"
    "The column *set* says when a property may be set: *stopped* in the states NULL and READY, "
    "*any time* also while playing.\n"
    "Properties of GStreamer's own classes (`name`, `parent`, `qos` of GstBaseTransform) are not "
    "listed.\n";

const gchar *const *elements_page_names (void)
{
  return names;
}

/* Text of a table's cell. */
static void append_cell (GString *page, const gchar *text)
{
  for (; *text; text++) {
    if (strchr ("|*<", *text))
      g_string_append_c (page, '\\');
    g_string_append_c (page, *text);
  }
}

/* "#InferDetect:region" → `region`, "#inferdetect" → `inferdetect`. */
static void append_prose (GString *page, const gchar *line)
{
  while (*line) {
    const gboolean is_link = *line == '#' && g_ascii_isalpha (line[1]);
    if (!is_link) {
      g_string_append_c (page, *line++);
      continue;
    }
    const gsize n = strspn (line + 1, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS ":-");
    g_autofree gchar *word = g_strndup (line + 1, n);
    const gchar *colon = strchr (word, ':');
    g_string_append_printf (page, "`%s`", colon ? colon + 1 : word);
    line += 1 + n;
  }
  g_string_append_c (page, '\n');
}

/* One line of the comment, without its star. */
static void append_line (GString *page, const gchar *line)
{
  if (g_str_equal (line, "|[") || g_str_equal (line, "]|"))
    g_string_append (page, "```\n");
  else if (g_str_has_prefix (line, "## "))
    g_string_append_printf (page, "#%s\n", line);
  else
    append_prose (page, line);
}

/* The comment up to what only programmers need. */
static gboolean append_section (
    GString *page, const gchar *path, const gchar *element, GError **error)
{
  g_autofree gchar *text = NULL;
  g_autofree gchar *title = g_strdup_printf (" * SECTION:element-%s\n", element);
  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  const gchar *section = strstr (text, title);
  if (!section) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: no comment SECTION:element-%s", path,
        element);
    return FALSE;
  }
  g_auto (GStrv) lines = g_strsplit (section + strlen (title), "\n", -1);
  for (gchar **line = lines; *line && !g_str_equal (*line, " */"); line++) {
    const gchar *words = g_str_has_prefix (*line, " * ") ? *line + 3 : "";
    if (g_str_has_prefix (words, "Thread-safety:"))
      break;
    if (*words != '@')
      append_line (page, words);
  }
  while (g_str_has_suffix (page->str, "\n\n"))
    g_string_truncate (page, page->len - 1);
  g_string_append_c (page, '\n');
  return TRUE;
}

static gchar *describe_formats (const GstStructure *structure)
{
  const GValue *formats = gst_structure_get_value (structure, "format");
  GString *text = g_string_new (NULL);
  if (!formats)
    return g_string_free (g_string_append (text, "any format"), FALSE);
  for (guint i = 0; i < gst_value_list_get_size (formats); i++)
    g_string_append_printf (
        text, "%s%s", i ? ", " : "", g_value_get_string (gst_value_list_get_value (formats, i)));
  return g_string_free (text, FALSE);
}

static gchar *describe_caps (GstStaticPadTemplate *template)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GstCaps) caps = gst_static_pad_template_get_caps (template);
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GstStructure *structure = gst_caps_get_structure (caps, i);
    g_autofree gchar *formats = describe_formats (structure);
    g_string_append_printf (text, "%s`%s` in %s memory, any size and rate: %s", i ? "<br>" : "",
        gst_structure_get_name (structure),
        gst_caps_features_is_any (gst_caps_get_features (caps, i)) ? "any" : "system", formats);
  }
  return g_string_free (text, FALSE);
}

/* One row for all pads of the same caps, the sink first. */
static void append_pads (GString *page, GstElementFactory *factory)
{
  const GList *templates = gst_element_factory_get_static_pad_templates (factory);
  g_autofree gchar *sink = NULL, *src = NULL;
  for (const GList *item = templates; item; item = item->next) {
    GstStaticPadTemplate *template = item->data;
    gchar **to = template->direction == GST_PAD_SINK ? &sink : &src;
    g_free (*to);
    *to = describe_caps (template);
  }
  g_string_append (page, "| pad | takes and gives |\n|---|---|\n");
  if (g_strcmp0 (sink, src) == 0)
    g_string_append_printf (page, "| `sink`, `src` | %s |\n", sink);
  else
    g_string_append_printf (page, "| `sink` | %s |\n| `src` | %s |\n", sink, src);
}

static const gchar *type_name (const GParamSpec *spec)
{
  static const struct {
    GType type;
    const gchar *name;
  } types[] = {
    { G_TYPE_STRING, "text" },
    { G_TYPE_BOOLEAN, "true or false" },
    { G_TYPE_INT, "integer" },
    { G_TYPE_UINT, "integer" },
    { G_TYPE_FLOAT, "number" },
    { G_TYPE_DOUBLE, "number" },
    { G_TYPE_ENUM, "choice" },
    { G_TYPE_BOXED, "structure" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_type_is_a (spec->value_type, types[i].type))
      return types[i].name;
  return g_type_name (spec->value_type);
}

static void append_type (GString *page, const GParamSpec *spec)
{
  g_string_append (page, type_name (spec));
  if (G_IS_PARAM_SPEC_INT (spec))
    g_string_append_printf (
        page, ", %d to %d", G_PARAM_SPEC_INT (spec)->minimum, G_PARAM_SPEC_INT (spec)->maximum);
  if (G_IS_PARAM_SPEC_UINT (spec))
    g_string_append_printf (
        page, ", %u to %u", G_PARAM_SPEC_UINT (spec)->minimum, G_PARAM_SPEC_UINT (spec)->maximum);
  if (G_IS_PARAM_SPEC_FLOAT (spec))
    g_string_append_printf (page, ", %g to %g", (gdouble) G_PARAM_SPEC_FLOAT (spec)->minimum,
        (gdouble) G_PARAM_SPEC_FLOAT (spec)->maximum);
  if (G_IS_PARAM_SPEC_DOUBLE (spec))
    g_string_append_printf (page, ", %g to %g", G_PARAM_SPEC_DOUBLE (spec)->minimum,
        G_PARAM_SPEC_DOUBLE (spec)->maximum);
}

/* As it is written in a launch line; a dash where there is none. */
static gchar *default_text (GParamSpec *spec)
{
  const GValue *value = g_param_spec_get_default_value (spec);
  if (!(spec->flags & G_PARAM_WRITABLE))
    return g_strdup (DASH);
  if (G_VALUE_HOLDS_STRING (value))
    return g_value_get_string (value) ? g_strdup_printf ("`%s`", g_value_get_string (value))
                                      : g_strdup (DASH);
  if (G_VALUE_HOLDS_ENUM (value)) {
    const GEnumValue *row =
        g_enum_get_value (G_PARAM_SPEC_ENUM (spec)->enum_class, g_value_get_enum (value));
    return g_strdup_printf ("`%s`", row->value_nick);
  }
  if (G_VALUE_HOLDS_FLOAT (value))
    return g_strdup_printf ("`%g`", (gdouble) g_value_get_float (value));
  if (G_VALUE_HOLDS_DOUBLE (value))
    return g_strdup_printf ("`%g`", g_value_get_double (value));
  if (G_VALUE_HOLDS_BOOLEAN (value))
    return g_strdup (g_value_get_boolean (value) ? "`true`" : "`false`");
  g_autofree gchar *text = gst_value_serialize (value);
  return g_strdup_printf ("`%s`", text);
}

static const gchar *when_settable (const GParamSpec *spec)
{
  if (!(spec->flags & G_PARAM_WRITABLE))
    return "read only";
  return spec->flags & GST_PARAM_MUTABLE_PLAYING ? "any time" : "stopped";
}

static void append_values (GString *page, const GParamSpec *spec)
{
  const GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;
  for (guint i = 0; i < values->n_values; i++) {
    g_string_append_printf (page, "<br>`%s`: ", values->values[i].value_nick);
    append_cell (page, values->values[i].value_name);
  }
}

static void append_property (GString *page, GParamSpec *spec)
{
  g_autofree gchar *value = default_text (spec);
  g_string_append_printf (page, "| `%s` | ", spec->name);
  append_type (page, spec);
  g_string_append_printf (page, " | %s | %s | ", value, when_settable (spec));
  append_cell (page, g_param_spec_get_blurb (spec));
  if (G_IS_PARAM_SPEC_ENUM (spec))
    append_values (page, spec);
  g_string_append (page, " |\n");
}

/* All that a row of the table says is the same. */
static gboolean is_same (GParamSpec *spec, GParamSpec *other)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) other_text = g_string_new (NULL);
  if (!other)
    return FALSE;
  append_property (text, spec);
  append_property (other_text, other);
  return g_string_equal (text, other_text);
}

static GObjectClass *load_class (const gchar *element)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (element);
  g_autoptr (GstPluginFeature) loaded = gst_plugin_feature_load (GST_PLUGIN_FEATURE (factory));
  return g_type_class_ref (gst_element_factory_get_element_type (GST_ELEMENT_FACTORY (loaded)));
}

/* Those of the class and of its base class here. `other` NULL: all; else what `other` has too, or
 * has not. */
static void append_properties (
    GString *page, GObjectClass *klass, GObjectClass *other, gboolean in_other)
{
  guint n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (klass, &n);
  g_string_append (page, "| property | type | default | set | |\n|---|---|---|---|---|\n");
  for (guint i = 0; i < n; i++) {
    const gchar *owner = g_type_name (specs[i]->owner_type);
    if (specs[i]->owner_type != G_OBJECT_CLASS_TYPE (klass) && !g_str_equal (owner, BASE))
      continue;
    if (other &&
        is_same (specs[i], g_object_class_find_property (other, specs[i]->name)) != in_other)
      continue;
    append_property (page, specs[i]);
  }
}

static const gchar *twin (const gchar *element)
{
  if (g_str_equal (element, FIRST_HEIR))
    return SECOND_HEIR;
  return g_str_equal (element, SECOND_HEIR) ? FIRST_HEIR : NULL;
}

static void append_common (GString *page)
{
  GObjectClass *first = load_class (FIRST_HEIR), *second = load_class (SECOND_HEIR);
  g_string_append (page,
      "\n## Properties of both " FIRST_HEIR " and " SECOND_HEIR
      "\n\nTheir order is that of a frame's "
      "way: the network, where and how it runs, what it sees, what becomes of the results.\n\n");
  append_properties (page, first, second, TRUE);
  g_type_class_unref (second);
  g_type_class_unref (first);
}

static void append_own_properties (GString *page, const gchar *element)
{
  GObjectClass *klass = load_class (element);
  GObjectClass *other = twin (element) ? load_class (twin (element)) : NULL;
  if (other)
    g_string_append (page,
        "\nIts properties, beside [those of both](#properties-of-both-" FIRST_HEIR
        "-and-" SECOND_HEIR "):\n");
  g_string_append_c (page, '\n');
  append_properties (page, klass, other, FALSE);
  g_type_class_unref (klass);
  if (other)
    g_type_class_unref (other);
}

static gboolean append_element (
    GString *page, const gchar *root, const gchar *name, const gchar *source, GError **error)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);
  g_autofree gchar *path = g_build_filename (root, source, NULL);
  if (!factory) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no element %s", name);
    return FALSE;
  }
  g_string_append_printf (page, "\n## %s\n\n*%s*: %s. Class `%s`, rank %u.\n", name,
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_LONGNAME),
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_DESCRIPTION),
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS),
      gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)));
  if (!append_section (page, path, name, error))
    return FALSE;
  append_pads (page, factory);
  append_own_properties (page, name);
  return TRUE;
}

gchar *elements_page_new (const gchar *source_root, GError **error)
{
  g_autoptr (GString) page = g_string_new (introduction);
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    if (!append_element (page, source_root, elements[i].name, elements[i].source, error))
      return NULL;
    else if (g_str_equal (elements[i].name, SECOND_HEIR))
      append_common (page);
  return g_strdup (page->str);
}
