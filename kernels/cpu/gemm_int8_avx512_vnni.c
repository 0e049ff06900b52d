/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of codes for AVX512-VNNI.
 *
 * A tile has 24 vectors of sums: 6 rows by 64 results take 6 broadcasts and 4 loads for 24 dot
 * products, of which two begin in a cycle. What follows the sums are 3 instructions a vector to
 * requantise and about one to pack: with 16 columns as many as the products. */
#include "kernels/gemm_int8.h"

#include <immintrin.h>
#include <string.h>

#define BYTES         64
#define MAX_VECTORS   4
#define MAX_SUMS      24

#define ALWAYS_INLINE static inline __attribute__ ((always_inline))

typedef __m512i Vec;

typedef struct Bounds {
  Vec low, high, flip;
  bool is_open; /* all of them do nothing */
} Bounds;

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
#pragma GCC unroll 4
    for (size_t j = 0; j < n_vectors; j++)
      w[j] = _mm512_load_si512 (weights + j * BYTES);
#pragma GCC unroll 16
    for (size_t r = 0; r < n_rows; r++) {
      Vec quad = broadcast (src + offsets[r]);
#pragma GCC unroll 4
      for (size_t j = 0; j < n_vectors; j++)
        add_products (&sums[r * n_vectors + j], quad, w[j]);
    }
  }
  return weights;
}

/* Numbers of 16 results each become codes in 32 bits. */
ALWAYS_INLINE void scale_sums (Vec *sums, const uint8_t *numbers, size_t n_rows, size_t n_vectors)
{
#pragma GCC unroll 4
  for (size_t j = 0; j < n_vectors; j++) {
    __m512 scale = _mm512_load_ps (numbers + (n_vectors + j) * BYTES);
    __m512 bias = _mm512_load_ps (numbers + (2 * n_vectors + j) * BYTES);
#pragma GCC unroll 16
    for (size_t r = 0; r < n_rows; r++) {
      __m512 sum = _mm512_cvtepi32_ps (sums[r * n_vectors + j]);
      sums[r * n_vectors + j] = _mm512_cvtps_epi32 (_mm512_fmadd_ps (sum, scale, bias));
    }
  }
}

ALWAYS_INLINE Vec pack (const Vec *v, const Bounds *bounds)
{
  Vec bytes =
      _mm512_packus_epi16 (_mm512_packs_epi32 (v[0], v[1]), _mm512_packs_epi32 (v[2], v[3]));
  if (bounds->is_open)
    return bytes;
  bytes = _mm512_min_epu8 (_mm512_max_epu8 (bytes, bounds->low), bounds->high);
  return _mm512_xor_si512 (bytes, bounds->flip);
}

/* Four vectors of sums make 64 codes: of one row, two or four. */
ALWAYS_INLINE void store_tile (
    const Vec *sums, const WeirGemmInt8Tile *tile, size_t n_rows, size_t n_vectors)
{
  const Vec pairs = _mm512_setr_epi64 (0, 2, 4, 6, 1, 3, 5, 7);
  const Vec quads = _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  Bounds bounds = { _mm512_set1_epi8 ((char) tile->low), _mm512_set1_epi8 ((char) tile->high),
    _mm512_set1_epi8 ((char) tile->flip),
    tile->low == 0 && tile->high == UINT8_MAX && tile->flip == 0 };
  __mmask64 mask = _cvtu64_mask64 (~0ull >> (64 - tile->n_results));
  size_t n_at_once = MAX_VECTORS / n_vectors;
#pragma GCC unroll 16
  for (size_t r = 0; r < n_rows; r += n_at_once) {
    Vec v[MAX_VECTORS];
#pragma GCC unroll 4
    for (size_t i = 0; i < MAX_VECTORS; i++) {
      size_t at = r * n_vectors + i;
      v[i] = sums[at < n_rows * n_vectors ? at : at - n_vectors * (at / n_vectors - r)];
    }
    Vec bytes = pack (v, &bounds);
    uint8_t *dst = tile->dst + r * tile->dst_row;
    if (n_vectors == 2)
      bytes = _mm512_permutexvar_epi64 (pairs, bytes);
    if (n_vectors == 1)
      bytes = _mm512_permutexvar_epi32 (quads, bytes);
    if (n_vectors == 4)
      _mm512_mask_storeu_epi8 (dst, mask, bytes);
    else if (n_vectors == 2) {
      _mm256_mask_storeu_epi8 (dst, (__mmask32) mask, _mm512_castsi512_si256 (bytes));
      if (r + 1 < n_rows)
        _mm256_mask_storeu_epi8 (
            dst + tile->dst_row, (__mmask32) mask, _mm512_extracti64x4_epi64 (bytes, 1));
    } else {
      _mm_mask_storeu_epi8 (dst, (__mmask16) mask, _mm512_castsi512_si128 (bytes));
      if (r + 1 < n_rows)
        _mm_mask_storeu_epi8 (
            dst + tile->dst_row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 1));
      if (r + 2 < n_rows)
        _mm_mask_storeu_epi8 (
            dst + 2 * tile->dst_row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 2));
      if (r + 3 < n_rows)
        _mm_mask_storeu_epi8 (
            dst + 3 * tile->dst_row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 3));
    }
  }
}

ALWAYS_INLINE void run_tile (const WeirGemmInt8Tile *tile, size_t n_rows, size_t n_vectors)
{
  const uint8_t *weights = tile->weights, *src = tile->src;
  const uint8_t *numbers = weights + tile->n_segments * tile->n_quads * n_vectors * BYTES;
  Vec sums[MAX_SUMS];
#pragma GCC unroll 32
  for (size_t i = 0; i < n_rows * n_vectors; i++) {
    sums[i] = _mm512_load_si512 (numbers + i % n_vectors * BYTES);
    __asm__ volatile("" : "+v"(sums[i])); /* a register for each: the compiler would share them */
  }
  for (size_t i = 0; i < tile->n_segments; i++, src += tile->src_segment)
    weights = sum_segment (sums, src, tile->offsets, tile->n_quads, weights, n_rows, n_vectors);
  scale_sums (sums, numbers, n_rows, n_vectors);
  store_tile (sums, tile, n_rows, n_vectors);
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

extern const WeirGemmInt8Kernels weir_gemm_int8_avx512_vnni[3];
const WeirGemmInt8Kernels weir_gemm_int8_avx512_vnni[3] = {
  { 16, { tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1, tile_7_1, tile_8_1, tile_9_1,
            tile_10_1, tile_11_1, tile_12_1, tile_13_1, tile_14_1, tile_15_1, tile_16_1 } },
  { 12, { tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2, tile_9_2,
            tile_10_2, tile_11_2, tile_12_2 } },
  { 6, { tile_1_4, tile_2_4, tile_3_4, tile_4_4, tile_5_4, tile_6_4 } },
};
