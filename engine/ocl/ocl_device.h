/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenCL devices: what there are, which one a name means, and one opened. Without OpenCL types, and
 * there in builds without OpenCL too (ocl_none.c): those find no device and say why. */
#pragma once

#include "engine/base/arena.h"
#include "engine/error.h"

#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Parts of names that a device can be asked for by: "pocl". */
#define WEIR_OCL_MATCH_MIN   2  /* letters: one alone is in every name */
#define WEIR_OCL_MATCH_BYTES 32 /* with the 0 behind it */

typedef enum WeirOclKind {
  WEIR_OCL_GPU = 0,
  WEIR_OCL_ACCELERATOR,
  WEIR_OCL_CPU,
  WEIR_OCL_N_KINDS
} WeirOclKind;

const char *weir_ocl_kind_name (WeirOclKind kind); /* "GPU", "accelerator", "CPU" */

/* What a device says of itself. Texts are never NULL, but for `problem`. */
typedef struct WeirOclFacts {
  const char *name, *vendor, *version, *driver_version; /* version: "OpenCL 3.0 CUDA" */
  const char *platform, *platform_version;
  const char *suffix; /* the platform's short name, as in those of its extensions: "NV", "POCL" */
  const char *extensions; /* names, each with a space before and behind it */
  const char *problem;    /* why it cannot be used; NULL: it can */
  WeirOclKind kind;
  bool has_own_memory; /* not that of the CPU */
  uint64_t memory_bytes, max_alloc_bytes, local_bytes;
  uint32_t n_units, max_group, clock_mhz;
  uint32_t
      subgroup; /* work items that run in step: warp, wavefront, SIMD width; 0: it does not say */
  uint32_t capability;           /* of NVIDIA's: 90 is 9.0; 0 */
  bool has_fp16;                 /* computes in half; all devices store it */
  bool has_int8_dot;             /* sums products of four 8-bit numbers in one instruction */
  void *platform_id, *device_id; /* the driver's */
} WeirOclFacts;

/* Thread-safety: immutable. */
typedef struct WeirOclDevices {
  WeirArena *arena; /* has the texts */
  uint32_t n;
  WeirOclFacts *facts;
  const char *problem; /* why there are none: no driver, a build without OpenCL; NULL */
} WeirOclDevices;

/* All devices of all platforms, in an order that stays: GPUs first, of these those with memory of
 * their own; then other accelerators; CPUs last; within these by the platform's name, then as the
 * driver has them. The first call of a process loads the drivers. Never NULL. */
WeirOclDevices *weir_ocl_devices_new (void);
void weir_ocl_devices_free (WeirOclDevices *devices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclDevices, weir_ocl_devices_free)

/* Which of `devices` GPU.`match`.`index` means. `match` empty or NULL: GPUs alone count. Else those
 * of any kind, CPUs too, that have it, in upper or lower case, in their own name, their vendor's,
 * their platform's or its suffix. NOT_FOUND errors say what was found, and how to ask for it. */
bool weir_ocl_devices_choose (const WeirOclDevices *devices, const char *match, uint32_t index,
    uint32_t *chosen, GError **error);
/* The name under which to ask for device `i`: "GPU", "GPU.1", "GPU.pocl". Newly allocated. */
char *weir_ocl_devices_name (const WeirOclDevices *devices, uint32_t i);

/* A device with its context and the programs built for it. All sessions of a process that open the
 * same device share it. Its memories and queues are freed before it is closed. Thread-safety: safe.
 */
typedef struct WeirOclDevice WeirOclDevice;

/* As weir_ocl_devices_choose. `cache_folder`: where built programs are kept; NULL: nowhere; of
 * those who share the device the first decides. DEVICE errors where the driver fails. */
WeirOclDevice *weir_ocl_device_open (
    const char *match, uint32_t index, const char *cache_folder, GError **error);
/* One for each open; NULL is fine. */
void weir_ocl_device_close (WeirOclDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclDevice, weir_ocl_device_close)

/* For tests: how many objects of OpenCL (buffers, kernels, queues, events …) were still there when
 * their device was closed for good, in this process. Drivers may hold some themselves. */
uint32_t weir_ocl_n_left (void);

const WeirOclFacts *weir_ocl_device_facts (const WeirOclDevice *device);
/* A call has told that the device stopped: whoever opens it again gets a new context. */
bool weir_ocl_device_is_lost (WeirOclDevice *device);
/* What failed in a way that may be the device's fault, since a result came back. */
int weir_ocl_device_doubts (WeirOclDevice *device);
/* "GPU.1 (NVIDIA H200)": for messages and statistics. */
const char *weir_ocl_device_label (const WeirOclDevice *device);

G_END_DECLS
