/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels over vectors: the body of pixel_avx2.c, pixel_avx512.c and pixel_avx512vbmi.c,
 * which define the vector type V of LANES dwords and the v_ functions before they include this.
 *
 * While pixels are converted, one dword is one pixel of the result and its 16-bit halves are the
 * two taps. Values of two vectors are packed to bytes, which also clamps them, and sums of products
 * of bytes interpolate: rows have 16 bits a value, in the order that packing leaves (pixel.h).
 * Nothing goes through memory between the picture and the interpolated row. */
#pragma once

#include "kernels/cpu/pixel_scalar.h"

/* n / 73 = n · 28729 >> 21, as divide_lifted; the floor of negative n stays negative, and what is
 * above 255 stays above it, as 85 · 239 + k stays below 2^15 or saturates. */
#define RECIPROCAL 28729
/* n / 125 = n · 33555 >> 22 for n <= 31937: 33555 exceeds 2^22 / 125 by 0.57, which adds less than
 * 0.0044, and 1/125 is more. */
#define RECIPROCAL_125 33555

typedef struct Gain {
  V whole, fraction, centre;
} Gain;

typedef struct Code {
  V luma_scale, luma_bias;
  Gain red, blue;
  V hi, lo, bias; /* of green */
} Code;

static inline int32_t pair_16 (int32_t low, int32_t high)
{
  return (int32_t) ((uint32_t) low & 0xffffu) | (int32_t) ((uint32_t) high << 16);
}

static inline Gain load_gain (const WeirColorGain *gain)
{
  return (Gain){ v_set16 (gain->whole), v_set16 (gain->fraction), v_set16 (gain->centre) };
}

static inline Code load_code (const WeirColorCode *code)
{
  return (Code){
    .luma_scale = v_set16 ((int16_t) code->luma_scale),
    .luma_bias = v_set16 (code->luma_bias),
    .red = load_gain (&code->gain_red),
    .blue = load_gain (&code->gain_blue),
    .hi = v_set32 (pair_16 (code->green_hi[0], code->green_hi[1])),
    .lo = v_set32 (pair_16 (code->green_lo[0], code->green_lo[1])),
    .bias = v_set32 ((1 << (14 + WEIR_COLOR_SHIFT)) + WEIR_COLOR_BIAS),
  };
}

static inline V apply_gain (const Gain *gain, V samples)
{
  V centred = v_sub16 (samples, gain->centre);
  return v_add16 (v_mullo16 (centred, gain->whole), v_mulhrs16 (centred, gain->fraction));
}

/* Of pairs of centred Cb and Cr. */
static inline V apply_green (const Code *code, V pairs)
{
  V lo = v_srai32 (v_madd_add (code->bias, pairs, code->lo), 15);
  return v_srai32 (v_madd_add (lo, pairs, code->hi), WEIR_COLOR_SHIFT);
}

/* u, v: of both taps. k: without floor (divisor/2). */
static inline void convert_chroma (const Code *code, V u, V v, V k[3])
{
  V centre = v_set16 (128), u_centred = v_sub16 (u, centre), v_centred = v_sub16 (v, centre);
  k[0] = apply_gain (&code->red, v);
  k[1] = v_packs32 (apply_green (code, v_unpack_lo16 (u_centred, v_centred)),
      apply_green (code, v_unpack_hi16 (u_centred, v_centred)));
  k[2] = apply_gain (&code->blue, u);
}

/* Not clamped. */
static inline V divide (V value)
{
  return v_srai16 (v_mulhi16 (value, v_set16 (RECIPROCAL)), 5);
}

static inline V scale_words (const Code *code, V luma)
{
  return v_add16 (v_mullo16 (luma, code->luma_scale), code->luma_bias);
}

/* Green's sums are of 16 bits: its k is below 2^15 - 85 · 239 - 36 at both matrices. */
static inline void convert_pixels (const Code *code, V luma, const V k[3], V rgb[3])
{
  V scaled = scale_words (code, luma);
  rgb[0] = divide (v_adds16 (scaled, k[0]));
  rgb[1] = divide (v_add16 (scaled, k[1]));
  rgb[2] = divide (v_adds16 (scaled, k[2]));
}

/* (299 R + 587 G + 114 B + 500) / 1000, through / 8 and / 125 to stay in 16 bits. */
static inline V mix_words (const V rgb[3])
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

static inline V clamp_words (V words)
{
  return v_min16 (v_max16 (words, v_set16 (0)), v_set16 (255));
}

