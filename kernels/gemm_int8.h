/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of u8 codes and a matrix of i8 weights, to u8 or i8 codes: convolutions of 1×1,
 * and what kernels/convolution_int8.h is made of.
 *
 * Four codes of a row meet four weights each of 16 results. A tile of rows by up to 64 results is
 * summed in registers, or by AMX, exactly, and requantised (kernels/requantise.h). */
#pragma once

#include "kernels/requantise.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct WeirGemmInt8 {
  size_t n_rows;     /* of the source, for weir_gemm_int8_run */
  size_t n_segments; /* that a row has, each of n_columns codes */
  size_t n_columns;
  size_t n_results; /* of each row */
} WeirGemmInt8;

#define WEIR_GEMM_INT8_MAX_ROWS 16

/* Results of a tile: n_rows rows of a block of weights. Of every segment whole fours of codes are
 * read; weights for those beyond its end are zero. */
typedef struct WeirGemmInt8Tile {
  const uint8_t *src;
  uint8_t *dst;
  size_t n_rows;
  size_t offsets[WEIR_GEMM_INT8_MAX_ROWS]; /* of source rows, bytes */
  size_t src_segment, dst_row;             /* bytes from one to the next */
  size_t n_segments, n_quads;
  size_t n_results;        /* that the block has: at most its vectors' */
  const uint8_t *weights;  /* the block's, packed */
  uint8_t low, high, flip; /* of WeirRequantise */
} WeirGemmInt8Tile;

/* For blocks of n_vectors (1, 2, 4) of 16 results. */
typedef struct WeirGemmInt8Kernels {
  size_t max_rows;
  void (*run) (const WeirGemmInt8Tile *tile);
  /* Around tiles that have n_rows rows each, in one thread; NULL: theirs may differ. */
  void (*begin) (size_t n_rows, size_t n_quads);
  void (*end) (void);
} WeirGemmInt8Kernels;

/* By the logarithm of n_vectors, for WEIR_ISA_VNNI or WEIR_ISA_AMX; NULL where this build has none.
 * The CPU is not asked. */
const WeirGemmInt8Kernels *weir_gemm_int8_kernels (unsigned isa);

/* How a product is run. Immutable. */
typedef struct WeirGemmInt8Plan {
  WeirGemmInt8 shape;
  const WeirGemmInt8Kernels *kernels; /* by the logarithm of n_vectors */
  size_t widest;                      /* results of a block: 32 or 64 */
  size_t n_blocks, n_chunks, n_units; /* of results; of rows */
  size_t packed_bytes;
} WeirGemmInt8Plan;

/* With this CPU's kernels; false where it, or the shape, has none. */
bool weir_gemm_int8_plan (WeirGemmInt8Plan *plan, const WeirGemmInt8 *shape);
/* From [n_results][n_segments][n_columns]. `packed`: plan->packed_bytes, on 64 bytes. It does not
 * depend on the number of rows. */
void weir_gemm_int8_pack (const WeirGemmInt8Plan *plan, uint8_t *packed, const int8_t *weights,
    const WeirRequantise *codes);

typedef struct WeirGemmInt8Job {
  const WeirGemmInt8Plan *plan;
  const uint8_t *packed;
  WeirRequantise codes; /* as packed: scale and bias are not read */
  const uint8_t *src;
  uint8_t *dst;
} WeirGemmInt8Job;

/* Lines of n_rows rows each; dst: of result 0, where rows follow each other. */
typedef struct WeirGemmInt8Rows {
  const uint8_t *src;
  uint8_t *dst;
  size_t src_row, src_line, src_segment; /* bytes from one to the next */
  size_t n_rows, n_lines;
} WeirGemmInt8Rows;

/* Block i of plan->n_blocks of the results of some rows; job->src and dst are not read. */
void weir_gemm_int8_run_block (const WeirGemmInt8Job *job, size_t i, const WeirGemmInt8Rows *rows);
/* Units begin to end - 1 of plan->n_units, where rows follow each other and have one segment of a
 * multiple of 4 columns; units may run at the same time. */
void weir_gemm_int8_run (const WeirGemmInt8Job *job, size_t begin, size_t end);
