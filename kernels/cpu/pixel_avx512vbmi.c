/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels with AVX-512 and its permutations of bytes and dot products (VBMI, VNNI): where
 * taps lie close enough, they are picked from whole 64-byte windows instead of being gathered. */
#include "kernels/cpu/pixel_zmm.h"

/* Sums of products of 16-bit pairs, added to sum. */
#define v_madd_add(sum, a, b) _mm512_dpwssd_epi32 (sum, a, b)

/* Bytes that are picked; the others are zero. */
#define V_WORDS 0x5555555555555555u
#define V_BYTES 0xffffffffffffffffu

/* Each window fills its share of the vector. */
static inline V v_pick_windows (const WeirPixelRow *row, int table, size_t i, const uint8_t *src,
    uint32_t n_windows, __mmask64 bytes)
{
  const int32_t *offsets = row->offsets[table] + i * n_windows / LANES;
  const V selects = v_load (row->selects[table] + 4 * i);
  const uint32_t n_bytes = 64 / n_windows;
  V picked = _mm512_maskz_permutexvar_epi8 (bytes, selects, v_load (src + offsets[0]));
  for (uint32_t k = 1; k < n_windows; k++) {
    __mmask64 share = (((__mmask64) 1 << n_bytes) - 1) << (k * n_bytes);
    picked =
        _mm512_mask_permutexvar_epi8 (picked, bytes & share, selects, v_load (src + offsets[k]));
  }
  return picked;
}

/* One copy of `make` for each number of windows, and one that gathers. */
#define V_WITH_WINDOWS(make, row, line) \
  switch ((row)->n_windows) {           \
  case 1:                               \
    make (row, line, 1);                \
    break;                              \
  case 2:                               \
    make (row, line, 2);                \
    break;                              \
  case 4:                               \
    make (row, line, 4);                \
    break;                              \
  case 8:                               \
    make (row, line, 8);                \
    break;                              \
  default:                              \
    make (row, line, 0);                \
  }

/* Vector k of the stream, from pixels of three bytes a dword. */
static inline V v_spread (V pixels, int k)
{
  V bytes = _mm512_add_epi32 (_mm512_slli_epi32 (v_stream_pixels (k), 2), v_stream_channels (k));
  return _mm512_maskz_permutexvar_epi8 (0x1111111111111111u, bytes, pixels);
}

#include "kernels/cpu/pixel_simd.h"

const WeirPixelKernels weir_pixel_kernels_avx512vbmi =
    PIXEL_KERNELS ("avx512vbmi", WEIR_ISA_AVX512 | WEIR_ISA_VBMI, true);
