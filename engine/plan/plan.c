/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building a plan.
 *
 * Nodes are visited in order. Each value may exist in several formats ("instances"); the backend
 * says in which formats it wants its sources and gives its results, and where no such instance
 * exists a reorder step makes one, once. Views (Reshape and friends, and the transposes that only
 * rename a layout) become instances on the bytes of another. At the end the memory planner packs
 * the bytes. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"
#include "engine/plan/memplan.h"
#include "engine/plan/plan_types.h"

#include <string.h>

uint32_t weir_plan_add_instance (
    WeirPlan *plan, uint32_t value, const WeirTensor *tensor, uint32_t root)
{
  WeirInstance instance = { .value = value, .tensor = *tensor, .root = root };
  uint32_t id = plan->instances->len;
  if (root == WEIR_NONE) {
    instance.root = id;
    instance.first_step = instance.last_step = plan->steps->len;
  } else {
    instance.root = weir_plan_instance (plan, root)->root;
    instance.on_device = weir_plan_instance (plan, root)->on_device;
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

static WeirFormat format_of (const WeirInstance *instance)
{
  return (WeirFormat){ instance->tensor.dtype, instance->tensor.layout, instance->on_device };
}

/* Any instance of a value; the newest whose dtype matches is preferred as the source of a reorder.
 */
static uint32_t find_instance (const WeirPlan *plan, uint32_t value, const WeirFormat *format)
{
  uint32_t any = WEIR_NONE;
  for (uint32_t id = plan->instances->len; id-- > 0;) {
    const WeirInstance *instance = weir_plan_instance (plan, id);
    if (instance->value != value || instance->is_entry)
      continue;
    if (!format ||
        (instance->on_device == format->on_device && format_fits (&instance->tensor, *format)))
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
  return weir_plan_add_instance (plan, instance.value, &instance.tensor, id);
}

WeirStepSpec weir_plan_new_spec (WeirPlan *plan, const WeirNode *node)
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

/* Adds the instances of the results, dst[0] on the bytes of the source that the kernel writes over.
 */
static void add_results (WeirPlan *plan, const WeirStep *step, const uint32_t *values,
    const uint32_t *src, uint32_t *dst)
{
  uint32_t over = step->backend->overwrites ? step->backend->overwrites (step->kernel) : WEIR_NONE;
  for (uint32_t i = 0; i < step->spec.n_dst; i++) {
    dst[i] = WEIR_NONE;
    if (values[i] == WEIR_NONE)
      continue;
    dst[i] = weir_plan_add_instance (
        plan, values[i], &step->spec.dst[i], i == 0 && over != WEIR_NONE ? src[over] : WEIR_NONE);
    weir_plan_instance (plan, dst[i])->on_device = step->spec.dst_on_device >> MIN (i, 31) & 1;
  }
}

/* values: of the results, whose instances it adds. joins: is one with the last step. */
static bool append_step (WeirPlan *plan, uint32_t backend, const WeirStepSpec *spec,
    const uint32_t *src, const uint32_t *values, bool joins, GError **error)
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
  step.dst = weir_arena_new_array (plan->arena, uint32_t, spec->n_dst);
  if (joins)
    weir_plan_join (plan, &step, &scratch_bytes);
  add_results (plan, &step, values, src, step.dst);
  for (uint32_t i = 0; i < spec->n_src; i++)
    if (src[i] != WEIR_NONE)
      touch (plan, src[i]);
  for (uint32_t i = 0; i < spec->n_dst; i++)
    if (step.dst[i] != WEIR_NONE)
      touch (plan, step.dst[i]);
  size_t *most = step.backend->memory_new ? &plan->device_scratch_bytes : &plan->scratch_bytes;
  *most = MAX (*most, scratch_bytes);
  if (spec->src_stays)
    weir_plan_instance (plan, weir_plan_instance (plan, src[0])->root)->stays = true;
  g_array_append_val (plan->steps, step);
  return true;
}

/* The step from one format to the other. False: no backend does it. */
static bool propose_reorder (WeirPlan *plan, const WeirTensor *tensor, WeirFormat from,
    WeirFormat to, WeirStepSpec *spec, uint32_t *backend)
{
  WeirFormat src, dst;
  *spec = weir_plan_new_spec (plan, &weir_reorder_node);
  spec->src[0] = spec->dst[0] = *tensor;
  spec->src[0].buffer = spec->dst[0].buffer = NULL;
  spec->src[0].dtype = from.dtype;
  spec->src[0].layout = from.layout;
  spec->dst[0].dtype = to.dtype;
  spec->dst[0].layout = to.layout;
  spec->src_on_device = from.on_device;
  spec->dst_on_device = to.on_device;
  return weir_target_propose (plan->target, spec, &src, &dst, backend);
}

/* Between memories bytes are only moved; what changes type or layout as well does so on the device
 * where that can, else on the host. */
static WeirFormat middle_of (
    WeirPlan *plan, const WeirTensor *tensor, WeirFormat from, WeirFormat to)
{
  WeirFormat there = from, then = to, middle = from.on_device ? from : to;
  WeirStepSpec spec;
  uint32_t backend;
  there.on_device = then.on_device = true;
  middle.on_device = false;
  if (from.on_device == to.on_device ||
      !propose_reorder (plan, tensor, there, then, &spec, &backend))
    return middle;
  return from.on_device ? then : there;
}

/* Nobody else writes there: uploads of it need not be waited for. */
static bool is_input (const WeirPlan *plan, uint32_t root)
{
  for (uint32_t k = 0; k < plan->inputs->len; k++)
    if (g_array_index (plan->inputs, uint32_t, k) == root)
      return true;
  return false;
}

static bool add_reorder (
    WeirPlan *plan, uint32_t from, WeirFormat format, uint32_t *result, GError **error)
{
  const WeirInstance instance = *weir_plan_instance (plan, from);
  const WeirFormat is = format_of (&instance);
  bool crosses = is.on_device != format.on_device;
  bool keeps = is.dtype == format.dtype && is.layout == format.layout;
  WeirStepSpec spec;
  uint32_t backend;
  if ((!crosses || keeps) &&
      propose_reorder (plan, &instance.tensor, is, format, &spec, &backend)) {
    *result = plan->instances->len;
    spec.src_stays = format.on_device && is_input (plan, instance.root);
    return append_step (plan, backend, &spec, &from, &instance.value, false, error);
  }
  if ((crosses && keeps) || (!crosses && !is.on_device)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "no backend reorders %s to %s",
        weir_dtype_name (is.dtype), weir_dtype_name (format.dtype));
    return false;
  }
  const WeirFormat middle = middle_of (plan, &instance.tensor, is, format);
  return weir_plan_value_in_format (plan, instance.value, middle, &from, error) &&
         add_reorder (plan, from, format, result, error);
}

/* A known value (constant, or computed from shapes) in a format. dtype NONE: as it is. */
static bool constant_in_format (
    WeirPlan *plan, uint32_t value, WeirFormat format, uint32_t *result, GError **error)
{
  WeirTensor tensor = plan->shapes->values[value];
  format.on_device = false;
  if (format.dtype == WEIR_DTYPE_NONE)
    format = (WeirFormat){ tensor.dtype, tensor.layout, false };
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
  *result = weir_plan_add_instance (plan, value, &tensor, WEIR_NONE);
  return true;
}

bool weir_plan_value_in_format (
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
    WeirFormat plain = { src.dtype, WEIR_LAYOUT_PLAIN, weir_plan_instance (plan, id)->on_device };
    if (!weir_plan_value_in_format (plan, node->src[0], plain, &id, error))
      return false;
  } else if (!transpose_renames (node, &src, &dst.layout)) {
    return true;
  }
  weir_plan_add_instance (plan, node->dst[0], &dst, id);
  *done = true;
  return true;
}

