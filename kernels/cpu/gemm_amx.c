/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products of bf16 for AMX.
 *
 * A block is two tiles of 16 rows by two panels of 16 columns: for each 32 of n_inner four products
 * of 16 cycles, and four or five loads of 8 (Intel's optimisation manual, 20.5). Sums reach vectors
 * by way of memory. So that neither waits for the other, the results of one block are finished
 * while the next is in the tiles, and before it is stored: a load behind a store to an address of
 * the same last 12 bits waits for it. The last tile of rows is a whole one that begins further up,
 * of which the rows that were done before are left.
 *
 * A product sums 16 pairs from 0, the even and the odd numbers apart, before it adds both: every
 * row has the same sums wherever it lies. */
#include "kernels/cpu/gemm_bf16.h"
#include "kernels/cpu/gemm_results.h"
#include "kernels/cpu/tiles_amx.h"

#include <string.h>

#define STEP         (ROW_BYTES / sizeof (Element)) /* of n_inner */
#define BLOCK_TILES  2                              /* of rows */
#define BLOCK_PANELS 2
#define FINISH_ROWS  8

void weir_gemm_amx (const WeirGemm *task);

/* What a call needs besides its task. */
typedef struct Call {
  _Alignas(ROW_BYTES) Element tail[BLOCK_TILES][TILE_ROWS * STEP]; /* where n_inner is odd */
  float bias[LANES];                                               /* of the last panel */
  const WeirGemm *task;
  StoredClip clip;
  size_t tile_rows;       /* 16, or all there are */
  size_t n_tiles;         /* of rows */
  size_t n_steps, n_tail; /* of a piece of a row: whole ones, and elements behind them */
  size_t panel;           /* elements of a packed panel */
} Call;

typedef struct Block {
  size_t tile, n_tiles, panel, n_panels;
} Block;

/* Where the next tiles of a block are. */
typedef struct Operands {
  const Element *a[BLOCK_TILES], *b[BLOCK_PANELS];
  size_t a_bytes; /* from row to row */
} Operands;

/* [row][panel] */
typedef float Sums[BLOCK_TILES * TILE_ROWS][BLOCK_PANELS][LANES];

/* Row tile i, panel j: tile 2 i + j of sums. Where one piece of n_inner has whole steps alone, the
 * other tiles are two for each side; else one, and one for what is behind the whole steps. */
#define MULTIPLY(n_a, n_b, from, A0, A1, B0, B1)     \
  do {                                               \
    _tile_loadd (A0, (from).a[0], (from).a_bytes);   \
    _tile_loadd (B0, (from).b[0], ROW_BYTES);        \
    _tile_dpbf16ps (0, A0, B0);                      \
    if ((n_b) > 1) {                                 \
      _tile_loadd (B1, (from).b[1], ROW_BYTES);      \
      _tile_dpbf16ps (1, A0, B1);                    \
    }                                                \
    if ((n_a) > 1) {                                 \
      _tile_loadd (A1, (from).a[1], (from).a_bytes); \
      if ((n_b) > 1)                                 \
        _tile_dpbf16ps (3, A1, B1);                  \
      if ((n_b) > 1 && (B0) == (B1))                 \
        _tile_loadd (B0, (from).b[0], ROW_BYTES);    \
      _tile_dpbf16ps (2, A1, B0);                    \
    }                                                \
  } while (0)

/* The last tile ends with the last row. */
static size_t first_row (const Call *call, size_t tile)
{
  size_t row = tile * TILE_ROWS, last = call->task->n_rows - call->tile_rows;
  return row < last ? row : last;
}

/* Copies what is behind the whole steps, with zeros behind it. */
static void copy_tail (Call *call, Operands *from, size_t n_tiles)
{
  __mmask32 mask = (1u << call->n_tail) - 1;
  put_in_memory (call->tail); /* for the tiles before */
  for (size_t i = 0; i < n_tiles; i++) {
    const Element *row = from->a[i];
    for (size_t r = 0; r < call->tile_rows; r++, row += call->task->a_row)
      _mm512_store_si512 (call->tail[i] + r * STEP, _mm512_maskz_loadu_epi16 (mask, row));
    from->a[i] = call->tail[i];
  }
  from->a_bytes = ROW_BYTES;
  put_in_memory (call->tail);
}

ALWAYS_INLINE void advance (Operands *from, size_t a, size_t b)
{
  for (size_t i = 0; i < BLOCK_TILES; i++)
    from->a[i] += a;
  for (size_t i = 0; i < BLOCK_PANELS; i++)
    from->b[i] += b;
}

/* One piece of the rows; `from` goes on to the next. */
ALWAYS_INLINE void multiply_piece (Call *call, Operands *from, size_t n_a, size_t n_b)
{
  const WeirGemm *task = call->task;
  Operands at = *from;
  for (size_t k = 0; k < call->n_steps; k++, advance (&at, STEP, STEP * LANES)) {
    if (call->n_tail)
      MULTIPLY (n_a, n_b, at, 4, 4, 5, 5);
    else
      MULTIPLY (n_a, n_b, at, 4, 6, 5, 7);
  }
  if (call->n_tail) {
    if (call->n_tail % 2)
      copy_tail (call, &at, n_a);
    MULTIPLY (n_a, n_b, at, 6, 6, 7, 7);
  }
  advance (from, task->a_segment, (task->n_inner + task->n_inner % 2) * LANES);
}

#define BEGIN(tile, bias)          \
  do {                             \
    if (bias)                      \
      _tile_loadd (tile, bias, 0); \
    else                           \
      _tile_zero (tile);           \
  } while (0)

ALWAYS_INLINE void multiply (
    Call *call, Operands from, const float *const bias[2], size_t n_a, size_t n_b)
{
  size_t n_left = call->task->n_segments;
  BEGIN (0, bias[0]);
  if (n_b > 1)
    BEGIN (1, bias[1]);
  if (n_a > 1)
    BEGIN (2, bias[0]);
  if (n_a > 1 && n_b > 1)
    BEGIN (3, bias[1]);
  do
    multiply_piece (call, &from, n_a, n_b);
  while (n_left-- > 1);
}

/* NULL: none. */
static const float *bias_of (const Call *call, size_t panel)
{
  const WeirGemm *task = call->task;
  bool is_whole = (panel + 1) * LANES <= task->n_columns;
  return !task->bias ? NULL : is_whole ? task->bias + panel * LANES : call->bias;
}

static void multiply_block (Call *call, const Block *block)
{
  const WeirGemm *task = call->task;
  const float *bias[BLOCK_PANELS];
  Operands from = { .a_bytes = task->a_row * sizeof (Element) };
  for (size_t i = 0; i < BLOCK_TILES; i++)
    from.a[i] = (const Element *) task->a +
                first_row (call, block->tile + (i < block->n_tiles ? i : 0)) * task->a_row;
  for (size_t i = 0; i < BLOCK_PANELS; i++) {
    size_t panel = block->panel + (i < block->n_panels ? i : 0);
    from.b[i] = (const Element *) task->b + panel * call->panel;
    bias[i] = bias_of (call, panel);
  }
  if (block->n_tiles > 1 && block->n_panels > 1)
    multiply (call, from, bias, 2, 2);
  else if (block->n_tiles > 1)
    multiply (call, from, bias, 2, 1);
  else if (block->n_panels > 1)
    multiply (call, from, bias, 1, 2);
  else
    multiply (call, from, bias, 1, 1);
}

static void store_block (const Block *block, Sums sums)
{
  bool has_two = block->n_panels > 1;
  _tile_stored (0, sums[0][0], sizeof sums[0]);
  if (has_two)
    _tile_stored (1, sums[0][1], sizeof sums[0]);
  if (block->n_tiles > 1)
    _tile_stored (2, sums[TILE_ROWS][0], sizeof sums[0]);
  if (block->n_tiles > 1 && has_two)
    _tile_stored (3, sums[TILE_ROWS][1], sizeof sums[0]);
}

ALWAYS_INLINE void finish_rows (const Call *call, const Target *target,
    float (*rows)[BLOCK_PANELS][LANES], size_t n_rows, size_t n_panels)
{
  Vec sums[MAX_SUMS];
  UNROLL (8)
  for (size_t r = 0; r < n_rows; r++) {
    UNROLL (2)
    for (size_t j = 0; j < n_panels; j++)
      sums[r * n_panels + j] = load (rows[r][j]);
  }
  finish_sums (call->task, target, sums, n_rows, n_panels);
}

/* n rows of one tile. */
ALWAYS_INLINE void finish_tile (
    const Call *call, Target target, float (*rows)[BLOCK_PANELS][LANES], size_t n, size_t n_panels)
{
  for (; n >= FINISH_ROWS; n -= FINISH_ROWS, rows += FINISH_ROWS) {
    finish_rows (call, &target, rows, FINISH_ROWS, n_panels);
    skip_rows (call->task, &target, FINISH_ROWS);
  }
  for (; n > 0; n--, rows++) {
    finish_rows (call, &target, rows, 1, n_panels);
    skip_rows (call->task, &target, 1);
  }
}

static void finish_block (const Call *call, const Block *block, Sums sums)
{
  for (size_t i = 0; i < block->n_tiles; i++) {
    size_t tile = block->tile + i, begin = tile * TILE_ROWS;
    size_t n_before = begin - first_row (call, tile); /* rows that were done */
    Target target = target_at (call->task, begin, block->panel, block->n_panels, call->clip);
    if (block->n_panels > 1)
      finish_tile (call, target, sums + i * TILE_ROWS + n_before, call->tile_rows - n_before, 2);
    else
      finish_tile (call, target, sums + i * TILE_ROWS + n_before, call->tile_rows - n_before, 1);
  }
}

static void begin_call (Call *call, const WeirGemm *task)
{
  size_t n_pairs = (task->n_inner + 1) / 2, n_pieces = task->n_segments > 1 ? task->n_segments : 1;
  size_t n_last = task->n_columns % LANES;
  TileConfig config = whole_tiles ();
  call->task = task;
  call->clip = result_clip (task);
  call->tile_rows = task->n_rows < TILE_ROWS ? task->n_rows : TILE_ROWS;
  call->n_tiles = (task->n_rows + TILE_ROWS - 1) / TILE_ROWS;
  call->n_steps = task->n_inner / STEP;
  call->n_tail = task->n_inner % STEP;
  call->panel = n_pairs * 2 * LANES * n_pieces;
  memset (call->bias, 0, sizeof call->bias);
  if (task->bias && n_last)
    memcpy (call->bias, task->bias + task->n_columns - n_last, n_last * sizeof (float));
  put_in_memory (call);
  for (int i = 0; i < N_TILES; i++)
    config.n_rows[i] = (uint8_t) (i == 5 || i == 7 ? TILE_ROWS : call->tile_rows);
  if (call->n_tail) {
    config.row_bytes[6] = (uint16_t) ((call->n_tail + 1) / 2 * sizeof (float));
    config.n_rows[7] = (uint8_t) ((call->n_tail + 1) / 2);
  }
  take_tiles (&config);
}

void weir_gemm_amx (const WeirGemm *task)
{
  _Alignas(ROW_BYTES) Sums sums;
  Call call;
  Block block, before = { .n_tiles = 0 };
  size_t n_panels = (task->n_columns + LANES - 1) / LANES;
  if (task->n_rows == 0)
    return;
  begin_call (&call, task);
  for (size_t tile = 0; tile < call.n_tiles; tile += BLOCK_TILES)
    for (size_t panel = 0; panel < n_panels; panel += BLOCK_PANELS) {
      block = (Block){ tile, call.n_tiles - tile < BLOCK_TILES ? 1 : BLOCK_TILES, panel,
        n_panels - panel < BLOCK_PANELS ? 1 : BLOCK_PANELS };
      multiply_block (&call, &block);
      finish_block (&call, &before, sums);
      store_block (&block, sums);
      before = block;
    }
  finish_block (&call, &before, sums);
  _tile_release ();
}
