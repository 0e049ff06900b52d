/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products, compiled once per instruction set and type.
 *
 * Including files include the vector (f32_….h) and the elements (gemm_f32.h, say), and define
 * GEMM, the function's name; TILES (T), the tiles T (rows, vectors) that are compiled; MAX_ROWS,
 * the most rows by vectors - 1; MAX_VECTORS; MIN_HALVED, the vectors of a tile from which on the
 * last is halved where that is all it needs, and add_half_products ().
 *
 * The sums of a tile stay in registers through all of n_inner: for each step - so many k as one
 * instruction takes - one load for each vector of b, and one broadcast for each row of a. Tiles
 * share the rows as evenly as can be, so that none is small. While one is summed the rows of a for
 * the next are fetched (with few columns that takes longer than to compute: 64 to 16 columns, 109
 * without and 150 GFLOP/s with it). */
#include "kernels/cpu/activation_simd.h"
#include "kernels/gemm.h"

#include <stdint.h>

#define PER_PANEL     (WEIR_GEMM_PANEL / LANES)    /* vectors */
#define STEP_ELEMENTS (WEIR_GEMM_PANEL * PER_STEP) /* of a panel: 64 bytes, as those of a line */
#define MAX_SUMS      32
#define BAND_ROWS \
  252 /* or so: they stay in the second-level cache while all columns are computed */
#define ROW_GROUP       4 /* rows whose addresses share a register */
#define MIN_AHEAD_BYTES 16384

void GEMM (const WeirGemm *task);

/* What a tile reads and writes: from its first row and column on. */
typedef struct Tile {
  const Element *a, *b;
  const float *bias;
  const char *added;
  char *dst;
  Mask last;     /* of the last vector */
  bool is_whole; /* the last vector is */
  bool is_half;  /* only half of it is summed */
  StoredClip clip;
} Tile;

/* What a tile sums: constant where it is compiled. */
typedef struct Shape {
  size_t n_rows, n_vectors;
  bool ends_half; /* only half of the last vector is summed */
} Shape;

/* Through one piece of the rows. */
ALWAYS_INLINE size_t count_steps (const WeirGemm *task)
{
  return (task->n_inner + PER_STEP - 1) / PER_STEP;
}

/* Where vector i of k = 0 is in the packed form. */
ALWAYS_INLINE size_t vector_at (const WeirGemm *task, size_t i)
{
  size_t n_steps = count_steps (task) * (task->n_segments > 1 ? task->n_segments : 1);
  return i / PER_PANEL * STEP_ELEMENTS * n_steps + i % PER_PANEL * LANES * PER_STEP;
}

/* is_part: fewer elements of a are left than a step takes. */
ALWAYS_INLINE void sum_step (const WeirGemm *task, const Element *b, const Element **rows,
    size_t a_row, size_t a_row_3, Vec *sums, Shape shape, bool is_part)
{
  Factors v[MAX_VECTORS];
#pragma GCC unroll 4
  for (size_t j = 0; j < shape.n_vectors; j++)
    v[j] = load_factors (b + vector_at (task, j));
#pragma GCC unroll 32
  for (size_t r = 0; r < shape.n_rows; r++) {
    const Element *at =
        rows[r / ROW_GROUP] + (r % ROW_GROUP == 3 ? a_row_3 : r % ROW_GROUP * a_row);
    Factors a = is_part ? set_last_factors (at) : set_factors (at);
#pragma GCC unroll 4
    for (size_t j = 0; j < shape.n_vectors; j++) {
      Vec *sum = &sums[r * shape.n_vectors + j];
      bool is_half = shape.ends_half && j + 1 == shape.n_vectors;
      *sum = is_half ? add_half_products (*sum, a, v[j]) : add_products (*sum, a, v[j]);
    }
  }
}

/* One piece of the rows. The strides are hidden from the compiler, which would keep an
 * address for every row else. */
