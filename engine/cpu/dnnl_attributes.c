/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes of oneDNN's primitives: post-ops, scales, zero points. */
#include "engine/cpu/dnnl_private.h"

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t append_eltwise (
    dnnl_post_ops_t post_ops, dnnl_alg_kind_t kind, float alpha, float beta)
{
  return dnnl_post_ops_append_eltwise (post_ops, kind, alpha, beta);
}

static dnnl_status_t append_sum (dnnl_post_ops_t post_ops)
{
  return dnnl_post_ops_append_sum (post_ops, 1.0f, 0, dnnl_data_type_undef);
}

#else

static dnnl_status_t append_eltwise (
    dnnl_post_ops_t post_ops, dnnl_alg_kind_t kind, float alpha, float beta)
{
  return dnnl_post_ops_append_eltwise (post_ops, 1.0f, kind, alpha, beta);
}

static dnnl_status_t append_sum (dnnl_post_ops_t post_ops)
{
  return dnnl_post_ops_append_sum (post_ops, 1.0f);
}

#endif

/* Unary operators as one or two of oneDNN's: HardSigmoid is a line, then a clip to 0..1. */
typedef enum Parameters { NO_PARAMETERS, ONNX_PARAMETERS, FIXED_PARAMETERS } Parameters;

static const struct {
  dnnl_alg_kind_t kind;
  Parameters parameters;
  float alpha, beta;
} eltwise[WEIR_N_OPS] = {
  [WEIR_OP_RELU] = { dnnl_eltwise_relu, NO_PARAMETERS },
  [WEIR_OP_LEAKY_RELU] = { dnnl_eltwise_relu, ONNX_PARAMETERS },
  [WEIR_OP_CLIP] = { dnnl_eltwise_clip, ONNX_PARAMETERS },
  [WEIR_OP_SIGMOID] = { dnnl_eltwise_logistic, NO_PARAMETERS },
  [WEIR_OP_SWISH] = { dnnl_eltwise_swish, ONNX_PARAMETERS },
  [WEIR_OP_HARD_SWISH] = { dnnl_eltwise_hardswish, FIXED_PARAMETERS, 1.0f / 6.0f, 0.5f },
  [WEIR_OP_HARD_SIGMOID] = { dnnl_eltwise_linear, ONNX_PARAMETERS },
  [WEIR_OP_TANH] = { dnnl_eltwise_tanh, NO_PARAMETERS },
  [WEIR_OP_ELU] = { dnnl_eltwise_elu, ONNX_PARAMETERS },
  [WEIR_OP_MISH] = { dnnl_eltwise_mish, NO_PARAMETERS },
  [WEIR_OP_MUL] = { dnnl_eltwise_linear, ONNX_PARAMETERS },
};

bool weir_dnnl_has_post (WeirOp op)
{
  return op == WEIR_OP_ADD || ((unsigned) op < WEIR_N_OPS && op != WEIR_OP_MUL && eltwise[op].kind);
}

static dnnl_status_t append_unary (dnnl_post_ops_t post_ops, const WeirDnnlPost *post)
{
  bool is_fixed = eltwise[post->op].parameters == FIXED_PARAMETERS,
       is_onnx = eltwise[post->op].parameters == ONNX_PARAMETERS;
  float alpha = is_fixed ? eltwise[post->op].alpha : is_onnx ? post->alpha : 0.0f;
  float beta = is_fixed ? eltwise[post->op].beta : is_onnx ? post->beta : 0.0f;
  if (post->op == WEIR_OP_LEAKY_RELU || post->op == WEIR_OP_ELU || post->op == WEIR_OP_SWISH)
    beta = 0.0f;
  dnnl_status_t status = append_eltwise (post_ops, eltwise[post->op].kind, alpha, beta);
  if (status == dnnl_success && post->op == WEIR_OP_HARD_SIGMOID)
    status = append_eltwise (post_ops, dnnl_eltwise_clip, 0.0f, 1.0f);
  return status;
}

static dnnl_status_t append_added (
    WeirDnnlPrimitive *primitive, dnnl_post_ops_t post_ops, const WeirDnnlSpec *spec, uint32_t i)
{
  if (spec->post[i].is_sum)
    return append_sum (post_ops);
  WeirDnnlDesc desc = weir_dnnl_desc_new (&spec->post[i].added, false);
  if (!desc)
    return dnnl_invalid_arguments;
  int position = dnnl_post_ops_len (post_ops);
  weir_dnnl_add_arg (primitive, DNNL_ARG_ATTR_MULTIPLE_POST_OP (position) | DNNL_ARG_SRC_1,
      G_STRUCT_OFFSET (WeirDnnlArgs, added) + i * sizeof (void *), desc);
  dnnl_status_t status = dnnl_post_ops_append_binary (post_ops, dnnl_binary_add, desc);
  weir_dnnl_desc_free (desc);
  return status;
}

