/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connects the ports of an IR document: edges name layers and ports by numbers of the file's own
 * choice, which become indices. Found by bisection, so that no choice makes it slow. */
#include "engine/formats/ir_private.h"

typedef struct Finder {
  const char *path;
  const WeirIrDocument *document;
  uint32_t *layers; /* indices in the order of the ids */
  uint32_t *ports;  /* indices, those of each run in the order of the ids */
} Finder;

typedef int64_t (*IdFn) (const WeirIrDocument *document, uint32_t index);

static int64_t layer_id (const WeirIrDocument *document, uint32_t index)
{
  return weir_ir_layer (document, index)->id;
}

static int64_t port_id (const WeirIrDocument *document, uint32_t index)
{
  return weir_ir_port (document, index)->id;
}

static int compare (int64_t a, int64_t b)
{
  return a < b ? -1 : a > b;
}

static int compare_layers (const void *a, const void *b, void *document)
{
  return compare (
      layer_id (document, *(const uint32_t *) a), layer_id (document, *(const uint32_t *) b));
}

static int compare_ports (const void *a, const void *b, void *document)
{
  return compare (
      port_id (document, *(const uint32_t *) a), port_id (document, *(const uint32_t *) b));
}

/* WEIR_NONE where there is none. */
static uint32_t find (
    const WeirIrDocument *document, const uint32_t *indices, uint32_t n, IdFn id_of, int64_t id)
{
  uint32_t low = 0, high = n;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (id_of (document, indices[middle]) < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n && id_of (document, indices[low]) == id ? indices[low] : WEIR_NONE;
}

static bool sort_layers (Finder *finder, GError **error)
{
  uint32_t n = finder->document->layers->len;
  for (uint32_t i = 0; i < n; i++)
    finder->layers[i] = i;
  g_qsort_with_data (
      finder->layers, (gint) n, sizeof (uint32_t), compare_layers, (void *) finder->document);
  for (uint32_t i = 1; i < n; i++) {
    int64_t id = layer_id (finder->document, finder->layers[i]);
    if (id == layer_id (finder->document, finder->layers[i - 1])) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
          "%s: two layers have the number %" G_GINT64_FORMAT, finder->path, id);
      return false;
    }
  }
  return true;
}

static bool sort_ports (
    Finder *finder, const WeirIrLayer *layer, uint32_t first, uint32_t n, GError **error)
{
  uint32_t *run = finder->ports + first;
  for (uint32_t i = 0; i < n; i++)
    run[i] = first + i;
  if (n > 1)
    g_qsort_with_data (run, (gint) n, sizeof *run, compare_ports, (void *) finder->document);
  for (uint32_t i = 1; i < n; i++) {
    int64_t id = port_id (finder->document, run[i]);
    if (id == port_id (finder->document, run[i - 1])) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
          "%s: layer '%s' has two ports of number %" G_GINT64_FORMAT, finder->path, layer->name,
          id);
      return false;
    }
  }
  return true;
}

static bool edge_error (
    const Finder *finder, const WeirIrEdge *edge, GError **error, const char *what)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
      "%s: the edge from layer %" G_GINT64_FORMAT ", port %" G_GINT64_FORMAT
      " to layer %" G_GINT64_FORMAT ", port %" G_GINT64_FORMAT " %s",
      finder->path, edge->from_layer, edge->from_port, edge->to_layer, edge->to_port, what);
  return false;
}

static bool connect_edge (const Finder *finder, const WeirIrEdge *edge, GError **error)
{
  const WeirIrDocument *document = finder->document;
  uint32_t n = document->layers->len;
  uint32_t from = find (document, finder->layers, n, layer_id, edge->from_layer);
  uint32_t to = find (document, finder->layers, n, layer_id, edge->to_layer);
  if (from == WEIR_NONE || to == WEIR_NONE)
    return edge_error (finder, edge, error, "names a layer that does not exist");
  const WeirIrLayer *src_layer = weir_ir_layer (document, from);
  const WeirIrLayer *dst_layer = weir_ir_layer (document, to);
  uint32_t src = find (
      document, finder->ports + src_layer->first_dst, src_layer->n_dst, port_id, edge->from_port);
  uint32_t dst = find (
      document, finder->ports + dst_layer->first_src, dst_layer->n_src, port_id, edge->to_port);
  if (src == WEIR_NONE || dst == WEIR_NONE)
    return edge_error (finder, edge, error, "names a port that does not exist");
  WeirIrPort *port = weir_ir_port (document, dst);
  if (port->src_layer != WEIR_NONE)
    return edge_error (finder, edge, error, "is the second to that port");
  port->src_layer = from;
  port->src_port = src;
  weir_ir_port (document, src)->is_read = true;
  return true;
}

bool weir_ir_connect (const char *path, WeirIrDocument *document, GError **error)
{
  g_autofree uint32_t *layers = g_new (uint32_t, (size_t) document->layers->len + 1);
  g_autofree uint32_t *ports = g_new (uint32_t, (size_t) document->ports->len + 1);
  Finder finder = { path, document, layers, ports };
  if (!sort_layers (&finder, error))
    return false;
  for (uint32_t i = 0; i < document->layers->len; i++) {
    const WeirIrLayer *layer = weir_ir_layer (document, i);
    if (!sort_ports (&finder, layer, layer->first_src, layer->n_src, error) ||
        !sort_ports (&finder, layer, layer->first_dst, layer->n_dst, error))
      return false;
  }
  for (uint32_t i = 0; i < document->edges->len; i++)
    if (!connect_edge (&finder, &g_array_index (document->edges, WeirIrEdge, i), error))
      return false;
  return true;
}
