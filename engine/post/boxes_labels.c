/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks that have finished the work: boxes [N,5] with their score and labels [N], or boxes
 * [N,4], labels [N] and scores [N]. N may be known only when the network has run. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include <math.h>

#define N_CORNERS 4u
/* Corners in 0..1 may overshoot; a picture whose every box ends within two pixels is none. */
#define LARGEST_UNIT 2.0f

typedef struct BoxesLabels {
  uint32_t boxes, labels, scores; /* which output */
  uint32_t n_columns;             /* of boxes; 5: the last is the score */
  bool is_y_first;                /* TensorFlow's y0, x0, y1, x1 in 0..1 */
} BoxesLabels;

static bool is_boxes (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  bool has_rows = output->rank == 2 || (output->rank == 3 && output->dims[0] == 1);
  return weir_facts_is_float (facts, k) && has_rows &&
         (output->dims[output->rank - 1] == N_CORNERS ||
             output->dims[output->rank - 1] == N_CORNERS + 1);
}

static bool is_vector (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  return output->rank == 1 || (output->rank == 2 && output->dims[0] == 1);
}

/* As many entries as there are boxes, unless the data decide. */
static bool is_as_long (const WeirModelFacts *facts, uint32_t vector, uint32_t boxes)
{
  const WeirTensor *a = &facts->outputs[vector], *b = &facts->outputs[boxes];
  uint32_t traits = weir_facts_traits (facts, vector) | weir_facts_traits (facts, boxes);
  int64_t n = a->dims[a->rank - 1], n_boxes = b->dims[b->rank - 2];
  return (traits & WEIR_OUTPUT_DYNAMIC) || n < 0 || n_boxes < 0 || n == n_boxes;
}

static uint32_t find_named (const WeirModelFacts *facts, const char *const *names)
{
  uint32_t k = facts->n_outputs;
  for (uint32_t i = 0; names[i] && k == facts->n_outputs; i++)
    k = weir_facts_find_output (facts, names[i]);
  return k;
}

static bool fit_names (const WeirModelFacts *facts, BoxesLabels *fit)
{
  static const char *const boxes[] = { "boxes", "bboxes", "dets", "detection_boxes", NULL };
  static const char *const labels[] = { "labels", "detection_classes", NULL };
  static const char *const scores[] = { "scores", "detection_scores", NULL };
  fit->boxes = find_named (facts, boxes);
  fit->labels = find_named (facts, labels);
  fit->scores = find_named (facts, scores);
  if (fit->boxes == facts->n_outputs || fit->labels == facts->n_outputs)
    return false;
  fit->is_y_first = weir_facts_find_output (facts, "detection_boxes") == fit->boxes;
  return true;
}

/* The only boxes, the only integers, and where boxes have no score the only other numbers. Masks of
 * the boxes may stand beside them. */
static bool fit_shapes (const WeirModelFacts *facts, BoxesLabels *fit)
{
  uint32_t n = facts->n_outputs, n_boxes = 0, n_labels = 0, n_scores = 0, n_masks = 0;
  fit->boxes = fit->labels = fit->scores = n;
  for (uint32_t k = 0; k < n; k++) {
    if (weir_facts_is_integer (facts, k) && is_vector (facts, k)) {
      fit->labels = k;
      n_labels++;
    } else if (is_boxes (facts, k)) {
      fit->boxes = k;
      n_boxes++;
    } else if (weir_facts_is_float (facts, k) && is_vector (facts, k)) {
      fit->scores = k;
      n_scores++;
    } else if (facts->outputs[k].rank >= 3 && facts->outputs[k].rank <= 4) {
      n_masks++;
    }
  }
  return n_boxes == 1 && n_labels == 1 && n == 2 + n_scores + n_masks && n_scores <= 1 &&
         n_masks <= n_scores;
}

static bool fit (const WeirModelFacts *facts, const char *decoder, BoxesLabels *fit, GError **error)
{
  uint32_t n = facts->n_outputs;
  *fit = (BoxesLabels){ 0 };
  if (n < 2 || (!fit_names (facts, fit) && !fit_shapes (facts, fit)))
    return weir_facts_refuse_count (facts, decoder,
        "boxes f32[N,5] and labels [N], or boxes f32[N,4], labels [N] and scores f32[N]", error);
  if (!is_boxes (facts, fit->boxes))
    return weir_facts_refuse (facts, fit->boxes, decoder, error, "boxes, f32[N,5] or f32[N,4]");
  if (!is_vector (facts, fit->labels) || !is_as_long (facts, fit->labels, fit->boxes))
    return weir_facts_refuse (facts, fit->labels, decoder, error, "labels, one a box");
  const WeirTensor *boxes = &facts->outputs[fit->boxes];
  fit->n_columns = (uint32_t) boxes->dims[boxes->rank - 1];
  if (fit->n_columns > N_CORNERS)
    return true;
  if (fit->scores == n)
    return weir_facts_refuse_count (facts, decoder, "scores beside boxes of four numbers", error);
  if (!weir_facts_is_float (facts, fit->scores) || !is_vector (facts, fit->scores) ||
      !is_as_long (facts, fit->scores, fit->boxes))
    return weir_facts_refuse (facts, fit->scores, decoder, error, "scores, f32, one a box");
  return true;
}

