/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Post-ops cut into stages at each sum. */
#include "engine/ocl/ocl_stages.h"

#include "engine/ocl/ocl_elementwise.h"

static bool can_add (const WeirStepSpec *spec, const WeirPostOp *post)
{
  const WeirTensor *added = post->src < spec->n_src ? &spec->src[post->src] : NULL;
  return post->op == WEIR_OP_ADD && added && !added->buffer && weir_ocl_takes (added) &&
         weir_tensor_same_shape (added, &spec->dst[0]);
}

bool weir_ocl_stages_init (WeirOclStages *stages, const WeirStepSpec *spec)
{
  WeirOclPosts posts;
  *stages = (WeirOclStages){ .n = 1 };
  stages->stages[0].added = WEIR_NONE;
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    WeirOclStage *stage = &stages->stages[stages->n - 1];
    if (post->src == WEIR_NONE) {
      stage->posts[stage->n_posts++] = *post;
      continue;
    }
    if (!can_add (spec, post))
      return false;
    stages->stages[stages->n++] = (WeirOclStage){ .added = post->src };
  }
  for (uint32_t i = 0; i < stages->n; i++)
    if (!weir_ocl_posts_init (&posts, stages->stages[i].posts, stages->stages[i].n_posts))
      return false;
  return true;
}

void weir_ocl_stages_propose (const WeirOclStages *stages, WeirFormat dst, WeirFormat *src)
{
  for (uint32_t i = 1; i < stages->n; i++)
    src[stages->stages[i].added] = dst;
}

bool weir_ocl_stages_take (const WeirOclStages *stages, uint32_t first, const WeirOclBound *bound,
    uint32_t n, WeirDtype dtype, GError **error)
{
  for (uint32_t i = first; i < stages->n; i++) {
    const WeirOclStage *stage = &stages->stages[i];
    const WeirOclElementwise job = { .op = WEIR_OP_ADD,
      .rank = 1,
      .sizes = { n },
      .n_src = 2,
      .src = { { bound->dst[0], { 1 } }, { bound->src[stage->added], { 1 } } },
      .dst = { bound->dst[0], { 1 } },
      .dtype = dtype,
      .posts = stage->posts,
      .n_posts = stage->n_posts };
    WeirOclDevice *device = bound->kernel->device->ocl;
    if (!weir_ocl_bound_take (bound, weir_ocl_elementwise_new (device, &job, error)))
      return false;
  }
  return true;
}
