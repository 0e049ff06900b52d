/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the last operators of a graph say about its outputs. */
#pragma once

#include "engine/graph/graph.h"
#include "engine/post/decoder.h"

G_BEGIN_DECLS

/* WeirOutputTraits of the graph's output k, for WeirModelFacts.output_traits. Any stage of the
 * graph will do: as loaded, folded or fused. */
uint32_t weir_output_traits (const WeirGraph *graph, uint32_t k);
/* Where RegionYolo gives outputs: its anchors and masks as metadata "weir.anchors" and "weir.masks"
 * (coarsest map first), unless they are there. `metadata` owns keys and values. */
void weir_output_anchors (const WeirGraph *graph, GHashTable *metadata);

G_END_DECLS
