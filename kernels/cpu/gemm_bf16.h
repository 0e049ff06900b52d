/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results of products of bf16, for gemm_results.h. */
#pragma once

#include "kernels/cpu/bf16_avx512.h"
#include "kernels/gemm.h"

typedef uint16_t Element;
#define ONE                0x3f80
#define RESULT_BYTES(task) ((task)->dst_is_f32 ? sizeof (float) : sizeof (uint16_t))

/* The product of v and 1, and that of 0 and 0: a shift less than to widen v and add it. */
static inline Vec add_widened (Vec sum, __m256i v)
{
  return add_products (sum, _mm512_set1_epi32 (ONE), _mm512_cvtepu16_epi32 (v));
}

static inline Vec add_results (Vec sum, const void *src, size_t bytes)
{
  return bytes == sizeof (float) ? add (load (src), sum)
                                 : add_widened (sum, _mm256_loadu_si256 (src));
}

static inline Vec add_some_results (Vec sum, const void *src, Mask mask, size_t bytes)
{
  return bytes == sizeof (float) ? add (load_some (src, mask), sum)
                                 : add_widened (sum, _mm256_maskz_loadu_epi16 (mask, src));
}

/* Of results that are rounded, and to which nothing is added behind it. */
static inline StoredClip result_clip (const WeirGemm *task)
{
  bool may = !task->dst_is_f32 && !(task->added && task->adds_last);
  return stored_clip (may ? &task->activation : &(const WeirActivation){ 0 });
}

static inline void store_results (void *dst, Vec v, StoredClip clip, size_t bytes)
{
  if (bytes == sizeof (float))
    store (dst, v);
  else
    store_clipped (dst, v, clip);
}

#define stores_two                            true
#define store_two_results(dst, v, next, clip) store_two_clipped (dst, v, next, clip)

static inline void store_some_results (void *dst, Vec v, StoredClip clip, Mask mask, size_t bytes)
{
  if (bytes == sizeof (float))
    store_some (dst, v, mask);
  else
    store_clipped_some (dst, v, clip, mask);
}
