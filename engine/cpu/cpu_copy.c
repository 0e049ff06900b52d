/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strided copies.
 *
 * Dims are sorted by their stride in dst and merged where both sides are contiguous over them. The
 * last dim is the fastest in dst; the one before it is, where it can be, the fastest in src, so
 * that the two form a tile: rows to be copied, or a transpose done in blocks that stay in the
 * first-level cache. The dims before these are counted like an odometer. */
#include "engine/cpu/cpu_copy.h"

#include "engine/base/half.h"
#include "engine/cpu/cpu.h"

#include <string.h>

#define BLOCK          16
#define MANY_ROWS      256 /* of a unit, where rows are short or contiguous */
#define FEW_COLUMNS    4
#define PARALLEL_BYTES ((int64_t) 64 * 1024)

typedef void (*TileFn) (char *dst, const char *src, const WeirCpuCopy *copy, int64_t n_rows);

/* Any strides. Two columns that lie apart and are to be interleaved are the channel shuffle; every
 * second element of a row is its inverse. */
#define TILE(name, Src, Dst, convert)                                                         \
  static void name (                                                                          \
      char *dst_bytes, const char *src_bytes, const WeirCpuCopy *copy, int64_t n_rows)        \
  {                                                                                           \
    Dst *restrict dst = (Dst *) dst_bytes;                                                    \
    const Src *restrict src = (const Src *) src_bytes;                                        \
    uint32_t last = copy->rank - 1;                                                           \
    int64_t n = copy->dims[last], ss = copy->src_strides[last], ds = copy->dst_strides[last]; \
    int64_t sr = copy->src_strides[last - 1], dr = copy->dst_strides[last - 1];               \
    if (n == 2 && sr == 1 && dr == 2 && ds == 1) {                                            \
      for (int64_t row = 0; row < n_rows; row++) {                                            \
        dst[2 * row] = convert (src[row]);                                                    \
        dst[2 * row + 1] = convert (src[row + ss]);                                           \
      }                                                                                       \
      return;                                                                                 \
    }                                                                                         \
    if (ss == 2 && ds == 1) {                                                                 \
      for (int64_t row = 0; row < n_rows; row++)                                              \
        for (int64_t i = 0; i < n; i++)                                                       \
          dst[row * dr + i] = convert (src[row * sr + 2 * i]);                                \
      return;                                                                                 \
    }                                                                                         \
    for (int64_t begin = 0; begin < n; begin += BLOCK) {                                      \
      int64_t end = MIN (begin + BLOCK, n);                                                   \
      for (int64_t row = 0; row < n_rows; row++)                                              \
        for (int64_t i = begin; i < end; i++)                                                 \
          dst[row * dr + i * ds] = convert (src[row * sr + i * ss]);                          \
    }                                                                                         \
  }

#define SAME(x)       (x)
#define U8_TO_BF16(x) weir_f32_to_bf16 ((float) (x))
TILE (tile_1, uint8_t, uint8_t, SAME)
TILE (tile_2, uint16_t, uint16_t, SAME)
TILE (tile_4, uint32_t, uint32_t, SAME)
TILE (tile_8, uint64_t, uint64_t, SAME)
TILE (tile_any_f32_bf16, float, uint16_t, weir_f32_to_bf16)
TILE (tile_bf16_f32, uint16_t, float, weir_bf16_to_f32)
TILE (tile_u8_f32, uint8_t, float, (float) )
TILE (tile_u8_bf16, uint8_t, uint16_t, U8_TO_BF16)

/* Planes to pixels of few channels and nothing between them. */
static bool is_interleaving (const WeirCpuCopy *copy)
{
  uint32_t last = copy->rank - 1;
  return copy->src_strides[last - 1] == 1 && copy->src_strides[last] > 0 &&
         copy->dst_strides[last - 1] == copy->dims[last] && copy->dst_strides[last] == 1 &&
         copy->dims[last] <= FEW_COLUMNS;
}

static void tile_interleaved (char *dst, const char *src, const WeirCpuCopy *copy, int64_t n_rows)
{
  uint32_t last = copy->rank - 1;
  copy->kernels->interleave ((float *) (void *) dst, (const float *) (const void *) src,
      (size_t) copy->dims[last], (size_t) copy->src_strides[last], (size_t) n_rows);
}

static void tile_interleaved_f32_bf16 (
    char *dst, const char *src, const WeirCpuCopy *copy, int64_t n_rows)
{
  float pixels[MANY_ROWS * FEW_COLUMNS];
  tile_interleaved ((char *) pixels, src, copy, n_rows);
  copy->kernels->bf16_from_f32 (
      (uint16_t *) (void *) dst, pixels, (size_t) (n_rows * copy->dims[copy->rank - 1]));
}

