/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The depthwise convolution, compiled once per instruction set.
 *
 * Including files include the vector (f32_….h) and define FIND, the function's name, and
 * SOURCE_IS_BF16 and RESULT_IS_BF16 where pictures are that; sums are f32. SUMS_ROW_PAIRS, with
 * both of them: by products of bf16 (depthwise_row_pairs.h), for the windows of the table below
 * and at least LANES channels.
 *
 * A tile of up to TILE_ROWS × TILE_COLUMNS results of LANES channels is summed in registers. The
 * source vectors of a row are loaded once for all the taps and results of the tile that read them:
 * for 3×3 at stride 1, 24 loads and 9 of weights serve 72 multiplications. Channels are the inner
 * loop: the source is read along memory. Where taps reach over an end of the row, or channels end
 * within a vector, loads and stores have masks; an empty one reads nothing. */
#include "kernels/cpu/activation_simd.h"
#include "kernels/depthwise.h"

#ifdef SOURCE_IS_BF16
typedef uint16_t Source;
#define load_source(p)            load_bf16 (p)
#define load_source_some(p, mask) load_bf16_some (p, mask)
#else
typedef float Source;
#define load_source(p)            load (p)
#define load_source_some(p, mask) load_some (p, mask)
#endif
#if defined SUMS_ROW_PAIRS
typedef uint16_t Result;
#define store_result(p, v, clip)            store_clipped (p, v, clip)
#define store_result_some(p, v, clip, mask) store_clipped_some (p, v, clip, mask)
#elif defined RESULT_IS_BF16
typedef uint16_t Result;
#define store_result(p, v, clip)            store_bf16 (p, v)
#define store_result_some(p, v, clip, mask) store_bf16_some (p, v, mask)
#else
typedef float Result;
#define store_result(p, v, clip)            store (p, v)
#define store_result_some(p, v, clip, mask) store_some (p, v, mask)
#endif

#define TILE_ROWS    2
#define TILE_COLUMNS 4
#define MAX_KERNEL   5
#define MAX_VECTORS  ((TILE_COLUMNS - 1) * 2 + MAX_KERNEL)
#define ANY_COLUMNS  8

/* What the instances of the code below differ in; constants where it is expanded. A vector holds
 * `per` neighbouring results, the next one begins `step` source columns further. */
typedef struct Form {
  size_t kernel, stride_y, step, per;
} Form;

/* Which loads have masks: none; those of columns that a pad of half a kernel covers where a tile
 * begins or ends a row; all, and stores. */
typedef enum Masked { MASKED_NONE, MASKED_ENDS, MASKED_ALL } Masked;

typedef struct Masks {
  Mask load[MAX_VECTORS], store[TILE_COLUMNS];
} Masks;

static __attribute__ ((noinline)) void activate_many (
    const WeirActivation *activation, Vec *v, size_t n)
{
  for (; n >= MAX_LONG; n -= MAX_LONG, v += MAX_LONG)
    activate_long (activation, v, MAX_LONG);
  for (; n; n--, v++)
    activate_long (activation, v, 1);
}

/* A long activation is called, and with a copy, so that v stays in registers: expanded at every
 * tile it would be most of the code, and take minutes to compile. */
ALWAYS_INLINE void activate (const WeirActivation *activation, Vec *v, size_t n)
{
  Vec stored[TILE_ROWS * TILE_COLUMNS];
  if (is_short_activation (activation)) {
    activate_short (activation, v, n);
    return;
  }
  UNROLL (8)
  for (size_t i = 0; i < n; i++)
    stored[i] = v[i];
  activate_many (activation, stored, n);
  UNROLL (8)
  for (size_t i = 0; i < n; i++)
    v[i] = stored[i];
}

#ifdef SUMS_ROW_PAIRS
#include "kernels/cpu/depthwise_row_pairs.h"
#else

/* Vectors of a block of weights, before the bias. */
ALWAYS_INLINE size_t count_weights (Form form)
{
  return form.kernel * form.kernel;
}

/* Multiplies source row y of the tile's into the sums of the rows of results that it is a tap of.
 */
