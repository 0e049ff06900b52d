/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads an OpenVINO IR model into a graph.
 *
 * Layers that lead to a Result are taken in topological order, so that each converter knows which
 * of its inputs are constants; every output port becomes a value, or another name of one. */
#include "engine/formats/formats.h"

#include "engine/base/file.h"
#include "engine/formats/ir_private.h"
#include "engine/formats/widen.h"

#include <string.h>

#define MAX_OUTPUTS 1024

typedef struct Visit {
  uint32_t layer, next_src;
} Visit;

typedef enum Mark { UNSEEN = 0, OPEN, DONE } Mark;

static bool is_type (const WeirIrLayer *layer, const char *type)
{
  return g_ascii_strcasecmp (layer->type, type) == 0;
}

static bool layer_error (const WeirIrLoader *loader, const WeirIrLayer *layer, int code,
    GError **error, const char *text)
{
  g_set_error (error, WEIR_ERROR, code, "%s: layer '%s' (%s): %s", loader->path, layer->name,
      layer->type, text);
  return false;
}

static bool is_source (const WeirIrLayer *layer)
{
  return is_type (layer, "Parameter") || is_type (layer, "Const");
}

/* Appends what leads to `start`, sources first. The stack is on the heap: its depth comes from a
 * file. */
static bool visit (const WeirIrLoader *loader, uint32_t start, uint8_t *marks, GArray *stack,
    GArray *order, GError **error)
{
  const WeirIrDocument *document = loader->document;
  Visit first = { start, 0 };
  g_array_append_val (stack, first);
  marks[start] = OPEN;
  while (stack->len) {
    Visit *at = &g_array_index (stack, Visit, stack->len - 1);
    const WeirIrLayer *layer = weir_ir_layer (document, at->layer);
    if (at->next_src == layer->n_src) {
      marks[at->layer] = DONE;
      g_array_append_val (order, at->layer);
      g_array_set_size (stack, stack->len - 1);
      continue;
    }
    uint32_t src = weir_ir_port (document, layer->first_src + at->next_src++)->src_layer;
    if (src == WEIR_NONE || marks[src] == DONE)
      continue;
    if (marks[src] == OPEN)
      return layer_error (
          loader, layer, WEIR_ERROR_FORMAT, error, "is part of a cycle: it needs its own result");
    marks[src] = OPEN;
    Visit next = { src, 0 };
    g_array_append_val (stack, next);
  }
  return true;
}

/* The layers that lead to a Result, in topological order; others are UNSEEN in `marks`. */
static bool find_order (const WeirIrLoader *loader, uint8_t *marks, GArray *order, GError **error)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Visit));
  for (uint32_t i = 0; i < loader->document->layers->len; i++)
    if (is_type (weir_ir_layer (loader->document, i), "Result") && marks[i] == UNSEEN &&
        !visit (loader, i, marks, stack, order, error))
      return false;
  if (order->len)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: has no outputs (layers of type Result)",
      loader->path);
  return false;
}

static void count (GArray *list, GHashTable *places, const WeirIrLayer *layer)
{
  g_autofree char *name = g_strdup_printf ("%s (%s", layer->type, layer->version);
  uint32_t place = GPOINTER_TO_UINT (g_hash_table_lookup (places, name)), n = 1;
  if (place) {
    g_array_index (list, uint32_t, place - 1)++;
    return;
  }
  g_array_append_val (list, n);
  g_hash_table_insert (places, g_steal_pointer (&name), GUINT_TO_POINTER (list->len));
}

static int compare_places (const void *a, const void *b, void *places)
{
  guint x = GPOINTER_TO_UINT (g_hash_table_lookup (places, *(char *const *) a));
  guint y = GPOINTER_TO_UINT (g_hash_table_lookup (places, *(char *const *) b));
  return x < y ? -1 : x > y;
}

/* Unknown layer types that lead to a Result, or that do not: in order of appearance, each version
 * once. Newly allocated; NULL where there are none. */
static char *list_unknown (const WeirIrLoader *loader, const uint8_t *marks, bool wants_read)
{
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_autoptr (GHashTable) places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (uint32_t i = 0; i < loader->document->layers->len; i++) {
    const WeirIrLayer *layer = weir_ir_layer (loader->document, i);
    if ((marks[i] == DONE) == wants_read && !is_source (layer) && !is_type (layer, "Result") &&
        !weir_ir_operator (layer))
      count (list, places, layer);
  }
  guint n;
  g_autofree char **names = (char **) g_hash_table_get_keys_as_array (places, &n);
  if (n > 1)
    g_qsort_with_data (names, (gint) n, sizeof *names, compare_places, places);
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < n; i++) {
    uint32_t n_layers = g_array_index (list, uint32_t, i);
    g_string_append_printf (
        text, "%s%s, %u layer%s)", i ? ", " : "", names[i], n_layers, n_layers == 1 ? "" : "s");
  }
  return g_string_free (text, n == 0);
}