ALWAYS_INLINE void sum_segment (
    const WeirGemm *task, const Element *from, const Element *b, Vec *sums, Shape shape)
{
  const size_t n_rows = shape.n_rows;
  const Element *end = b + task->n_inner / PER_STEP * STEP_ELEMENTS;
  const Element *rows[MAX_SUMS / ROW_GROUP], *next = from + n_rows * task->a_row;
  size_t a_row = task->a_row, a_row_3 = 3 * a_row;
#pragma GCC unroll 8
  for (size_t i = 0; i * ROW_GROUP < n_rows; i++)
    rows[i] = from + i * ROW_GROUP * a_row;
  __asm__("" : "+r"(a_row), "+r"(a_row_3));
  for (; b != end; b += STEP_ELEMENTS) {
#pragma GCC unroll 2
    for (size_t i = 0; i * WEIR_GEMM_PANEL < n_rows; i++, next += STEP_ELEMENTS)
      __builtin_prefetch (next);
    sum_step (task, b, rows, a_row, a_row_3, sums, shape, false);
#pragma GCC unroll 8
    for (size_t i = 0; i * ROW_GROUP < n_rows; i++)
      rows[i] += PER_STEP;
  }
  if (task->n_inner % PER_STEP)
    sum_step (task, b, rows, a_row, a_row_3, sums, shape, true);
}

ALWAYS_INLINE void sum_tile (const WeirGemm *task, const Tile *tile, Vec *sums, Shape shape)
{
  const Element *a = tile->a, *b = tile->b;
  size_t n_left = task->n_segments;
  do {
    sum_segment (task, a, b, sums, shape);
    a += task->a_segment;
    b += count_steps (task) * STEP_ELEMENTS;
  } while (n_left-- > 1);
}

ALWAYS_INLINE void begin_sums (
    const WeirGemm *task, const Tile *tile, Vec *sums, size_t n_rows, size_t n_vectors)
{
#pragma GCC unroll 4
  for (size_t j = 0; j < n_vectors; j++) {
    const float *bias = tile->bias + j * LANES;
    Vec first = !tile->bias          ? set (0.0f)
                : j + 1 == n_vectors ? load_some (bias, tile->last)
                                     : load (bias);
#pragma GCC unroll 32
    for (size_t r = 0; r < n_rows; r++)
      sums[r * n_vectors + j] = first;
  }
}

/* --- results --- */

/* What is constant where a tile's results are read or written. */
typedef struct Results {
  size_t n_rows, n_vectors, bytes; /* of one */
  bool is_whole;                   /* the last vector too */
} Results;

ALWAYS_INLINE size_t result_at (const WeirGemm *task, size_t row, size_t vector, size_t bytes)
{
  return (row * task->dst_row + vector * LANES) * bytes;
}

/* Of the next tile. */
ALWAYS_INLINE void fetch_added (
    const WeirGemm *task, const Tile *tile, size_t n_rows, size_t n_vectors)
{
  for (size_t r = 0; r < n_rows; r++)
    for (size_t j = 0; j < n_vectors; j++)
      __builtin_prefetch (tile->added + result_at (task, n_rows + r, j, RESULT_BYTES (task)));
}

ALWAYS_INLINE Vec add_at (const WeirGemm *task, const Tile *tile, Vec v, size_t row, size_t vector,
    const Results *results)
{
  const char *from = tile->added + result_at (task, row, vector, results->bytes);
  if (results->is_whole || vector + 1 < results->n_vectors)
    return add_results (v, from, results->bytes);
  return add_some_results (v, from, tile->last, results->bytes);
}

ALWAYS_INLINE void store_at (const WeirGemm *task, const Tile *tile, Vec v, size_t row,
    size_t vector, const Results *results)
{
  char *to = tile->dst + result_at (task, row, vector, results->bytes);
  if (results->is_whole || vector + 1 < results->n_vectors)
    store_results (to, v, tile->clip, results->bytes);
  else
    store_some_results (to, v, tile->clip, tile->last, results->bytes);
}

ALWAYS_INLINE void add_added (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results)
{
#pragma GCC unroll 32
  for (size_t r = 0; r < results->n_rows; r++)
#pragma GCC unroll 4
    for (size_t j = 0; j < results->n_vectors; j++) {
      Vec *sum = &sums[r * results->n_vectors + j];
      *sum = add_at (task, tile, *sum, r, j, results);
    }
}

ALWAYS_INLINE void store_sums (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results)
{
#pragma GCC unroll 32
  for (size_t r = 0; r < results->n_rows; r++) {
    const Vec *row = sums + r * results->n_vectors;
#pragma GCC unroll 4
    for (size_t j = 0; j < results->n_vectors; j++) {
      bool is_last = j + (results->is_whole ? 1 : 2) >= results->n_vectors;
      if (stores_two && !is_last && results->bytes == sizeof (Element)) {
        char *to = tile->dst + result_at (task, r, j, results->bytes);
        store_two_results (to, row[j], row[j + 1], tile->clip);
        j++;
      } else {
        store_at (task, tile, row[j], r, j, results);
      }
    }
  }
}

typedef void (*ResultsFn) (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results);

