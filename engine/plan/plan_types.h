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
  uint32_t first_step, last_step; /* of roots: the steps between which the bytes must stay */
  size_t offset_bytes;            /* of roots that are no constants: in the slot */
} WeirInstance;

typedef struct WeirStep {
  const WeirBackend *backend;
  void *kernel;
  WeirStepSpec spec;
  const WeirNode *node;
  uint32_t *src, *dst; /* instance ids, WEIR_NONE where absent */
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
  size_t activation_bytes, scratch_bytes; /* scratch lies behind the activations */
  size_t slot_bytes;
};

#define WEIR_MAX_BACKENDS 2

struct WeirTarget {
  const WeirGraph *graph;
  uint32_t n_backends; /* the one asked for, then `ref` */
  const WeirBackend *backends[WEIR_MAX_BACKENDS];
  WeirDevice *devices[WEIR_MAX_BACKENDS];
  WeirMutex lock;        /* guards the two below */
  GHashTable *constants; /* converted constants: ConstantKey to WeirTensor with an own buffer */
  size_t constant_bytes;
};

static inline WeirInstance *weir_plan_instance (const WeirPlan *plan, uint32_t id)
{
  return &g_array_index (plan->instances, WeirInstance, id);
}

/* Convolutions and matrix products among the steps, and how many of them compute in 8 bits. */
void weir_plan_count_int8 (const WeirPlan *plan, uint32_t *n_int8, uint32_t *n_total);
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
