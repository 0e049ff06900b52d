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
/* How pictures are made on the device that was asked for, see WeirBackend; NULL: they are not. */
const struct WeirPictures *weir_target_pictures (const WeirTarget *target, WeirDevice **device);
/* Before the first plan: input k is a picture, and where the device can is to be made on it. */
void weir_target_set_picture (WeirTarget *target, uint32_t k);
WeirPrecision weir_target_precision (const WeirTarget *target);
/* The library that computes, with its version; "" where that is this one. */
const char *weir_target_library (const WeirTarget *target);
/* Converted constants and packed weights. */
size_t weir_target_weight_bytes (WeirTarget *target);
/* What the first backend's own memory has left; false: it works on the host's. */
bool weir_target_limits (WeirTarget *target, WeirDeviceLimits *limits);
/* Measures what the first backend's device can do. False without an error: it is the CPU. */
bool weir_target_peaks (WeirTarget *target, WeirDevicePeaks *peaks, GError **error);
/* Of the backend asked for, after something failed. */
WeirHealth weir_target_health (const WeirTarget *target);
/* To be called once by each thread that runs slots. */
void weir_target_enter_thread (WeirTarget *target);
/* Between the two, cores that are idle help the calling thread's runs of slots. The second tells
 * how long other threads computed for it, ns. */
void weir_target_begin_batch (WeirTarget *target);
uint64_t weir_target_end_batch (WeirTarget *target);

/* Thread-safety: immutable. */
typedef struct WeirPlan WeirPlan;

WeirPlan *weir_plan_new (WeirTarget *target, uint32_t n, GError **error);
void weir_plan_free (WeirPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirPlan, weir_plan_free)
size_t weir_plan_slot_bytes (const WeirPlan *plan); /* activations + scratch */
/* The same in memory of the device's own, which each slot has for itself; 0: it has none. */
size_t weir_plan_device_bytes (const WeirPlan *plan);
/* One line per step: operator, backend, implementation, shapes, formats; then one where pictures
 * are made on the device, and in int8 one with the number of convolutions and products that really
 * compute so. Newly allocated. */
char *weir_plan_describe (const WeirPlan *plan);

/* Thread-safety: one thread at a time. */
typedef struct WeirSlot WeirSlot;

/* In `block` (64-byte aligned, weir_plan_slot_bytes, the caller's; slots that never run at the same
 * time may share one), or in memory of its own where that is NULL. */
WeirSlot *weir_slot_new (const WeirPlan *plan, void *block, GError **error);
/* Memory of the device's own for slots of at most that plan's weir_plan_device_bytes, which never
 * run at the same time. To be freed after them. */
void *weir_plan_device_memory_new (const WeirPlan *plan, GError **error);
void weir_target_device_memory_free (WeirTarget *target, void *memory); /* NULL is fine */
/* In `block` and, where the plan takes any, in that memory. */
WeirSlot *weir_slot_new_in (const WeirPlan *plan, void *block, void *memory, GError **error);
/* In memory of its own, for weir_slot_profile: what its steps do on a device is timed there. */
WeirSlot *weir_slot_new_timed (const WeirPlan *plan, GError **error);
void weir_slot_free (WeirSlot *slot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirSlot, weir_slot_free)

/* Where to write input k before a run, in the format that the plan wants (often bf16,
 * channels-last); row i of the batch begins at i * (bytes / n). */
const WeirTensor *weir_slot_input (const WeirSlot *slot, uint32_t k);
/* The picture in the device's memory, for weir_target_pictures; NULL where the plan reads none
 * there. */
const WeirTensor *weir_slot_picture (const WeirSlot *slot);
/* Whether the runs to come take the picture from there, all rows of it; at first they take it from
 * weir_slot_input, as other inputs. */
void weir_slot_use_picture (WeirSlot *slot, bool is_on_device);
/* Output k after a run: plain, f32 for floating types, the model's type else. Where the data decide
 * its size, dims are those of the last run. */
const WeirTensor *weir_slot_output (const WeirSlot *slot, uint32_t k);
/* Runs all steps. On failure outputs are undefined and the slot can be used again. */
bool weir_slot_run (WeirSlot *slot, GError **error);

/* What a step is and how much of it there is, for `weir bench --profile`. */
typedef struct WeirStepFacts {
  char
      kind[64]; /* "Conv 3x3", "Conv 3x3 dw" (depthwise), "Conv 3x3 c3" (of 3 channels), "Concat" */
  char fused[64]; /* what happens to the result before it is stored: "+Relu+Add" */
  const char *name, *backend, *implementation;
  WeirDtype dtype;     /* of what is multiplied; else of the first source */
  WeirTensor src, dst; /* the first ones; dtype NONE: there is none */
  double flops, bytes; /* read and written: sources, weights in the type computed in, results */
  bool is_upload, is_download; /* to, from the device's own memory: bytes count once */
} WeirStepFacts;

/* Nodes whose sizes only the data know count as one step, the last. */
uint32_t weir_plan_n_steps (const WeirPlan *plan);
void weir_plan_step_facts (const WeirPlan *plan, uint32_t i, WeirStepFacts *facts);
/* Waits for what has been enqueued beside the slot's steps, pictures, so that it counts for none.
 */
bool weir_slot_settle (WeirSlot *slot, GError **error);
/* Runs once; where step i took less than step_ns[i] ns, puts its time there: by the device's clock
 * of a slot that is timed and a step that runs there, else by the host's. n_commands[i]: how many
 * kernels and transfers of the device it was. */
bool weir_slot_profile (WeirSlot *slot, uint64_t *step_ns, uint32_t *n_commands, GError **error);

G_END_DECLS
