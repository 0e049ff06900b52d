/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounding weights to bf16 such that their sum stays what it was. */
#pragma once

#include <stddef.h>

/* Rounds n values to bf16, in place: each to one of its two neighbours, as many of them to the
 * farther one as bring the sum of all errors near 0, those first for which that adds the least
 * squared error. In time n².
 *
 * Neighbouring pixels of a picture are much alike, so the error of a window's sum is, above all,
 * the pixels' mean times the sum of the weights' errors (Guo et al.: SQuant, On-the-Fly Data-Free
 * Quantization via Diagonal Hessian Approximation, 2022, flip the rounding of whole numbers so).
 * Where a value is infinite or NaN, and from more than 1024 of them on, all are rounded to the
 * nearest. */
void weir_cpu_round_keeping_sum (float *values, size_t n);
