/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building and running the small graphs of net.h. */
#include "tests/unit/cpu/net.h"

#include "engine/plan/plan_types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static float next_random (uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return (float) (*seed >> 8) / 8388608.0f - 1.0f;
}

Net *net_new (void)
{
  Net *net = g_new0 (Net, 1);
  net->graph = weir_graph_new ("test");
  net->graph->has_batch = true;
  net->seed = 1;
  return net;
}

void net_free (Net *net)
{
  weir_graph_free (net->graph);
  g_free (net);
}

static void read_dims (const char *text, WeirTensor *tensor)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  for (uint32_t i = 0; parts[i] && *parts[i]; i++)
    tensor->dims[tensor->rank++] = g_ascii_strtoll (parts[i], NULL, 10);
}

uint32_t net_input (Net *net, const char *name, const char *dims)
{
  uint32_t id = weir_graph_add_value (net->graph, name);
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { -1 } };
  read_dims (dims, &tensor);
  weir_graph_value (net->graph, id)->tensor = tensor;
  g_array_append_val (net->graph->inputs, id);
  return id;
}

uint32_t net_constant (Net *net, const char *dims, float scale, float offset)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32 };
  int64_t n;
  read_dims (dims, &tensor);
  weir_tensor_n_elements (&tensor, &n);
  float *data = weir_arena_new_array (net->graph->arena, float, (size_t) n);
  for (int64_t i = 0; i < n; i++)
    data[i] = offset + scale * next_random (&net->seed);
  tensor.buffer = data;
  return weir_graph_add_constant (net->graph, "constant", &tensor);
}

uint32_t net_ints (Net *net, const char *values)
{
  WeirTensor list = { .rank = 0 };
  read_dims (values, &list);
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { list.rank } };
  tensor.buffer = weir_arena_memdup (net->graph->arena, list.dims, list.rank * sizeof (int64_t));
  return weir_graph_add_constant (net->graph, "ints", &tensor);
}

void net_output (Net *net, uint32_t value)
{
  g_array_append_val (net->graph->outputs, value);
}

static WeirAttr read_attr (Net *net, char *text)
{
  char *value = strchr (text, '=') + 1;
  WeirAttr attr = { .n = 1 };
  value[-1] = '\0';
  attr.name = weir_arena_strdup (net->graph->arena, text);
  if (*value == '[') {
    WeirTensor list = { .rank = 0 };
    read_dims (value + 1, &list);
    attr.kind = WEIR_ATTR_INTS;
    attr.n = list.rank;
    attr.ints = weir_arena_memdup (net->graph->arena, list.dims, list.rank * sizeof (int64_t));
  } else if (g_ascii_isalpha (*value)) {
    attr.kind = WEIR_ATTR_STRING;
    attr.s = weir_arena_strdup (net->graph->arena, value);
  } else if (value[strlen (value) - 1] == 'f') {
    attr.kind = WEIR_ATTR_FLOAT;
    attr.f = (float) g_ascii_strtod (value, NULL);
  } else {
    attr.kind = WEIR_ATTR_INT;
    attr.i = g_ascii_strtoll (value, NULL, 10);
  }
  return attr;
}

uint32_t net_node (Net *net, const char *op, const char *attrs, uint32_t n_dst, const uint32_t *src)
{
  g_auto (GStrv) parts = g_strsplit (attrs, " ", -1);
  WeirNode node = { .op = weir_op_find (op), .opset = 13, .name = op, .n_dst = n_dst };
  uint32_t ids[NET_MAX_VALUES], dst[NET_MAX_VALUES];
  if (node.op == WEIR_N_OPS && strcmp (op, "ChannelShuffle") == 0)
    node.op = WEIR_OP_CHANNEL_SHUFFLE;
  if (node.op == WEIR_N_OPS && strcmp (op, "ChannelGather") == 0)
    node.op = WEIR_OP_CHANNEL_GATHER;
  if (node.op == WEIR_N_OPS && strcmp (op, "FakeQuantize") == 0)
    node.op = WEIR_OP_OV_FAKE_QUANTIZE;
  g_assert (node.op != WEIR_N_OPS);
  node.attrs = weir_arena_new_array (net->graph->arena, WeirAttr, g_strv_length (parts) + 1);
  for (uint32_t i = 0; parts[i]; i++)
    if (strchr (parts[i], '='))
      node.attrs[node.n_attrs++] = read_attr (net, parts[i]);
  for (; src[node.n_src] != NET_END; node.n_src++)
    ids[node.n_src] = src[node.n_src];
  for (uint32_t i = 0; i < n_dst; i++)
    dst[i] = weir_graph_add_value (net->graph, op);
  node.src = ids;
  node.dst = dst;
  weir_graph_add_node (net->graph, &node);
  return dst[0];
}

