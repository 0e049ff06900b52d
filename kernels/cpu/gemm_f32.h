/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Elements of f32 for gemm_simd.h, in the vector of f32_avx2.h or f32_avx512.h, which including
 * files include first. */
#pragma once

typedef float Element;
typedef Vec Factors;
#define PER_STEP                                    1
#define load_factors(p)                             load (p)
#define set_factors(p)                              set (*(p))
#define set_last_factors(p)                         set_factors (p)
#define add_products(sum, a, b)                     madd (a, b, sum)

#define RESULT_BYTES(task)                          sizeof (float)
#define add_results(sum, p, bytes)                  add (load ((const float *) (p)), sum)
#define add_some_results(sum, p, mask, bytes)       add (load_some ((const float *) (p), mask), sum)
#define store_results(p, v, clip, bytes)            store ((float *) (p), v)
#define store_some_results(p, v, clip, mask, bytes) store_some ((float *) (p), v, mask)
#define result_clip(task)                           stored_clip (&(task)->activation)
#define stores_two                                  false
#define store_two_results(p, v, next, clip)         ((void) (p))
