/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detection transformers: a few hundred queries, each a box cx, cy, w, h in 0..1 and class scores,
 * in one output or in two. A query stands for one object: nothing is suppressed. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_BOX        4u
#define MAX_QUERIES  1000u
#define MIN_QUERIES  10u
#define DETR_QUERIES 100u

typedef struct Rtdetr {
  uint32_t boxes, scores; /* which output; the same where there is one */
  uint32_t n_queries, n_columns, first_class, n_classes;
  bool is_raw;      /* scores are logits */
  bool has_nothing; /* DETR: softmax, the last class is "no object" */
} Rtdetr;

static bool is_named (const WeirModelFacts *facts, uint32_t k, const char *word)
{
  return strstr (facts->output_names[k], word) != NULL;
}

/* Two tables of as many rows; the one of four columns has the boxes, names decide where both have.
 */
static bool fit_pair (const WeirModelFacts *facts, Rtdetr *state)
{
  uint32_t n_rows[2], n_columns[2];
  for (uint32_t k = 0; k < 2; k++)
    if (!weir_facts_is_matrix (facts, k, &n_rows[k], &n_columns[k]))
      return false;
  bool is_second = n_columns[1] == N_BOX && (n_columns[0] != N_BOX || !is_named (facts, 0, "box"));
  state->boxes = is_second ? 1 : 0;
  state->scores = 1 - state->boxes;
  state->n_queries = n_rows[0];
  state->n_columns = state->n_classes = n_columns[state->scores];
  state->is_raw =
      !(weir_facts_traits (facts, state->scores) & (WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_SOFTMAX));
  state->has_nothing = state->n_queries == DETR_QUERIES && state->n_classes > 1 &&
                       !(weir_facts_traits (facts, state->scores) & WEIR_OUTPUT_SIGMOID);
  state->n_classes -= state->has_nothing;
  return n_rows[0] == n_rows[1] && n_columns[state->boxes] == N_BOX;
}

static bool fit (const WeirModelFacts *facts, Rtdetr *state, GError **error)
{
  static const char expected[] = "f32[1,N,4 + classes], or f32[1,N,4] and f32[1,N,classes]";
  *state = (Rtdetr){ 0 };
  if (facts->n_outputs == 2)
    return fit_pair (facts, state) || weir_facts_refuse (facts, 0, "rtdetr", error, "%s", expected);
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "rtdetr", expected, error);
  if (!weir_facts_is_matrix (facts, 0, &state->n_queries, &state->n_columns) ||
      state->n_columns <= N_BOX)
    return weir_facts_refuse (facts, 0, "rtdetr", error, "%s", expected);
  state->first_class = N_BOX;
  state->n_classes = state->n_columns - N_BOX;
  return true;
}

/* Priors of other families come in numbers of their own: two outputs have round ones, or names. */
static bool match (const WeirModelFacts *facts, const char **why)
{
  Rtdetr state;
  if (!fit (facts, &state, NULL) || state.n_queries < MIN_QUERIES ||
      state.n_queries > MAX_QUERIES || weir_grid_has_rows (facts, state.n_queries))
    return false;
  bool is_round = state.n_queries % 100 == 0;
  if (facts->n_outputs == 2 && !is_round && !is_named (facts, state.scores, "logits"))
    return false;
  if (facts->n_outputs == 1 && !is_round && facts->n_labels != state.n_classes)
    return false;
  return weir_facts_recognise (why, "%u queries of a box in 0..1 and %u classes%s", state.n_queries,
      state.n_classes, state.has_nothing ? " and none" : "");
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  Rtdetr state;
  return fit (facts, &state, NULL) ? state.n_classes : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Rtdetr *state = g_new0 (Rtdetr, 1);
  return fit (facts, state, error) ? g_steal_pointer (&state) : NULL;
}

static float rate (const Rtdetr *state, const float *scores, int32_t *label_id)
{
  float best;
  *label_id = (int32_t) weir_argmax (scores, state->n_classes, 1, &best);
  if (state->is_raw && state->has_nothing && isfinite (best))
    return (float) weir_softmax_of_best (scores, state->n_columns, 1, best);
  return weir_score (best, state->is_raw);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Rtdetr *state = job->state;
  double width = job->input->width_px, height = job->input->height_px;
  size_t n = state->n_queries, box_step = state->first_class ? state->n_columns : N_BOX;
  const float *scores =
      weir_job_f32 (job, state->scores, n * state->n_columns, result->arena, error);
  const float *rows =
      scores ? weir_job_f32 (job, state->boxes, n * box_step, result->arena, error) : NULL;
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  boxes.iou_threshold = WEIR_NO_NMS;
  for (size_t i = 0; i < n; i++) {
    const float *box = rows + i * box_step;
    WeirCandidate candidate = { .index = (uint32_t) i };
    candidate.confidence =
        rate (state, scores + i * state->n_columns + state->first_class, &candidate.label_id);
    weir_boxes_add_centre (
        &boxes, box[0] * width, box[1] * height, box[2] * width, box[3] * height, candidate);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_rtdetr = {
  .name = "rtdetr",
  .blurb = "RT-DETR and DETR objects: queries [1,N,4 + classes], or [1,N,4] and [1,N,classes]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
