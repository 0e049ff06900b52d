/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSlot: one block of memory with every step of a plan bound to its addresses. */
#include "engine/plan/plan_types.h"

#include "engine/plan/memplan.h"
#include "engine/plan/tail.h"

#include <stdlib.h>

struct WeirSlot {
  const WeirPlan *plan;
  char *block; /* activations, then scratch */
  bool owns_block;
  void **bound; /* by step */
  WeirTensor *inputs, *outputs;
  WeirTail *tail; /* NULL: the plan knows all sizes */
  WeirStepTime *times;
};

static void *address_of (const WeirSlot *slot, uint32_t id)
{
  if (id == WEIR_NONE)
    return NULL;
  const WeirInstance *instance = weir_plan_instance (slot->plan, id);
  const WeirInstance *root = weir_plan_instance (slot->plan, instance->root);
  return root->tensor.buffer ? weir_tensor_data (&root->tensor) : slot->block + root->offset_bytes;
}

static bool bind_step (WeirSlot *slot, uint32_t i, GError **error)
{
  const WeirStep *step = &g_array_index (slot->plan->steps, WeirStep, i);
  g_autofree void **src = g_new (void *, step->spec.n_src + 1);
  g_autofree void **dst = g_new (void *, step->spec.n_dst + 1);
  for (uint32_t k = 0; k < step->spec.n_src; k++)
    src[k] = address_of (slot, step->src[k]);
  for (uint32_t k = 0; k < step->spec.n_dst; k++)
    dst[k] = address_of (slot, step->dst[k]);
  WeirBinding binding = {
    .src = src, .dst = dst, .scratch = slot->block + slot->plan->activation_bytes
  };
  slot->bound[i] = step->backend->bind (step->kernel, &binding, error);
  return slot->bound[i] != NULL;
}

static WeirTensor tensor_of (const WeirSlot *slot, uint32_t id)
{
  WeirTensor tensor = weir_plan_instance (slot->plan, id)->tensor;
  tensor.buffer = address_of (slot, id);
  tensor.offset_bytes = 0;
  return tensor;
}

static WeirTensor *attach_tensors (const WeirSlot *slot, const GArray *ids)
{
  WeirTensor *tensors = g_new0 (WeirTensor, ids->len + 1);
  for (uint32_t k = 0; k < ids->len; k++)
    if (g_array_index (ids, uint32_t, k) != WEIR_NONE)
      tensors[k] = tensor_of (slot, g_array_index (ids, uint32_t, k));
  return tensors;
}

static void attach_tail (WeirSlot *slot)
{
  const GArray *sources = slot->plan->tail_src;
  slot->tail = weir_tail_new (slot->plan);
  for (uint32_t i = 0; i < sources->len; i++) {
    uint32_t id = g_array_index (sources, uint32_t, i);
    WeirTensor tensor = tensor_of (slot, id);
    weir_tail_set_source (slot->tail, weir_plan_instance (slot->plan, id)->value, &tensor);
  }
}

static bool run_tail (WeirSlot *slot, GError **error)
{
  const GArray *outputs = slot->plan->target->graph->outputs;
  if (!slot->tail)
    return true;
  if (!weir_tail_run (slot->tail, error))
    return false;
  for (uint32_t k = 0; k < outputs->len; k++)
    if (g_array_index (slot->plan->outputs, uint32_t, k) == WEIR_NONE)
      slot->outputs[k] = *weir_tail_value (slot->tail, g_array_index (outputs, uint32_t, k));
  return true;
}

WeirSlot *weir_slot_new (const WeirPlan *plan, void *block, GError **error)
{
  g_autoptr (WeirSlot) slot = g_new0 (WeirSlot, 1);
  slot->plan = plan;
  slot->bound = g_new0 (void *, plan->steps->len + 1);
  slot->owns_block = !block;
  slot->block = block ? block : aligned_alloc (WEIR_MEMPLAN_ALIGNMENT, weir_plan_slot_bytes (plan));
  if (!slot->block) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for a slot of batch %u",
        plan->target->graph->source, plan->n);
    return NULL;
  }
  for (uint32_t i = 0; i < plan->steps->len; i++)
    if (!bind_step (slot, i, error))
      return NULL;
  slot->inputs = attach_tensors (slot, plan->inputs);
  slot->outputs = attach_tensors (slot, plan->outputs);
  if (plan->tail->len)
    attach_tail (slot);
  return g_steal_pointer (&slot);
}

void weir_slot_free (WeirSlot *slot)
{
  if (!slot)
    return;
  for (uint32_t i = 0; i < slot->plan->steps->len; i++)
    if (slot->bound[i])
      g_array_index (slot->plan->steps, WeirStep, i).backend->unbind (slot->bound[i]);
  if (slot->owns_block)
    free (slot->block);
  weir_tail_free (slot->tail);
  g_free (slot->bound);
  g_free (slot->inputs);
  g_free (slot->outputs);
  g_free (slot->times);
  g_free (slot);
}

const WeirTensor *weir_slot_input (const WeirSlot *slot, uint32_t k)
{
  return k < slot->plan->inputs->len ? &slot->inputs[k] : NULL;
}

const WeirTensor *weir_slot_output (const WeirSlot *slot, uint32_t k)
{
  return k < slot->plan->outputs->len ? &slot->outputs[k] : NULL;
}

static bool run_step (WeirSlot *slot, uint32_t i, GError **error)
{
  const WeirStep *step = &g_array_index (slot->plan->steps, WeirStep, i);
  if (step->backend->run (slot->bound[i], error))
    return true;
  g_prefix_error (error, "%s: node '%s': ", slot->plan->target->graph->source, step->node->name);
  return false;
}

bool weir_slot_run (WeirSlot *slot, GError **error)
{
  for (uint32_t i = 0; i < slot->plan->steps->len; i++)
    if (!run_step (slot, i, error))
      return false;
  return run_tail (slot, error);
}

const WeirStepTime *weir_slot_profile (WeirSlot *slot, uint32_t *n_steps, GError **error)
{
  uint32_t n = slot->plan->steps->len;
  if (!slot->times)
    slot->times = g_new0 (WeirStepTime, (size_t) n + 2);
  for (uint32_t i = 0; i < n; i++) {
    const WeirStep *step = &g_array_index (slot->plan->steps, WeirStep, i);
    uint64_t start_ns = weir_now_ns ();
    if (!run_step (slot, i, error))
      return NULL;
    slot->times[i] = (WeirStepTime){
      .name = step->node->name,
      .op = weir_op_info (step->node->op)->name,
      .backend = step->backend->name,
      .implementation = step->backend->describe (step->kernel),
      .ns = weir_now_ns () - start_ns,
    };
  }
  uint64_t tail_ns = weir_now_ns ();
  if (slot->tail && !run_tail (slot, error))
    return NULL;
  if (slot->tail)
    slot->times[n++] = (WeirStepTime){ "nodes of a size that the data decide", "weir:Tail", "ref",
      "node by node", weir_now_ns () - tail_ns };
  *n_steps = n;
  return slot->times;
}