static bool check_operators (const WeirIrLoader *loader, const uint8_t *marks, GError **error)
{
  g_autofree char *refused = list_unknown (loader, marks, true);
  g_autofree char *dropped = list_unknown (loader, marks, false);
  if (refused) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: has layers of types that are not supported: %s", loader->path, refused);
    return false;
  }
  if (dropped)
    g_message ("%s: dropped layers of unknown types whose results nobody reads: %s", loader->path,
        dropped);
  return true;
}

/* A Parameter's type and dims are attributes; those of its port may be missing. */
static bool read_parameter (WeirIrJob *job, WeirTensor *tensor)
{
  const char *type = weir_ir_string (job, "element_type", "none");
  const char *shape = weir_ir_string (job, "shape", "");
  g_auto (GStrv) parts = g_strsplit (shape, ",", -1);
  guint n = g_strv_length (parts);
  tensor->dtype = weir_ir_widened_dtype (type);
  if (tensor->dtype == WEIR_DTYPE_NONE)
    return ir_refuse (job, "element type '%s' is not supported", type);
  if (n == 1 && strcmp (g_strstrip (parts[0]), "...") == 0)
    return ir_refuse (job, "has any number of dimensions, expected a fixed one");
  if (n == 1 && !*parts[0]) /* a scalar */
    n = 0;
  if (n > WEIR_MAX_RANK)
    return ir_refuse (job, "rank %u, at most %d is supported", n, WEIR_MAX_RANK);
  for (tensor->rank = 0; tensor->rank < n; tensor->rank++)
    if (!weir_ir_parse_dim (parts[tensor->rank], &tensor->dims[tensor->rank]))
      return ir_malformed (job, "shape is '%s', expected numbers", shape);
  return true;
}

static bool add_parameter (WeirIrJob *job)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_NONE };
  if (!read_parameter (job, &tensor))
    return false;
  if (!job->layer->n_dst)
    return ir_malformed (job, "has no output port");
  uint32_t id = weir_ir_dst (job, 0);
  weir_ir_set_value (job, id, &tensor, false);
  g_array_append_val (job->loader->graph->inputs, id);
  return true;
}

/* The bytes of a Const. Those past the end of the file, and sizes that are not those of type and
 * shape, are refused; `offset` is the file's. */
static bool find_bytes (
    WeirIrJob *job, const WeirTensor *tensor, size_t n_bytes, const uint8_t **bytes)
{
  const WeirIrBin *bin = job->loader->bin;
  int64_t offset, size;
  if (!weir_ir_int (job, "offset", 0, &offset) ||
      !weir_ir_int (job, "size", (int64_t) n_bytes, &size))
    return false;
  if (offset < 0 || size < 0 || (uint64_t) size != n_bytes) {
    g_autofree char *shape = weir_tensor_describe (tensor);
    return ir_malformed (job,
        "has %" G_GINT64_FORMAT " bytes at %" G_GINT64_FORMAT ", %s needs %" G_GSIZE_FORMAT, size,
        offset, shape, n_bytes);
  }
  if (!n_bytes)
    return true;
  if (bin->why)
    return weir_ir_fail (job, WEIR_ERROR_NOT_FOUND, "its weights are in %s", bin->why);
  if ((uint64_t) offset > bin->n_bytes || n_bytes > bin->n_bytes - (size_t) offset)
    return ir_malformed (job,
        "needs %" G_GSIZE_FORMAT " bytes at %" G_GINT64_FORMAT " of %s, which has %" G_GSIZE_FORMAT,
        n_bytes, offset, bin->path, bin->n_bytes);
  *bytes = bin->bytes + offset;
  return true;
}

/* Where the file's bytes cannot stand for the elements as they lie: they are of a type that is
 * widened, are truth values (any bit there counts), or at an odd address. */
