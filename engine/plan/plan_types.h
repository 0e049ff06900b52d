/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plan.c (building), target.c (constants) and slot.c (running) share. */
#pragma once

#include "engine/base/sync.h"
#include "engine/error.h"
#include "engine/plan/plan.h"

/* One value in one format. */
typedef struct WeirInstance {
  uint32_t value;
  WeirTensor tensor; /* buffer set for constants */
  uint32_t root;     /* the instance whose bytes it uses: itself, or what it is a view of */
  bool is_between;   /* steps that are one: it has no bytes */
  bool on_device;    /* in memory of the first backend's own */
  bool is_entry;     /* of the picture, on its way to the device: nodes read it there */
  bool stays;        /* keeps its bytes until the last step, see WeirStepSpec.src_stays */
  uint32_t first_step, last_step; /* of roots: the steps between which the bytes must stay */
  size_t offset_bytes;            /* of roots that are no constants: in the slot */
} WeirInstance;

typedef struct WeirStep {
  const WeirBackend *backend;
  void *kernel;
  WeirStepSpec spec;
  const WeirNode *node;
  uint32_t *src, *dst; /* instance ids, WEIR_NONE where absent */
  /* The kernel also does this step, whose result is src[0] and is stored nowhere; NULL: it does
   * not. */
  const struct WeirStep *before;
} WeirStep;

struct WeirPlan {
  WeirTarget *target;
  WeirShapes *shapes;
  WeirArena *arena;
  uint32_t n;
  GArray *instances; /* WeirInstance */
  GArray *steps;     /* WeirStep */
  GArray *inputs;    /* uint32_t instance ids */
  GArray *outputs;   /* likewise; WEIR_NONE: the tail gives it */
  GArray *tail;      /* uint32_t ids of nodes whose sizes only the data know, see tail.h */
  GArray *tail_src;  /* uint32_t instance ids of what they read */
  uint32_t picture;  /* instance id of the input that may be written on the device; WEIR_NONE */
  uint32_t n_entry_steps; /* the first ones, which bring it there */
  uint32_t *last_reader;  /* by value: the last node that reads it; WEIR_NONE: it is kept */
  size_t activation_bytes, scratch_bytes; /* scratch lies behind the activations */
  size_t slot_bytes;
  /* Of the first backend's own memory; scratch lies behind the activations there as well. */
  size_t device_activation_bytes, device_scratch_bytes, device_bytes;
};

#define WEIR_MAX_BACKENDS 2

struct WeirTarget {
  const WeirGraph *graph;
  uint32_t n_backends; /* the one asked for, then `ref` */
  const WeirBackend *backends[WEIR_MAX_BACKENDS];
  WeirDevice *devices[WEIR_MAX_BACKENDS];
  uint32_t picture;      /* the input that the first backend may write itself; WEIR_NONE */
  WeirMutex lock;        /* guards the two below */
  GHashTable *constants; /* converted constants: ConstantKey to WeirTensor with an own buffer */
  size_t constant_bytes;
};

static inline WeirInstance *weir_plan_instance (const WeirPlan *plan, uint32_t id)
{
  return &g_array_index (plan->instances, WeirInstance, id);
}

/* plan.c: adds a value in one format; root: the instance whose bytes it uses, WEIR_NONE: its own.
 */
uint32_t weir_plan_add_instance (
    WeirPlan *plan, uint32_t value, const WeirTensor *tensor, uint32_t root);
/* The instance of a value in a format, made by a reorder where there is none. */
bool weir_plan_value_in_format (
    WeirPlan *plan, uint32_t value, WeirFormat format, uint32_t *result, GError **error);
/* With room for the node's sources and results; their tensors as far as they are known. */
WeirStepSpec weir_plan_new_spec (WeirPlan *plan, const WeirNode *node);
void weir_plan_describe_sources (WeirPlan *plan, const WeirNode *node, WeirStepSpec *spec);
/* plan_inputs.c: before all nodes. */
bool weir_plan_add_inputs (WeirPlan *plan, GError **error);
/* Convolutions and matrix products among the steps, and how many of them compute in 8 bits. */
void weir_plan_count_int8 (const WeirPlan *plan, uint32_t *n_int8, uint32_t *n_total);
/* plan_reuse.c: fills last_reader. */
void weir_plan_find_readers (WeirPlan *plan);
/* What WeirStepSpec tells of sources whose bytes the result may take. src: instance ids. */
uint32_t weir_plan_may_overwrite (
    const WeirPlan *plan, uint32_t node, const WeirStepSpec *spec, const uint32_t *src);
/* plan_join.c: whether the step that is about to be compiled may be one with the last. Where it
 * may, clears the bits of spec->may_overwrite for what that one still reads. */
bool weir_plan_may_join (const WeirPlan *plan, const WeirBackend *backend, uint32_t node,
    WeirStepSpec *spec, const uint32_t *src);
/* Takes the last step from the plan and makes `step`, which is compiled, do its work as well. */
void weir_plan_join (WeirPlan *plan, WeirStep *step, size_t *scratch_bytes);
/* Sources of a step and those before it; fills ids, which has room for so many, where it is not
 * NULL. */
uint32_t weir_step_sources (const WeirStep *step, uint32_t *ids);
/* plan_reuse.c: no other source lies on the bytes of src[i], and nothing on them is read after
 * `node`. */
bool weir_plan_is_last_reader (
    const WeirPlan *plan, uint32_t node, const WeirStepSpec *spec, const uint32_t *src, uint32_t i);
/* The type that a step computes in: what its implementation's name begins with ("f32 …"), else that
 * of its first source, where 8 bits are U8. */
WeirDtype weir_step_dtype (const WeirStep *step);
/* True where the two layouts of this shape are the same bytes. */
bool weir_layouts_agree (const WeirTensor *tensor);
/* The first backend that takes the node. */
bool weir_target_propose (WeirTarget *target, const WeirStepSpec *spec, WeirFormat *src,
    WeirFormat *dst, uint32_t *backend);
/* The graph's constant `value` in another format, converted once. */
bool weir_target_constant (
    WeirTarget *target, uint32_t value, WeirFormat format, WeirTensor *converted, GError **error);
/* Changes type and layout of host memory; dst's buffer is there. */
bool weir_convert (
    const WeirGraph *graph, const WeirTensor *src, const WeirTensor *dst, GError **error);
/* The node that stands for a change of format. */
extern const WeirNode weir_reorder_node;