void weir_plan_describe_sources (WeirPlan *plan, const WeirNode *node, WeirStepSpec *spec)
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
    if (!weir_plan_value_in_format (plan, node->src[i], formats[i], &src[i], error))
      return false;
    spec->src[i] = weir_plan_instance (plan, src[i])->tensor;
    spec->src_on_device |= (uint32_t) weir_plan_instance (plan, src[i])->on_device << MIN (i, 31);
  }
  return true;
}

static bool add_node (WeirPlan *plan, uint32_t node_id, GError **error)
{
  const WeirNode *node = weir_graph_node (plan->target->graph, node_id);
  WeirStepSpec spec = weir_plan_new_spec (plan, node);
  WeirFormat *src_formats = weir_arena_new_array (plan->arena, WeirFormat, node->n_src);
  WeirFormat *dst_formats = weir_arena_new_array (plan->arena, WeirFormat, node->n_dst);
  uint32_t *src = weir_arena_new_array (plan->arena, uint32_t, node->n_src);
  uint32_t backend;
  bool is_view = false;
  if (node->n_src && !add_view (plan, node, &is_view, error))
    return false;
  if (is_view)
    return true;
  weir_plan_describe_sources (plan, node, &spec);
  if (!weir_target_propose (plan->target, &spec, src_formats, dst_formats, &backend))
    return weir_node_error (
        plan->target->graph, node, WEIR_ERROR_UNSUPPORTED, error, "no backend runs it");
  if (!gather_sources (plan, node, src_formats, &spec, src, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++) {
    if (node->dst[i] == WEIR_NONE)
      continue;
    spec.dst[i].dtype = dst_formats[i].dtype;
    spec.dst[i].layout = dst_formats[i].layout;
    spec.dst_on_device |= (uint32_t) dst_formats[i].on_device << MIN (i, 31);
  }
  spec.may_overwrite = weir_plan_may_overwrite (plan, node_id, &spec, src);
  bool joins = weir_plan_may_join (plan, plan->target->backends[backend], node_id, &spec, src);
  return append_step (plan, backend, &spec, src, node->dst, joins, error);
}

/* Plain, in f32 or the integer type that it has. */
static bool value_for_reading (WeirPlan *plan, uint32_t value, uint32_t *id, GError **error)
{
  WeirDtype dtype = plan->shapes->values[value].dtype;
  WeirFormat format = { weir_dtype_is_floating (dtype) ? WEIR_DTYPE_F32 : dtype, WEIR_LAYOUT_PLAIN,
    false };
  return weir_plan_value_in_format (plan, value, format, id, error);
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

/* Places what lies in one of the two memories. */
static bool place_instances (WeirPlan *plan, bool on_device, size_t *n_bytes)
{
  g_autofree WeirLifetime *lifetimes = g_new0 (WeirLifetime, plan->instances->len + 1);
  g_autofree uint32_t *owners = g_new0 (uint32_t, plan->instances->len + 1);
  uint32_t n = 0;
  for (uint32_t id = 0; id < plan->instances->len; id++) {
    const WeirInstance *instance = weir_plan_instance (plan, id);
    if (instance->root != id || instance->tensor.buffer || instance->is_between ||
        instance->on_device != on_device)
      continue;
    lifetimes[n].first_step = instance->first_step;
    lifetimes[n].last_step = instance->stays ? plan->steps->len : instance->last_step;
    owners[n] = id;
    if (!weir_tensor_bytes (&instance->tensor, &lifetimes[n++].n_bytes))
      return false;
  }
  if (!weir_memplan (lifetimes, n, n_bytes))
    return false;
  for (uint32_t i = 0; i < n; i++)
    weir_plan_instance (plan, owners[i])->offset_bytes = lifetimes[i].offset_bytes;
  return true;
}

static bool assign_memory (WeirPlan *plan, GError **error)
{
  if (place_instances (plan, false, &plan->activation_bytes) &&
      place_instances (plan, true, &plan->device_activation_bytes) &&
      weir_checked_add (plan->activation_bytes, plan->scratch_bytes, &plan->slot_bytes) &&
      weir_checked_align (MAX (plan->slot_bytes, 1), WEIR_MEMPLAN_ALIGNMENT, &plan->slot_bytes) &&
      weir_checked_add (
          plan->device_activation_bytes, plan->device_scratch_bytes, &plan->device_bytes))
    return true;
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
  weir_plan_find_readers (plan);
  if (!weir_plan_add_inputs (plan, error))
    return NULL;
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    if (!is_known (plan, node) && !is_dynamic (plan, node) && !add_node (plan, id, error))
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

size_t weir_plan_slot_bytes (const WeirPlan *plan)
{
  return plan->slot_bytes;
}

size_t weir_plan_device_bytes (const WeirPlan *plan)
{
  return plan->device_bytes;
}
