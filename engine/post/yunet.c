/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YuNet faces with five landmarks: per stride two scores, a box and five points of every cell. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include "engine/post/role_tables.h"
#include <math.h>

#define N_STRIDES 3u

/* Class score and objectness enter only as their product, so that either may be the first. */
typedef enum Role { SCORE_A, SCORE_B, BOX, LANDMARKS, N_ROLES } Role;

static const uint32_t role_columns[N_ROLES] = { 1, 1, 4, 2 * WEIR_N_FACE_POINTS };

typedef struct Yunet {
  WeirGrid grid;
  WeirTables tables[N_STRIDES];
} Yunet;

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, Yunet *state,
    GError **error)
{
  if (facts->n_outputs != N_STRIDES * N_ROLES)
    return weir_facts_refuse_count (
        facts, "yunet", "12: cls, obj, bbox and kps of 3 strides", error);
  if (!weir_grid_init_for (&state->grid, facts, N_STRIDES, width_px, height_px, error))
    return false;
  for (uint32_t i = 0; i < N_STRIDES; i++) {
    state->tables[i] = (WeirTables){
      .n_rows = state->grid.levels[i].n_rows, .n_roles = N_ROLES, .n_columns = role_columns
    };
    if (!weir_tables_find (&state->tables[i], facts, "yunet", width_px, height_px, error))
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

static void add_level (
    const WeirGridLevel *level, const float *const tables[N_ROLES], WeirBoxes *boxes)
{
  double stride_px = level->stride_px;
  for (uint32_t row = 0; row < level->n_rows; row++) {
    WeirCandidate candidate = { .index = level->first_row + row };
    candidate.confidence = weir_score_of_two (tables[SCORE_A][row], tables[SCORE_B][row]);
    if (!(candidate.confidence >= boxes->threshold))
      continue;
    const float *box = tables[BOX] + 4 * (size_t) row;
    double x = ((double) (row % level->width) + box[0]) * stride_px;
    double y = ((double) (row / level->width) + box[1]) * stride_px;
    weir_boxes_add_centre (boxes, x, y, exp ((double) box[2]) * stride_px,
        exp ((double) box[3]) * stride_px, candidate);
  }
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Yunet *state = job->state;
  const float *points[N_STRIDES];
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < N_STRIDES; i++) {
    const float *tables[WEIR_MAX_ROLES];
    if (!weir_tables_open (&state->tables[i], job, tables, result->arena, error))
      return false;
    add_level (&state->grid.levels[i], tables, &boxes);
    points[i] = tables[LANDMARKS];
  }
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects; i++)
    weir_grid_add_landmarks (
        &state->grid, points, boxes.items[i].index, job, &result->objects[i], result->arena);
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
