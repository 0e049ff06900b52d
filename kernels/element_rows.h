/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of f32 or bf16 in one pass: what tensor_kernels.h does in several over f32. */
#pragma once

#include "kernels/activation.h"

#include <stddef.h>
#include <stdint.h>

typedef enum WeirRowType {
  WEIR_ROW_NONE = 0, /* left out */
  WEIR_ROW_F32,
  WEIR_ROW_BF16,
} WeirRowType;

typedef struct WeirRowOperand {
  WeirRowType type;
  const void *data;
} WeirRowOperand;

/* dst[i] = activation (src[i] · scale[i] + shift[i]). dst overlaps no operand, or is one of its
 * type. */
typedef struct WeirRow {
  size_t n; /* elements of each */
  WeirRowOperand src, scale, shift;
  const WeirActivation *activation;
  WeirRowType dst_type;
  void *dst;
} WeirRow;

/* The product, the sum and the activation's result are f32 each; to bf16 that is rounded to nearest
 * even. Variants give the same bytes as the kernels of tensor_kernels.h one after the other, but
 * for denormals, which AVX512-BF16 rounds to zero, and for NaN in a clip without a lower bound. */
typedef void (*WeirRowFn) (const WeirRow *row);

/* For this CPU; NULL where it has no AVX-512. */
WeirRowFn weir_row_fn (void);
/* For WEIR_ISA_BF16 or WEIR_ISA_AMX, which both round by AVX512-BF16, or WEIR_ISA_AVX512; NULL
 * where this build or CPU has none. */
WeirRowFn weir_row_variant (unsigned isa);
