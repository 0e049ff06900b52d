/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantised convolutions and products as this backend reads them. */
#pragma once

#include "engine/cpu/cpu.h"
#include "kernels/byte_kernels.h"

G_BEGIN_DECLS

/* A scale and a zero point that are constants of one element. */
typedef struct WeirCpuQuantiser {
  float scale;
  int32_t zero;
} WeirCpuQuantiser;

/* False where they are none, or the scale is no positive number. `zero` may be absent. */
bool weir_cpu_read_quantiser (
    const WeirStepSpec *spec, uint32_t scale, uint32_t zero, WeirCpuQuantiser *quantiser);

static inline bool weir_cpu_is_8_bit (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
}

/* The same for the byte kernels. */
static inline WeirCodes weir_cpu_codes (const WeirCpuQuantiser *quantiser, WeirDtype dtype)
{
  bool is_signed = dtype == WEIR_DTYPE_I8;
  return (WeirCodes){ quantiser->scale, (float) (quantiser->zero + (is_signed ? 128 : 0)),
    is_signed ? 0x80 : 0 };
}

/* A node with all its parameters. */
typedef struct WeirCpuInt8 {
  const WeirTensor *weights, *scales, *zeros, *bias; /* zeros, bias: NULL where there are none */
  WeirCpuQuantiser src, dst;
  bool is_quantised;     /* the result is: else it is f32 */
  float alpha;           /* factor of the sums */
  int64_t n_channels;    /* of the result */
  uint32_t channel_axis; /* of the weights */
} WeirCpuInt8;

static inline int32_t weir_cpu_code_at (const WeirTensor *tensor, int64_t i)
{
  const void *data = weir_tensor_data (tensor);
  return tensor->dtype == WEIR_DTYPE_U8 ? ((const uint8_t *) data)[i] : ((const int8_t *) data)[i];
}

/* False where this backend has no way to run it. */
bool weir_cpu_int8_read (const WeirStepSpec *spec, WeirCpuInt8 *node);

/* cpu_int8_post.c: fills dnnl's scales (newly allocated, for the caller to free) and post-ops, and
 * *bias (newly allocated), so that they give node's result. With `folds_zero` the correction for
 * the source's zero point is in the bias, else in dnnl->src_zero. `codes`: the weights less their
 * zero points. False where there are too many post-ops. */
bool weir_cpu_int8_fill (const WeirStepSpec *spec, const WeirCpuInt8 *node, const int8_t *codes,
    bool folds_zero, WeirDnnlSpec *dnnl, uint32_t *post_src, float **bias);
/* True where node->post can be done. */
bool weir_cpu_int8_accepts_post (const WeirStepSpec *spec, const WeirCpuInt8 *node);
/* A channel's bias in units of the result. */
double weir_cpu_int8_bias (const WeirCpuInt8 *node, int64_t channel);

/* cpu_widened.c */
bool weir_cpu_widened_propose (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
WeirCpuKernel *weir_cpu_widened_compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);

G_END_DECLS
