/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Post-ops of steps that compute by rows of WEIR_CPU_ROW elements: applied while a row is in the
 * first-level cache. */
#pragma once

#include "engine/cpu/cpu.h"
#include "engine/cpu/cpu_rows.h"
#include "kernels/element_rows.h"

G_BEGIN_DECLS

typedef struct WeirCpuRowPost {
  WeirUnaryFn fn; /* NULL: adds source src */
  float alpha, beta;
  uint32_t src;
  WeirDtype dtype; /* of that source */
} WeirCpuRowPost;

typedef struct WeirCpuRowPosts {
  uint32_t n;
  WeirCpuRowPost posts[WEIR_MAX_POST_OPS];
} WeirCpuRowPosts;

/* True where all of node->post are unary operators, or additions of a tensor of dst[0]'s shape. */
bool weir_cpu_row_posts_can (const WeirStepSpec *spec);
/* Post-ops as the kernel of rows does them: the addition of a source, then an activation; either
 * may lack. */
typedef struct WeirCpuRowTail {
  uint32_t added; /* the source; WEIR_NONE */
  WeirDtype added_dtype;
  WeirActivation activation;
} WeirCpuRowTail;

/* False where that kernel cannot do the step's post-ops. */
bool weir_cpu_row_tail (const WeirStepSpec *spec, WeirCpuRowTail *tail);
/* f32 or bf16 from element `at` on. */
WeirRowOperand weir_cpu_row_operand (WeirDtype dtype, const void *data, int64_t at);
/* Those from the `first` on. */
void weir_cpu_row_posts_take (
    WeirCpuRowPosts *posts, WeirDevice *device, const WeirStepSpec *spec, uint32_t first);
/* On n elements of dst[0] from `at` on, in place; its type is `dtype`. */
void weir_cpu_row_posts_apply (const WeirCpuRowPosts *posts, const WeirTensorKernels *kernels,
    const WeirCpuBound *bound, WeirDtype dtype, int64_t at, size_t n);

/* The post-ops on the n results in `row`, elements `at` on of dst[0]. Gives where they stand then:
 * without post-ops there, else in one of the buffers, of which the first may be `row`. */
static inline const float *weir_cpu_row_posts_run (const WeirCpuRowPosts *posts,
    const WeirTensorKernels *kernels, void *const *src, int64_t at, size_t n, const float *row,
    float buffers[2][WEIR_CPU_ROW])
{
  float added[WEIR_CPU_ROW];
  for (uint32_t i = 0; i < posts->n; i++) {
    const WeirCpuRowPost *post = &posts->posts[i];
    float *to = buffers[~i & 1];
    if (post->fn)
      post->fn (to, row, n, post->alpha, post->beta);
    else
      kernels->binary[WEIR_BINARY_ADD](to, row, 1,
          weir_cpu_row_load (kernels, post->dtype, src[post->src], at, 1, n, added), 1, n);
    row = to;
  }
  return row;
}

G_END_DECLS
