/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building a plan.
 *
 * Nodes are visited in order. Each value may exist in several formats ("instances"); the backend
 * says in which formats it wants its sources and gives its results, and where no such instance
 * exists a reorder step makes one, once. Views (Reshape and friends, and the transposes that only
 * rename a layout) become instances on the bytes of another. At the end the memory planner packs
 * the bytes. */
#include "engine/base/checked.h"
#include "engine/plan/memplan.h"
#include "engine/plan/plan_types.h"

#include <string.h>

static uint32_t add_instance (
    WeirPlan *plan, uint32_t value, const WeirTensor *tensor, uint32_t root)
{
  WeirInstance instance = { .value = value, .tensor = *tensor, .root = root };
  uint32_t id = plan->instances->len;
  if (root == WEIR_NONE) {
    instance.root = id;
    instance.first_step = instance.last_step = plan->steps->len;
  } else {
    instance.root = weir_plan_instance (plan, root)->root;
  }
  g_array_append_val (plan->instances, instance);
  return id;
}

/* Keeps the bytes of an instance until the step that is being added has run. */
static void touch (WeirPlan *plan, uint32_t id)
{
  WeirInstance *root = weir_plan_instance (plan, weir_plan_instance (plan, id)->root);
  root->last_step = MAX (root->last_step, plan->steps->len);
}

static bool format_fits (const WeirTensor *tensor, WeirFormat format)
{
  return tensor->dtype == format.dtype &&
         (tensor->layout == format.layout || weir_layouts_agree (tensor));
}

/* Any instance of a value; the newest whose dtype matches is preferred as the source of a reorder.
 */
static uint32_t find_instance (const WeirPlan *plan, uint32_t value, const WeirFormat *format)
{
  uint32_t any = WEIR_NONE;
  for (uint32_t id = plan->instances->len; id-- > 0;) {
    const WeirInstance *instance = weir_plan_instance (plan, id);
    if (instance->value != value)
      continue;
    if (!format || format_fits (&instance->tensor, *format))
      return id;
    any = id;
  }
  return format ? WEIR_NONE : any;
}

static uint32_t view_in_layout (WeirPlan *plan, uint32_t id, WeirLayout layout)
{
  WeirInstance instance = *weir_plan_instance (plan, id);
  if (instance.tensor.layout == layout)
    return id;
  instance.tensor.layout = layout;
  return add_instance (plan, instance.value, &instance.tensor, id);
}

static WeirStepSpec new_spec (WeirPlan *plan, const WeirNode *node)
{
  return (WeirStepSpec){
    .graph = plan->target->graph,
    .node = node,
    .n_src = node->n_src,
    .n_dst = node->n_dst,
    .src = weir_arena_new_array (plan->arena, WeirTensor, node->n_src),
    .dst = weir_arena_new_array (plan->arena, WeirTensor, node->n_dst),
  };
}

static bool append_step (WeirPlan *plan, uint32_t backend, const WeirStepSpec *spec,
    const uint32_t *src, const uint32_t *dst, GError **error)
{
  WeirTarget *target = plan->target;
  WeirStep step = { .backend = target->backends[backend], .spec = *spec, .node = spec->node };
  size_t scratch_bytes = 0;
  step.kernel = step.backend->compile (target->devices[backend], spec, &scratch_bytes, error);
  if (!step.kernel) {
    g_prefix_error (error, "%s: node '%s': ", target->graph->source, spec->node->name);
    return false;
  }
  step.src = weir_arena_memdup (plan->arena, src, spec->n_src * sizeof *src);
  step.dst = weir_arena_memdup (plan->arena, dst, spec->n_dst * sizeof *dst);
  for (uint32_t i = 0; i < spec->n_src; i++)
    if (src[i] != WEIR_NONE)
      touch (plan, src[i]);
  for (uint32_t i = 0; i < spec->n_dst; i++)
    if (dst[i] != WEIR_NONE)
      touch (plan, dst[i]);
  plan->scratch_bytes = MAX (plan->scratch_bytes, scratch_bytes);
  g_array_append_val (plan->steps, step);
  return true;
}

