/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels in plain C, for any instruction set: pixel_c.c is this, and the other variants
 * take from here what they do not write themselves. Runs of pixels are fetched one by one, with the
 * chroma's part of R, G, B looked up in tables on the way; the rest is loops over whole runs of
 * 16-bit values, which compilers vectorise. */
#pragma once

#include "kernels/pixel.h"

#include <string.h>

#define RUN_PX WEIR_ROW_PAD

/* Of one run: of both taps, so that neighbours are of the same tap. */
typedef struct Luma {
  uint16_t tap[2][RUN_PX];
} Luma;

typedef struct Chroma {
  int16_t k[3][2][RUN_PX]; /* of R, G, B, as WeirColorCode.red */
} Chroma;

typedef struct Pixels {
  uint16_t channel[3][2][RUN_PX];
} Pixels;

typedef void (*FetchLuma) (const WeirPixelRow *row, const uint8_t *src, size_t first, Luma *luma);
typedef void (*FetchChroma) (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Chroma *chroma);
typedef void (*FetchPixels) (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Pixels *pixels);

static inline size_t tap_x (const WeirPixelRow *row, size_t first, size_t t, size_t i)
{
  return (size_t) row->x[first + i] + t * row->step;
}

static inline void fetch_luma (
    const WeirPixelRow *row, const uint8_t *src, size_t first, Luma *luma)
{
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++)
      luma->tap[t][i] = src[tap_x (row, first, t, i)];
}

static inline void fetch_luma_packed (
    const WeirPixelRow *row, const uint8_t *src, size_t first, Luma *luma)
{
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      size_t x = tap_x (row, first, t, i);
      luma->tap[t][i] = src[x / 2 * 4 + row->format->positions[x % 2]];
    }
}

static inline void look_up (
    const WeirColorCode *code, uint8_t u, uint8_t v, Chroma *chroma, size_t t, size_t i)
{
  chroma->k[0][t][i] = code->red[v];
  chroma->k[1][t][i] = (int16_t) ((code->green[0][u] + code->green[1][v]) >> 40);
  chroma->k[2][t][i] = code->blue[u];
}

static inline void fetch_planar (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Chroma *chroma)
{
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      size_t x = tap_x (row, first, t, i) / 2;
      look_up (row->code, src[1][x], src[2][x], chroma, t, i);
    }
}

static inline void fetch_semiplanar (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Chroma *chroma)
{
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      size_t x = tap_x (row, first, t, i) / 2 * 2;
      look_up (row->code, src[1][x], src[1][x + 1], chroma, t, i);
    }
}

static inline void fetch_packed_yuv (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Chroma *chroma)
{
  const uint8_t *positions = row->format->positions;
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      const uint8_t *pair = src[0] + tap_x (row, first, t, i) / 2 * 4;
      look_up (row->code, pair[positions[2]], pair[positions[3]], chroma, t, i);
    }
}

static inline void fetch_rgb (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Pixels *pixels)
{
  const uint8_t *positions = row->format->positions;
  for (size_t t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      const uint8_t *pixel = src[0] + tap_x (row, first, t, i) * row->format->pixel_bytes;
      for (int c = 0; c < 3; c++)
        pixels->channel[c][t][i] = pixel[positions[c]];
    }
}

/* Sums with k lie between -21062 and 39915; lifted they are of 16 bits. */
#define LIFT 21504

/* 8 bits: n / 73 = n · 28729 >> 21 for n < 73 · 256: 28729 exceeds 2^21 / 73 by 0.89, which adds
 * less than 0.008, and 1/73 is more. */
static inline uint16_t divide_lifted (uint16_t value)
{
  const uint16_t last = WEIR_COLOR_DIVISOR_8 * 256 - 1;
  value = (uint16_t) (value > LIFT ? value - LIFT : 0);
  value = value < last ? value : last;
  return (uint16_t) ((uint16_t) ((uint32_t) value * 28729u >> 16) >> 5);
}

static inline void scale_luma (const WeirColorCode *code, Luma *luma)
{
  const uint16_t scale = (uint16_t) code->luma_scale, bias = (uint16_t) (code->luma_bias + LIFT);
  for (int t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++)
      luma->tap[t][i] = (uint16_t) ((uint16_t) (luma->tap[t][i] * scale) + bias);
}

static inline void convert_8 (
    const WeirColorCode *code, Luma *luma, const Chroma *chroma, Pixels *pixels)
{
  scale_luma (code, luma);
  for (int c = 0; c < 3; c++)
    for (int t = 0; t < 2; t++)
      for (size_t i = 0; i < RUN_PX; i++)
        pixels->channel[c][t][i] =
            divide_lifted ((uint16_t) (luma->tap[t][i] + (uint16_t) chroma->k[c][t][i]));
}

static inline void fetch_gray (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Pixels *pixels)
{
  Luma luma;
  fetch_luma (row, src[0], first, &luma);
  scale_luma (row->code, &luma);
  for (int t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++)
      pixels->channel[0][t][i] = divide_lifted (luma.tap[t][i]);
  memcpy (pixels->channel[1], pixels->channel[0], sizeof pixels->channel[0]);
  memcpy (pixels->channel[2], pixels->channel[0], sizeof pixels->channel[0]);
}

static inline uint16_t read_10 (const uint8_t *bytes)
{
  return (uint16_t) ((bytes[0] | bytes[1] << 8) >> 6);
}

/* 10 bits, from samples of Y, Cb, Cr in place: products need 64. As with 8 a small extra keeps sums
 * that are whole numbers from falling short of them. */
