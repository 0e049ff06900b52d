/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes and constant inputs of nodes, resolved into numbers: what shape functions compute and
 * backends need again. Every function is total over untrusted values; after shape inference has
 * accepted a node, none of them fails for it. */
#pragma once

#include "engine/error.h"
#include "engine/graph/shape.h"

#include <string.h>

G_BEGIN_DECLS

/* Largest value that a node may produce. */
#define WEIR_MAX_VALUE_BYTES ((size_t) 1 << 40)

/* SHAPE error that names the job's node; for use in functions with `job` and `error`. */
#define weir_job_fail(...) \
  weir_node_error (job->graph, job->node, WEIR_ERROR_SHAPE, error, __VA_ARGS__)
#define weir_job_refuse(...) \
  weir_node_error (job->graph, job->node, WEIR_ERROR_UNSUPPORTED, error, __VA_ARGS__)

/* NULL where the optional input is not given. */
static inline const WeirTensor *weir_job_src (const WeirShapeJob *job, uint32_t i)
{
  return i < job->node->n_src && job->src[i].dtype != WEIR_DTYPE_NONE ? &job->src[i] : NULL;
}

/* Type and dims, neither memory nor layout. */
static inline void weir_copy_shape (WeirTensor *dst, const WeirTensor *src)
{
  dst->dtype = src->dtype;
  dst->rank = src->rank;
  memcpy (dst->dims, src->dims, sizeof dst->dims);
}

/* Whether somebody wants output i. */
static inline bool weir_job_wants (const WeirShapeJob *job, uint32_t i)
{
  return i < job->node->n_dst && job->node->dst[i] != WEIR_NONE;
}

/* Simulate: the batch, which is dim `axis` of src[0]; 1 where `axis` is not given. */
static inline int64_t weir_simulate_n (const WeirNode *node, const WeirTensor *src)
{
  int64_t axis = weir_node_int (node, "axis", -1);
  return axis >= 0 && axis < src->rank ? src->dims[axis] : 1;
}

bool weir_dtype_is_floating (WeirDtype dtype);
/* ONNX's TensorProto.DataType; WEIR_DTYPE_NONE for those that we have not. */
WeirDtype weir_dtype_from_onnx (int64_t data_type);

/* Element i of a known tensor of an integer type but u64 (false else), or of a floating type. */
bool weir_known_int (const WeirTensor *tensor, int64_t i, int64_t *value);
bool weir_known_float (const WeirTensor *tensor, int64_t i, float *value);
/* Like weir_shape_ints, for floats. */
bool weir_shape_floats (const WeirShapeJob *job, const char *name, uint32_t src_index,
    float result[WEIR_MAX_INTS], uint32_t *n, GError **error);
/* As above, at most once each and in range. NULL name or WEIR_NONE: no such source. */
bool weir_shape_axes (const WeirShapeJob *job, const char *name, uint32_t src_index, uint32_t rank,
    uint32_t axes[WEIR_MAX_RANK], uint32_t *n, GError **error);

/* Which of `names` a string attribute is; UNSUPPORTED error where it is none of them. */
bool weir_shape_choice (const WeirShapeJob *job, const char *attr, const char *fallback,
    const char *const *names, uint32_t n_names, uint32_t *index, GError **error);

/* Slice: element j along an axis is src[start + j * step], dst of them. */
typedef struct WeirSlice {
  int64_t start[WEIR_MAX_RANK], step[WEIR_MAX_RANK], dst[WEIR_MAX_RANK];
} WeirSlice;
bool weir_slice_resolve (const WeirShapeJob *job, WeirSlice *slice, GError **error);

/* Crop of old files, as a slice. */
bool weir_crop_resolve (const WeirShapeJob *job, WeirSlice *slice, GError **error);

/* Split: elements of output i along the axis. */
bool weir_split_size (
    const WeirShapeJob *job, uint32_t axis, uint32_t i, int64_t *size, GError **error);

typedef enum WeirPadMode {
  WEIR_PAD_CONSTANT,
  WEIR_PAD_REFLECT,
  WEIR_PAD_EDGE,
  WEIR_PAD_WRAP,
} WeirPadMode;

/* Pad: negative pads crop. */
typedef struct WeirPads {
  WeirPadMode mode;
  int64_t begin[WEIR_MAX_RANK], end[WEIR_MAX_RANK];
} WeirPads;
bool weir_pads_resolve (const WeirShapeJob *job, WeirPads *pads, GError **error);

/* Transpose: axis i of dst is axis perm[i] of src[0]. */
bool weir_perm_resolve (const WeirShapeJob *job, uint32_t perm[WEIR_MAX_RANK], GError **error);

/* MaxUnpool: the shape that its indices count in. */
bool weir_unpool_resolve (const WeirShapeJob *job, int64_t dims[WEIR_MAX_RANK], GError **error);

