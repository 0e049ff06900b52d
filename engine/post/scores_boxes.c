/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two outputs: corners, and class scores with their sigmoid done. Of the cells of an anchor-free
 * network, corners in input pixels: PP-YOLOE's scores stand class by class, DAMO-YOLO's come before
 * the boxes, YOLO-NAS's after them. Of YOLO v4, where the network decodes its boxes itself: corners
 * in 0..1, with a dim of 1 before them. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_CORNERS 4u
/* FaceBoxes has as many priors as an input of 1024 has cells at five strides. */
#define MAX_LEVELS 4u

typedef struct ScoresBoxes {
  uint32_t scores, boxes; /* which output */
  uint32_t n_rows, n_classes;
  bool are_scores_turned, are_boxes_turned; /* [1,C,P], [1,4,P] */
  bool is_unit;                             /* corners in 0..1 */
} ScoresBoxes;

static bool fit_order (const WeirModelFacts *facts, uint32_t boxes, ScoresBoxes *state)
{
  uint32_t b[2], s[2];
  *state = (ScoresBoxes){ .boxes = boxes, .scores = 1 - boxes };
  if (!weir_facts_is_matrix (facts, boxes, &b[0], &b[1]) ||
      !weir_facts_is_matrix (facts, 1 - boxes, &s[0], &s[1]) ||
      (b[0] != N_CORNERS && b[1] != N_CORNERS))
    return false;
  state->are_boxes_turned = b[1] != N_CORNERS;
  state->n_rows = b[state->are_boxes_turned ? 1 : 0];
  state->are_scores_turned = s[0] != state->n_rows;
  state->n_classes = s[state->are_scores_turned ? 0 : 1];
  return s[state->are_scores_turned ? 1 : 0] == state->n_rows;
}

static bool fit (
    const WeirModelFacts *facts, const char *decoder, ScoresBoxes *state, GError **error)
{
  static const char expected[] =
      "2: corners f32[1,P,4] and scores f32[1,P,classes] or f32[1,classes,P]";
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (facts, decoder, expected, error);
  return fit_order (facts, 0, state) || fit_order (facts, 1, state) ||
         weir_facts_refuse (facts, 0, decoder, error, "one of %s", expected);
}

static bool match_form (
    const WeirModelFacts *facts, bool are_scores_turned, int boxes, const char **why)
{
  uint32_t width_px, height_px;
  ScoresBoxes state;
  WeirGrid grid;
  if (!fit (facts, "", &state, NULL) || state.are_scores_turned != are_scores_turned ||
      (boxes >= 0 && state.boxes != (uint32_t) boxes) ||
      !weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_grid_find (&grid, facts, 1, state.n_rows, width_px, height_px) ||
      grid.n_levels > MAX_LEVELS)
    return false;
  g_autofree char *strides = weir_grid_describe (&grid);
  return weir_facts_recognise (why,
      "corners and the scores of %u classes, %s, of the %u cells of strides %s", state.n_classes,
      are_scores_turned ? "class by class" : "cell by cell", state.n_rows, strides);
}

static bool match_ppyoloe (const WeirModelFacts *facts, const char **why)
{
  return match_form (facts, true, -1, why);
}

static bool match_damo (const WeirModelFacts *facts, const char **why)
{
  return match_form (facts, false, 1, why);
}

static bool match_nas (const WeirModelFacts *facts, const char **why)
{
  return match_form (facts, false, 0, why);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  ScoresBoxes state;
  return fit (facts, "", &state, NULL) ? state.n_classes : 0;
}

static void *prepare_as (const WeirModelFacts *facts, const char *decoder, GError **error)
{
  g_autofree ScoresBoxes *state = g_new0 (ScoresBoxes, 1);
  return fit (facts, decoder, state, error) ? g_steal_pointer (&state) : NULL;
}

static void *prepare_ppyoloe (
    const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "ppyoloe", error);
}

static void *prepare_damo (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "damo-yolo", error);
}

static void *prepare_nas (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "yolo-nas", error);
}

