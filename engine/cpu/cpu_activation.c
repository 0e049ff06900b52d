/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which post-ops our own kernels do in registers. */
#include "engine/cpu/cpu.h"

#include <math.h>

bool weir_cpu_activation (const WeirPostOp *post, WeirActivation *activation)
{
  *activation = (WeirActivation){ .least = -INFINITY, .most = INFINITY, .alpha = post->alpha };
  switch (post->op) {
  case WEIR_OP_RELU:
    activation->kind = WEIR_ACTIVATION_CLIP;
    activation->least = 0;
    return true;
  case WEIR_OP_CLIP:
    activation->kind = WEIR_ACTIVATION_CLIP;
    activation->least = post->alpha;
    activation->most = post->beta;
    return true;
  case WEIR_OP_LEAKY_RELU:
    activation->kind = WEIR_ACTIVATION_LEAKY_RELU;
    return true;
  case WEIR_OP_HARD_SWISH:
    activation->kind = WEIR_ACTIVATION_HARD_SWISH;
    return true;
  case WEIR_OP_ROUND_TO_CODES:
    activation->kind = WEIR_ACTIVATION_ROUND_TO_CODES;
    activation->least = post->beta;
    activation->most = post->beta + 255;
    return true;
  case WEIR_OP_SIGMOID:
    activation->kind = WEIR_ACTIVATION_SIGMOID;
    return true;
  case WEIR_OP_SWISH:
    activation->kind = WEIR_ACTIVATION_SWISH;
    return true;
  case WEIR_OP_ROUND_TO_LEVELS:
    activation->kind = WEIR_ACTIVATION_ROUND_TO_LEVELS;
    activation->least = post->alpha;
    activation->most = post->beta;
    return true;
  default:
    return false;
  }
}
