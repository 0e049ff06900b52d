/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small validator: one function per keyword, looked up in a table. */
#include "tests/elements/schema_check.h"

#include <gst/check/gstcheck.h>
#include <string.h>

static JsonObject *root;

static void check_node (JsonObject *schema, JsonNode *node, const char *where);

static gboolean has_type (JsonNode *node, const char *type)
{
  GType value = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
  return (strcmp (type, "object") == 0 && JSON_NODE_HOLDS_OBJECT (node)) ||
         (strcmp (type, "array") == 0 && JSON_NODE_HOLDS_ARRAY (node)) ||
         (strcmp (type, "null") == 0 && JSON_NODE_HOLDS_NULL (node)) ||
         (strcmp (type, "string") == 0 && value == G_TYPE_STRING) ||
         (strcmp (type, "integer") == 0 && value == G_TYPE_INT64) ||
         (strcmp (type, "number") == 0 && (value == G_TYPE_INT64 || value == G_TYPE_DOUBLE));
}

static void check_type (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  gboolean fits = FALSE;
  if (JSON_NODE_HOLDS_VALUE (rule)) {
    fits = has_type (node, json_node_get_string (rule));
  } else {
    JsonArray *types = json_node_get_array (rule);
    for (guint i = 0; i < json_array_get_length (types); i++)
      fits |= has_type (node, json_array_get_string_element (types, i));
  }
  ck_assert_msg (fits, "%s: wrong type", where);
}

static void check_const (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  ck_assert_msg (json_node_equal (rule, node), "%s: wrong value", where);
}

static void check_enum (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  JsonArray *values = json_node_get_array (rule);
  for (guint i = 0; i < json_array_get_length (values); i++)
    if (json_node_equal (json_array_get_element (values, i), node))
      return;
  ck_abort_msg ("%s: not one of the values", where);
}

static void check_minimum (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  ck_assert_msg (
      json_node_get_double (node) >= json_node_get_double (rule), "%s: too small", where);
}

static void check_required (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  JsonArray *names = json_node_get_array (rule);
  for (guint i = 0; i < json_array_get_length (names); i++)
    ck_assert_msg (json_object_has_member (
                       json_node_get_object (node), json_array_get_string_element (names, i)),
        "%s: no member %s", where, json_array_get_string_element (names, i));
}

static void check_items (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  JsonArray *array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    check_node (json_node_get_object (rule), json_array_get_element (array, i), where);
}

/* Members: those with a name in `properties`, and all others by `additionalProperties`. */
static void check_properties (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  JsonObject *known = json_node_get_object (rule);
  JsonNode *rest = json_object_get_member (schema, "additionalProperties");
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &name, &value)) {
    g_autofree char *inner = g_strdup_printf ("%s.%s", where, name);
    if (json_object_has_member (known, name))
      check_node (json_object_get_object_member (known, name), value, inner);
    else if (rest && JSON_NODE_HOLDS_OBJECT (rest))
      check_node (json_node_get_object (rest), value, inner);
    else
      ck_abort_msg ("%s: unknown member", inner);
  }
}

static void check_ref (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
  const char *ref = json_node_get_string (rule);
  ck_assert (g_str_has_prefix (ref, "#/$defs/"));
  check_node (json_object_get_object_member (
                  json_object_get_object_member (root, "$defs"), ref + strlen ("#/$defs/")),
      node, where);
}

static void check_nothing (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where)
{
}

static const struct {
  const char *keyword;
  void (*check) (JsonNode *rule, JsonObject *schema, JsonNode *node, const char *where);
} keywords[] = {
  { "type", check_type },
  { "const", check_const },
  { "enum", check_enum },
  { "minimum", check_minimum },
  { "required", check_required },
  { "items", check_items },
  { "properties", check_properties },
  { "$ref", check_ref },
  { "additionalProperties", check_nothing }, /* by check_properties */
  { "description", check_nothing },
  { "title", check_nothing },
  { "$schema", check_nothing },
  { "$defs", check_nothing },
};

static void check_node (JsonObject *schema, JsonNode *node, const char *where)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *rule;
  json_object_iter_init_ordered (&iter, schema);
  while (json_object_iter_next_ordered (&iter, &name, &rule)) {
    guint i = 0;
    while (i < G_N_ELEMENTS (keywords) && strcmp (keywords[i].keyword, name) != 0)
      i++;
    ck_assert_msg (i < G_N_ELEMENTS (keywords), "the schema uses %s, unknown to the test", name);
    keywords[i].check (rule, schema, node, where);
  }
}

void schema_check (JsonNode *line)
{
  if (!root) {
    g_autofree char *path =
        g_build_filename (g_getenv ("WEIR_SOURCE_ROOT"), "docs", "weir-1.schema.json", NULL);
    g_autoptr (JsonParser) parser = json_parser_new ();
    g_autoptr (GError) error = NULL;
    ck_assert_msg (json_parser_load_from_file (parser, path, &error), "%s: %s", path,
        error ? error->message : "");
    root = json_object_ref (json_node_get_object (json_parser_get_root (parser)));
  }
  check_node (root, line, "line");
}
