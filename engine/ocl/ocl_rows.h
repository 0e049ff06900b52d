/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of kernels that work over n of [outer, n, inner]: columns of `inner`, so that neighbours
 * are read, and lines that share a column; and of those that work pixel by pixel. */
#pragma once

#include "engine/ocl/ocl.h"

G_BEGIN_DECLS

typedef struct WeirOclRows {
  uint32_t n_outer, n, n_inner;
  uint32_t columns, lines; /* powers of two; the kernel's -DCOLUMNS, -DLINES */
} WeirOclRows;

/* The tensor as it lies in memory, n being the dims that are reduced. False where these are not
 * neighbours there. */
bool weir_ocl_rows_describe (
    WeirOclRows *rows, const WeirTensor *tensor, const bool is_reduced[WEIR_MAX_RANK]);
/* Fills columns and lines. */
void weir_ocl_rows_choose (WeirOclRows *rows, const WeirOclDevice *device);
/* Groups for blocks of columns, and for each of n_outer or as many as devices like. */
WeirOclGrid weir_ocl_rows_grid (const WeirOclRows *rows);
/* For kernels whose work items take some channels of a pixel, and pixels as far apart as there are
 * items in dim 1: n_items for the channels of one. */
WeirOclGrid weir_ocl_pixel_grid (const WeirOclDevice *device, uint32_t n_items, uint32_t n_pixels);

G_END_DECLS
