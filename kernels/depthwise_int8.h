/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolution of channels-last pictures of u8 codes with i8 weights, to u8 or i8 codes.
 *
 * Four source rows of a column are interleaved byte by byte, so that one dot product of four bytes
 * adds a whole column of taps to 16 results; a strip of two rows of results uses each such column
 * for six of them. Sums are exact, and requantised in registers (kernels/requantise.h). */
#pragma once

#include "kernels/requantise.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIR_DEPTHWISE_INT8_BANDS 4 /* strips side by side in a vector: at most */
#define WEIR_DEPTHWISE_INT8_ROWS  5 /* of the source under a strip: at most */

/* 3×3 or 5×5 taps, stride 1 or 2 both ways. */
typedef struct WeirDepthwiseInt8 {
  size_t n_items, n_channels;
  size_t src_height, src_width, dst_height, dst_width;
  size_t kernel, stride;
  size_t pad_y, pad_x; /* rows and columns of zero points before the picture */
} WeirDepthwiseInt8;

/* Strips of results of a block of channels, all columns. */
typedef struct WeirDepthwiseInt8Task {
  const WeirDepthwiseInt8 *shape;
  const uint8_t *weights; /* the block's, packed */
  WeirRequantise codes;
  /* By band; column 0 of the block's first channel, and 64 zero points for columns outside. The
   * first row of results is stored last: it may have the address of another that is not wanted. */
  const uint8_t *rows[WEIR_DEPTHWISE_INT8_BANDS][WEIR_DEPTHWISE_INT8_ROWS];
  const uint8_t *outside[WEIR_DEPTHWISE_INT8_BANDS][WEIR_DEPTHWISE_INT8_ROWS];
  uint8_t *dst[WEIR_DEPTHWISE_INT8_BANDS][2];
} WeirDepthwiseInt8Task;

typedef void (*WeirDepthwiseInt8Fn) (const WeirDepthwiseInt8Task *task);

/* For 64 channels of one strip, 32 of two, 16 of four. */
typedef struct WeirDepthwiseInt8Kernels {
  size_t kernel, stride;
  size_t n_rows; /* of results in a strip */
  WeirDepthwiseInt8Fn by_bands[3];
} WeirDepthwiseInt8Kernels;

/* How a convolution is run. Immutable. */
typedef struct WeirDepthwiseInt8Plan {
  WeirDepthwiseInt8 shape;
  const WeirDepthwiseInt8Kernels *kernels;
  size_t n_blocks, n_chunks, n_units;
  size_t block_bytes, packed_bytes;
} WeirDepthwiseInt8Plan;

/* False where this CPU or shape has none. */
bool weir_depthwise_int8_plan (WeirDepthwiseInt8Plan *plan, const WeirDepthwiseInt8 *shape);
/* From [n_channels][kernel][kernel]. `packed`: plan->packed_bytes, on 64 bytes. */
void weir_depthwise_int8_pack (const WeirDepthwiseInt8Plan *plan, uint8_t *packed,
    const int8_t *weights, const WeirRequantise *codes);

typedef struct WeirDepthwiseInt8Job {
  const WeirDepthwiseInt8Plan *plan;
  const uint8_t *packed;
  WeirRequantise codes; /* as packed: scale and bias are not read */
  const uint8_t *src;
  uint8_t *dst;
} WeirDepthwiseInt8Job;

/* Units begin to end - 1 of plan->n_units; they may run at the same time. */
void weir_depthwise_int8_run (const WeirDepthwiseInt8Job *job, size_t begin, size_t end);
