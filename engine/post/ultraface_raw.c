/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UltraFace without decoding inside: the boxes are regressions against SSD priors, which are
 * computed only for the rows that pass the threshold. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/ultraface.h"
#include <math.h>

#define CENTRE_VARIANCE 0.1
#define SIZE_VARIANCE   0.2

typedef struct UltrafaceRaw {
  WeirUltraface fit;
  WeirGrid priors;
} UltrafaceRaw;

static bool match (const WeirModelFacts *facts, const char **why)
{
  WeirUltraface fit;
  bool is_raw;
  if (!weir_ultraface_match (facts, &fit, &is_raw) || !is_raw)
    return false;
  return weir_facts_recognise (why,
      "scores and boxes of the %u priors of UltraFace at this input size, boxes not decoded by the "
      "network",
      fit.n_rows);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree UltrafaceRaw *state = g_new0 (UltrafaceRaw, 1);
  const WeirUltraface *fit = &state->fit;
  if (!weir_ultraface_fit (facts, "ultraface-raw", &state->fit, error))
    return NULL;
  if (!weir_ultraface_priors (&state->priors, input->width_px, input->height_px) ||
      state->priors.n_rows != fit->n_rows) {
    weir_facts_refuse (facts, fit->boxes, "ultraface-raw", error,
        "f32[1,%u,4], the priors of an input of %u×%u", state->priors.n_rows, input->width_px,
        input->height_px);
    return NULL;
  }
  return g_steal_pointer (&state);
}

static double clip (double v)
{
  return fmin (fmax (v, 0), 1);
}

/* README of the reference outputs: pcx = (i + 0.5) / fw with fw = in_w / stride, a real number. */
static void decode_row (const UltrafaceRaw *state, const WeirInputSpec *input, const float *row,
    WeirCandidate *candidate)
{
  static const uint16_t sizes_px[][3] = { { 10, 16, 24 }, { 32, 48 }, { 64, 96 },
    { 128, 192, 256 } };
  WeirCell cell = weir_grid_locate (&state->priors, candidate->index);
  double stride_px = state->priors.levels[cell.level].stride_px;
  double size_px = sizes_px[cell.level][cell.k];
  double width = input->width_px, height = input->height_px;
  double prior_width = clip (size_px / width), prior_height = clip (size_px / height);
  double x = clip ((cell.x + 0.5) / (width / stride_px));
  double y = clip ((cell.y + 0.5) / (height / stride_px));
  x += CENTRE_VARIANCE * row[0] * prior_width;
  y += CENTRE_VARIANCE * row[1] * prior_height;
  double half_width = prior_width * exp (SIZE_VARIANCE * row[2]) / 2;
  double half_height = prior_height * exp (SIZE_VARIANCE * row[3]) / 2;
  candidate->x0 = (x - half_width) * width;
  candidate->y0 = (y - half_height) * height;
  candidate->x1 = (x + half_width) * width;
  candidate->y1 = (y + half_height) * height;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const UltrafaceRaw *state = job->state;
  const WeirUltraface *fit = &state->fit;
  size_t n = fit->n_rows;
  const float *scores = weir_job_f32 (job, fit->scores, n * 2, result->arena, error);
  const float *rows = scores ? weir_job_f32 (job, fit->boxes, n * 4, result->arena, error) : NULL;
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < n; i++) {
    float confidence = scores[2 * (size_t) i + 1];
    if (!(confidence >= boxes.threshold))
      continue;
    WeirCandidate candidate = { .confidence = confidence, .label_id = 1, .index = i };
    decode_row (state, job->input, rows + 4 * (size_t) i, &candidate);
    weir_boxes_add (&boxes, &candidate);
  }
  weir_boxes_finish (&boxes, job, "face", result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_ultraface_raw = {
  .name = "ultraface-raw",
  .blurb = "UltraFace faces: scores [1,P,2], boxes [1,P,4] as regressions against priors",
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