/* Planes to pixels: what is contiguous in src is rounded by vectors first. */
static void tile_f32_bf16 (
    char *dst_bytes, const char *src_bytes, const WeirCpuCopy *copy, int64_t n_rows)
{
  uint32_t last = copy->rank - 1;
  int64_t dr = copy->dst_strides[last - 1], ds = copy->dst_strides[last];
  uint16_t rounded[MANY_ROWS], *dst = (uint16_t *) dst_bytes;
  if (copy->src_strides[last - 1] != 1) {
    tile_any_f32_bf16 (dst_bytes, src_bytes, copy, n_rows);
    return;
  }
  for (int64_t i = 0; i < copy->dims[last]; i++) {
    const float *src = (const float *) src_bytes + i * copy->src_strides[last];
    copy->kernels->bf16_from_f32 (rounded, src, (size_t) n_rows);
    for (int64_t row = 0; row < n_rows; row++)
      dst[row * dr + i * ds] = rounded[row];
  }
}

/* Of short rows a copy of a known size is one instruction. */
static inline void copy_row (void *dst, const void *src, size_t n_bytes)
{
  if (n_bytes == 8)
    memcpy (dst, src, 8);
  else if (n_bytes == 16)
    memcpy (dst, src, 16);
  else
    memcpy (dst, src, n_bytes);
}

/* Rows that are contiguous on both sides. */
#define ROWS(name, Src, Dst, statement)                                                \
  static void name (                                                                   \
      char *dst_bytes, const char *src_bytes, const WeirCpuCopy *copy, int64_t n_rows) \
  {                                                                                    \
    uint32_t last = copy->rank - 1;                                                    \
    size_t n = (size_t) copy->dims[last];                                              \
    for (int64_t row = 0; row < n_rows; row++) {                                       \
      Dst *dst = (Dst *) dst_bytes + row * copy->dst_strides[last - 1];                \
      const Src *src = (const Src *) src_bytes + row * copy->src_strides[last - 1];    \
      statement;                                                                       \
    }                                                                                  \
  }

ROWS (rows_1, uint8_t, uint8_t, copy_row (dst, src, n))
ROWS (rows_2, uint16_t, uint16_t, copy_row (dst, src, 2 * n))
ROWS (rows_4, uint32_t, uint32_t, copy_row (dst, src, 4 * n))
ROWS (rows_8, uint64_t, uint64_t, copy_row (dst, src, 8 * n))
ROWS (rows_f32_bf16, float, uint16_t, copy->kernels->bf16_from_f32 (dst, src, n))
ROWS (rows_bf16_f32, uint16_t, float, copy->kernels->f32_from_bf16 (dst, src, n))
ROWS (rows_u8_f32, uint8_t, float, copy->kernels->f32_from_u8 (dst, src, n))

typedef struct Tiles {
  TileFn tile, rows, interleaved; /* those that are NULL `tile` does */
} Tiles;

static const struct {
  WeirDtype src, dst;
  Tiles tiles;
} conversions[] = {
  { WEIR_DTYPE_F32, WEIR_DTYPE_BF16, { tile_f32_bf16, rows_f32_bf16, tile_interleaved_f32_bf16 } },
  { WEIR_DTYPE_BF16, WEIR_DTYPE_F32, { tile_bf16_f32, rows_bf16_f32, NULL } },
  { WEIR_DTYPE_U8, WEIR_DTYPE_F32, { tile_u8_f32, rows_u8_f32, NULL } },
  { WEIR_DTYPE_U8, WEIR_DTYPE_BF16, { tile_u8_bf16, NULL, NULL } },
};

static const Tiles by_size[9] = {
  [1] = { tile_1, rows_1, NULL },
  [2] = { tile_2, rows_2, NULL },
  [4] = { tile_4, rows_4, tile_interleaved },
  [8] = { tile_8, rows_8, NULL },
};

static const Tiles *find_tiles (WeirDtype src, WeirDtype dst)
{
  size_t size = weir_dtype_bytes (src);
  if (src == dst && size > 0)
    return by_size[size].tile ? &by_size[size] : NULL;
  for (uint32_t i = 0; i < G_N_ELEMENTS (conversions); i++)
    if (conversions[i].src == src && conversions[i].dst == dst)
      return &conversions[i].tiles;
  return NULL;
}

bool weir_cpu_copy_can (WeirDtype src, WeirDtype dst)
{
  return find_tiles (src, dst) != NULL;
}

static TileFn choose_tile (const WeirCpuCopy *copy, bool is_rows)
{
  const Tiles *tiles = find_tiles (copy->src_dtype, copy->dst_dtype);
  if (is_rows && tiles->rows)
    return tiles->rows;
  return !is_rows && tiles->interleaved && is_interleaving (copy) ? tiles->interleaved
                                                                  : tiles->tile;
}

