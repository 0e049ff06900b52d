/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SCRFD faces: per stride scores (sigmoid done), distances to the four sides in strides, and with
 * some networks five points. Two anchors a cell at strides 8, 16, 32, one at 8 to 128. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_POINTS 5u

typedef enum Role { SCORES, BOXES, POINTS, N_ROLES } Role;

static const uint32_t role_columns[N_ROLES] = { 1, 4, 2 * N_POINTS };

typedef struct Scrfd {
  WeirGrid grid;
  uint32_t n_roles; /* without points one less */
  uint32_t outputs[WEIR_MAX_STRIDES][N_ROLES];
} Scrfd;

/* [1,rows,columns] or [rows,columns] */
static bool is_role (const WeirModelFacts *facts, uint32_t k, uint32_t n_rows, Role role)
{
  const WeirTensor *output = &facts->outputs[k];
  return weir_facts_is_float (facts, k) && output->rank >= 2 && output->rank <= 3 &&
         (output->rank == 2 || output->dims[0] == 1) && output->dims[output->rank - 2] == n_rows &&
         output->dims[output->rank - 1] == role_columns[role];
}

static bool fit_level (const WeirModelFacts *facts, uint32_t level, Scrfd *state, GError **error)
{
  uint32_t n_rows = state->grid.levels[level].n_rows;
  for (Role role = 0; role < state->n_roles; role++) {
    uint32_t n_found = 0;
    for (uint32_t k = 0; k < facts->n_outputs; k++) {
      if (!is_role (facts, k, n_rows, role))
        continue;
      state->outputs[level][role] = k;
      n_found++;
    }
    if (n_found == 1)
      continue;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "scrfd: %u outputs are f32[%u,%u]; expected one of it at stride %u: scores [%u,1], boxes "
        "[%u,4]%s",
        n_found, n_rows, role_columns[role], state->grid.levels[level].stride_px, n_rows, n_rows,
        state->n_roles == N_ROLES ? " and points of ten numbers" : "");
    return false;
  }
  return true;
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
    state->n_roles = forms[i][3];
    if (!weir_grid_init (&state->grid, forms[i][1], strides_px, n_per_cell, width_px, height_px))
      break;
    for (uint32_t level = 0; level < forms[i][1]; level++)
      if (!fit_level (facts, level, state, error))
        return false;
    return true;
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
      state.n_roles == N_ROLES ? ", five points" : "", state.grid.levels[0].n_per_cell, strides);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Scrfd *state = g_new0 (Scrfd, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

typedef const float *Tables[WEIR_MAX_STRIDES][N_ROLES];

static bool open_tables (const WeirDecodeJob *job, Tables tables, WeirArena *arena, GError **error)
{
  const Scrfd *state = job->state;
  for (uint32_t i = 0; i < state->grid.n_levels; i++)
    for (Role role = 0; role < state->n_roles; role++) {
      size_t n = (size_t) state->grid.levels[i].n_rows * role_columns[role];
      tables[i][role] = weir_job_f32 (job, state->outputs[i][role], n, arena, error);
      if (!tables[i][role])
        return false;
    }
  return true;
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

static void add_points (
    const WeirDecodeJob *job, Tables tables, uint32_t row, WeirArena *arena, WeirObject *object)
{
  const Scrfd *state = job->state;
  WeirCell cell = weir_grid_locate (&state->grid, row);
  const WeirGridLevel *level = &state->grid.levels[cell.level];
  const float *points =
      tables[cell.level][POINTS] + (size_t) (row - level->first_row) * 2 * N_POINTS;
  double points_px[2 * N_POINTS];
  for (uint32_t k = 0; k < 2 * N_POINTS; k++)
    points_px[k] = ((double) (k % 2 ? cell.y : cell.x) + (double) points[k]) * level->stride_px;
  weir_object_add_points (object, job, "landmarks", points_px, N_POINTS, arena);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Scrfd *state = job->state;
  Tables tables;
  if (!open_tables (job, tables, result->arena, error))
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < state->grid.n_levels; i++)
    add_level (&state->grid.levels[i], tables[i], &boxes);
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects && state->n_roles == N_ROLES; i++)
    add_points (job, tables, boxes.items[i].index, result->arena, &result->objects[i]);
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
