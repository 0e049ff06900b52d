/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolution of channels-last pictures, summed in f32.
 *
 * The work is cut into units: some columns of some rows of a picture, of a group of channels, such
 * that the source rows under two rows of results stay in the first-level cache while a unit walks
 * down. Windows of neighbouring results are summed in registers, two rows at once.
 *
 * Every sum is the bias, then the taps in the order of the kernel's rows, each a fused
 * multiplication and addition; taps outside the picture count as zeros. Every variant and every
 * cut into units gives the same bytes.
 *
 * But for the variant of AVX512-BF16: from bf16 to bf16, where `rounds_weights`, it multiplies
 * weights that are rounded to bf16, two rows of taps at once. Its bytes, too, are the same however
 * the work is cut. */
#pragma once

#include "kernels/activation.h"
#include "kernels/tensor_kernels.h"

#define WEIR_DEPTHWISE_MAX_EXTENT 64 /* rows and columns that a window spans; strides */
#define WEIR_DEPTHWISE_MAX_POSTS  8

/* What follows, element by element. */
typedef struct WeirDepthwisePost {
  WeirUnaryFn fn; /* NULL: adds a picture of the result's type and size */
  float alpha, beta;
} WeirDepthwisePost;

typedef struct WeirDepthwise {
  size_t n_items, n_channels;
  size_t src_height, src_width, dst_height, dst_width;
  size_t kernel_height, kernel_width;
  size_t stride_y, stride_x, dilation_y, dilation_x;
  size_t pad_y, pad_x; /* rows and columns of zeros before the picture */
  bool src_is_bf16, dst_is_bf16;
  WeirActivation activation;
  size_t n_posts;
  WeirDepthwisePost posts[WEIR_DEPTHWISE_MAX_POSTS];
} WeirDepthwise;

/* Results x_begin to x_end - 1 of n_rows rows, of n_channels channels. */
typedef struct WeirDepthwiseTask {
  const WeirDepthwise *shape;
  /* Source rows from column 0 on - of which only what the results need is read - with `apart`
   * elements from one column to the next; NULL: zeros. Tap row ky of result row y reads
   * rows[y * stride_y + ky * dilation_y]. */
  const void *const *rows;
  size_t apart;
  void *dst; /* of result x_begin */
  size_t dst_row, dst_apart;
  size_t n_rows, x_begin, x_end, n_channels;
  /* For each block of n_lanes channels, of which the last overlaps that before it where n_channels
   * is no multiple of n_lanes (and not less): [taps][n_lanes], and the bias; see below for
   * rounded ones. */
  const float *weights;
} WeirDepthwiseTask;

typedef void (*WeirDepthwiseFn) (const WeirDepthwiseTask *task);

/* For windows of this shape. *per_vector: results that share a vector (1, or 2 where there are
 * n_lanes / 2 channels); weights are then there twice. */
typedef WeirDepthwiseFn (*WeirDepthwiseFind) (const WeirDepthwise *shape, size_t *per_vector);

typedef struct WeirDepthwiseKernels {
  size_t n_lanes;
  WeirDepthwiseFind find;                    /* from f32 to f32 */
  WeirDepthwiseFind from_bf16, only_to_bf16; /* to bf16; the latter from f32; NULL: none */
  WeirDepthwiseFind row_pairs; /* from bf16 to bf16, with rounded weights; NULL: none. Gives NULL
                                * for windows that it does not take */
} WeirDepthwiseKernels;

/* For this CPU; NULL where it has no fused multiply-add. */
const WeirDepthwiseKernels *weir_depthwise_kernels (void);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
const WeirDepthwiseKernels *weir_depthwise_variant (unsigned isa);

/* How a convolution is run. Immutable. */
typedef struct WeirDepthwisePlan {
  WeirDepthwise shape;
  const WeirDepthwiseKernels *kernels;
  const WeirTensorKernels *rows; /* of bf16, and posts */
  WeirDepthwiseFn fn;
  /* Whether the kernel reads, writes the pictures themselves, not rows of f32 between. */
  bool reads_src, writes_dst;
  bool rounds_weights; /* to bf16 */
  size_t per_vector;
  size_t n_groups, n_bands, n_chunks, n_units;
  size_t group_channels, band_rows, chunk_columns; /* of a unit: at most */
  size_t ring_rows, row_floats;                    /* of widened source rows */
  size_t block_vectors;                            /* of weights and bias */
  size_t n_weight_floats;                          /* packed */
  size_t scratch_bytes;                            /* for each thread */
} WeirDepthwisePlan;

/* Rounded weights of a block, before the bias: for windows that begin at an even row of a tile's
 * and, where the stride is odd, at an odd one, [row pairs][columns][n_lanes] of two bf16 in the
 * place of a float, those of an even row and the next; 0 beyond the window. */
static inline size_t weir_depthwise_row_pairs (size_t kernel_height)
{
  return (kernel_height + 1) / 2;
}

static inline size_t weir_depthwise_row_begins (size_t stride_y)
{
  return stride_y % 2 + 1;
}

/* False where windows or strides are 0 or beyond WEIR_DEPTHWISE_MAX_EXTENT. */
bool weir_depthwise_plan (
    WeirDepthwisePlan *plan, const WeirDepthwise *shape, const WeirDepthwiseKernels *kernels);
/* From [n_channels][kernel_height][kernel_width] and [n_channels] (NULL: zeros). */
void weir_depthwise_pack_weights (
    const WeirDepthwisePlan *plan, float *packed, const float *weights, const float *bias);

typedef struct WeirDepthwiseJob {
  const WeirDepthwisePlan *plan;
  const void *src;
  void *dst;
  const void *added[WEIR_DEPTHWISE_MAX_POSTS];
  const float *weights; /* packed */
  /* Rows of a single picture that src and dst hold, row y at y modulo so many; 0: all rows of all
   * pictures. For weir_depthwise_run_rows where the plan reads_src and writes_dst; dst_rows even.
   */
  size_t src_rows, dst_rows;
} WeirDepthwiseJob;

/* Units begin to end - 1 of plan->n_units. `scratch`: scratch_bytes, on 64 bytes. Units may run at
 * the same time, each thread with scratch memory of its own. */
void weir_depthwise_run (const WeirDepthwiseJob *job, void *scratch, size_t begin, size_t end);
/* Rows y_begin, which is even, to y_end - 1 of a picture's results, in the calling thread. Every
 * one of the rows under them must be there. */
void weir_depthwise_run_rows (
    const WeirDepthwiseJob *job, void *scratch, size_t item, size_t y_begin, size_t y_end);
