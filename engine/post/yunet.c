/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YuNet faces with five landmarks: per stride two scores, a box and five points of every cell. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include <math.h>

#define N_STRIDES   3u
#define N_LANDMARKS 5

/* Per stride: which output. Class score and objectness enter only as their product, so that either
 * may be the first. */
typedef enum Role { SCORE_A, SCORE_B, BOX, LANDMARKS, N_ROLES } Role;

static const uint32_t role_columns[N_ROLES] = { 1, 1, 4, 2 * N_LANDMARKS };

typedef struct Yunet {
  WeirGrid grid;
  uint32_t outputs[N_STRIDES][N_ROLES];
} Yunet;

/* Output `role` of a stride: the only table of its rows and columns, for scores the first or
 * second. */
static bool find_output (const WeirModelFacts *facts, int64_t n_rows, Role role, uint32_t *k)
{
  uint32_t n_columns, n_to_skip = role == SCORE_B ? 1 : 0;
  for (*k = 0; *k < facts->n_outputs; ++*k)
    if (weir_facts_is_table (facts, *k, n_rows, &n_columns) && n_columns == role_columns[role] &&
        n_to_skip-- == 0)
      return true;
  return false;
}

static bool fit_level (const WeirModelFacts *facts, const WeirGridLevel *level,
    uint32_t outputs[N_ROLES], GError **error)
{
  for (Role role = 0; role < N_ROLES; role++) {
    if (find_output (facts, level->n_rows, role, &outputs[role]))
      continue;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "yunet: no output is f32[1,%u,%u]; expected at stride %u: cls and obj [1,%u,1], bbox "
        "[1,%u,4], "
        "kps [1,%u,10]",
        level->n_rows, role_columns[role], level->stride_px, level->n_rows, level->n_rows,
        level->n_rows);
    return false;
  }
  return true;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, Yunet *state,
    GError **error)
{
  if (facts->n_outputs != N_STRIDES * N_ROLES)
    return weir_facts_refuse_count (
        facts, "yunet", "12: cls, obj, bbox and kps of 3 strides", error);
  if (!weir_grid_init_for (&state->grid, facts, N_STRIDES, width_px, height_px, error))
    return false;
  for (uint32_t i = 0; i < N_STRIDES; i++) {
    if (i && state->grid.levels[i].n_rows == state->grid.levels[i - 1].n_rows) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
          "yunet: an input of %u×%u is too small to tell its strides apart", width_px, height_px);
      return false;
    }
    if (!fit_level (facts, &state->grid.levels[i], state->outputs[i], error))
      return false;
  }
  return true;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Yunet state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  g_autofree char *strides = weir_grid_describe (&state.grid);
  return weir_facts_recognise (
      why, "two scores, box and five points a cell at strides %s", strides);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Yunet *state = g_new0 (Yunet, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

typedef const float *Tables[N_STRIDES][N_ROLES];

static bool open_tables (const WeirDecodeJob *job, Tables tables, WeirArena *arena, GError **error)
{
  const Yunet *state = job->state;
  for (uint32_t i = 0; i < N_STRIDES; i++) {
    for (Role role = 0; role < N_ROLES; role++) {
      size_t n = (size_t) state->grid.levels[i].n_rows * role_columns[role];
      tables[i][role] = weir_job_f32 (job, state->outputs[i][role], n, arena, error);
      if (!tables[i][role])
        return false;
    }
  }
  return true;
}

static void add_level (
    const Yunet *state, uint32_t i, const float *const tables[N_ROLES], WeirBoxes *boxes)
{
  const WeirGridLevel *level = &state->grid.levels[i];
  double stride_px = level->stride_px;
  for (uint32_t row = 0; row < level->n_rows; row++) {
    float a = tables[SCORE_A][row], b = tables[SCORE_B][row];
    float confidence = sqrtf (CLAMP (a, 0, 1) * CLAMP (b, 0, 1));
    if (!(confidence >= boxes->threshold) || !isfinite (a) || !isfinite (b))
      continue;
    const float *box = tables[BOX] + 4 * (size_t) row;
    double x = ((double) (row % level->width) + box[0]) * stride_px;
    double y = ((double) (row / level->width) + box[1]) * stride_px;
    WeirCandidate candidate = { .confidence = confidence, .index = level->first_row + row };
    weir_boxes_add_centre (boxes, x, y, exp ((double) box[2]) * stride_px,
        exp ((double) box[3]) * stride_px, candidate);
  }
}

/* Points of the cell that the object comes from; none where they are not finite. */
static void add_landmarks (
    const WeirDecodeJob *job, Tables tables, uint32_t row, WeirArena *arena, WeirObject *object)
{
  const Yunet *state = job->state;
  WeirCell cell = weir_grid_locate (&state->grid, row);
  const WeirGridLevel *level = &state->grid.levels[cell.level];
  const float *points =
      tables[cell.level][LANDMARKS] + (size_t) (row - level->first_row) * 2 * N_LANDMARKS;
  double points_px[2 * N_LANDMARKS];
  for (uint32_t k = 0; k < 2 * N_LANDMARKS; k += 2) {
    points_px[k] = ((double) points[k] + cell.x) * level->stride_px;
    points_px[k + 1] = ((double) points[k + 1] + cell.y) * level->stride_px;
  }
  weir_object_add_points (object, job, "landmarks", points_px, N_LANDMARKS, arena);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Yunet *state = job->state;
  Tables tables;
  if (!open_tables (job, tables, result->arena, error))
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < N_STRIDES; i++)
    add_level (state, i, tables[i], &boxes);
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects; i++)
    add_landmarks (job, tables, boxes.items[i].index, result->arena, &result->objects[i]);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yunet = {
  .name = "yunet",
  .blurb = "YuNet faces with landmarks: cls, obj, bbox and kps of strides 8, 16, 32",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_LETTERBOX_TOP_LEFT,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .pad = 0,
  .match = match,
  .n_classes = weir_one_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
