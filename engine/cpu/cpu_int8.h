/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantised convolutions and products as this backend reads them. */
#pragma once

#include "engine/cpu/cpu.h"
#include "engine/plan/int8_spec.h"
#include "kernels/byte_kernels.h"
#include "kernels/requantise.h"

G_BEGIN_DECLS

/* A scale and a zero point for the byte kernels. */
static inline WeirCodes weir_cpu_codes (const WeirInt8Scale *quantiser, WeirDtype dtype)
{
  bool is_signed = dtype == WEIR_DTYPE_I8;
  return (WeirCodes){ quantiser->scale, (float) (quantiser->zero + (is_signed ? 128 : 0)),
    is_signed ? 0x80 : 0 };
}

/* False where this backend has no way to run it. */
bool weir_cpu_int8_read (const WeirStepSpec *spec, WeirInt8Spec *node);

/* cpu_int8_post.c: fills dnnl's scales (newly allocated, for the caller to free) and post-ops, and
 * *bias (newly allocated), so that they give node's result. With `folds_zero` the correction for
 * the source's zero point is in the bias, else in dnnl->src_zero. `codes`: the weights less their
 * zero points. False where there are too many post-ops. */
bool weir_cpu_int8_fill (const WeirStepSpec *spec, const WeirInt8Spec *node, const int8_t *codes,
    bool folds_zero, WeirDnnlSpec *dnnl, uint32_t *post_src, float **bias);
/* True where node->post can be done. */
bool weir_cpu_int8_accepts_post (const WeirStepSpec *spec, const WeirInt8Spec *node);
/* How our own kernels give node's result from exact sums; *numbers (newly allocated) holds scales
 * and biases. `codes` as above, channels first. False where the result is no code, or more than
 * bounds follow, or numbers are too large. */
bool weir_cpu_int8_requantise (const WeirStepSpec *spec, const WeirInt8Spec *node,
    const int8_t *codes, WeirRequantise *requantise, float **numbers);
/* cpu_int8_depthwise.c, cpu_int8_pointwise.c, cpu_int8_convolution.c: NULL where there is no kernel
 * of our own. */
WeirCpuKernel *weir_cpu_int8_depthwise_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window);
WeirCpuKernel *weir_cpu_int8_pointwise_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window);
WeirCpuKernel *weir_cpu_int8_convolution_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window, size_t *scratch_bytes);

/* cpu_lookup_lines.c */
/* Tables of 256 as lines, one a channel; the arrays are the caller's. */
typedef struct WeirCpuLines {
  float *scale, *offset;
  uint8_t low, high; /* the least and the most of all results */
} WeirCpuLines;
/* False where some table of tables[n_channels][256] is no line: WeirByteKernels.follow_lines would
 * not give the same bytes. */
bool weir_cpu_fit_lines (const uint8_t *tables, size_t n_channels, WeirCpuLines *lines);

/* cpu_widened.c */
bool weir_cpu_widened_propose (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst);
WeirCpuKernel *weir_cpu_widened_compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error);

G_END_DECLS
