/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all variants of the pixel kernels share: their list, tap tables and colour constants. */
#include "kernels/pixel.h"

#include <string.h>

#define VECTOR_PX    16 /* of a vector of 64 bytes */
#define WINDOW_BYTES 64

const WeirPixelKernels *const weir_pixel_variants[] = {
#if defined(WEIR_HAVE_AVX512VBMI)
  &weir_pixel_kernels_avx512vbmi,
#endif
#if defined(WEIR_HAVE_AVX512)
  &weir_pixel_kernels_avx512,
#endif
#if defined(WEIR_HAVE_AVX2)
  &weir_pixel_kernels_avx2,
#endif
  &weir_pixel_kernels_c,
  NULL,
};

const WeirPixelKernels *weir_pixel_kernels (unsigned isa)
{
  const WeirPixelKernels *const *variant = weir_pixel_variants;
  while ((*variant)->isa & ~isa)
    variant++;
  return *variant;
}

/* One row for 8 bits limited and full, 10 bits limited and full: 255 / (range of Y) as a fraction,
 * and the range of Cb and Cr. 255/255 is written 73/73 so that 8 bits always divide by 73. */
static const struct {
  int32_t luma_offset, luma_scale, divisor, chroma_range;
} codes[2][2] = {
  { { 16, 85, 73, 224 }, { 0, 73, 73, 255 } },
  { { 64, 85, 292, 896 }, { 0, 85, 341, 1023 } },
};

static int64_t to_fixed (double value, int n_bits)
{
  double scaled = value * (double) ((int64_t) 1 << n_bits);
  return (int64_t) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Whether the gain gives `want` for all samples, as far as Y times its scale can tell. */
static bool gain_is_exact (
    const WeirColorCode *code, const WeirColorGain *gain, const int16_t *want)
{
  const int32_t half = WEIR_COLOR_DIVISOR_8 / 2, lift = 1000 * WEIR_COLOR_DIVISOR_8;
  int32_t unit = code->luma_scale == code->divisor ? code->divisor : 1;
  for (int32_t i = 0; i < 256; i++) {
    int32_t w = i - gain->centre;
    int16_t k = (int16_t) (gain->whole * w + ((w * gain->fraction + (1 << 14)) >> 15));
    if ((k + half + lift) / unit != (want[i] + half + lift) / unit)
      return false;
  }
  return true;
}

/* The fraction nearest to the real one that is exact. The second centre is for full-range BT.601,
 * whose 1.772 · 125 ends in a half on both sides of zero: with it the products, modulo 2^16, are by
 * 0.09 too large, which carries both over and, as 0.29 is free there, nothing else. */
static WeirColorGain find_gain (const WeirColorCode *code, double gain, const int16_t *want)
{
  static const int16_t centres[] = { 128, 24953 };
  int32_t whole = (int32_t) gain, nearest = (int32_t) ((gain - whole) * 32768 + 0.5);
  for (size_t c = 0; c < sizeof centres / sizeof *centres; c++)
    for (int32_t i = 0; i < 9; i++) {
      int32_t fraction = nearest + (i % 2 ? (i + 1) / 2 : -i / 2);
      WeirColorGain found = { (int16_t) whole, (int16_t) fraction, centres[c] };
      if (fraction <= INT16_MAX && gain_is_exact (code, &found, want))
        return found;
    }
  return (WeirColorGain){ (int16_t) whole, (int16_t) (nearest - (nearest > INT16_MAX)), 128 };
}

static void init_8_bits (WeirColorCode *code)
{
  const int64_t half = (int64_t) 1 << 39, extra = 1 << 10; /* whole sums do not fall short */
  code->luma_bias = (int16_t) (WEIR_COLOR_DIVISOR_8 / 2 - code->luma_scale * code->luma_offset);
  for (int64_t i = 0; i < 256; i++) {
    int64_t sample = i - code->chroma_centre;
    code->red[i] = (int16_t) ((code->chroma[0][1] * sample + half + extra) >> 40);
    code->blue[i] = (int16_t) ((code->chroma[2][0] * sample + half + extra) >> 40);
    code->green[0][i] = code->chroma[1][0] * sample + half + extra;
    code->green[1][i] = code->chroma[1][1] * sample;
  }
  double unit = 1.0 / (double) ((int64_t) 1 << 40);
  code->gain_red = find_gain (code, (double) code->chroma[0][1] * unit, code->red);
  code->gain_blue = find_gain (code, (double) code->chroma[2][0] * unit, code->blue);
  for (int i = 0; i < 2; i++) {
    int64_t split = to_fixed ((double) code->chroma[1][i] * unit, 15 + WEIR_COLOR_SHIFT);
    code->green_lo[i] = (int16_t) (split & 0x7fff);
    code->green_hi[i] = (int16_t) ((split - (split & 0x7fff)) / 0x8000);
  }
}

void weir_color_code_init (
    WeirColorCode *code, double red, double blue, bool is_full_range, uint32_t n_bits)
{
  double green = 1 - red - blue;
  const double chroma[3][2] = {
    { 0, 2 * (1 - red) },
    { -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green },
    { 2 * (1 - blue), 0 },
  };
  code->luma_offset = codes[n_bits > 8][is_full_range].luma_offset;
  code->luma_scale = codes[n_bits > 8][is_full_range].luma_scale;
  code->divisor = codes[n_bits > 8][is_full_range].divisor;
  code->chroma_centre = 1 << (n_bits - 1);
  double unit = 255.0 * code->divisor / codes[n_bits > 8][is_full_range].chroma_range;
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 2; i++)
      code->chroma[c][i] = to_fixed (chroma[c][i] * unit, 40);
  if (n_bits == 8)
    init_8_bits (code);
}

