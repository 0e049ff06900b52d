/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scales, bias and post-ops of quantised convolutions and products.
 *
 * What oneDNN computes with the sums is in some unit: 1 where a post-op is no straight line through
 * zero, the scale of a quantised residual where one is added, the scale of the result else. The
 * first unit costs nothing, since it is divided out of the scales and the bias; each change of it
 * is a linear post-op. A zero point of the result goes into the bias where only bounds follow. */
#include "engine/cpu/cpu_int8.h"

#include <float.h>
#include <math.h>

typedef struct Chain {
  const WeirStepSpec *spec;
  const WeirCpuInt8 *node;
  WeirDnnlPost posts[2 * WEIR_MAX_POST_OPS + 2];
  uint32_t srcs[2 * WEIR_MAX_POST_OPS + 2];
  uint32_t n;
  float first_unit, unit;
  float shift; /* to be added to the bias, in first_unit */
} Chain;

static bool is_same (float a, float b)
{
  return a >= b && a <= b;
}

/* The unit that a post-op computes in; 0: any. */
static float unit_of (const Chain *chain, const WeirPostOp *post)
{
  WeirCpuQuantiser q;
  if (post->op == WEIR_OP_RELU || post->op == WEIR_OP_LEAKY_RELU || post->op == WEIR_OP_CLIP)
    return 0;
  if (post->op == WEIR_OP_ADD && weir_cpu_is_8_bit (chain->spec->src[post->src].dtype) &&
      weir_cpu_read_quantiser (chain->spec, post->src + 1, post->src + 2, &q))
    return q.scale;
  return 1;
}

static void push (Chain *chain, WeirDnnlPost post, uint32_t src)
{
  chain->posts[chain->n] = post;
  chain->srcs[chain->n++] = src;
}

/* To another unit, with something added. */
static void change_unit (Chain *chain, float unit, float added)
{
  bool is_changed = !is_same (unit, chain->unit);
  if (!is_changed && chain->n == 0)
    chain->shift += added;
  else if (is_changed || !is_same (added, 0))
    push (chain, (WeirDnnlPost){ .op = WEIR_OP_MUL, .alpha = chain->unit / unit, .beta = added },
        WEIR_NONE);
  chain->unit = unit;
}

static void push_add (Chain *chain, const WeirPostOp *post)
{
  const WeirTensor *src = &chain->spec->src[post->src];
  WeirCpuQuantiser q = { 1, 0 };
  if (weir_cpu_is_8_bit (src->dtype))
    weir_cpu_read_quantiser (chain->spec, post->src + 1, post->src + 2, &q);
  change_unit (chain, q.scale, (float) -q.zero);
  push (chain, (WeirDnnlPost){ .op = WEIR_OP_ADD }, post->src);
}

static void push_post (Chain *chain, const WeirPostOp *post)
{
  WeirDnnlPost result = { .op = post->op, .alpha = post->alpha, .beta = post->beta };
  float unit = unit_of (chain, post);
  if (post->op == WEIR_OP_ADD) {
    push_add (chain, post);
    return;
  }
  if (unit > 0)
    change_unit (chain, unit, 0);
  if (post->op == WEIR_OP_CLIP) {
    result.alpha = CLAMP (post->alpha / chain->unit, -FLT_MAX, FLT_MAX);
    result.beta = CLAMP (post->beta / chain->unit, -FLT_MAX, FLT_MAX);
  }
  push (chain, result, WEIR_NONE);
}

static bool has_only_bounds (const Chain *chain)
{
  for (uint32_t i = 0; i < chain->n; i++)
    if (chain->posts[i].op != WEIR_OP_RELU && chain->posts[i].op != WEIR_OP_CLIP)
      return false;
  return true;
}

/* The result's zero point before the bounds, which move with it. */
static void shift_bounds (Chain *chain, float zero)
{
  chain->shift += zero;
  for (uint32_t i = 0; i < chain->n; i++) {
    WeirDnnlPost *post = &chain->posts[i];
    bool is_relu = post->op == WEIR_OP_RELU;
    post->op = WEIR_OP_CLIP;
    post->alpha = is_relu ? zero : post->alpha + zero;
    post->beta = is_relu ? FLT_MAX : post->beta + zero;
  }
}

static void finish (Chain *chain)
{
  const WeirCpuInt8 *node = chain->node;
  float zero = (float) node->dst.zero;
  if (!node->is_quantised)
    change_unit (chain, 1, 0);
  else if (is_same (zero, 0) || !is_same (chain->unit, node->dst.scale) || !has_only_bounds (chain))
    change_unit (chain, node->dst.scale, zero);
  else
    shift_bounds (chain, zero);
}