ALWAYS_INLINE void sum_row (Vec *sums, const Source *src, size_t apart, const float *weights,
    size_t y, Form form, size_t n_rows, size_t n_columns, Masked masked, const Masks *masks)
{
  size_t n_vectors = (n_columns - 1) * form.step + form.kernel, pad = form.kernel / 2;
  Vec v[MAX_VECTORS];
  UNROLL (16)
  for (size_t i = 0; i < n_vectors; i++)
    if (masked == MASKED_ALL || (masked == MASKED_ENDS && (i < pad || i + pad >= n_vectors)))
      v[i] = load_source_some (src + i * apart, masks->load[i]);
    else
      v[i] = load_source (src + i * apart);
  UNROLL (8)
  for (size_t kx = 0; kx < form.kernel; kx++) {
    UNROLL (2)
    for (size_t r = 0; r < n_rows; r++)
      if (y >= r * form.stride_y && y - r * form.stride_y < form.kernel) {
        Vec weight = load (weights + ((y - r * form.stride_y) * form.kernel + kx) * LANES);
        UNROLL (4)
        for (size_t p = 0; p < n_columns; p++)
          sums[r * n_columns + p] = madd (weight, v[p * form.step + kx], sums[r * n_columns + p]);
      }
  }
}

/* All source rows of the tile. */
ALWAYS_INLINE void sum_source (Vec *sums, const WeirDepthwiseTask *task, const void *const *rows,
    const float *weights, ptrdiff_t at, Form form, size_t n_rows, size_t n_columns, Masked masked,
    const Masks *masks)
{
  UNROLL (16)
  for (size_t y = 0; y < (n_rows - 1) * form.stride_y + form.kernel; y++)
    if (rows[y])
      sum_row (sums, (const Source *) rows[y] + at, task->apart, weights, y, form, n_rows,
          n_columns, masked, masks);
}
#endif

/* n_rows × n_columns vectors of results, constants where this is expanded. at: of the source, in
 * elements from the beginning of a row. */
ALWAYS_INLINE void sum_tile (const WeirDepthwiseTask *task, const void *const *rows, Result *dst,
    const float *weights, ptrdiff_t at, Form form, size_t n_rows, size_t n_columns, StoredClip clip,
    Masked masked, const Masks *masks)
{
  Vec sums[TILE_ROWS * TILE_COLUMNS], bias = load (weights + count_weights (form) * LANES);
  const size_t dst_row = task->dst_row, dst_apart = form.per * task->dst_apart;
  UNROLL (8)
  for (size_t i = 0; i < n_rows * n_columns; i++)
    sums[i] = bias;
  sum_source (sums, task, rows, weights, at, form, n_rows, n_columns, masked, masks);
  if (!clip.is_exact)
    activate (&task->shape->activation, sums, n_rows * n_columns);
  UNROLL (2)
  for (size_t r = 0; r < n_rows; r++) {
    UNROLL (4)
    for (size_t p = 0; p < n_columns; p++) {
      Result *to = dst + r * dst_row + p * dst_apart;
      if (masked == MASKED_ALL)
        store_result_some (to, sums[r * n_columns + p], clip, masks->store[p]);
      else
        store_result (to, sums[r * n_columns + p], clip);
    }
  }
}

static bool is_inside (ptrdiff_t column, const WeirDepthwise *shape)
{
  return column >= 0 && column < (ptrdiff_t) shape->src_width;
}

/* For n_vectors from source column `begin` on and for results from x on. */
static __attribute__ ((noinline)) void fill_masks (const WeirDepthwiseTask *task, Masks *masks,
    ptrdiff_t begin, size_t n_vectors, size_t x, size_t per)
{
  size_t n = task->n_channels < LANES ? task->n_channels : LANES;
  for (size_t i = 0; i < n_vectors; i++) {
    bool is_first = is_inside (begin + (ptrdiff_t) i, task->shape);
    bool is_second = per > 1 && is_inside (begin + (ptrdiff_t) i + 1, task->shape);
    masks->load[i] = per == 1 ? lanes (0, is_first ? n : 0)
                              : lanes (is_first ? 0 : LANES / 2, is_second ? LANES : LANES / 2);
  }
  for (size_t p = 0; p < TILE_COLUMNS; p++)
    masks->store[p] = lanes (0, per == 1 ? n : x + p * per + 1 < task->x_end ? LANES : LANES / 2);
}

static Masked find_masked (
    const WeirDepthwiseTask *task, ptrdiff_t begin, size_t n_vectors, size_t x, size_t n, Form form)
{
  ptrdiff_t end = begin + (ptrdiff_t) (n_vectors + form.per - 1), pad = (ptrdiff_t) form.kernel / 2;
  ptrdiff_t width = (ptrdiff_t) task->shape->src_width;
  if (x + n * form.per > task->x_end || task->n_channels * form.per < LANES || begin + pad < 0 ||
      end - pad > width)
    return MASKED_ALL;
  return begin < 0 || end > width ? MASKED_ENDS : MASKED_NONE;
}

