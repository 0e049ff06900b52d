/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels over vectors: the body of pixel_avx2.c and pixel_avx512.c, which define the
 * vector type V of LANES dwords and the v_ functions before they include this.
 *
 * One dword is one pixel of the result. Windows of four bytes are gathered and shuffled so that the
 * two taps stand in its 16-bit halves; conversion happens there, and one multiply-add of halves
 * with the weights interpolates. Nothing goes through memory between the picture and the
 * interpolated row. */
#pragma once

#include "kernels/cpu/pixel_scalar.h"

/* 85 · 239 + k stays below 2^15 or saturates, and everything from 73 · 256 on is clamped anyway. */
#define DIVISOR WEIR_COLOR_DIVISOR_8
/* n / 73 = n · 28729 >> 21 for n < 73 · 256: 28729 exceeds 2^21 / 73 by 0.89, which adds less than
 * 0.008, and 1/73 is more. */
#define RECIPROCAL 28729
/* n / 125 = n · 33555 >> 22 for n <= 31937: 33555 exceeds 2^22 / 125 by 0.57, which adds less than
 * 0.0044, and 1/125 is more. */
#define RECIPROCAL_125 33555

typedef struct Code {
  V luma_offset, luma_scale;
  V hi[3], lo[3];
  V bias[3];
} Code;

static inline int32_t pair_16 (int32_t low, int32_t high)
{
  return (int32_t) ((uint32_t) low & 0xffffu) | (int32_t) ((uint32_t) high << 16);
}

static inline Code load_code (const WeirColorCode *code)
{
  Code c = {
    .luma_offset = v_set16 ((int16_t) code->luma_offset),
    .luma_scale = v_set16 ((int16_t) code->luma_scale),
  };
  for (int i = 0; i < 3; i++) {
    int shift = 15 + (i == 1 ? WEIR_COLOR_SHIFT_G : WEIR_COLOR_SHIFT_RB);
    c.hi[i] = v_set32 (pair_16 (code->hi[i][0], code->hi[i][1]));
    c.lo[i] = v_set32 (pair_16 (code->lo[i][0], code->lo[i][1]));
    c.bias[i] = v_set32 ((DIVISOR << (shift - 1)) + WEIR_COLOR_BIAS);
  }
  return c;
}

/* k of WeirColorCode, from a pair of centred Cb and Cr. */
static inline V chroma_part (const Code *code, int channel, V pair)
{
  V lo = v_srai32 (v_add32 (v_madd16 (pair, code->lo[channel]), code->bias[channel]), 15);
  V sum = v_add32 (v_madd16 (pair, code->hi[channel]), lo);
  return channel == 1 ? v_srai32 (sum, WEIR_COLOR_SHIFT_G) : v_srai32 (sum, WEIR_COLOR_SHIFT_RB);
}

static inline V divide_clamped (V value)
{
  V clamped = v_min16 (v_max16 (value, v_set16 (0)), v_set16 (DIVISOR * 256 - 1));
  return v_srli16 (v_mulhi_u16 (clamped, v_set16 (RECIPROCAL)), 5);
}

/* luma: both taps in 16-bit halves; chroma0, chroma1: Cb and Cr of the first and of the second tap.
 */
static inline void convert_pair (const Code *code, V luma, V chroma0, V chroma1, V rgb[3])
{
  V centre = v_set16 (128);
  V scaled = v_mullo16 (v_sub16 (luma, code->luma_offset), code->luma_scale);
  chroma0 = v_sub16 (chroma0, centre);
  chroma1 = v_sub16 (chroma1, centre);
  for (int c = 0; c < 3; c++) {
    V first = chroma_part (code, c, chroma0);
    V second = chroma_part (code, c, chroma1);
    rgb[c] = divide_clamped (v_adds16 (scaled, v_halves (first, v_slli32 (second, 16))));
  }
}

/* (299 R + 587 G + 114 B + 500) / 1000, through / 8 and / 125 to stay in 16 bits. */
static inline V mix_pair (const V rgb[3])
{
  const V low = v_set32 (0xffff), rounding = v_set32 (500);
  const V red_green = v_set32 (pair_16 (299, 587)), blue = v_set32 (114);
  V first = v_madd16 (v_halves (rgb[0], v_slli32 (rgb[1], 16)), red_green);
  V second = v_madd16 (v_halves (v_srli32 (rgb[0], 16), rgb[1]), red_green);
  first = v_add32 (v_add32 (first, v_madd16 (v_and (rgb[2], low), blue)), rounding);
  second = v_add32 (v_add32 (second, v_madd16 (v_srli32 (rgb[2], 16), blue)), rounding);
  V eighths = v_halves (v_srli32 (first, 3), v_slli32 (v_srli32 (second, 3), 16));
  return v_srli16 (v_mulhi_u16 (eighths, v_set16 ((int16_t) RECIPROCAL_125)), 6);
}