static uint32_t clamp_sample (int64_t sample, uint32_t n_src)
{
  return sample < 0 ? 0 : sample < n_src ? (uint32_t) sample : n_src - 1;
}

WeirTap weir_tap (uint32_t i, uint32_t n_dst, uint32_t n_src)
{
  /* (i + 1/2) · n_src / n_dst - 1/2, in 1 / (2 n_dst); one sample more keeps it positive */
  int64_t unit = 2 * (int64_t) n_dst;
  int64_t position = (2 * (int64_t) i + 1) * n_src - n_dst + unit;
  int64_t first = position / unit - 1, scaled = (position % unit) << WEIR_TAP_BITS;
  /* to nearest, halves to even: the other weight then rounds to the complement */
  int64_t weight = (scaled + n_dst) / unit;
  if ((scaled + n_dst) % unit == 0)
    weight &= ~(int64_t) 1;
  return (WeirTap){
    .first = clamp_sample (first, n_src),
    .second = clamp_sample (first + 1, n_src),
    .weights = { (int16_t) ((1 << WEIR_TAP_BITS) - weight), (int16_t) weight },
  };
}

static size_t padded (uint32_t n_px)
{
  return ((size_t) n_px + WEIR_ROW_PAD - 1) / WEIR_ROW_PAD * WEIR_ROW_PAD;
}

size_t weir_pixel_row_bytes (uint32_t n_px)
{
  return padded (n_px) * 7 * sizeof (int32_t);
}

void weir_pixel_row_attach (WeirPixelRow *row, uint32_t n_px, void *block)
{
  int32_t *next = block;
  size_t n = padded (n_px);
  row->x = next;
  for (size_t i = 0; i < 2; i++) {
    row->weights[i] = (int16_t *) (next + n) + i * n;
    row->parts[i] = (int8_t *) (next + 2 * n) + 2 * i * n;
    row->offsets[i] = next + (3 + i) * n;
    row->selects[i] = (uint8_t *) (next + (5 + i) * n);
  }
}

/* Taps of all outputs in turn: as weir_tap, with one division each, by which nearbyint's way of
 * rounding is exact: a quotient that is no half is farther from one than a double's last bit. */