/* boxes [1,P,1,4], scores [1,P,C] */
static bool fit_v4 (const WeirModelFacts *facts, ScoresBoxes *state, GError **error)
{
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (
        facts, "yolo-v4-boxes", "2: boxes f32[1,P,1,4] and scores f32[1,P,C]", error);
  *state = (ScoresBoxes){ .boxes = facts->outputs[0].rank == 4 ? 0 : 1, .is_unit = true };
  state->scores = 1 - state->boxes;
  const WeirTensor *boxes = &facts->outputs[state->boxes];
  if (!weir_facts_is_matrix (facts, state->scores, &state->n_rows, &state->n_classes))
    return weir_facts_refuse (facts, state->scores, "yolo-v4-boxes", error, "scores, f32[1,P,C]");
  if (!weir_facts_is_float (facts, state->boxes) || boxes->rank != 4 || boxes->dims[0] != 1 ||
      boxes->dims[1] != state->n_rows || boxes->dims[2] != 1 || boxes->dims[3] != N_CORNERS)
    return weir_facts_refuse (
        facts, state->boxes, "yolo-v4-boxes", error, "boxes, f32[1,%u,1,4]", state->n_rows);
  return true;
}

static bool match_v4 (const WeirModelFacts *facts, const char **why)
{
  ScoresBoxes state;
  return fit_v4 (facts, &state, NULL) &&
         weir_facts_recognise (why, "%u boxes of one place each and their scores for %u classes",
             state.n_rows, state.n_classes);
}

static uint32_t n_classes_v4 (const WeirModelFacts *facts)
{
  ScoresBoxes state;
  return fit_v4 (facts, &state, NULL) ? state.n_classes : 0;
}

static void *prepare_v4 (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree ScoresBoxes *state = g_new0 (ScoresBoxes, 1);
  return fit_v4 (facts, state, error) ? g_steal_pointer (&state) : NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const ScoresBoxes *state = job->state;
  size_t n = state->n_rows, n_columns = state->n_classes;
  size_t row_step = state->are_scores_turned ? 1 : n_columns;
  double width = state->is_unit ? job->input->width_px : 1;
  double height = state->is_unit ? job->input->height_px : 1;
  size_t corner_step = state->are_boxes_turned ? n : 1;
  const float *scores = weir_job_f32 (job, state->scores, n * n_columns, result->arena, error);
  const float *corners =
      scores ? weir_job_f32 (job, state->boxes, n * N_CORNERS, result->arena, error) : NULL;
  if (!corners)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (size_t i = 0; i < n; i++) {
    const float *box = corners + i * (state->are_boxes_turned ? 1 : N_CORNERS);
    WeirCandidate candidate = { .x0 = box[0] * width,
      .y0 = box[corner_step] * height,
      .x1 = box[2 * corner_step] * width,
      .y1 = box[3 * corner_step] * height,
      .index = (uint32_t) i };
    candidate.label_id = (int32_t) weir_argmax (scores + i * row_step, state->n_classes,
        state->are_scores_turned ? n : 1, &candidate.confidence);
    weir_boxes_add (&boxes, &candidate);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_ppyoloe = {
  .name = "ppyoloe",
  .blurb = "PP-YOLOE objects: corners [1,P,4] in pixels, scores [1,classes,P]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match_ppyoloe,
  .n_classes = n_classes,
  .prepare = prepare_ppyoloe,
  .release = g_free,
  .decode = decode,
};

const WeirDecoder weir_decoder_damo_yolo = {
  .name = "damo-yolo",
  .blurb = "DAMO-YOLO objects: scores [1,P,classes], corners [1,P,4] in pixels",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_LETTERBOX_TOP_LEFT,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match_damo,
  .n_classes = n_classes,
  .prepare = prepare_damo,
  .release = g_free,
  .decode = decode,
};

const WeirDecoder weir_decoder_yolo_nas = {
  .name = "yolo-nas",
  .blurb = "YOLO-NAS objects: corners [1,P,4] in pixels, scores [1,P,classes]",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match_nas,
  .n_classes = n_classes,
  .prepare = prepare_nas,
  .release = g_free,
  .decode = decode,
};

const WeirDecoder weir_decoder_yolo_v4_boxes = {
  .name = "yolo-v4-boxes",
  .blurb = "YOLO v4 objects decoded by the network: boxes [1,P,1,4] in 0..1, scores [1,P,classes]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match_v4,
  .n_classes = n_classes_v4,
  .prepare = prepare_v4,
  .release = g_free,
  .decode = decode,
};
