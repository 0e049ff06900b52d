/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NanoDet-Plus: one row a cell, classes (sigmoid done) and then the distances to the four sides,
 * each a distribution over bins. Other than NanoDet's, its centres are the cells' upper left
 * corners. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/distances.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_STRIDES  4u
#define USUAL_BINS 8u
#define N_COCO     80u
#define N_SIDES    4u

typedef struct NanodetPlus {
  WeirGrid grid;
  uint32_t n_columns, n_classes, n_bins;
} NanodetPlus;

/* Labels tell the number of bins, where there are any. */
static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    NanodetPlus *state, GError **error)
{
  static const char expected[] = "f32[1,cells of strides 8, 16, 32, 64,classes + 4 × bins]";
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "nanodet-plus", expected, error);
  if (!weir_facts_is_table (facts, 0, -1, &state->n_columns) ||
      state->n_columns <= N_SIDES * USUAL_BINS)
    return weir_facts_refuse (facts, 0, "nanodet-plus", error, "%s", expected);
  if (!weir_grid_init_for (&state->grid, facts, N_STRIDES, width_px, height_px, error))
    return false;
  if (state->grid.n_rows != facts->outputs[0].dims[1])
    return weir_facts_refuse (facts, 0, "nanodet-plus", error, "%s of an input of %u×%u: %u",
        expected, width_px, height_px, state->grid.n_rows);
  state->n_classes = state->n_columns - N_SIDES * USUAL_BINS;
  if (facts->n_labels && facts->n_labels < state->n_columns &&
      (state->n_columns - facts->n_labels) % N_SIDES == 0 &&
      state->n_columns - facts->n_labels >= 2 * N_SIDES)
    state->n_classes = facts->n_labels;
  state->n_bins = (state->n_columns - state->n_classes) / N_SIDES;
  return true;
}

/* YOLOX with a fourth stride has the same rows. */
static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  NanodetPlus state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  bool is_usual = facts->n_labels ? facts->n_labels == state.n_classes
                                  : state.n_classes == N_COCO || state.n_classes == 1;
  return is_usual && !(weir_facts_traits (facts, 0) & (WEIR_OUTPUT_GRID | WEIR_OUTPUT_EXP)) &&
         weir_facts_recognise (why,
             "one output of the %u cells of strides 8, 16, 32, 64 × (%u classes + 4 × %u bins)",
             state.grid.n_rows, state.n_classes, state.n_bins);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  NanodetPlus state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, width_px, height_px, &state, NULL)
             ? state.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree NanodetPlus *state = g_new0 (NanodetPlus, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const NanodetPlus *state = job->state;
  size_t n_columns = state->n_columns;
  const float *rows = weir_job_f32 (job, 0, state->grid.n_rows * n_columns, result->arena, error);
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < state->grid.n_rows; i++) {
    const float *row = rows + i * n_columns;
    WeirCandidate candidate = { .index = i };
    candidate.label_id = (int32_t) weir_argmax (row, state->n_classes, 1, &candidate.confidence);
    if (!(candidate.confidence >= boxes.threshold))
      continue;
    WeirCell cell = weir_grid_locate (&state->grid, i);
    double stride_px = state->grid.levels[cell.level].stride_px;
    weir_distances_place (row + state->n_classes, state->n_bins, cell.x * stride_px,
        cell.y * stride_px, stride_px, job->input, &candidate);
    weir_boxes_add (&boxes, &candidate);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_nanodet_plus = {
  .name = "nanodet-plus",
  .blurb = "NanoDet-Plus objects: [1,cells,classes + 4 × bins] of strides 8, 16, 32, 64",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 103.53f, 116.28f, 123.675f },
  .scale = { 1 / 57.375f, 1 / 57.12f, 1 / 58.395f },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
