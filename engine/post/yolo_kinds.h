/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which YOLO a model with anchors is: maps of equal shape come from five generations. */
#pragma once

#include "engine/post/yolo_region.h"

G_BEGIN_DECLS

#define WEIR_YOLO_PER_CELL 3u /* anchors */

/* Told by the layout of maps of three anchors, what the network is built of (Mish, SiLU, splits,
 * pools), and the order of its outputs: from v5 on the finest stride comes first. */
typedef enum WeirYoloKind {
  WEIR_YOLO_NONE = 0,
  WEIR_YOLO_V3,
  WEIR_YOLO_V4,
  WEIR_YOLO_V5, /* and v7-tiny, which has v5's anchors */
  WEIR_YOLO_V7,
} WeirYoloKind;

/* A decoder's `n_classes` for all kinds. */
uint32_t weir_yolo_n_classes (const WeirModelFacts *facts);
/* A decoder's `match` for one kind. */
bool weir_yolo_recognise (const WeirModelFacts *facts, WeirYoloKind kind, const char **why);

G_END_DECLS
