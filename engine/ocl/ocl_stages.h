/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Post-ops of a node as stages: what is added to the result, and the operators of one number behind
 * it. A step's own kernel does the first stage; each further one is an element-wise kernel that
 * works on the result in place. */
#pragma once

#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_posts.h"

G_BEGIN_DECLS

typedef struct WeirOclStage {
  uint32_t added; /* the source that is added before the posts; WEIR_NONE */
  uint32_t n_posts;
  WeirPostOp posts[WEIR_MAX_POST_OPS];
} WeirOclStage;

typedef struct WeirOclStages {
  uint32_t n; /* >= 1; the first adds nothing */
  WeirOclStage stages[WEIR_MAX_POST_OPS + 1];
} WeirOclStages;

/* False where there is no kernel: a post-op that posts.cl has not, a sum that needs broadcasting.
 */
bool weir_ocl_stages_init (WeirOclStages *stages, const WeirStepSpec *spec);
/* The sources that are added are wanted in the result's format. */
void weir_ocl_stages_propose (const WeirOclStages *stages, WeirFormat dst, WeirFormat *src);
/* For `bind`: calls of the stages from `first` on, on the n elements of dst[0]. */
bool weir_ocl_stages_take (const WeirOclStages *stages, uint32_t first, const WeirOclBound *bound,
    uint32_t n, WeirDtype dtype, GError **error);

G_END_DECLS
