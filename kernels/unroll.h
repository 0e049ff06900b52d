/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loops of vectors that stand in registers. */
#pragma once

/* Before a loop of at most n rounds, as many as are known where it is expanded: nothing is left of
 * it. Vectors that it counts stay in registers only so. What gcc calls that clang takes for advice
 * to its last unrolling, when they are in memory already: products took four times as long. */
#ifdef __clang__
#define UNROLL(n) _Pragma ("clang loop unroll(full)")
#else
#define UNROLL_PRAGMA(text) _Pragma (#text)
#define UNROLL(n)           UNROLL_PRAGMA (GCC unroll n)
#endif
