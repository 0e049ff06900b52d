/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The definition of preprocessing, written for reading and not for speed. */
#include "tests/unit/pre/pre_oracle.h"

#include <math.h>

/* part / whole in 1/2048: to nearest, halves to even. */
static int to_weight (int64_t part, int64_t whole)
{
  int64_t floored = part * 2048 / whole, rest = part * 2048 % whole;
  return (int) (floored + (2 * rest > whole || (2 * rest == whole && floored % 2)));
}

/* Everything over one denominator: 10000 · (1 - Kr - Kb) · the ranges of luma and chroma. */
int oracle_channel (
    WeirMatrix matrix, WeirRange range, uint32_t n_bits, int c, int luma, int blue, int red)
{
  const int64_t kr = matrix == WEIR_MATRIX_BT709 ? 2126 : 2990;
  const int64_t kb = matrix == WEIR_MATRIX_BT709 ? 722 : 1140, kg = 10000 - kr - kb;
  const int64_t step = n_bits == 10 ? 4 : 1, full = n_bits == 10 ? 1023 : 255;
  const int64_t y_range = range == WEIR_RANGE_FULL ? full : 219 * step;
  const int64_t c_range = range == WEIR_RANGE_FULL ? full : 224 * step;
  int64_t y = luma - (range == WEIR_RANGE_FULL ? 0 : 16 * step);
  int64_t cb = blue - 128 * step, cr = red - 128 * step;
  /* Cb and Cr run over -0.5 … 0.5: B - Y = 2 (1 - Kb) Cb, R - Y = 2 (1 - Kr) Cr. */
  int64_t terms[3] = {
    2 * (10000 - kr) * cr * kg,
    -2 * (kb * (10000 - kb) * cb + kr * (10000 - kr) * cr),
    2 * (10000 - kb) * cb * kg,
  };
  int64_t denominator = 10000 * kg * y_range * c_range;
  int64_t numerator = 255 * (y * 10000 * kg * c_range + terms[c] * y_range);
  int64_t twice = 2 * numerator + denominator;
  int64_t level = twice <= 0 ? 0 : twice / (2 * denominator);
  return (int) MIN (level, 255);
}

/* Where Y, Cb, Cr or R, G, B of a pixel lie: plane, columns per sample (as a shift), bytes from one
 * sample to the next, byte of the first. Other planes than the first have half the rows. */
typedef struct Component {
  uint8_t plane, x_shift, step, first;
} Component;

static const Component components[WEIR_N_PIXEL_FORMATS][3] = {
  [WEIR_PIXEL_I420] = { { 0, 0, 1, 0 }, { 1, 1, 1, 0 }, { 2, 1, 1, 0 } },
  [WEIR_PIXEL_YV12] = { { 0, 0, 1, 0 }, { 2, 1, 1, 0 }, { 1, 1, 1, 0 } },
  [WEIR_PIXEL_NV12] = { { 0, 0, 1, 0 }, { 1, 1, 2, 0 }, { 1, 1, 2, 1 } },
  [WEIR_PIXEL_YUY2] = { { 0, 0, 2, 0 }, { 0, 1, 4, 1 }, { 0, 1, 4, 3 } },
  [WEIR_PIXEL_UYVY] = { { 0, 0, 2, 1 }, { 0, 1, 4, 0 }, { 0, 1, 4, 2 } },
  [WEIR_PIXEL_P010] = { { 0, 0, 2, 0 }, { 1, 1, 4, 0 }, { 1, 1, 4, 2 } },
  [WEIR_PIXEL_GRAY8] = { { 0, 0, 1, 0 }, { 0, 0, 1, 0 }, { 0, 0, 1, 0 } },
  [WEIR_PIXEL_RGB] = { { 0, 0, 3, 0 }, { 0, 0, 3, 1 }, { 0, 0, 3, 2 } },
  [WEIR_PIXEL_BGR] = { { 0, 0, 3, 2 }, { 0, 0, 3, 1 }, { 0, 0, 3, 0 } },
  [WEIR_PIXEL_RGBA] = { { 0, 0, 4, 0 }, { 0, 0, 4, 1 }, { 0, 0, 4, 2 } },
  [WEIR_PIXEL_BGRA] = { { 0, 0, 4, 2 }, { 0, 0, 4, 1 }, { 0, 0, 4, 0 } },
  [WEIR_PIXEL_RGBX] = { { 0, 0, 4, 0 }, { 0, 0, 4, 1 }, { 0, 0, 4, 2 } },
  [WEIR_PIXEL_BGRX] = { { 0, 0, 4, 2 }, { 0, 0, 4, 1 }, { 0, 0, 4, 0 } },
  [WEIR_PIXEL_XRGB] = { { 0, 0, 4, 1 }, { 0, 0, 4, 2 }, { 0, 0, 4, 3 } },
  [WEIR_PIXEL_XBGR] = { { 0, 0, 4, 3 }, { 0, 0, 4, 2 }, { 0, 0, 4, 1 } },
};

