/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BlazeFace (MediaPipe's face detector): 896 anchors, two a cell of a map of 16×16 and six of one
 * of 8×8; of each a box and six points in pixels from its cell's centre, and a logit. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

enum { N_ANCHORS = 896, N_COLUMNS = 16, N_POINTS = 6, FIRST_POINT = 4 };

typedef struct Blazeface {
  uint32_t boxes, scores; /* which output */
  bool is_raw;            /* the sigmoid is still to be done */
  WeirGrid grid;
} Blazeface;

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Blazeface *state, GError **error)
{
  static const uint32_t n_per_cell[] = { 2, 6 };
  const uint32_t strides_px[] = { MAX (width_px / 16, 1), MAX (width_px / 8, 1) };
  uint32_t n_columns[2];
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (facts, "blazeface", "2: [1,896,16] and [1,896,1]", error);
  for (uint32_t k = 0; k < 2; k++)
    if (!weir_facts_is_table (facts, k, N_ANCHORS, &n_columns[k]))
      return weir_facts_refuse (facts, k, "blazeface", error, "f32[1,896,16] or f32[1,896,1]");
  state->boxes = n_columns[0] == N_COLUMNS ? 0 : 1;
  state->scores = 1 - state->boxes;
  if (n_columns[state->boxes] != N_COLUMNS || n_columns[state->scores] != 1)
    return weir_facts_refuse (facts, 0, "blazeface", error, "f32[1,896,16] or f32[1,896,1]");
  if (!weir_grid_init (&state->grid, 2, strides_px, n_per_cell, width_px, height_px) ||
      state->grid.n_rows != N_ANCHORS)
    return weir_facts_refuse (
        facts, 0, "blazeface", error, "the anchors of an input of %u×%u", width_px, height_px);
  state->is_raw = !(weir_facts_traits (facts, state->scores) & WEIR_OUTPUT_SIGMOID);
  return true;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Blazeface state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         fit (facts, width_px, height_px, &state, NULL) &&
         weir_facts_recognise (why, "boxes, six points and scores of BlazeFace's 896 anchors");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Blazeface *state = g_new0 (Blazeface, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static void centre_of (const Blazeface *state, uint32_t row, double *x_px, double *y_px)
{
  WeirCell cell = weir_grid_locate (&state->grid, row);
  *x_px = (cell.x + 0.5) * state->grid.levels[cell.level].stride_px;
  *y_px = (cell.y + 0.5) * state->grid.levels[cell.level].stride_px;
}

static void add_points (const WeirDecodeJob *job, const float *row, uint32_t index,
    WeirArena *arena, WeirObject *object)
{
  double x_px, y_px;
  centre_of (job->state, index, &x_px, &y_px);
  weir_object_add_landmarks (object, job, x_px, y_px, 1, row + FIRST_POINT, N_POINTS, arena);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Blazeface *state = job->state;
  const float *scores = weir_job_f32 (job, state->scores, N_ANCHORS, result->arena, error);
  const float *rows = scores ? weir_job_f32 (job, state->boxes, (size_t) N_ANCHORS * N_COLUMNS,
                                   result->arena, error)
                             : NULL;
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < N_ANCHORS; i++) {
    const float *row = rows + (size_t) i * N_COLUMNS;
    WeirCandidate candidate = { .confidence = weir_score (scores[i], state->is_raw), .index = i };
    double x_px, y_px;
    if (!(candidate.confidence >= boxes.threshold))
      continue;
    centre_of (state, i, &x_px, &y_px);
    weir_boxes_add_centre (&boxes, x_px + row[0], y_px + row[1], row[2], row[3], candidate);
  }
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects; i++) {
    uint32_t index = boxes.items[i].index;
    add_points (job, rows + (size_t) index * N_COLUMNS, index, result->arena, &result->objects[i]);
  }
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_blazeface = {
  .name = "blazeface",
  .blurb = "BlazeFace faces with six landmarks: [1,896,16] and [1,896,1]",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_LETTERBOX_CENTRE,
  .mean = { 127.5f, 127.5f, 127.5f },
  .scale = { 1 / 127.5f, 1 / 127.5f, 1 / 127.5f },
  .match = match,
  .n_classes = weir_one_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