static inline void convert_10 (
    const WeirColorCode *code, uint16_t *red, uint16_t *green, uint16_t *blue)
{
  const int64_t half = ((int64_t) code->divisor << 39) + (1 << 10);
  const int32_t last = 256 * code->divisor - 1;
  /* for values below 2^32 / divisor */
  const uint32_t reciprocal = (uint32_t) (((int64_t) 1 << 32) / code->divisor + 1);
  uint16_t *const dst[3] = { red, green, blue };
  uint16_t done[3][RUN_PX];
  for (int c = 0; c < 3; c++)
    for (size_t i = 0; i < RUN_PX; i++) {
      int64_t u = green[i] - code->chroma_centre, v = blue[i] - code->chroma_centre;
      int64_t k = (code->chroma[c][0] * u + code->chroma[c][1] * v + half) >> 40;
      int32_t value = code->luma_scale * (red[i] - code->luma_offset) + (int32_t) k;
      value = value < 0 ? 0 : value > last ? last : value;
      done[c][i] = (uint16_t) (((uint64_t) (uint32_t) value * reciprocal) >> 32);
    }
  for (int c = 0; c < 3; c++)
    memcpy (dst[c], done[c], sizeof done[c]);
}

static inline void fetch_semiplanar10 (
    const WeirPixelRow *row, const uint8_t *const src[3], size_t first, Pixels *pixels)
{
  for (size_t t = 0; t < 2; t++) {
    for (size_t i = 0; i < RUN_PX; i++) {
      size_t x = tap_x (row, first, t, i);
      const uint8_t *pair = src[1] + x / 2 * 4;
      pixels->channel[0][t][i] = read_10 (src[0] + 2 * x);
      pixels->channel[1][t][i] = read_10 (pair);
      pixels->channel[2][t][i] = read_10 (pair + 2);
    }
    convert_10 (row->code, pixels->channel[0][t], pixels->channel[1][t], pixels->channel[2][t]);
  }
}

static inline void mix_gray (Pixels *pixels)
{
  for (int t = 0; t < 2; t++)
    for (size_t i = 0; i < RUN_PX; i++) {
      uint32_t sum = 299u * pixels->channel[0][t][i] + 587u * pixels->channel[1][t][i] +
                     114u * pixels->channel[2][t][i];
      pixels->channel[0][t][i] = (uint16_t) ((sum + 500) / 1000);
    }
}

static inline void interpolate (
    const int16_t *const weights[2], uint16_t taps[2][RUN_PX], uint16_t *dst)
{
  const int shift = WEIR_TAP_BITS - WEIR_ROW_BITS;
  for (size_t i = 0; i < RUN_PX; i++)
    dst[i] =
        (uint16_t) (((int16_t) taps[0][i] * weights[0][i] + (int16_t) taps[1][i] * weights[1][i]) >>
                    shift);
}

/* One run to its place in the rows, whose order is the variant's. */
static inline void finish_run (
    const WeirPixelRow *row, size_t first, Pixels *pixels, uint16_t *const dst[3])
{
  const int16_t *const weights[2] = { row->weights[0] + first, row->weights[1] + first };
  if (row->n_channels == 1)
    mix_gray (pixels);
  for (uint32_t c = 0; c < row->n_channels; c++) {
    if (!row->kernels->lanes) {
      interpolate (weights, pixels->channel[c], dst[c] + first);
      continue;
    }
    uint16_t values[RUN_PX];
    interpolate (weights, pixels->channel[c], values);
    for (size_t i = 0; i < RUN_PX; i++)
      dst[c][weir_pixel_row_index (row->kernels, first + i)] = values[i];
  }
}

static inline void make_row (const WeirPixelRow *row, const WeirPixelLine *line, FetchPixels fetch)
{
  for (size_t i = 0; i < row->n_px; i += RUN_PX) {
    Pixels pixels;
    fetch (row, line->src, i, &pixels);
    finish_run (row, i, &pixels, line->dst);
    if (line->next) {
      const uint8_t *const src[3] = { line->next, line->src[1], line->src[2] };
      fetch (row, src, i, &pixels);
      finish_run (row, i, &pixels, line->next_dst);
    }
  }
}

static inline void make_row_8 (
    const WeirPixelRow *row, const WeirPixelLine *line, FetchLuma get_luma, FetchChroma get_chroma)
{
  for (size_t i = 0; i < row->n_px; i += RUN_PX) {
    Luma luma;
    Chroma chroma;
    Pixels pixels;
    get_chroma (row, line->src, i, &chroma);
    get_luma (row, line->src[0], i, &luma);
    convert_8 (row->code, &luma, &chroma, &pixels);
    finish_run (row, i, &pixels, line->dst);
    if (line->next) {
      get_luma (row, line->next, i, &luma);
      convert_8 (row->code, &luma, &chroma, &pixels);
      finish_run (row, i, &pixels, line->next_dst);
    }
  }
}

static inline uint16_t blend (const WeirPixelStore *store, uint32_t c, size_t i)
{
  _Static_assert(WEIR_TAP_BITS + WEIR_ROW_BITS - WEIR_SUM_BITS == 16, "a high half is the cut");
  uint16_t weights[2] = { (uint16_t) store->weights[0], (uint16_t) store->weights[1] };
  uint16_t top = (uint16_t) ((uint32_t) store->top[c][i] * weights[0] >> 16);
  uint16_t bottom = (uint16_t) ((uint32_t) store->bottom[c][i] * weights[1] >> 16);
  return (uint16_t) ((uint16_t) (top + bottom + (1 << (WEIR_SUM_BITS - 1))) >> WEIR_SUM_BITS);
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