/* Calls fn, inline, such that nothing is chosen between the vectors. */
ALWAYS_INLINE void for_results (const WeirGemm *task, const Tile *tile, Vec *sums, size_t n_rows,
    size_t n_vectors, ResultsFn fn)
{
  if (RESULT_BYTES (task) != sizeof (Element))
    fn (task, tile, sums, &(const Results){ n_rows, n_vectors, sizeof (float), false });
  else if (tile->is_whole)
    fn (task, tile, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), true });
  else
    fn (task, tile, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), false });
}

/* Behind the sums there are as many vectors as make the last step whole. */
ALWAYS_INLINE void activate_and_store (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results, bool adds)
{
  Vec v[MAX_LONG];
  for (size_t i = 0, r = 0, j = 0; r < results->n_rows; i += MAX_LONG) {
#pragma GCC unroll 8
    for (size_t k = 0; k < MAX_LONG; k++)
      v[k] = sums[i + k];
    if (adds && is_short_activation (&task->activation))
      activate_short (&task->activation, v, MAX_LONG);
    else
      activate_long (&task->activation, v, MAX_LONG);
#pragma GCC unroll 8
    for (size_t k = 0; k < MAX_LONG; k++) {
      if (r == results->n_rows)
        break;
      store_at (task, tile, adds ? add_at (task, tile, v[k], r, j, results) : v[k], r, j, results);
      r += ++j == results->n_vectors;
      j = j == results->n_vectors ? 0 : j;
    }
  }
}

ALWAYS_INLINE void store_activated (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results)
{
  activate_and_store (task, tile, sums, results, false);
}

ALWAYS_INLINE void store_added (
    const WeirGemm *task, const Tile *tile, Vec *sums, const Results *results)
{
  activate_and_store (task, tile, sums, results, true);
}

/* Where the activation is long, or something is added behind it. */
static __attribute__ ((noinline)) void store_long (
    const WeirGemm *task, const Tile *tile, Vec *sums, size_t n_rows, size_t n_vectors)
{
  if (tile->added && task->adds_last)
    for_results (task, tile, sums, n_rows, n_vectors, store_added);
  else
    for_results (task, tile, sums, n_rows, n_vectors, store_activated);
}

/* By copies of what a store might change for all the compiler knows, which would load it again
 * behind each. */
ALWAYS_INLINE void store_tile (
    const WeirGemm *given_task, const Tile *given_tile, Vec *sums, size_t n_rows, size_t n_vectors)
{
  const WeirGemm task = *given_task;
  const Tile tile = *given_tile;
  if (!tile.clip.is_exact)
    activate_short (&task.activation, sums, n_rows * n_vectors);
  for_results (&task, &tile, sums, n_rows, n_vectors, store_sums);
}

ALWAYS_INLINE void run_tile (const WeirGemm *task, const Tile *tile, Shape shape)
{
  const size_t n_rows = shape.n_rows, n_vectors = shape.n_vectors, n_sums = n_rows * n_vectors;
  Vec sums[MAX_SUMS];
  if (shape.ends_half && n_vectors < MIN_HALVED)
    return; /* is never called */
  if (tile->added)
    fetch_added (task, tile, n_rows, n_vectors);
  begin_sums (task, tile, sums, n_rows, n_vectors);
  sum_tile (task, tile, sums, shape);
  __asm__("" : "+r"(task), "+r"(tile)); /* what follows takes no registers before */
  if (tile->added && !task->adds_last)
    for_results (task, tile, sums, n_rows, n_vectors, add_added);
  if (is_short_activation (&task->activation) && !(tile->added && task->adds_last)) {
    store_tile (task, tile, sums, n_rows, n_vectors);
    return;
  }
  Vec stored[MAX_SUMS]; /* of its own, or sums would not stay in registers */
#pragma GCC unroll 32
  for (size_t i = 0; i < (n_sums + MAX_LONG - 1) / MAX_LONG * MAX_LONG; i++)
    stored[i] = i < n_sums ? sums[i] : set (0.0f);
  store_long (task, tile, stored, n_rows, n_vectors);
}

#define TILE(n_rows, n_vectors)                                                         \
  static void tile_##n_rows##_##n_vectors (const WeirGemm *task, const Tile *tile)      \
  {                                                                                     \
    run_tile (task, tile, (Shape){ n_rows, n_vectors, false });                         \
  }                                                                                     \
  static void half_tile_##n_rows##_##n_vectors (const WeirGemm *task, const Tile *tile) \
  {                                                                                     \
    run_tile (task, tile, (Shape){ n_rows, n_vectors, true });                          \
  }