static bool add_reorder (
    WeirPlan *plan, uint32_t from, WeirFormat format, uint32_t *result, GError **error)
{
  WeirStepSpec spec = new_spec (plan, &weir_reorder_node);
  WeirFormat src_format, dst_format;
  uint32_t backend;
  spec.src[0] = spec.dst[0] = weir_plan_instance (plan, from)->tensor;
  spec.src[0].buffer = spec.dst[0].buffer = NULL;
  spec.dst[0].dtype = dst_format.dtype = format.dtype;
  spec.dst[0].layout = dst_format.layout = format.layout;
  if (!weir_target_propose (plan->target, &spec, &src_format, &dst_format, &backend)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "no backend reorders %s to %s",
        weir_dtype_name (spec.src[0].dtype), weir_dtype_name (format.dtype));
    return false;
  }
  *result = add_instance (plan, weir_plan_instance (plan, from)->value, &spec.dst[0], WEIR_NONE);
  return append_step (plan, backend, &spec, &from, result, error);
}

/* A known value (constant, or computed from shapes) in a format. dtype NONE: as it is. */
static bool constant_in_format (
    WeirPlan *plan, uint32_t value, WeirFormat format, uint32_t *result, GError **error)
{
  WeirTensor tensor = plan->shapes->values[value];
  if (format.dtype == WEIR_DTYPE_NONE)
    format = (WeirFormat){ tensor.dtype, tensor.layout };
  if ((*result = find_instance (plan, value, &format)) != WEIR_NONE) {
    *result = view_in_layout (plan, *result, format.layout);
    return true;
  }
  if (tensor.dtype == format.dtype && weir_layouts_agree (&tensor)) {
    tensor.layout = format.layout;
  } else if (weir_graph_value (plan->target->graph, value)->is_constant) {
    if (!(tensor.dtype == format.dtype && tensor.layout == format.layout) &&
        !weir_target_constant (plan->target, value, format, &tensor, error))
      return false;
  } else { /* depends on n: belongs to this plan */
    WeirTensor src = tensor;
    size_t n_bytes;
    tensor.dtype = format.dtype;
    tensor.layout = format.layout;
    tensor.offset_bytes = 0;
    if (!weir_tensor_bytes (&tensor, &n_bytes) ||
        !(tensor.buffer = weir_arena_try_alloc (plan->arena, n_bytes))) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for value '%s'",
          plan->target->graph->source, weir_graph_value (plan->target->graph, value)->name);
      return false;
    }
    if (!weir_convert (plan->target->graph, &src, &tensor, error))
      return false;
  }
  *result = add_instance (plan, value, &tensor, WEIR_NONE);
  return true;
}

static bool value_in_format (
    WeirPlan *plan, uint32_t value, WeirFormat format, uint32_t *result, GError **error)
{
  if (plan->shapes->values[value].buffer)
    return constant_in_format (plan, value, format, result, error);
  uint32_t id = find_instance (plan, value, &format);
  if (id != WEIR_NONE) {
    *result = view_in_layout (plan, id, format.layout);
    return true;
  }
  id = find_instance (plan, value, NULL);
  if (id == WEIR_NONE) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "%s: value '%s' is read before it is made",
        plan->target->graph->source, weir_graph_value (plan->target->graph, value)->name);
    return false;
  }
  return add_reorder (plan, id, format, result, error);
}

/* The layout change that a transpose amounts to: NCHW → NHWC of a channels-last value is a view on
 * its bytes, and back. */
static bool transpose_renames (const WeirNode *node, const WeirTensor *src, WeirLayout *dst_layout)
{
  uint32_t n_perm, rank = src->rank;
  const int64_t *perm = weir_node_ints (node, "perm", &n_perm);
  if (node->op != WEIR_OP_TRANSPOSE || n_perm != rank || rank < 3)
    return false;
  bool to_last = perm[0] == 0 && perm[rank - 1] == 1,
       to_first = perm[0] == 0 && perm[1] == rank - 1;
  for (uint32_t i = 1; i + 1 < rank; i++) {
    to_last &= perm[i] == (int64_t) i + 1;
    to_first &= perm[i + 1] == (int64_t) i;
  }
  bool is_last = src->layout == WEIR_LAYOUT_CHANNELS_LAST;
  *dst_layout = is_last ? WEIR_LAYOUT_PLAIN : WEIR_LAYOUT_CHANNELS_LAST;
  return is_last ? to_last : to_first; /* of rank 3 both are one permutation */
}

/* Another shape with the same rows and channels: what lies behind them may merge or split in any
 * layout. */
static bool keeps_layout (const WeirTensor *src, const WeirTensor *dst)
{
  return weir_tensor_same_shape (src, dst) ||
         (src->rank >= 3 && dst->rank >= 3 && src->dims[0] == dst->dims[0] &&
             src->dims[1] == dst->dims[1]);
}

