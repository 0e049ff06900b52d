/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sums of products of codes, in vectors of 16 results, become codes (kernels/requantise.h). */
#pragma once

#include "kernels/gemm_int8.h"
#include "kernels/unroll.h"

#include <immintrin.h>

#define BYTES       64
#define MAX_VECTORS 4

typedef __m512i Vec;

typedef struct Bounds {
  Vec low, high, flip;
  bool is_open; /* all of them do nothing */
} Bounds;

/* Numbers of 16 results each become codes in 32 bits. */
ALWAYS_INLINE void scale_sums (Vec *sums, const uint8_t *numbers, size_t n_rows, size_t n_vectors)
{
  __m512 scale[MAX_VECTORS], bias[MAX_VECTORS];
  UNROLL (4)
  for (size_t j = 0; j < n_vectors; j++) {
    scale[j] = _mm512_load_ps (numbers + (n_vectors + j) * BYTES);
    bias[j] = _mm512_load_ps (numbers + (2 * n_vectors + j) * BYTES);
  }
  UNROLL (32)
  for (size_t i = 0; i < n_rows * n_vectors; i++) {
    __m512 sum = _mm512_cvtepi32_ps (sums[i]);
    sums[i] = _mm512_cvtps_epi32 (_mm512_fmadd_ps (sum, scale[i % n_vectors], bias[i % n_vectors]));
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

/* The rows that 64 codes are of, so many as there are. */
ALWAYS_INLINE void store_packed (
    Vec bytes, const WeirGemmInt8Tile *tile, uint8_t *dst, size_t n_rows, size_t n_vectors)
{
  const Vec pairs = _mm512_setr_epi64 (0, 2, 4, 6, 1, 3, 5, 7);
  const Vec quads = _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __mmask64 mask = _cvtu64_mask64 (~0ull >> (64 - tile->n_results));
  size_t row = tile->dst_row;
  if (n_vectors == 4) {
    _mm512_mask_storeu_epi8 (dst, mask, bytes);
  } else if (n_vectors == 2) {
    bytes = _mm512_permutexvar_epi64 (pairs, bytes);
    _mm256_mask_storeu_epi8 (dst, (__mmask32) mask, _mm512_castsi512_si256 (bytes));
    if (n_rows > 1)
      _mm256_mask_storeu_epi8 (dst + row, (__mmask32) mask, _mm512_extracti64x4_epi64 (bytes, 1));
  } else {
    bytes = _mm512_permutexvar_epi32 (quads, bytes);
    _mm_mask_storeu_epi8 (dst, (__mmask16) mask, _mm512_castsi512_si128 (bytes));
    if (n_rows > 1)
      _mm_mask_storeu_epi8 (dst + row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 1));
    if (n_rows > 2)
      _mm_mask_storeu_epi8 (dst + 2 * row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 2));
    if (n_rows > 3)
      _mm_mask_storeu_epi8 (dst + 3 * row, (__mmask16) mask, _mm512_extracti32x4_epi32 (bytes, 3));
  }
}

/* Rows of the tile, from dst on. Four vectors of sums make 64 codes: of one row, two or four; where
 * there are fewer left the last one stands for those that are not stored. */
ALWAYS_INLINE void store_codes (
    const Vec *sums, const WeirGemmInt8Tile *tile, uint8_t *to, size_t n_rows, size_t n_vectors)
{
  Bounds bounds = { _mm512_set1_epi8 ((char) tile->low), _mm512_set1_epi8 ((char) tile->high),
    _mm512_set1_epi8 ((char) tile->flip),
    tile->low == 0 && tile->high == UINT8_MAX && tile->flip == 0 };
  const size_t n_at_once = MAX_VECTORS / n_vectors, n_sums = n_rows * n_vectors;
  UNROLL (16)
  for (size_t r = 0; r < n_rows; r += n_at_once) {
    Vec v[MAX_VECTORS];
    UNROLL (4)
    for (size_t i = 0; i < MAX_VECTORS; i++) {
      size_t at = r * n_vectors + i;
      v[i] = sums[at < n_sums ? at : n_sums - 1];
    }
    Vec bytes = pack (v, &bounds);
    uint8_t *dst = to + r * tile->dst_row;
    store_packed (bytes, tile, dst, n_rows - r, n_vectors);
  }
}
