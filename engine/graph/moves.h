/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators that only move elements come to: strided copies between their sources and results,
 * in whatever layout these are. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

#define WEIR_MOVE_RANK 10

/* The dims in the order of memory, slowest first. */
void weir_memory_order (const WeirTensor *tensor, uint32_t order[WEIR_MAX_RANK]);
/* Strides in elements by logical dim. */
void weir_tensor_strides (const WeirTensor *tensor, int64_t strides[WEIR_MAX_RANK]);

/* Strides and offsets in elements; strides of a source may be negative. */
typedef struct WeirMove {
  uint32_t src, dst; /* which of the node's values */
  uint32_t rank;
  int64_t dims[WEIR_MOVE_RANK]; /* none is 0 */
  int64_t src_strides[WEIR_MOVE_RANK], dst_strides[WEIR_MOVE_RANK];
  int64_t src_offset, dst_offset;
} WeirMove;

typedef struct WeirMoves {
  bool fills; /* dst[0] with Pad's number first */
  uint32_t n;
  WeirMove list[];
} WeirMoves;

/* Of Concat, Split, Slice, Crop, Pad (with a constant), Transpose, ChannelShuffle, DepthToSpace,
 * SpaceToDepth and weir:Reorder, and of Tile and Expand of up to 5 dims to as many, whose shapes have
 * been inferred; layouts are those of job's tensors. Newly allocated, g_free. */
WeirMoves *weir_moves_new (const WeirShapeJob *job, GError **error);
/* What Pad pads with; false where it is not known. */
bool weir_moves_pad_number (const WeirShapeJob *job, float *number);

G_END_DECLS
