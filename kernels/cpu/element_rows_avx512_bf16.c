/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows for AVX512-BF16, which rounds in one instruction. */
#include "kernels/cpu/bf16_avx512.h"

#define ROW                        weir_row_avx512_bf16
#define narrow_to(p, v)            _mm256_storeu_si256 ((__m256i *) (p), narrow (v))
#define narrow_some_to(p, v, mask) _mm256_mask_storeu_epi16 (p, mask, narrow (v))
#include "kernels/cpu/element_rows_simd.h"
