/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UltraFace with its boxes decoded inside the network: corners in 0..1 of the input. */
#include "engine/post/ultraface.h"

#include "engine/post/boxes.h"
#include "engine/post/decoders.h"

bool weir_ultraface_priors (WeirGrid *grid, uint32_t width_px, uint32_t height_px)
{
  static const uint32_t strides_px[] = { 8, 16, 32, 64 }, n_per_cell[] = { 3, 2, 2, 3 };
  return weir_grid_init (
      grid, G_N_ELEMENTS (strides_px), strides_px, n_per_cell, width_px, height_px);
}

bool weir_ultraface_fit (
    const WeirModelFacts *facts, const char *decoder, WeirUltraface *fit, GError **error)
{
  uint32_t n_columns;
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (facts, decoder, "2: scores [1,P,2] and boxes [1,P,4]", error);
  for (fit->scores = 0; fit->scores < 2; fit->scores++)
    if (weir_facts_is_table (facts, fit->scores, -1, &n_columns) && n_columns == 2)
      break;
  if (fit->scores == 2)
    return weir_facts_refuse (
        facts, 0, decoder, error, "scores, f32[1,P,2], in one of the 2 outputs");
  fit->boxes = 1 - fit->scores;
  fit->n_rows = (uint32_t) facts->outputs[fit->scores].dims[1];
  if (!weir_facts_is_table (facts, fit->boxes, fit->n_rows, &n_columns) || n_columns != 4)
    return weir_facts_refuse (facts, fit->boxes, decoder, error, "boxes, f32[1,%u,4]", fit->n_rows);
  return true;
}

bool weir_ultraface_match (const WeirModelFacts *facts, WeirUltraface *fit, bool *is_raw)
{
  uint32_t width_px, height_px;
  WeirGrid priors;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_ultraface_fit (facts, "ultraface", fit, NULL) ||
      !weir_ultraface_priors (&priors, width_px, height_px) || priors.n_rows != fit->n_rows)
    return false;
  uint32_t traits = weir_facts_traits (facts, fit->boxes);
  *is_raw = (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_EXP);
  return true;
}

uint32_t weir_ultraface_n_classes (const WeirModelFacts *facts)
{
  return 2;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  WeirUltraface fit;
  bool is_raw;
  if (!weir_ultraface_match (facts, &fit, &is_raw) || is_raw)
    return false;
  return weir_facts_recognise (why,
      "scores and boxes of the %u priors of UltraFace at this input size, boxes %s", fit.n_rows,
      weir_facts_traits (facts, fit.boxes) ? "decoded by the network" : "taken as decoded");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree WeirUltraface *fit = g_new0 (WeirUltraface, 1);
  return weir_ultraface_fit (facts, "ultraface", fit, error) ? g_steal_pointer (&fit) : NULL;
}

static void add_row (const WeirInputSpec *input, const float *row, float confidence, uint32_t index,
    WeirBoxes *boxes)
{
  double width = input->width_px, height = input->height_px;
  WeirCandidate candidate = { .confidence = confidence, .label_id = 1, .index = index };
  candidate.x0 = row[0] * width;
  candidate.y0 = row[1] * height;
  candidate.x1 = row[2] * width;
  candidate.y1 = row[3] * height;
  weir_boxes_add (boxes, &candidate);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const WeirUltraface *fit = job->state;
  size_t n = fit->n_rows;
  const float *scores = weir_job_f32 (job, fit->scores, n * 2, result->arena, error);
  const float *rows = scores ? weir_job_f32 (job, fit->boxes, n * 4, result->arena, error) : NULL;
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (size_t i = 0; i < n; i++)
    if (scores[2 * i + 1] >= boxes.threshold)
      add_row (job->input, rows + 4 * i, scores[2 * i + 1], (uint32_t) i, &boxes);
  weir_boxes_finish (&boxes, job, "face", result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_ultraface = {
  .name = "ultraface",
  .blurb = "UltraFace faces: scores [1,P,2], boxes [1,P,4] as corners in 0..1",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 127, 127, 127 },
  .scale = { 1 / 128.0f, 1 / 128.0f, 1 / 128.0f },
  .match = match,
  .n_classes = weir_ultraface_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
