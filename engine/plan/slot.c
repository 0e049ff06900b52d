/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSlot: one block of memory with every step of a plan bound to its addresses. */
#include "engine/plan/plan_types.h"

#include "engine/plan/memplan.h"
#include "engine/plan/tail.h"

#include <stdlib.h>
#include <string.h>

struct WeirSlot {
  const WeirPlan *plan;
  char *block; /* activations, then scratch */
  bool owns_block;
  void *memory; /* of the first backend; NULL: it has none, or needs none here */
  bool owns_memory;
  const WeirStepClock *clock; /* of the steps in that memory; NULL: they are not timed by it */
  char *device_block;
  void **bound; /* by step */
  WeirTensor *inputs, *outputs;
  WeirTensor picture;  /* on the device; dtype NONE: there is none */
  uint32_t first_step; /* of a run: behind those that bring the picture there, where it is */
  WeirTail *tail;      /* NULL: the plan knows all sizes */
};

static void *address_of (const WeirSlot *slot, uint32_t id)
{
  if (id == WEIR_NONE)
    return NULL;
  const WeirInstance *instance = weir_plan_instance (slot->plan, id);
  const WeirInstance *root = weir_plan_instance (slot->plan, instance->root);
  if (root->tensor.buffer)
    return weir_tensor_data (&root->tensor);
  return (root->on_device ? slot->device_block : slot->block) + root->offset_bytes;
}

static bool bind_step (WeirSlot *slot, uint32_t i, GError **error)
{
  const WeirStep *step = &g_array_index (slot->plan->steps, WeirStep, i);
  uint32_t n_src = weir_step_sources (step, NULL);
  g_autofree uint32_t *ids = g_new (uint32_t, n_src + 1);
  g_autofree void **src = g_new (void *, n_src + 1);
  g_autofree void **dst = g_new (void *, step->spec.n_dst + 1);
  weir_step_sources (step, ids);
  for (uint32_t k = 0; k < n_src; k++)
    src[k] = address_of (slot, ids[k]);
  for (uint32_t k = 0; k < step->spec.n_dst; k++)
    dst[k] = address_of (slot, step->dst[k]);
  WeirBinding binding = { .src = src,
    .dst = dst,
    .scratch = step->backend->memory_new ? slot->device_block + slot->plan->device_activation_bytes
                                         : slot->block + slot->plan->activation_bytes };
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

void *weir_plan_device_memory_new (const WeirPlan *plan, GError **error)
{
  const WeirTarget *target = plan->target;
  void *memory = target->backends[0]->memory_new (target->devices[0], plan->device_bytes, error);
  if (!memory)
    g_prefix_error (error, "%s: a slot of batch %u: ", target->graph->source, plan->n);
  return memory;
}

void weir_target_device_memory_free (WeirTarget *target, void *memory)
{
  if (memory)
    target->backends[0]->memory_free (memory);
}

static bool take_memory (WeirSlot *slot, void *memory, bool is_timed, GError **error)
{
  const WeirBackend *backend = slot->plan->target->backends[0];
  if (slot->plan->device_bytes == 0)
    return true;
  slot->owns_memory = !memory;
  slot->memory = memory ? memory : weir_plan_device_memory_new (slot->plan, error);
  if (!slot->memory)
    return false;
  slot->device_block = backend->memory_base (slot->memory);
  slot->clock = is_timed ? backend->clock : NULL;
  return !slot->clock || slot->clock->start (slot->memory, error);
}

static WeirSlot *slot_new (
    const WeirPlan *plan, void *block, void *memory, bool is_timed, GError **error)
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
  if (!take_memory (slot, memory, is_timed, error))
    return NULL;
  for (uint32_t i = 0; i < plan->steps->len; i++)
    if (!bind_step (slot, i, error))
      return NULL;
  slot->inputs = attach_tensors (slot, plan->inputs);
  slot->outputs = attach_tensors (slot, plan->outputs);
  if (plan->picture != WEIR_NONE)
    slot->picture = tensor_of (slot, plan->picture);
  if (plan->tail->len)
    attach_tail (slot);
  return g_steal_pointer (&slot);
}

