/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inputs of a plan: the formats that their rows are written in, and where a picture that a device
 * makes itself lies.
 *
 * Such a picture has two places: one on the host, for requests that bring tensors, and one on the
 * device, from which all nodes read. The steps from one to the other are the plan's first; a slot
 * leaves them out where the picture has been written on the device. */
#include "engine/graph/geometry.h"
#include "engine/plan/plan_types.h"

static bool is_nchw_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && tensor->dims[1] <= 4;
}

/* Preprocessing fills it row-major, whatever its reader would like. */
static bool is_nhwc_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && tensor->dims[1] > 4 && tensor->dims[3] <= 4;
}

/* The first node that reads a value, as its source *index; NULL: none does. */
static const WeirNode *find_reader (const WeirGraph *graph, uint32_t value, uint32_t *index)
{
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    for (*index = 0; *index < node->n_src; (*index)++)
      if (node->src[*index] == value)
        return node;
  }
  return NULL;
}

static bool is_view (const WeirNode *node)
{
  return weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW;
}

/* How the node would like its source `index`, which could be had in f32. False: nobody runs it, or
 * not on floats. */
static bool ask_reader (WeirPlan *plan, const WeirNode *node, uint32_t index, WeirFormat *wanted)
{
  g_autofree WeirFormat *src = g_new0 (WeirFormat, node->n_src);
  g_autofree WeirFormat *dst = g_new0 (WeirFormat, node->n_dst);
  WeirStepSpec spec = weir_plan_new_spec (plan, node);
  uint32_t backend;
  weir_plan_describe_sources (plan, node, &spec);
  spec.src[index].dtype = WEIR_DTYPE_F32;
  if (is_nchw_picture (&spec.src[index])) /* for readers that take either layout */
    spec.src[index].layout = WEIR_LAYOUT_CHANNELS_LAST;
  if (!weir_target_propose (plan->target, &spec, src, dst, &backend))
    return false;
  *wanted = src[index];
  return weir_dtype_is_floating (wanted->dtype);
}

/* The format in which an input's first reader wants it, so that preprocessing writes just that; but
 * rows are not written in f16. */
static WeirFormat input_format (WeirPlan *plan, uint32_t value)
{
  const WeirTensor *tensor = &plan->shapes->values[value];
  bool is_floating = weir_dtype_is_floating (tensor->dtype);
  WeirFormat format = { is_floating ? WEIR_DTYPE_F32 : tensor->dtype, WEIR_LAYOUT_PLAIN, false };
  WeirFormat wanted;
  uint32_t index;
  const WeirNode *node = find_reader (plan->target->graph, value, &index);
  if (!node || is_view (node) || !is_floating || is_nhwc_picture (tensor) ||
      !ask_reader (plan, node, index, &wanted))
    return format;
  format.layout = wanted.layout;
  if (wanted.dtype != WEIR_DTYPE_F16)
    format.dtype = wanted.dtype;
  return format;
}

/* The format of a picture on the device; false where whoever reads it, behind nodes that only
 * rename, is not there. */
static bool picture_format (WeirPlan *plan, uint32_t value, WeirFormat *format)
{
  const WeirGraph *graph = plan->target->graph;
  const WeirTensor *tensor = &plan->shapes->values[value];
  bool is_row_major = is_nhwc_picture (tensor);
  uint32_t index;
  const WeirNode *node = find_reader (graph, value, &index);
  while (node && (is_view (node) || node->op == WEIR_OP_TRANSPOSE)) {
    is_row_major = true;
    node = find_reader (graph, node->dst[0], &index);
  }
  if (!node || !weir_dtype_is_floating (tensor->dtype) || !ask_reader (plan, node, index, format) ||
      !format->on_device)
    return false;
  if (is_row_major)
    format->layout = WEIR_LAYOUT_PLAIN;
  return format->dtype == WEIR_DTYPE_F32 || format->dtype == WEIR_DTYPE_F16;
}

/* Of its instances only that on the device is read by nodes. */
static bool add_picture (WeirPlan *plan, uint32_t value, GError **error)
{
  WeirFormat format;
  if (!picture_format (plan, value, &format))
    return true;
  if (!weir_plan_value_in_format (plan, value, format, &plan->picture, error))
    return false;
  uint32_t root = weir_plan_instance (plan, plan->picture)->root;
  for (uint32_t id = 0; id < plan->instances->len; id++) {
    WeirInstance *instance = weir_plan_instance (plan, id);
    instance->is_entry = instance->value == value && instance->root != root;
  }
  plan->n_entry_steps = plan->steps->len;
  return true;
}

bool weir_plan_add_inputs (WeirPlan *plan, GError **error)
{
  const GArray *inputs = plan->target->graph->inputs;
  plan->picture = WEIR_NONE;
  for (uint32_t k = 0; k < inputs->len; k++) {
    uint32_t value = g_array_index (inputs, uint32_t, k);
    WeirTensor tensor = plan->shapes->values[value];
    WeirFormat format = input_format (plan, value);
    tensor.dtype = format.dtype;
    tensor.layout = format.layout;
    uint32_t id = weir_plan_add_instance (plan, value, &tensor, WEIR_NONE);
    g_array_append_val (plan->inputs, id);
  }
  uint32_t k = plan->target->picture;
  return k >= inputs->len || add_picture (plan, g_array_index (inputs, uint32_t, k), error);
}