static void set_taps (WeirPixelRow *row, uint32_t x_px, uint32_t width_px, uint32_t frame_width_px)
{
  const double to_whole = 6755399441055744.0; /* 1.5 · 2^52: sums have no fraction */
  uint32_t n_dst = row->n_px;
  uint64_t unit = 2 * (uint64_t) n_dst, position = width_px + (uint64_t) n_dst;
  uint64_t first = position / unit, rest = position % unit; /* first: one too large */
  uint64_t step = 2 * (uint64_t) width_px / unit, step_rest = 2 * (uint64_t) width_px % unit;
  for (uint32_t i = 0; i < n_dst; i++) {
    double exact = (double) (rest << (WEIR_TAP_BITS - 1)) / n_dst;
    int16_t weight = (int16_t) ((exact + to_whole) - to_whole);
    bool is_edge = first == 0 || first >= width_px; /* both taps are one pixel */
    uint32_t x = x_px + (uint32_t) (first == 0 ? 0 : first >= width_px ? width_px - 1 : first - 1);
    weight = is_edge ? 0 : weight;
    /* A pair must lie in the frame: at its right edge the pixel is the pair's second one. */
    bool is_second = x + 1 == frame_width_px && row->step;
    row->x[i] = (int32_t) (x - is_second);
    row->weights[is_second][i] = (int16_t) ((1 << WEIR_TAP_BITS) - weight);
    row->weights[!is_second][i] = weight;
    rest += step_rest;
    first += step + (rest >= unit);
    rest -= rest >= unit ? unit : 0;
  }
  for (size_t i = n_dst; i < padded (n_dst); i++) {
    row->x[i] = row->x[n_dst - 1];
    row->weights[0][i] = row->weights[0][n_dst - 1];
    row->weights[1][i] = row->weights[1][n_dst - 1];
  }
}

/* Sums of products with u8 in 16 bits: a weight is 16 · upper + lower, both of 8 bits. */
static void set_parts (WeirPixelRow *row)
{
  for (size_t i = 0; i < padded (row->n_px); i++)
    for (size_t t = 0; t < 2; t++) {
      size_t index = 2 * weir_pixel_row_index (row->kernels, i) + t;
      int weight = row->weights[t][i];
      int upper = weight >> 4 <= INT8_MAX ? weight >> 4 : INT8_MAX;
      row->parts[0][index] = (int8_t) upper;
      row->parts[1][index] = (int8_t) (weight - 16 * upper);
    }
}

/* Selects of pixel i: bytes of the row at which four samples lie; -1: zero. */
static inline void place (
    WeirPixelRow *row, int table, size_t i, const int32_t bytes[4], int32_t row_bytes)
{
  uint8_t *selects = row->selects[table] + 4 * i;
  if (row->n_windows) {
    int32_t base = row->offsets[table][i * row->n_windows / VECTOR_PX];
    for (int k = 0; k < 4; k++)
      selects[k] = (uint8_t) (bytes[k] < 0 ? 0 : bytes[k] - base);
    return;
  }
  int32_t start = bytes[0] < row_bytes - 4 ? bytes[0] : row_bytes - 4;
  row->offsets[table][i] = start;
  for (int k = 0; k < 4; k++)
    selects[k] = (uint8_t) (bytes[k] < 0 ? 0x80 : (int32_t) (i % 4) * 4 + bytes[k] - start);
}

static void place_luma (WeirPixelRow *row, int32_t row_bytes)
{
  for (size_t i = 0; i < padded (row->n_px); i++) {
    const int32_t x = row->x[i], bytes[4] = { x, -1, x + 1, -1 };
    place (row, 0, i, bytes, row_bytes);
  }
}

static void place_planar (WeirPixelRow *row, int32_t row_bytes)
{
  for (size_t i = 0; i < padded (row->n_px); i++) {
    const int32_t x = row->x[i], bytes[4] = { x / 2, -1, (x + 1) / 2, -1 };
    place (row, 1, i, bytes, row_bytes);
  }
}

static void place_semiplanar (WeirPixelRow *row, int32_t row_bytes)
{
  for (size_t i = 0; i < padded (row->n_px); i++) {
    const int32_t left = row->x[i] / 2 * 2, right = (row->x[i] + 1) / 2 * 2;
    const int32_t bytes[4] = { left, left + 1, right, right + 1 };
    place (row, 1, i, bytes, row_bytes);
  }
}

static void place_packed_yuv (WeirPixelRow *row, int32_t row_bytes)
{
  const uint8_t *positions = row->format->positions;
  for (size_t i = 0; i < padded (row->n_px); i++) {
    const int32_t x = row->x[i], lane = (int32_t) (i % 4) * 4;
    const uint8_t first[4] = { (uint8_t) (lane + positions[x % 2]), 0x80, 0x80, 0x80 };
    const uint8_t second[4] = { 0x80, 0x80, (uint8_t) (lane + positions[(x + 1) % 2]), 0x80 };
    row->offsets[0][i] = x / 2 * 4;
    row->offsets[1][i] = (x + 1) / 2 * 4;
    memcpy (row->selects[0] + 4 * i, first, sizeof first);
    memcpy (row->selects[1] + 4 * i, second, sizeof second);
  }
}

