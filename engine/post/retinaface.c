/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RetinaFace: boxes, two scores and five landmarks of every prior, two priors a cell. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/prior_faces.h"
#include "engine/post/role_tables.h"

enum { BOXES, SCORES, LANDMARKS, N_ROLES };
enum { N_LEVELS = 3 };

static const uint32_t role_columns[N_ROLES] = { 4, 2, 2 * WEIR_N_FACE_POINTS };

typedef struct Retinaface {
  WeirPriors priors;
  WeirTables tables;
  bool is_raw; /* softmax is still to be done */
} Retinaface;

static bool set_priors (WeirPriors *priors, uint32_t width_px, uint32_t height_px)
{
  static const uint16_t sizes_px[N_LEVELS][3] = { { 16, 32 }, { 64, 128 }, { 256, 512 } };
  static const uint32_t strides_px[N_LEVELS] = { 8, 16, 32 }, n_per_cell[N_LEVELS] = { 2, 2, 2 };
  *priors = (WeirPriors){ .variance_x = 0.2, .variance_y = 0.2 };
  memcpy (priors->sizes_px, sizes_px, sizeof sizes_px);
  return weir_grid_init (&priors->grid, N_LEVELS, strides_px, n_per_cell, width_px, height_px);
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Retinaface *state, GError **error)
{
  if (facts->n_outputs != N_ROLES)
    return weir_facts_refuse_count (
        facts, "retinaface", "3: boxes [1,P,4], scores [1,P,2], landmarks [1,P,10]", error);
  if (!set_priors (&state->priors, width_px, height_px))
    return weir_facts_refuse (facts, 0, "retinaface", error,
        "the priors of an input of %u×%u, fewer than 2^31", width_px, height_px);
  state->tables = (WeirTables){
    .n_rows = state->priors.grid.n_rows, .n_roles = N_ROLES, .n_columns = role_columns
  };
  if (!weir_tables_find (&state->tables, facts, "retinaface", width_px, height_px, error))
    return false;
  uint32_t traits = weir_facts_traits (facts, state->tables.outputs[SCORES]);
  state->is_raw = (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_SOFTMAX);
  return true;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Retinaface state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         fit (facts, width_px, height_px, &state, NULL) &&
         weir_facts_recognise (why,
             "boxes, scores%s and landmarks of the %u priors of RetinaFace at this input size",
             state.is_raw ? " before their softmax" : "", state.priors.grid.n_rows);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return 2;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Retinaface *state = g_new0 (Retinaface, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static float rate (const Retinaface *state, const float *scores)
{
  if (!state->is_raw || !isfinite (scores[0]) || !isfinite (scores[1]))
    return scores[1];
  return (float) weir_sigmoid ((double) scores[1] - (double) scores[0]);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Retinaface *state = job->state;
  const float *tables[WEIR_MAX_ROLES];
  if (!weir_tables_open (&state->tables, job, tables, result->arena, error))
    return false;
  uint32_t n = state->priors.grid.n_rows;
  WeirPriorRows rows = { .confidences = weir_arena_new_array (result->arena, float, n),
    .boxes = tables[BOXES],
    .box_step = role_columns[BOXES],
    .points = tables[LANDMARKS],
    .point_step = role_columns[LANDMARKS],
    .label_id = 1 };
  for (uint32_t i = 0; i < n; i++)
    rows.confidences[i] = rate (state, tables[SCORES] + 2 * (size_t) i);
  return weir_priors_decode (&state->priors, &rows, job, result, error);
}

const WeirDecoder weir_decoder_retinaface = {
  .name = "retinaface",
  .blurb = "RetinaFace faces with landmarks: [1,P,4], [1,P,2], [1,P,10]",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 104, 117, 123 },
  .scale = { 1, 1, 1 },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