/* Words of the pixels from i, and of LANES more, to interpolated ones. */
static inline V interpolate_words (const WeirPixelRow *row, size_t i, V first, V second)
{
  V bytes = v_packus16 (first, second);
  V upper = v_maddubs (bytes, v_load (row->parts[0] + 2 * i));
  V lower = v_maddubs (bytes, v_load (row->parts[1] + 2 * i));
  return v_add16 (upper, v_srli16 (lower, WEIR_TAP_BITS - WEIR_ROW_BITS));
}

static inline void finish_words (
    const WeirPixelRow *row, size_t i, V rgb[2][3], uint16_t *const dst[3])
{
  if (row->n_channels == 1) {
    V mixed[2];
    for (int half = 0; half < 2; half++) {
      for (int c = 0; c < 3; c++)
        rgb[half][c] = clamp_words (rgb[half][c]);
      mixed[half] = mix_words (rgb[half]);
    }
    v_store (dst[0] + i, interpolate_words (row, i, mixed[0], mixed[1]));
    return;
  }
  for (int c = 0; c < 3; c++)
    v_store (dst[c] + i, interpolate_words (row, i, rgb[0][c], rgb[1][c]));
}

static inline V window_at (const WeirPixelRow *row, int table, size_t i, const uint8_t *src)
{
  return v_gather (src, v_load (row->offsets[table] + i));
}

static inline V pick (const WeirPixelRow *row, int table, size_t i, V window)
{
  return v_shuffle (window, v_load (row->selects[table] + 4 * i));
}

/* Brings near what the pixels from i on, 2 · LANES of them, are made of in later rows: pictures are
 * larger than caches, and rows too short for the CPU to see where it will go on. Four cache lines
 * are all that frames of eight times the width have there, and most of what larger ones have. */
static inline void fetch_ahead (
    const WeirPixelRow *row, const uint8_t *const ahead[3], size_t i, bool is_planar)
{
  const size_t cache_line = 64, x = (size_t) row->x[i];
  if (!ahead[0])
    return;
  for (size_t k = 0; k < 4; k++)
    __builtin_prefetch (ahead[0] + x + k * cache_line);
  for (int p = 1; p < (is_planar ? 3 : 2); p++)
    for (size_t k = 0; k < (is_planar ? 2 : 4); k++)
      __builtin_prefetch (ahead[p] + (is_planar ? x / 2 : x) + k * cache_line);
}

/* The samples of the pixels from i. n_windows: as row->n_windows, known where this is compiled. */
static inline V fetch_words (
    const WeirPixelRow *row, int table, size_t i, const uint8_t *src, uint32_t n_windows)
{
  if (n_windows)
    return v_pick_windows (row, table, i, src, n_windows, V_WORDS);
  return pick (row, table, i, window_at (row, table, i, src));
}

static inline V fetch_bytes (
    const WeirPixelRow *row, int table, size_t i, const uint8_t *src, uint32_t n_windows)
{
  if (n_windows)
    return v_pick_windows (row, table, i, src, n_windows, V_BYTES);
  return pick (row, table, i, window_at (row, table, i, src));
}

/* Cb and Cr of both taps. */
static inline void fetch_pairs (const WeirPixelRow *row, const uint8_t *const src[3], size_t i,
    uint32_t n_windows, bool is_planar, V uv[2])
{
  if (is_planar) {
    uv[0] = fetch_words (row, 1, i, src[1], n_windows);
    uv[1] = fetch_words (row, 1, i, src[2], n_windows);
  } else {
    V pairs = fetch_bytes (row, 1, i, src[1], n_windows);
    uv[0] = v_and (pairs, v_set16 (255));
    uv[1] = v_high_bytes (pairs);
  }
}

static inline void convert_luma (const WeirPixelRow *row, const Code *code, size_t i,
    const uint8_t *src, V k[2][3], uint16_t *const dst[3], uint32_t n_windows)
{
  V rgb[2][3];
  for (size_t half = 0; half < 2; half++)
    convert_pixels (
        code, fetch_words (row, 0, i + half * LANES, src, n_windows), k[half], rgb[half]);
  finish_words (row, i, rgb, dst);
}

/* Kinds with planes of chroma, of which two rows of Y can share one. */
static inline void make_planes (
    const WeirPixelRow *row, const WeirPixelLine *line, uint32_t n_windows, bool is_planar)
{
  Code code = load_code (row->code);
  for (size_t i = 0; i < row->n_px; i += 2 * LANES) {
    V k[2][3];
    fetch_ahead (row, line->ahead[0], i, is_planar);
    fetch_ahead (row, line->ahead[1], i, is_planar);
    for (size_t half = 0; half < 2; half++) {
      V uv[2];
      fetch_pairs (row, line->src, i + half * LANES, n_windows, is_planar, uv);
      convert_chroma (&code, uv[0], uv[1], k[half]);
    }
    convert_luma (row, &code, i, line->src[0], k, line->dst, n_windows);
    if (line->next)
      convert_luma (row, &code, i, line->next, k, line->next_dst, n_windows);
  }
}

