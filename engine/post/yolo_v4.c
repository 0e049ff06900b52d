/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v4 and its tiny network: maps, whose centres are stretched a little over their cell; or
 * boxes that the network has decoded to corners in 0..1. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_kinds.h"

#define N_PER_CELL 3u

static const WeirRegionFamily whole = { .name = "yolo-v4",
  .n_levels = 3,
  .n_per_cell = N_PER_CELL,
  .scale_xy = { 1.2f, 1.1f, 1.05f },
  .anchors = {
      { 12, 16, 19, 36, 40, 28 }, { 36, 75, 76, 55, 72, 146 }, { 142, 110, 192, 243, 459, 401 } } };
/* Its configuration uses the third anchor twice. */
static const WeirRegionFamily tiny = { .name = "yolo-v4",
  .n_levels = 2,
  .n_per_cell = N_PER_CELL,
  .scale_xy = { 1.05f, 1.05f },
  .anchors = { { 23, 27, 37, 58, 81, 82 }, { 81, 82, 135, 169, 344, 319 } } };

static bool match (const WeirModelFacts *facts, const char **why)
{
  return weir_yolo_recognise (facts, WEIR_YOLO_V4, why);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return weir_regions_n_classes (facts, N_PER_CELL);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return weir_regions_new (facts, facts->n_outputs == 2 ? &tiny : &whole, input, error);
}

const WeirDecoder weir_decoder_yolo_v4 = {
  .name = "yolo-v4",
  .blurb = "YOLO v4 and v4-tiny objects: maps [1,3 × (5 + classes),H,W] or [1,H,W,3,5 + classes]",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};

/* boxes [1,P,1,4], scores [1,P,C] */
typedef struct Decoded {
  uint32_t boxes, scores; /* which output */
  uint32_t n_rows, n_classes;
} Decoded;

static bool fit_decoded (const WeirModelFacts *facts, Decoded *decoded, GError **error)
{
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (
        facts, "yolo-v4-boxes", "2: boxes f32[1,P,1,4] and scores f32[1,P,C]", error);
  decoded->boxes = facts->outputs[0].rank == 4 ? 0 : 1;
  decoded->scores = 1 - decoded->boxes;
  const WeirTensor *boxes = &facts->outputs[decoded->boxes];
  if (!weir_facts_is_matrix (facts, decoded->scores, &decoded->n_rows, &decoded->n_classes))
    return weir_facts_refuse (facts, decoded->scores, "yolo-v4-boxes", error, "scores, f32[1,P,C]");
  if (!weir_facts_is_float (facts, decoded->boxes) || boxes->rank != 4 || boxes->dims[0] != 1 ||
      boxes->dims[1] != decoded->n_rows || boxes->dims[2] != 1 || boxes->dims[3] != 4)
    return weir_facts_refuse (
        facts, decoded->boxes, "yolo-v4-boxes", error, "boxes, f32[1,%u,1,4]", decoded->n_rows);
  return true;
}

static bool match_decoded (const WeirModelFacts *facts, const char **why)
{
  Decoded decoded;
  return fit_decoded (facts, &decoded, NULL) &&
         weir_facts_recognise (why, "%u boxes of one place each and their scores for %u classes",
             decoded.n_rows, decoded.n_classes);
}

static uint32_t n_decoded_classes (const WeirModelFacts *facts)
{
  Decoded decoded;
  return fit_decoded (facts, &decoded, NULL) ? decoded.n_classes : 0;
}

static void *prepare_decoded (
    const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Decoded *decoded = g_new0 (Decoded, 1);
  return fit_decoded (facts, decoded, error) ? g_steal_pointer (&decoded) : NULL;
}

static bool decode_decoded (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Decoded *decoded = job->state;
  double width = job->input->width_px, height = job->input->height_px;
  size_t n = decoded->n_rows, n_columns = decoded->n_classes;
  const float *scores = weir_job_f32 (job, decoded->scores, n * n_columns, result->arena, error);
  const float *rows =
      scores ? weir_job_f32 (job, decoded->boxes, n * 4, result->arena, error) : NULL;
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (size_t i = 0; i < n; i++) {
    const float *box = rows + 4 * i;
    WeirCandidate candidate = { .x0 = box[0] * width,
      .y0 = box[1] * height,
      .x1 = box[2] * width,
      .y1 = box[3] * height,
      .index = (uint32_t) i };
    candidate.label_id = (int32_t) weir_argmax (
        scores + i * n_columns, decoded->n_classes, 1, &candidate.confidence);
    weir_boxes_add (&boxes, &candidate);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_v4_boxes = {
  .name = "yolo-v4-boxes",
  .blurb = "YOLO v4 objects decoded by the network: boxes [1,P,1,4] in 0..1, scores [1,P,classes]",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .match = match_decoded,
  .n_classes = n_decoded_classes,
  .prepare = prepare_decoded,
  .release = g_free,
  .decode = decode_decoded,
};