static bool match_columns (const WeirModelFacts *facts, uint32_t n_columns, const char **why)
{
  BoxesLabels form;
  if (!fit (facts, "boxes_labels", &form, NULL) || form.n_columns != n_columns)
    return false;
  return weir_facts_recognise (why, "boxes of %u numbers '%s', labels '%s'%s%s%s", n_columns,
      facts->output_names[form.boxes], facts->output_names[form.labels],
      n_columns > N_CORNERS ? "" : ", scores '",
      n_columns > N_CORNERS ? "" : facts->output_names[form.scores],
      n_columns > N_CORNERS ? "" : "'");
}

static bool match_scored (const WeirModelFacts *facts, const char **why)
{
  return match_columns (facts, N_CORNERS + 1, why);
}

static bool match_apart (const WeirModelFacts *facts, const char **why)
{
  return match_columns (facts, N_CORNERS, why);
}

static void *prepare_as (const WeirModelFacts *facts, const char *decoder, GError **error)
{
  g_autofree BoxesLabels *form = g_new0 (BoxesLabels, 1);
  return fit (facts, decoder, form, error) ? g_steal_pointer (&form) : NULL;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "boxes_labels", error);
}

static void *prepare_apart (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return prepare_as (facts, "boxes_labels_scores", error);
}

/* What one run of the network gave. */
typedef struct Found {
  const float *boxes, *labels, *scores;
  uint32_t n, n_columns;
  size_t score_step;
} Found;

static bool read_outputs (const WeirDecodeJob *job, Found *found, WeirArena *arena, GError **error)
{
  const BoxesLabels *form = job->state;
  size_t n_labels, n_scores;
  found->n_columns = form->n_columns;
  found->boxes = weir_job_rows (job, form->boxes, form->n_columns, &found->n, arena, error);
  found->labels =
      found->boxes ? weir_job_values (job, form->labels, &n_labels, arena, error) : NULL;
  if (!found->labels)
    return false;
  found->n = (uint32_t) MIN (found->n, n_labels);
  found->scores = found->boxes + N_CORNERS;
  found->score_step = form->n_columns;
  if (form->n_columns > N_CORNERS)
    return true;
  found->score_step = 1;
  found->scores = weir_job_values (job, form->scores, &n_scores, arena, error);
  found->n = (uint32_t) MIN (found->n, n_scores);
  return found->scores != NULL;
}

/* Boxes with scores of their own come in pixels or in 0..1; those that count tell. */
static bool is_unit (const Found *found, float threshold)
{
  for (uint32_t i = 0; i < found->n; i++)
    for (uint32_t k = 0; k < N_CORNERS; k++)
      if (found->scores[i * found->score_step] >= threshold &&
          fabsf (found->boxes[(size_t) i * found->n_columns + k]) > LARGEST_UNIT)
        return false;
  return true;
}

static void add_box (const WeirDecodeJob *job, const Found *found, uint32_t i, double width,
    double height, WeirBoxes *boxes)
{
  const BoxesLabels *form = job->state;
  const float *box = found->boxes + (size_t) i * found->n_columns;
  uint32_t x = form->is_y_first ? 1 : 0, y = 1 - x;
  if (!weir_is_label (found->labels[i]))
    return;
  WeirCandidate candidate = { .x0 = box[x] * width,
    .y0 = box[y] * height,
    .x1 = box[x + 2] * width,
    .y1 = box[y + 2] * height,
    .confidence = found->scores[i * found->score_step],
    .label_id = (int32_t) found->labels[i],
    .index = i };
  weir_boxes_add (boxes, &candidate);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const BoxesLabels *form = job->state;
  Found found;
  WeirBoxes boxes;
  if (!read_outputs (job, &found, result->arena, error))
    return false;
  weir_boxes_init (&boxes, job, result);
  boxes.iou_threshold = WEIR_NO_NMS;
  bool unit =
      form->is_y_first || (form->n_columns == N_CORNERS && is_unit (&found, boxes.threshold));
  for (uint32_t i = 0; i < found.n; i++)
    add_box (
        job, &found, i, unit ? job->input->width_px : 1, unit ? job->input->height_px : 1, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_boxes_labels = {
  .name = "boxes_labels",
  .blurb = "Objects as boxes [N,5] (corners in pixels, score) and labels [N]",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match_scored,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};

const WeirDecoder weir_decoder_boxes_labels_scores = {
  .name = "boxes_labels_scores",
  .blurb = "Objects as boxes [N,4] (corners in pixels or 0..1), labels [N] and scores [N]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match_apart,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare_apart,
  .release = g_free,
  .decode = decode,
};