/* Bit of the dimension that a scale belongs to: of the result in 2.x, of the weights in 3.x, where
 * those of groups have one more. 0: one for all. */
static int scale_mask (const WeirDnnlSpec *spec)
{
  if (spec->n_scales <= 1)
    return 0;
  if (spec->kind == WEIR_DNNL_MATMUL)
    return 1 << (spec->dst.rank - 1);
#if DNNL_VERSION_MAJOR >= 3
  return spec->weights.rank > spec->src.rank ? 1 << 0 | 1 << 1 : 1 << 0;
#else
  return 1 << 1;
#endif
}

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t add_vector (
    WeirDnnlPrimitive *primitive, int number, size_t offset, WeirDtype dtype, int64_t n)
{
  WeirDnnlShape shape = { .dtype = dtype, .rank = 1, .dims = { n }, .strides = { 1 } };
  WeirDnnlDesc desc = weir_dnnl_desc_new (&shape, false);
  if (!desc)
    return dnnl_out_of_memory;
  weir_dnnl_add_arg (primitive, number, offset, desc);
  weir_dnnl_desc_free (desc);
  return dnnl_success;
}

static dnnl_status_t set_scales (
    WeirDnnlPrimitive *primitive, dnnl_primitive_attr_t attr, const WeirDnnlSpec *spec)
{
  dnnl_status_t status = dnnl_success;
  if (spec->n_scales) {
    status = dnnl_primitive_attr_set_scales_mask (attr, DNNL_ARG_WEIGHTS, scale_mask (spec));
    if (status == dnnl_success)
      status = add_vector (primitive, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS,
          G_STRUCT_OFFSET (WeirDnnlArgs, scales), WEIR_DTYPE_F32, spec->n_scales);
  }
  if (status == dnnl_success && spec->src_zero) {
    status = dnnl_primitive_attr_set_zero_points_mask (attr, DNNL_ARG_SRC, 0);
    if (status == dnnl_success)
      status = add_vector (primitive, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC,
          G_STRUCT_OFFSET (WeirDnnlArgs, src_zero), WEIR_DTYPE_I32, 1);
  }
  return status;
}

void weir_dnnl_scale_bias (const WeirDnnlSpec *spec, float *bias, size_t n)
{
}

#else

static dnnl_status_t set_scales (
    WeirDnnlPrimitive *primitive, dnnl_primitive_attr_t attr, const WeirDnnlSpec *spec)
{
  dnnl_status_t status = dnnl_success;
  if (spec->n_scales)
    status = dnnl_primitive_attr_set_output_scales (
        attr, spec->n_scales, scale_mask (spec), spec->scales);
  if (status == dnnl_success && spec->src_zero)
    status = dnnl_primitive_attr_set_zero_points (attr, DNNL_ARG_SRC, 1, 0, &spec->src_zero);
  return status;
}

/* 2.x adds it to the sum, before the scale. */
void weir_dnnl_scale_bias (const WeirDnnlSpec *spec, float *bias, size_t n)
{
  for (size_t i = 0; spec->n_scales && i < n; i++)
    bias[i] /= spec->scales[spec->n_scales > 1 ? i : 0];
}

#endif

bool weir_dnnl_attributes_new (WeirDnnlPrimitive *primitive, const WeirDnnlSpec *spec,
    dnnl_primitive_attr_t *attr, GError **error)
{
  dnnl_post_ops_t post_ops = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create (attr);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_scratchpad_mode (*attr, dnnl_scratchpad_mode_user);
  if (status == dnnl_success)
    status = set_scales (primitive, *attr, spec);
  if (status == dnnl_success)
    status = dnnl_post_ops_create (&post_ops);
  for (uint32_t i = 0; i < spec->n_post && status == dnnl_success; i++)
    status = spec->post[i].op == WEIR_OP_ADD ? append_added (primitive, post_ops, spec, i)
                                             : append_unary (post_ops, &spec->post[i]);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops (*attr, post_ops);
  if (post_ops)
    dnnl_post_ops_destroy (post_ops);
  return weir_dnnl_check (status, "attributes", error);
}
