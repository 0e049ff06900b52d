/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the CPU backend share: the device, kernels, formats, packed weights. */
#pragma once

#include "engine/base/sync.h"
#include "engine/cpu/dnnl.h"
#include "engine/error.h"
#include "engine/graph/geometry.h"
#include "engine/graph/moves.h"
#include "engine/plan/backend.h"
#include "kernels/activation.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/tensor_kernels.h"

#include <string.h>

G_BEGIN_DECLS

struct WeirDevice {
  WeirPrecision precision;
  WeirDtype dtype;    /* of the activations that compute-heavy operators read and write */
  uint32_t n_threads; /* that may run one step: into so many parts work is cut */
  const WeirTensorKernels *kernels;
  WeirDnnl *dnnl;
  WeirMutex lock;     /* guards everything below */
  GHashTable *packed; /* address of a constant → WeirPacked list */
  GSList *own_packed; /* WeirCpuPacked, of our own kernels */
  GHashTable *blobs;  /* of cpu_blob.c */
  size_t weight_bytes;
  const WeirGraph *tail_graph;
  uint8_t *is_tail; /* by value id of tail_graph */
};

typedef struct WeirCpuKernel WeirCpuKernel;

/* Thread-safety: one thread at a time. */
typedef struct WeirCpuBound {
  const WeirCpuKernel *kernel;
  void *scratch;
  WeirDnnlBound **dnnl;       /* by part, NULL ends; or NULL */
  struct WeirCpuBound *inner; /* of a kernel that this one runs; NULL: none */
  void **src, **dst;          /* in the same block as this */
} WeirCpuBound;

/* Thread-safety: immutable. First member of every kernel of this backend. */
struct WeirCpuKernel {
  const char *name;
  WeirDevice *device;
  uint32_t n_src, n_dst;
  uint32_t overwritten; /* the source that dst[0] is written over, WEIR_NONE */
  bool (*bind) (const WeirCpuKernel *kernel, WeirCpuBound *bound, GError **error); /* or NULL */
  bool (*run) (const WeirCpuBound *bound, GError **error);
  void (*free) (WeirCpuKernel *kernel);
};

