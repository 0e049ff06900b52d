/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Einsum's equation, resolved: every letter, and every dimension of an ellipsis, is an axis of the
 * sum with one stride in each operand. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

#define WEIR_EINSUM_MAX_SRC  8
#define WEIR_EINSUM_MAX_AXES (WEIR_EINSUM_MAX_SRC * WEIR_MAX_RANK)

/* The first n_dst axes are those of the result, in its order; over the others it is summed. Strides
 * are in elements, 0 where an operand has not the axis or repeats along it. */
typedef struct WeirEinsum {
  uint32_t n_dst, n_axes;
  int64_t dims[WEIR_EINSUM_MAX_AXES];
  int64_t stride[WEIR_EINSUM_MAX_SRC][WEIR_EINSUM_MAX_AXES];
} WeirEinsum;
bool weir_einsum_resolve (const WeirShapeJob *job, WeirEinsum *einsum, GError **error);

G_END_DECLS