TILES (TILE)

typedef void (*TileFn) (const WeirGemm *task, const Tile *tile);

#define ENTRY(n_rows, n_vectors) [n_vectors - 1][n_rows - 1] = tile_##n_rows##_##n_vectors,
#define HALF_ENTRY(n_rows, n_vectors) \
  [n_vectors - 1][n_rows - 1] = half_tile_##n_rows##_##n_vectors,
static const TileFn tiles[2][MAX_VECTORS][MAX_SUMS] = { { TILES (ENTRY) }, { TILES (HALF_ENTRY) } };
static const size_t max_rows[MAX_VECTORS] = MAX_ROWS;

/* Steps of b that the next columns begin with. */
typedef struct Ahead {
  const Element *b;
  size_t n_steps;
} Ahead;

/* Part i of n: into the second level, for weights of a network come from behind it. */
static void fetch_ahead (Ahead ahead, size_t i, size_t n)
{
  for (size_t k = ahead.n_steps * i / n; k < ahead.n_steps * (i + 1) / n; k++)
    __builtin_prefetch (ahead.b + k * STEP_ELEMENTS, 0, 2);
}

/* n_vectors vectors of columns of n_rows rows. */
static void run_columns (
    const WeirGemm *task, Tile tile, size_t n_rows, size_t n_vectors, Ahead ahead)
{
  size_t most = max_rows[n_vectors - 1], n_tiles = (n_rows + most - 1) / most;
  for (size_t i = 0; i < n_tiles; i++) {
    size_t n = n_rows * (i + 1) / n_tiles - n_rows * i / n_tiles;
    fetch_ahead (ahead, i, n_tiles);
    tiles[tile.is_half][n_vectors - 1][n - 1](task, &tile);
    tile.a += n * task->a_row;
    tile.dst += result_at (task, n, 0, RESULT_BYTES (task));
    if (tile.added)
      tile.added += result_at (task, n, 0, RESULT_BYTES (task));
  }
}

/* How many of the vectors that are left: as many as can be, but not all but one. */
static size_t next_vectors (size_t n_left)
{
  if (n_left <= MAX_VECTORS)
    return n_left;
  return n_left == MAX_VECTORS + 1 ? (n_left + 1) / 2 : MAX_VECTORS;
}

/* The columns from vector i on; nothing of weights so small that they stay in the first level. */
static Ahead find_ahead (const WeirGemm *task, size_t i, size_t n_vectors)
{
  bool is_small = vector_at (task, n_vectors) * sizeof (Element) < MIN_AHEAD_BYTES;
  size_t n = i < n_vectors && !is_small ? next_vectors (n_vectors - i) : 0;
  size_t n_elements = vector_at (task, i + n) - vector_at (task, i);
  return (Ahead){ (const Element *) task->b + vector_at (task, i), n_elements / STEP_ELEMENTS };
}

static void run_band (const WeirGemm *task, size_t begin, size_t n_rows)
{
  size_t n_vectors = (task->n_columns + LANES - 1) / LANES;
  StoredClip clip = result_clip (task);
  for (size_t i = 0, n; i < n_vectors; i += n) {
    size_t column = i * LANES, at = result_at (task, begin, i, RESULT_BYTES (task));
    n = next_vectors (n_vectors - i);
    size_t n_last = task->n_columns - column - (n - 1) * LANES;
    Tile tile = { .a = (const Element *) task->a + begin * task->a_row,
      .b = (const Element *) task->b + vector_at (task, i),
      .bias = task->bias ? task->bias + column : NULL,
      .added = task->added ? (const char *) task->added + at : NULL,
      .dst = (char *) task->dst + at,
      .last = lanes (0, n_last < LANES ? n_last : LANES),
      .is_whole = n_last >= LANES,
      .is_half = n >= MIN_HALVED && n_last <= LANES / 2,
      .clip = clip };
    run_columns (task, tile, n_rows, n, find_ahead (task, i + n, n_vectors));
  }
}

/* A few rows more in a band are better than a band of a few rows. */
void GEMM (const WeirGemm *task)
{
  size_t n_bands = (task->n_rows + BAND_ROWS - BAND_ROWS / 8) / BAND_ROWS;
  n_bands = n_bands ? n_bands : 1;
  for (size_t i = 0; i < n_bands; i++) {
    size_t begin = task->n_rows * i / n_bands;
    run_band (task, begin, task->n_rows * (i + 1) / n_bands - begin);
  }
}