/* Nodes that move no bytes. *done is false where the node needs a step of its own. */
static bool add_view (WeirPlan *plan, const WeirNode *node, bool *done, GError **error)
{
  bool is_view = weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW && node->n_post == 0;
  uint32_t id = find_instance (plan, node->src[0], NULL);
  *done = false;
  if (id == WEIR_NONE || plan->shapes->values[node->src[0]].buffer)
    return true;
  const WeirTensor src = weir_plan_instance (plan, id)->tensor;
  WeirTensor dst = plan->shapes->values[node->dst[0]];
  dst.dtype = src.dtype;
  dst.layout = WEIR_LAYOUT_PLAIN;
  if (is_view && keeps_layout (&src, &dst)) {
    dst.layout = src.layout;
  } else if (is_view) {
    WeirFormat plain = { src.dtype, WEIR_LAYOUT_PLAIN };
    if (!value_in_format (plan, node->src[0], plain, &id, error))
      return false;
  } else if (!transpose_renames (node, &src, &dst.layout)) {
    return true;
  }
  add_instance (plan, node->dst[0], &dst, id);
  *done = true;
  return true;
}

static void describe_sources (WeirPlan *plan, const WeirNode *node, WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (node->src[i] == WEIR_NONE)
      continue;
    uint32_t id = find_instance (plan, node->src[i], NULL);
    const WeirTensor *known = &plan->shapes->values[node->src[i]];
    spec->src[i] =
        known->buffer || id == WEIR_NONE ? *known : weir_plan_instance (plan, id)->tensor;
    if (!known->buffer)
      spec->src[i].buffer = NULL;
  }
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      spec->dst[i] = plan->shapes->values[node->dst[i]];
}

static bool gather_sources (WeirPlan *plan, const WeirNode *node, const WeirFormat *formats,
    WeirStepSpec *spec, uint32_t *src, GError **error)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    src[i] = WEIR_NONE;
    if (node->src[i] == WEIR_NONE)
      continue;
    if (!value_in_format (plan, node->src[i], formats[i], &src[i], error))
      return false;
    spec->src[i] = weir_plan_instance (plan, src[i])->tensor;
  }
  return true;
}

static bool add_node (WeirPlan *plan, const WeirNode *node, GError **error)
{
  WeirStepSpec spec = new_spec (plan, node);
  WeirFormat *src_formats = weir_arena_new_array (plan->arena, WeirFormat, node->n_src);
  WeirFormat *dst_formats = weir_arena_new_array (plan->arena, WeirFormat, node->n_dst);
  uint32_t *src = weir_arena_new_array (plan->arena, uint32_t, node->n_src);
  uint32_t *dst = weir_arena_new_array (plan->arena, uint32_t, node->n_dst);
  uint32_t backend;
  bool is_view = false;
  if (node->n_src && !add_view (plan, node, &is_view, error))
    return false;
  if (is_view)
    return true;
  describe_sources (plan, node, &spec);
  if (!weir_target_propose (plan->target, &spec, src_formats, dst_formats, &backend))
    return weir_node_error (
        plan->target->graph, node, WEIR_ERROR_UNSUPPORTED, error, "no backend runs it");
  if (!gather_sources (plan, node, src_formats, &spec, src, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++) {
    dst[i] = WEIR_NONE;
    if (node->dst[i] == WEIR_NONE)
      continue;
    spec.dst[i].dtype = dst_formats[i].dtype;
    spec.dst[i].layout = dst_formats[i].layout;
    dst[i] = add_instance (plan, node->dst[i], &spec.dst[i], WEIR_NONE);
  }
  return append_step (plan, backend, &spec, src, dst, error);
}

static bool is_floating (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 ||
         dtype == WEIR_DTYPE_F64;
}

static bool is_nchw_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && tensor->dims[1] <= 4;
}

/* Preprocessing fills it row-major, whatever its reader would like. */
static bool is_nhwc_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && tensor->dims[1] > 4 && tensor->dims[3] <= 4;
}

