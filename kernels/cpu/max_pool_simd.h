/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling with vectors of channels: including files define MAX_POOL, the function's name, Element,
 * Vec and LANES, load, load_some, store, store_some (of n < LANES elements) and larger.
 *
 * A pixel of the result is the largest of its window, read straight from the source rows: they are
 * in the first-level cache for the pixels and rows that share them. The windows that occur, 2×2 and
 * 3×3, are unrolled. */
#include "kernels/max_pool.h"
#include "kernels/unroll.h"

#define NAME_2(name, of) name##_##of
#define NAME(name, of)   NAME_2 (name, of)

/* The largest of n_rows × n_columns pixels from element `at` of each row on. */
ALWAYS_INLINE void NAME (pool_pixel, Element) (Element *dst, const void *const *rows, size_t n_rows,
    size_t at, size_t n_columns, size_t n_channels)
{
  size_t c = 0;
  for (; c + LANES <= n_channels; c += LANES) {
    Vec most = load ((const Element *) rows[0] + at + c);
    for (size_t row = 0; row < n_rows; row++)
      for (size_t x = 0; x < n_columns; x++)
        most = larger (most, load ((const Element *) rows[row] + at + x * n_channels + c));
    store (dst + c, most);
  }
  size_t n = n_channels - c;
  if (n == 0)
    return;
  Vec most = load_some ((const Element *) rows[0] + at + c, n);
  for (size_t row = 0; row < n_rows; row++)
    for (size_t x = 0; x < n_columns; x++)
      most = larger (most, load_some ((const Element *) rows[row] + at + x * n_channels + c, n));
  store_some (dst + c, most, n);
}

/* Pixels [begin, end) of the result, whose windows lie within the row. */
ALWAYS_INLINE void NAME (pool_inner, Element) (const WeirMaxPool *shape, Element *dst,
    const void *const *rows, size_t n_rows, size_t n_columns, size_t begin, size_t end)
{
  size_t n = shape->n_channels;
  for (size_t x = begin; x < end; x++)
    NAME (pool_pixel, Element) (
        dst + x * n, rows, n_rows, (x * shape->stride - shape->pad) * n, n_columns, n);
}

static void NAME (pool_edge, Element) (
    const WeirMaxPool *shape, Element *dst, const void *const *rows, size_t n_rows, size_t x)
{
  size_t begin = x * shape->stride > shape->pad ? x * shape->stride - shape->pad : 0;
  size_t end = x * shape->stride + shape->kernel_width - shape->pad;
  if (end > shape->src_width)
    end = shape->src_width;
  NAME (pool_pixel, Element) (dst + x * shape->n_channels, rows, n_rows, begin * shape->n_channels,
      end - begin, shape->n_channels);
}

void MAX_POOL (const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);
void MAX_POOL (const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows)
{
  size_t n_columns = shape->kernel_width, begin = 0, end = shape->dst_width;
  for (; begin < end && begin * shape->stride < shape->pad; begin++)
    NAME (pool_edge, Element) (shape, dst, rows, n_rows, begin);
  for (; end > begin &&
         (end - 1) * shape->stride + shape->kernel_width > shape->src_width + shape->pad;
       end--)
    NAME (pool_edge, Element) (shape, dst, rows, n_rows, end - 1);
  if (n_rows == 2 && n_columns == 2)
    NAME (pool_inner, Element) (shape, dst, rows, 2, 2, begin, end);
  else if (n_rows == 3 && n_columns == 3)
    NAME (pool_inner, Element) (shape, dst, rows, 3, 3, begin, end);
  else
    NAME (pool_inner, Element) (shape, dst, rows, n_rows, n_columns, begin, end);
}

#undef NAME
#undef NAME_2
#undef MAX_POOL
#undef Element
#undef Vec
#undef LANES
#undef load
#undef load_some
#undef store
#undef store_some
#undef larger
