/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir inspect: weir_model_inspect()'s JSON, as it is or as a page for people. */
#include "engine/cli/cli.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

/* A value as people read it: strings bare, arrays joined by `separator`. */
static void append_text (GString *text, JsonNode *node, const char *separator)
{
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return;
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);
    for (guint i = 0; i < json_array_get_length (array); i++) {
      g_string_append (text, i ? separator : "");
      append_text (text, json_array_get_element (array, i), separator);
    }
  } else if (json_node_get_value_type (node) == G_TYPE_STRING) {
    g_string_append (text, json_node_get_string (node));
  } else if (json_node_get_value_type (node) == G_TYPE_DOUBLE) {
    g_string_append_printf (text, "%g", json_node_get_double (node));
  } else {
    g_autofree char *json = json_to_string (node, FALSE);
    g_string_append (text, json);
  }
}

static char *member_text (JsonObject *object, const char *name)
{
  GString *text = g_string_new (NULL);

  append_text (text, json_object_get_member (object, name), ",");
  return g_string_free (text, FALSE);
}

static JsonObject *member_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *member_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static void print_tensors (JsonObject *root, const char *member, const char *title)
{
  JsonArray *tensors = member_array (root, member);

  for (guint i = 0; tensors && i < json_array_get_length (tensors); i++) {
    JsonObject *tensor = json_array_get_object_element (tensors, i);
    g_autofree char *name = member_text (tensor, "name");
    g_autofree char *dtype = member_text (tensor, "dtype");
    g_autofree char *shape = member_text (tensor, "shape");
    g_autofree char *fill = member_text (tensor, "fill");
    printf (
        "%-14s %s  %s[%s]%s%s\n", i ? "" : title, name, dtype, shape, *fill ? "  <- " : "", fill);
  }
}

typedef struct Columns {
  const char *title;
  int used;
} Columns;

static void print_operator (JsonObject *operators, const char *name, JsonNode *count, void *user)
{
  Columns *columns = user;
  g_autofree char *text = g_strdup_printf ("%s %" G_GINT64_FORMAT, name, json_node_get_int (count));
  int width = (int) strlen (text) + 2;

  if (columns->used == 0 || columns->used + width > 82) {
    printf ("%s%-14s ", columns->used ? "\n" : "", columns->title);
    columns->title = "";
    columns->used = 0;
  }
  printf ("%s%s", columns->used ? ", " : "", text);
  columns->used += width;
}

static void print_work (JsonObject *root)
{
  Columns columns = { .title = "operators" };
  JsonObject *operators = member_object (root, "operators");

  if (operators)
    json_object_foreach_member (operators, print_operator, &columns);
  if (columns.used)
    printf ("\n");
  printf ("%-14s %.3g GFLOP an item\n", "work",
      json_object_get_double_member_with_default (root, "gflop", 0));
  printf ("%-14s %.3g million\n", "parameters",
      json_object_get_double_member_with_default (root, "parameters", 0) / 1e6);
}

static void print_preprocessing (JsonObject *root)
{
  static const char *const names[] = { "color", "mean", "scale", "resize", "pad" };
  JsonObject *pre = member_object (root, "preprocessing");
  g_autofree char *width = NULL, *height = NULL;

  if (!pre)
    return;
  width = member_text (pre, "width");
  height = member_text (pre, "height");
  printf ("%-14s %s x %s", "picture", width, height);
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *value = member_text (pre, names[i]);
    if (*value)
      printf (", %s %s", names[i], value);
  }
  printf ("\n");
}

static void print_use (JsonObject *root)
{
  JsonObject *labels = member_object (root, "labels"), *decoder = member_object (root, "decoder");
  gboolean batchable = json_object_get_boolean_member_with_default (root, "batchable", FALSE);
  g_autofree char *reason = member_text (root, "batch_limit_reason");

  if (labels) {
    g_autofree char *count = member_text (labels, "count"), *first = member_text (labels, "first");
    printf ("%-14s %s%s%s\n", "labels", count, *first ? ", the first: " : "", first);
  }
  if (decoder) {
    g_autofree char *name = member_text (decoder, "name"), *why = member_text (decoder, "why");
    printf ("%-14s %s%s%s\n", "decoder", name, *why ? ": " : "", why);
  }
  print_preprocessing (root);
  printf ("%-14s %s%s%s\n", "batches", batchable ? "yes" : "no, runs one by one",
      !batchable && *reason ? ": " : "", batchable ? "" : reason);
}

static int print_page (const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (json, &error);
  g_autofree char *name = NULL, *file = NULL;
  JsonObject *root;

  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return cli_fail (error);
  root = json_node_get_object (node);
  name = member_text (root, "name");
  file = member_text (root, "file");
  printf ("%-14s %s (%s)\n", "model", name, file);
  print_tensors (root, "inputs", "inputs");
  print_tensors (root, "outputs", "outputs");
  print_work (root);
  print_use (root);
  return CLI_OK;
}

static int print_plan (const WeirSessionOptions *options, uint32_t n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSession) session = weir_session_open (options, &error);
  g_autofree char *plan = NULL;

  if (!session)
    return cli_fail (error);
  plan = weir_session_describe_plan (session, n);
  if (!plan) {
    fprintf (stderr, "weir: %s: there is no plan for a batch of %u\n", options->model, n);
    return CLI_FAILED;
  }
  printf ("%s%s", plan, g_str_has_suffix (plan, "\n") ? "" : "\n");
  return CLI_OK;
}

int cli_inspect (const CliCommand *command, int argc, char **argv)
{
  gboolean as_json = FALSE, plan = FALSE;
  int batch = 1;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print a JSON object", NULL },
    { "plan", 0, 0, G_OPTION_ARG_NONE, &plan, "Print the steps that the device would run", NULL },
    { "batch", 0, 0, G_OPTION_ARG_INT, &batch, "Batch of --plan (default 1)", "N" },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  int status = cli_parse (command, entries,
      CLI_OPTIONS_LABELS | CLI_OPTIONS_NORMAL | CLI_OPTIONS_SESSION, &argc, &argv, 1, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirModel) model = NULL;
  g_autofree char *json = NULL;
  WeirSessionOptions options;

  if (status != CLI_OK)
    return status;
  if (batch < 1 || batch > 1024)
    return cli_usage (command, "--batch: %d is not in 1..1024", batch);
  if (!cli_session_options (argv[1], &options, &error))
    return cli_fail (error);
  if (plan)
    return print_plan (&options, (uint32_t) batch);
  model = weir_model_load (argv[1], &options.model_options, &error);
  if (!model)
    return cli_fail (error);
  json = weir_model_inspect (model);
  if (!as_json)
    return print_page (json);
  printf ("%s\n", json);
  return CLI_OK;
}