void net_finish (Net *net)
{
  g_autoptr (GError) error = NULL;
  if (!weir_graph_sort (net->graph, &error))
    g_error ("%s", error->message);
}

uint32_t net_count (const Net *net, WeirOp op)
{
  uint32_t n = 0;
  for (uint32_t id = 0; id < net->graph->nodes->len; id++)
    n += weir_graph_node (net->graph, id)->op == op;
  return n;
}

static bool fill_input (const Net *net, WeirSlot *slot, uint32_t k, GError **error)
{
  const WeirTensor *dst = weir_slot_input (slot, k);
  WeirTensor plain = *dst;
  uint32_t seed = 77 + k;
  int64_t n;
  weir_tensor_n_elements (dst, &n);
  g_autofree float *data = g_new (float, (size_t) n);
  for (int64_t i = 0; i < n; i++)
    data[i] = next_random (&seed);
  plain.dtype = WEIR_DTYPE_F32;
  plain.layout = WEIR_LAYOUT_PLAIN;
  plain.buffer = data;
  plain.offset_bytes = 0;
  return weir_convert (net->graph, &plain, dst, error);
}

static float *take_outputs (const Net *net, const WeirSlot *slot, size_t *n_elements)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (float));
  for (uint32_t k = 0; k < net->graph->outputs->len; k++) {
    const WeirTensor *tensor = weir_slot_output (slot, k);
    int64_t n;
    weir_tensor_n_elements (tensor, &n);
    g_assert (tensor->dtype == WEIR_DTYPE_F32 && tensor->layout == WEIR_LAYOUT_PLAIN);
    g_array_append_vals (all, weir_tensor_data (tensor), (guint) n);
  }
  *n_elements = all->len;
  return (float *) g_array_free (g_steal_pointer (&all), FALSE);
}

static float *run_plan (
    const Net *net, const NetRun *run, size_t *n_elements, char **steps, GError **error)
{
  WeirDeviceOptions options = {
    .precision = run->precision, .n_threads = run->n_threads, .match = run->match
  };
  g_autoptr (WeirTarget) target = weir_target_new (net->graph, run->backend, &options, error);
  g_autoptr (WeirPlan) plan = target ? weir_plan_new (target, run->n, error) : NULL;
  g_autoptr (WeirSlot) slot = plan ? weir_slot_new (plan, NULL, error) : NULL;
  if (!slot)
    return NULL;
  if (steps)
    *steps = weir_plan_describe (plan);
  weir_target_enter_thread (target);
  for (uint32_t k = 0; k < net->graph->inputs->len; k++)
    if (!fill_input (net, slot, k, error))
      return NULL;
  if (run->is_helped)
    weir_target_begin_batch (target);
  bool ok = weir_slot_run (slot, error);
  if (run->is_helped)
    weir_target_end_batch (target);
  return ok ? take_outputs (net, slot, n_elements) : NULL;
}

float *net_run (const Net *net, const NetRun *run, size_t *n_elements, char **steps)
{
  g_autoptr (GError) error = NULL;
  float *outputs = run_plan (net, run, n_elements, steps, &error);
  if (!outputs)
    printf ("%s: %s\n", run->backend->name, error->message);
  return outputs;
}

double net_difference (const float *a, const float *b, size_t n)
{
  double most = 1e-3, difference = 0;
  for (size_t i = 0; i < n; i++) {
    most = MAX (most, fabs ((double) b[i]));
    difference = MAX (difference, fabs ((double) a[i] - (double) b[i]));
    if (isnan (a[i]) != isnan (b[i]))
      return INFINITY;
  }
  return difference / most;
}
