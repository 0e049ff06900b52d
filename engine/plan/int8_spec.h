/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps of quantised convolutions and matrix products as backends read them: QuantisedConv,
 * QLinearConv, QuantisedMatMul, QLinearMatMul, QGemm, with parameters that are constant. */
#pragma once

#include "engine/plan/backend.h"

G_BEGIN_DECLS

/* A scale and a zero point of a whole tensor: value = (code - zero) · scale. */
typedef struct WeirInt8Scale {
  float scale;  /* positive, finite */
  int32_t zero; /* of the tensor's type */
} WeirInt8Scale;

static inline bool weir_int8_is_code (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
}

static inline int32_t weir_int8_code_at (const WeirTensor *tensor, int64_t i)
{
  const void *data = weir_tensor_data (tensor);
  return tensor->dtype == WEIR_DTYPE_U8 ? ((const uint8_t *) data)[i] : ((const int8_t *) data)[i];
}

/* Inputs `scale` and `zero` (may be absent: 0) of the node. False where they are no constants of
 * one element. */
bool weir_int8_scale_read (
    const WeirStepSpec *spec, uint32_t scale, uint32_t zero, WeirInt8Scale *result);

typedef struct WeirInt8Spec {
  const WeirTensor *weights, *scales, *zeros, *bias; /* zeros, bias: NULL where there are none */
  WeirInt8Scale src, dst;
  bool is_quantised;     /* the result is: else it is f32 */
  float alpha;           /* factor of the sums */
  int64_t n_channels;    /* of the result */
  int64_t n_inner;       /* weights of a channel */
  uint32_t channel_axis; /* of the weights */
} WeirInt8Spec;

/* False where the node is none of these, or a parameter is computed, out of range or of another
 * shape than one number or one for each channel of the result. Post-ops are not looked at. */
bool weir_int8_spec_read (const WeirStepSpec *spec, WeirInt8Spec *node);

/* Weights less their zero points, n_inner of each channel one after the other; newly allocated.
 * NULL where one does not fit i8, or memory is out. */
int8_t *weir_int8_spec_codes (const WeirInt8Spec *node);
/* What one in a channel's sums is worth. */
double weir_int8_spec_step (const WeirInt8Spec *node, int64_t channel);
/* A channel's bias in units; of i32 it is a number of such steps. */
double weir_int8_spec_bias (const WeirInt8Spec *node, int64_t channel);

G_END_DECLS
