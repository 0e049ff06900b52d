/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v5 and v7 (and v3 and v4 as PyTorch exports them): a row for each of a cell's three anchors,
 * decoded by the network to cx, cy, w, h in input pixels, objectness and classes; or the maps
 * before that; or (v7) the boxes that the network has chosen. */
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include "engine/post/row_form.h"
#include "engine/post/yolo_head.h"
#include "engine/post/yolo_kinds.h"

enum { OBJECTNESS = 4, FIRST_CLASS = 5 };

#define P6                                                                                       \
  {                                                                                              \
    { 19, 27, 44, 40, 38, 94 }, { 96, 68, 86, 152, 180, 137 }, { 140, 301, 303, 264, 238, 542 }, \
        { 436, 615, 739, 380, 925, 792 },                                                        \
  }
#define FAMILY(NAME, N, ANCHORS)                                                        \
  {                                                                                     \
    .name = NAME, .n_levels = N, .n_per_cell = WEIR_YOLO_PER_CELL, .has_squares = true, \
    .scale_xy = { 2, 2, 2, 2 }, .anchors = ANCHORS,                                     \
  }

enum { N_FAMILIES = 2 };
static const WeirRegionFamily families[N_FAMILIES] = { FAMILY ("yolo-v5", 3, WEIR_ANCHORS_V3),
  FAMILY ("yolo-v5", 4, P6) };
static const WeirRegionFamily families_v7[N_FAMILIES] = { FAMILY ("yolo-v7", 3, WEIR_ANCHORS_V4),
  FAMILY ("yolo-v7", 4, P6) };
static const WeirRowForm chosen = {
  .n_columns = 7, .corners = 1, .label = 5, .score = 6, .has_picture = true
};

typedef struct YoloV5 {
  bool is_chosen;
  WeirRegions *regions; /* NULL: rows */
  uint32_t output, n_rows, n_columns;
} YoloV5;

/* The output of rows; beside it there may be the maps it was made of, one a stride. */
static bool find_rows (const WeirModelFacts *facts, uint32_t *output, uint32_t *n_columns)
{
  uint32_t n_found = 0, n;
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (weir_facts_is_table (facts, k, -1, &n)) {
      *output = k;
      *n_columns = n;
      n_found++;
    } else if (facts->outputs[k].rank != 5) {
      return false;
    }
  }
  return n_found == 1 && *n_columns > FIRST_CLASS;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, YoloV5 *state,
    WeirGrid *grid, GError **error)
{
  if (!find_rows (facts, &state->output, &state->n_columns))
    return weir_facts_refuse_count (
        facts, "yolo-v5", "one, f32[1,P,5 + classes], or the maps of three anchors", error);
  int64_t n_rows = facts->outputs[state->output].dims[1];
  if (!weir_grid_find (grid, facts, WEIR_YOLO_PER_CELL, n_rows, width_px, height_px))
    return weir_facts_refuse (facts, state->output, "yolo-v5", error,
        "three rows a cell of strides 8, 16, 32 of an input of %u×%u", width_px, height_px);
  state->n_rows = grid->n_rows;
  return true;
}

static bool is_chosen (const WeirModelFacts *facts)
{
  const WeirTensor *output = &facts->outputs[0];
  return facts->n_outputs == 1 && weir_facts_is_float (facts, 0) && output->rank == 2 &&
         output->dims[1] == chosen.n_columns;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  bool is_named;
  YoloV5 state;
  WeirGrid grid;
  if (weir_yolo_recognise (facts, WEIR_YOLO_V5, why))
    return true;
  if (!weir_yolo_task_allows (facts, "detect", &is_named) ||
      !weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, &grid, NULL))
    return false;
  g_autofree char *strides = weir_grid_describe (&grid);
  return weir_facts_recognise (why,
      "%u rows, three a cell of strides %s, × (5 + %u classes), boxes decoded by the network",
      state.n_rows, strides, state.n_columns - FIRST_CLASS);
}

/* A classifier of seven classes has one row of seven numbers. */
static bool match_v7 (const WeirModelFacts *facts, const char **why)
{
  if (weir_yolo_recognise (facts, WEIR_YOLO_V7, why))
    return true;
  if (!facts->n_outputs || !is_chosen (facts) || facts->n_labels == chosen.n_columns)
    return false;
  uint32_t traits = weir_facts_traits (facts, 0);
  if (traits & WEIR_OUTPUT_KNOWN ? !(traits & WEIR_OUTPUT_SELECTED)
                                 : facts->outputs[0].dims[0] == 1)
    return false;
  return weir_facts_recognise (why, "rows [N,7] of boxes that the network has chosen");
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t output, n_columns;
  return find_rows (facts, &output, &n_columns) ? n_columns - FIRST_CLASS
                                                : weir_yolo_n_classes (facts);
}

static void release (void *data)
{
  YoloV5 *state = data;
  g_free (state->regions);
  g_free (state);
}

static void *prepare_as (const WeirModelFacts *facts, const WeirRegionFamily family[N_FAMILIES],
    const WeirInputSpec *input, GError **error)
{
  YoloV5 *state = g_new0 (YoloV5, 1);
  WeirGrid grid;
  WeirRegions regions;
  bool is_maps = weir_regions_fit (
      facts, WEIR_YOLO_PER_CELL, input->width_px, input->height_px, &regions, family[0].name, NULL);
  if (is_maps)
    state->regions = weir_regions_new (facts, family, N_FAMILIES, input, error);
  if (is_maps ? state->regions != NULL
              : fit (facts, input->width_px, input->height_px, state, &grid, error))
    return state;
  release (state);
  return NULL;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, families, input, error);
}

static void *prepare_v7 (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  if (!facts->n_outputs || !is_chosen (facts))
    return prepare_as (facts, families_v7, input, error);
  YoloV5 *state = g_new0 (YoloV5, 1);
  state->is_chosen = true;
  return state;
}

static bool decode_rows (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const YoloV5 *state = job->state;
  size_t n_columns = state->n_columns;
  const float *rows =
      weir_job_f32 (job, state->output, state->n_rows * n_columns, result->arena, error);
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < state->n_rows; i++) {
    const float *row = rows + i * n_columns;
    float best;
    /* Classes are at most 1, so a row whose objectness is under the threshold cannot pass it. */
    if (!(row[OBJECTNESS] >= boxes.threshold))
      continue;
    uint32_t label_id = weir_argmax (row + FIRST_CLASS, state->n_columns - FIRST_CLASS, 1, &best);
    WeirCandidate candidate = {
      .confidence = row[OBJECTNESS] * best, .label_id = (int32_t) label_id, .index = i
    };
    weir_boxes_add_centre (&boxes, row[0], row[1], row[2], row[3], candidate);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const YoloV5 *state = job->state;
  if (state->is_chosen)
    return weir_row_form_decode (&chosen, job, 0, result, error);
  if (!state->regions)
    return decode_rows (job, result, error);
  WeirDecodeJob maps = *job;
  maps.state = state->regions;
  return weir_regions_decode (&maps, result, error);
}

const WeirDecoder weir_decoder_yolo_v5 = {
  .name = "yolo-v5",
  .blurb = "YOLO v5, v7 and v3 objects: [1,P,5 + classes] of three anchors a cell, or v5's maps",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = release,
  .decode = decode,
};

const WeirDecoder weir_decoder_yolo_v7 = {
  .name = "yolo-v7",
  .blurb = "YOLO v7 objects: rows [N,7] that the network has chosen, or maps of v7's anchors",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match_v7,
  .n_classes = n_classes,
  .prepare = prepare_v7,
  .release = release,
  .decode = decode,
};
