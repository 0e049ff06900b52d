/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir devices, decoders, operators: what this build and machine have. */
#include "engine/cli/cli.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

static void print_member (JsonObject *object, const char *name, JsonNode *node, void *user)
{
  g_autofree char *text = NULL;

  if (strcmp (name, "name") == 0 || JSON_NODE_HOLDS_NULL (node))
    return;
  text = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
             ? g_strdup (json_node_get_string (node))
             : json_to_string (node, FALSE);
  printf ("  %-16s %s\n", name, text);
}

static void print_device (JsonArray *array, guint index, JsonNode *node, void *user)
{
  JsonObject *device;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return;
  device = json_node_get_object (node);
  printf ("%s\n", json_object_get_string_member_with_default (device, "name", "?"));
  json_object_foreach_member (device, print_member, NULL);
}

int cli_devices (const CliCommand *command, int argc, char **argv)
{
  gboolean as_json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print a JSON array", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  int status = cli_parse (command, entries, 0, &argc, &argv, 0, 0);
  g_autofree char *json = NULL;
  g_autoptr (JsonNode) root = NULL;

  if (status != CLI_OK)
    return status;
  json = weir_devices_to_json ();
  if (as_json) {
    printf ("%s\n", json);
    return CLI_OK;
  }
  root = json_from_string (json, NULL);
  if (root && JSON_NODE_HOLDS_ARRAY (root))
    json_array_foreach_element (json_node_get_array (root), print_device, NULL);
  return CLI_OK;
}

int cli_decoders (const CliCommand *command, int argc, char **argv)
{
  int status = cli_parse (command, NULL, 0, &argc, &argv, 0, 0);

  if (status != CLI_OK)
    return status;
  for (const char *const *name = weir_decoder_names (); *name; name++)
    printf ("%-19s  %s\n", *name, weir_decoder_blurb (*name) ? weir_decoder_blurb (*name) : "");
  return CLI_OK;
}

int cli_operators (const CliCommand *command, int argc, char **argv)
{
  int status = cli_parse (command, NULL, 0, &argc, &argv, 0, 0);

  if (status != CLI_OK)
    return status;
  for (const char *const *name = weir_operator_names (); *name; name++)
    printf ("%s\n", *name);
  return CLI_OK;
}
