/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v2: one map of stride 32 with five anchors a cell, given in cells; classes by softmax. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_region.h"

#define N_PER_CELL    5u
#define STRIDE_PX     32u
#define N_VOC_CLASSES 20u

#define FAMILY(...)                                                                  \
  {                                                                                  \
    .name = "yolo-v2", .n_levels = 1, .n_per_cell = N_PER_CELL, .has_softmax = true, \
    .has_cell_anchors = true, .scale_xy = { 1 }, .anchors = {                        \
      { __VA_ARGS__ }                                                                \
    }                                                                                \
  }

/* Those of COCO, of the tiny network on VOC, and of the whole one on VOC. */
static const WeirRegionFamily coco = FAMILY (0.57273f, 0.677385f, 1.87446f, 2.06253f, 3.33843f,
    5.47434f, 7.88282f, 3.52778f, 9.77052f, 9.16828f);
static const WeirRegionFamily tiny_voc =
    FAMILY (1.08f, 1.19f, 3.42f, 4.41f, 6.63f, 11.38f, 9.42f, 5.11f, 16.62f, 10.52f);
static const WeirRegionFamily voc = FAMILY (1.3221f, 1.73145f, 3.19275f, 4.00944f, 5.05587f,
    8.09892f, 9.47112f, 4.84053f, 11.2364f, 10.0071f);

/* The whole network joins a finer map to its last one. */
static const WeirRegionFamily *choose_family (const WeirModelFacts *facts)
{
  if (weir_regions_n_classes (facts, N_PER_CELL) != N_VOC_CLASSES)
    return &coco;
  return weir_facts_traits (facts, 0) & WEIR_OUTPUT_NET_CONCAT ? &voc : &tiny_voc;
}

static bool match_map (const WeirModelFacts *facts, bool is_region, const char **why)
{
  uint32_t width_px, height_px;
  WeirRegions regions;
  uint32_t traits = facts->n_outputs ? weir_facts_traits (facts, 0) : 0;
  if (facts->n_outputs != 1 || ((traits & WEIR_OUTPUT_REGION) != 0) != is_region ||
      !weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_regions_fit (facts, N_PER_CELL, width_px, height_px, &regions, "yolo-v2", NULL) ||
      regions.levels[0].stride_px != STRIDE_PX)
    return false;
  if (!is_region && !weir_regions_is_plausible (facts, &regions))
    return false;
  return weir_facts_recognise (why, "%s of stride 32 with 5 anchors × (5 + %u classes) a cell",
      is_region ? "what RegionYolo makes of one map" : "one map", regions.n_classes);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  return facts->n_outputs && !(weir_facts_traits (facts, 0) & WEIR_OUTPUT_NET_SCALES) &&
         match_map (facts, false, why);
}

static bool match_scaled (const WeirModelFacts *facts, const char **why)
{
  return match_map (facts, false, why);
}

static bool match_region (const WeirModelFacts *facts, const char **why)
{
  return match_map (facts, true, why);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return weir_regions_n_classes (facts, N_PER_CELL);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return weir_regions_new (facts, choose_family (facts), 1, input, error);
}

const WeirDecoder weir_decoder_yolo_v2 = {
  .name = "yolo-v2",
  .blurb = "YOLO v2 objects: [1,5 × (5 + classes),H / 32,W / 32]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};

const WeirDecoder weir_decoder_yolo_v2_scaled = {
  .name = "yolo-v2-scaled",
  .blurb = "YOLO v2 objects where the network takes 0..255 and scales it itself",
  .is_detector = true,
  WEIR_TRAINED_ON_BYTES,
  .match = match_scaled,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};

const WeirDecoder weir_decoder_yolo_v2_region = {
  .name = "yolo-v2-region",
  .blurb = "YOLO v2 objects as OpenVINO's RegionYolo gives them",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match_region,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};