/* All channels of the results of a tile from column x on. Where they are no whole number of vectors
 * the last one overlaps that before it. */
ALWAYS_INLINE void sum_channels (const WeirDepthwiseTask *task, const void *const *rows,
    Result *dst, size_t x, Form form, size_t n_rows, size_t n_columns, StoredClip clip)
{
  size_t n_vectors = (n_columns - 1) * form.step + form.kernel;
  size_t block_floats = (count_weights (form) + 1) * LANES;
  size_t n_channels = task->n_channels * form.per,
         last = n_channels < LANES ? 0 : n_channels - LANES;
  ptrdiff_t begin = (ptrdiff_t) (x * task->shape->stride_x) - (ptrdiff_t) task->shape->pad_x;
  const float *weights = task->weights;
  Masked masked = find_masked (task, begin, n_vectors, x, n_columns, form);
  /* Others have masks always, or the instances would take minutes to compile. */
  bool is_usual = n_rows == TILE_ROWS && n_columns == TILE_COLUMNS;
  Masks masks;
  dst += (x - task->x_begin) * task->dst_apart;
  if (masked != MASKED_NONE || !is_usual)
    fill_masks (task, &masks, begin, n_vectors, x, form.per);
  for (size_t next = 0; next < n_channels; next += LANES, weights += block_floats) {
    size_t c = next < last ? next : last;
    ptrdiff_t at = begin * (ptrdiff_t) task->apart + (ptrdiff_t) c;
    if (masked == MASKED_NONE && is_usual)
      sum_tile (task, rows, dst + c, weights, at, form, n_rows, n_columns, clip, MASKED_NONE, NULL);
    else if (masked == MASKED_ENDS && is_usual)
      sum_tile (
          task, rows, dst + c, weights, at, form, n_rows, n_columns, clip, MASKED_ENDS, &masks);
    else
      sum_tile (
          task, rows, dst + c, weights, at, form, n_rows, n_columns, clip, MASKED_ALL, &masks);
  }
}

ALWAYS_INLINE void sum_rows (
    const WeirDepthwiseTask *task, const void *const *rows, Result *dst, Form form, size_t n_rows)
{
  StoredClip clip = stored_clip (&task->shape->activation);
  size_t x = task->x_begin;
  for (; x + 3 * form.per < task->x_end; x += 4 * form.per)
    sum_channels (task, rows, dst, x, form, n_rows, 4, clip);
  if (x + form.per < task->x_end) {
    sum_channels (task, rows, dst, x, form, n_rows, 2, clip);
    x += 2 * form.per;
  }
  if (x < task->x_end)
    sum_channels (task, rows, dst, x, form, n_rows, 1, clip);
}

ALWAYS_INLINE void sum_windows (const WeirDepthwiseTask *task, Form form)
{
  const void *const *rows = task->rows;
  Result *dst = task->dst;
  size_t y = 0;
  for (; y + 2 <= task->n_rows; y += 2, rows += 2 * form.stride_y, dst += 2 * task->dst_row)
    sum_rows (task, rows, dst, form, 2);
  if (y < task->n_rows)
    sum_rows (task, rows, dst, form, 1);
}

#define WINDOWS(name, kernel, stride, step, per)             \
  static void name (const WeirDepthwiseTask *task)           \
  {                                                          \
    sum_windows (task, (Form){ kernel, stride, step, per }); \
  }

WINDOWS (windows_3_1, 3, 1, 1, 1)
WINDOWS (windows_3_2, 3, 2, 2, 1)
WINDOWS (windows_5_1, 5, 1, 1, 1)
WINDOWS (windows_5_2, 5, 2, 2, 1)
#ifndef SUMS_ROW_PAIRS
WINDOWS (pairs_3_1, 3, 1, 2, 2)
WINDOWS (pairs_5_1, 5, 1, 2, 2)

/* --- any window --- */

