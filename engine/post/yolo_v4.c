/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v4 and its tiny network: maps, whose centres are stretched a little over their cell. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_kinds.h"

static const WeirRegionFamily families[] = {
  { .name = "yolo-v4",
      .n_levels = 3,
      .n_per_cell = WEIR_YOLO_PER_CELL,
      .scale_xy = { 1.2f, 1.1f, 1.05f },
      .anchors = WEIR_ANCHORS_V4 },
  /* The tiny network's configuration uses its third anchor twice. */
  { .name = "yolo-v4",
      .n_levels = 2,
      .n_per_cell = WEIR_YOLO_PER_CELL,
      .scale_xy = { 1.05f, 1.05f },
      .anchors = { { 23, 27, 37, 58, 81, 82 }, { 81, 82, 135, 169, 344, 319 } } },
};

static bool match (const WeirModelFacts *facts, const char **why)
{
  return weir_yolo_recognise (facts, WEIR_YOLO_V4, why);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return weir_regions_new (facts, families, G_N_ELEMENTS (families), input, error);
}

const WeirDecoder weir_decoder_yolo_v4 = {
  .name = "yolo-v4",
  .blurb = "YOLO v4 and v4-tiny objects: maps [1,3 × (5 + classes),H,W] or [1,H,W,3,5 + classes]",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match,
  .n_classes = weir_yolo_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = weir_regions_decode,
};
