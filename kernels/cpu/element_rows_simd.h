/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows, compiled once per instruction set. Including files include the vector and define ROW, the
 * function's name, and narrow_to and narrow_some_to, which round to bf16 and store.
 *
 * Types and activation are looked at once for GROUP vectors: that is little beside loading them. */
#include "kernels/cpu/activation_simd.h"
#include "kernels/element_rows.h"

#define GROUP MAX_LONG

/* n_vectors of an operand from element i on, whole or of one the lanes of the mask. */
ALWAYS_INLINE void load_operand (
    Vec *v, WeirRowOperand operand, size_t i, size_t n_vectors, bool is_whole, Mask mask)
{
  if (operand.type == WEIR_ROW_F32) {
    const float *f32 = (const float *) operand.data + i;
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      v[k] = is_whole ? load (f32 + k * LANES) : load_some (f32, mask);
  } else {
    const uint16_t *bf16 = (const uint16_t *) operand.data + i;
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      v[k] = is_whole ? load_bf16 (bf16 + k * LANES) : load_bf16_some (bf16, mask);
  }
}

ALWAYS_INLINE void store_result (
    const WeirRow *row, const Vec *v, size_t i, size_t n_vectors, bool is_whole, Mask mask)
{
  if (row->dst_type == WEIR_ROW_F32) {
    float *f32 = (float *) row->dst + i;
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      if (is_whole)
        store (f32 + k * LANES, v[k]);
      else
        store_some (f32, v[k], mask);
  } else {
    uint16_t *bf16 = (uint16_t *) row->dst + i;
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      if (is_whole)
        narrow_to (bf16 + k * LANES, v[k]);
      else
        narrow_some_to (bf16, v[k], mask);
  }
}

ALWAYS_INLINE void compute (
    const WeirRow *row, size_t i, size_t n_vectors, bool is_whole, Mask mask)
{
  Vec v[GROUP], operand[GROUP];
  load_operand (v, row->src, i, n_vectors, is_whole, mask);
  if (row->scale.type != WEIR_ROW_NONE) {
    load_operand (operand, row->scale, i, n_vectors, is_whole, mask);
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      v[k] = mul (v[k], operand[k]);
  }
  if (row->shift.type != WEIR_ROW_NONE) {
    load_operand (operand, row->shift, i, n_vectors, is_whole, mask);
    UNROLL (4)
    for (size_t k = 0; k < n_vectors; k++)
      v[k] = add (v[k], operand[k]);
  }
  if (is_short_activation (row->activation))
    activate_short (row->activation, v, n_vectors);
  else
    activate_long (row->activation, v, n_vectors);
  store_result (row, v, i, n_vectors, is_whole, mask);
}

void ROW (const WeirRow *row);

void ROW (const WeirRow *row)
{
  size_t i = 0, n = row->n;
  for (; i + GROUP * LANES <= n; i += GROUP * LANES)
    compute (row, i, GROUP, true, 0);
  for (; i < n; i += LANES)
    compute (row, i, 1, false, lanes (0, n - i < LANES ? n - i : LANES));
}
