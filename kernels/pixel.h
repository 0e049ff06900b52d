/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pixel kernels: a row of a picture becomes a row of R, G, B at the network's width; two such rows
 * become a line of the network's input.
 *
 * All arithmetic is in integers until the last step, so that every variant gives the same bytes:
 * Y'CbCr to 8-bit R, G, B exactly as real numbers rounded to nearest (halves up) would be; taps
 * with weights of 11 bits; rows of interpolated values in 1/128 levels, cut off; each of two rows
 * times its weight cut off to 1/4 level, their sum rounded to 8 bits (the arithmetic of OpenCV's
 * INTER_LINEAR on bytes, which references are made with); then (value - mean) · scale in f32.
 * Offsets and sizes are bytes of one row and fit int32_t. Source addresses: rows of whole frames,
 * of which only the pixels 0 … frame width - 1 are ever read. */
#pragma once

#include "kernels/kernels.h"

typedef enum WeirSampleKind {
  WEIR_SAMPLES_PLANAR = 0,   /* Y, U, V rows; chroma at half width */
  WEIR_SAMPLES_SEMIPLANAR,   /* Y row, row of U V pairs at half width */
  WEIR_SAMPLES_SEMIPLANAR10, /* the same in the high 10 of 16 bits, little endian */
  WEIR_SAMPLES_PACKED_YUV,   /* four bytes for two pixels */
  WEIR_SAMPLES_GRAY,
  WEIR_SAMPLES_RGB, /* three or four bytes a pixel */
  WEIR_N_SAMPLE_KINDS
} WeirSampleKind;

typedef struct WeirSampleFormat {
  WeirSampleKind kind;
  uint8_t pixel_bytes;  /* RGB: 3 or 4 */
  uint8_t positions[4]; /* RGB: bytes of R, G, B in a pixel; packed YUV: of Y, second Y, U, V */
} WeirSampleFormat;

/* k of WeirColorCode without floor (divisor/2), for red (of Cr) or blue (of Cb), modulo 2^16:
 * whole · w + ((w · fraction + 2^14) >> 15) with w = sample - centre. */
typedef struct WeirColorGain {
  int16_t whole, fraction, centre;
} WeirColorGain;

/* Y'CbCr to R, G, B: channel = floor ((luma_scale · (Y - luma_offset) + k) / divisor), clamped,
 * with k = floor (divisor/2 + divisor · (blue · (Cb - centre) + red · (Cr - centre))): the floor of
 * a floor, so rounding is exact as long as k is. For 8 bits the divisor is 73 (255/219 = 85/73). */
typedef struct WeirColorCode {
  int32_t luma_offset, luma_scale, divisor, chroma_centre;
  int64_t chroma[3][2]; /* of Cb and Cr in R, G, B, times divisor, in 2^-40 */
  /* For 8 bits only. */
  int16_t luma_bias;           /* floor (divisor/2) - luma_scale · luma_offset */
  int16_t red[256], blue[256]; /* k - floor (divisor/2) of each sample */
  int64_t green[2][256];       /* what Cb and Cr add to it, in 2^-40; the half is in the first */
  WeirColorGain gain_red, gain_blue;
  int16_t green_hi[2]; /* chroma[1] in two parts: (hi + lo / 2^15) / 2^WEIR_COLOR_SHIFT */
  int16_t green_lo[2];
} WeirColorCode;

#define WEIR_COLOR_DIVISOR_8 73
/* The largest at which green_hi fits int16_t. */
#define WEIR_COLOR_SHIFT 9
/* Added to k's fraction, in units of green_lo: puts sums that are whole numbers on their own side.
 * All 2^16 chroma pairs of the four codes come out right for 28 … 132 (test pre_color
 * --exhaustive).
 */
#define WEIR_COLOR_BIAS 64

/* red, blue: the matrix' luma weights of R and B. n_bits: 8 or 10. */
void weir_color_code_init (
    WeirColorCode *code, double red, double blue, bool is_full_range, uint32_t n_bits);

#define WEIR_TAP_BITS 11 /* of weights: a pair adds to 1 << 11 */
#define WEIR_ROW_BITS 7  /* of fraction in interpolated rows */
#define WEIR_ROW_PAD  32 /* rows and tables are written and read up to the next multiple */
#define WEIR_SUM_BITS 2  /* of fraction in a row times its weight */

/* Bilinear tap of output i of n_dst over n_src samples: half-pixel centres, edges repeated: there
 * `first` and `second` are the same sample, and the weights still are those of two. */
typedef struct WeirTap {
  uint32_t first, second;
  int16_t weights[2];
} WeirTap;

WeirTap weir_tap (uint32_t i, uint32_t n_dst, uint32_t n_src);

typedef struct WeirPixelKernels WeirPixelKernels;

/* Tables of one row: where its taps lie. Filled by weir_pixel_row_set, const while rows are made.
 * The variants find their samples in windows: of 4 bytes, one a pixel, or of 64 bytes, n_windows
 * for each 16 pixels. */
