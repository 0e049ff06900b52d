/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX512-BF16, from bf16 to bf16 by products of bf16. */
#include "kernels/cpu/bf16_avx512.h"

#define FIND weir_depthwise_row_pairs_avx512_bf16
#define SOURCE_IS_BF16
#define RESULT_IS_BF16
#define SUMS_ROW_PAIRS
#include "kernels/cpu/depthwise_simd.h"
