/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels on rows of f32 for the CPU backend: element-wise operators, softmax, sums, bf16. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum WeirUnary {
  WEIR_UNARY_ABS = 0,
  WEIR_UNARY_AFFINE, /* alpha · x + beta */
  WEIR_UNARY_CEIL,
  WEIR_UNARY_CELU,
  WEIR_UNARY_CLIP, /* alpha, beta: least, most */
  WEIR_UNARY_ELU,
  WEIR_UNARY_ERF,
  WEIR_UNARY_EXP,
  WEIR_UNARY_FLOOR,
  WEIR_UNARY_GELU, /* alpha: not 0 for the form with tanh */
  WEIR_UNARY_HARD_SIGMOID,
  WEIR_UNARY_HARD_SWISH,
  WEIR_UNARY_LEAKY_RELU,
  WEIR_UNARY_MISH,
  WEIR_UNARY_NEG,
  WEIR_UNARY_RECIPROCAL,
  WEIR_UNARY_RELU,
  WEIR_UNARY_ROUND,
  WEIR_UNARY_ROUND_TO_CODES,  /* as WEIR_ACTIVATION_ROUND_TO_CODES: step alpha, from beta on */
  WEIR_UNARY_ROUND_TO_LEVELS, /* fake_quantize of 255 steps from alpha to beta, to the same */
  WEIR_UNARY_SCALED_TANH,
  WEIR_UNARY_SELU, /* alpha, beta: ONNX's alpha and gamma */
  WEIR_UNARY_SIGMOID,
  WEIR_UNARY_SIGN,
  WEIR_UNARY_SOFTSIGN,
  WEIR_UNARY_SQRT,
  WEIR_UNARY_SWISH,
  WEIR_UNARY_TANH,
  WEIR_UNARY_THRESHOLDED_RELU,
  WEIR_N_UNARIES
} WeirUnary;

typedef enum WeirBinary {
  WEIR_BINARY_ADD = 0,
  WEIR_BINARY_SUB,
  WEIR_BINARY_MUL,
  WEIR_BINARY_DIV,
  WEIR_BINARY_PRELU, /* b is the slope */
  WEIR_N_BINARIES
} WeirBinary;

/* dst never overlaps a source. alpha and beta are the operator's ONNX attributes. */
typedef void (*WeirUnaryFn) (float *dst, const float *src, size_t n, float alpha, float beta);
/* A step of 0 repeats the first element, 1 walks on. */
typedef void (*WeirBinaryFn) (
    float *dst, const float *a, size_t a_step, const float *b, size_t b_step, size_t n);

/* Ends of two ranges, and the steps between them (levels - 1, at most 2^22). */
typedef struct WeirFakeRange {
  const float *low, *high, *out_low, *out_high;
  float n_steps;
} WeirFakeRange;

typedef struct WeirTensorKernels {
  WeirUnaryFn unary[WEIR_N_UNARIES];
  WeirBinaryFn binary[WEIR_N_BINARIES];
  /* dst[i] = src[i] * scale[i * step] + shift[i * step] */
  void (*affine) (
      float *dst, const float *src, const float *scale, const float *shift, size_t step, size_t n);
  /* FakeQuantize as OpenVINO specifies it; element i uses range [i * step], step 0 or 1. */
  void (*fake_quantize) (
      float *dst, const float *src, const WeirFakeRange *range, size_t step, size_t n);
  /* Of n elements: the mean, and the mean of the squared distances from `centre`. */
  double (*mean) (const float *src, size_t n);
  double (*spread) (const float *src, size_t n, float centre);
  /* dst[i] = (src[i] - centre) * factor * scale[i * step] + shift[i * step] */
  void (*normalise) (float *dst, const float *src, const float *scale, const float *shift,
      size_t step, float centre, float factor, size_t n);
  /* Round to nearest even; a NaN stays one. */
  void (*bf16_from_f32) (uint16_t *dst, const float *src, size_t n);
  void (*f32_from_bf16) (float *dst, const uint16_t *src, size_t n);
  void (*f32_from_u8) (float *dst, const uint8_t *src, size_t n);
  /* n_rows rows of n, each normalised by itself. */
  void (*softmax) (float *dst, const float *src, size_t n_rows, size_t n, bool is_log);
  /* n_rows rows `stride` apart, normalised down the rows in each of n columns. */
  void (*softmax_columns) (
      float *dst, const float *src, size_t n_rows, size_t stride, size_t n, bool is_log);
  /* sum[i] += src[i]; most[i] = max (most[i], src[i]) */
  void (*accumulate) (float *sum, const float *src, size_t n);
  void (*accumulate_max) (float *most, const float *src, size_t n);
  /* sum[i] += (src[i] - centre[i])² */
  void (*accumulate_squares) (float *sum, const float *src, const float *centre, size_t n);
  /* Weighted sum of four rows. */
  void (*blend) (float *dst, const float *const src[4], const float weights[4], size_t n);
  /* dst[i * n_channels + c] = src[c * plane + i] */
  void (*interleave) (float *dst, const float *src, size_t n_channels, size_t plane, size_t n);
} WeirTensorKernels;

/* For this CPU. Every variant gives the same bytes. */
const WeirTensorKernels *weir_tensor_kernels (void);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
const WeirTensorKernels *weir_tensor_kernels_variant (unsigned isa);
