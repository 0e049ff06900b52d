/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of columns and lines, of channels and pixels. */
#include "engine/ocl/ocl_rows.h"

#define GROUP       128u
#define MAX_COLUMNS 32u
#define MAX_GROUPS  32768u
#define PIXEL_GROUP 64u

bool weir_ocl_rows_describe (
    WeirOclRows *rows, const WeirTensor *tensor, const bool is_reduced[WEIR_MAX_RANK])
{
  uint32_t order[WEIR_MAX_RANK], block = 0; /* before n, in it, behind */
  *rows = (WeirOclRows){ .n_outer = 1, .n = 1, .n_inner = 1 };
  weir_memory_order (tensor, order);
  for (uint32_t i = 0; i < tensor->rank; i++) {
    uint32_t d = order[i];
    if (tensor->dims[d] == 1)
      continue;
    if (is_reduced[d] && block == 2)
      return false;
    block = is_reduced[d] ? 1 : block ? 2 : 0;
    uint32_t *sizes[] = { &rows->n_outer, &rows->n, &rows->n_inner };
    *sizes[block] *= (uint32_t) tensor->dims[d];
  }
  return true;
}

void weir_ocl_rows_choose (WeirOclRows *rows, const WeirOclDevice *device)
{
  uint32_t group = 1, most = MIN (GROUP, weir_ocl_device_facts (device)->max_group);
  while (2 * group <= most)
    group *= 2;
  rows->columns = rows->lines = 1;
  while (rows->columns < MIN (MIN (group, MAX_COLUMNS), rows->n_inner))
    rows->columns *= 2;
  while (rows->lines * rows->columns < group && rows->lines < rows->n)
    rows->lines *= 2;
}

WeirOclGrid weir_ocl_rows_grid (const WeirOclRows *rows)
{
  return weir_ocl_grid (rows->n_inner, (size_t) MIN (rows->n_outer, MAX_GROUPS) * rows->lines, 0,
      rows->columns, rows->lines, 0);
}

WeirOclGrid weir_ocl_pixel_grid (const WeirOclDevice *device, uint32_t n_items, uint32_t n_pixels)
{
  return weir_ocl_row_grid (device, n_items, n_pixels, PIXEL_GROUP, MAX_GROUPS);
}