static bool copy_elements (
    WeirIrJob *job, const uint8_t *bytes, WeirDtype dtype, WeirTensor *tensor)
{
  int64_t n;
  size_t n_bytes;
  tensor->dtype = weir_widened (dtype);
  if (!weir_tensor_n_elements (tensor, &n) || !weir_tensor_bytes (tensor, &n_bytes) ||
      !(tensor->buffer = weir_arena_try_alloc (job->loader->graph->arena, n_bytes)))
    return weir_ir_fail (job, WEIR_ERROR_MEMORY, "is too large for the memory");
  if (tensor->dtype != dtype)
    weir_widen (tensor->buffer, dtype, bytes, weir_dtype_bytes (dtype), (size_t) n);
  else if (dtype == WEIR_DTYPE_BOOL)
    for (size_t i = 0; i < (size_t) n; i++)
      ((uint8_t *) tensor->buffer)[i] = bytes[i] != 0;
  else if (n_bytes)
    memcpy (tensor->buffer, bytes, n_bytes);
  return true;
}

static bool read_constant (WeirIrJob *job, WeirTensor *tensor)
{
  const char *type = weir_ir_string (job, "element_type", "none");
  WeirDtype dtype = weir_ir_dtype (type);
  const uint8_t *bytes = NULL;
  size_t n_bytes;
  tensor->dtype = dtype;
  if (dtype == WEIR_DTYPE_NONE)
    return ir_refuse (job, "element type '%s' is not supported", type);
  if (!weir_ir_ints (job, "shape", tensor->dims, &tensor->rank))
    return false;
  if (!weir_tensor_bytes (tensor, &n_bytes)) {
    g_autofree char *shape = weir_tensor_describe (tensor);
    return ir_malformed (job, "impossible shape %s", shape);
  }
  if (!find_bytes (job, tensor, n_bytes, &bytes))
    return false;
  bool is_usable = bytes && weir_widened (dtype) == dtype && dtype != WEIR_DTYPE_BOOL;
  if (!is_usable || (uintptr_t) bytes % weir_dtype_bytes (dtype))
    return copy_elements (job, bytes, dtype, tensor);
  tensor->buffer = (void *) bytes;
  return true;
}

static bool add_constant (WeirIrJob *job)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_NONE };
  if (!job->layer->n_dst)
    return ir_malformed (job, "has no output port");
  if (!read_constant (job, &tensor))
    return false;
  weir_ir_set_value (job, weir_ir_dst (job, 0), &tensor, true);
  return true;
}

/* Converters may trust ranks of ports to be ones that a tensor can have. */
static bool check_ports (WeirIrJob *job)
{
  const WeirIrLayer *layer = job->layer;
  for (uint32_t i = 0; i < layer->n_src + layer->n_dst; i++) {
    uint32_t k = i < layer->n_src ? layer->first_src + i : layer->first_dst + i - layer->n_src;
    const WeirIrPort *port = weir_ir_port (job->loader->document, k);
    if (port->rank > WEIR_MAX_RANK)
      return ir_refuse (
          job, "a port has rank %u, at most %d is supported", port->rank, WEIR_MAX_RANK);
  }
  return true;
}

static bool add_layer (WeirIrLoader *loader, uint32_t index, GError **error)
{
  const WeirIrLayer *layer = weir_ir_layer (loader->document, index);
  g_autofree uint32_t *src = g_new (uint32_t, (size_t) layer->n_src + 1);
  WeirIrJob job = { loader, layer, weir_ir_operator (layer), 0, src, error };
  for (uint32_t i = 0; i < layer->n_src; i++) {
    const WeirIrPort *port = weir_ir_port (loader->document, layer->first_src + i);
    bool is_connected = port->src_layer != WEIR_NONE;
    src[i] = is_connected ? weir_ir_port (loader->document, port->src_port)->value : WEIR_NONE;
    if (is_connected)
      job.n_src = i + 1;
  }
  if (is_type (layer, "Parameter") || is_type (layer, "Result"))
    return true;
  if (is_type (layer, "Const"))
    return add_constant (&job);
  return check_ports (&job) && weir_ir_convert (&job);
}

static bool add_parameters (WeirIrLoader *loader, GError **error)
{
  for (uint32_t i = 0; i < loader->document->layers->len; i++) {
    WeirIrJob job = { .loader = loader, weir_ir_layer (loader->document, i), .error = error };
    if (is_type (job.layer, "Parameter") && !add_parameter (&job))
      return false;
  }
  return true;
}

/* An output that is an input, a constant, an output already or known under another name gets a node
 * of its own. */
