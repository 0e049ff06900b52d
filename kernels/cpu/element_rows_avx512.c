/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows for AVX-512. */
#include "kernels/cpu/f32_avx512.h"

#define ROW                        weir_row_avx512
#define narrow_to(p, v)            store_bf16 (p, v)
#define narrow_some_to(p, v, mask) store_bf16_some (p, v, mask)
#include "kernels/cpu/element_rows_simd.h"
