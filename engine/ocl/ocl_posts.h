/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kernels do to a result before they store it: kernels/ocl/posts.cl, from a graph's post-ops.
 */
#pragma once

#include "engine/graph/graph.h"
#include "engine/ocl/ocl_cl.h"

G_BEGIN_DECLS

#define WEIR_OCL_MAX_POSTS 4

typedef struct WeirOclPosts {
  char options[160];    /* " -DPOST_1=unary_relu": behind the other options */
  cl_float8 parameters; /* the kernel's argument of that name */
} WeirOclPosts;

/* True where kernels have all of the n operators, in order: UNARY ones of floats, at most four. */
bool weir_ocl_posts_init (WeirOclPosts *posts, const WeirPostOp *ops, uint32_t n);
/* The same where one of them may be an addition: the others, in order, and how many of them come
 * before it (-DADDED_AFTER of results.cl); WEIR_NONE: there is none. False also for two. */
bool weir_ocl_posts_split (
    const WeirPostOp *ops, uint32_t n, WeirOclPosts *posts, uint32_t *n_before);

G_END_DECLS
