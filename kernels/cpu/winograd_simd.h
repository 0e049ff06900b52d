/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Winograd's transforms, compiled once per instruction set and type of the pictures.
 *
 * Including files include the vector (f32_….h) and define LOAD and STORE, the functions' names, and
 * PICTURES_ARE_BF16 where they are; else they are f32.
 *
 * Both go over all channels of a tile, one vector at a time; down the columns first, then along the
 * rows. The source's is done in two halves of three rows, so that what lies between the two
 * directions stays in registers: 12 fused multiplications and additions for each 6 numbers, 144 for
 * a vector of a tile, beside 36 stores. */
#include "kernels/cpu/activation_simd.h"
#include "kernels/winograd.h"
#include "kernels/winograd_points.h"

#include <stdint.h>

#define EXTENT  WEIR_WINOGRAD_EXTENT
#define RESULTS WEIR_WINOGRAD_RESULTS

#ifdef PICTURES_ARE_BF16
typedef uint16_t Element;
#define load_elements(p)                load_bf16 (p)
#define load_some_elements(p, mask)     load_bf16_some (p, mask)
#define store_elements(p, v)            store_bf16 (p, v)
#define store_some_elements(p, v, mask) store_bf16_some (p, v, mask)
#else
typedef float Element;
#define load_elements(p)                load (p)
#define load_some_elements(p, mask)     load_some (p, mask)
#define store_elements(p, v)            store (p, v)
#define store_some_elements(p, v, mask) store_some (p, v, mask)
#endif

_Static_assert(RESULTS <= MAX_LONG, "a row is one long activation");

void LOAD (const WeirWinogradLoad *task);
void STORE (const WeirWinogradStore *task);

/* --- source --- */

/* With m (x) = x (x² - a²) (x² - b²), the coefficients of m (x) / (x - point) times d: of point 0,
 * a and -a. d[5] does not count. */
ALWAYS_INLINE void transform_first (Vec *dst, const Vec *d)
{
  Vec even = less_product (d[4], set (WINOGRAD_B2), d[2]);
  Vec odd = less_product (d[3], set (WINOGRAD_B2), d[1]);
  dst[0] = less_product (
      madd (set (WINOGRAD_A2 * WINOGRAD_B2), d[0], d[4]), set (WINOGRAD_A2 + WINOGRAD_B2), d[2]);
  dst[1] = madd (set (WINOGRAD_A), odd, even);
  dst[2] = less_product (even, set (WINOGRAD_A), odd);
}

/* Of b, -b and, of m (x) itself, infinity. d[0] does not count. */
ALWAYS_INLINE void transform_last (Vec *dst, const Vec *d)
{
  Vec even = less_product (d[4], set (WINOGRAD_A2), d[2]);
  Vec odd = less_product (d[3], set (WINOGRAD_A2), d[1]);
  dst[0] = madd (set (WINOGRAD_B), odd, even);
  dst[1] = less_product (even, set (WINOGRAD_B), odd);
  dst[2] = less_product (
      madd (set (WINOGRAD_A2 * WINOGRAD_B2), d[1], d[5]), set (WINOGRAD_A2 + WINOGRAD_B2), d[3]);
}

/* Where pixels come from. */
typedef enum Edge { EDGE_NONE, EDGE_CHANNELS, EDGE_ANY } Edge;

ALWAYS_INLINE Vec load_pixel (
    const WeirWinogradLoad *task, size_t y, size_t x, size_t c, Edge edge, Mask mask)
{
  if (edge == EDGE_ANY)
    return load_some_elements ((const Element *) task->pixels[y * EXTENT + x] + c, mask);
  const Element *from = (const Element *) task->src + y * task->src_row + x * task->src_apart + c;
  return edge == EDGE_NONE ? load_elements (from) : load_some_elements (from, mask);
}

/* Three rows of the transformed tile. */
ALWAYS_INLINE void load_half (
    const WeirWinogradLoad *task, size_t c, size_t half, Edge edge, Mask mask)
{
  Vec rows[3][EXTENT];
  UNROLL (6)
  for (size_t x = 0; x < EXTENT; x++) {
    Vec d[EXTENT], column[3];
    UNROLL (6)
    for (size_t y = half; y < EXTENT - 1 + half; y++)
      d[y] = load_pixel (task, y, x, c, edge, mask);
    if (half == 0)
      transform_first (column, d);
    else
      transform_last (column, d);
    UNROLL (3)
    for (size_t y = 0; y < 3; y++)
      rows[y][x] = column[y];
  }
  UNROLL (3)
  for (size_t y = 0; y < 3; y++) {
    Vec row[EXTENT];
    float *dst = task->dst + (half * 3 + y) * EXTENT * task->plane + c;
    transform_first (row, rows[y]);
    transform_last (row + 3, rows[y]);
    UNROLL (6)
    for (size_t x = 0; x < EXTENT; x++)
      store (dst + x * task->plane, row[x]);
  }
}

