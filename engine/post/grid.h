/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirGrid: the cells that the rows of a detector's output belong to, stride after stride,
 * row-major. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

#define WEIR_MAX_STRIDES 8u

typedef struct WeirGridLevel {
  uint32_t stride_px;
  uint32_t width, height; /* cells: ceil of the input's size over the stride */
  uint32_t n_per_cell;    /* rows of one cell */
  uint32_t first_row, n_rows;
} WeirGridLevel;

/* Thread-safety: a value. */
typedef struct WeirGrid {
  uint32_t n_levels, n_rows;
  WeirGridLevel levels[WEIR_MAX_STRIDES];
} WeirGrid;

typedef struct WeirCell {
  uint32_t level, x, y;
  uint32_t k; /* which of the cell's rows */
} WeirCell;

/* n_per_cell NULL: one. False where the grid has more than INT32_MAX rows or more than
 * WEIR_MAX_STRIDES. */
bool weir_grid_init (WeirGrid *grid, uint32_t n_strides, const uint32_t *strides_px,
    const uint32_t *n_per_cell, uint32_t width_px, uint32_t height_px);
/* With the strides of metadata "weir.strides", else 8, 16, 32 … (n_strides of them). Errors: OPTION
 * where the metadata cannot be read or does not hold n_strides numbers; n_strides 0 takes any
 * number of them. */
bool weir_grid_init_for (WeirGrid *grid, const WeirModelFacts *facts, uint32_t n_strides,
    uint32_t width_px, uint32_t height_px, GError **error);
/* The strides whose cells, n_per_cell rows each, are n_rows: those of metadata "weir.strides" (a
 * single number is the greatest, with 8, 16 … before it), else the usual ones of 8 to 32, with 64,
 * 16 and 32 alone, from 4 on, up to 128. False where none fit. */
bool weir_grid_find (WeirGrid *grid, const WeirModelFacts *facts, uint32_t n_per_cell,
    int64_t n_rows, uint32_t width_px, uint32_t height_px);
/* Whether a network with one or three rows a cell has n_rows at the model's input size: such rows
 * are no queries and no chosen objects. */
bool weir_grid_has_rows (const WeirModelFacts *facts, int64_t n_rows);
/* The stride of a map of height × width cells; 0 where they do not divide the input evenly, by the
 * same in both directions. */
uint32_t weir_grid_stride (int64_t width, int64_t height, uint32_t width_px, uint32_t height_px);
/* row < n_rows. */
WeirCell weir_grid_locate (const WeirGrid *grid, uint32_t row);
/* "8, 16, 32": newly allocated. */
char *weir_grid_describe (const WeirGrid *grid);

G_END_DECLS
