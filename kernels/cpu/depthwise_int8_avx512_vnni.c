/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution of codes for AVX512-VNNI.
 *
 * A strip is walked column by column: the sums of the results whose windows hold the column stay in
 * registers. For 3×3 at stride 1 a column of 64 channels costs 8 shuffles, 24 dot products, 24
 * instructions to requantise 8 vectors and 6 to pack them: 62 that two ports share, 31 cycles. */
#include "kernels/depthwise_int8.h"
#include "kernels/unroll.h"

#include <immintrin.h>
#include <string.h>

#define LANES    64
#define VECTORS  4
#define MAX_SUMS 24

typedef __m512i Vec;

/* Constants where the code below is expanded. */
typedef struct Form {
  size_t kernel, stride, n_rows, n_bands;
} Form;

typedef const uint8_t *const (*Rows)[WEIR_DEPTHWISE_INT8_ROWS];

/* A source row from `at` on, of every band. */
ALWAYS_INLINE Vec load_bands (Rows rows, size_t row, size_t at, Form form)
{
  if (form.n_bands == 1)
    return _mm512_loadu_si512 (rows[0][row] + at);
  if (form.n_bands == 2) {
    __m256i low = _mm256_loadu_si256 ((const void *) (rows[0][row] + at));
    __m256i high = _mm256_loadu_si256 ((const void *) (rows[1][row] + at));
    return _mm512_inserti64x4 (_mm512_castsi256_si512 (low), high, 1);
  }
  Vec v = _mm512_castsi128_si512 (_mm_loadu_si128 ((const void *) (rows[0][row] + at)));
  v = _mm512_inserti32x4 (v, _mm_loadu_si128 ((const void *) (rows[1][row] + at)), 1);
  v = _mm512_inserti32x4 (v, _mm_loadu_si128 ((const void *) (rows[2][row] + at)), 2);
  return _mm512_inserti32x4 (v, _mm_loadu_si128 ((const void *) (rows[3][row] + at)), 3);
}

/* Four rows, byte by byte; rows that no tap of the group reads repeat the last. */
ALWAYS_INLINE void interleave (Vec *v, Rows rows, size_t group, size_t at, Form form)
{
  size_t n = (form.n_rows - 1) * form.stride + form.kernel, first = group * 4;
  Vec r[4];
  UNROLL (4)
  for (size_t i = 0; i < 4; i++)
    r[i] = first + i < n ? load_bands (rows, first + i, at, form) : r[i - 1];
  Vec low[2] = { _mm512_unpacklo_epi8 (r[0], r[1]), _mm512_unpacklo_epi8 (r[2], r[3]) };
  Vec high[2] = { _mm512_unpackhi_epi8 (r[0], r[1]), _mm512_unpackhi_epi8 (r[2], r[3]) };
  v[0] = _mm512_unpacklo_epi16 (low[0], low[1]);
  v[1] = _mm512_unpackhi_epi16 (low[0], low[1]);
  v[2] = _mm512_unpacklo_epi16 (high[0], high[1]);
  v[3] = _mm512_unpackhi_epi16 (high[0], high[1]);
}

/* True where a result row of the strip has taps among four source rows. */
ALWAYS_INLINE bool has_taps (size_t row, size_t group, Form form)
{
  return row * form.stride < group * 4 + 4 && row * form.stride + form.kernel > group * 4;
}

/* Around the intrinsic gcc 12 copies sums to and from memory. */
ALWAYS_INLINE void add_products (Vec *sum, Vec codes, const uint8_t *weights)
{
  __asm__("vpdpbusd %2, %1, %0"
          : "+v"(*sum)
          : "v"(codes), "m"(*(const Vec *) (const void *) weights));
}

/* Adds what is interleaved to the sums of the results that began `age` steps ago. */
ALWAYS_INLINE void sum_age (
    Vec *sums, const WeirDepthwiseInt8Task *task, const Vec *v, size_t group, size_t kx, Form form)
{
  size_t n_groups = ((form.n_rows - 1) * form.stride + form.kernel + 3) / 4;
  UNROLL (2)
  for (size_t row = 0; row < form.n_rows; row++) {
    if (!has_taps (row, group, form))
      continue;
    const uint8_t *weights =
        task->weights + ((kx * n_groups + group) * form.n_rows + row) * VECTORS * LANES;
    Vec *to = sums + row * VECTORS;
    UNROLL (4)
    for (size_t j = 0; j < VECTORS; j++)
      add_products (&to[j], v[j], weights + j * LANES);
  }
}

