/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products in f32 or bf16 with a right-hand side that is packed once.
 *
 * dst[r][c] = activation (added[r][c] + (bias[c] + Σ a[r][k] · b[k][c])). Every sum is the bias, or
 * 0, then the products in the order of k: in f32 each a fused multiplication and addition, in bf16
 * two at a time as the instruction adds them to a sum in f32; with AMX the products of up to 32
 * are summed first, those of even k and those of odd k. So every variant for f32, and every
 * cut of the rows or columns into tasks, gives the same bytes. */
#pragma once

#include "kernels/activation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_GEMM_PANEL 16 /* columns that are packed together */

/* Nothing outside the rows is read or written; those of a and dst do not overlap. */
typedef struct WeirGemm {
  const void *a; /* n_rows rows of n_inner, a_row elements apart */
  size_t a_row;
  const void *b;     /* packed, of n_inner × n_columns; on 64 bytes it is fastest */
  const float *bias; /* n_columns, or NULL */
  void *dst;         /* n_rows rows of n_columns, dst_row elements apart */
  size_t dst_row;
  const void *added;                 /* as dst; may be dst itself; NULL: nothing is added */
  size_t n_rows, n_inner, n_columns; /* n_inner >= 1 */
  WeirActivation activation;
  /* A row of a may be in pieces, n_segments of n_inner elements, a_segment apart: those of a window
   * over rows of pixels. b has n_segments * n_inner rows then; in bf16 an odd n_inner is rounded
   * up there, with a row of zeros behind each piece. 0: one piece. */
  size_t n_segments, a_segment;
  bool adds_last;  /* activation (bias + Σ …) + added instead */
  bool dst_is_f32; /* and what is added; or else they are of a's type */
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

/* For this CPU in f32; NULL where it has no fused multiply-add. */
WeirGemmFn weir_gemm (void);
/* In bf16, with bias and sums in f32 and denormals as zeros; NULL where the CPU has no instruction
 * for that. */
WeirGemmFn weir_gemm_bf16 (void);
/* In f32, variant `isa` of kernels.h (a single bit, or WEIR_ISA_C: plain C, slow), NULL where this
 * build or CPU has none. */
WeirGemmFn weir_gemm_variant (unsigned isa);
/* In bf16, by WEIR_ISA_BF16 or WEIR_ISA_AMX; NULL where this build has none. The CPU is not
 * asked. */
WeirGemmFn weir_gemm_bf16_variant (unsigned isa);

/* The packed form is one for all variants: for each panel of WEIR_GEMM_PANEL columns
 * [n_inner][WEIR_GEMM_PANEL] in f32, [n_inner / 2, rounded up][WEIR_GEMM_PANEL][2] in bf16, columns
 * beyond n_columns and rows beyond n_inner zero. */
size_t weir_gemm_packed_floats (size_t n_inner, size_t n_columns);
size_t weir_gemm_packed_bf16 (size_t n_inner, size_t n_columns);
/* From b[k * inner_step + c * column_step]. */
void weir_gemm_pack (float *packed, const float *b, size_t inner_step, size_t column_step,
    size_t n_inner, size_t n_columns);
/* To the nearest bf16. */
void weir_gemm_pack_bf16 (uint16_t *packed, const float *b, size_t inner_step, size_t column_step,
    size_t n_inner, size_t n_columns);
