/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors that the command makes itself, and how far two of them are apart. */
#pragma once

#include "engine/weir.h"

G_BEGIN_DECLS

/* A plain tensor whose memory is ours; zeroed: empty. */
typedef struct CliTensor {
  WeirTensor tensor;
} CliTensor;

/* Memory for dtype and dims of tensor->tensor; false: MEMORY. */
bool cli_tensor_allocate (CliTensor *tensor, GError **error);
void cli_tensor_clear (CliTensor *tensor);

/* True where values of the model's own fill input k, so that none need be given. */
bool cli_input_is_filled (const WeirModel *model, uint32_t k);
/* Input k of the model with n rows: uniform in 0..1, integers 0 or 1; the same on every call. */
bool cli_tensor_random (
    CliTensor *tensor, const WeirModel *model, uint32_t k, uint32_t n, GError **error);
/* (src - mean) * scale in f32, of a u8 tensor; one number each or one per channel (dim 1). NULL:
 * 0, 1. */
bool cli_tensor_normalise (
    CliTensor *dst, const WeirTensor *src, const GArray *mean, const GArray *scale, GError **error);
/* The tensors one behind the other in dim `axis`; all must have one shape and type. */
bool cli_tensor_stack (
    CliTensor *dst, const WeirTensor *const *src, uint32_t n, uint32_t axis, GError **error);
/* Row block i of n of a stacked tensor: a view. False where dim 0 does not divide. */
bool cli_tensor_block (const WeirTensor *stacked, uint32_t i, uint32_t n, WeirTensor *view);

typedef struct CliDifference {
  double max_abs, mean_abs;
  double max_rel; /* among elements with |expected| > atol */
  double cosine;
  size_t n_beyond; /* elements with |got - expected| > atol + rtol * |expected| */
} CliDifference;

/* Both plain and of the same shape. NaN equals NaN, an infinity itself. False: MEMORY. */
bool cli_tensor_compare (const WeirTensor *got, const WeirTensor *expected, double atol,
    double rtol, CliDifference *difference, GError **error);

G_END_DECLS
