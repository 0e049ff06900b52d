/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operators of a file are unknown, and whether it runs without them.
 *
 * Looked at before anything else of the graph is read: an operator that nobody has says more about
 * a file than the odd tensor that comes with it. */
#include "engine/formats/onnx_private.h"

#include "engine/error.h"

#include <string.h>

typedef struct Unknown {
  char *name; /* "com.microsoft:QLinearAdd" */
  uint32_t n;
} Unknown;

bool weir_onnx_is_domain (const char *domain)
{
  return !domain || !*domain || strcmp (domain, "ai.onnx") == 0;
}

static char *qualified_name (const Onnx__NodeProto *node)
{
  const char *type = node->op_type ? node->op_type : "";
  g_autofree char *name = weir_onnx_is_domain (node->domain)
                              ? g_strdup (type)
                              : g_strconcat (node->domain, ":", type, NULL);
  return g_utf8_make_valid (name, -1);
}

WeirOp weir_onnx_operator (const Onnx__NodeProto *node)
{
  /* Those that ONNX took over from there under the same name, with the same meaning. */
  static const char *const adopted[] = { "com.microsoft:QuantizeLinear",
    "com.microsoft:DequantizeLinear" };
  if (!node->op_type || (weir_onnx_is_domain (node->domain) && strchr (node->op_type, ':')))
    return WEIR_N_OPS;
  g_autofree char *name = qualified_name (node);
  for (size_t i = 0; i < G_N_ELEMENTS (adopted); i++)
    if (strcmp (name, adopted[i]) == 0)
      return weir_op_find (node->op_type);
  return weir_op_find (name);
}

static void want (GHashTable *producers, const char *name, uint8_t *is_read, GArray *queue)
{
  uint32_t node = name ? GPOINTER_TO_UINT (g_hash_table_lookup (producers, name)) : 0;
  if (!node || is_read[node - 1])
    return;
  is_read[--node] = 1;
  g_array_append_val (queue, node);
}

/* Which node makes each name: number + 1. NULL and an error where two do. */
static GHashTable *find_producers (const char *path, const Onnx__GraphProto *graph, GError **error)
{
  g_autoptr (GHashTable) producers = g_hash_table_new (g_str_hash, g_str_equal);
  for (uint32_t n = 0; n < graph->n_node; n++)
    for (size_t i = 0; i < graph->node[n]->n_output; i++) {
      char *name = graph->node[n]->output[i];
      if (!name || !*name || g_hash_table_insert (producers, name, GUINT_TO_POINTER (n + 1)))
        continue;
      g_autofree char *valid = g_utf8_make_valid (name, -1);
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: two nodes write '%s'", path, valid);
      return NULL;
    }
  return g_steal_pointer (&producers);
}

/* Marks the nodes from which a path leads to an output of the graph. */
static void mark_read (const Onnx__GraphProto *graph, GHashTable *producers, uint8_t *is_read)
{
  g_autoptr (GArray) queue = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (size_t i = 0; i < graph->n_output; i++)
    want (producers, graph->output[i]->name, is_read, queue);
  while (queue->len) {
    const Onnx__NodeProto *node = graph->node[g_array_index (queue, uint32_t, queue->len - 1)];
    g_array_set_size (queue, queue->len - 1);
    for (size_t i = 0; i < node->n_input; i++)
      want (producers, node->input[i], is_read, queue);
  }
}

static void count (GArray *list, GHashTable *places, const Onnx__NodeProto *node)
{
  g_autofree char *name = qualified_name (node);
  uint32_t place = GPOINTER_TO_UINT (g_hash_table_lookup (places, name));
  if (!place) {
    Unknown entry = { g_steal_pointer (&name), 0 };
    g_array_append_val (list, entry);
    place = list->len;
    g_hash_table_insert (places, entry.name, GUINT_TO_POINTER (place));
  }
  g_array_index (list, Unknown, place - 1).n++;
}

/* Unknown operators whose results are read, or are not: in order of appearance, each once. Newly
 * allocated; NULL where there are none. */
static char *list_unknown (const Onnx__GraphProto *graph, const uint8_t *is_read, bool wants_read)
{
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (Unknown));
  g_autoptr (GHashTable) places = g_hash_table_new (g_str_hash, g_str_equal);
  for (size_t n = 0; n < graph->n_node; n++)
    if (is_read[n] == wants_read && weir_onnx_operator (graph->node[n]) == WEIR_N_OPS &&
        !weir_onnx_is_sequence_operator (graph->node[n]))
      count (list, places, graph->node[n]);
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < list->len; i++) {
    Unknown *entry = &g_array_index (list, Unknown, i);
    g_string_append_printf (
        text, "%s%s (%u node%s)", i ? ", " : "", entry->name, entry->n, entry->n == 1 ? "" : "s");
    g_free (entry->name);
  }
  return g_string_free (text, list->len == 0);
}

uint8_t *weir_onnx_check_operators (const char *path, const Onnx__GraphProto *graph, GError **error)
{
  g_autofree uint8_t *is_read = g_malloc0 (graph->n_node + 1);
  g_autoptr (GHashTable) producers = find_producers (path, graph, error);
  if (!producers)
    return NULL;
  mark_read (graph, producers, is_read);
  g_autofree char *refused = list_unknown (graph, is_read, true);
  g_autofree char *dropped = list_unknown (graph, is_read, false);
  if (refused) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: has operators that are not supported: %s", path, refused);
    return NULL;
  }
  if (dropped)
    g_message ("%s: dropped unknown operators whose results nobody reads: %s", path, dropped);
  return g_steal_pointer (&is_read);
}
