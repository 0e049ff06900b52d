/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads an ONNX model into a graph.
 *
 * protobuf-c unpacks the message, everything needed is copied into the graph's arena, and the
 * message is freed. Names become value ids through one hash table. */
#include "engine/formats/formats.h"

#include "engine/base/file.h"
#include "engine/error.h"
#include "engine/formats/onnx_private.h"

#include <string.h>

#define MIN_OPSET 1
#define MAX_OPSET 22
#define MAX_NODES 1000000u
#define MAX_EDGES 65535u /* of one node, each way */

typedef struct Loader {
  const char *path;
  const Onnx__ModelProto *model;
  const Onnx__GraphProto *proto;
  WeirGraph *graph;
  GHashTable *ids; /* name (in the arena) to value id + 1 */
  WeirOnnxSequences *sequences;
  uint32_t opset;
  WeirOnnxSource source;
} Loader;

static bool model_error (const Loader *loader, int code, GError **error, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

static bool model_error (const Loader *loader, int code, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WEIR_ERROR, code, "%s: %s", loader->path, text);
  return false;
}

static bool check_name (const Loader *loader, const char *name, GError **error)
{
  return (name && *name && g_utf8_validate (name, -1, NULL)) ||
         model_error (
             loader, WEIR_ERROR_FORMAT, error, "a tensor has no name, or one that is not UTF-8");
}

/* The value of that name, made at its first mention. */
static uint32_t value_of (Loader *loader, const char *name)
{
  uint32_t id = GPOINTER_TO_UINT (g_hash_table_lookup (loader->ids, name));
  if (id)
    return id - 1;
  id = weir_graph_add_value (loader->graph, name);
  g_hash_table_insert (
      loader->ids, (char *) weir_graph_value (loader->graph, id)->name, GUINT_TO_POINTER (id + 1));
  return id;
}

/* The newest named version of ONNX's own operators; files of the first format name none, which
 * is 1. */
static int64_t find_opset (const Onnx__ModelProto *model)
{
  int64_t version = model->n_opset_import ? 0 : 1;
  for (size_t i = 0; i < model->n_opset_import; i++)
    if (weir_onnx_is_domain (model->opset_import[i]->domain))
      version = MAX (version, model->opset_import[i]->version);
  return version;
}

static bool check_opset (const Loader *loader, int64_t version, GError **error)
{
  if (version < MIN_OPSET || version > INT32_MAX)
    return model_error (loader, WEIR_ERROR_UNSUPPORTED, error,
        "uses operator set %" G_GINT64_FORMAT " of ONNX, supported are %d to %d", version,
        MIN_OPSET, MAX_OPSET);
  if (version > MAX_OPSET)
    g_message ("%s: uses operator set %" G_GINT64_FORMAT ", newer than %d: trying", loader->path,
        version, MAX_OPSET);
  return true;
}

static bool add_initializers (Loader *loader, GError **error)
{
  if (loader->proto->n_sparse_initializer)
    return model_error (loader, WEIR_ERROR_UNSUPPORTED, error, "has sparse constants");
  for (size_t i = 0; i < loader->proto->n_initializer; i++) {
    const Onnx__TensorProto *proto = loader->proto->initializer[i];
    WeirTensor tensor;
    if (!check_name (loader, proto->name, error) ||
        !weir_onnx_read_tensor (&loader->source, proto->name, proto, &tensor, error))
      return false;
    WeirValue *value = weir_graph_value (loader->graph, value_of (loader, proto->name));
    if (value->is_constant)
      return model_error (
          loader, WEIR_ERROR_FORMAT, error, "two constants are named '%s'", proto->name);
    value->is_constant = true;
    value->tensor = tensor;
  }
  return true;
}

/* Old files list their constants among the inputs: those are none. */
static bool add_inputs (Loader *loader, GError **error)
{
  for (size_t i = 0; i < loader->proto->n_input; i++) {
    const Onnx__ValueInfoProto *proto = loader->proto->input[i];
    if (!check_name (loader, proto->name, error))
      return false;
    uint32_t id = value_of (loader, proto->name);
    WeirValue *value = weir_graph_value (loader->graph, id);
    if (value->is_constant)
      continue;
    if (!weir_onnx_read_type (&loader->source, proto, &value->tensor, error))
      return false;
    g_array_append_val (loader->graph->inputs, id);
  }
  return true;
}

static bool add_outputs (Loader *loader, GError **error)
{
  if (!loader->proto->n_output)
    return model_error (loader, WEIR_ERROR_FORMAT, error, "has no outputs");
  for (size_t i = 0; i < loader->proto->n_output; i++) {
    const Onnx__ValueInfoProto *proto = loader->proto->output[i];
    if (!check_name (loader, proto->name, error))
      return false;
    uint32_t id = value_of (loader, proto->name);
    g_array_append_val (loader->graph->outputs, id);
  }
  return true;
}

/* Names to ids; trailing names that are empty do not count. NULL and an error, or `*n` ids. */
static uint32_t *read_ids (
    Loader *loader, char **names, size_t n_names, uint32_t *n, GError **error)
{
  if (n_names > MAX_EDGES) {
    model_error (loader, WEIR_ERROR_FORMAT, error, "a node has more than %u edges", MAX_EDGES);
    return NULL;
  }
  uint32_t *ids = g_new (uint32_t, n_names + 1);
  *n = 0;
  for (uint32_t i = 0; i < (uint32_t) n_names; i++) {
    ids[i] = WEIR_NONE;
    if (!names[i] || !*names[i])
      continue;
    if (!check_name (loader, names[i], error)) {
      g_free (ids);
      return NULL;
    }
    ids[i] = value_of (loader, names[i]);
    *n = i + 1;
  }
  return ids;
}

