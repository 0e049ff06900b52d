/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirPlan: a graph compiled for one device and one batch size. WeirSlot: the memory it runs in. */
#pragma once

#include "engine/plan/backend.h"

G_BEGIN_DECLS

/* A graph opened on a chain of backends: the one asked for, then `ref` for what it does not take.
 * Holds converted constants and packed weights, shared by the plans of all n.
 * Thread-safety: safe. Outlives its plans. `graph` must outlive it. */
typedef struct WeirTarget WeirTarget;

WeirTarget *weir_target_new (const WeirGraph *graph, const WeirBackend *backend,
    const WeirDeviceOptions *options, GError **error);
void weir_target_free (WeirTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirTarget, weir_target_free)
WeirPrecision weir_target_precision (const WeirTarget *target);
/* The library that computes, with its version; "" where that is this one. */
const char *weir_target_library (const WeirTarget *target);
/* Converted constants and packed weights. */
size_t weir_target_weight_bytes (WeirTarget *target);
/* To be called once by each thread that runs slots. */
void weir_target_enter_thread (WeirTarget *target);

/* Thread-safety: immutable. */
typedef struct WeirPlan WeirPlan;

WeirPlan *weir_plan_new (WeirTarget *target, uint32_t n, GError **error);
void weir_plan_free (WeirPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirPlan, weir_plan_free)
uint32_t weir_plan_n (const WeirPlan *plan);
size_t weir_plan_slot_bytes (const WeirPlan *plan); /* activations + scratch */
/* One line per step: operator, backend, implementation, shapes, formats; in int8 a last one with the
 * number of convolutions and products that really compute so. Newly allocated. */
char *weir_plan_describe (const WeirPlan *plan);

/* Thread-safety: one thread at a time. */
typedef struct WeirSlot WeirSlot;

/* In `block` (64-byte aligned, weir_plan_slot_bytes, the caller's; slots that never run at the same
 * time may share one), or in memory of its own where that is NULL. */
WeirSlot *weir_slot_new (const WeirPlan *plan, void *block, GError **error);
void weir_slot_free (WeirSlot *slot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirSlot, weir_slot_free)

/* Where to write input k before a run, in the format that the plan wants (often bf16,
 * channels-last); row i of the batch begins at i * (bytes / n). */
const WeirTensor *weir_slot_input (const WeirSlot *slot, uint32_t k);
/* Output k after a run: plain, f32 for floating types, the model's type else. Where the data decide
 * its size, dims are those of the last run. */
const WeirTensor *weir_slot_output (const WeirSlot *slot, uint32_t k);
/* Runs all steps. On failure outputs are undefined and the slot can be used again. */
bool weir_slot_run (WeirSlot *slot, GError **error);

/* One step's time, for `weir bench --profile`: NULL ends. */
typedef struct WeirStepTime {
  const char *name, *op, *backend, *implementation;
  uint64_t ns;
} WeirStepTime;
/* Runs once, timing each step. The array belongs to the slot. */
const WeirStepTime *weir_slot_profile (WeirSlot *slot, uint32_t *n_steps, GError **error);

G_END_DECLS
