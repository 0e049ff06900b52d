/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scan of the bytes comes before json-glib: outside of strings only what JSON knows may stand, so
 * that both agree where strings begin and end, and brackets may not go deep. */
#include "engine/formats/json_text.h"

#include "engine/error.h"

#include <math.h>
#include <string.h>

#define MAX_BYTES         (10u << 20)
#define MAX_DEPTH         32
#define MAX_VALUES        1000000u
#define MAX_CLIPPED_CHARS 60

/* The index of the quote that ends the string; n_bytes where none does. */
static size_t skip_string (const char *text, size_t n_bytes, size_t i)
{
  while (i < n_bytes && text[i] != '"')
    i += text[i] == '\\' ? 2 : 1;
  return MIN (i, n_bytes);
}

/* NULL, or what is wrong. */
static const char *scan (const char *text, size_t n_bytes)
{
  size_t depth = 0, n_values = 0;
  for (size_t i = 0; i < n_bytes; i++) {
    char c = text[i];
    if (c == '"')
      i = skip_string (text, n_bytes, i + 1);
    else if ((c == '[' || c == '{') && ++depth > MAX_DEPTH)
      return "is nested deeper than 32 levels";
    else if ((c == ']' || c == '}') && depth-- == 0)
      return "closes more brackets than it opens";
    else if (c == ',' && ++n_values > MAX_VALUES)
      return "has more than 1000000 values";
    else if (!c || !strchr (" \t\r\n[]{}:,+-.0123456789abcdefghijklmnopqrstuvwxyzE", c))
      return "is no JSON: a character that may not stand outside of strings";
    if (i >= n_bytes)
      return "is no JSON: a string does not end";
  }
  return depth ? "is no JSON: brackets are left open" : NULL;
}

JsonParser *weir_json_parse (const char *where, const void *bytes, size_t n_bytes, GError **error)
{
  const char *text = bytes, *problem = NULL;
  if (n_bytes > MAX_BYTES)
    problem = "is larger than 10 MB";
  else if (!n_bytes)
    problem = "is empty, JSON is expected";
  else if (!g_utf8_validate (text, (gssize) n_bytes, NULL))
    problem = "is not UTF-8 text";
  if (!problem && n_bytes >= 3 && memcmp (text, "\xEF\xBB\xBF", 3) == 0) {
    text += 3;
    n_bytes -= 3;
  }
  if (!problem)
    problem = scan (text, n_bytes);
  if (problem) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: %s", where, problem);
    return NULL;
  }
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) cause = NULL;
  if (!json_parser_load_from_data (parser, text, (gssize) n_bytes, &cause)) {
    g_autofree char *clipped = weir_clipped_text (cause->message);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: is no JSON: %s", where, clipped);
    return NULL;
  }
  return g_steal_pointer (&parser);
}

char *weir_number_text (double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  for (int precision = 6; precision <= 17; precision++) {
    g_autofree char *format = g_strdup_printf ("%%.%dg", precision);
    g_ascii_formatd (text, sizeof text, format, value);
    if (g_ascii_strtod (text, NULL) == value)
      break;
  }
  return g_strdup (text);
}

static char *scalar_text (JsonNode *node)
{
  switch (json_node_get_value_type (node)) {
  case G_TYPE_STRING:
    return json_node_dup_string (node);
  case G_TYPE_BOOLEAN:
    return g_strdup (json_node_get_boolean (node) ? "true" : "false");
  case G_TYPE_INT64:
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  default:
    return weir_number_text (json_node_get_double (node));
  }
}

static bool is_flat (JsonArray *array)
{
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!JSON_NODE_HOLDS_VALUE (json_array_get_element (array, i)))
      return false;
  return true;
}

char *weir_json_text (JsonNode *node)
{
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return g_strdup ("");
  if (JSON_NODE_HOLDS_VALUE (node))
    return scalar_text (node);
  if (!JSON_NODE_HOLDS_ARRAY (node) || !is_flat (json_node_get_array (node)))
    return json_to_string (node, FALSE);
  JsonArray *array = json_node_get_array (node);
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    g_autofree char *element = scalar_text (json_array_get_element (array, i));
    g_string_append_printf (text, "%s%s", i ? "," : "", element);
  }
  return g_string_free (text, FALSE);
}

bool weir_json_number (JsonNode *node, double *value)
{
  if (!node || !JSON_NODE_HOLDS_VALUE (node))
    return false;
  if (json_node_get_value_type (node) == G_TYPE_STRING) {
    const char *text = json_node_get_string (node);
    char *end;
    *value = g_ascii_strtod (text, &end);
    return end != text && !*end && isfinite (*value);
  }
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return false;
  *value = json_node_get_double (node);
  return isfinite (*value);
}

char *weir_clipped_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  if (g_utf8_strlen (valid, -1) <= MAX_CLIPPED_CHARS)
    return g_steal_pointer (&valid);
  g_autofree char *start = g_utf8_substring (valid, 0, MAX_CLIPPED_CHARS);
  return g_strconcat (start, "…", NULL);
}
