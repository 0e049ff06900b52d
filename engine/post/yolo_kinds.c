/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Darknet-53 (v3) has leaky activations and no pools, CSPDarknet (v4) Mish, the tiny v4 splits its
 * channels, v5 has SiLU, v7 SiLU and pools by two. */
#include "engine/post/yolo_kinds.h"

#include "engine/post/outputs.h"

static const char *const names[] = { "", "v3", "v4", "v5", "v7" };

static WeirYoloKind kind_of_network (const WeirModelFacts *facts, const WeirRegions *regions)
{
  uint32_t traits = weir_facts_traits (facts, 0);
  bool is_finest_first = regions->levels[0].output == 0;
  if (regions->n_levels == 4)
    return WEIR_YOLO_V5;
  if (traits & WEIR_OUTPUT_NET_MISH)
    return WEIR_YOLO_V4;
  if (traits & WEIR_OUTPUT_NET_SILU)
    return traits & WEIR_OUTPUT_NET_POOL ? WEIR_YOLO_V7 : WEIR_YOLO_V5;
  if (regions->n_levels == 2)
    return traits & WEIR_OUTPUT_NET_SPLIT ? WEIR_YOLO_V4 : WEIR_YOLO_V3;
  bool is_later = !(traits & WEIR_OUTPUT_KNOWN) || (traits & WEIR_OUTPUT_NET_POOL);
  return is_finest_first && is_later ? WEIR_YOLO_V5 : WEIR_YOLO_V3;
}

static WeirYoloKind find_kind (const WeirModelFacts *facts, WeirRegions *regions)
{
  uint32_t width_px, height_px;
  if (facts->n_outputs < 2 || !weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_regions_fit (facts, WEIR_YOLO_PER_CELL, width_px, height_px, regions, "yolo", NULL) ||
      !weir_regions_is_plausible (facts, regions))
    return WEIR_YOLO_NONE;
  if (facts->outputs[0].rank != 5)
    return kind_of_network (facts, regions);
  if (facts->outputs[0].dims[3] == WEIR_YOLO_PER_CELL)
    return WEIR_YOLO_V4;
  WeirYoloKind kind = kind_of_network (facts, regions);
  return kind == WEIR_YOLO_V7 ? kind : WEIR_YOLO_V5;
}

uint32_t weir_yolo_n_classes (const WeirModelFacts *facts)
{
  return weir_regions_n_classes (facts, WEIR_YOLO_PER_CELL);
}

bool weir_yolo_recognise (const WeirModelFacts *facts, WeirYoloKind kind, const char **why)
{
  WeirRegions regions;
  if (find_kind (facts, &regions) != kind)
    return false;
  g_autoptr (GString) strides = g_string_new (NULL);
  for (uint32_t i = 0; i < regions.n_levels; i++)
    g_string_append_printf (strides, "%s%u", i ? ", " : "", regions.levels[i].stride_px);
  return weir_facts_recognise (why,
      "maps of strides %s with 3 anchors × (5 + %u classes) a cell, of a network like YOLO %s",
      strides->str, regions.n_classes, names[kind]);
}
