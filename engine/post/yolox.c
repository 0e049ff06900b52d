/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLOX: one output, a row a cell: box, objectness, classes. Exports that decode the box themselves
 * (an Exp stands in the graph) give it in input pixels. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include <math.h>

enum { OBJECTNESS = 4, FIRST_CLASS = 5 };

typedef struct Yolox {
  WeirGrid grid;
  uint32_t n_columns;
  bool is_decoded;
} Yolox;

/* Strides 8, 16, 32, or with 64 after them; or those of the metadata. */
static bool fit_grid (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    WeirGrid *grid, GError **error)
{
  bool is_given = weir_facts_metadata (facts, "weir.strides") != NULL;
  int64_t n_rows = facts->outputs[0].dims[1];
  if (is_given || n_rows > INT32_MAX)
    return weir_grid_init_for (grid, facts, 0, width_px, height_px, error);
  for (uint32_t n_strides = 4; n_strides >= 3; n_strides--) {
    if (!weir_grid_init_for (grid, facts, n_strides, width_px, height_px, error))
      return false;
    if (grid->n_rows == n_rows)
      break;
  }
  return true;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, Yolox *state,
    GError **error)
{
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "yolox", "one, [1,cells,5 + classes]", error);
  if (!weir_facts_is_table (facts, 0, -1, &state->n_columns) || state->n_columns <= FIRST_CLASS)
    return weir_facts_refuse (facts, 0, "yolox", error, "f32[1,cells,5 + classes]");
  if (!fit_grid (facts, width_px, height_px, &state->grid, error))
    return false;
  if (facts->outputs[0].dims[1] != state->grid.n_rows) {
    g_autofree char *strides = weir_grid_describe (&state->grid);
    return weir_facts_refuse (facts, 0, "yolox", error,
        "%u cells, those of an input of %u×%u at strides %s", state->grid.n_rows, width_px,
        height_px, strides);
  }
  state->is_decoded = (weir_facts_traits (facts, 0) & WEIR_OUTPUT_EXP) != 0;
  return true;
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t n_columns;
  bool is_fit = facts->n_outputs == 1 && weir_facts_is_table (facts, 0, -1, &n_columns);
  return is_fit && n_columns > FIRST_CLASS ? n_columns - FIRST_CLASS : 0;
}

/* With other strides than the usual three the shape says less: labels must not speak against it. */
static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Yolox state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  uint32_t n = state.n_columns - FIRST_CLASS;
  if (state.grid.n_levels != 3 && facts->labels && facts->n_labels != n)
    return false;
  g_autofree char *strides = weir_grid_describe (&state.grid);
  return weir_facts_recognise (why, "one output of the %u cells of strides %s × (5 + %u classes)%s",
      state.grid.n_rows, strides, n, state.is_decoded ? ", boxes decoded by the network" : "");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Yolox *state = g_new0 (Yolox, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static void add_row (const Yolox *state, const float *row, uint32_t index, WeirBoxes *boxes)
{
  float best;
  uint32_t label_id = weir_argmax (row + FIRST_CLASS, state->n_columns - FIRST_CLASS, 1, &best);
  double x = row[0], y = row[1], width = row[2], height = row[3];
  if (!state->is_decoded) {
    WeirCell cell = weir_grid_locate (&state->grid, index);
    double stride_px = state->grid.levels[cell.level].stride_px;
    x = (x + cell.x) * stride_px;
    y = (y + cell.y) * stride_px;
    width = exp (width) * stride_px;
    height = exp (height) * stride_px;
  }
  WeirCandidate candidate = {
    .confidence = row[OBJECTNESS] * best, .label_id = (int32_t) label_id, .index = index
  };
  weir_boxes_add_centre (boxes, x, y, width, height, candidate);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Yolox *state = job->state;
  uint32_t n_rows = state->grid.n_rows;
  size_t n_columns = state->n_columns;
  const float *rows = weir_job_f32 (job, 0, n_rows * n_columns, result->arena, error);
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  /* Classes are at most 1, so a row whose objectness is under the threshold cannot pass it. */
  for (uint32_t i = 0; i < n_rows; i++)
    if (rows[i * n_columns + OBJECTNESS] >= boxes.threshold)
      add_row (state, rows + i * n_columns, i, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolox = {
  .name = "yolox",
  .blurb = "YOLOX objects: [1,cells,5 + classes] of strides 8, 16, 32",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_LETTERBOX_TOP_LEFT,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .pad = 114,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
