/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that select by the values of elements: shape functions count what they select where the
 * contents are known, reference functions write it. All take bytes of any alignment. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

/* Element i as an integer of the same order: -0 equals 0, NaN equals NaN and lies above all. */
int64_t weir_sort_key (const WeirTensor *tensor, int64_t i);

/* Elements that are not 0 (NaN is not), of the first n. */
int64_t weir_nonzero_count (const WeirTensor *tensor, int64_t n);

/* TopK: how many of the axis are kept. True with *k = the whole axis and *is_known = false where
 * the number depends on data. */
bool weir_top_k_resolve (
    const WeirShapeJob *job, uint32_t *axis, int64_t *k, bool *is_known, GError **error);

/* Whether TopK keeps the largest, and whether in the order of their places: ONNX's or OpenVINO's.
 */
bool weir_top_k_is_largest (const WeirNode *node);
bool weir_top_k_keeps_order (const WeirNode *node);

/* Unique: items are elements, or slices along `axis`: element (outer, item, inner). */
typedef struct WeirUnique {
  int64_t n_outer, n_items, n_inner;
  int64_t n_unique;
  int64_t *first;   /* [n_unique], in the order of the result: the first item that equals it */
  int64_t *count;   /* [n_unique]: items that equal it */
  int64_t *inverse; /* [n_items]: its place in the result */
} WeirUnique;

/* The contents of src[0] must be known. */
bool weir_unique_resolve (const WeirShapeJob *job, WeirUnique *unique, GError **error);
void weir_unique_clear (WeirUnique *unique);

typedef struct WeirNmsRow {
  int64_t image, label, box;
} WeirNmsRow;

/* NonMaxSuppression as ONNX defines it: greedy in each image and class, highest score first, the
 * lower index among equal ones. The contents of all inputs must be known. *rows is newly allocated:
 * by image, class, and score. */
bool weir_nms_select (const WeirShapeJob *job, GArray **rows, GError **error);

G_END_DECLS
