/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators element by element, with broadcasting (kernels/ocl/elementwise.cl). */
#pragma once

#include "engine/ocl/ocl_call.h"
#include "engine/ocl/ocl_posts.h"

G_BEGIN_DECLS

/* A tensor as a kernel walks it: strides in elements, 0 in the dims in which it is repeated. */
typedef struct WeirOclWalk {
  const void *address; /* of its first element, on the device */
  uint32_t strides[WEIR_MAX_RANK];
} WeirOclWalk;

typedef struct WeirOclElementwise {
  WeirOp op;     /* ADD, SUB, MUL, DIV, MAX, MIN, PRELU; of one source: any, it is in `posts` */
  uint32_t rank; /* 0 to WEIR_MAX_RANK */
  uint32_t sizes[WEIR_MAX_RANK]; /* of the result, the last dim innermost; none is 0 */
  uint32_t n_src;                /* 1 or 2 */
  WeirOclWalk src[2], dst;
  WeirDtype dtype;         /* of all: F32 or F16 */
  const WeirPostOp *posts; /* done to the result, in order; with one source the operator first */
  uint32_t n_posts;
} WeirOclElementwise;

/* Whether there is a kernel: op, posts and dtype are known, and neighbouring dims in which all go
 * along can be merged to four at most. Addresses are not looked at. */
bool weir_ocl_elementwise_can (const WeirOclElementwise *job);
/* The kernel with its arguments, ready for weir_ocl_queue_run. dst may be a source, address and
 * strides the same, but not overlap one otherwise. UNSUPPORTED where there is no kernel. */
WeirOclCall *weir_ocl_elementwise_new (
    WeirOclDevice *device, const WeirOclElementwise *job, GError **error);

G_END_DECLS