static void swap_dims (WeirCpuCopy *copy, uint32_t a, uint32_t b)
{
  int64_t dim = copy->dims[a], src = copy->src_strides[a], dst = copy->dst_strides[a];
  copy->dims[a] = copy->dims[b];
  copy->src_strides[a] = copy->src_strides[b];
  copy->dst_strides[a] = copy->dst_strides[b];
  copy->dims[b] = dim;
  copy->src_strides[b] = src;
  copy->dst_strides[b] = dst;
}

static void drop_and_sort (WeirCpuCopy *copy)
{
  uint32_t n = 0;
  for (uint32_t i = 0; i < copy->rank; i++)
    if (copy->dims[i] != 1)
      swap_dims (copy, n++, i);
  copy->rank = n;
  for (uint32_t i = 1; i < n; i++)
    for (uint32_t j = i; j > 0 && copy->dst_strides[j - 1] < copy->dst_strides[j]; j--)
      swap_dims (copy, j - 1, j);
}

static void merge (WeirCpuCopy *copy)
{
  uint32_t n = 0;
  for (uint32_t i = 1; i < copy->rank; i++) {
    if (copy->dst_strides[n] == copy->dst_strides[i] * copy->dims[i] &&
        copy->src_strides[n] == copy->src_strides[i] * copy->dims[i]) {
      copy->dims[n] *= copy->dims[i];
      copy->dst_strides[n] = copy->dst_strides[i];
      copy->src_strides[n] = copy->src_strides[i];
    } else {
      swap_dims (copy, ++n, i);
    }
  }
  if (copy->rank)
    copy->rank = n + 1;
}

/* Two dims at least, so that there is a tile. */
static void pad_rank (WeirCpuCopy *copy)
{
  while (copy->rank < 2) {
    copy->dims[copy->rank] = 1;
    copy->src_strides[copy->rank] = copy->dst_strides[copy->rank] = 1;
    copy->rank++;
    swap_dims (copy, 0, copy->rank - 1);
  }
}

void weir_cpu_copy_prepare (WeirCpuCopy *copy, const WeirTensorKernels *kernels)
{
  copy->kernels = kernels;
  drop_and_sort (copy);
  merge (copy);
  pad_rank (copy);
  uint32_t last = copy->rank - 1, fastest = last - 1;
  bool is_rows = copy->src_strides[last] == 1 && copy->dst_strides[last] == 1;
  for (uint32_t i = 0; i < last && !is_rows; i++)
    if (copy->src_strides[i] < copy->src_strides[fastest])
      fastest = i;
  swap_dims (copy, fastest, last - 1);
  copy->tile = choose_tile (copy, is_rows);
  copy->rows_per_unit = is_rows || copy->dims[last] <= FEW_COLUMNS ? MANY_ROWS : BLOCK;
  copy->units_per_outer = (copy->dims[last - 1] + copy->rows_per_unit - 1) / copy->rows_per_unit;
  copy->n_units = copy->units_per_outer;
  for (uint32_t i = 0; i + 2 < copy->rank; i++)
    copy->n_units *= copy->dims[i];
}

typedef struct Job {
  const WeirCpuCopy *copy;
  char *dst;
  const char *src;
} Job;

static void run_units (const void *data, int64_t begin, int64_t end)
{
  const Job *job = data;
  const WeirCpuCopy *copy = job->copy;
  int64_t src_size = (int64_t) weir_dtype_bytes (copy->src_dtype),
          dst_size = (int64_t) weir_dtype_bytes (copy->dst_dtype);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t outer = unit / copy->units_per_outer;
    int64_t row = unit % copy->units_per_outer * copy->rows_per_unit;
    int64_t n_rows = MIN (copy->rows_per_unit, copy->dims[copy->rank - 2] - row);
    int64_t src = copy->src_offset + row * copy->src_strides[copy->rank - 2],
            dst = copy->dst_offset + row * copy->dst_strides[copy->rank - 2];
    for (uint32_t i = copy->rank - 2; i-- > 0; outer /= copy->dims[i]) {
      src += outer % copy->dims[i] * copy->src_strides[i];
      dst += outer % copy->dims[i] * copy->dst_strides[i];
    }
    copy->tile (job->dst + dst * dst_size, job->src + src * src_size, copy, n_rows);
  }
}

void weir_cpu_copy_run (const WeirCpuCopy *copy, uint32_t n_threads, void *dst, const void *src)
{
  Job job = { copy, dst, src };
  int64_t unit_bytes = copy->rows_per_unit * copy->dims[copy->rank - 1] *
                       (int64_t) weir_dtype_bytes (copy->dst_dtype);
  weir_cpu_for (
      n_threads, copy->n_units, PARALLEL_BYTES / MAX (unit_bytes, 1) + 1, run_units, &job);
}
