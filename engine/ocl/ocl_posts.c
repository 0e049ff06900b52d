/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one number by their names in posts.cl. */
#include "engine/ocl/ocl_posts.h"

static const char *const unary_names[WEIR_N_OPS] = {
  [WEIR_OP_ABS] = "abs",
  [WEIR_OP_AFFINE] = "affine",
  [WEIR_OP_CEIL] = "ceil",
  [WEIR_OP_CELU] = "celu",
  [WEIR_OP_CLIP] = "clip",
  [WEIR_OP_COS] = "cos",
  [WEIR_OP_ELU] = "elu",
  [WEIR_OP_ERF] = "erf",
  [WEIR_OP_EXP] = "exp",
  [WEIR_OP_FLOOR] = "floor",
  [WEIR_OP_GELU] = "gelu",
  [WEIR_OP_HARD_SIGMOID] = "hard_sigmoid",
  [WEIR_OP_HARD_SWISH] = "hard_swish",
  [WEIR_OP_LEAKY_RELU] = "leaky_relu",
  [WEIR_OP_LOG] = "log",
  [WEIR_OP_MISH] = "mish",
  [WEIR_OP_NEG] = "neg",
  [WEIR_OP_QUICK_GELU] = "swish",
  [WEIR_OP_RECIPROCAL] = "reciprocal",
  [WEIR_OP_RELU] = "relu",
  [WEIR_OP_ROUND] = "round",
  [WEIR_OP_ROUND_TO_CODES] = "round_to_codes",
  [WEIR_OP_ROUND_TO_LEVELS] = "round_to_levels",
  [WEIR_OP_SCALED_TANH] = "scaled_tanh",
  [WEIR_OP_SELU] = "selu",
  [WEIR_OP_SIGMOID] = "sigmoid",
  [WEIR_OP_SIGN] = "sign",
  [WEIR_OP_SIN] = "sin",
  [WEIR_OP_SOFTPLUS] = "softplus",
  [WEIR_OP_SOFTSIGN] = "softsign",
  [WEIR_OP_SQRT] = "sqrt",
  [WEIR_OP_SWISH] = "swish",
  [WEIR_OP_TANH] = "tanh",
  [WEIR_OP_THRESHOLDED_RELU] = "thresholded_relu",
};

bool weir_ocl_posts_init (WeirOclPosts *posts, const WeirPostOp *ops, uint32_t n)
{
  *posts = (WeirOclPosts){ 0 };
  if (n > WEIR_OCL_MAX_POSTS)
    return false;
  g_autoptr (GString) options = g_string_new (NULL);
  for (uint32_t i = 0; i < n; i++) {
    const char *name = unary_names[ops[i].op];
    if (!name)
      return false;
    g_string_append_printf (options, " -DPOST_%u=unary_%s", i + 1, name);
    posts->parameters.s[2 * i] = ops[i].alpha;
    posts->parameters.s[2 * i + 1] = ops[i].beta;
  }
  return g_strlcpy (posts->options, options->str, sizeof posts->options) < sizeof posts->options;
}

bool weir_ocl_posts_split (
    const WeirPostOp *ops, uint32_t n, WeirOclPosts *posts, uint32_t *n_before)
{
  WeirPostOp unary[WEIR_MAX_POST_OPS];
  uint32_t n_unary = 0;
  *n_before = WEIR_NONE;
  if (n > WEIR_MAX_POST_OPS)
    return false;
  for (uint32_t i = 0; i < n; i++) {
    if (ops[i].op != WEIR_OP_ADD) {
      unary[n_unary++] = ops[i];
      continue;
    }
    if (*n_before != WEIR_NONE)
      return false;
    *n_before = i;
  }
  return weir_ocl_posts_init (posts, unary, n_unary);
}
