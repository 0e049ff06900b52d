/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan asks of a backend: one const table of functions.
 *
 * Life of a step: `propose` (may I run this node, and in which formats) → `compile` (immutable
 * kernel, shared by all slots of the plan) → `bind` (kernel + addresses of one slot) → `run` many
 * times → `unbind`, `release`. The plan inserts WEIR_OP_REORDER steps between formats that differ.
 */
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
  bool on_device; /* in the backend's own memory, see WeirBackend.memory_new */
} WeirFormat;

typedef struct WeirDeviceOptions {
  WeirPrecision precision;
  uint32_t n_threads; /* each run may use: the thread that runs it, and those that help; >= 1 */
  uint64_t sim_fixed_ns, sim_per_item_ns; /* `sim`: a batch of n takes fixed + per item · n */
  const char *match, *cache_folder;       /* `ocl`: as weir_ocl_device_open; may be NULL */
  uint32_t index;
} WeirDeviceOptions;

/* A backend opened for one session: device handles and the packed weights, shared by the plans of
 * all n. Thread-safety: safe. */
typedef struct WeirDevice WeirDevice;

/* What a device is after something failed on it. */
typedef enum WeirHealth {
  WEIR_HEALTH_GOOD = 0, /* what failed may fail for itself alone */
  WEIR_HEALTH_DOUBTFUL, /* perhaps the device: what failed is worth a second attempt */
  WEIR_HEALTH_LOST,     /* nothing succeeds on this device, as it was opened, any more */
} WeirHealth;

/* One node at one batch size. src[i]: dims, and the format it will be delivered in (in `propose`:
 * the format it is produced in); buffer is set for constants, NULL else; dtype NONE where absent.
 */
typedef struct WeirStepSpec {
  const WeirGraph *graph;
  const WeirNode *node;
  uint32_t n_src, n_dst;
  WeirTensor *src;
  WeirTensor *dst;
  /* In `compile`: bit i is set where nothing reads src[i] after this step and dst[0] has its type,
   * shape and layout, so that the result may take its bytes: see `overwrites`. */
  uint32_t may_overwrite;
  /* Bit i: src[i], dst[i] is in the backend's own memory; bit 31: one from the 32nd on, of which
   * all results are on the same side. Set in `compile`, and in `propose` for WEIR_OP_REORDER. */
  uint32_t src_on_device, dst_on_device;
  /* In `compile` of an upload: nobody writes to the source until the outputs of the run are there,
   * so that it need not be waited for. */
  bool src_stays;
} WeirStepSpec;

/* For what resolves a node's attributes and shapes. */
static inline WeirShapeJob weir_step_job (const WeirStepSpec *spec)
{
  return (
      WeirShapeJob){ .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst };
}

/* Addresses for one bound step; constants are included. NULL where a value is absent. */
typedef struct WeirBinding {
  void *const *src;
  void *const *dst;
  /* Of the size `compile` asked for, aligned to WEIR_MEMPLAN_ALIGNMENT, shared by the steps of a
   * slot; in the backend's own memory where it has such. */
  void *scratch;
} WeirBinding;

/* What the memory of a backend's own has left, and how large its batches may be. */
typedef struct WeirDeviceLimits {
  uint64_t available_bytes; /* that this process can still take, as far as that can be known */
  bool is_host_memory;      /* from which the host takes as well */
  uint32_t batch_max;       /* the largest where nobody asks for one; 0: as on a CPU */
} WeirDeviceLimits;

/* What a device can do at most, measured; a multiply-add counts two. 0: it has not that. */
typedef struct WeirDevicePeaks {
  double f32_gflops, f16_gflops, int8_gflops;
  double cache_gbps, memory_gbps; /* read and written */
  double upload_gbps, download_gbps;
  uint64_t cache_bytes;
  double launch_us; /* from one kernel that does nothing to the next */
} WeirDevicePeaks;

/* The times of steps that run later than they are asked to, on a clock of their device. `memory` is
 * that of a slot, of `memory_new`. */
typedef struct WeirStepClock {
  /* Before any step is bound: all that the slot's steps do is timed from now on. */
  bool (*start) (void *memory, GError **error);
  /* What is begun from now on belongs to that step. */
  void (*enter_step) (void *memory, uint32_t step);
  /* Waits for all, adds to ns[step] what it took, and to n_commands[step] how many kernels and
   * transfers it was. Both have n_steps entries. */
  bool (*read) (void *memory, uint32_t n_steps, uint64_t *ns, uint32_t *n_commands, GError **error);
} WeirStepClock;
struct WeirPictures; /* engine/pre/pictures.h */

