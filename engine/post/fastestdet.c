/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FastestDet: one map of cells, its channels are objectness, box and classes. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define USUAL_STRIDE_PX 16

enum { OBJECTNESS, BOX, FIRST_CLASS = BOX + 4 };

typedef struct Fastestdet {
  uint32_t width, height; /* cells */
  uint32_t n_channels;
} Fastestdet;

static bool is_map (const WeirModelFacts *facts)
{
  const WeirTensor *output = &facts->outputs[0];
  return weir_facts_is_float (facts, 0) && output->rank == 4 && output->dims[0] == 1 &&
         output->dims[1] > FIRST_CLASS && output->dims[1] <= INT32_MAX;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Fastestdet *state, GError **error)
{
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "fastestdet", "one, [1,5 + classes,H,W]", error);
  if (!is_map (facts))
    return weir_facts_refuse (facts, 0, "fastestdet", error, "f32[1,5 + classes,H,W]");
  const int64_t *dims = facts->outputs[0].dims;
  if (!weir_grid_stride (dims[3], dims[2], width_px, height_px))
    return weir_facts_refuse (facts, 0, "fastestdet", error,
        "cells of one stride in both directions for an input of %u×%u", width_px, height_px);
  *state = (Fastestdet){
    .width = (uint32_t) dims[3], .height = (uint32_t) dims[2], .n_channels = (uint32_t) dims[1]
  };
  return true;
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return facts->n_outputs == 1 && is_map (facts)
             ? (uint32_t) facts->outputs[0].dims[1] - FIRST_CLASS
             : 0;
}

/* Many networks give maps: other strides need labels that fit as well. */
static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Fastestdet state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  uint32_t stride_px = width_px / state.width, n = state.n_channels - FIRST_CLASS;
  if (stride_px != USUAL_STRIDE_PX && (stride_px < 2 || facts->n_labels != n))
    return false;
  return weir_facts_recognise (why, "one map of %u×%u cells of stride %u × (5 + %u classes)",
      state.width, state.height, stride_px, n);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Fastestdet *state = g_new0 (Fastestdet, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static void add_cell (const WeirDecodeJob *job, const float *map, uint32_t index, WeirBoxes *boxes)
{
  const Fastestdet *state = job->state;
  size_t n_cells = (size_t) state->width * state->height;
  const float *cell = map + index;
  const float *box = cell + BOX * n_cells;
  float best;
  uint32_t label_id =
      weir_argmax (cell + FIRST_CLASS * n_cells, state->n_channels - FIRST_CLASS, n_cells, &best);
  double width = job->input->width_px, height = job->input->height_px;
  double x = (index % state->width + tanh ((double) box[0])) / state->width * width;
  double y = (index / state->width + tanh ((double) box[n_cells])) / state->height * height;
  WeirCandidate candidate = {
    .confidence = cell[OBJECTNESS] * best, .label_id = (int32_t) label_id, .index = index
  };
  weir_boxes_add_centre (boxes, x, y, weir_sigmoid ((double) box[2 * n_cells]) * width,
      weir_sigmoid ((double) box[3 * n_cells]) * height, candidate);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Fastestdet *state = job->state;
  size_t n_cells = (size_t) state->width * state->height;
  const float *map = weir_job_f32 (job, 0, n_cells * state->n_channels, result->arena, error);
  if (!map)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  /* Classes are at most 1, so a cell whose objectness is under the threshold cannot pass it. */
  for (uint32_t i = 0; i < n_cells; i++)
    if (map[i] >= boxes.threshold)
      add_cell (job, map, i, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_fastestdet = {
  .name = "fastestdet",
  .blurb = "FastestDet objects: [1,5 + classes,H / 16,W / 16]",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
