/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX-512, from bf16 to bf16. */
#include "kernels/cpu/f32_avx512.h"

#define FIND weir_depthwise_avx512_bf16
#define SOURCE_IS_BF16
#define RESULT_IS_BF16
#include "kernels/cpu/depthwise_simd.h"