static inline V interpolate_pair (const WeirPixelRow *row, size_t i, V pair)
{
  const int shift = WEIR_TAP_BITS - WEIR_ROW_BITS;
  V sum = v_madd16 (pair, v_load (row->weights + 2 * i));
  return v_srai32 (sum, shift);
}

static inline void finish_pairs (
    const WeirPixelRow *row, size_t i, const V rgb[3], int32_t *const dst[3])
{
  if (row->n_channels == 1) {
    v_store (dst[0] + i, interpolate_pair (row, i, mix_pair (rgb)));
    return;
  }
  for (int c = 0; c < 3; c++)
    v_store (dst[c] + i, interpolate_pair (row, i, rgb[c]));
}

static inline V window_at (const WeirPixelRow *row, int table, size_t i, const uint8_t *src)
{
  return v_gather (src, v_load (row->offsets[table] + i));
}

static inline V pick (const WeirPixelRow *row, int table, size_t i, V window)
{
  return v_shuffle (window, v_load (row->selects[table] + i));
}

static void row_planar (const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  Code code = load_code (row->code);
  for (size_t i = 0; i < row->n_px; i += LANES) {
    V rgb[3];
    V luma = pick (row, 0, i, window_at (row, 0, i, src[0]));
    V u = window_at (row, 1, i, src[1]), v = window_at (row, 1, i, src[2]);
    V first = v_or (pick (row, 1, i, u), v_slli32 (pick (row, 1, i, v), 16));
    V second = v_or (pick (row, 2, i, u), v_slli32 (pick (row, 2, i, v), 16));
    convert_pair (&code, luma, first, second, rgb);
    finish_pairs (row, i, rgb, dst);
  }
}

static void row_semiplanar (
    const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  Code code = load_code (row->code);
  for (size_t i = 0; i < row->n_px; i += LANES) {
    V rgb[3];
    V luma = pick (row, 0, i, window_at (row, 0, i, src[0]));
    V uv = window_at (row, 1, i, src[1]);
    convert_pair (&code, luma, pick (row, 1, i, uv), pick (row, 2, i, uv), rgb);
    finish_pairs (row, i, rgb, dst);
  }
}

static void row_semiplanar10 (
    const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  make_row (row, src, dst, fetch_semiplanar10, convert_10);
}

/* The same shuffle for all dwords: bytes low and high of each to its halves; -1: zero. */
static inline V broadcast_select (int low, int high)
{
  uint32_t dword = 0x80008000u | (uint32_t) (high & 0xff) << 16 | (uint32_t) (low & 0xff);
  return v_or (v_set32 ((int32_t) dword), v_lane_bytes (low >= 0, high >= 0));
}

static void row_packed_yuv (
    const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  Code code = load_code (row->code);
  const uint8_t *positions = row->format->positions;
  V chroma = broadcast_select (positions[2], positions[3]);
  for (size_t i = 0; i < row->n_px; i += LANES) {
    V rgb[3];
    V first = window_at (row, 1, i, src[0]), second = window_at (row, 2, i, src[0]);
    V luma = v_or (pick (row, 1, i, first), pick (row, 2, i, second));
    convert_pair (&code, luma, v_shuffle (first, chroma), v_shuffle (second, chroma), rgb);
    finish_pairs (row, i, rgb, dst);
  }
}

static void row_gray (const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  Code code = load_code (row->code);
  V half = v_set16 (DIVISOR / 2);
  for (size_t i = 0; i < row->n_px; i += LANES) {
    V luma = pick (row, 0, i, window_at (row, 0, i, src[0]));
    V scaled = v_mullo16 (v_sub16 (luma, code.luma_offset), code.luma_scale);
    V value = interpolate_pair (row, i, divide_clamped (v_adds16 (scaled, half)));
    for (uint32_t c = 0; c < row->n_channels; c++)
      v_store (dst[c] + i, value);
  }
}

