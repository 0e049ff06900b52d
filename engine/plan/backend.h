/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan asks of a backend: one const table of functions.
 *
 * Life of a step: `propose` (may I run this node, and in which formats) → `compile` (immutable
 * kernel, shared by all slots of the plan) → `bind` (kernel + addresses of one slot) → `run` many
 * times → `unbind`, `release`. The plan inserts WEIR_OP_REORDER steps between formats that differ. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

typedef enum WeirPrecision {
  WEIR_PRECISION_AUTO = 0,
  WEIR_PRECISION_F32,
  WEIR_PRECISION_BF16,
  WEIR_PRECISION_F16,
  WEIR_PRECISION_INT8,
} WeirPrecision;

const char *weir_precision_name (WeirPrecision precision); /* "auto", "f32", … */

typedef struct WeirFormat {
  WeirDtype dtype;
  WeirLayout layout;
} WeirFormat;

typedef struct WeirDeviceOptions {
  WeirPrecision precision;
  uint32_t n_threads; /* each run may use; >= 1 */
  uint64_t sim_fixed_ns, sim_per_item_ns; /* `sim`: a batch of n takes fixed + per item · n */
} WeirDeviceOptions;

/* A backend opened for one session: device handles and the packed weights, shared by the plans of
 * all n. Thread-safety: safe. */
typedef struct WeirDevice WeirDevice;

/* One node at one batch size. src[i]: dims, and the format it will be delivered in (in `propose`: the
 * format it is produced in); buffer is set for constants, NULL else; dtype NONE where absent. */
typedef struct WeirStepSpec {
  const WeirGraph *graph;
  const WeirNode *node;
  uint32_t n_src, n_dst;
  WeirTensor *src;
  WeirTensor *dst;
} WeirStepSpec;

/* Addresses for one bound step; constants are included. NULL where a value is absent. */
typedef struct WeirBinding {
  void *const *src;
  void *const *dst;
  void *scratch; /* of the size `compile` asked for, 64-byte aligned, shared by the steps of a slot */
} WeirBinding;

typedef struct WeirBackend {
  const char *name;
  /* What it really executes in, given what was asked for: readable by the user. */
  WeirPrecision (*precision) (const WeirDevice *device);
  WeirDevice *(*open) (const WeirDeviceOptions *options, GError **error);
  void (*close) (WeirDevice *device);
  /* True where this backend runs the node. Fills the format that each src is wanted in and that each
   * dst is produced in. A constant src whose wanted dtype is WEIR_DTYPE_NONE is left to the backend
   * (it packs its own form from spec->src[i] in `compile`); other constants are converted once. */
  bool (*propose) (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
  /* spec's formats are those that `propose` gave. *scratch_bytes: what run needs. */
  void *(*compile) (WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes,
      GError **error);
  void (*release) (void *kernel);
  void *(*bind) (void *kernel, const WeirBinding *binding, GError **error);
  bool (*run) (void *bound, GError **error);
  void (*unbind) (void *bound);
  /* Name of the implementation chosen, for `weir inspect --plan`; "f32 …" where it widens 8-bit
   * sources to compute in f32. */
  const char *(*describe) (const void *kernel);
  /* Called once by each thread that will run steps. May be NULL. */
  void (*enter_thread) (WeirDevice *device);
  /* Bytes of packed weights held. */
  size_t (*weight_bytes) (const WeirDevice *device);
  /* The library that computes, with its version: "oneDNN 2.6.3". NULL: this one itself. */
  const char *(*library) (void);
} WeirBackend;

extern const WeirBackend weir_backend_ref; /* engine/ref: every operator, plain layout */
extern const WeirBackend weir_backend_cpu; /* engine/cpu: oneDNN */
extern const WeirBackend weir_backend_sim; /* engine/sim: takes time, gives zeros */

/* The evaluator of the reference backend, for weir_shapes_infer and the passes. */
bool weir_ref_evaluate (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error);

G_END_DECLS