/* The format in which an input's first reader wants it, so that preprocessing writes just that. */
static WeirFormat input_format (WeirPlan *plan, uint32_t value)
{
  const WeirGraph *graph = plan->target->graph;
  WeirTensor tensor = plan->shapes->values[value];
  WeirFormat format = { is_floating (tensor.dtype) ? WEIR_DTYPE_F32 : tensor.dtype,
    WEIR_LAYOUT_PLAIN };
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    for (uint32_t i = 0; i < node->n_src; i++) {
      if (node->src[i] != value)
        continue;
      if (weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW || !is_floating (tensor.dtype) ||
          is_nhwc_picture (&tensor))
        return format;
      g_autofree WeirFormat *src = g_new0 (WeirFormat, node->n_src);
      g_autofree WeirFormat *dst = g_new0 (WeirFormat, node->n_dst);
      WeirStepSpec spec = new_spec (plan, node);
      uint32_t backend;
      describe_sources (plan, node, &spec);
      spec.src[i].dtype = format.dtype;
      if (is_nchw_picture (&tensor)) /* for readers that take either layout */
        spec.src[i].layout = WEIR_LAYOUT_CHANNELS_LAST;
      if (weir_target_propose (plan->target, &spec, src, dst, &backend) &&
          is_floating (src[i].dtype))
        return src[i];
      return format;
    }
  }
  return format;
}

static void add_inputs (WeirPlan *plan)
{
  const WeirGraph *graph = plan->target->graph;
  for (uint32_t k = 0; k < graph->inputs->len; k++) {
    uint32_t value = g_array_index (graph->inputs, uint32_t, k);
    WeirTensor tensor = plan->shapes->values[value];
    WeirFormat format = input_format (plan, value);
    tensor.dtype = format.dtype;
    tensor.layout = format.layout;
    uint32_t id = add_instance (plan, value, &tensor, WEIR_NONE);
    g_array_append_val (plan->inputs, id);
  }
}

/* Plain, in f32 or the integer type that it has. */
static bool value_for_reading (WeirPlan *plan, uint32_t value, uint32_t *id, GError **error)
{
  WeirDtype dtype = plan->shapes->values[value].dtype;
  WeirFormat format = { is_floating (dtype) ? WEIR_DTYPE_F32 : dtype, WEIR_LAYOUT_PLAIN };
  return value_in_format (plan, value, format, id, error);
}

static bool add_tail_sources (WeirPlan *plan, const WeirNode *node, GError **error)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    uint32_t value = node->src[i], id;
    if (value == WEIR_NONE || plan->shapes->is_dynamic[value] || plan->shapes->values[value].buffer)
      continue;
    if (!value_for_reading (plan, value, &id, error))
      return false;
    g_array_append_val (plan->tail_src, id);
  }
  return true;
}

static bool is_dynamic (const WeirPlan *plan, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE && plan->shapes->is_dynamic[node->dst[i]])
      return true;
  return false;
}

static bool add_tail (WeirPlan *plan, GError **error)
{
  const WeirGraph *graph = plan->target->graph;
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    if (!is_dynamic (plan, node))
      continue;
    g_array_append_val (plan->tail, id);
    if (!add_tail_sources (plan, node, error))
      return false;
  }
  return true;
}

static bool add_outputs (WeirPlan *plan, GError **error)
{
  const WeirGraph *graph = plan->target->graph;
  for (uint32_t k = 0; k < graph->outputs->len; k++) {
    uint32_t value = g_array_index (graph->outputs, uint32_t, k), id = WEIR_NONE;
    if (!plan->shapes->is_dynamic[value] && !value_for_reading (plan, value, &id, error))
      return false;
    g_array_append_val (plan->outputs, id);
  }
  for (uint32_t k = 0; k < plan->outputs->len; k++)
    if (g_array_index (plan->outputs, uint32_t, k) != WEIR_NONE)
      touch (plan, g_array_index (plan->outputs, uint32_t, k));
  for (uint32_t k = 0; k < plan->tail_src->len; k++)
    touch (plan, g_array_index (plan->tail_src, uint32_t, k));
  return true;
}

static bool assign_memory (WeirPlan *plan, GError **error)
{
  g_autofree WeirLifetime *lifetimes = g_new0 (WeirLifetime, plan->instances->len + 1);
  g_autofree uint32_t *owners = g_new0 (uint32_t, plan->instances->len + 1);
  uint32_t n = 0;
  for (uint32_t id = 0; id < plan->instances->len; id++) {
    const WeirInstance *instance = weir_plan_instance (plan, id);
    if (instance->root != id || instance->tensor.buffer)
      continue;
    lifetimes[n].first_step = instance->first_step;
    lifetimes[n].last_step = instance->last_step;
    owners[n] = id;
    if (!weir_tensor_bytes (&instance->tensor, &lifetimes[n++].n_bytes))
      goto too_large;
  }
  if (!weir_memplan (lifetimes, n, &plan->activation_bytes) ||
      !weir_checked_add (plan->activation_bytes, plan->scratch_bytes, &plan->slot_bytes) ||
      !weir_checked_align (MAX (plan->slot_bytes, 1), WEIR_MEMPLAN_ALIGNMENT, &plan->slot_bytes))
    goto too_large;
  for (uint32_t i = 0; i < n; i++)
    weir_plan_instance (plan, owners[i])->offset_bytes = lifetimes[i].offset_bytes;
  return true;
too_large:
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: activations at batch %u exceed memory",
      plan->target->graph->source, plan->n);
  return false;
}

