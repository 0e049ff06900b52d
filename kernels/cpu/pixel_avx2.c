/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels with AVX2: eight pixels a vector. */
#include "kernels/pixel.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define LANES 8
typedef __m256i V;

#define v_load(p)            _mm256_loadu_si256 ((const __m256i *) (p))
#define v_store(p, v)        _mm256_storeu_si256 ((__m256i *) (p), v)
#define v_gather(p, offsets) _mm256_i32gather_epi32 ((const int *) (p), offsets, 1)
#define v_shuffle(v, select) _mm256_shuffle_epi8 (v, select)
#define v_set16(x)           _mm256_set1_epi16 (x)
#define v_set32(x)           _mm256_set1_epi32 (x)
#define v_add32(a, b)        _mm256_add_epi32 (a, b)
#define v_sub16(a, b)        _mm256_sub_epi16 (a, b)
#define v_adds16(a, b)       _mm256_adds_epi16 (a, b)
#define v_min16(a, b)        _mm256_min_epi16 (a, b)
#define v_max16(a, b)        _mm256_max_epi16 (a, b)
#define v_mullo16(a, b)      _mm256_mullo_epi16 (a, b)
#define v_mulhi_u16(a, b)    _mm256_mulhi_epu16 (a, b)
#define v_madd16(a, b)       _mm256_madd_epi16 (a, b)
#define v_and(a, b)          _mm256_and_si256 (a, b)
#define v_or(a, b)           _mm256_or_si256 (a, b)
#define v_srli16(a, n)       _mm256_srli_epi16 (a, n)
#define v_srli32(a, n)       _mm256_srli_epi32 (a, n)
#define v_srai32(a, n)       _mm256_srai_epi32 (a, n)
#define v_slli32(a, n)       _mm256_slli_epi32 (a, n)
/* Low halves of a, high halves of b. */
#define v_halves(a, b) _mm256_blend_epi16 (a, b, 0xaa)

/* First byte of each dword within its 16 bytes, in the bytes that a shuffle reads. */
static inline V v_lane_bytes (int low, int high)
{
  int unit = (low ? 1 : 0) | (high ? 1 << 16 : 0);
  return _mm256_mullo_epi32 (
      _mm256_setr_epi32 (0, 4, 8, 12, 0, 4, 8, 12), _mm256_set1_epi32 (unit));
}

static inline V v_normalise (V value, float mean, float scale)
{
  __m256 real = _mm256_sub_ps (_mm256_cvtepi32_ps (value), _mm256_set1_ps (mean));
  return _mm256_castps_si256 (_mm256_mul_ps (real, _mm256_set1_ps (scale)));
}

/* a0 b0 c0 a1 b1 c1 …: every result vector takes the same pixels of the three, then one lane in
 * three. */
static inline void v_interleave (const V src[3], V dst[3])
{
  const V first = _mm256_setr_epi32 (0, 0, 0, 1, 1, 1, 2, 2);
  const V second = _mm256_setr_epi32 (2, 3, 3, 3, 4, 4, 4, 5);
  const V third = _mm256_setr_epi32 (5, 5, 6, 6, 6, 7, 7, 7);
#define MIX(index, mask_1, mask_2)                                                     \
  _mm256_blend_epi32 (_mm256_blend_epi32 (_mm256_permutevar8x32_epi32 (src[0], index), \
                          _mm256_permutevar8x32_epi32 (src[1], index), mask_1),        \
      _mm256_permutevar8x32_epi32 (src[2], index), mask_2)
  dst[0] = MIX (first, 0x92, 0x24);
  dst[1] = MIX (second, 0x24, 0x49);
  dst[2] = MIX (third, 0x49, 0x92);
#undef MIX
}

/* Writes the low bytes of n dwords. */
static inline void v_emit (void *dst, WeirStoreType type, V value, size_t n)
{
  const size_t bytes[] = { [WEIR_STORE_U8] = 1, [WEIR_STORE_F32] = 4, [WEIR_STORE_BF16] = 2 };
  if (type != WEIR_STORE_F32)
    value = _mm256_permute4x64_epi64 (_mm256_packus_epi32 (value, value), 0x08);
  if (type == WEIR_STORE_U8)
    value = _mm256_packus_epi16 (value, value);
  if (n == LANES) {
    memcpy (dst, &value, LANES * bytes[type]);
    return;
  }
  char whole[sizeof value];
  memcpy (whole, &value, sizeof value);
  memcpy (dst, whole, n * bytes[type]);
}

#include "kernels/cpu/pixel_simd.h"

const WeirPixelKernels weir_pixel_kernels_avx2 = PIXEL_KERNELS ("avx2", WEIR_ISA_AVX2);
