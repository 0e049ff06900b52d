/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's transforms for AVX-512. */
#include "kernels/cpu/f32_avx512.h"

#define LOAD  weir_winograd_load_avx512
#define STORE weir_winograd_store_avx512
#include "kernels/cpu/winograd_simd.h"
