/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loops and functions of which nothing is left, so that vectors stay in registers. */
#pragma once

/* A function that is expanded where it is called; not in the checked kernels of a build with
 * AddressSanitizer, which are not optimised and would take ten minutes to compile. */
#ifdef __OPTIMIZE__
#define ALWAYS_INLINE static inline __attribute__ ((always_inline))
#else
#define ALWAYS_INLINE static inline
#endif

/* Before a loop of at most n rounds, as many as are known where it is expanded: nothing is left of
 * it. Vectors that it counts stay in registers only so. What gcc calls that clang takes for advice
 * to its last unrolling, when they are in memory already: products took four times as long. */
#ifdef __clang__
#define UNROLL(n) _Pragma ("clang loop unroll(full)")
#else
#define UNROLL_PRAGMA(text) _Pragma (#text)
#define UNROLL(n)           UNROLL_PRAGMA (GCC unroll n)
#endif
