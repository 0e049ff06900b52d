/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bilinear, pixel centres at halves, in integers: rows are blended with 7 bits for the whole width,
 * then columns with 14. */
#include "plane_resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

static constexpr int row_bits = 7, column_bits = 14, shift = row_bits + column_bits;

void PlaneResizer::Axis::set (int new_src, int new_dst)
{
  if (src == new_src && dst == new_dst)
    return;
  src = new_src;
  dst = new_dst;
  at.resize ((size_t) dst);
  weights.resize ((size_t) dst);
  for (int i = 0; i < dst; i++) {
    double centre = (i + 0.5) * src / dst - 0.5;
    double from = std::clamp (std::floor (centre), 0.0, src - 2.0);
    auto second =
        (uint32_t) std::lround (std::clamp (centre - from, 0.0, 1.0) * (1 << column_bits));
    at[(size_t) i] = (int32_t) from;
    weights[(size_t) i] = ((1u << column_bits) - second) | second << 16;
  }
}

static void blend_rows (const uint8_t *a, const uint8_t *b, int weight, int n, int16_t *dst)
{
  for (int i = 0; i < n; i++)
    dst[i] = (int16_t) (a[i] * ((1 << row_bits) - weight) + b[i] * weight);
}

static void blend_columns (
    const int16_t *src, const int32_t *at, const uint32_t *weights, int n, uint8_t *dst)
{
  int i = 0;
#ifdef __AVX2__
  const __m256i half = _mm256_set1_epi32 (1 << (shift - 1));
  const __m256i order = _mm256_setr_epi32 (0, 4, 0, 0, 0, 0, 0, 0);
  for (; i + 8 <= n; i += 8) {
    __m256i pairs = _mm256_i32gather_epi32 (
        (const int *) src, _mm256_loadu_si256 ((const __m256i *) (at + i)), 2);
    __m256i sums = _mm256_madd_epi16 (pairs, _mm256_loadu_si256 ((const __m256i *) (weights + i)));
    sums = _mm256_srli_epi32 (_mm256_add_epi32 (sums, half), shift);
    sums = _mm256_packus_epi16 (_mm256_packus_epi32 (sums, sums), sums);
    sums = _mm256_permutevar8x32_epi32 (sums, order);
    _mm_storel_epi64 ((__m128i *) (dst + i), _mm256_castsi256_si128 (sums));
  }
#endif
  for (; i < n; i++) {
    const int16_t *pair = src + at[i];
    int sum = pair[0] * (int) (weights[i] & 0xffff) + pair[1] * (int) (weights[i] >> 16);
    dst[i] = (uint8_t) ((sum + (1 << (shift - 1))) >> shift);
  }
}

void PlaneResizer::resize (const Plane &plane, Axis &x, Axis &y, uint8_t *dst)
{
  for (int i = 0; i < y.dst; i++, dst += x.dst) {
    const uint8_t *a = plane.data + (size_t) y.at[(size_t) i] * plane.stride;
    int weight = (int) (y.weights[(size_t) i] >> 16) + (1 << (column_bits - row_bits - 1));
    blend_rows (a, a + plane.stride, weight >> (column_bits - row_bits), plane.width, row.data ());
    blend_columns (row.data (), x.at.data (), x.weights.data (), x.dst, dst);
  }
}

/* The chroma's share of two rows: what it adds to B, G and R, in 1/256. */
static void spread_chroma (
    const uint8_t *u, const uint8_t *v, int width, int32_t *b, int32_t *g, int32_t *r)
{
  for (int x = 0; x < width; x++) {
    int d = u[x / 2] - 128, e = v[x / 2] - 128;
    b[x] = 516 * d;
    g[x] = -100 * d - 208 * e;
    r[x] = 409 * e;
  }
}

static void add_luma (const uint8_t *luma, const int32_t *chroma, int n, float *dst)
{
  for (int x = 0; x < n; x++) {
    int value = (298 * (luma[x] - 16) + chroma[x] + 128) >> 8;
    dst[x] = (float) std::min (std::max (value, 0), 255);
  }
}

void PlaneResizer::convert (int width, int height, float *dst)
{
  int32_t *share[3] = { chroma.data (), chroma.data () + width, chroma.data () + 2 * width };
  size_t plane = (size_t) width * (size_t) height;
  for (int y = 0; y < height; y++) {
    size_t at = (size_t) y * (size_t) width, chroma_at = (size_t) (y / 2) * (size_t) (width / 2);
    if (y % 2 == 0)
      spread_chroma (
          &small[1][chroma_at], &small[2][chroma_at], width, share[0], share[1], share[2]);
    for (size_t c = 0; c < 3; c++)
      add_luma (&small[0][at], share[c], width, dst + c * plane + at);
  }
}

void PlaneResizer::run (const Plane planes[3], int width, int height, float *dst)
{
  row.resize ((size_t) planes[0].width);
  chroma.resize (3 * (size_t) width);
  for (int p = 0; p < 3; p++) {
    int w = p ? width / 2 : width, h = p ? height / 2 : height;
    Axis &x = axes[p ? 2 : 0], &y = axes[p ? 3 : 1];
    x.set (planes[p].width, w);
    y.set (planes[p].height, h);
    small[p].resize ((size_t) w * (size_t) h);
    resize (planes[p], x, y, small[p].data ());
  }
  convert (width, height, dst);
}
