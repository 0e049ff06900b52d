/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels with AVX-512 (F, BW, DQ, VL): sixteen pixels a vector. */
#include "kernels/pixel.h"

#include <immintrin.h>
#include <stddef.h>

#define LANES 16
typedef __m512i V;

#define v_load(p)            _mm512_loadu_si512 (p)
#define v_store(p, v)        _mm512_storeu_si512 (p, v)
#define v_gather(p, offsets) _mm512_i32gather_epi32 (offsets, p, 1)
#define v_shuffle(v, select) _mm512_shuffle_epi8 (v, select)
#define v_set16(x)           _mm512_set1_epi16 (x)
#define v_set32(x)           _mm512_set1_epi32 (x)
#define v_add32(a, b)        _mm512_add_epi32 (a, b)
#define v_sub16(a, b)        _mm512_sub_epi16 (a, b)
#define v_adds16(a, b)       _mm512_adds_epi16 (a, b)
#define v_min16(a, b)        _mm512_min_epi16 (a, b)
#define v_max16(a, b)        _mm512_max_epi16 (a, b)
#define v_mullo16(a, b)      _mm512_mullo_epi16 (a, b)
#define v_mulhi_u16(a, b)    _mm512_mulhi_epu16 (a, b)
#define v_madd16(a, b)       _mm512_madd_epi16 (a, b)
#define v_and(a, b)          _mm512_and_si512 (a, b)
#define v_or(a, b)           _mm512_or_si512 (a, b)
#define v_srli16(a, n)       _mm512_srli_epi16 (a, n)
#define v_srli32(a, n)       _mm512_srli_epi32 (a, n)
#define v_srai32(a, n)       _mm512_srai_epi32 (a, n)
#define v_slli32(a, n)       _mm512_slli_epi32 (a, n)
/* Low halves of a, high halves of b. */
#define v_halves(a, b) _mm512_mask_blend_epi16 (0xaaaaaaaau, a, b)

/* First byte of each dword within its 16 bytes, in the bytes that a shuffle reads. */
static inline V v_lane_bytes (int low, int high)
{
  int unit = (low ? 1 : 0) | (high ? 1 << 16 : 0);
  return _mm512_mullo_epi32 (_mm512_set4_epi32 (12, 8, 4, 0), _mm512_set1_epi32 (unit));
}

static inline V v_normalise (V value, float mean, float scale)
{
  __m512 real = _mm512_sub_ps (_mm512_cvtepi32_ps (value), _mm512_set1_ps (mean));
  return _mm512_castps_si512 (_mm512_mul_ps (real, _mm512_set1_ps (scale)));
}

/* a0 b0 c0 a1 b1 c1 …: every result vector takes the same pixels of the three, then one lane in
 * three. */
static inline void v_interleave (const V src[3], V dst[3])
{
  const V index[3] = {
    _mm512_setr_epi32 (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5),
    _mm512_setr_epi32 (5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10),
    _mm512_setr_epi32 (10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15),
  };
  static const __mmask16 masks[3][2] = { { 0x2492, 0x4924 }, { 0x9249, 0x2492 },
    { 0x4924, 0x9249 } };
  for (int k = 0; k < 3; k++) {
    V mixed = _mm512_permutexvar_epi32 (index[k], src[0]);
    mixed = _mm512_mask_permutexvar_epi32 (mixed, masks[k][0], index[k], src[1]);
    dst[k] = _mm512_mask_permutexvar_epi32 (mixed, masks[k][1], index[k], src[2]);
  }
}

/* Writes the low bytes of n dwords. */
static inline void v_emit (void *dst, WeirStoreType type, V value, size_t n)
{
  __mmask16 mask = (__mmask16) ((1u << n) - 1);
  if (type == WEIR_STORE_F32)
    _mm512_mask_storeu_epi32 (dst, mask, value);
  else if (type == WEIR_STORE_BF16)
    _mm256_mask_storeu_epi16 (dst, mask, _mm512_cvtepi32_epi16 (value));
  else
    _mm_mask_storeu_epi8 (dst, mask, _mm512_cvtepi32_epi8 (value));
}

#include "kernels/cpu/pixel_simd.h"

const WeirPixelKernels weir_pixel_kernels_avx512 = PIXEL_KERNELS ("avx512", WEIR_ISA_AVX512);
