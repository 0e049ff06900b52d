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
  const WeirInt8Spec *node;
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
  WeirInt8Scale q;
  if (post->op == WEIR_OP_RELU || post->op == WEIR_OP_LEAKY_RELU || post->op == WEIR_OP_CLIP)
    return 0;
  if (post->op == WEIR_OP_ADD && weir_int8_is_code (chain->spec->src[post->src].dtype) &&
      weir_int8_scale_read (chain->spec, post->src + 1, post->src + 2, &q))
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
  WeirInt8Scale q = { 1, 0 };
  if (weir_int8_is_code (src->dtype))
    weir_int8_scale_read (chain->spec, post->src + 1, post->src + 2, &q);
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
  const WeirInt8Spec *node = chain->node;
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
  WeirInt8Scale q;
  if (post->src >= spec->n_src || spec->src[post->src].buffer ||
      !weir_tensor_same_shape (&spec->src[post->src], spec->dst))
    return false;
  return weir_cpu_is_float (spec->src[post->src].dtype) ||
         (weir_int8_is_code (spec->src[post->src].dtype) &&
             weir_int8_scale_read (spec, post->src + 1, post->src + 2, &q));
}

bool weir_cpu_int8_accepts_post (const WeirStepSpec *spec, const WeirInt8Spec *node)
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
static double sum_codes (const WeirInt8Spec *node, const int8_t *codes, int64_t channel)
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

bool weir_cpu_int8_fill (const WeirStepSpec *spec, const WeirInt8Spec *node, const int8_t *codes,
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
    scales[i] = (float) (weir_int8_spec_step (node, i) / (double) chain.first_unit);
  dnnl->scales = scales;
  *bias = g_new (float, (size_t) node->n_channels);
  for (int64_t i = 0; i < node->n_channels; i++) {
    double value = weir_int8_spec_bias (node, i);
    if (folds_zero && node->src.zero)
      value -= weir_int8_spec_step (node, i) * sum_codes (node, codes, i) * node->src.zero;
    (*bias)[i] = (float) (value / (double) chain.first_unit + (double) chain.shift);
  }
  weir_dnnl_scale_bias (dnnl, *bias, (size_t) node->n_channels);
  return true;
}

/* --- for kernels of our own --- */

/* Bounds in codes that count from 0 on. */
static bool fill_bounds (const WeirStepSpec *spec, const WeirInt8Spec *node, WeirRequantise *r)
{
  int32_t zero = node->dst.zero + (r->flip ? 128 : 0);
  float low = 0, high = UINT8_MAX;
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    bool is_clip = post->op == WEIR_OP_CLIP;
    if (!is_clip && post->op != WEIR_OP_RELU)
      return false;
    float bounds[2] = { is_clip ? post->alpha : 0, is_clip ? post->beta : FLT_MAX };
    for (int k = 0; k < 2; k++)
      bounds[k] = rintf (CLAMP (bounds[k] / node->dst.scale + (float) zero, -1.0f, 256.0f));
    low = CLAMP (low, bounds[0], bounds[1]);
    high = CLAMP (high, bounds[0], bounds[1]);
  }
  r->low = (uint8_t) CLAMP (low, 0, UINT8_MAX);
  r->high = (uint8_t) CLAMP (high, 0, UINT8_MAX);
  return true;
}

/* False where a sum, or what becomes of it, could be too large. */
static bool fill_channel (const WeirInt8Spec *node, const int8_t *codes, int64_t n, int64_t channel,
    double zero, float *scale, float *bias)
{
  double least = 0, most = 0;
  for (int64_t i = 0; i < n; i++) {
    double code = codes[channel * n + i];
    *(code < 0 ? &least : &most) += code * UINT8_MAX;
  }
  double step = weir_int8_spec_step (node, channel) / (double) node->dst.scale;
  double added = weir_int8_spec_bias (node, channel) / (double) node->dst.scale + zero;
  *scale = (float) step;
  *bias = (float) added;
  return most - least < 0x1p24 && fabs (step) * (most - least) + fabs (added) < 0x1p30;
}

bool weir_cpu_int8_requantise (const WeirStepSpec *spec, const WeirInt8Spec *node,
    const int8_t *codes, WeirRequantise *requantise, float **numbers)
{
  int64_t n = 0;
  weir_tensor_n_elements (node->weights, &n);
  bool is_signed = spec->dst[0].dtype == WEIR_DTYPE_I8;
  *requantise =
      (WeirRequantise){ .src_zero = (uint8_t) node->src.zero, .flip = is_signed ? 0x80 : 0 };
  if (spec->src[0].dtype != WEIR_DTYPE_U8 || !node->is_quantised || node->channel_axis != 0 ||
      !fill_bounds (spec, node, requantise))
    return false;
  g_autofree float *values = g_new (float, 2 * (size_t) node->n_channels);
  for (int64_t i = 0; i < node->n_channels; i++)
    if (!fill_channel (node, codes, n / node->n_channels, i,
            (double) node->dst.zero + (is_signed ? 128 : 0), values + i,
            values + node->n_channels + i))
      return false;
  requantise->scale = values;
  requantise->bias = values + node->n_channels;
  *numbers = g_steal_pointer (&values);
  return true;
}
