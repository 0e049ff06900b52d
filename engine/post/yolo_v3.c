/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v3 and its tiny network, and the export that suppresses inside: boxes, scores and which of
 * them to keep. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_kinds.h"

static const WeirRegionFamily families[] = {
  { .name = "yolo-v3",
      .n_levels = 3,
      .n_per_cell = WEIR_YOLO_PER_CELL,
      .scale_xy = { 1, 1, 1 },
      .anchors = WEIR_ANCHORS_V3 },
  { .name = "yolo-v3",
      .n_levels = 2,
      .n_per_cell = WEIR_YOLO_PER_CELL,
      .scale_xy = { 1, 1 },
      .anchors = { { 10, 14, 23, 27, 37, 58 }, { 81, 82, 135, 169, 344, 319 } } },
};

static bool is_region (const WeirModelFacts *facts)
{
  return facts->n_outputs && (weir_facts_traits (facts, 0) & WEIR_OUTPUT_REGION);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  return !is_region (facts) && weir_yolo_recognise (facts, WEIR_YOLO_V3, why);
}

static bool match_region (const WeirModelFacts *facts, const char **why)
{
  return is_region (facts) && weir_yolo_recognise (facts, WEIR_YOLO_V3, why);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return weir_regions_new (facts, families, G_N_ELEMENTS (families), input, error);
}

const WeirDecoder weir_decoder_yolo_v3 = {
  .name = "yolo-v3",
  .blurb = "YOLO v3 and v3-tiny objects: maps [1,3 × (5 + classes),H,W]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match,
  .n_classes = weir_yolo_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};

const WeirDecoder weir_decoder_yolo_v3_region = {
  .name = "yolo-v3-region",
  .blurb = "YOLO v3 objects as OpenVINO's RegionYolo gives them",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match_region,
  .n_classes = weir_yolo_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};

/* boxes [1,P,4] as y0, x0, y1, x1 in pixels; scores [1,C,P]; the kept as rows image, class, box */
typedef struct Kept {
  uint32_t boxes, scores, rows; /* which output */
  uint32_t n_boxes, n_classes;
} Kept;

static bool is_rows (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  return weir_facts_is_integer (facts, k) && (output->rank == 2 || output->rank == 3) &&
         output->dims[output->rank - 1] == 3;
}

static bool fit_kept (const WeirModelFacts *facts, Kept *kept, GError **error)
{
  static const char expected[] = "3: boxes f32[1,P,4], scores f32[1,C,P] and kept i32[N,3]";
  uint32_t n_rows, n_columns;
  if (facts->n_outputs != 3)
    return weir_facts_refuse_count (facts, "yolo-v3-nms", expected, error);
  *kept = (Kept){ 3, 3, 3, 0, 0 };
  for (uint32_t k = 0; k < 3; k++) {
    if (is_rows (facts, k)) {
      kept->rows = k;
    } else if (weir_facts_is_matrix (facts, k, &n_rows, &n_columns)) {
      bool is_boxes = n_columns == 4 && kept->boxes == 3;
      *(is_boxes ? &kept->boxes : &kept->scores) = k;
      kept->n_boxes = is_boxes ? n_rows : kept->n_boxes;
    }
  }
  if (kept->boxes == 3 || kept->scores == 3 || kept->rows == 3 ||
      facts->outputs[kept->scores].dims[2] != kept->n_boxes)
    return weir_facts_refuse (facts, 0, "yolo-v3-nms", error, "%s", expected + 3);
  kept->n_classes = (uint32_t) facts->outputs[kept->scores].dims[1];
  return true;
}

static bool match_kept (const WeirModelFacts *facts, const char **why)
{
  Kept kept;
  return fit_kept (facts, &kept, NULL) &&
         weir_facts_recognise (why,
             "%u boxes, their scores for %u classes, and which of them the network keeps",
             kept.n_boxes, kept.n_classes);
}

static uint32_t n_kept_classes (const WeirModelFacts *facts)
{
  Kept kept;
  return fit_kept (facts, &kept, NULL) ? kept.n_classes : 0;
}

static void *prepare_kept (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Kept *kept = g_new0 (Kept, 1);
  return fit_kept (facts, kept, error) ? g_steal_pointer (&kept) : NULL;
}

/* Row: image, class, box; -1 where there are no more. */
static void add_kept (const Kept *kept, const float *row, const float *all_boxes,
    const float *scores, uint32_t index, WeirBoxes *boxes)
{
  if (!(row[1] >= 0 && row[1] < (float) kept->n_classes && row[2] >= 0 &&
          row[2] < (float) kept->n_boxes))
    return;
  uint32_t class = (uint32_t) row[1], i = (uint32_t) row[2];
  const float *box = all_boxes + 4 * (size_t) MIN (i, kept->n_boxes - 1);
  WeirCandidate candidate = { .x0 = box[1],
    .y0 = box[0],
    .x1 = box[3],
    .y1 = box[2],
    .confidence = scores[(size_t) class * kept->n_boxes + MIN (i, kept->n_boxes - 1)],
    .label_id = (int32_t) class,
    .index = index };
  weir_boxes_add (boxes, &candidate);
}

static bool decode_kept (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Kept *kept = job->state;
  uint32_t n_rows;
  WeirArena *arena = result->arena;
  const float *rows = weir_job_rows (job, kept->rows, 3, &n_rows, arena, error);
  const float *all =
      rows ? weir_job_f32 (job, kept->boxes, (size_t) kept->n_boxes * 4, arena, error) : NULL;
  const float *scores =
      all ? weir_job_f32 (job, kept->scores, (size_t) kept->n_boxes * kept->n_classes, arena, error)
          : NULL;
  if (!scores)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  boxes.iou_threshold = WEIR_NO_NMS;
  for (uint32_t i = 0; i < n_rows; i++)
    add_kept (kept, rows + 3 * (size_t) i, all, scores, i, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_v3_nms = {
  .name = "yolo-v3-nms",
  .blurb = "YOLO v3 objects chosen by the network: boxes, scores and kept rows",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_LETTERBOX_CENTRE,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .pad = 128,
  .match = match_kept,
  .n_classes = n_kept_classes,
  .prepare = prepare_kept,
  .release = g_free,
  .decode = decode_kept,
};
