/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's transforms for AVX2 with FMA. */
#include "kernels/cpu/f32_avx2.h"

#define LOAD  weir_winograd_load_avx2
#define STORE weir_winograd_store_avx2
#include "kernels/cpu/winograd_simd.h"