typedef struct Bounds {
  uint8_t low[LANES], high[LANES], flip[LANES]; /* in memory: registers are short */
  bool is_open;                                 /* all of them do nothing */
} Bounds;

/* 64 codes; packing within 16 bytes puts channels back in order. */
ALWAYS_INLINE Vec requantise (const Vec *sums, const uint8_t *numbers, const Bounds *bounds)
{
  Vec v[VECTORS];
  UNROLL (4)
  for (size_t j = 0; j < VECTORS; j++) {
    __m512 scale = _mm512_load_ps (numbers + (VECTORS + j) * LANES);
    __m512 bias = _mm512_load_ps (numbers + (2 * VECTORS + j) * LANES);
    v[j] = _mm512_cvtps_epi32 (_mm512_fmadd_ps (_mm512_cvtepi32_ps (sums[j]), scale, bias));
  }
  Vec bytes =
      _mm512_packus_epi16 (_mm512_packs_epi32 (v[0], v[1]), _mm512_packs_epi32 (v[2], v[3]));
  if (bounds->is_open)
    return bytes;
  bytes = _mm512_max_epu8 (bytes, _mm512_load_si512 (bounds->low));
  bytes = _mm512_min_epu8 (bytes, _mm512_load_si512 (bounds->high));
  return _mm512_xor_si512 (bytes, _mm512_load_si512 (bounds->flip));
}

ALWAYS_INLINE void store_bands (uint8_t *const (*dst)[2], size_t row, size_t at, Vec v, Form form)
{
  if (form.n_bands == 1) {
    _mm512_storeu_si512 (dst[0][row] + at, v);
  } else if (form.n_bands == 2) {
    _mm256_storeu_si256 ((void *) (dst[0][row] + at), _mm512_castsi512_si256 (v));
    _mm256_storeu_si256 ((void *) (dst[1][row] + at), _mm512_extracti64x4_epi64 (v, 1));
  } else {
    _mm_storeu_si128 ((void *) (dst[0][row] + at), _mm512_castsi512_si128 (v));
    _mm_storeu_si128 ((void *) (dst[1][row] + at), _mm512_extracti32x4_epi32 (v, 1));
    _mm_storeu_si128 ((void *) (dst[2][row] + at), _mm512_extracti32x4_epi32 (v, 2));
    _mm_storeu_si128 ((void *) (dst[3][row] + at), _mm512_extracti32x4_epi32 (v, 3));
  }
}

/* Columns of a source row, at which a step begins, or zero points. */
ALWAYS_INLINE Rows find_column (const WeirDepthwiseInt8Task *task, ptrdiff_t column, size_t *at)
{
  bool is_inside = column >= 0 && column < (ptrdiff_t) task->shape->src_width;
  *at = is_inside ? (size_t) column * task->shape->n_channels : 0;
  return is_inside ? task->rows : task->outside;
}

/* One step: the results of column x begin, those that began n_ages - 1 steps ago are done. Those
 * that began `age` steps ago have their sums at (phase + age) % n_ages. */
