/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products in f32 for AVX-512. */
#include "kernels/cpu/f32_avx512.h"
#include "kernels/cpu/gemm_f32.h"
#include "kernels/cpu/gemm_tiles_avx512.h"

#define GEMM weir_gemm_avx512
#include "kernels/cpu/gemm_simd.h"
