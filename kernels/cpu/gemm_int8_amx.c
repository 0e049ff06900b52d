/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of codes for AMX: tiles of 16 rows and up to 64 results, 64 codes of a row at a
 * time.
 *
 * Weights are packed as tiles want them: four of each of 16 results to a row. For 64 results a step
 * is four products of 16 cycles and five loads of 8 (Intel's optimisation manual, 20.5). Rows that
 * are not evenly apart, as those of a window behind a picture's right edge, are copied first. */
#include "kernels/cpu/gemm_int8_results.h"
#include "kernels/cpu/tiles_amx.h"

#define QUADS       16 /* of codes, in a row of a tile */
#define FINISH_SUMS 16 /* vectors */

typedef int32_t Sums[TILE_ROWS][MAX_VECTORS][BYTES / sizeof (int32_t)];
typedef uint8_t Copy[TILE_ROWS][BYTES];

/* Where the next codes are. */
typedef struct Operands {
  const uint8_t *codes, *weights;
  size_t row; /* bytes from row to row of the codes; 0: as offsets tell */
} Operands;

/* Tiles 0 to 3 are sums. Where a segment has whole steps alone tile 4 is of codes, 5 and 7 of
 * weights; else 6 and 7 are of what is behind the whole steps. */
static void begin (size_t n_rows, size_t n_quads)
{
  size_t n_tail = n_quads % QUADS;
  TileConfig config = whole_tiles ();
  for (int i = 0; i < N_TILES; i++)
    config.n_rows[i] = (uint8_t) (i == 5 || i == 7 ? QUADS : n_rows);
  if (n_tail) {
    config.row_bytes[6] = (uint16_t) (n_tail * 4);
    config.n_rows[7] = (uint8_t) n_tail;
  }
  take_tiles (&config);
}

static void end (void)
{
  _tile_release ();
}

#define MULTIPLY(n, from, row, CODES, EVEN, ODD)                   \
  do {                                                             \
    _tile_loadd (CODES, (from).codes, row);                        \
    _tile_loadd (EVEN, (from).weights, BYTES *(n));                \
    _tile_dpbusd (0, CODES, EVEN);                                 \
    if ((n) > 1) {                                                 \
      _tile_loadd (ODD, (from).weights + BYTES, BYTES * (n));      \
      _tile_dpbusd (1, CODES, ODD);                                \
    }                                                              \
    if ((n) > 2) {                                                 \
      _tile_loadd (EVEN, (from).weights + 2 * BYTES, BYTES * (n)); \
      _tile_dpbusd (2, CODES, EVEN);                               \
      _tile_loadd (ODD, (from).weights + 3 * BYTES, BYTES * (n));  \
      _tile_dpbusd (3, CODES, ODD);                                \
    }                                                              \
  } while (0)

/* n_quads of each row. */
static Operands copy_codes (
    const WeirGemmInt8Tile *tile, const Operands *from, size_t n_quads, Copy copy)
{
  __mmask16 mask = (__mmask16) ((1u << n_quads) - 1);
  put_in_memory (copy); /* for the tiles before */
  for (size_t r = 0; r < tile->n_rows; r++)
    _mm512_store_si512 (copy[r], _mm512_maskz_loadu_epi32 (mask, from->codes + tile->offsets[r]));
  put_in_memory (copy);
  return (Operands){ copy[0], from->weights, BYTES };
}

/* One segment; the weights behind it. */
ALWAYS_INLINE const uint8_t *multiply_segment (
    const WeirGemmInt8Tile *tile, Operands from, Copy copy, size_t n_vectors)
{
  size_t n_steps = tile->n_quads / QUADS, n_tail = tile->n_quads % QUADS;
  for (size_t k = 0; k < n_steps; k++) {
    Operands at = from.row ? from : copy_codes (tile, &from, QUADS, copy);
    if (n_tail)
      MULTIPLY (n_vectors, at, at.row, 4, 5, 5);
    else
      MULTIPLY (n_vectors, at, at.row, 4, 5, 7);
    from.codes += BYTES;
    from.weights += n_vectors * BYTES * QUADS;
  }
  if (n_tail) {
    Operands at = from.row ? from : copy_codes (tile, &from, n_tail, copy);
    MULTIPLY (n_vectors, at, at.row, 6, 7, 7);
  }
  return from.weights + n_vectors * BYTES * n_tail;
}

ALWAYS_INLINE void begin_sums (const uint8_t *corrections, size_t n_vectors)
{
  _tile_loadd (0, corrections, 0);
  if (n_vectors > 1)
    _tile_loadd (1, corrections + BYTES, 0);
  if (n_vectors > 2) {
    _tile_loadd (2, corrections + 2 * BYTES, 0);
    _tile_loadd (3, corrections + 3 * BYTES, 0);
  }
}

ALWAYS_INLINE void store_sums (Sums sums, size_t n_vectors)
{
  _tile_stored (0, sums[0][0], sizeof sums[0]);
  if (n_vectors > 1)
    _tile_stored (1, sums[0][1], sizeof sums[0]);
  if (n_vectors > 2) {
    _tile_stored (2, sums[0][2], sizeof sums[0]);
    _tile_stored (3, sums[0][3], sizeof sums[0]);
  }
}

ALWAYS_INLINE void finish_rows (const WeirGemmInt8Tile *tile, Sums sums, const uint8_t *numbers,
    size_t row, size_t n_rows, size_t n_vectors)
{
  Vec v[FINISH_SUMS];
  UNROLL (16)
  for (size_t i = 0; i < n_rows * n_vectors; i++)
    v[i] = _mm512_load_si512 (sums[row + i / n_vectors][i % n_vectors]);
  scale_sums (v, numbers, n_rows, n_vectors);
  store_codes (v, tile, tile->dst + row * tile->dst_row, n_rows, n_vectors);
}

/* Bytes from row to row, 0 where they differ. */
static size_t find_row (const WeirGemmInt8Tile *tile)
{
  size_t row = tile->n_rows > 1 ? tile->offsets[1] - tile->offsets[0] : BYTES;
  for (size_t r = 2; r < tile->n_rows; r++)
    if (tile->offsets[r] - tile->offsets[r - 1] != row)
      return 0;
  return row;
}

ALWAYS_INLINE void run (const WeirGemmInt8Tile *tile, size_t n_vectors)
{
  const size_t n_at_once = FINISH_SUMS / n_vectors;
  const uint8_t *numbers = tile->weights + tile->n_segments * tile->n_quads * n_vectors * BYTES;
  _Alignas(BYTES) Sums sums;
  _Alignas(BYTES) Copy copy;
  size_t row = find_row (tile), r = 0;
  Operands from = { tile->src + (row ? tile->offsets[0] : 0), tile->weights, row };
  begin_sums (numbers, n_vectors);
  for (size_t i = 0; i < tile->n_segments; i++, from.codes += tile->src_segment)
    from.weights = multiply_segment (tile, from, copy, n_vectors);
  store_sums (sums, n_vectors);
  for (; r + n_at_once <= tile->n_rows; r += n_at_once)
    finish_rows (tile, sums, numbers, r, n_at_once, n_vectors);
  for (; r < tile->n_rows; r++)
    finish_rows (tile, sums, numbers, r, 1, n_vectors);
}

static void run_1 (const WeirGemmInt8Tile *tile)
{
  run (tile, 1);
}

static void run_2 (const WeirGemmInt8Tile *tile)
{
  run (tile, 2);
}

static void run_4 (const WeirGemmInt8Tile *tile)
{
  run (tile, 4);
}

extern const WeirGemmInt8Kernels weir_gemm_int8_amx[3];
const WeirGemmInt8Kernels weir_gemm_int8_amx[3] = {
  { TILE_ROWS, run_1, begin, end },
  { TILE_ROWS, run_2, begin, end },
  { TILE_ROWS, run_4, begin, end },
};
