/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolution of channels-last pictures of u8 codes with i8 weights, to u8 or i8 codes.
 *
 * A row of a window - its columns with all their channels - is one piece of memory, so a result is
 * a product of kernels/gemm_int8.h whose segments are the window's rows. Source rows are copied
 * with zero points on either side, band by band, that no window ends within one. */
#pragma once

#include "kernels/gemm_int8.h"

#define WEIR_CONVOLUTION_INT8_MAX_EXTENT 64 /* rows and columns of a window; strides */

typedef struct WeirConvolutionInt8 {
  size_t n_items, n_channels, n_results;
  size_t src_height, src_width, dst_height, dst_width;
  size_t kernel_height, kernel_width, stride_y, stride_x;
  size_t pad_y, pad_x; /* rows and columns of zero points before the picture */
} WeirConvolutionInt8;

/* How a convolution is run. Immutable. */
typedef struct WeirConvolutionInt8Plan {
  WeirConvolutionInt8 shape;
  WeirGemmInt8Plan gemm;
  size_t band_rows, n_bands, n_groups, n_units; /* groups of blocks of results */
  size_t row_bytes;                             /* of a copied source row */
  size_t scratch_bytes;                         /* for each thread */
} WeirConvolutionInt8Plan;

/* False where this CPU or shape has none. Weights are packed for plan->gemm, from
 * [n_results][kernel_height][kernel_width][n_channels]. */
bool weir_convolution_int8_plan (WeirConvolutionInt8Plan *plan, const WeirConvolutionInt8 *shape);

typedef struct WeirConvolutionInt8Job {
  const WeirConvolutionInt8Plan *plan;
  const uint8_t *packed;
  WeirRequantise codes; /* as packed: scale and bias are not read */
  const uint8_t *src;
  uint8_t *dst;
} WeirConvolutionInt8Job;

/* Units begin to end - 1 of plan->n_units; they may run at the same time, each thread with scratch
 * memory of its own. */
void weir_convolution_int8_run (
    const WeirConvolutionInt8Job *job, uint8_t *scratch, size_t begin, size_t end);
