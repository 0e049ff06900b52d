/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sums of the depthwise convolution by products of bf16, for depthwise_simd.h, which includes this.
 *
 * An instruction adds the products of two neighbours to each of LANES sums. The neighbours are the
 * same channel of two source rows, 2i and 2i + 1 of a tile's: one permutation a vector serves all
 * taps and results of the tile. For 3×3 at stride 1 that are 12 permutations and 48 instructions
 * for 72 multiplications, without widening. Where a row of results begins at an odd source row its
 * taps are other neighbours: the weights are there for both. A tap beyond the window is 0, a row
 * beyond the picture or the tile is zeros. */

/* Vectors of a block of weights, before the bias. */
ALWAYS_INLINE size_t count_weights (Form form)
{
  return weir_depthwise_row_begins (form.stride_y) * weir_depthwise_row_pairs (form.kernel) *
         form.kernel;
}

/* What is read of a row: zeros where there is none. */
typedef struct PairRow {
  const Source *src;
  size_t apart;
} PairRow;

ALWAYS_INLINE PairRow pair_row (const void *row, ptrdiff_t at, size_t apart)
{
  static const _Alignas(64) Source zeros[LANES];
  return row ? (PairRow){ (const Source *) row + at, apart } : (PairRow){ zeros, 0 };
}

/* Source row 2 pair and the next, multiplied into the sums of the rows of results that they are
 * taps of. */
ALWAYS_INLINE void sum_row_pair (Vec *sums, PairRow even, PairRow odd, const float *weights,
    size_t pair, Form form, size_t n_rows, size_t n_columns, Masked masked, const Masks *masks)
{
  size_t n_vectors = (n_columns - 1) * form.step + form.kernel, pad = form.kernel / 2;
  size_t n_pairs = weir_depthwise_row_pairs (form.kernel);
  Pairs v[MAX_VECTORS];
  UNROLL (16)
  for (size_t i = 0; i < n_vectors; i++) {
    bool is_some =
        masked == MASKED_ALL || (masked == MASKED_ENDS && (i < pad || i + pad >= n_vectors));
    const Source *a = even.src + i * even.apart, *b = odd.src + i * odd.apart;
    v[i] = is_some ? load_pairs_some (a, b, masks->load[i]) : load_pairs (a, b);
  }
  UNROLL (8)
  for (size_t kx = 0; kx < form.kernel; kx++) {
    UNROLL (2)
    for (size_t r = 0; r < n_rows; r++) {
      size_t first = r * form.stride_y; /* source row of the window's */
      if (pair < first / 2 || pair - first / 2 >= n_pairs)
        continue;
      size_t at = (first % 2 * n_pairs + pair - first / 2) * form.kernel + kx;
      Pairs weight = load_weight_pairs (weights + at * LANES);
      UNROLL (4)
      for (size_t p = 0; p < n_columns; p++)
        sums[r * n_columns + p] =
            add_products (sums[r * n_columns + p], weight, v[p * form.step + kx]);
    }
  }
}

/* All source rows of the tile. */
ALWAYS_INLINE void sum_source (Vec *sums, const WeirDepthwiseTask *task, const void *const *rows,
    const float *weights, ptrdiff_t at, Form form, size_t n_rows, size_t n_columns, Masked masked,
    const Masks *masks)
{
  size_t n = (n_rows - 1) * form.stride_y + form.kernel;
  UNROLL (8)
  for (size_t y = 0; y < n; y += 2) {
    const void *odd = y + 1 < n ? rows[y + 1] : NULL;
    if (rows[y] || odd)
      sum_row_pair (sums, pair_row (rows[y], at, task->apart), pair_row (odd, at, task->apart),
          weights, y / 2, form, n_rows, n_columns, masked, masks);
  }
}
