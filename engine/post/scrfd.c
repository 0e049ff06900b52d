/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SCRFD faces: per stride scores (sigmoid done), distances to the four sides in strides, and with
 * some networks five points. Two anchors a cell at strides 8, 16, 32, one at 8 to 128. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include "engine/post/role_tables.h"

typedef enum Role { SCORES, BOXES, POINTS, N_ROLES } Role;

static const uint32_t role_columns[N_ROLES] = { 1, 4, 2 * WEIR_N_FACE_POINTS };

typedef struct Scrfd {
  WeirGrid grid;
  WeirTables tables[WEIR_MAX_STRIDES]; /* of two roles where there are no points */
} Scrfd;

static bool fit_levels (const WeirModelFacts *facts, uint32_t n_roles, uint32_t width_px,
    uint32_t height_px, Scrfd *state, GError **error)
{
  for (uint32_t i = 0; i < state->grid.n_levels; i++) {
    state->tables[i] = (WeirTables){
      .n_rows = state->grid.levels[i].n_rows, .n_roles = n_roles, .n_columns = role_columns
    };
    if (!weir_tables_find (&state->tables[i], facts, "scrfd", width_px, height_px, error))
      return false;
  }
  return true;
}

static bool has_points (const Scrfd *state)
{
  return state->tables[0].n_roles > POINTS;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, Scrfd *state,
    GError **error)
{
  static const uint32_t strides_px[] = { 8, 16, 32, 64, 128 };
  /* of how many outputs: levels, rows a cell, roles */
  static const uint32_t forms[][4] = { { 6, 3, 2, 2 }, { 9, 3, 2, 3 }, { 10, 5, 1, 2 },
    { 15, 5, 1, 3 } };
  for (uint32_t i = 0; i < G_N_ELEMENTS (forms); i++) {
    if (facts->n_outputs != forms[i][0])
      continue;
    uint32_t n_per_cell[] = { forms[i][2], forms[i][2], forms[i][2], forms[i][2], forms[i][2] };
    if (!weir_grid_init (&state->grid, forms[i][1], strides_px, n_per_cell, width_px, height_px))
      break;
    return fit_levels (facts, forms[i][3], width_px, height_px, state, error);
  }
  return weir_facts_refuse_count (
      facts, "scrfd", "2 or 3 of each of 3 or 5 strides: scores, boxes and perhaps points", error);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Scrfd state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  g_autofree char *strides = weir_grid_describe (&state.grid);
  return weir_facts_recognise (why, "score and box%s of %u anchors a cell at strides %s",
      has_points (&state) ? ", five points" : "", state.grid.levels[0].n_per_cell, strides);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Scrfd *state = g_new0 (Scrfd, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static void add_level (
    const WeirGridLevel *level, const float *const tables[N_ROLES], WeirBoxes *boxes)
{
  double stride_px = level->stride_px;
  for (uint32_t row = 0; row < level->n_rows; row++) {
    if (!(tables[SCORES][row] >= boxes->threshold))
      continue;
    uint32_t cell = row / level->n_per_cell;
    const float *sides = tables[BOXES] + 4 * (size_t) row;
    WeirCandidate candidate = { .x0 = (cell % level->width - (double) sides[0]) * stride_px,
      .y0 = (cell / level->width - (double) sides[1]) * stride_px,
      .x1 = (cell % level->width + (double) sides[2]) * stride_px,
      .y1 = (cell / level->width + (double) sides[3]) * stride_px,
      .confidence = tables[SCORES][row],
      .index = level->first_row + row };
    weir_boxes_add (boxes, &candidate);
  }
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Scrfd *state = job->state;
  const float *points[WEIR_MAX_STRIDES];
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < state->grid.n_levels; i++) {
    const float *tables[WEIR_MAX_ROLES] = { NULL };
    if (!weir_tables_open (&state->tables[i], job, tables, result->arena, error))
      return false;
    add_level (&state->grid.levels[i], tables, &boxes);
    points[i] = tables[POINTS];
  }
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects && has_points (state); i++)
    weir_grid_add_landmarks (
        &state->grid, points, boxes.items[i].index, job, &result->objects[i], result->arena);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_scrfd = {
  .name = "scrfd",
  .blurb = "SCRFD faces: scores, distances and points of strides 8, 16, 32",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_LETTERBOX_TOP_LEFT,
  .mean = { 127.5f, 127.5f, 127.5f },
  .scale = { 1 / 128.0f, 1 / 128.0f, 1 / 128.0f },
  .pad = 0,
  .match = match,
  .n_classes = weir_one_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
