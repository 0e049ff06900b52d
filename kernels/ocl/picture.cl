/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing: a region of a frame becomes one row of a network's input.
 *
 * The arithmetic of kernels/pixel.h, in integers up to the last step, so that values are those of
 * the CPU's kernels: each pixel under a tap becomes 8-bit R, G, B (or gray), exactly as real numbers
 * rounded to nearest would be; weights of TAP_BITS; rows in 1 / 2^ROW_BITS levels, cut off, each
 * times its weight cut off to 1 / 2^SUM_BITS level, their sum rounded.
 *
 * Options: the WEIR_SAMPLES_ kinds as PLANAR, SEMIPLANAR, SEMIPLANAR10, PACKED_YUV, GRAY, RGB; the
 * BITS above. WIDE: sizes whose products need 64 bits. */
#include "types.cl"

#ifdef WIDE
typedef ulong whole;
#else
typedef uint whole;
#endif

typedef struct Picture {
  long chroma[6], chroma_half; /* of Cb, Cr in R, G, B, in 2^-40 */
  int luma_offset, luma_scale, chroma_centre, last;
  uint reciprocal; /* of the divisor, in 2^-32 */
  uint kind, pixel_bytes, positions[4];
  uint offsets[3], strides[3];                 /* bytes, of the planes in the kernels' order */
  uint is_sparse;                              /* rows: two for each line of the result, in turn */
  uint src_x, src_y, src_width, src_height;    /* of what lies in the planes */
  uint x, y, width, height;                    /* of the input; the rest is padding */
  uint row_width, row_height;                  /* of the input */
  uint channel_step, row_step, pixel_step;     /* elements */
  uint n_channels, is_gray, is_reversed;
  float mean[3], scale[3];
  int pad;
} Picture;

typedef struct Tap {
  uint first, second;
  int weights[2];
} Tap;

/* Of output i of n_dst over n_src samples: half-pixel centres, edges repeated, weights to nearest,
 * halves to even. */
Tap tap_of (uint i, uint n_dst, uint n_src)
{
  whole unit = 2 * (whole) n_dst;
  whole position = (2 * (whole) i + 1) * n_src + n_dst; /* one sample more keeps it positive */
  whole first = position / unit;
  whole scaled = ((position - first * unit) << TAP_BITS) + n_dst;
  whole weight = scaled / unit;
  if (weight * unit == scaled)
    weight &= ~(whole) 1;
  Tap tap;
  tap.first = first == 0 ? 0 : min ((uint) first - 1, n_src - 1);
  tap.second = min ((uint) first, n_src - 1);
  tap.weights[0] = (1 << TAP_BITS) - (int) weight;
  tap.weights[1] = (int) weight;
  return tap;
}

/* The floor of a floor, see WeirColorCode. */
int channel_of (Picture p, int c, int luma, int blue, int red)
{
  long k = (p.chroma[2 * c] * blue + p.chroma[2 * c + 1] * red + p.chroma_half) >> 40;
  return (int) mul_hi ((uint) clamp (luma + (int) k, 0, p.last), p.reciprocal);
}

int3 from_yuv (Picture p, int y, int u, int v)
{
  int luma = p.luma_scale * (y - p.luma_offset), blue = u - p.chroma_centre, red = v - p.chroma_centre;
  return (int3) (channel_of (p, 0, luma, blue, red), channel_of (p, 1, luma, blue, red),
      channel_of (p, 2, luma, blue, red));
}

int read_10 (__global const uchar *bytes)
{
  return (bytes[0] | bytes[1] << 8) >> 6;
}

/* y, chroma_y: rows of the planes as they lie here. */
int3 pixel_at (Picture p, __global const uchar *frame, uint x, uint y, uint chroma_y)
{
  __global const uchar *row = frame + p.offsets[0] + y * p.strides[0];
  __global const uchar *pair = frame + p.offsets[1] + chroma_y * p.strides[1];
  switch (p.kind) {
  case PLANAR:
    return from_yuv (p, row[x], pair[x / 2], frame[p.offsets[2] + chroma_y * p.strides[2] + x / 2]);
  case SEMIPLANAR:
    pair += x / 2 * 2;
    return from_yuv (p, row[x], pair[0], pair[1]);
  case SEMIPLANAR10:
    pair += x / 2 * 4;
    return from_yuv (p, read_10 (row + 2 * x), read_10 (pair), read_10 (pair + 2));
  case PACKED_YUV:
    row += x / 2 * 4;
    return from_yuv (p, row[x % 2 ? p.positions[1] : p.positions[0]], row[p.positions[2]], row[p.positions[3]]);
  case GRAY:
    return from_yuv (p, row[x], p.chroma_centre, p.chroma_centre);
  default: /* RGB */
    row += x * p.pixel_bytes;
    return (int3) (row[p.positions[0]], row[p.positions[1]], row[p.positions[2]]);
  }
}

int3 seen_at (Picture p, __global const uchar *frame, uint x, uint y, uint chroma_y)
{
  int3 rgb = pixel_at (p, frame, p.src_x + x, y, chroma_y);
  return p.is_gray ? (int3) ((299 * rgb.x + 587 * rgb.y + 114 * rgb.z + 500) / 1000) : rgb;
}

/* What the first (0) or second row under a line of the result adds to it. */
int3 row_part (Picture p, __global const uchar *frame, Tap tap, uint line, uint which, uint src_y, int weight)
{
  uint y = p.is_sparse ? 2 * line + which : p.src_y + src_y, chroma_y = p.is_sparse ? y : y / 2;
  int3 row = seen_at (p, frame, tap.first, y, chroma_y) * tap.weights[0] +
             seen_at (p, frame, tap.second, y, chroma_y) * tap.weights[1];
  return (row >> (TAP_BITS - ROW_BITS)) * weight >> (TAP_BITS + ROW_BITS - SUM_BITS);
}

/* A work item for each pixel of the input. */
__kernel void picture (__global const uchar *frame, uint frame_at, __global real *dst, uint dst_at, Picture p)
{
  uint x = get_global_id (0), y = get_global_id (1);
  if (x >= p.row_width || y >= p.row_height)
    return;
  int3 value = (int3) (p.pad);
  if (x - p.x < p.width && y - p.y < p.height) {
    Tap across = tap_of (x - p.x, p.width, p.src_width), down = tap_of (y - p.y, p.height, p.src_height);
    value = row_part (p, frame + frame_at, across, y - p.y, 0, down.first, down.weights[0]) +
            row_part (p, frame + frame_at, across, y - p.y, 1, down.second, down.weights[1]);
    value = (value + (1 << (SUM_BITS - 1))) >> SUM_BITS;
  }
  if (p.is_reversed)
    value = value.zyx;
  uint at = dst_at + y * p.row_step + x * p.pixel_step;
  store (((float) value.x - p.mean[0]) * p.scale[0], dst, at);
  if (p.n_channels == 1)
    return;
  store (((float) value.y - p.mean[1]) * p.scale[1], dst, at + p.channel_step);
  store (((float) value.z - p.mean[2]) * p.scale[2], dst, at + 2 * p.channel_step);
}