static bool is_known (const WeirPlan *plan, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE && !plan->shapes->values[node->dst[i]].buffer)
      return false;
  return true;
}

WeirPlan *weir_plan_new (WeirTarget *target, uint32_t n, GError **error)
{
  const WeirGraph *graph = target->graph;
  g_autoptr (WeirPlan) plan = g_new0 (WeirPlan, 1);
  plan->target = target;
  plan->n = n;
  plan->arena = weir_arena_new ();
  plan->instances = g_array_new (FALSE, TRUE, sizeof (WeirInstance));
  plan->steps = g_array_new (FALSE, TRUE, sizeof (WeirStep));
  plan->inputs = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  plan->outputs = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  plan->tail = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  plan->tail_src = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  plan->shapes = weir_shapes_infer (graph, n, weir_ref_evaluate, error);
  if (!plan->shapes)
    return NULL;
  add_inputs (plan);
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    if (!is_known (plan, node) && !is_dynamic (plan, node) && !add_node (plan, node, error))
      return NULL;
  }
  if (!add_tail (plan, error) || !add_outputs (plan, error) || !assign_memory (plan, error))
    return NULL;
  return g_steal_pointer (&plan);
}

void weir_plan_free (WeirPlan *plan)
{
  if (!plan)
    return;
  for (uint32_t i = 0; i < plan->steps->len; i++) {
    WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
    step->backend->release (step->kernel);
  }
  g_array_unref (plan->instances);
  g_array_unref (plan->steps);
  g_array_unref (plan->inputs);
  g_array_unref (plan->outputs);
  g_array_unref (plan->tail);
  g_array_unref (plan->tail_src);
  g_clear_pointer (&plan->shapes, weir_shapes_free);
  weir_arena_free (plan->arena);
  g_free (plan);
}

uint32_t weir_plan_n (const WeirPlan *plan)
{
  return plan->n;
}

size_t weir_plan_slot_bytes (const WeirPlan *plan)
{
  return plan->slot_bytes;
}

static void describe_tensors (GString *text, const WeirTensor *tensors, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    g_autofree char *shape = weir_tensor_describe (&tensors[i]);
    if (tensors[i].dtype != WEIR_DTYPE_NONE)
      g_string_append_printf (text, " %s%s%s", shape, tensors[i].layout ? ":nhwc" : "",
          tensors[i].buffer ? ":const" : "");
  }
}

char *weir_plan_describe (const WeirPlan *plan)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < plan->steps->len; i++) {
    const WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
    g_string_append_printf (text, "%u %s '%s' %s %s", i, weir_op_info (step->node->op)->name,
        step->node->name, step->backend->name, step->backend->describe (step->kernel));
    for (uint32_t k = 0; k < step->node->n_post; k++)
      g_string_append_printf (text, " +%s", weir_op_info (step->node->post[k].op)->name);
    g_string_append (text, " :");
    describe_tensors (text, step->spec.src, step->spec.n_src);
    g_string_append (text, " ->");
    describe_tensors (text, step->spec.dst, step->spec.n_dst);
    g_string_append_c (text, '\n');
  }
  for (uint32_t i = 0; i < plan->tail->len; i++) {
    const WeirNode *node =
        weir_graph_node (plan->target->graph, g_array_index (plan->tail, uint32_t, i));
    g_string_append_printf (text, "%u %s '%s' ref, of a size that the data decide\n",
        plan->steps->len + i, weir_op_info (node->op)->name, node->name);
  }
  if (weir_target_precision (plan->target) == WEIR_PRECISION_INT8) {
    uint32_t n_int8, n_total;
    weir_plan_count_int8 (plan, &n_int8, &n_total);
    g_string_append_printf (
        text, "int8: %u of %u convolutions and matrix products\n", n_int8, n_total);
  }
  return g_string_free (text, FALSE);
}