/* How an operator is proposed and compiled. */
typedef struct WeirCpuOp {
  bool (*propose) (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
  WeirCpuKernel *(*compile) (
      WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);
} WeirCpuOp;

extern const WeirCpuOp weir_cpu_convolution;
extern const WeirCpuOp weir_cpu_pool;
extern const WeirCpuOp weir_cpu_global_pool;
extern const WeirCpuOp weir_cpu_matrix;
extern const WeirCpuOp weir_cpu_unary;
extern const WeirCpuOp weir_cpu_binary;
extern const WeirCpuOp weir_cpu_batch_norm;
extern const WeirCpuOp weir_cpu_fake_quantize;
extern const WeirCpuOp weir_cpu_image_scaler;
extern const WeirCpuOp weir_cpu_normalise; /* by the input's own statistics */
extern const WeirCpuOp weir_cpu_softmax;
extern const WeirCpuOp weir_cpu_resize;
extern const WeirCpuOp weir_cpu_concat;
extern const WeirCpuOp weir_cpu_split;
extern const WeirCpuOp weir_cpu_slice; /* Slice, Crop */
extern const WeirCpuOp weir_cpu_pad;
extern const WeirCpuOp weir_cpu_permute; /* Transpose, ChannelShuffle, DepthToSpace, SpaceToDepth */
extern const WeirCpuOp weir_cpu_channel_gather;
extern const WeirCpuOp weir_cpu_repeat; /* Tile, Expand */
extern const WeirCpuOp weir_cpu_reorder;
extern const WeirCpuOp weir_cpu_quantised_convolution;
extern const WeirCpuOp weir_cpu_quantised_matrix;
extern const WeirCpuOp weir_cpu_quantise; /* QuantizeLinear */
extern const WeirCpuOp weir_cpu_dequantise;
extern const WeirCpuOp weir_cpu_quantised_binary;
extern const WeirCpuOp weir_cpu_quantised_global_pool;
extern const WeirCpuOp weir_cpu_quantised_concat;
extern const WeirCpuOp weir_cpu_quantised_unary;
extern const WeirCpuOp weir_cpu_lookup;
extern const WeirCpuOp weir_cpu_widened; /* on codes, computed in f32 */
extern const WeirCpuOp weir_cpu_dynamic_quantise;
extern const WeirCpuOp weir_cpu_cast; /* whole numbers to f32 */

WeirCpuBound *weir_cpu_bind (
    const WeirCpuKernel *kernel, const WeirBinding *binding, GError **error);
void weir_cpu_unbind (WeirCpuBound *bound);
/* A zeroed kernel of `n_bytes`, its head filled from the device and the spec. */
WeirCpuKernel *weir_cpu_kernel_new (WeirDevice *device, const WeirStepSpec *spec, size_t n_bytes,
    const char *name, bool (*run) (const WeirCpuBound *bound, GError **error));

/* cpu_formats.c */
static inline bool weir_cpu_is_float (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_BF16;
}

/* The tensor's own format. */
WeirFormat weir_cpu_format_of (const WeirTensor *tensor);
/* Channels-last for rank >= 3, of this type. */
WeirFormat weir_cpu_format_last (WeirDtype dtype, uint32_t rank);
/* As it is: what a constant read in compile is asked for. */
WeirFormat weir_cpu_format_as_is (void);
/* True where the tensor has elements and its size is known. */
bool weir_cpu_has_elements (const WeirTensor *tensor);
/* The type in which a compute-heavy operator gives value `dst`: f32 where nothing compute-heavy
 * follows, for there decoders read large numbers. */
WeirDtype weir_cpu_result_dtype (WeirDevice *device, const WeirStepSpec *spec, uint32_t k);
WeirDnnlShape weir_cpu_dnnl_shape (const WeirTensor *tensor);
/* A constant of a floating type as f32, newly allocated. NULL for other types. */
float *weir_cpu_constant_f32 (const WeirTensor *tensor, int64_t *n);

/* cpu_primitive.c: kernels that run a oneDNN primitive; their packed weights are shared by every
 * kernel of a device. */
typedef struct WeirPacked WeirPacked;

/* Constant weights of a primitive. */
typedef struct WeirCpuWeights {
  const WeirTensor *constant;
  float scale;         /* to multiply them with */
  WeirDnnlShape shape; /* of the constant, as oneDNN sees its weights; dtype f32, i8 with codes */
  const int8_t *codes; /* NULL: the constant's values */
} WeirCpuWeights;

/* Makes the kernel of `dnnl` with node->post applied. `weights` NULL: there are none, or src[1]
 * brings them. Takes `bias`. Packed weights are shared where that costs no speed. */
WeirCpuKernel *weir_cpu_primitive_new (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const WeirCpuWeights *weights, float *bias, size_t *scratch_bytes,
    GError **error);
/* The same with the post-ops that `dnnl` lists; post_src[i]: the source that the i-th adds. */
WeirCpuKernel *weir_cpu_primitive_build (WeirDevice *device, const WeirStepSpec *spec,
    WeirDnnlSpec *dnnl, const uint32_t *post_src, const WeirCpuWeights *weights, float *bias,
    size_t *scratch_bytes, GError **error);
GHashTable *weir_cpu_packed_table_new (void);
/* True where node->post can be done by a primitive whose result has spec->dst[0]'s shape. */
bool weir_cpu_accepts_post (const WeirStepSpec *spec);
/* The formats of the sources that node->post adds. */
void weir_cpu_propose_post (const WeirStepSpec *spec, WeirFormat dst, WeirFormat *src);

/* cpu_blob.c: constants packed for our own kernels, of which a device holds equal ones once. Takes
 * `data`, which free() frees; the result stays until its last unref. */
const uint8_t *weir_cpu_blob_take (WeirDevice *device, uint8_t *data, size_t n_bytes);
void weir_cpu_blob_unref (WeirDevice *device, const uint8_t *data, size_t n_bytes);
GHashTable *weir_cpu_blob_table_new (void);

/* cpu_convolution.c: [outputs, inputs / groups, …] - with is_transposed [inputs, outputs / groups,
 * …] - as oneDNN's [groups,] outputs, inputs, …. */
WeirDnnlShape weir_cpu_weights_shape (
    const WeirTensor *weights, int64_t groups, bool is_transposed);
/* Strides, dilations and pads. */
void weir_cpu_fill_window (
    const WeirStepSpec *spec, const WeirWindow *window, bool is_transposed, WeirDnnlSpec *dnnl);

/* cpu_depthwise.c: depthwise convolutions in own loops, in f32 whatever the storage. */
bool weir_cpu_is_depthwise (const WeirStepSpec *spec);
WeirCpuKernel *weir_cpu_depthwise_new (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);

/* cpu_pointwise.c: 1x1 convolutions in f32 or bf16 as matrix products of our own. */
bool weir_cpu_is_pointwise (const WeirStepSpec *spec);
WeirCpuKernel *weir_cpu_pointwise_new (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);

typedef struct WeirCpuPointwisePlan {
  WeirGemm task; /* but for the addresses of a run */
  WeirGemmFn multiply;
  size_t src_bytes, dst_bytes; /* of an element */
  uint32_t added;              /* a source; WEIR_NONE */
} WeirCpuPointwisePlan;

/* What of these two kernels can run strip by strip, for cpu_strips.c; NULL: not this one. */
const WeirDepthwisePlan *weir_cpu_depthwise_strips (
    const WeirCpuKernel *kernel, const float **weights);
const WeirCpuPointwisePlan *weir_cpu_pointwise_strips (const WeirCpuKernel *kernel);
/* Whether they will. */
bool weir_cpu_is_depthwise_strip (const WeirStepSpec *spec);
bool weir_cpu_is_pointwise_strip (const WeirStepSpec *spec);

/* cpu_strips.c: 1x1 and depthwise convolutions after one another, strip by strip. As WeirBackend's
 * may_join and join. */
bool weir_cpu_may_join_strips (const WeirCpuKernel *first, const WeirStepSpec *second);
WeirCpuKernel *weir_cpu_join_strips (
    WeirCpuKernel *first, WeirCpuKernel *second, size_t *scratch_bytes);

/* cpu_winograd.c: 3x3 convolutions in f32 by minimal filtering, where that pays. `spec` has the
 * formats that were proposed. */
bool weir_cpu_is_winograd (const WeirStepSpec *spec, const WeirWindow *window);
WeirCpuKernel *weir_cpu_winograd_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirWindow *window, size_t *scratch_bytes, GError **error);

