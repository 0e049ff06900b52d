/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parameters of unary operators by table. */
#include "engine/graph/postop.h"

#include "engine/graph/geometry.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *alpha_name, *beta_name;
  float alpha, beta; /* defaults */
} parameters[WEIR_N_OPS] = {
  [WEIR_OP_AFFINE] = { "alpha", "beta", 1.0f, 0.0f },
  [WEIR_OP_CELU] = { "alpha", NULL, 1.0f, 0.0f },
  [WEIR_OP_CLIP] = { "min", "max", -INFINITY, INFINITY },
  [WEIR_OP_ELU] = { "alpha", NULL, 1.0f, 0.0f },
  [WEIR_OP_HARD_SIGMOID] = { "alpha", "beta", 0.2f, 0.5f },
  [WEIR_OP_LEAKY_RELU] = { "alpha", NULL, 0.01f, 0.0f },
  [WEIR_OP_PARAMETRIC_SOFTPLUS] = { "alpha", "beta", 1.0f, 1.0f },
  [WEIR_OP_QUICK_GELU] = { "alpha", NULL, 1.702f, 0.0f },
  [WEIR_OP_ROUND_TO_CODES] = { "scale", "low", 1.0f, 0.0f },
  [WEIR_OP_ROUND_TO_LEVELS] = { "low", "high", 0.0f, 1.0f },
  [WEIR_OP_SCALED_TANH] = { "alpha", "beta", 1.0f, 1.0f },
  [WEIR_OP_SELU] = { "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f },
  [WEIR_OP_SHRINK] = { "lambd", "bias", 0.5f, 0.0f },
  [WEIR_OP_SWISH] = { "alpha", NULL, 1.0f, 0.0f },
  [WEIR_OP_THRESHOLDED_RELU] = { "alpha", NULL, 1.0f, 0.0f },
};

/* Input i in place of an attribute. False where it is given but not known. */
static bool read_input (const WeirShapeJob *job, uint32_t i, float *value)
{
  const WeirTensor *src = weir_job_src (job, i);
  return !src || (src->buffer && weir_known_float (src, 0, value));
}

bool weir_post_op_resolve (const WeirShapeJob *job, WeirPostOp *post)
{
  const WeirNode *node = job->node;
  if (weir_op_info (node->op)->kind != WEIR_OP_KIND_UNARY)
    return false;
  const char *alpha_name = parameters[node->op].alpha_name,
             *beta_name = parameters[node->op].beta_name;
  *post = (WeirPostOp){ .op = node->op,
    .alpha = parameters[node->op].alpha,
    .beta = parameters[node->op].beta,
    .src = WEIR_NONE };
  if (alpha_name)
    post->alpha = weir_node_float (node, alpha_name, post->alpha);
  if (beta_name)
    post->beta = weir_node_float (node, beta_name, post->beta);
  if (node->op == WEIR_OP_GELU)
    post->alpha = strcmp (weir_node_string (node, "approximate", "none"), "tanh") == 0;
  return node->op != WEIR_OP_CLIP ||
         (read_input (job, 1, &post->alpha) && read_input (job, 2, &post->beta));
}
