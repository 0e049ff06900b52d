/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YuNet of 2021 and 2022, against priors: loc (box and five points), conf and iou of every prior.
 * As in OpenCV's FaceDetectorYN of that time the variances are 0.1 for widths and 0.2 for heights.
 */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/prior_faces.h"
#include "engine/post/role_tables.h"

enum { LOC, CONF, IOU, N_ROLES };
enum { N_LEVELS = 4, N_LOC = 14, FIRST_POINT = 4 };

static const uint32_t role_columns[N_ROLES] = { N_LOC, 2, 1 };

typedef struct Yunet2022 {
  WeirPriors priors;
  WeirTables tables;
} Yunet2022;

/* Maps are halved by rounding down, other than WeirGrid's: the second is half of (w + 1) / 2. */
static void set_priors (WeirPriors *priors, uint32_t width_px, uint32_t height_px)
{
  static const uint16_t sizes_px[N_LEVELS][3] = { { 10, 16, 24 }, { 32, 48 }, { 64, 96 },
    { 128, 192, 256 } };
  static const uint32_t n_per_cell[N_LEVELS] = { 3, 2, 2, 3 };
  uint32_t width = (width_px + 1) / 2 / 2, height = (height_px + 1) / 2 / 2, n_rows = 0;
  *priors = (WeirPriors){ .grid.n_levels = N_LEVELS, .variance_x = 0.1, .variance_y = 0.2 };
  memcpy (priors->sizes_px, sizes_px, sizeof sizes_px);
  for (uint32_t i = 0; i < N_LEVELS; i++) {
    width /= 2;
    height /= 2;
    priors->grid.levels[i] = (WeirGridLevel){ .stride_px = 8u << i,
      .width = width,
      .height = height,
      .n_per_cell = n_per_cell[i],
      .first_row = n_rows,
      .n_rows = width * height * n_per_cell[i] };
    n_rows += priors->grid.levels[i].n_rows;
  }
  priors->grid.n_rows = n_rows;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Yunet2022 *state, GError **error)
{
  if (facts->n_outputs != N_ROLES)
    return weir_facts_refuse_count (facts, "yunet-2022", "3: loc, conf and iou", error);
  set_priors (&state->priors, width_px, height_px);
  state->tables = (WeirTables){
    .n_rows = state->priors.grid.n_rows, .n_roles = N_ROLES, .n_columns = role_columns
  };
  return weir_tables_find (&state->tables, facts, "yunet-2022", width_px, height_px, error);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Yunet2022 state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         fit (facts, width_px, height_px, &state, NULL) &&
         weir_facts_recognise (why,
             "loc, conf and iou of the %u priors of YuNet (2021, 2022) at this input size",
             state.priors.grid.n_rows);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Yunet2022 *state = g_new0 (Yunet2022, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Yunet2022 *state = job->state;
  const float *tables[WEIR_MAX_ROLES];
  if (!weir_tables_open (&state->tables, job, tables, result->arena, error))
    return false;
  uint32_t n = state->priors.grid.n_rows;
  WeirPriorRows rows = { .confidences = weir_arena_new_array (result->arena, float, n),
    .boxes = tables[LOC],
    .box_step = N_LOC,
    .points = tables[LOC] + FIRST_POINT,
    .point_step = N_LOC };
  for (size_t i = 0; i < n; i++)
    rows.confidences[i] = weir_score_of_two (tables[CONF][2 * i + 1], tables[IOU][i]);
  return weir_priors_decode (&state->priors, &rows, job, result, error);
}

const WeirDecoder weir_decoder_yunet_2022 = {
  .name = "yunet-2022",
  .blurb = "YuNet faces of 2021 and 2022 with landmarks: loc [P,14], conf [P,2], iou [P,1]",
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