/* n_columns results, of which the windows lie inside, or one. */
ALWAYS_INLINE void sum_some (const WeirDepthwiseTask *task, const void *const *rows, Result *dst,
    const float *weights, size_t x, size_t c, size_t n_columns, Mask mask)
{
  const WeirDepthwise *shape = task->shape;
  ptrdiff_t begin = (ptrdiff_t) (x * shape->stride_x) - (ptrdiff_t) shape->pad_x;
  size_t step = shape->stride_x * task->apart;
  Vec sums[ANY_COLUMNS];
  for (size_t p = 0; p < n_columns; p++)
    sums[p] = load (weights + shape->kernel_height * shape->kernel_width * LANES);
  for (size_t ky = 0; ky < shape->kernel_height; ky++)
    for (size_t kx = 0; kx < shape->kernel_width; kx++, weights += LANES) {
      ptrdiff_t column = begin + (ptrdiff_t) (kx * shape->dilation_x);
      const Source *row = rows[ky * shape->dilation_y];
      if (!row || (n_columns == 1 && !is_inside (column, shape)))
        continue;
      const Source *src = row + column * (ptrdiff_t) task->apart + c;
      for (size_t p = 0; p < n_columns; p++)
        sums[p] = madd (load (weights), load_source_some (src + p * step, mask), sums[p]);
    }
  activate (&shape->activation, sums, n_columns);
  for (size_t p = 0; p < n_columns; p++)
    store_result_some (dst + (x - task->x_begin + p) * task->dst_apart + c, sums[p],
        stored_clip (&shape->activation), mask);
}

static bool has_inside (const WeirDepthwiseTask *task, size_t x, size_t n_columns)
{
  const WeirDepthwise *shape = task->shape;
  ptrdiff_t begin = (ptrdiff_t) (x * shape->stride_x) - (ptrdiff_t) shape->pad_x;
  size_t n = (n_columns - 1) * shape->stride_x + (shape->kernel_width - 1) * shape->dilation_x;
  return x + n_columns <= task->x_end && is_inside (begin, shape) &&
         is_inside (begin + (ptrdiff_t) n, shape);
}

static void sum_any (const WeirDepthwiseTask *task)
{
  const WeirDepthwise *shape = task->shape;
  size_t n_channels = task->n_channels, last = n_channels < LANES ? 0 : n_channels - LANES;
  Mask mask = lanes (0, n_channels < LANES ? n_channels : LANES);
  size_t block_floats = (shape->kernel_height * shape->kernel_width + 1) * LANES;
  for (size_t y = 0; y < task->n_rows; y++) {
    const void *const *rows = task->rows + y * shape->stride_y;
    Result *dst = (Result *) task->dst + y * task->dst_row;
    for (size_t x = task->x_begin, n = 1; x < task->x_end; x += n) {
      n = has_inside (task, x, ANY_COLUMNS) ? ANY_COLUMNS : 1;
      for (size_t next = 0; next < task->n_channels; next += LANES) {
        const float *weights = task->weights + next / LANES * block_floats;
        size_t c = next < last ? next : last;
        if (n > 1)
          sum_some (task, rows, dst, weights, x, c, ANY_COLUMNS, mask);
        else
          sum_some (task, rows, dst, weights, x, c, 1, mask);
      }
    }
  }
}

#define LEAST_CHANNELS 1
#else
#define pairs_3_1      NULL
#define pairs_5_1      NULL
#define sum_any        NULL
#define LEAST_CHANNELS LANES
#endif

WeirDepthwiseFn FIND (const WeirDepthwise *shape, size_t *per_vector);

WeirDepthwiseFn FIND (const WeirDepthwise *shape, size_t *per_vector)
{
  static const struct {
    size_t kernel, stride;
    WeirDepthwiseFn windows, pairs;
  } table[] = {
    { 3, 1, windows_3_1, pairs_3_1 },
    { 3, 2, windows_3_2, NULL },
    { 5, 1, windows_5_1, pairs_5_1 },
    { 5, 2, windows_5_2, NULL },
  };
  bool is_usual =
      shape->dilation_x == 1 && shape->dilation_y == 1 && shape->n_channels >= LEAST_CHANNELS;
  *per_vector = 1;
  for (size_t i = 0; is_usual && i < sizeof table / sizeof *table; i++) {
    if (table[i].kernel != shape->kernel_width || table[i].kernel != shape->kernel_height ||
        table[i].stride != shape->stride_x || table[i].stride != shape->stride_y)
      continue;
    *per_vector = shape->n_channels == LANES / 2 && table[i].pairs ? 2 : 1;
    return *per_vector == 2 ? table[i].pairs : table[i].windows;
  }
  return sum_any;
}
