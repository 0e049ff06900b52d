/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of codes for AVX512-VNNI.
 *
 * A tile has 24 vectors of sums: 6 rows by 64 results take 6 broadcasts and 4 loads for 24 dot
 * products, of which two begin in a cycle. What follows the sums are 3 instructions a vector to
 * requantise and about one to pack: with 16 columns as many as the products. */
#include "kernels/cpu/gemm_int8_results.h"

#include <string.h>

#define MAX_SUMS 24

ALWAYS_INLINE Vec broadcast (const uint8_t *src)
{
  int32_t quad;
  memcpy (&quad, src, sizeof quad);
  return _mm512_set1_epi32 (quad);
}

/* Around the intrinsic gcc 12 copies sums to and from memory. */
ALWAYS_INLINE void add_products (Vec *sum, Vec codes, Vec weights)
{
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(codes), "v"(weights));
}

/* One segment; the weights behind it. */
ALWAYS_INLINE const uint8_t *sum_segment (Vec *sums, const uint8_t *src, const size_t *offsets,
    size_t n_quads, const uint8_t *weights, size_t n_rows, size_t n_vectors)
{
  for (size_t k = 0; k < n_quads; k++, weights += n_vectors * BYTES, src += 4) {
    Vec w[MAX_VECTORS];
    UNROLL (4)
    for (size_t j = 0; j < n_vectors; j++)
      w[j] = _mm512_load_si512 (weights + j * BYTES);
    UNROLL (16)
    for (size_t r = 0; r < n_rows; r++) {
      Vec quad = broadcast (src + offsets[r]);
      UNROLL (4)
      for (size_t j = 0; j < n_vectors; j++)
        add_products (&sums[r * n_vectors + j], quad, w[j]);
    }
  }
  return weights;
}

ALWAYS_INLINE void run_tile (const WeirGemmInt8Tile *tile, size_t n_rows, size_t n_vectors)
{
  const uint8_t *weights = tile->weights, *src = tile->src;
  const uint8_t *numbers = weights + tile->n_segments * tile->n_quads * n_vectors * BYTES;
  Vec sums[MAX_SUMS];
  UNROLL (32)
  for (size_t i = 0; i < n_rows * n_vectors; i++) {
    sums[i] = _mm512_load_si512 (numbers + i % n_vectors * BYTES);
    __asm__ volatile("" : "+v"(sums[i])); /* a register for each: the compiler would share them */
  }
  for (size_t i = 0; i < tile->n_segments; i++, src += tile->src_segment)
    weights = sum_segment (sums, src, tile->offsets, tile->n_quads, weights, n_rows, n_vectors);
  scale_sums (sums, numbers, n_rows, n_vectors);
  store_codes (sums, tile, tile->dst, n_rows, n_vectors);
}

#define TILE(n_rows, n_vectors)                                          \
  static void tile_##n_rows##_##n_vectors (const WeirGemmInt8Tile *tile) \
  {                                                                      \
    run_tile (tile, n_rows, n_vectors);                                  \
  }

TILE (1, 4)
TILE (2, 4)
TILE (3, 4)
TILE (4, 4)
TILE (5, 4)
TILE (6, 4)
TILE (1, 2)
TILE (2, 2)
TILE (3, 2)
TILE (4, 2)
TILE (5, 2)
TILE (6, 2)
TILE (7, 2)
TILE (8, 2)
TILE (9, 2)
TILE (10, 2)
TILE (11, 2)
TILE (12, 2)
TILE (1, 1)
TILE (2, 1)
TILE (3, 1)
TILE (4, 1)
TILE (5, 1)
TILE (6, 1)
TILE (7, 1)
TILE (8, 1)
TILE (9, 1)
TILE (10, 1)
TILE (11, 1)
TILE (12, 1)
TILE (13, 1)
TILE (14, 1)
TILE (15, 1)
TILE (16, 1)

typedef void (*TileFn) (const WeirGemmInt8Tile *tile);

static void run_1 (const WeirGemmInt8Tile *tile)
{
  static const TileFn by_rows[] = { tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1,
    tile_7_1, tile_8_1, tile_9_1, tile_10_1, tile_11_1, tile_12_1, tile_13_1, tile_14_1, tile_15_1,
    tile_16_1 };
  by_rows[tile->n_rows - 1](tile);
}

static void run_2 (const WeirGemmInt8Tile *tile)
{
  static const TileFn by_rows[] = { tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2,
    tile_7_2, tile_8_2, tile_9_2, tile_10_2, tile_11_2, tile_12_2 };
  by_rows[tile->n_rows - 1](tile);
}

static void run_4 (const WeirGemmInt8Tile *tile)
{
  static const TileFn by_rows[] = { tile_1_4, tile_2_4, tile_3_4, tile_4_4, tile_5_4, tile_6_4 };
  by_rows[tile->n_rows - 1](tile);
}

extern const WeirGemmInt8Kernels weir_gemm_int8_avx512_vnni[3];
const WeirGemmInt8Kernels weir_gemm_int8_avx512_vnni[3] = {
  { .max_rows = 16, .run = run_1 },
  { .max_rows = 12, .run = run_2 },
  { .max_rows = 6, .run = run_4 },
};