static void build (Chain *chain)
{
  const WeirNode *node = chain->spec->node;
  float unit = 0;
  for (uint32_t i = 0; i < node->n_post && !(unit > 0); i++)
    unit = unit_of (chain, &node->post[i]);
  if (!(unit > 0))
    unit = chain->node->is_quantised ? chain->node->dst.scale : 1;
  chain->unit = chain->first_unit = unit;
  for (uint32_t i = 0; i < node->n_post; i++)
    push_post (chain, &node->post[i]);
  finish (chain);
}

static bool accepts_added (const WeirStepSpec *spec, const WeirPostOp *post)
{
  WeirCpuQuantiser q;
  if (post->src >= spec->n_src || spec->src[post->src].buffer ||
      !weir_tensor_same_shape (&spec->src[post->src], spec->dst))
    return false;
  return weir_cpu_is_float (spec->src[post->src].dtype) ||
         (weir_cpu_is_8_bit (spec->src[post->src].dtype) &&
             weir_cpu_read_quantiser (spec, post->src + 1, post->src + 2, &q));
}

bool weir_cpu_int8_accepts_post (const WeirStepSpec *spec, const WeirCpuInt8 *node)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    if (!weir_dnnl_has_post (post->op) || (post->op == WEIR_OP_ADD && !accepts_added (spec, post)))
      return false;
  }
  Chain chain = { .spec = spec, .node = node };
  build (&chain);
  return chain.n <= WEIR_DNNL_MAX_POST;
}

/* Sum of a channel's codes. */
static double sum_codes (const WeirCpuInt8 *node, const int8_t *codes, int64_t channel)
{
  const WeirTensor *w = node->weights;
  int64_t n_inner = 1, n_outer = 1, sum = 0;
  for (uint32_t i = 0; i < w->rank; i++) {
    n_outer *= i < node->channel_axis ? w->dims[i] : 1;
    n_inner *= i > node->channel_axis ? w->dims[i] : 1;
  }
  for (int64_t outer = 0; outer < n_outer; outer++)
    for (int64_t inner = 0; inner < n_inner; inner++)
      sum += codes[(outer * node->n_channels + channel) * n_inner + inner];
  return (double) sum;
}

/* Step of the sums of a channel. */
static double step_of (const WeirCpuInt8 *node, int64_t channel)
{
  const float *scales = weir_tensor_data (node->scales);
  int64_t n = 0;
  weir_tensor_n_elements (node->scales, &n);
  return (double) node->src.scale * (double) scales[n > 1 ? channel : 0] * (double) node->alpha;
}

double weir_cpu_int8_bias (const WeirCpuInt8 *node, int64_t channel)
{
  int64_t n = 0;
  if (!node->bias)
    return 0;
  weir_tensor_n_elements (node->bias, &n);
  const void *data = weir_tensor_data (node->bias);
  int64_t i = n > 1 ? channel : 0;
  return node->bias->dtype == WEIR_DTYPE_I32
             ? (double) ((const int32_t *) data)[i] * step_of (node, channel)
             : (double) ((const float *) data)[i];
}

bool weir_cpu_int8_fill (const WeirStepSpec *spec, const WeirCpuInt8 *node, const int8_t *codes,
    bool folds_zero, WeirDnnlSpec *dnnl, uint32_t *post_src, float **bias)
{
  Chain chain = { .spec = spec, .node = node };
  build (&chain);
  if (chain.n > WEIR_DNNL_MAX_POST)
    return false;
  memcpy (dnnl->post, chain.posts, chain.n * sizeof *chain.posts);
  memcpy (post_src, chain.srcs, chain.n * sizeof *chain.srcs);
  dnnl->n_post = chain.n;
  for (uint32_t i = 0; i < chain.n; i++)
    if (chain.srcs[i] != WEIR_NONE) { /* a product's stack of matrices lies as rows */
      dnnl->post[i].added = dnnl->dst;
      dnnl->post[i].added.dtype = spec->src[chain.srcs[i]].dtype;
    }
  int64_t n_scales = 0;
  weir_tensor_n_elements (node->scales, &n_scales);
  dnnl->n_scales = (uint32_t) n_scales;
  dnnl->src_zero = folds_zero ? 0 : node->src.zero;
  float *scales = g_new (float, (size_t) n_scales);
  for (int64_t i = 0; i < n_scales; i++)
    scales[i] = (float) (step_of (node, i) / (double) chain.first_unit);
  dnnl->scales = scales;
  *bias = g_new (float, (size_t) node->n_channels);
  for (int64_t i = 0; i < node->n_channels; i++) {
    double value = weir_cpu_int8_bias (node, i);
    if (folds_zero && node->src.zero)
      value -= step_of (node, i) * sum_codes (node, codes, i) * node->src.zero;
    (*bias)[i] = (float) (value / (double) chain.first_unit + (double) chain.shift);
  }
  weir_dnnl_scale_bias (dnnl, *bias, (size_t) node->n_channels);
  return true;
}
