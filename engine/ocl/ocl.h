/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the OpenCL backend share: the device of a session, kernels, weights. */
#pragma once

#include "engine/base/sync.h"
#include "engine/graph/moves.h"
#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_program.h"
#include "engine/plan/int8_spec.h"

G_BEGIN_DECLS

/* Values of rank 3 and more are channels-last on the device, in `dtype`. */
struct WeirDevice {
  WeirOclDevice *ocl;
  WeirPrecision precision; /* f32, f16 or int8 */
  WeirDtype dtype;         /* in which floats are stored (int8: f32); sums of them are f32 */
  const char *library;     /* "OpenCL 3.0 CUDA, driver 550.54"; static */
  WeirMutex lock;          /* guards everything below */
  GHashTable *weights;     /* of ocl_weights.c */
  size_t weight_bytes;
};

typedef struct WeirOclKernel WeirOclKernel;

/* A kernel with the addresses of one slot. Thread-safety: one thread at a time. */
typedef struct WeirOclBound {
  const WeirOclKernel *kernel;
  WeirOclQueue *queue; /* of the slot's memory */
  void *scratch;
  void **src, **dst; /* addresses of the device, of the host where the step is an upload or a
                        download, or the source a constant; in the same block as this */
  GPtrArray *calls;  /* WeirOclCall, in order: what `bind` has taken */
} WeirOclBound;

/* Thread-safety: immutable. First member of every kernel of this backend. */
struct WeirOclKernel {
  const char *name;
  WeirDevice *device;
  uint32_t n_src, n_dst;
  bool (*bind) (const WeirOclBound *bound, GError **error); /* takes its calls; may be NULL */
  bool (*run) (const WeirOclBound *bound, GError **error);  /* enqueues only */
  void (*free) (WeirOclKernel *kernel);
};

/* How an operator is proposed and compiled: as in WeirBackend. */
typedef struct WeirOclOp {
  bool (*propose) (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
  WeirOclKernel *(*compile) (
      WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);
} WeirOclOp;

extern const WeirOclOp weir_ocl_convolution; /* ocl_convolution.c, which hands on to its kin */
extern const WeirOclOp weir_ocl_unary;
extern const WeirOclOp weir_ocl_binary;
extern const WeirOclOp weir_ocl_batch_norm;
extern const WeirOclOp weir_ocl_pool;
extern const WeirOclOp weir_ocl_reduce;
extern const WeirOclOp weir_ocl_matrix;
extern const WeirOclOp weir_ocl_softmax;
extern const WeirOclOp weir_ocl_resize;
extern const WeirOclOp weir_ocl_concat;
extern const WeirOclOp weir_ocl_split;
extern const WeirOclOp weir_ocl_slice;
extern const WeirOclOp weir_ocl_pad;
extern const WeirOclOp weir_ocl_permute;
extern const WeirOclOp weir_ocl_tile;   /* Tile, Expand */
extern const WeirOclOp weir_ocl_gather; /* by known numbers */
extern const WeirOclOp weir_ocl_channel_gather;
extern const WeirOclOp weir_ocl_normalise;    /* by the input's own statistics */
extern const WeirOclOp weir_ocl_reorder;      /* upload, download; another layout on the device */
extern const WeirOclOp weir_ocl_int8_product; /* convolutions and matrix products of codes */
extern const WeirOclOp weir_ocl_int8_binary;  /* their sums and products element by element */
extern const WeirOclOp weir_ocl_int8_mean;    /* average pools */
extern const WeirOclOp weir_ocl_int8_lookup;  /* tables that the graph has */
extern const WeirOclOp weir_ocl_int8_unary;   /* tables of operators of one code */
extern const WeirOclOp weir_ocl_int8_concat;  /* of codes with different scales */
extern const WeirOclOp weir_ocl_quantise;
extern const WeirOclOp weir_ocl_dequantise;

/* ocl_clock.c */
extern const WeirStepClock weir_ocl_clock;

/* A zeroed kernel of `n_bytes`, its head filled from the device and the spec. */
WeirOclKernel *weir_ocl_kernel_new (WeirDevice *device, const WeirStepSpec *spec, size_t n_bytes,
    const char *name, bool (*run) (const WeirOclBound *bound, GError **error));
/* A `run`: enqueues the calls. */
bool weir_ocl_run_calls (const WeirOclBound *bound, GError **error);
/* For `bind`: takes the call; false where it is NULL. */
bool weir_ocl_bound_take (const WeirOclBound *bound, WeirOclCall *call);

/* ocl_formats.c */
/* On the device, in its type: channels-last for rank >= 3. */
WeirFormat weir_ocl_format (const WeirDevice *device, uint32_t rank);
/* The same in plain layout. */
WeirFormat weir_ocl_format_plain (const WeirDevice *device);
/* Left to the kernel, which packs its own form of a constant. */
WeirFormat weir_ocl_format_packed (void);
/* True where a floating value can be on the device: its sizes are known and not 0. */
bool weir_ocl_takes (const WeirTensor *tensor);

/* The same for codes: u8 and i8. */
bool weir_ocl_takes_codes (const WeirTensor *tensor);
/* One of both: what is only moved. */
bool weir_ocl_moves (const WeirTensor *tensor);
/* For such a value: codes stay what they are, floats have the device's type. */
WeirFormat weir_ocl_format_moved (
    const WeirDevice *device, const WeirTensor *tensor, WeirLayout layout);
/* In the layout of weir_ocl_format. */
WeirFormat weir_ocl_format_last (const WeirDevice *device, const WeirTensor *tensor);

/* As the tensor is laid out. */
WeirFormat weir_ocl_format_as (const WeirDevice *device, WeirLayout layout);
/* weir_tensor_strides, which fit. */
void weir_ocl_strides (const WeirTensor *tensor, uint32_t strides[WEIR_MAX_RANK]);
/* Number of elements of a tensor that weir_ocl_takes. */
uint32_t weir_ocl_n_elements (const WeirTensor *tensor);
/* " -DWEIR_F16" where kernels are to store halves, " -DWEIR_U8" and " -DWEIR_I8" for codes, else
 * "".
 */
const char *weir_ocl_dtype_option (WeirDtype dtype);

/* ocl_weights.c: constants packed for kernels, on the device, shared by all that ask for the same
 * `form` of the same constant. `pack` fills n_elements floats (they are stored in the device's
 * type). Freed with the last unref. */
typedef struct WeirOclWeights WeirOclWeights;
WeirOclWeights *weir_ocl_weights_ref (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_elements,
    void (*pack) (float *packed, const float *values, const void *job), const void *job,
    GError **error);
/* The same stored as F32 or F16, whatever the device's type is. */
WeirOclWeights *weir_ocl_weights_ref_as (WeirDevice *device, WeirDtype dtype,
    const WeirTensor *constant, const char *form, size_t n_elements,
    void (*pack) (float *packed, const float *values, const void *job), const void *job,
    GError **error);
/* The same of bytes, which `pack` fills, n_bytes: all that they depend on but the constant must be
 * in `form`. */
WeirOclWeights *weir_ocl_weights_ref_bytes (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_bytes, void (*pack) (uint8_t *packed, const void *job),
    const void *job, GError **error);
void weir_ocl_weights_unref (WeirDevice *device, WeirOclWeights *weights); /* NULL is fine */
const void *weir_ocl_weights_address (const WeirOclWeights *weights);

G_END_DECLS