static bool check_results (Loader *loader, const WeirNode *node, GError **error)
{
  for (uint32_t i = 0; i < node->n_dst; i++) {
    if (node->dst[i] == WEIR_NONE)
      continue;
    const WeirValue *value = weir_graph_value (loader->graph, node->dst[i]);
    if (value->is_constant || value->producer != WEIR_NONE ||
        value->tensor.dtype != WEIR_DTYPE_NONE)
      return model_error (loader, WEIR_ERROR_FORMAT, error,
          "node '%s' writes '%s', which exists already", node->name, value->name);
  }
  return true;
}

static bool add_node (Loader *loader, const Onnx__NodeProto *proto, GError **error)
{
  WeirNode node = { .op = weir_onnx_operator (proto), .opset = loader->opset };
  g_autofree uint32_t *src = read_ids (loader, proto->input, proto->n_input, &node.n_src, error);
  g_autofree uint32_t *dst =
      src ? read_ids (loader, proto->output, proto->n_output, &node.n_dst, error) : NULL;
  if (!dst)
    return false;
  node.src = src;
  node.dst = dst;
  const char *result =
      node.n_dst && dst[0] != WEIR_NONE ? weir_graph_value (loader->graph, dst[0])->name : "";
  g_autofree char *name =
      g_utf8_make_valid (proto->name && *proto->name ? proto->name : result, -1);
  node.name = name;
  if (!check_results (loader, &node, error) ||
      !weir_onnx_read_attrs (&loader->source, proto, &node, error))
    return false;
  if (weir_onnx_sequences_want (loader->sequences, proto, &node))
    return weir_onnx_sequences_take (loader->sequences, proto, &node, error);
  if (!weir_onnx_modernise (loader->graph, &node, error))
    return false;
  weir_graph_add_node (loader->graph, &node);
  return true;
}

/* Nodes nobody reads are left out, those of unknown operators among them. */
static bool add_nodes (Loader *loader, const uint8_t *is_read, GError **error)
{
  for (size_t i = 0; i < loader->proto->n_node; i++)
    if (is_read[i] && !add_node (loader, loader->proto->node[i], error))
      return false;
  return true;
}

static void read_metadata (const Loader *loader, GHashTable *metadata)
{
  for (size_t i = 0; metadata && i < loader->model->n_metadata_props; i++) {
    const Onnx__StringStringEntryProto *entry = loader->model->metadata_props[i];
    if (entry->key && entry->value && g_utf8_validate (entry->key, -1, NULL) &&
        g_utf8_validate (entry->value, -1, NULL))
      g_hash_table_replace (metadata, g_strdup (entry->key), g_strdup (entry->value));
  }
}

static Onnx__ModelProto *unpack (
    const char *path, const uint8_t *bytes, size_t n_bytes, GError **error)
{
  Onnx__ModelProto *model = NULL;
  if (!n_bytes) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: is empty, expected an ONNX model", path);
    return NULL;
  }
  if (weir_onnx_scan (&onnx__model_proto__descriptor, bytes, n_bytes))
    model = onnx__model_proto__unpack (NULL, n_bytes, bytes);
  if (model && model->graph)
    return model;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
      "%s: not an ONNX model, or truncated; a whole .onnx file is expected", path);
  onnx__model_proto__free_unpacked (model, NULL);
  return NULL;
}

/* Unknown operators come first: they say most about a file that cannot be read. */
static bool fill (Loader *loader, GError **error)
{
  if (loader->proto->n_node > MAX_NODES)
    return model_error (loader, WEIR_ERROR_UNSUPPORTED, error,
        "has %" G_GSIZE_FORMAT " nodes, at most %u are supported", loader->proto->n_node,
        MAX_NODES);
  g_autofree uint8_t *is_read = weir_onnx_check_operators (loader->path, loader->proto, error);
  if (!is_read)
    return false;
  int64_t version = find_opset (loader->model);
  loader->opset = (uint32_t) CLAMP (version, 0, INT32_MAX);
  return check_opset (loader, version, error) && add_initializers (loader, error) &&
         add_inputs (loader, error) && add_nodes (loader, is_read, error) &&
         add_outputs (loader, error) && weir_graph_sort (loader->graph, error);
}

WeirGraph *weir_onnx_parse (
    const char *path, const uint8_t *bytes, size_t n_bytes, GHashTable *metadata, GError **error)
{
  Onnx__ModelProto *model = unpack (path, bytes, n_bytes, error);
  if (!model)
    return NULL;
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (WeirGraph) graph = weir_graph_new (base);
  g_autoptr (WeirOnnxSequences) sequences = weir_onnx_sequences_new (graph);
  Loader loader = {
    .path = path,
    .model = model,
    .proto = model->graph,
    .graph = graph,
    .ids = ids,
    .sequences = sequences,
    .source = { graph->source, folder, graph->arena, graph->files, true },
  };
  bool ok = fill (&loader, error);
  if (ok)
    read_metadata (&loader, metadata);
  onnx__model_proto__free_unpacked (model, NULL);
  return ok ? g_steal_pointer (&graph) : NULL;
}

WeirGraph *weir_onnx_load (const char *path, GHashTable *metadata, GError **error)
{
  g_autoptr (WeirFile) file = weir_file_map (path, error);
  return file ? weir_onnx_parse (path, file->bytes, file->n_bytes, metadata, error) : NULL;
}
