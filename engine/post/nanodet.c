/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NanoDet and PicoDet: per stride a table of classes and one of distances to the four sides, each a
 * distribution over bins whose mean is the distance. NanoDet has strides 8, 16, 32 and counts from
 * the middle of pixels, PicoDet has 64 as well and counts from their edges. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/distances.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_SIDES           4u

#define NANODET_SHIFT_PX  -0.5
#define N_PICODET_STRIDES 4u

typedef struct Nanodet {
  WeirGrid grid;
  double shift_px; /* of a cell's middle */
  uint32_t n_classes, n_bins;
  uint32_t classes[WEIR_MAX_STRIDES], distances[WEIR_MAX_STRIDES]; /* which output */
} Nanodet;

/* The two outputs of one stride: classes come before distances. */
static bool fit_level (
    const WeirModelFacts *facts, const char *decoder, uint32_t i, Nanodet *state, GError **error)
{
  const WeirGridLevel *level = &state->grid.levels[i];
  uint32_t n_found = 0, found[2] = { 0 }, n_columns[2] = { 0 }, n;
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (!weir_facts_is_table (facts, k, level->n_rows, &n))
      continue;
    if (n_found < 2) {
      found[n_found] = k;
      n_columns[n_found] = n;
    }
    n_found++;
  }
  if (n_found != 2) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "%s: %u outputs are f32[1,%u,…]; expected at stride %u: classes [1,%u,C] and distances "
        "[1,%u,4 × bins]",
        decoder, n_found, level->n_rows, level->stride_px, level->n_rows, level->n_rows);
    return false;
  }
  if (i == 0) {
    state->n_classes = n_columns[0];
    state->n_bins = n_columns[1] / N_SIDES;
  }
  state->classes[i] = found[0];
  state->distances[i] = found[1];
  if (n_columns[0] != state->n_classes)
    return weir_facts_refuse (
        facts, found[0], decoder, error, "%u classes as at the first stride", state->n_classes);
  if (n_columns[1] != state->n_bins * N_SIDES || state->n_bins < 2)
    return weir_facts_refuse (facts, found[1], decoder, error,
        "4 × bins columns, at least 2 bins, the same at every stride");
  return true;
}

static bool fit (const WeirModelFacts *facts, const char *decoder, uint32_t width_px,
    uint32_t height_px, Nanodet *state, GError **error)
{
  uint32_t n_strides = facts->n_outputs / 2;
  if (facts->n_outputs % 2 || n_strides < 1 || n_strides > WEIR_MAX_STRIDES)
    return weir_facts_refuse_count (facts, decoder, "2 a stride: classes and distances", error);
  if (!weir_grid_init_for (&state->grid, facts, n_strides, width_px, height_px, error))
    return false;
  for (uint32_t i = 0; i < n_strides; i++)
    if (!fit_level (facts, decoder, i, state, error))
      return false;
  return true;
}

static bool match_strides (const WeirModelFacts *facts, bool is_picodet, const char **why)
{
  uint32_t width_px, height_px;
  Nanodet state;
  if (facts->n_outputs < 6 || !weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, "", width_px, height_px, &state, NULL) ||
      (state.grid.n_levels == N_PICODET_STRIDES) != is_picodet)
    return false;
  g_autofree char *strides = weir_grid_describe (&state.grid);
  return weir_facts_recognise (why, "%u classes and 4 × %u distance bins a cell at strides %s",
      state.n_classes, state.n_bins, strides);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  return match_strides (facts, false, why);
}

static bool match_picodet (const WeirModelFacts *facts, const char **why)
{
  return match_strides (facts, true, why);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t n;
  return facts->n_outputs && weir_facts_is_table (facts, 0, -1, &n) ? n : 0;
}

static Nanodet *prepare_as (
    const WeirModelFacts *facts, const char *decoder, const WeirInputSpec *input, GError **error)
{
  g_autofree Nanodet *state = g_new0 (Nanodet, 1);
  return fit (facts, decoder, input->width_px, input->height_px, state, error)
             ? g_steal_pointer (&state)
             : NULL;
}

static void *prepare_picodet (
    const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "picodet", input, error);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  Nanodet *state = prepare_as (facts, "nanodet", input, error);
  if (state)
    state->shift_px = NANODET_SHIFT_PX;
  return state;
}

/* True where some value reaches the threshold. Every cell is asked: no early end, so that the
 * compiler works on many values at once. */
static bool reaches (const float *values, uint32_t n, float threshold)
{
  uint32_t reached = 0;
  for (uint32_t i = 0; i < n; i++)
    reached |= values[i] >= threshold;
  return reached != 0;
}

static void add_row (const WeirDecodeJob *job, const WeirGridLevel *level, uint32_t row,
    const float *classes, const float *bins, WeirBoxes *boxes)
{
  const Nanodet *state = job->state;
  double stride_px = level->stride_px;
  WeirCandidate candidate = { .index = level->first_row + row };
  candidate.label_id = (int32_t) weir_argmax (classes, state->n_classes, 1, &candidate.confidence);
  weir_distances_place (bins, state->n_bins,
      (row % level->width + 0.5) * stride_px + state->shift_px,
      (row / level->width + 0.5) * stride_px + state->shift_px, stride_px, job->input, &candidate);
  weir_boxes_add (boxes, &candidate);
}

static bool add_level (const WeirDecodeJob *job, uint32_t i, WeirBoxes *boxes, GError **error)
{
  const Nanodet *state = job->state;
  const WeirGridLevel *level = &state->grid.levels[i];
  size_t n_classes = state->n_classes, n_bins = (size_t) state->n_bins * N_SIDES;
  const float *classes =
      weir_job_f32 (job, state->classes[i], level->n_rows * n_classes, boxes->arena, error);
  const float *bins =
      classes ? weir_job_f32 (job, state->distances[i], level->n_rows * n_bins, boxes->arena, error)
              : NULL;
  if (!bins)
    return false;
  for (uint32_t row = 0; row < level->n_rows; row++)
    if (reaches (classes + row * n_classes, state->n_classes, boxes->threshold))
      add_row (job, level, row, classes + row * n_classes, bins + row * n_bins, boxes);
  return true;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Nanodet *state = job->state;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < state->grid.n_levels; i++)
    if (!add_level (job, i, &boxes, error))
      return false;
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_nanodet = {
  .name = "nanodet",
  .blurb = "NanoDet objects: classes and binned distances of strides 8, 16, 32",
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

const WeirDecoder weir_decoder_picodet = {
  .name = "picodet",
  .blurb = "PicoDet objects: classes and binned distances of strides 8, 16, 32, 64",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 123.675f, 116.28f, 103.53f },
  .scale = { 1 / 58.395f, 1 / 57.12f, 1 / 57.375f },
  .match = match_picodet,
  .n_classes = n_classes,
  .prepare = prepare_picodet,
  .release = g_free,
  .decode = decode,
};
