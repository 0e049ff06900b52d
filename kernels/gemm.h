/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products in f32 with a right-hand side that is packed once.
 *
 * dst[r][c] = activation (added[r][c] + (bias[c] + Σ a[r][k] · b[k][c])). Every sum is the bias, or
 * 0, then the products in the order of k, each a fused multiplication and addition. So every
 * variant, and every cut of the rows or columns into tasks, gives the same bytes. */
#pragma once

#include "kernels/activation.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIR_GEMM_PANEL 16 /* columns that are packed together */

/* Nothing outside the rows is read or written; those of a and dst do not overlap. */
typedef struct WeirGemm {
  const float *a; /* n_rows rows of n_inner, a_row floats apart */
  size_t a_row;
  const float *b;    /* packed, of n_inner × n_columns; on 64 bytes it is fastest */
  const float *bias; /* n_columns, or NULL */
  float *dst;        /* n_rows rows of n_columns, dst_row floats apart */
  size_t dst_row;
  const float *added;                /* as dst; may be dst itself; NULL: nothing is added */
  size_t n_rows, n_inner, n_columns; /* n_inner >= 1 */
  WeirActivation activation;
  /* A row of a may be in pieces, n_segments of n_inner elements, a_segment apart: those of a window
   * over rows of pixels. b has n_segments * n_inner rows then. 0: one piece. */
  size_t n_segments, a_segment;
} WeirGemm;

/* Rows of b. */
static inline size_t weir_gemm_depth (const WeirGemm *task)
{
  return task->n_inner * (task->n_segments > 1 ? task->n_segments : 1);
}

/* Runs in the calling thread, without other memory. The variants for vectors take up to 14 rows
 * through n_inner at once, so a row of b is read every 14 rows; where a's rows are many, a is read
 * once, and b should stay in the second-level cache. */
typedef void (*WeirGemmFn) (const WeirGemm *task);

/* For this CPU; NULL where it has no fused multiply-add. */
WeirGemmFn weir_gemm (void);
/* Variant `isa` of kernels.h (a single bit, or WEIR_ISA_C: plain C, slow), NULL where this build or
 * CPU has none. */
WeirGemmFn weir_gemm_variant (unsigned isa);

/* The packed form is one for all variants: for each panel of WEIR_GEMM_PANEL columns
 * [n_inner][WEIR_GEMM_PANEL], columns beyond n_columns zero. */
size_t weir_gemm_packed_floats (size_t n_inner, size_t n_columns);
/* From b[k * inner_step + c * column_step]. */
void weir_gemm_pack (float *packed, const float *b, size_t inner_step, size_t column_step,
    size_t n_inner, size_t n_columns);
