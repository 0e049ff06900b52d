/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pixel_avx512.c and pixel_avx512vbmi.c have in common: vectors of sixteen pixels. */
#pragma once

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
#define v_set_real(x)        _mm512_castps_si512 (_mm512_set1_ps (x))
#define v_add16(a, b)        _mm512_add_epi16 (a, b)
#define v_add32(a, b)        _mm512_add_epi32 (a, b)
#define v_sub16(a, b)        _mm512_sub_epi16 (a, b)
#define v_adds16(a, b)       _mm512_adds_epi16 (a, b)
#define v_min16(a, b)        _mm512_min_epi16 (a, b)
#define v_max16(a, b)        _mm512_max_epi16 (a, b)
#define v_mullo16(a, b)      _mm512_mullo_epi16 (a, b)
#define v_mulhi16(a, b)      _mm512_mulhi_epi16 (a, b)
#define v_mulhi_u16(a, b)    _mm512_mulhi_epu16 (a, b)
#define v_mulhrs16(a, b)     _mm512_mulhrs_epi16 (a, b)
#define v_madd16(a, b)       _mm512_madd_epi16 (a, b)
#define v_maddubs(a, b)      _mm512_maddubs_epi16 (a, b)
#define v_and(a, b)          _mm512_and_si512 (a, b)
#define v_or(a, b)           _mm512_or_si512 (a, b)
#define v_srai16(a, n)       _mm512_srai_epi16 (a, n)
#define v_srli16(a, n)       _mm512_srli_epi16 (a, n)
#define v_slli16(a, n)       _mm512_slli_epi16 (a, n)
#define v_srli32(a, n)       _mm512_srli_epi32 (a, n)
#define v_srai32(a, n)       _mm512_srai_epi32 (a, n)
#define v_slli32(a, n)       _mm512_slli_epi32 (a, n)
#define v_packs32(a, b)      _mm512_packs_epi32 (a, b)
#define v_packus16(a, b)     _mm512_packus_epi16 (a, b)
#define v_unpack_lo16(a, b)  _mm512_unpacklo_epi16 (a, b)
#define v_unpack_hi16(a, b)  _mm512_unpackhi_epi16 (a, b)
/* Low halves of a, high halves of b. */
#define v_halves(a, b) _mm512_mask_blend_epi16 (0xaaaaaaaau, a, b)
/* Bytes of a below those of b; a is of 8 bits: a | (b & 0xff00). */
#define v_low_bytes(a, b) \
  _mm512_ternarylogic_epi32 (a, b, _mm512_set1_epi16 ((int16_t) 0xff00), 0xf8)

/* Of each word. There is but one port for shifts, of which much else is made here. */
static inline V v_high_bytes (V v)
{
  const V high =
      _mm512_set4_epi32 ((int) 0x800f800d, (int) 0x800b8009, (int) 0x80078005, (int) 0x80038001);
  return _mm512_shuffle_epi8 (v, high);
}

/* First byte of each dword within its 16 bytes, in the bytes that a shuffle reads. */
static inline V v_lane_bytes (int low, int high)
{
  int unit = (low ? 1 : 0) | (high ? 1 << 16 : 0);
  return _mm512_mullo_epi32 (_mm512_set4_epi32 (12, 8, 4, 0), _mm512_set1_epi32 (unit));
}

static inline V v_normalise (V value, V mean, V scale)
{
  __m512 real = _mm512_sub_ps (_mm512_cvtepi32_ps (value), _mm512_castsi512_ps (mean));
  return _mm512_castps_si512 (_mm512_mul_ps (real, _mm512_castsi512_ps (scale)));
}

/* Of a stream of three values a pixel, vector k: the pixels it is of … */
static inline V v_stream_pixels (int k)
{
  const V pixels[3] = {
    _mm512_setr_epi32 (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5),
    _mm512_setr_epi32 (5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10),
    _mm512_setr_epi32 (10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15),
  };
  return pixels[k];
}

/* … and their channels. */
static inline V v_stream_channels (int k)
{
  const V channels[3] = {
    _mm512_setr_epi32 (0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0),
    _mm512_setr_epi32 (1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1),
    _mm512_setr_epi32 (2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2),
  };
  return channels[k];
}

static inline V v_set_triple (const float values[3], int k)
{
  __m512 all = _mm512_maskz_loadu_ps (7, values);
  return _mm512_castps_si512 (_mm512_permutexvar_ps (v_stream_channels (k), all));
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

/* Writes the first n of the lower three bytes of all dwords. */
static inline void v_emit_triples (void *dst, V pixels, size_t n)
{
  const V close = _mm512_set4_epi32 (-1, 0x0e0d0c0a, 0x09080605, 0x04020100);
  const V join = _mm512_setr_epi32 (0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3);
  V packed = _mm512_permutexvar_epi32 (join, _mm512_shuffle_epi8 (pixels, close));
  _mm512_mask_storeu_epi8 (dst, ((__mmask64) 1 << n) - 1, packed);
}
