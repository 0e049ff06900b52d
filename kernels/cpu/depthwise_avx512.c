/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution for AVX-512. */
#include "kernels/cpu/f32_avx512.h"

#define FIND weir_depthwise_avx512
#include "kernels/cpu/depthwise_simd.h"