/* Reduce*: which axes of src[0] go. */
bool weir_reduce_resolve (const WeirShapeJob *job, bool is_reduced[WEIR_MAX_RANK], GError **error);

/* Softmax: src[0] as [n_outer, n, n_inner], normalised over n. */
typedef struct WeirSoftmax {
  int64_t n_outer, n, n_inner;
} WeirSoftmax;
bool weir_softmax_resolve (const WeirShapeJob *job, WeirSoftmax *softmax, GError **error);

/* LayerNormalization, RMSNormalization: src[0] as [n_outer, n], normalised over n; its first axis.
 */
typedef struct WeirLayerNorm {
  uint32_t axis;
  int64_t n_outer, n;
} WeirLayerNorm;
bool weir_layer_norm_resolve (const WeirShapeJob *job, WeirLayerNorm *norm, GError **error);

typedef enum WeirResizeMode {
  WEIR_RESIZE_NEAREST,
  WEIR_RESIZE_LINEAR,
  WEIR_RESIZE_CUBIC,
} WeirResizeMode;

typedef enum WeirResizeCoordinates {
  WEIR_RESIZE_HALF_PIXEL,
  WEIR_RESIZE_HALF_PIXEL_SYMMETRIC,
  WEIR_RESIZE_PYTORCH_HALF_PIXEL,
  WEIR_RESIZE_ALIGN_CORNERS,
  WEIR_RESIZE_ASYMMETRIC,
  WEIR_RESIZE_TF_HALF_PIXEL_FOR_NN,
  WEIR_RESIZE_TF_CROP_AND_RESIZE,
} WeirResizeCoordinates;

typedef enum WeirResizeNearest {
  WEIR_RESIZE_ROUND_PREFER_FLOOR,
  WEIR_RESIZE_ROUND_PREFER_CEIL,
  WEIR_RESIZE_FLOOR,
  WEIR_RESIZE_CEIL,
  WEIR_RESIZE_SIMPLE, /* opset 10: floor when enlarging, ceil when shrinking */
} WeirResizeNearest;

/* Resize and Upsample of all opsets; OpenVINO's Interpolate, which has pads and computes in f32. */
typedef struct WeirResize {
  WeirResizeMode mode;
  WeirResizeCoordinates coordinates;
  WeirResizeNearest nearest;
  float cubic_coeff_a;
  bool exclude_outside, antialias, is_f32;
  double scale[WEIR_MAX_RANK]; /* dst / src, as the model gives it: dims are rounded from it */
  double width[WEIR_MAX_RANK]; /* of the kernel, in source elements: more than 1 to antialias */
  int64_t src[WEIR_MAX_RANK];  /* elements, with those that are padded */
  int64_t pad[WEIR_MAX_RANK];  /* zeros in front */
  int64_t dst[WEIR_MAX_RANK];
  /* of TF_CROP_AND_RESIZE: the part of each axis that is resized, in 0..1; what lies outside of the
   * source has one value */
  float roi_begin[WEIR_MAX_RANK], roi_end[WEIR_MAX_RANK], extrapolation_value;
} WeirResize;
bool weir_resize_resolve (const WeirShapeJob *job, WeirResize *resize, GError **error);
/* The source coordinate that element j of an axis of n_src elements is taken from. */
double weir_resize_coordinate (const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t j);

/* QuantizeLinear, DequantizeLinear: src[0] as [n_outer, n, n_inner]; element (o, i, k) uses
 * parameter ((o * n_blocks + i / block) * n_inner + k) when blocked, else i / block. */
typedef struct WeirQuantisation {
  int64_t n_outer, n, n_inner;
  int64_t block, n_blocks; /* per tensor: block = n, n_blocks = 1 */
  bool is_blocked;
} WeirQuantisation;
bool weir_quantisation_resolve (
    const WeirShapeJob *job, WeirQuantisation *quantisation, GError **error);
/* Inputs of QuantisedConv and QuantisedMatMul, and of QLinearConv and QLinearMatMul: each tensor's
 * scale and zero point stand behind it, and the result's. */
enum {
  WEIR_QUANTISED_SRC = 0,
  WEIR_QUANTISED_WEIGHTS = 3,
  WEIR_QUANTISED_RESULT = 6, /* scale; zero point behind */
  WEIR_QUANTISED_BIAS = 8,
  WEIR_QUANTISED_N_SRC = 9, /* added inputs of post-ops stand behind them */
};

/* Scales and zero points of a matrix operand: one number, or one per row (columns else), as a vector
 * or as a tensor of the operand's rank. Their strides in elements along the operand's dims; false
 * where they do not fit. */
bool weir_matrix_params (const WeirTensor *param, const WeirTensor *operand, bool is_per_row,
    int64_t stride[WEIR_MAX_RANK]);

G_END_DECLS
