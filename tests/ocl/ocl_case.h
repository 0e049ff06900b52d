/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A convolution with its tensors on the device, computed by any variant and compared with plain
 * loops. Failures end the test. */
#pragma once

#include "engine/ocl/ocl_variant.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/post_ops.h"

typedef enum OclExtras { OCL_NO_EXTRAS = 0, BIAS = 1, ADDED = 2 } OclExtras;

/* Sizes are depth, height, width; 0 is 1 (of pads: 0). */
typedef struct OclRow {
  uint32_t n_items, groups, inputs, outputs; /* channels of all groups */
  uint32_t src[3], kernel[3], stride[3], dilation[3];
  int32_t begin[3], end[3]; /* pads */
  OclExtras extras;
  WeirPostOp posts[4];
} OclRow;

typedef struct OclCase {
  WeirOclWindow window;
  WeirOclVariant variant; /* the suggestion, or another of its way */
  WeirOclMemory *memory;
  WeirOclWindowPlaces places;
  uint32_t n_src, n_dst, n_weights, dst_at; /* elements */
  float *src, *weights, *bias, *added;      /* as they are on the device; weights: ONNX's */
} OclCase;

#define LEAKY                               \
  {                                         \
    WEIR_OP_LEAKY_RELU, 0.25f, 0, WEIR_NONE \
  }
#define DOUBLE                          \
  {                                     \
    WEIR_OP_AFFINE, 2, 0.25f, WEIR_NONE \
  }

void ocl_row_read (const OclRow *row, bool is_transposed, WeirDtype dtype, WeirOclWindow *window);
/* `skew`: elements by which the source and the result are off 4. `way`: whose variant and
 * weights are taken; NULL: the suggestion's. */
void ocl_case_init (OclCase *self, const OclRow *row, bool is_transposed, WeirDtype dtype,
    uint32_t skew, const WeirOclWay *way);
void ocl_case_clear (OclCase *self);
/* Of n_dst. */
void ocl_case_expect (const OclCase *self, double *results);
/* With scratch memory of its own, where the variant needs some. */
void ocl_case_run (OclCase *self);
/* f32: 1e-5 of the largest; a half keeps 11 bits. */
void ocl_case_compare (const OclCase *self, const double *wanted, const char *what, uint32_t row);
/* All of these, for row i. */
void ocl_case_check (const OclRow *row, bool is_transposed, WeirDtype dtype, uint32_t skew,
    const WeirOclWay *way, uint32_t i);
/* The same bytes as the first time, when they were put into `first`, of n_dst. */
void ocl_case_check_bytes (const OclCase *self, float *first, bool is_first);
/* Runs that variant, compares, and checks the bytes. */
void ocl_case_check_variant (OclCase *self, const WeirOclVariant *variant, const double *wanted,
    float *first, bool is_first);
bool ocl_has_room (const WeirOclTile *tile);