static void row_rgb (const WeirPixelRow *row, const uint8_t *const src[3], int32_t *const dst[3])
{
  V selects[3][2];
  for (int c = 0; c < 3; c++) {
    int byte = row->format->positions[c];
    selects[c][0] = broadcast_select (byte, -1);
    selects[c][1] = broadcast_select (-1, row->format->pixel_bytes == 3 ? byte + 1 : byte);
  }
  for (size_t i = 0; i < row->n_px; i += LANES) {
    V rgb[3];
    V first = window_at (row, 1, i, src[0]), second = window_at (row, 2, i, src[0]);
    for (int c = 0; c < 3; c++)
      rgb[c] = v_or (v_shuffle (first, selects[c][0]), v_shuffle (second, selects[c][1]));
    finish_pairs (row, i, rgb, dst);
  }
}

static inline V blend_rows (const WeirPixelStore *store, uint32_t c, size_t i)
{
  _Static_assert(WEIR_TAP_BITS + WEIR_ROW_BITS - WEIR_SUM_BITS == 16, "a high half is the cut");
  V pairs = v_or (v_load (store->top[c] + i), v_slli32 (v_load (store->bottom[c] + i), 16));
  V parts = v_mulhi_u16 (pairs, v_set32 (pair_16 (store->weights[0], store->weights[1])));
  V sum = v_add32 (v_madd16 (parts, v_set16 (1)), v_set32 (1 << (WEIR_SUM_BITS - 1)));
  return v_srai32 (sum, WEIR_SUM_BITS);
}

/* The value's bits in its type, in the low part of each dword. */
static inline V encode (const WeirPixelStore *store, WeirStoreType type, uint32_t c, V value)
{
  if (type == WEIR_STORE_U8)
    return value;
  V bits = v_normalise (value, store->mean[c], store->scale[c]);
  if (type == WEIR_STORE_F32)
    return bits;
  V odd = v_and (v_srli32 (bits, 16), v_set32 (1));
  return v_srli32 (v_add32 (v_add32 (bits, v_set32 (0x7fff)), odd), 16);
}

static inline void store_planar (const WeirPixelStore *store, WeirStoreType type, size_t bytes)
{
  for (uint32_t c = 0; c < store->n_channels; c++)
    for (size_t i = 0; i < store->n_px; i += LANES) {
      size_t n = store->n_px - i < LANES ? store->n_px - i : LANES;
      v_emit ((char *) store->dst[c] + i * bytes, type,
          encode (store, type, c, blend_rows (store, c, i)), n);
    }
}

static inline void store_interleaved (const WeirPixelStore *store, WeirStoreType type, size_t bytes)
{
  for (size_t i = 0; i < store->n_px; i += LANES) {
    V channels[3], mixed[3];
    for (uint32_t c = 0; c < 3; c++)
      channels[c] = encode (store, type, c, blend_rows (store, c, i));
    v_interleave (channels, mixed);
    char *dst = (char *) store->dst[0] + 3 * i * bytes;
    size_t left = 3 * (store->n_px - i);
    for (size_t k = 0; k < 3 && k * LANES < left; k++) {
      size_t n = left - k * LANES < LANES ? left - k * LANES : LANES;
      v_emit (dst + k * LANES * bytes, type, mixed[k], n);
    }
  }
}

#define MAKE_STORES(name, type, bytes)                                 \
  static void store_##name##_planar (const WeirPixelStore *store)      \
  {                                                                    \
    store_planar (store, type, bytes);                                 \
  }                                                                    \
  static void store_##name##_interleaved (const WeirPixelStore *store) \
  {                                                                    \
    store_interleaved (store, type, bytes);                            \
  }

MAKE_STORES (u8, WEIR_STORE_U8, 1)
MAKE_STORES (f32, WEIR_STORE_F32, 4)
MAKE_STORES (bf16, WEIR_STORE_BF16, 2)

#define PIXEL_KERNELS(label, needs) \
  {                                 \
    .name = label, \
    .isa = needs, \
    .rows = { \
      [WEIR_SAMPLES_PLANAR] = row_planar, \
      [WEIR_SAMPLES_SEMIPLANAR] = row_semiplanar, \
      [WEIR_SAMPLES_SEMIPLANAR10] = row_semiplanar10, \
      [WEIR_SAMPLES_PACKED_YUV] = row_packed_yuv, \
      [WEIR_SAMPLES_GRAY] = row_gray, \
      [WEIR_SAMPLES_RGB] = row_rgb, \
    }, \
    .stores = { \
      [WEIR_STORE_U8] = { store_u8_planar, store_u8_interleaved }, \
      [WEIR_STORE_F32] = { store_f32_planar, store_f32_interleaved }, \
      [WEIR_STORE_BF16] = { store_bf16_planar, store_bf16_interleaved }, \
    },                \
  }
