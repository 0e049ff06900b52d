/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of WeirPostOp, for the tests of more than one backend. */
#pragma once

#include "engine/graph/graph.h"

#define RELU                      \
  {                               \
    WEIR_OP_RELU, 0, 0, WEIR_NONE \
  }
#define SWISH                      \
  {                                \
    WEIR_OP_SWISH, 1, 0, WEIR_NONE \
  }
#define TANH                      \
  {                               \
    WEIR_OP_TANH, 0, 0, WEIR_NONE \
  }
#define CLIP_TO(low, high)             \
  {                                    \
    WEIR_OP_CLIP, low, high, WEIR_NONE \
  }
/* i: of the node's sources */
#define ADD_OF(i)          \
  {                        \
    WEIR_OP_ADD, 0, 0, (i) \
  }