WeirSlot *weir_slot_new (const WeirPlan *plan, void *block, GError **error)
{
  return slot_new (plan, block, NULL, false, error);
}

WeirSlot *weir_slot_new_in (const WeirPlan *plan, void *block, void *memory, GError **error)
{
  return slot_new (plan, block, memory, false, error);
}

WeirSlot *weir_slot_new_timed (const WeirPlan *plan, GError **error)
{
  return slot_new (plan, NULL, NULL, true, error);
}

void weir_slot_free (WeirSlot *slot)
{
  if (!slot)
    return;
  for (uint32_t i = 0; i < slot->plan->steps->len; i++)
    if (slot->bound[i])
      g_array_index (slot->plan->steps, WeirStep, i).backend->unbind (slot->bound[i]);
  if (slot->owns_memory) /* first: what is left of uploads from the block is waited for */
    weir_target_device_memory_free (slot->plan->target, slot->memory);
  if (slot->owns_block)
    free (slot->block);
  weir_tail_free (slot->tail);
  g_free (slot->bound);
  g_free (slot->inputs);
  g_free (slot->outputs);
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

const WeirTensor *weir_slot_picture (const WeirSlot *slot)
{
  return slot->picture.dtype == WEIR_DTYPE_NONE ? NULL : &slot->picture;
}

void weir_slot_use_picture (WeirSlot *slot, bool is_on_device)
{
  slot->first_step = is_on_device ? slot->plan->n_entry_steps : 0;
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
  for (uint32_t i = slot->first_step; i < slot->plan->steps->len; i++)
    if (!run_step (slot, i, error))
      return false;
  return run_tail (slot, error);
}

/* True where the device's clock times step i. */
static bool has_clock (const WeirSlot *slot, uint32_t i)
{
  const WeirStep *step = &g_array_index (slot->plan->steps, WeirStep, i);
  return slot->clock && step->backend == slot->plan->target->backends[0];
}

/* Adds to ns what the host's clock says of the steps that no other one times. */
static bool run_steps_timed (WeirSlot *slot, uint64_t *ns, GError **error)
{
  uint32_t n = slot->plan->steps->len;
  for (uint32_t i = slot->first_step; i < n; i++) {
    uint64_t start_ns = weir_now_ns ();
    if (has_clock (slot, i))
      slot->clock->enter_step (slot->memory, i);
    if (!run_step (slot, i, error))
      return false;
    ns[i] += has_clock (slot, i) ? 0 : weir_now_ns () - start_ns;
  }
  uint64_t start_ns = weir_now_ns ();
  if (!run_tail (slot, error))
    return false;
  ns[n] = weir_now_ns () - start_ns;
  return true;
}

bool weir_slot_settle (WeirSlot *slot, GError **error)
{
  uint32_t n = slot->plan->steps->len;
  g_autofree uint64_t *ns = g_new0 (uint64_t, n + 1);
  g_autofree uint32_t *n_commands = g_new0 (uint32_t, n + 1);
  return !slot->clock || slot->clock->read (slot->memory, n, ns, n_commands, error);
}

bool weir_slot_profile (WeirSlot *slot, uint64_t *step_ns, uint32_t *n_commands, GError **error)
{
  uint32_t n = slot->plan->steps->len, n_with_tail = weir_plan_n_steps (slot->plan);
  g_autofree uint64_t *ns = g_new0 (uint64_t, n + 1);
  memset (n_commands, 0, n_with_tail * sizeof *n_commands);
  if (!run_steps_timed (slot, ns, error) ||
      (slot->clock && !slot->clock->read (slot->memory, n, ns, n_commands, error)))
    return false;
  for (uint32_t i = 0; i < n_with_tail; i++)
    step_ns[i] = MIN (step_ns[i], ns[i]);
  return true;
}
