/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels with AVX2: eight pixels a vector. */
#include "kernels/pixel.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define LANES 8
typedef __m256i V;

#define v_load(p)            _mm256_loadu_si256 ((const __m256i *) (const void *) (p))
#define v_store(p, v)        _mm256_storeu_si256 ((__m256i *) (void *) (p), v)
#define v_gather(p, offsets) _mm256_i32gather_epi32 ((const int *) (const void *) (p), offsets, 1)
#define v_shuffle(v, select) _mm256_shuffle_epi8 (v, select)
#define v_set16(x)           _mm256_set1_epi16 (x)
#define v_set32(x)           _mm256_set1_epi32 (x)
#define v_set_real(x)        _mm256_castps_si256 (_mm256_set1_ps (x))
#define v_add16(a, b)        _mm256_add_epi16 (a, b)
#define v_add32(a, b)        _mm256_add_epi32 (a, b)
#define v_sub16(a, b)        _mm256_sub_epi16 (a, b)
#define v_adds16(a, b)       _mm256_adds_epi16 (a, b)
#define v_min16(a, b)        _mm256_min_epi16 (a, b)
#define v_max16(a, b)        _mm256_max_epi16 (a, b)
#define v_mullo16(a, b)      _mm256_mullo_epi16 (a, b)
#define v_mulhi16(a, b)      _mm256_mulhi_epi16 (a, b)
#define v_mulhi_u16(a, b)    _mm256_mulhi_epu16 (a, b)
#define v_mulhrs16(a, b)     _mm256_mulhrs_epi16 (a, b)
#define v_madd16(a, b)       _mm256_madd_epi16 (a, b)
#define v_maddubs(a, b)      _mm256_maddubs_epi16 (a, b)
#define v_and(a, b)          _mm256_and_si256 (a, b)
#define v_or(a, b)           _mm256_or_si256 (a, b)
#define v_srai16(a, n)       _mm256_srai_epi16 (a, n)
#define v_srli16(a, n)       _mm256_srli_epi16 (a, n)
#define v_slli16(a, n)       _mm256_slli_epi16 (a, n)
#define v_srli32(a, n)       _mm256_srli_epi32 (a, n)
#define v_srai32(a, n)       _mm256_srai_epi32 (a, n)
#define v_slli32(a, n)       _mm256_slli_epi32 (a, n)
#define v_packs32(a, b)      _mm256_packs_epi32 (a, b)
#define v_packus16(a, b)     _mm256_packus_epi16 (a, b)
#define v_unpack_lo16(a, b)  _mm256_unpacklo_epi16 (a, b)
#define v_unpack_hi16(a, b)  _mm256_unpackhi_epi16 (a, b)
#define v_high_bytes(v)      _mm256_srli_epi16 (v, 8) /* of each word */
/* Low halves of a, high halves of b. */
#define v_halves(a, b) _mm256_blend_epi16 (a, b, 0xaa)
/* Sums of products of 16-bit pairs, added to sum. */
#define v_madd_add(sum, a, b) _mm256_add_epi32 (sum, _mm256_madd_epi16 (a, b))
/* Bytes of a below those of b; a is of 8 bits. */
#define v_low_bytes(a, b) \
  _mm256_or_si256 (a, _mm256_and_si256 (b, _mm256_set1_epi16 ((int16_t) 0xff00)))
#define v_pick_windows(row, table, i, src, n_windows, bytes) _mm256_setzero_si256 ()
#define V_WITH_WINDOWS(make, row, line)                      make (row, line, 0)

/* First byte of each dword within its 16 bytes, in the bytes that a shuffle reads. */
static inline V v_lane_bytes (int low, int high)
{
  int unit = (low ? 1 : 0) | (high ? 1 << 16 : 0);
  return _mm256_mullo_epi32 (
      _mm256_setr_epi32 (0, 4, 8, 12, 0, 4, 8, 12), _mm256_set1_epi32 (unit));
}

static inline V v_normalise (V value, V mean, V scale)
{
  __m256 real = _mm256_sub_ps (_mm256_cvtepi32_ps (value), _mm256_castsi256_ps (mean));
  return _mm256_castps_si256 (_mm256_mul_ps (real, _mm256_castsi256_ps (scale)));
}

/* Of a stream of three values a pixel, vector k: the pixels it is of … */
static inline V v_stream_pixels (int k)
{
  const V pixels[3] = {
    _mm256_setr_epi32 (0, 0, 0, 1, 1, 1, 2, 2),
    _mm256_setr_epi32 (2, 3, 3, 3, 4, 4, 4, 5),
    _mm256_setr_epi32 (5, 5, 6, 6, 6, 7, 7, 7),
  };
  return pixels[k];
}

/* … and their channels. */
static inline V v_stream_channels (int k)
{
  const V channels[3] = {
    _mm256_setr_epi32 (0, 1, 2, 0, 1, 2, 0, 1),
    _mm256_setr_epi32 (2, 0, 1, 2, 0, 1, 2, 0),
    _mm256_setr_epi32 (1, 2, 0, 1, 2, 0, 1, 2),
  };
  return channels[k];
}

/* Vector k of the stream, from pixels of three bytes a dword. */
static inline V v_spread (V pixels, int k)
{
  const V unused = _mm256_setr_epi32 ((int) 0x80808000, (int) 0x80808004, (int) 0x80808008,
      (int) 0x8080800c, (int) 0x80808000, (int) 0x80808004, (int) 0x80808008, (int) 0x8080800c);
  V found = _mm256_permutevar8x32_epi32 (pixels, v_stream_pixels (k));
  return _mm256_shuffle_epi8 (found, _mm256_add_epi32 (unused, v_stream_channels (k)));
}

static inline V v_set_triple (const float values[3], int k)
{
  const __m256 all = _mm256_setr_ps (values[0], values[1], values[2], 0, 0, 0, 0, 0);
  return _mm256_castps_si256 (_mm256_permutevar8x32_ps (all, v_stream_channels (k)));
}

static inline void v_emit_part (void *dst, V value, size_t n_bytes)
{
  char whole[sizeof value];
  memcpy (whole, &value, sizeof value);
  memcpy (dst, whole, n_bytes);
}

/* Writes the low bytes of n dwords. */
static inline void v_emit (void *dst, WeirStoreType type, V value, size_t n)
{
  const size_t bytes[] = { [WEIR_STORE_U8] = 1, [WEIR_STORE_F32] = 4, [WEIR_STORE_BF16] = 2 };
  if (type != WEIR_STORE_F32)
    value = _mm256_permute4x64_epi64 (_mm256_packus_epi32 (value, value), 0x08);
  if (type == WEIR_STORE_U8)
    value = _mm256_packus_epi16 (value, value);
  if (n == LANES)
    memcpy (dst, &value, LANES * bytes[type]);
  else
    v_emit_part (dst, value, n * bytes[type]);
}

/* Writes the first n of the lower three bytes of all dwords. */
static inline void v_emit_triples (void *dst, V pixels, size_t n)
{
  const V close = _mm256_setr_epi8 (0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2,
      4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  V packed = _mm256_permutevar8x32_epi32 (
      _mm256_shuffle_epi8 (pixels, close), _mm256_setr_epi32 (0, 1, 2, 4, 5, 6, 3, 7));
  if (n == 3 * LANES)
    memcpy (dst, &packed, 3 * LANES);
  else
    v_emit_part (dst, packed, n);
}

#include "kernels/cpu/pixel_simd.h"

const WeirPixelKernels weir_pixel_kernels_avx2 = PIXEL_KERNELS ("avx2", WEIR_ISA_AVX2, false);