static inline void make_gray (
    const WeirPixelRow *row, const WeirPixelLine *line, uint32_t n_windows)
{
  Code code = load_code (row->code);
  for (size_t i = 0; i < row->n_px; i += 2 * LANES) {
    V values[2];
    for (size_t half = 0; half < 2; half++) {
      V luma = fetch_words (row, 0, i + half * LANES, line->src[0], n_windows);
      values[half] = divide (scale_words (&code, luma));
    }
    V done = interpolate_words (row, i, values[0], values[1]);
    for (uint32_t c = 0; c < row->n_channels; c++)
      v_store (line->dst[c] + i, done);
  }
}

static inline void make_planar (
    const WeirPixelRow *row, const WeirPixelLine *line, uint32_t n_windows)
{
  make_planes (row, line, n_windows, true);
}

static inline void make_semiplanar (
    const WeirPixelRow *row, const WeirPixelLine *line, uint32_t n_windows)
{
  make_planes (row, line, n_windows, false);
}

static void row_planar (const WeirPixelRow *row, const WeirPixelLine *line)
{
  V_WITH_WINDOWS (make_planar, row, line);
}

static void row_semiplanar (const WeirPixelRow *row, const WeirPixelLine *line)
{
  V_WITH_WINDOWS (make_semiplanar, row, line);
}

static void row_gray (const WeirPixelRow *row, const WeirPixelLine *line)
{
  V_WITH_WINDOWS (make_gray, row, line);
}

static void row_semiplanar10 (const WeirPixelRow *row, const WeirPixelLine *line)
{
  make_row (row, line, fetch_semiplanar10);
}

/* The same shuffle for all dwords: bytes low and high of each to its halves; -1: zero. */
static inline V broadcast_select (int low, int high)
{
  uint32_t dword = 0x80008000u | (uint32_t) (high & 0xff) << 16 | (uint32_t) (low & 0xff);
  return v_or (v_set32 ((int32_t) dword), v_lane_bytes (low >= 0, high >= 0));
}

/* A pair of pixels in each of two windows, of which both have Cb and Cr. */
static void row_packed_yuv (const WeirPixelRow *row, const WeirPixelLine *line)
{
  Code code = load_code (row->code);
  const uint8_t *positions = row->format->positions;
  const V u_first = broadcast_select (positions[2], -1),
          u_second = broadcast_select (-1, positions[2]);
  const V v_first = broadcast_select (positions[3], -1),
          v_second = broadcast_select (-1, positions[3]);
  for (size_t i = 0; i < row->n_px; i += 2 * LANES) {
    V rgb[2][3];
    for (size_t half = 0; half < 2; half++) {
      V k[3];
      size_t at = i + half * LANES;
      V first = window_at (row, 0, at, line->src[0]), second = window_at (row, 1, at, line->src[0]);
      V u = v_or (v_shuffle (first, u_first), v_shuffle (second, u_second));
      V v = v_or (v_shuffle (first, v_first), v_shuffle (second, v_second));
      convert_chroma (&code, u, v, k);
      convert_pixels (
          &code, v_or (pick (row, 0, at, first), pick (row, 1, at, second)), k, rgb[half]);
    }
    finish_words (row, i, rgb, line->dst);
  }
}

static void row_rgb (const WeirPixelRow *row, const WeirPixelLine *line)
{
  V selects[3][2];
  for (int c = 0; c < 3; c++) {
    int byte = row->format->positions[c];
    selects[c][0] = broadcast_select (byte, -1);
    selects[c][1] = broadcast_select (-1, row->format->pixel_bytes == 3 ? byte + 1 : byte);
  }
  for (size_t i = 0; i < row->n_px; i += 2 * LANES) {
    V rgb[2][3];
    for (size_t half = 0; half < 2; half++) {
      size_t at = i + half * LANES;
      V first = window_at (row, 0, at, line->src[0]), second = window_at (row, 1, at, line->src[0]);
      for (int c = 0; c < 3; c++)
        rgb[half][c] = v_or (v_shuffle (first, selects[c][0]), v_shuffle (second, selects[c][1]));
    }
    finish_words (row, i, rgb, line->dst);
  }
}

/* In the rows' order: unpacking two such vectors, or one and zeros, makes dwords of LANES pixels
 * in their own order, and of the LANES behind. */