ALWAYS_INLINE void load_vector (const WeirWinogradLoad *task, size_t c, Edge edge, Mask mask)
{
  load_half (task, c, 0, edge, mask);
  load_half (task, c, 1, edge, mask);
}

void LOAD (const WeirWinogradLoad *task)
{
  for (size_t c = 0; c < task->n_channels; c += LANES) {
    size_t n = task->n_channels - c < LANES ? task->n_channels - c : LANES;
    if (!task->src)
      load_vector (task, c, EDGE_ANY, lanes (0, n));
    else if (n < LANES)
      load_vector (task, c, EDGE_CHANNELS, lanes (0, n));
    else
      load_vector (task, c, EDGE_NONE, lanes (0, LANES));
  }
}

/* --- results --- */

/* Σ point^row · m, of infinity only in the last row. */
ALWAYS_INLINE void transform_sums (Vec *dst, const Vec *m)
{
  Vec a_even = add (m[1], m[2]), a_odd = sub (m[1], m[2]);
  Vec b_even = add (m[3], m[4]), b_odd = sub (m[3], m[4]);
  dst[0] = add (m[0], add (a_even, b_even));
  dst[1] = madd (set (WINOGRAD_B), b_odd, mul (set (WINOGRAD_A), a_odd));
  dst[2] = madd (set (WINOGRAD_B2), b_even, mul (set (WINOGRAD_A2), a_even));
  dst[3] = madd (set (WINOGRAD_B3), b_odd, madd (set (WINOGRAD_A3), a_odd, m[5]));
}

/* SIGMOID or SWISH: too long to be expanded wherever a row is finished. */
static __attribute__ ((noinline)) void activate_row (const WeirActivation *activation, Vec *row)
{
  activate_long (activation, row, RESULTS);
}

ALWAYS_INLINE void activate (const WeirActivation *activation, Vec *row)
{
  Vec copy[RESULTS]; /* so that `row` stays in registers otherwise */
  if (is_short_activation (activation)) {
    activate_short (activation, row, RESULTS);
    return;
  }
  UNROLL (4)
  for (size_t x = 0; x < RESULTS; x++)
    copy[x] = row[x];
  activate_row (activation, copy);
  UNROLL (4)
  for (size_t x = 0; x < RESULTS; x++)
    row[x] = copy[x];
}

/* Row y of the results, as far as they are wanted. */
ALWAYS_INLINE void finish_row (
    const WeirWinogradStore *task, Vec *row, size_t y, size_t c, bool is_whole, Mask mask)
{
  size_t at = y * task->dst_row + c;
  const Element *added = task->added;
  Element *dst = task->dst;
  Vec bias = load (task->bias + c);
  UNROLL (4)
  for (size_t x = 0; x < RESULTS; x++)
    row[x] = add (row[x], bias);
  if (added) {
    UNROLL (4)
    for (size_t x = 0; x < RESULTS; x++)
      if (x < task->n_columns)
        row[x] = add (row[x], load_some_elements (added + at + x * task->dst_apart, mask));
  }
  activate (task->activation, row);
  UNROLL (4)
  for (size_t x = 0; x < RESULTS; x++)
    if (is_whole)
      store_elements (dst + at + x * task->dst_apart, row[x]);
    else if (x < task->n_columns)
      store_some_elements (dst + at + x * task->dst_apart, row[x], mask);
}

ALWAYS_INLINE void store_vector (const WeirWinogradStore *task, size_t c, bool is_whole, Mask mask)
{
  Vec rows[RESULTS][EXTENT];
  UNROLL (6)
  for (size_t x = 0; x < EXTENT; x++) {
    Vec m[EXTENT], column[RESULTS];
    UNROLL (6)
    for (size_t y = 0; y < EXTENT; y++)
      m[y] = load (task->src + (y * EXTENT + x) * task->plane + c);
    transform_sums (column, m);
    UNROLL (4)
    for (size_t y = 0; y < RESULTS; y++)
      rows[y][x] = column[y];
  }
  UNROLL (4)
  for (size_t y = 0; y < RESULTS; y++) {
    Vec row[RESULTS];
    if (!is_whole && y >= task->n_rows)
      break;
    transform_sums (row, rows[y]);
    finish_row (task, row, y, c, is_whole, mask);
  }
}

void STORE (const WeirWinogradStore *task)
{
  bool is_whole = task->n_rows == RESULTS && task->n_columns == RESULTS;
  for (size_t c = 0; c < task->n_channels; c += LANES) {
    size_t n = task->n_channels - c < LANES ? task->n_channels - c : LANES;
    Mask mask = lanes (0, n);
    if (is_whole && n == LANES)
      store_vector (task, c, true, mask);
    else
      store_vector (task, c, false, mask);
  }
}
