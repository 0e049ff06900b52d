/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kernels do with sums before they store them. */
#pragma once

typedef enum WeirActivationKind {
  WEIR_ACTIVATION_NONE = 0,
  WEIR_ACTIVATION_CLIP, /* to least and most; where one is infinite, not to that */
  WEIR_ACTIVATION_LEAKY_RELU,
  WEIR_ACTIVATION_HARD_SWISH,
  WEIR_ACTIVATION_ROUND_TO_CODES, /* to whole steps of alpha, `least` to `most` = least + 255 */
  WEIR_ACTIVATION_SIGMOID,
  WEIR_ACTIVATION_SWISH,
  WEIR_ACTIVATION_ROUND_TO_LEVELS, /* as FakeQuantize with 256 levels from least to most */
} WeirActivationKind;

/* Gives the same bytes as the unary function of tensor_kernels.h. */
typedef struct WeirActivation {
  WeirActivationKind kind;
  float least, most; /* of CLIP; of ROUND_TO_CODES: whole numbers of -255 to 255; of
                        ROUND_TO_LEVELS: 2^-90 to 2^90 apart */
  float alpha;       /* of LEAKY_RELU: the slope; of SWISH: x · sigmoid (alpha · x); of
                        ROUND_TO_CODES: 2^-90 to 2^90, so that nothing gets too small to be exact */
} WeirActivation;
