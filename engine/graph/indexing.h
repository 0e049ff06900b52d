/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that address elements by index, resolved into numbers: as geometry.h. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

typedef enum WeirScatterReduction {
  WEIR_SCATTER_NONE,
  WEIR_SCATTER_ADD,
  WEIR_SCATTER_MUL,
  WEIR_SCATTER_MAX,
  WEIR_SCATTER_MIN,
} WeirScatterReduction;

bool weir_scatter_resolve (
    const WeirShapeJob *job, WeirScatterReduction *reduction, GError **error);

/* OneHot: axis of the result, and how many classes there are. */
bool weir_one_hot_resolve (const WeirShapeJob *job, uint32_t *axis, int64_t *depth, GError **error);

/* Compress: src[0] as [n_outer, n, n_inner], of which items along n are kept where the condition is
 * true; it may be shorter than n. */
typedef struct WeirCompress {
  int64_t n_outer, n, n_inner;
  bool is_flat;
  uint32_t axis;
} WeirCompress;
bool weir_compress_resolve (const WeirShapeJob *job, WeirCompress *compress, GError **error);

/* CenterCropPad: along axis i `n` elements are copied from src_start to dst_start. */
typedef struct WeirCrop {
  int64_t dst[WEIR_MAX_RANK], src_start[WEIR_MAX_RANK], dst_start[WEIR_MAX_RANK], n[WEIR_MAX_RANK];
} WeirCrop;
bool weir_center_crop_pad_resolve (const WeirShapeJob *job, WeirCrop *crop, GError **error);

G_END_DECLS