void oracle_pixel (const WeirFrame *frame, uint32_t x, uint32_t y, int rgb[3])
{
  uint32_t n_bits = frame->format == WEIR_PIXEL_P010 ? 10 : 8;
  int samples[3];
  for (int c = 0; c < 3; c++) {
    const Component *component = &components[frame->format][c];
    const uint8_t *row =
        frame->planes[component->plane] +
        (size_t) (component->plane ? y / 2 : y) * (size_t) frame->stride_bytes[component->plane];
    const uint8_t *sample =
        row + (size_t) (x >> component->x_shift) * component->step + component->first;
    samples[c] = n_bits == 10 ? (sample[0] + 256 * sample[1]) / 64 : sample[0];
  }
  if (frame->format == WEIR_PIXEL_GRAY8)
    samples[1] = samples[2] = 128;
  for (int c = 0; c < 3; c++)
    rgb[c] = frame->format >= WEIR_PIXEL_RGB ? samples[c]
                                             : oracle_channel (frame->matrix, frame->range, n_bits,
                                                   c, samples[0], samples[1], samples[2]);
}

/* Channel of the network's order at a whole pixel of the part that is seen. */
static int channel_at (
    const WeirInputSpec *spec, const WeirFrame *frame, uint32_t c, uint32_t x, uint32_t y)
{
  int rgb[3];
  oracle_pixel (frame, x, y, rgb);
  if (spec->color == WEIR_COLOR_GRAY || spec->n_channels == 1)
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
  return rgb[spec->color == WEIR_COLOR_BGR ? 2 - c : c];
}

typedef struct Axis {
  double start, size;    /* of the region's part, in frame pixels */
  double offset, placed; /* in the network's input */
} Axis;

static void find_axes (
    const WeirInputSpec *spec, const WeirRegion *region, Axis *horizontal, Axis *vertical)
{
  double in_w = spec->width_px, in_h = spec->height_px;
  double w = region->width_px, h = region->height_px;
  *horizontal = (Axis){ region->x_px, w, 0, in_w };
  *vertical = (Axis){ region->y_px, h, 0, in_h };
  if (spec->resize == WEIR_RESIZE_CROP) {
    horizontal->size = MAX (1, MIN (w, floor (h * in_w / in_h)));
    vertical->size = MAX (1, MIN (h, floor (w * in_h / in_w)));
    horizontal->start += floor ((w - horizontal->size) / 2);
    vertical->start += floor ((h - vertical->size) / 2);
  } else if (spec->resize != WEIR_RESIZE_STRETCH) {
    horizontal->placed = MAX (1, MIN (in_w, floor (w * in_h / h)));
    vertical->placed = MAX (1, MIN (in_h, floor (h * in_w / w)));
  }
  if (spec->resize == WEIR_RESIZE_LETTERBOX_CENTRE) {
    horizontal->offset = floor ((in_w - horizontal->placed) / 2);
    vertical->offset = floor ((in_h - vertical->placed) / 2);
  }
}

/* The two pixels under output `i` and their weights in 1/2048; false in the padding. */
static bool find_taps (const Axis *axis, uint32_t i, uint32_t taps[2], int weights[2])
{
  int64_t output = (int64_t) i - (int64_t) axis->offset;
  int64_t size = (int64_t) axis->size, placed = (int64_t) axis->placed;
  if (output < 0 || output >= placed)
    return false;
  /* (output + 1/2) · size / placed - 1/2 over the denominator 2 · placed */
  int64_t position = (2 * output + 1) * size - placed, unit = 2 * placed;
  int64_t first = (position + unit) / unit - 1, rest = (position + unit) % unit;
  weights[0] = to_weight (unit - rest, unit);
  weights[1] = to_weight (rest, unit);
  taps[0] = (uint32_t) (axis->start + (double) CLAMP (first, 0, size - 1));
  taps[1] = (uint32_t) (axis->start + (double) CLAMP (first + 1, 0, size - 1));
  return true;
}

int oracle_value (const WeirInputSpec *spec, const WeirFrame *frame, const WeirRegion *region,
    uint32_t c, uint32_t x_px, uint32_t y_px)
{
  Axis horizontal, vertical;
  uint32_t x[2], y[2];
  int wx[2], wy[2], sum = 0;
  find_axes (spec, region, &horizontal, &vertical);
  if (!find_taps (&horizontal, x_px, x, wx) || !find_taps (&vertical, y_px, y, wy))
    return spec->pad;
  for (int i = 0; i < 2; i++) {
    int row = channel_at (spec, frame, c, x[0], y[i]) * wx[0] +
              channel_at (spec, frame, c, x[1], y[i]) * wx[1];
    sum += row / 16 * wy[i] / 65536;
  }
  return (sum + 2) / 4;
}