static void place_rgb (WeirPixelRow *row, int32_t row_bytes)
{
  for (size_t i = 0; i < padded (row->n_px); i++) {
    row->offsets[0][i] = row->x[i] * row->format->pixel_bytes;
    row->offsets[1][i] = row->offsets[0][i] + (row->format->pixel_bytes == 3 ? 2 : 4);
  }
}

typedef void (*Place) (WeirPixelRow *row, int32_t row_bytes);

/* By kind: the tables' places; bytes a pair of pixels takes in the chroma's row. Kinds with a first
 * place of Y alone can use windows of 64 bytes. */
static const struct {
  Place places[2];
  int32_t pair_bytes;
} kinds[WEIR_N_SAMPLE_KINDS] = {
  [WEIR_SAMPLES_PLANAR] = { { place_luma, place_planar }, 1 },
  [WEIR_SAMPLES_SEMIPLANAR] = { { place_luma, place_semiplanar }, 2 },
  [WEIR_SAMPLES_PACKED_YUV] = { { place_packed_yuv } },
  [WEIR_SAMPLES_GRAY] = { { place_luma } },
  [WEIR_SAMPLES_RGB] = { { place_rgb } },
};

static int32_t chroma_bytes (const WeirPixelRow *row, int32_t frame_width)
{
  return (frame_width + 1) / 2 * kinds[row->format->kind].pair_bytes;
}

/* Whether the pixels of each of n windows for 16 lie within 64 bytes: of Y, and of pairs of chroma,
 * which begin one before and end one after at most. */
static bool fits_windows (const WeirPixelRow *row, size_t n)
{
  size_t n_px = VECTOR_PX / n;
  for (size_t i = 0; i < padded (row->n_px); i += n_px)
    if (row->x[i + n_px - 1] - row->x[i] > WINDOW_BYTES - 4)
      return false;
  return true;
}

static uint32_t choose_windows (const WeirPixelRow *row, int32_t frame_width)
{
  int32_t chroma = chroma_bytes (row, frame_width);
  if (!row->kernels->has_windows || kinds[row->format->kind].places[0] != place_luma ||
      frame_width < WINDOW_BYTES || (chroma && chroma < WINDOW_BYTES))
    return 0;
  for (uint32_t n = 1; n <= 8; n *= 2)
    if (fits_windows (row, n))
      return n;
  return 0;
}

static void set_windows (WeirPixelRow *row, int table, int32_t row_bytes)
{
  size_t n_px = VECTOR_PX / row->n_windows;
  for (size_t i = 0; i < padded (row->n_px); i += n_px) {
    int32_t x = row->x[i];
    int32_t start = table == 0 ? x : x / 2 * kinds[row->format->kind].pair_bytes;
    row->offsets[table][i / n_px] =
        start < row_bytes - WINDOW_BYTES ? start : row_bytes - WINDOW_BYTES;
  }
}

void weir_pixel_row_set (WeirPixelRow *row, const WeirPixelKernels *kernels, uint32_t n_px,
    uint32_t x_px, uint32_t width_px, uint32_t frame_width_px)
{
  /* Seven pixels give four chroma samples: the smallest row in which every window lies. */
  const uint32_t min_width = 7;
  int32_t frame_width = (int32_t) frame_width_px;
  row->kernels = frame_width_px < min_width ? &weir_pixel_kernels_c : kernels;
  row->n_px = n_px;
  row->step = frame_width_px > 1;
  set_taps (row, x_px, width_px, frame_width_px);
  if (!row->kernels->lanes)
    return;
  set_parts (row);
  row->n_windows = choose_windows (row, frame_width);
  for (int table = 0; table < 2; table++) {
    int32_t row_bytes = table == 0 ? frame_width : chroma_bytes (row, frame_width);
    Place fill = kinds[row->format->kind].places[table];
    if (row->n_windows && fill)
      set_windows (row, table, row_bytes);
    if (fill)
      fill (row, row_bytes);
  }
}