typedef struct WeirBackend {
  const char *name;
  /* What it really executes in, given what was asked for: readable by the user. */
  WeirPrecision (*precision) (const WeirDevice *device);
  WeirDevice *(*open) (const WeirDeviceOptions *options, GError **error);
  void (*close) (WeirDevice *device);
  /* True where this backend runs the node. Fills the format that each src is wanted in and that
   * each dst is produced in. A constant src whose wanted dtype is WEIR_DTYPE_NONE is left to the
   * backend (it packs its own form from spec->src[i] in `compile`); other constants are converted
   * once. */
  bool (*propose) (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
  /* spec's formats are those that `propose` gave. *scratch_bytes: what run needs. */
  void *(*compile) (
      WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);
  void (*release) (void *kernel);
  void *(*bind) (void *kernel, const WeirBinding *binding, GError **error);
  bool (*run) (void *bound, GError **error);
  void (*unbind) (void *bound);
  /* Name of the implementation chosen, for `weir inspect --plan`; "f32 …" or "bf16 …"
   * where it does not compute in its first source's type. */
  const char *(*describe) (const void *kernel);
  /* The source, one of spec->may_overwrite, whose bytes dst[0] takes: `bind` gives one address for
   * both. WEIR_NONE: none. May be NULL. */
  uint32_t (*overwrites) (const void *kernel);
  /* Where a step alone reads the result of the one before it, as its src[0]: whether a kernel of
   * both would run faster, which never stores the whole of what is between. `first`: the kernel
   * before; `second` is about to be compiled. May be NULL. */
  bool (*may_join) (const void *first, const WeirStepSpec *second);
  /* That kernel, where may_join said so. It takes both, and their sources one after the other, NULL
   * for what is between; it overwrites what `second` does. *scratch_bytes: as of compile. */
  void *(*join) (void *first, void *second, size_t *scratch_bytes);
  /* Memory that only this backend's steps reach, one for each slot; values that it proposes
   * on_device lie there, at addresses from memory_base on, which nobody else may touch. NULL, all
   * three: it works on the host's. A reorder between two memories keeps type and layout, and is
   * proposed to the one that has its own. */
  void *(*memory_new) (WeirDevice *device, size_t n_bytes, GError **error);
  void *(*memory_base) (void *memory);
  void (*memory_free) (void *memory);
  void (*limits) (WeirDevice *device, WeirDeviceLimits *limits); /* of that memory; NULL as above */
  const WeirStepClock *clock; /* NULL: `run` returns when the step is done */
  /* Takes some 0.2 s. NULL: what the CPU can do. */
  bool (*peaks) (WeirDevice *device, WeirDevicePeaks *peaks, GError **error);
  /* Makes a network's picture from a frame in that memory. NULL: rows are written on the host. */
  const struct WeirPictures *pictures;
  /* Called once by each thread that will run steps. May be NULL. */
  void (*enter_thread) (WeirDevice *device);
  /* The calling thread begins, ends a batch: in between others may help the steps that it runs. The
   * second tells how long they did, ns. Both may be NULL. */
  void (*begin_batch) (WeirDevice *device);
  uint64_t (*end_batch) (WeirDevice *device);
  /* Asked after a failure, by any thread. May be NULL: always good. */
  WeirHealth (*health) (const WeirDevice *device);
  /* Bytes of packed weights held. */
  size_t (*weight_bytes) (const WeirDevice *device);
  /* The library that computes, with its version: "oneDNN 2.6.3". NULL: this one itself. */
  const char *(*library) (const WeirDevice *device);
} WeirBackend;

extern const WeirBackend weir_backend_ref; /* engine/ref: every operator, plain layout */
extern const WeirBackend weir_backend_cpu; /* engine/cpu: oneDNN */
extern const WeirBackend weir_backend_ocl; /* engine/ocl: OpenCL; without it `open` fails */
extern const WeirBackend weir_backend_sim; /* engine/sim: takes time, gives zeros */

/* The evaluator of the reference backend, for weir_shapes_infer and the passes. */
bool weir_ref_evaluate (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error);

G_END_DECLS
