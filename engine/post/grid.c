/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders scan an output row by row and ask for a cell only where a row passes the threshold. */
#include "engine/post/grid.h"

#include "engine/post/outputs.h"

#define MAX_STRIDE_PX   4096u
#define FIRST_STRIDE_PX 8u

static uint32_t divide_up (uint32_t a, uint32_t b)
{
  return a / b + (a % b != 0);
}

bool weir_grid_init (WeirGrid *grid, uint32_t n_strides, const uint32_t *strides_px,
    const uint32_t *n_per_cell, uint32_t width_px, uint32_t height_px)
{
  uint64_t n_rows = 0;
  *grid = (WeirGrid){ .n_levels = n_strides };
  if (n_strides < 1 || n_strides > WEIR_MAX_STRIDES)
    return false;
  for (uint32_t i = 0; i < n_strides; i++) {
    WeirGridLevel *level = &grid->levels[i];
    level->stride_px = strides_px[i];
    level->width = divide_up (width_px, strides_px[i]);
    level->height = divide_up (height_px, strides_px[i]);
    level->n_per_cell = n_per_cell ? n_per_cell[i] : 1;
    level->first_row = (uint32_t) n_rows;
    uint64_t n_cells = (uint64_t) level->width * level->height;
    if (n_cells > INT32_MAX || n_rows + n_cells * level->n_per_cell > INT32_MAX)
      return false;
    level->n_rows = (uint32_t) n_cells * level->n_per_cell;
    n_rows += level->n_rows;
  }
  grid->n_rows = (uint32_t) n_rows;
  return true;
}

/* Reads "8,16,32"; 0 where that is not what stands there. */
static uint32_t parse_strides (const char *text, uint32_t *strides_px)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  uint32_t n = g_strv_length (words);
  if (n > WEIR_MAX_STRIDES)
    return 0;
  for (uint32_t i = 0; i < n; i++) {
    guint64 stride;
    if (!g_ascii_string_to_unsigned (g_strstrip (words[i]), 10, 1, MAX_STRIDE_PX, &stride, NULL))
      return 0;
    strides_px[i] = (uint32_t) stride;
  }
  return n;
}

bool weir_grid_init_for (WeirGrid *grid, const WeirModelFacts *facts, uint32_t n_strides,
    uint32_t width_px, uint32_t height_px, GError **error)
{
  uint32_t strides_px[WEIR_MAX_STRIDES];
  uint32_t n = MIN (n_strides, WEIR_MAX_STRIDES);
  const char *text = weir_facts_metadata (facts, "weir.strides");
  for (uint32_t i = 0; i < n; i++)
    strides_px[i] = FIRST_STRIDE_PX << i;
  if (text)
    n = parse_strides (text, strides_px);
  if (n < 1 || (n_strides && n != n_strides)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "weir.strides '%s': expected %u to %u numbers from 1 to %u with commas between them",
        text ? text : "", n_strides ? n_strides : 1, n_strides ? n_strides : WEIR_MAX_STRIDES,
        MAX_STRIDE_PX);
    return false;
  }
  if (weir_grid_init (grid, n, strides_px, NULL, width_px, height_px))
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE, "an input of %u×%u has more cells than 2^31",
      width_px, height_px);
  return false;
}

static bool fits_rows (WeirGrid *grid, uint32_t n_strides, const uint32_t *strides_px,
    uint32_t n_per_cell, int64_t n_rows, uint32_t width_px, uint32_t height_px)
{
  uint32_t all_per_cell[WEIR_MAX_STRIDES];
  for (uint32_t i = 0; i < WEIR_MAX_STRIDES; i++)
    all_per_cell[i] = n_per_cell;
  return weir_grid_init (grid, n_strides, strides_px, all_per_cell, width_px, height_px) &&
         grid->n_rows == n_rows;
}

bool weir_grid_find (WeirGrid *grid, const WeirModelFacts *facts, uint32_t n_per_cell,
    int64_t n_rows, uint32_t width_px, uint32_t height_px)
{
  static const struct {
    uint32_t n, strides_px[5];
  } usual[] = { { 3, { 8, 16, 32 } }, { 4, { 8, 16, 32, 64 } }, { 2, { 16, 32 } },
    { 4, { 4, 8, 16, 32 } }, { 5, { 8, 16, 32, 64, 128 } } };
  uint32_t given_px[WEIR_MAX_STRIDES];
  const char *text = weir_facts_metadata (facts, "weir.strides");
  uint32_t n_given = text ? parse_strides (text, given_px) : 0;
  if (n_given > 1)
    return fits_rows (grid, n_given, given_px, n_per_cell, n_rows, width_px, height_px);
  for (uint32_t i = 0; i < G_N_ELEMENTS (usual); i++)
    if ((n_given == 0 || usual[i].strides_px[usual[i].n - 1] == given_px[0]) &&
        fits_rows (grid, usual[i].n, usual[i].strides_px, n_per_cell, n_rows, width_px, height_px))
      return true;
  return false;
}

bool weir_grid_has_rows (const WeirModelFacts *facts, int64_t n_rows)
{
  uint32_t width_px, height_px;
  WeirGrid grid;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         (weir_grid_find (&grid, facts, 1, n_rows, width_px, height_px) ||
             weir_grid_find (&grid, facts, 3, n_rows, width_px, height_px));
}

uint32_t weir_grid_stride (int64_t width, int64_t height, uint32_t width_px, uint32_t height_px)
{
  if (width < 1 || height < 1 || width_px % width || height_px % height ||
      width_px / width != height_px / height)
    return 0;
  return (uint32_t) (width_px / width);
}

WeirCell weir_grid_locate (const WeirGrid *grid, uint32_t row)
{
  uint32_t i = 0;
  while (i + 1 < grid->n_levels && row >= grid->levels[i + 1].first_row)
    i++;
  const WeirGridLevel *level = &grid->levels[i];
  uint32_t rest = row - level->first_row;
  uint32_t cell = rest / level->n_per_cell;
  return (WeirCell){
    .level = i, .x = cell % level->width, .y = cell / level->width, .k = rest % level->n_per_cell
  };
}

char *weir_grid_describe (const WeirGrid *grid)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < grid->n_levels; i++)
    g_string_append_printf (text, "%s%u", i ? ", " : "", grid->levels[i].stride_px);
  return g_string_free (text, FALSE);
}
