/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products for AVX2 with FMA: tiles of 12 rows and 1 vector, or 6 and 2, leave room for the
 * vectors of b and one of a in 16 registers. */
#include "kernels/cpu/f32_avx2.h"
#include "kernels/cpu/gemm_f32.h"

#define GEMM weir_gemm_avx2
#define TILES(T) \
  T (1, 1)       \
  T (2, 1)       \
  T (3, 1)       \
  T (4, 1)       \
  T (5, 1)       \
  T (6, 1)       \
  T (7, 1)       \
  T (8, 1)       \
  T (9, 1) T (10, 1) T (11, 1) T (12, 1) T (1, 2) T (2, 2) T (3, 2) T (4, 2) T (5, 2) T (6, 2)
#define MAX_ROWS \
  {              \
    12, 6        \
  }
#define MAX_VECTORS 2
/* Columns are not halved. */
#define MIN_HALVED                   (MAX_VECTORS + 1)
#define add_half_products(sum, a, b) add_products (sum, a, b)

#include "kernels/cpu/gemm_simd.h"