static uint32_t add_output_value (
    WeirIrLoader *loader, const WeirIrLayer *layer, const char *name, uint32_t src)
{
  const WeirValue *value = weir_graph_value (loader->graph, src);
  bool is_own = value->producer != WEIR_NONE && strcmp (value->name, name) == 0;
  for (uint32_t i = 0; is_own && i < loader->graph->outputs->len; i++)
    is_own = g_array_index (loader->graph->outputs, uint32_t, i) != src;
  if (is_own)
    return src;
  uint32_t id = weir_graph_add_value (loader->graph, name);
  WeirNode node = { .op = WEIR_OP_IDENTITY,
    .opset = 13,
    .name = layer->name,
    .n_src = 1,
    .src = &src,
    .n_dst = 1,
    .dst = &id };
  weir_graph_add_node (loader->graph, &node);
  return id;
}

static bool add_outputs (WeirIrLoader *loader, GError **error)
{
  for (uint32_t i = 0; i < loader->document->layers->len; i++) {
    const WeirIrLayer *layer = weir_ir_layer (loader->document, i);
    if (!is_type (layer, "Result"))
      continue;
    const WeirIrPort *port =
        layer->n_src ? weir_ir_port (loader->document, layer->first_src) : NULL;
    if (!port || port->src_layer == WEIR_NONE)
      return layer_error (loader, layer, WEIR_ERROR_FORMAT, error, "nothing leads to it");
    if (loader->graph->outputs->len == MAX_OUTPUTS)
      return layer_error (loader, layer, WEIR_ERROR_UNSUPPORTED, error,
          "is one output more than the " G_STRINGIFY (MAX_OUTPUTS) " that are supported");
    uint32_t src = weir_ir_port (loader->document, port->src_port)->value;
    if (src == WEIR_NONE)
      return layer_error (loader, layer, WEIR_ERROR_UNSUPPORTED, error,
          "reads an output of its layer that is not supported");
    const WeirIrLayer *from = weir_ir_layer (loader->document, port->src_layer);
    g_autofree char *name =
        weir_ir_port_name (loader->document, from, port->src_port - from->first_dst);
    uint32_t id = add_output_value (loader, layer, name, src);
    g_array_append_val (loader->graph->outputs, id);
  }
  return true;
}

/* Unknown layers come first: they say most about a file that cannot be read. */
static bool fill (WeirIrLoader *loader, GError **error)
{
  g_autofree uint8_t *marks = g_malloc0 ((size_t) loader->document->layers->len + 1);
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  if (!find_order (loader, marks, order, error) || !check_operators (loader, marks, error) ||
      !add_parameters (loader, error))
    return false;
  for (uint32_t i = 0; i < order->len; i++)
    if (!add_layer (loader, g_array_index (order, uint32_t, i), error))
      return false;
  return add_outputs (loader, error) && weir_graph_sort (loader->graph, error);
}

WeirGraph *weir_ir_parse (const char *path, const char *xml, size_t n_bytes, const WeirIrBin *bin,
    GHashTable *metadata, GError **error)
{
  g_autoptr (WeirIrDocument) document = weir_ir_read (path, xml, n_bytes, metadata, error);
  if (!document)
    return NULL;
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GArray) infos = g_array_new (FALSE, TRUE, sizeof (WeirIrInfo));
  g_autoptr (WeirGraph) graph = weir_graph_new (base);
  WeirIrLoader loader = { path, document, bin, graph, infos };
  return fill (&loader, error) ? g_steal_pointer (&graph) : NULL;
}

/* "net.xml" has its weights in "net.bin". */
static char *bin_path (const char *path)
{
  const char *dot = strrchr (path, '.');
  size_t length = dot && !strchr (dot, G_DIR_SEPARATOR) ? (size_t) (dot - path) : strlen (path);
  return g_strdup_printf ("%.*s.bin", (int) length, path);
}

WeirGraph *weir_ir_load (const char *path, GHashTable *metadata, GError **error)
{
  g_autoptr (WeirFile) xml = weir_file_map (path, error);
  if (!xml)
    return NULL;
  g_autoptr (GError) why = NULL;
  g_autofree char *name = bin_path (path);
  g_autoptr (WeirFile) file = weir_file_map (name, &why);
  WeirIrBin bin = { name, why ? why->message : NULL, NULL, 0 };
  if (file) {
    bin.bytes = file->bytes;
    bin.n_bytes = file->n_bytes;
  }
  WeirGraph *graph =
      weir_ir_parse (path, (const char *) xml->bytes, xml->n_bytes, &bin, metadata, error);
  if (graph && file)
    g_ptr_array_add (graph->files, g_steal_pointer (&file));
  return graph;
}
