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
#include "kernels/cpu/gemm_results.h"

#define PER_PANEL     (WEIR_GEMM_PANEL / LANES)    /* vectors */
#define STEP_ELEMENTS (WEIR_GEMM_PANEL * PER_STEP) /* of a panel: 64 bytes, as those of a line */
#define BAND_ROWS \
  252 /* or so: they stay in the second-level cache while all columns are computed */
#define ROW_GROUP       4 /* rows whose addresses share a register */
#define MIN_AHEAD_BYTES 16384

void GEMM (const WeirGemm *task);

/* What a tile reads and writes: from its first row and column on. */
typedef struct Tile {
  const Element *a, *b;
  const float *bias;
  bool is_half; /* only half of the last vector is summed */
  Target target;
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
  UNROLL (4)
  for (size_t j = 0; j < shape.n_vectors; j++)
    v[j] = load_factors (b + vector_at (task, j));
  UNROLL (32)
  for (size_t r = 0; r < shape.n_rows; r++) {
    const Element *at =
        rows[r / ROW_GROUP] + (r % ROW_GROUP == 3 ? a_row_3 : r % ROW_GROUP * a_row);
    Factors a = is_part ? set_last_factors (at) : set_factors (at);
    UNROLL (4)
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
  UNROLL (8)
  for (size_t i = 0; i * ROW_GROUP < n_rows; i++)
    rows[i] = from + i * ROW_GROUP * a_row;
  __asm__("" : "+r"(a_row), "+r"(a_row_3));
  for (; b != end; b += STEP_ELEMENTS) {
    UNROLL (2)
    for (size_t i = 0; i * WEIR_GEMM_PANEL < n_rows; i++, next += STEP_ELEMENTS)
      __builtin_prefetch (next);
    sum_step (task, b, rows, a_row, a_row_3, sums, shape, false);
    UNROLL (8)
    for (size_t i = 0; i * ROW_GROUP < n_rows; i++) {
      rows[i] += PER_STEP;
      __asm__("" : "+r"(rows[i]));
    }
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
  Vec first[MAX_VECTORS];
  UNROLL (4)
  for (size_t j = 0; j < n_vectors; j++) {
    const float *bias = tile->bias + j * LANES;
    first[j] = !tile->bias          ? set (0.0f)
               : j + 1 == n_vectors ? load_some (bias, tile->target.last)
                                    : load (bias);
  }
  UNROLL (32)
  for (size_t i = 0; i < n_rows * n_vectors; i++)
    sums[i] = first[i % n_vectors];
}

/* Of the next tile. */
ALWAYS_INLINE void fetch_added (
    const WeirGemm *task, const Tile *tile, size_t n_rows, size_t n_vectors)
{
  for (size_t r = 0; r < n_rows; r++)
    for (size_t j = 0; j < n_vectors; j++)
      __builtin_prefetch (
          tile->target.added + result_at (task, n_rows + r, j, RESULT_BYTES (task)));
}

ALWAYS_INLINE void run_tile (const WeirGemm *task, const Tile *tile, Shape shape)
{
  const size_t n_rows = shape.n_rows, n_vectors = shape.n_vectors;
  Vec sums[MAX_SUMS];
  if (shape.ends_half && n_vectors < MIN_HALVED)
    return; /* is never called */
  if (tile->target.added)
    fetch_added (task, tile, n_rows, n_vectors);
  begin_sums (task, tile, sums, n_rows, n_vectors);
  sum_tile (task, tile, sums, shape);
  __asm__("" : "+r"(task), "+r"(tile)); /* what follows takes no registers before */
  finish_sums (task, &tile->target, sums, n_rows, n_vectors);
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
    skip_rows (task, &tile.target, n);
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
    n = next_vectors (n_vectors - i);
    Tile tile = { .a = (const Element *) task->a + begin * task->a_row,
      .b = (const Element *) task->b + vector_at (task, i),
      .bias = task->bias ? task->bias + i * LANES : NULL,
      .is_half = n >= MIN_HALVED && count_last (task, i + n) <= LANES / 2,
      .target = target_at (task, begin, i, n, clip) };
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