static inline V blend_sum (const WeirPixelStore *store, uint32_t c, size_t i)
{
  V top = v_mulhi_u16 (v_load (store->top[c] + i), v_set16 (store->weights[0]));
  V bottom = v_mulhi_u16 (v_load (store->bottom[c] + i), v_set16 (store->weights[1]));
  return v_add16 (v_add16 (top, bottom), v_set16 (1 << (WEIR_SUM_BITS - 1)));
}

static inline V blend_rows (const WeirPixelStore *store, uint32_t c, size_t i)
{
  return v_srli16 (blend_sum (store, c, i), WEIR_SUM_BITS);
}

/* The value's bits in its type, in the low part of each dword. */
static inline V encode (WeirStoreType type, V value, V mean, V scale)
{
  if (type == WEIR_STORE_U8)
    return value;
  V bits = v_normalise (value, mean, scale);
  if (type == WEIR_STORE_F32)
    return bits;
  V odd = v_and (v_srli32 (bits, 16), v_set32 (1));
  return v_srli32 (v_add32 (v_add32 (bits, v_set32 (0x7fff)), odd), 16);
}

static inline void store_planar (const WeirPixelStore *store, WeirStoreType type, size_t bytes)
{
  for (uint32_t c = 0; c < store->n_channels; c++) {
    V mean = v_set_real (store->mean[c]), scale = v_set_real (store->scale[c]);
    for (size_t i = 0; i < store->n_px; i += 2 * LANES) {
      V words = blend_rows (store, c, i), zero = v_set16 (0);
      V dwords[2] = { v_unpack_lo16 (words, zero), v_unpack_hi16 (words, zero) };
      for (size_t half = 0; half < 2 && i + half * LANES < store->n_px; half++) {
        size_t at = i + half * LANES, n = store->n_px - at < LANES ? store->n_px - at : LANES;
        v_emit (
            (char *) store->dst[c] + at * bytes, type, encode (type, dwords[half], mean, scale), n);
      }
    }
  }
}

/* LANES pixels, each of three bytes in a dword, to 3 · LANES values of which `left` are wanted. */
static inline void emit_pixels (char *dst, WeirStoreType type, size_t bytes, V pixels,
    const V mean[3], const V scale[3], size_t left)
{
  if (type == WEIR_STORE_U8) {
    v_emit_triples (dst, pixels, left < 3 * LANES ? left : 3 * LANES);
    return;
  }
  for (size_t k = 0; k < 3 && k * LANES < left; k++) {
    size_t n = left - k * LANES < LANES ? left - k * LANES : LANES;
    v_emit (dst + k * LANES * bytes, type,
        encode (type, v_spread (pixels, (int) k), mean[k], scale[k]), n);
  }
}

/* The pixels from i, 2 · LANES of them or those left. A page ahead the lines to be written are
 * asked for: tensors are as large as caches. */
static inline void store_pixels (const WeirPixelStore *store, WeirStoreType type, size_t bytes,
    size_t i, const V mean[3], const V scale[3], size_t left)
{
  const size_t cache_line = 64, page = 4096;
  char *dst = (char *) store->dst[0] + 3 * i * bytes;
  for (size_t k = 0; left == 6 * LANES && k < left * bytes; k += cache_line)
    __builtin_prefetch (dst + page + k, 1);
  V second = v_slli16 (blend_sum (store, 1, i), 8 - WEIR_SUM_BITS);
  V pair = v_low_bytes (blend_rows (store, 0, i), second), third = blend_rows (store, 2, i);
  emit_pixels (dst, type, bytes, v_unpack_lo16 (pair, third), mean, scale, left);
  if (left > 3 * LANES)
    emit_pixels (dst + 3 * LANES * bytes, type, bytes, v_unpack_hi16 (pair, third), mean, scale,
        left - 3 * LANES);
}

static inline void store_interleaved (const WeirPixelStore *store, WeirStoreType type, size_t bytes)
{
  V mean[3], scale[3];
  for (int k = 0; k < 3; k++) {
    mean[k] = v_set_triple (store->mean, k);
    scale[k] = v_set_triple (store->scale, k);
  }
  size_t i = 0;
  for (; i + 2 * LANES <= store->n_px; i += 2 * LANES)
    store_pixels (store, type, bytes, i, mean, scale, 6 * LANES);
  if (i < store->n_px)
    store_pixels (store, type, bytes, i, mean, scale, 3 * (store->n_px - i));
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

#define PIXEL_KERNELS(label, needs, windows) \
  {                                          \
    .name = label, \
    .isa = needs, \
    .lanes = LANES, \
    .has_windows = windows, \
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
    },                         \
  }
