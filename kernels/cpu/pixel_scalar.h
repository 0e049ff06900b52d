/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels in plain C, for any instruction set: pixel_c.c is this, and the other variants
 * take from here what they do not write themselves. Short runs of samples are fetched, converted
 * and interpolated one step after the other, so that compilers can vectorise the last two. */
#pragma once

#include "kernels/pixel.h"

#include <string.h>

#define RUN_PX 32

typedef struct Samples {
  uint16_t channel[3][2 * RUN_PX]; /* both taps of each pixel */
} Samples;

typedef void (*Fetch) (const WeirPixelRow *row, const uint8_t *const src[3], size_t first,
    size_t n_px, Samples *samples);

typedef void (*Convert) (const WeirColorCode *code, size_t n, Samples *samples);

static inline size_t tap_x (const WeirPixelRow *row, size_t first, size_t i)
{
  return (size_t) row->x[first + i / 2] + (i % 2) * row->step;
}

static inline void fetch_planar (const WeirPixelRow *row, const uint8_t *const src[3], size_t first,
    size_t n_px, Samples *samples)
{
  for (size_t i = 0; i < 2 * n_px; i++) {
    size_t x = tap_x (row, first, i);
    samples->channel[0][i] = src[0][x];
    samples->channel[1][i] = src[1][x / 2];
    samples->channel[2][i] = src[2][x / 2];
  }
}

static inline void fetch_semiplanar (const WeirPixelRow *row, const uint8_t *const src[3],
    size_t first, size_t n_px, Samples *samples)
{
  for (size_t i = 0; i < 2 * n_px; i++) {
    size_t x = tap_x (row, first, i);
    samples->channel[0][i] = src[0][x];
    samples->channel[1][i] = src[1][x / 2 * 2];
    samples->channel[2][i] = src[1][x / 2 * 2 + 1];
  }
}

static inline uint16_t read_10 (const uint8_t *bytes)
{
  return (uint16_t) ((bytes[0] | bytes[1] << 8) >> 6);
}

static inline void fetch_semiplanar10 (const WeirPixelRow *row, const uint8_t *const src[3],
    size_t first, size_t n_px, Samples *samples)
{
  for (size_t i = 0; i < 2 * n_px; i++) {
    size_t x = tap_x (row, first, i);
    samples->channel[0][i] = read_10 (src[0] + 2 * x);
    samples->channel[1][i] = read_10 (src[1] + x / 2 * 4);
    samples->channel[2][i] = read_10 (src[1] + x / 2 * 4 + 2);
  }
}

static inline void fetch_packed_yuv (const WeirPixelRow *row, const uint8_t *const src[3],
    size_t first, size_t n_px, Samples *samples)
{
  const uint8_t *positions = row->format->positions;
  for (size_t i = 0; i < 2 * n_px; i++) {
    size_t x = tap_x (row, first, i);
    const uint8_t *pair = src[0] + x / 2 * 4;
    samples->channel[0][i] = pair[positions[x % 2]];
    samples->channel[1][i] = pair[positions[2]];
    samples->channel[2][i] = pair[positions[3]];
  }
}

static inline void fetch_gray (const WeirPixelRow *row, const uint8_t *const src[3], size_t first,
    size_t n_px, Samples *samples)
{
  for (size_t i = 0; i < 2 * n_px; i++)
    samples->channel[0][i] = src[0][tap_x (row, first, i)];
}

static inline void fetch_rgb (const WeirPixelRow *row, const uint8_t *const src[3], size_t first,
    size_t n_px, Samples *samples)
{
  const uint8_t *positions = row->format->positions;
  for (size_t i = 0; i < 2 * n_px; i++) {
    const uint8_t *pixel = src[0] + tap_x (row, first, i) * row->format->pixel_bytes;
    for (int c = 0; c < 3; c++)
      samples->channel[c][i] = pixel[positions[c]];
  }
}

/* k of WeirColorCode for 8 bits, within 32. */
static inline int32_t chroma_part_8 (const WeirColorCode *code, int c, int32_t u, int32_t v)
{
  int shift = c == 1 ? WEIR_COLOR_SHIFT_G : WEIR_COLOR_SHIFT_RB;
  int32_t bias = (WEIR_COLOR_DIVISOR_8 << (14 + shift)) + WEIR_COLOR_BIAS;
  int32_t lo = (code->lo[c][0] * u + code->lo[c][1] * v + bias) >> 15;
  return (code->hi[c][0] * u + code->hi[c][1] * v + lo) >> shift;
}

