/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The graph that stands for a model on the device SIM. */
#include "engine/sim/sim.h"

static uint32_t add_input (WeirGraph *graph, const WeirValue *original)
{
  uint32_t id = weir_graph_add_value (graph, original->name);
  WeirValue *value = weir_graph_value (graph, id);
  value->tensor = original->tensor;
  value->batch_axis = original->batch_axis;
  value->is_constant = original->is_constant;
  g_array_append_val (graph->inputs, id);
  return id;
}

/* Of what may have any number of rows, none: they are counted by the first dim that is not 1, or by
 * dim 0; never by the last one of several, which says what a row is made of. */
static void drop_rows (WeirTensor *shape)
{
  uint32_t axis = 0;
  while (axis + 1 < shape->rank && shape->dims[axis] == 1)
    axis++;
  if (shape->rank)
    shape->dims[axis + 1 < shape->rank ? axis : 0] = 0;
}

/* As weir_shape_simulate reads it. */
static void append_shape (GArray *ints, const WeirTensor *shape)
{
  const int64_t head[] = { shape->dtype, shape->rank };
  g_array_append_vals (ints, head, G_N_ELEMENTS (head));
  g_array_append_vals (ints, shape->dims, shape->rank);
}

static void add_node (WeirGraph *graph, uint32_t *src, uint32_t *dst, const GArray *shapes)
{
  WeirAttr results = { .name = "results", .kind = WEIR_ATTR_INTS, .n = shapes->len };
  results.ints = weir_arena_memdup (graph->arena, shapes->data, shapes->len * sizeof (int64_t));
  WeirNode node = { .op = WEIR_OP_SIMULATE,
    .name = "model",
    .n_src = graph->inputs->len,
    .n_dst = graph->outputs->len,
    .src = src,
    .dst = dst,
    .n_attrs = 1,
    .attrs = weir_arena_memdup (graph->arena, &results, sizeof results) };
  WeirNode *added = weir_graph_node (graph, weir_graph_add_node (graph, &node));
  if (graph->has_batch)
    weir_graph_set_int (graph, added, "axis", weir_graph_value (graph, src[0])->batch_axis);
}

WeirGraph *weir_sim_graph_new (const WeirGraph *model, GError **error)
{
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (model, 1, weir_ref_evaluate, error);
  if (!shapes)
    return NULL;
  WeirGraph *graph = weir_graph_new (model->source);
  g_autoptr (GArray) results = g_array_new (FALSE, FALSE, sizeof (int64_t));
  g_autofree uint32_t *src = g_new (uint32_t, model->inputs->len + 1);
  g_autofree uint32_t *dst = g_new (uint32_t, model->outputs->len + 1);
  graph->has_batch = model->has_batch;
  for (uint32_t k = 0; k < model->inputs->len; k++)
    src[k] =
        add_input (graph, weir_graph_value (model, g_array_index (model->inputs, uint32_t, k)));
  for (uint32_t k = 0; k < model->outputs->len; k++) {
    uint32_t id = g_array_index (model->outputs, uint32_t, k);
    WeirTensor shape = shapes->values[id];
    if (shapes->is_dynamic[id])
      drop_rows (&shape);
    append_shape (results, &shape);
    dst[k] = weir_graph_add_value (graph, weir_graph_value (model, id)->name);
    g_array_append_val (graph->outputs, dst[k]);
  }
  add_node (graph, src, dst, results);
  return graph;
}
