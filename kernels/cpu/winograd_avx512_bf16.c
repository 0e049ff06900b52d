/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's transforms of bf16 pictures for AVX-512. */
#include "kernels/cpu/f32_avx512.h"

#define LOAD  weir_winograd_load_avx512_bf16
#define STORE weir_winograd_store_avx512_bf16
#define PICTURES_ARE_BF16
#include "kernels/cpu/winograd_simd.h"
