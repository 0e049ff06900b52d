/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX2 with FMA. */
#include "kernels/cpu/f32_avx2.h"

#define FIND weir_depthwise_avx2
#include "kernels/cpu/depthwise_simd.h"