static inline void convert_8 (const WeirColorCode *code, size_t n, Samples *samples)
{
  const int32_t last = WEIR_COLOR_DIVISOR_8 * 256 - 1;
  for (size_t i = 0; i < n; i++) {
    int32_t y = (samples->channel[0][i] - code->luma_offset) * code->luma_scale;
    int32_t u = samples->channel[1][i] - code->chroma_centre;
    int32_t v = samples->channel[2][i] - code->chroma_centre;
    for (int c = 0; c < 3; c++) {
      int32_t value = y + chroma_part_8 (code, c, u, v);
      value = value < 0 ? 0 : value > last ? last : value;
      samples->channel[c][i] = (uint16_t) (value / WEIR_COLOR_DIVISOR_8);
    }
  }
}

/* The same for 10 bits, whose products need 64. As above a small extra keeps sums that are whole
 * numbers from falling short of them. */
static inline void convert_10 (const WeirColorCode *code, size_t n, Samples *samples)
{
  int64_t half = ((int64_t) code->divisor << 39) + (1 << 10);
  int64_t last = 256 * (int64_t) code->divisor - 1;
  int64_t reciprocal =
      ((int64_t) 1 << 32) / code->divisor + 1; /* for values below 2^32 / divisor */
  for (size_t i = 0; i < n; i++) {
    int64_t y = samples->channel[0][i] - code->luma_offset;
    int64_t u = samples->channel[1][i] - code->chroma_centre;
    int64_t v = samples->channel[2][i] - code->chroma_centre;
    for (int c = 0; c < 3; c++) {
      int64_t k = (code->chroma[c][0] * u + code->chroma[c][1] * v + half) >> 40;
      int64_t value = code->luma_scale * y + k;
      value = value < 0 ? 0 : value > last ? last : value;
      samples->channel[c][i] = (uint16_t) ((value * reciprocal) >> 32);
    }
  }
}

static inline void convert_gray (const WeirColorCode *code, size_t n, Samples *samples)
{
  const int32_t last = WEIR_COLOR_DIVISOR_8 * 256 - 1;
  for (size_t i = 0; i < n; i++) {
    int32_t y = (samples->channel[0][i] - code->luma_offset) * code->luma_scale;
    int32_t value = y + WEIR_COLOR_DIVISOR_8 / 2;
    value = value < 0 ? 0 : value > last ? last : value;
    samples->channel[0][i] = (uint16_t) (value / WEIR_COLOR_DIVISOR_8);
  }
  memcpy (samples->channel[1], samples->channel[0], n * sizeof (uint16_t));
  memcpy (samples->channel[2], samples->channel[0], n * sizeof (uint16_t));
}

static inline void convert_nothing (const WeirColorCode *code, size_t n, Samples *samples)
{
}

static inline void mix_gray (size_t n, Samples *samples)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t sum = 299u * samples->channel[0][i] + 587u * samples->channel[1][i] +
                   114u * samples->channel[2][i];
    samples->channel[0][i] = (uint16_t) ((sum + 500) / 1000);
  }
}

static inline void interpolate (
    const int16_t *weights, const uint16_t *samples, size_t n_px, int32_t *dst)
{
  const int shift = WEIR_TAP_BITS - WEIR_ROW_BITS;
  for (size_t i = 0; i < n_px; i++)
    dst[i] = (samples[2 * i] * weights[2 * i] + samples[2 * i + 1] * weights[2 * i + 1]) >> shift;
}

static inline void make_row (const WeirPixelRow *row, const uint8_t *const src[3],
    int32_t *const dst[3], Fetch fetch, Convert convert)
{
  Samples samples;
  for (size_t i = 0; i < row->n_px; i += RUN_PX) {
    size_t n_px = row->n_px - i < RUN_PX ? row->n_px - i : RUN_PX;
    fetch (row, src, i, n_px, &samples);
    convert (row->code, 2 * n_px, &samples);
    if (row->n_channels == 1)
      mix_gray (2 * n_px, &samples);
    for (uint32_t c = 0; c < row->n_channels; c++)
      interpolate (row->weights + 2 * i, samples.channel[c], n_px, dst[c] + i);
  }
}

static inline int32_t blend (const WeirPixelStore *store, uint32_t c, size_t i)
{
  const int shift = WEIR_TAP_BITS + WEIR_ROW_BITS - WEIR_SUM_BITS;
  int32_t top = (store->top[c][i] * store->weights[0]) >> shift;
  int32_t bottom = (store->bottom[c][i] * store->weights[1]) >> shift;
  return (top + bottom + (1 << (WEIR_SUM_BITS - 1))) >> WEIR_SUM_BITS;
}

static inline float normalise (const WeirPixelStore *store, uint32_t c, int32_t value)
{
  return ((float) value - store->mean[c]) * store->scale[c];
}

static inline uint16_t round_bf16 (float value)
{
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  return (uint16_t) ((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