typedef struct WeirPixelRow {
  const WeirSampleFormat *format;
  const WeirColorCode *code;       /* RGB: not read */
  const WeirPixelKernels *kernels; /* that the tables are for */
  uint32_t n_px;                   /* of the result */
  uint32_t n_channels; /* 3: R, G, B; 1: gray = 0.299 R + 0.587 G + 0.114 B of 8-bit pixels */
  uint32_t step;       /* from the first tap to the second; 0 in a frame one pixel wide */
  uint32_t n_windows;  /* 1, 2, 4, 8; 0: windows of 4 bytes */
  int32_t *x;          /* first tap: pixel of the frame */
  int16_t *weights[2]; /* of the first and the second tap */
  int8_t *parts[2];    /* pairs of weights / 16 and what is left of 16, at weir_pixel_row_index */
  int32_t *offsets[2]; /* starts of windows */
  uint8_t
      *selects[2]; /* four bytes a pixel: which of the window (of 16-byte lanes of 4-byte windows)
                    */
} WeirPixelRow;

/* Bytes of the tables for n_px outputs; attach points into a block of that size, 64-byte aligned.
 */
size_t weir_pixel_row_bytes (uint32_t n_px);
void weir_pixel_row_attach (WeirPixelRow *row, uint32_t n_px, void *block);
/* Taps for the pixels x_px … x_px + width_px - 1 of rows frame_width_px wide; format, code and
 * n_channels are set by the caller; n_px at most what was attached. Rows are then made, and stored,
 * by row->kernels: those given, or plain C where the frame is too narrow for others. */
void weir_pixel_row_set (WeirPixelRow *row, const WeirPixelKernels *kernels, uint32_t n_px,
    uint32_t x_px, uint32_t width_px, uint32_t frame_width_px);

/* The rows of a picture, and where their interpolated ones go: n_channels each, padded to
 * WEIR_ROW_PAD, value i at weir_pixel_row_index. */
typedef struct WeirPixelLine {
  const uint8_t *src[3]; /* rows of the planes, as many as the kind has */
  const uint8_t *next;   /* a second row of Y with the same chroma; NULL: there is none */
  /* Rows of the same planes that come later: kinds with planes of chroma bring them near on the
   * way. NULL: none. */
  const uint8_t *ahead[2][3];
  uint16_t *dst[3], *next_dst[3];
} WeirPixelLine;

/* next: only for kinds with planes of chroma. */
typedef void (*WeirPixelRowFunc) (const WeirPixelRow *row, const WeirPixelLine *line);

typedef enum WeirStoreType {
  WEIR_STORE_U8 = 0, /* without mean and scale */
  WEIR_STORE_F32,
  WEIR_STORE_BF16, /* round to nearest even */
  WEIR_N_STORE_TYPES
} WeirStoreType;

typedef struct WeirPixelStore {
  const uint16_t *top[3], *bottom[3]; /* rows of the same kernels, in the network's channel order */
  int16_t weights[2];
  uint32_t n_px, n_channels; /* interleaved: 3 channels */
  float mean[3], scale[3];
  void *dst[3]; /* interleaved: only the first */
} WeirPixelStore;

typedef void (*WeirPixelStoreFunc) (const WeirPixelStore *store);

struct WeirPixelKernels {
  const char *name; /* "avx512vbmi", "avx512", "avx2", "c" */
  unsigned isa;     /* what it needs */
  uint32_t lanes;   /* pixels a vector, of 4 bytes; 0: none */
  bool has_windows; /* can use windows of 64 bytes */
  WeirPixelRowFunc rows[WEIR_N_SAMPLE_KINDS];
  WeirPixelStoreFunc stores[WEIR_N_STORE_TYPES][2]; /* planar, interleaved */
};

/* Where value i lies in a row: two vectors of taps are packed to one of bytes 16 bytes at a time,
 * so their values alternate in fours. Lanes are a power of two. */
static inline size_t weir_pixel_row_index (const WeirPixelKernels *kernels, size_t i)
{
  size_t lanes = kernels->lanes;
  if (!lanes)
    return i;
  size_t in_vector = i & (lanes - 1), is_second = (i & lanes) != 0;
  return (i & ~(2 * lanes - 1)) + in_vector / 4 * 8 + is_second * 4 + in_vector % 4;
}

/* NULL-terminated, best first; the last is plain C. */
extern const WeirPixelKernels *const weir_pixel_variants[];

/* The best of those whose needs are all in `isa` (WeirIsa flags). */
const WeirPixelKernels *weir_pixel_kernels (unsigned isa);

extern const WeirPixelKernels weir_pixel_kernels_c;
extern const WeirPixelKernels weir_pixel_kernels_avx2;
extern const WeirPixelKernels weir_pixel_kernels_avx512;
extern const WeirPixelKernels weir_pixel_kernels_avx512vbmi;
