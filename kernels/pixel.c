/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all variants of the pixel kernels share: their list, tap tables and colour constants. */
#include "kernels/pixel.h"

const WeirPixelKernels *const weir_pixel_variants[] = {
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
  for (int c = 0; c < 3; c++) {
    int shift = 15 + (c == 1 ? WEIR_COLOR_SHIFT_G : WEIR_COLOR_SHIFT_RB);
    for (int i = 0; i < 2; i++) {
      int64_t split = to_fixed (chroma[c][i] * unit, shift);
      code->chroma[c][i] = to_fixed (chroma[c][i] * unit, 40);
      code->lo[c][i] = (int32_t) (split & 0x7fff);
      code->hi[c][i] = (int32_t) ((split - (split & 0x7fff)) / 0x8000);
    }
  }
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
  return padded (n_px) * 8 * sizeof (int32_t);
}

void weir_pixel_row_attach (WeirPixelRow *row, uint32_t n_px, void *block)
{
  int32_t *next = block;
  size_t n = padded (n_px);
  row->x = next;
  row->weights = (int16_t *) (next + n);
  for (size_t i = 0; i < 3; i++) {
    row->offsets[i] = next + (2 + i) * n;
    row->selects[i] = (uint32_t *) (next + (5 + i) * n);
  }
}

static int32_t window (int32_t byte, int32_t row_bytes)
{
  return byte < row_bytes - 4 ? byte : row_bytes - 4;
}

/* A shuffle of dword i of its 16-byte lane: bytes a and b of the window to bytes 0 and 2; -1: zero.
 */
static uint32_t select_bytes (size_t i, int32_t a, int32_t b)
{
  uint32_t lane = (uint32_t) (i % 4) * 4;
  uint32_t low = a < 0 ? 0x80 : lane + (uint32_t) a;
  uint32_t high = b < 0 ? 0x80 : lane + (uint32_t) b;
  return 0x80008000u | high << 16 | low;
}

static void set_luma_window (WeirPixelRow *row, size_t i, int32_t frame_width)
{
  int32_t x = row->x[i];
  row->offsets[0][i] = window (x, frame_width);
  row->selects[0][i] = select_bytes (i, x - row->offsets[0][i], x - row->offsets[0][i] + 1);
}

static void set_planar (WeirPixelRow *row, size_t i, int32_t frame_width)
{
  int32_t x = row->x[i], chroma_width = (frame_width + 1) / 2;
  int32_t start = window (x / 2, chroma_width);
  set_luma_window (row, i, frame_width);
  row->offsets[1][i] = start;
  row->selects[1][i] = select_bytes (i, x / 2 - start, -1);
  row->selects[2][i] = select_bytes (i, (x + 1) / 2 - start, -1);
}

static void set_semiplanar (WeirPixelRow *row, size_t i, int32_t frame_width)
{
  int32_t x = row->x[i], chroma_bytes = (frame_width + 1) / 2 * 2;
  int32_t start = window (x / 2 * 2, chroma_bytes);
  int32_t left = x / 2 * 2 - start, right = (x + 1) / 2 * 2 - start;
  set_luma_window (row, i, frame_width);
  row->offsets[1][i] = start;
  row->selects[1][i] = select_bytes (i, left, left + 1);
  row->selects[2][i] = select_bytes (i, right, right + 1);
}

static void set_packed_yuv (WeirPixelRow *row, size_t i, int32_t frame_width)
{
  int32_t x = row->x[i];
  row->offsets[1][i] = x / 2 * 4;
  row->offsets[2][i] = (x + 1) / 2 * 4;
  row->selects[1][i] = select_bytes (i, row->format->positions[x % 2], -1);
  row->selects[2][i] = select_bytes (i, -1, row->format->positions[(x + 1) % 2]);
}

static void set_rgb (WeirPixelRow *row, size_t i, int32_t frame_width)
{
  int32_t byte = row->x[i] * row->format->pixel_bytes;
  row->offsets[1][i] = byte;
  row->offsets[2][i] = byte + (row->format->pixel_bytes == 3 ? 2 : 4);
}

static void set_nothing (WeirPixelRow *row, size_t i, int32_t frame_width)
{
}

static void (*const set_windows[WEIR_N_SAMPLE_KINDS]) (WeirPixelRow *, size_t, int32_t) = {
  [WEIR_SAMPLES_PLANAR] = set_planar,
  [WEIR_SAMPLES_SEMIPLANAR] = set_semiplanar,
  [WEIR_SAMPLES_SEMIPLANAR10] = set_nothing,
  [WEIR_SAMPLES_PACKED_YUV] = set_packed_yuv,
  [WEIR_SAMPLES_GRAY] = set_luma_window,
  [WEIR_SAMPLES_RGB] = set_rgb,
};

void weir_pixel_row_set (
    WeirPixelRow *row, uint32_t n_px, uint32_t x_px, uint32_t width_px, uint32_t frame_width_px)
{
  /* Seven pixels give four chroma samples: the smallest row in which every window lies. */
  const uint32_t min_width = 7;
  row->n_px = n_px;
  row->step = frame_width_px > 1;
  row->has_windows = frame_width_px >= min_width;
  for (size_t i = 0; i < padded (n_px); i++) {
    WeirTap tap = weir_tap (i < n_px ? (uint32_t) i : n_px - 1, n_px, width_px);
    if (tap.first == tap.second) { /* the second is not read */
      tap.weights[0] = 1 << WEIR_TAP_BITS;
      tap.weights[1] = 0;
    }
    uint32_t x = x_px + tap.first;
    /* A pair must lie in the frame: at its right edge the pixel is the pair's second one. */
    bool is_second = x + 1 == frame_width_px && row->step;
    row->x[i] = (int32_t) (is_second ? x - 1 : x);
    row->weights[2 * i] = is_second ? tap.weights[1] : tap.weights[0];
    row->weights[2 * i + 1] = is_second ? tap.weights[0] : tap.weights[1];
    if (row->has_windows)
      set_windows[row->format->kind](row, i, (int32_t) frame_width_px);
  }
}
