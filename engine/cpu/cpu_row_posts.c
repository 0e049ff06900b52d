/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which post-ops rows can take, and their functions. */
#include "engine/cpu/cpu_row_posts.h"

bool weir_cpu_row_posts_can (const WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    if (post->src == WEIR_NONE ? !weir_cpu_has_unary (post->op)
                               : post->op != WEIR_OP_ADD || post->src >= spec->n_src ||
                                     !weir_cpu_is_float (spec->src[post->src].dtype) ||
                                     !weir_tensor_same_shape (&spec->src[post->src], spec->dst))
      return false;
  }
  return true;
}

bool weir_cpu_row_tail (const WeirStepSpec *spec, WeirCpuRowTail *tail)
{
  const WeirPostOp *post = spec->node->post, *end = post + spec->node->n_post;
  *tail = (WeirCpuRowTail){ .added = WEIR_NONE };
  if (post < end && post->src != WEIR_NONE) {
    tail->added = post->src;
    tail->added_dtype = spec->src[post->src].dtype;
    post++;
  }
  if (post < end && post->src == WEIR_NONE && weir_cpu_activation (post, &tail->activation))
    post++;
  return post == end;
}

WeirRowOperand weir_cpu_row_operand (WeirDtype dtype, const void *data, int64_t at)
{
  const uint8_t *bytes = data;
  return (WeirRowOperand){ dtype == WEIR_DTYPE_BF16 ? WEIR_ROW_BF16 : WEIR_ROW_F32,
    bytes + at * (int64_t) weir_dtype_bytes (dtype) };
}

void weir_cpu_row_posts_take (
    WeirCpuRowPosts *posts, WeirDevice *device, const WeirStepSpec *spec, uint32_t first)
{
  posts->n = spec->node->n_post - first;
  for (uint32_t i = 0; i < posts->n; i++) {
    const WeirPostOp *post = &spec->node->post[first + i];
    posts->posts[i] =
        (WeirCpuRowPost){ .alpha = post->alpha, .beta = post->beta, .src = post->src };
    if (post->src == WEIR_NONE)
      posts->posts[i].fn = weir_cpu_unary_fn (device, post->op);
    else
      posts->posts[i].dtype = spec->src[post->src].dtype;
  }
}

void weir_cpu_row_posts_apply (const WeirCpuRowPosts *posts, const WeirTensorKernels *kernels,
    const WeirCpuBound *bound, WeirDtype dtype, int64_t at, size_t n)
{
  float buffers[2][WEIR_CPU_ROW];
  while (n > 0) {
    size_t n_once = MIN (n, WEIR_CPU_ROW);
    const float *row = weir_cpu_row_load (kernels, dtype, bound->dst[0], at, 1, n_once, buffers[0]);
    row = weir_cpu_row_posts_run (posts, kernels, bound->src, at, n_once, row, buffers);
    weir_cpu_row_store (kernels, dtype, bound->dst[0], at, n_once, row);
    at += (int64_t) n_once;
    n -= n_once;
  }
}