/* cpu_elementwise.c: what a step does to rows of whole pixels of f32, n elements at most at once.
 * False: it is not element · scale + shift alone. */
typedef struct WeirCpuAffine {
  const float *scale, *shift;
  size_t n;
} WeirCpuAffine;
bool weir_cpu_affine_rows (const WeirCpuKernel *kernel, WeirCpuAffine *affine);

/* cpu_stem.c: first layers, on pictures of so many channels at most. */
#define WEIR_CPU_PICTURE_CHANNELS 4
/* Those that this takes, in bf16, from a picture of that or of f32; cpu_convolution.c: whether this
 * step is one. */
bool weir_cpu_takes_stem (const WeirDevice *device, const WeirStepSpec *spec);
bool weir_cpu_is_stem (const WeirStepSpec *spec, const WeirWindow *window);
/* Those that stay in f32 otherwise: where the window is small, rounding its weights costs the most
 * accuracy (decision 17: three classifiers of small pictures miss their bounds), and of few results
 * this gains little speed. Where a result is the sum of many products the errors of single ones do
 * not show. */
bool weir_cpu_is_small_stem (const WeirStepSpec *spec);
WeirCpuKernel *weir_cpu_stem_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirWindow *window, size_t *scratch_bytes, GError **error);
/* With a normalisation of the picture before it, as WeirBackend's may_join and join. */
bool weir_cpu_may_join_stem (const WeirCpuKernel *first, const WeirStepSpec *second);
WeirCpuKernel *weir_cpu_join_stem (
    WeirCpuKernel *first, WeirCpuKernel *second, size_t *scratch_bytes);

/* cpu_max_pool.c: MaxPool in own loops. */
bool weir_cpu_is_max_pool (const WeirStepSpec *spec, const WeirWindow *window);
WeirCpuKernel *weir_cpu_max_pool_new (
    WeirDevice *device, const WeirStepSpec *spec, const WeirWindow *window);

/* cpu_elementwise.c: the loop of a unary operator; NULL where there is none. */
bool weir_cpu_has_unary (WeirOp op);
WeirUnaryFn weir_cpu_unary_fn (const WeirDevice *device, WeirOp op);

/* cpu_activation.c: the activation that kernels apply to sums in registers; false where there is
 * none for this post-op. */
bool weir_cpu_activation (const WeirPostOp *post, WeirActivation *activation);

/* cpu_threads.c */
/* Calls body on parts of 0..n by up to n_threads threads, this one and the crew's
 * (engine/cpu/cpu_crew.h); a part has at least `grain`. */
void weir_cpu_for (uint32_t n_threads, int64_t n, int64_t grain,
    void (*body) (const void *job, int64_t begin, int64_t end), const void *job);
/* What a thread has set while it compiles or runs, and had set before. */
typedef struct WeirCpuThread {
  uint32_t n_threads, float_control;
} WeirCpuThread;
/* One OpenMP thread, for parts are shared out by the crew; and denormals count as zero, for trained
 * weights hold many and each costs a hundred times a normal number. */
WeirCpuThread weir_cpu_thread_enter (void);
void weir_cpu_thread_leave (WeirCpuThread before);

G_END_DECLS
