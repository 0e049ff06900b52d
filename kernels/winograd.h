/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolution at stride 1 of channels-last pictures by Winograd's minimal filtering (Lavin,
 * Gray: Fast Algorithms for Convolutional Neural Networks, 2016), F(4x4, 3x3). Pictures are f32 or
 * bf16, all between them f32.
 *
 * A tile of 4x4 results needs 6x6 source pixels. Of each channel they are transformed into 36
 * numbers, which are multiplied with 36 numbers made of the 9 weights: 36 matrix products instead
 * of 16 * 9 = 144 multiplications for each pair of channels. The 36 sums of a tile are transformed
 * into its results.
 *
 * Rounding is amplified by the transforms; by how much depends on the points at which polynomials
 * are evaluated (winograd_points.h). Every variant, and every cut of the work into units, gives the
 * same bytes. */
#pragma once

#include "kernels/gemm.h"

#define WEIR_WINOGRAD_RESULTS 4  /* of a tile, in each direction */
#define WEIR_WINOGRAD_EXTENT  6  /* source pixels of a tile, in each direction */
#define WEIR_WINOGRAD_PLANES  36 /* products */
#define WEIR_WINOGRAD_TAPS    9

/* Source pixels outside the picture count as zeros: `pad` of them before it, and behind it as many
 * as the results need. */
typedef struct WeirWinograd {
  size_t n_items, src_channels, dst_channels;
  size_t src_height, src_width, dst_height, dst_width;
  size_t pad_y, pad_x;
  bool adds; /* a picture of the results' size and type, before the activation */
  WeirActivation activation;
  bool src_is_bf16, dst_is_bf16; /* else f32 */
} WeirWinograd;

/* Transforms the source of one tile. */
typedef struct WeirWinogradLoad {
  const void *src;           /* the first pixel, where all are in the picture; else NULL */
  size_t src_row, src_apart; /* elements from one row, one pixel to the next */
  const void *pixels[WEIR_WINOGRAD_PLANES]; /* where src is NULL */
  size_t n_channels;
  float *dst; /* whole vectors: n_channels, rounded up, of each plane */
  size_t plane;
} WeirWinogradLoad;

/* Transforms the sums of one tile to results. */
typedef struct WeirWinogradStore {
  const float *src; /* whole vectors */
  size_t plane;
  const float *bias; /* whole vectors */
  const void *added; /* of the tile's first pixel, laid out as dst is; NULL: none */
  void *dst;
  size_t dst_row, dst_apart;            /* elements */
  size_t n_rows, n_columns, n_channels; /* to be stored */
  const WeirActivation *activation;
} WeirWinogradStore;

typedef struct WeirWinogradKernels {
  void (*load) (const WeirWinogradLoad *task);
  void (*store) (const WeirWinogradStore *task);
  WeirGemmFn multiply;
} WeirWinogradKernels;

/* For the types of the shape's pictures. False where this CPU has no fused multiply-add; for bf16,
 * no AVX-512. */
bool weir_winograd_kernels (const WeirWinograd *shape, WeirWinogradKernels *kernels);
/* Variant `isa` of kernels.h (a single bit); false where this build or CPU has none. */
bool weir_winograd_variant (unsigned isa, const WeirWinograd *shape, WeirWinogradKernels *kernels);

/* How a convolution is run. Immutable. A unit is some tiles, one after the other over all rows and
 * items, and some of the channels of their results. */
typedef struct WeirWinogradPlan {
  WeirWinograd shape;
  WeirWinogradKernels kernels;
  size_t tiles_y, tiles_x, n_tiles; /* of an item; of all */
  size_t unit_tiles, unit_channels, n_groups, n_units;
  size_t step_channels;           /* multiplied, then transformed at once */
  size_t load_plane, store_plane; /* floats */
  size_t n_weight_floats, n_bias_floats;
  size_t scratch_bytes; /* for each thread */
} WeirWinogradPlan;

/* In so many units at least, where there is enough to do. Only the cut depends on n_parts. */
void weir_winograd_plan (WeirWinogradPlan *plan, const WeirWinograd *shape,
    const WeirWinogradKernels *kernels, size_t n_parts);
/* From [dst_channels][src_channels][3][3], computed in f64. `buffer`: n_weight_floats / 4. */
void weir_winograd_pack (
    const WeirWinogradPlan *plan, float *packed, const float *weights, float *buffer);

/* What makes n_results + 2 numbers of three weights, for F(n_results, 3): 2, at the points 0, 1, -1
 * and infinity, or 4. */
void weir_winograd_weight_rows (size_t n_results, double rows[WEIR_WINOGRAD_EXTENT][3]);

/* Results of a tile. */
typedef struct WeirWinogradPlace {
  size_t item, y, x, n_rows, n_columns;
} WeirWinogradPlace;

WeirWinogradPlace weir_winograd_place (const WeirWinogradPlan *plan, size_t tile);

typedef struct WeirWinogradJob {
  const WeirWinogradPlan *plan;
  const void *src, *added;
  void *dst;            /* may be the picture that is added */
  const float *weights; /* packed, on 64 bytes */
  const float *bias;    /* n_bias_floats, zeros behind the channels */
} WeirWinogradJob;

/* Tiles and channels of a unit. */
typedef struct WeirWinogradUnit {
  size_t first_tile, n_tiles, first_channel, n_channels;
} WeirWinogradUnit;

WeirWinogradUnit weir_winograd_unit (const WeirWinogradPlan *plan, size_t i);
/* `scratch`: scratch_bytes, on 64 bytes. Units may run at the same time, each thread with scratch
 * memory of its own. */
void weir_winograd_run (const WeirWinogradJob *job, void *scratch, const WeirWinogradUnit *unit);
