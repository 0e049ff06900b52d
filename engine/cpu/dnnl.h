/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The seam to oneDNN: the primitives this backend uses, the same for the C APIs of 2.x and 3.x.
 *
 * Only dnnl*.c include oneDNN's header. Scratch memory is always the caller's. A primitive is made
 * for the number of OpenMP threads that is set in the calling thread and must run with the same. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

#define WEIR_DNNL_MAX_RANK 12 /* oneDNN reads whole arrays of this length */
#define WEIR_DNNL_MAX_POST 8

/* Memory by dims and strides in elements. rank 0: absent. */
typedef struct WeirDnnlShape {
  WeirDtype dtype;
  uint32_t rank;
  int64_t dims[WEIR_DNNL_MAX_RANK], strides[WEIR_DNNL_MAX_RANK];
} WeirDnnlShape;

typedef enum WeirDnnlKind {
  WEIR_DNNL_CONVOLUTION,
  WEIR_DNNL_DECONVOLUTION,
  WEIR_DNNL_MATMUL,
  WEIR_DNNL_MAX_POOL,
  WEIR_DNNL_AVERAGE_POOL,        /* padding does not count */
  WEIR_DNNL_AVERAGE_POOL_PADDED, /* padding counts as zeros */
} WeirDnnlKind;

/* What happens to the result before it is stored, in order. */
typedef struct WeirDnnlPost {
  WeirOp op; /* a unary one with its ONNX alpha and beta, ADD, or MUL: alpha · x + beta */
  float alpha, beta;
  bool is_sum;         /* ADD: of what stands in dst */
  WeirDnnlShape added; /* ADD else */
} WeirDnnlPost;

/* How a primitive wants its weights. Thread-safety: immutable. */
typedef struct WeirDnnlLayout WeirDnnlLayout;

typedef struct WeirDnnlSpec {
  WeirDnnlKind kind;
  WeirDnnlShape src, weights, bias, dst;
  bool packs_weights;           /* the weights' strides are free: see weir_dnnl_primitive_layout */
  const WeirDnnlLayout *packed; /* with packs_weights: take this layout; NULL: the fastest */
  uint32_t n_spatial;           /* convolutions and pools */
  int64_t kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
  /* Sums of products of 8-bit tensors: (sum - src_zero · sum of weights) · scale + bias, with one
   * scale, or one for each output channel; n_scales 0: none. The bias that is bound is one that
   * weir_dnnl_scale_bias has seen. */
  uint32_t n_scales;
  const float *scales;
  int32_t src_zero;
  uint32_t n_post;
  WeirDnnlPost post[WEIR_DNNL_MAX_POST];
} WeirDnnlSpec;

/* "oneDNN 2.6.3" */
const char *weir_dnnl_version (void);

/* Thread-safety: safe. */
typedef struct WeirDnnl WeirDnnl;
/* Thread-safety: immutable. */
typedef struct WeirDnnlPrimitive WeirDnnlPrimitive;
/* Thread-safety: one thread at a time. */
typedef struct WeirDnnlBound WeirDnnlBound;

WeirDnnl *weir_dnnl_new (GError **error);
void weir_dnnl_free (WeirDnnl *dnnl);

/* Brings a bias in units of the result to those in which this oneDNN adds it. */
void weir_dnnl_scale_bias (const WeirDnnlSpec *spec, float *bias, size_t n);

/* True where `op` can be a post-op. */
bool weir_dnnl_has_post (WeirOp op);

WeirDnnlPrimitive *weir_dnnl_primitive_new (
    WeirDnnl *dnnl, const WeirDnnlSpec *spec, GError **error);
/* The name of the implementation that weir_dnnl_primitive_new would choose, which making it takes
 * much longer than asking. NULL where there is none. */
const char *weir_dnnl_choose (WeirDnnl *dnnl, const WeirDnnlSpec *spec);
void weir_dnnl_primitive_free (WeirDnnlPrimitive *primitive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirDnnlPrimitive, weir_dnnl_primitive_free)
/* The implementation's name. */
const char *weir_dnnl_primitive_name (const WeirDnnlPrimitive *primitive);
size_t weir_dnnl_primitive_scratch_bytes (const WeirDnnlPrimitive *primitive);
/* Newly allocated. */
WeirDnnlLayout *weir_dnnl_primitive_layout (const WeirDnnlPrimitive *primitive);

void weir_dnnl_layout_free (WeirDnnlLayout *layout);
bool weir_dnnl_layout_equal (const WeirDnnlLayout *a, const WeirDnnlLayout *b);
size_t weir_dnnl_layout_bytes (const WeirDnnlLayout *layout);
/* Copies `src` into a layout, changing the type. */
bool weir_dnnl_pack (WeirDnnl *dnnl, const WeirDnnlShape *shape, const void *src,
    const WeirDnnlLayout *layout, void *dst, GError **error);

typedef struct WeirDnnlArgs {
  void *src, *weights, *bias, *dst, *scratch;
  const void *scales, *src_zero;   /* those of the spec */
  void *added[WEIR_DNNL_MAX_POST]; /* by index in spec->post */
} WeirDnnlArgs;

WeirDnnlBound *weir_dnnl_bind (
    const WeirDnnlPrimitive *primitive, const WeirDnnlArgs *args, GError **error);
void weir_dnnl_unbind (WeirDnnlBound *bound);
/* Runs and waits. */
bool weir_dnnl_run (WeirDnnlBound *bound, GError **error);

G_END_DECLS