ALWAYS_INLINE void run_step (Vec *sums, const WeirDepthwiseInt8Task *task, const uint8_t *numbers,
    const Bounds *bounds, size_t x, size_t phase, Form form)
{
  const WeirDepthwiseInt8 *shape = task->shape;
  size_t n_groups = ((form.n_rows - 1) * form.stride + form.kernel + 3) / 4;
  size_t n_ages = (form.kernel + form.stride - 1) / form.stride, n = form.n_rows * VECTORS, at;
  size_t oldest = n_ages - 1;
  Vec done[2];
  UNROLL (8)
  for (size_t i = 0; i < n; i++)
    sums[phase * n + i] = _mm512_load_si512 (numbers + i % VECTORS * LANES);
  UNROLL (2)
  for (size_t s = 0; s < form.stride; s++) {
    Rows rows =
        find_column (task, (ptrdiff_t) (x * form.stride + s) - (ptrdiff_t) shape->pad_x, &at);
    UNROLL (2)
    for (size_t group = 0; group < n_groups; group++) {
      Vec v[VECTORS];
      interleave (v, rows, group, at, form);
      UNROLL (5)
      for (size_t age = n_ages; age-- > 0;)
        if (s + age * form.stride < form.kernel)
          sum_age (sums + (phase + age) % n_ages * n, task, v, group, s + age * form.stride, form);
    }
    if (s == (form.kernel - 1) % form.stride) {
      UNROLL (2)
      for (size_t row = 0; row < form.n_rows; row++)
        done[row] =
            requantise (sums + (phase + oldest) % n_ages * n + row * VECTORS, numbers, bounds);
    }
  }
  UNROLL (32)
  for (size_t i = 0; i < n_ages * n; i++) /* or they would be moved behind the stores */
    if (i / n != (phase + oldest) % n_ages)
      __asm__ volatile("" : "+v"(sums[i]));
  /* until the first result is done what is stored in its place is none */
  at = x > oldest ? (x - oldest) * shape->n_channels : 0;
  UNROLL (2)
  for (size_t row = form.n_rows; row-- > 0;)
    store_bands (task->dst, row, at, done[row], form);
}

ALWAYS_INLINE void run_strip (const WeirDepthwiseInt8Task *task, Form form)
{
  size_t n_groups = ((form.n_rows - 1) * form.stride + form.kernel + 3) / 4;
  size_t n_ages = (form.kernel + form.stride - 1) / form.stride, n = form.n_rows * VECTORS;
  size_t n_steps = task->shape->dst_width + n_ages - 1;
  const uint8_t *numbers = task->weights + form.kernel * n_groups * n * LANES;
  const WeirRequantise *codes = &task->codes;
  __attribute__ ((aligned (LANES))) Bounds bounds;
  memset (bounds.low, codes->low, LANES);
  memset (bounds.high, codes->high, LANES);
  memset (bounds.flip, codes->flip, LANES);
  bounds.is_open = codes->low == 0 && codes->high == UINT8_MAX && codes->flip == 0;
  __asm__ volatile("" : "+m"(bounds));
  Vec sums[MAX_SUMS];
  UNROLL (32)
  for (size_t i = 0; i < n_ages * n; i++)
    sums[i] = _mm512_setzero_si512 ();
  for (size_t x = 0; x < n_steps; x += n_ages) {
    UNROLL (5)
    for (size_t i = 0; i < n_ages; i++)
      if (x + i < n_steps) /* counted down, so that what is one step older is one place on */
        run_step (sums, task, numbers, &bounds, x + i, n_ages - 1 - i, form);
  }
}

#define STRIPS(name, kernel, stride, n_rows)                \
  static void name##_64 (const WeirDepthwiseInt8Task *task) \
  {                                                         \
    run_strip (task, (Form){ kernel, stride, n_rows, 1 });  \
  }                                                         \
  static void name##_32 (const WeirDepthwiseInt8Task *task) \
  {                                                         \
    run_strip (task, (Form){ kernel, stride, n_rows, 2 });  \
  }                                                         \
  static void name##_16 (const WeirDepthwiseInt8Task *task) \
  {                                                         \
    run_strip (task, (Form){ kernel, stride, n_rows, 4 });  \
  }

STRIPS (strip_3_1, 3, 1, 2)
STRIPS (strip_3_2, 3, 2, 1)
STRIPS (strip_5_1, 5, 1, 1)
STRIPS (strip_5_2, 5, 2, 1)

extern const WeirDepthwiseInt8Kernels weir_depthwise_int8_avx512_vnni[4];
const WeirDepthwiseInt8Kernels weir_depthwise_int8_avx512_vnni[4] = {
  { 3, 1, 2, { strip_3_1_64, strip_3_1_32, strip_3_1_16 } },
  { 3, 2, 1, { strip_3_2_64, strip_3_2_32, strip_3_2_16 } },
  { 5, 1, 1, { strip_5_1_64, strip_5_1_32, strip_5_1_16 } },
  { 5, 2, 1, { strip_5_2_64, strip_5_2_32, strip_5_2_16 } },
};
