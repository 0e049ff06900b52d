/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to engine/ref: the function type of operators, and what their families share.
 *
 * Inside these functions floating tensors are f32 (ref.c widens others; those that only move bytes
 * and Cast take any type), everything is plain, and shape inference has accepted the node. */
#pragma once

#include "engine/graph/geometry.h"
#include "engine/plan/backend.h"

#include <string.h>

G_BEGIN_DECLS

/* job->src and job->dst have buffers; an output whose buffer is NULL is not wanted or empty.
 * Errors only for data that shapes cannot tell: an index out of range. */
typedef bool (*WeirRefFn) (const WeirShapeJob *job, void *scratch, GError **error);

#define WEIR_OP(id, name, min_src, max_src, min_dst, max_dst, kind, shape, ref) \
  bool weir_ref_##ref (const WeirShapeJob *job, void *scratch, GError **error);
#include "engine/graph/ops.def"
#undef WEIR_OP

/* Bytes of scratch that an operator needs. */
size_t weir_ref_resize_scratch (const WeirShapeJob *job);
size_t weir_ref_top_k_scratch (const WeirShapeJob *job);
size_t weir_ref_deform_scratch (const WeirShapeJob *job);
size_t weir_ref_det_scratch (const WeirShapeJob *job);
size_t weir_ref_ov_detection_output_scratch (const WeirShapeJob *job);
size_t weir_ref_ov_proposal_scratch (const WeirShapeJob *job);
/* binary.c: dst = a op b, both broadcast to dst's shape, of operator `op`, which is BINARY; dst may
 * be a. `node` gives its attributes. */
void weir_ref_combine (const WeirNode *node, WeirOp op, const WeirTensor *a, const WeirTensor *b,
    const WeirTensor *dst);
/* integer.c: those that operators on quantised tensors need. */
size_t weir_ref_quantised_scratch (const WeirShapeJob *job);
/* fake_quantize.c: one element, 256 levels from a range to itself. */
float weir_ref_fake_quantized (float x, float low, float high);
/* elementwise.c: node->post on dst[0], which is f32. */
void weir_ref_apply_post (const WeirShapeJob *job);

/* Elements of any type. Integers go through 64 bits, all else through double; what does not fit is
 * saturated when it comes from a floating value and wraps when it comes from an integer. */
double weir_ref_load (WeirDtype dtype, const void *data, int64_t i);
int64_t weir_ref_load_int (WeirDtype dtype, const void *data, int64_t i);
void weir_ref_store (WeirDtype dtype, void *data, int64_t i, double value);
void weir_ref_store_int (WeirDtype dtype, void *data, int64_t i, int64_t value);
/* n elements, `stride` elements apart. */
typedef struct WeirRefRow {
  WeirDtype dtype;
  void *data;
  int64_t offset, stride;
} WeirRefRow;
void weir_ref_convert (WeirRefRow src, WeirRefRow dst, int64_t n);

static inline const float *weir_ref_f32 (const WeirTensor *tensor)
{
  return (const float *) weir_tensor_data (tensor);
}

static inline float *weir_ref_dst_f32 (const WeirTensor *tensor)
{
  return (float *) weir_tensor_data (tensor);
}

/* Rounded up, for b > 0. */
static inline int64_t weir_ref_divide_up (int64_t a, int64_t b)
{
  return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

/* Product of dims [from, to). */
static inline int64_t weir_ref_product (const WeirTensor *tensor, uint32_t from, uint32_t to)
{
  int64_t n = 1;
  for (uint32_t i = from; i < to; i++)
    n *= tensor->dims[i];
  return n;
}

static inline int64_t weir_ref_n (const WeirTensor *tensor)
{
  return weir_ref_product (tensor, 0, tensor->rank);
}

/* An odometer over dims that keeps the offsets of up to three operands. */
#define WEIR_REF_MAX_AXES 16
typedef struct WeirWalk {
  uint32_t rank;
  int64_t dims[WEIR_REF_MAX_AXES], index[WEIR_REF_MAX_AXES];
  int64_t stride[3][WEIR_REF_MAX_AXES], offset[3];
} WeirWalk;

/* To the next position; false after the last, where all is 0 again. */
static inline bool weir_walk_next (WeirWalk *walk)
{
  for (uint32_t axis = walk->rank; axis-- > 0;) {
    for (int k = 0; k < 3; k++)
      walk->offset[k] += walk->stride[k][axis];
    if (++walk->index[axis] < walk->dims[axis])
      return true;
    for (int k = 0; k < 3; k++)
      walk->offset[k] -= walk->stride[k][axis] * walk->dims[axis];
    walk->index[axis] = 0;
  }
  return false;
}

/* Strides in elements of a plain tensor. */
void weir_ref_strides (const WeirTensor *tensor, int64_t stride[WEIR_MAX_RANK]);
/* Those of `src` seen through dst's dims: 0 where it is repeated. */
void weir_ref_broadcast_strides (
    const WeirTensor *src, const WeirTensor *dst, int64_t stride[WEIR_MAX_RANK]);
/* dst (dense, of dims) from src by strides in elements; element_bytes 1, 2, 4 or 8. */
void weir_ref_copy_strided (void *dst, const void *src, size_t element_bytes, uint32_t rank,
    const int64_t *dims, const int64_t *stride);
/* Walks of src (operand 0) over the axes that stay, and over those that go. */
void weir_ref_split_axes (
    const WeirTensor *src, const bool is_reduced[WEIR_MAX_RANK], WeirWalk *outer, WeirWalk *inner);

/* gathering.c. The index at place i of `indices`, negative ones counted from the end; false and an
 * error where it is out of range for n elements. */
bool weir_ref_index (const WeirShapeJob *job, const WeirTensor *indices, int64_t i, int64_t n,
    int64_t *index, GError **error);

/* GatherElements, ScatterElements: row by row of the indices; element i of a row with index k is at
 * outer.offset[0] + i * step + k * chosen. */
typedef struct WeirElementWalk {
  WeirWalk outer;
  int64_t n_row, step, chosen;
} WeirElementWalk;
void weir_ref_element_walk (
    const WeirTensor *tensor, const WeirTensor *indices, uint32_t axis, WeirElementWalk *walk);

/* GatherND, ScatterND: n tuples of indices, each of a slice of n_slice elements of src[0]. */
typedef struct WeirTuples {
  int64_t n, n_tuple, n_per_batch, batch_stride, n_slice;
  int64_t dims[WEIR_MAX_RANK], stride[WEIR_MAX_RANK];
} WeirTuples;
void weir_ref_tuples_init (const WeirShapeJob *job, uint32_t n_batch, WeirTuples *tuples);
/* Where the slice of tuple i begins. */
bool weir_ref_tuple (
    const WeirShapeJob *job, const WeirTuples *tuples, int64_t i, int64_t *offset, GError **error);

/* Elements of 1, 2, 4 or 8 bytes, one load and one store each. */
static inline void weir_ref_copy_element (void *dst, const void *src, size_t size)
{
  switch (size) {
  case 1:
    *(char *) dst = *(const char *) src;
    break;
  case 2:
    memcpy (dst, src, 2);
    break;
  case 4:
    memcpy (dst, src, 4);
    break;
  default:
    memcpy (dst, src, 8);
    break;
  }
}

/* A window as three dimensions, missing ones of size 1 in front. */
typedef struct WeirGrid {
  int64_t src[3], dst[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
  int64_t n_src, n_dst, n_kernel; /* products */
} WeirGrid;
void weir_ref_grid_init (WeirGrid *grid, const WeirWindow *window, const WeirTensor *src);

G_END_DECLS
