/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks of one convolution, or one and another behind it, for the tests of kernels of our own.
 */
#pragma once

#include "tests/post_ops.h"
#include "tests/unit/cpu/net.h"

typedef enum ConvResidual { NO_RESIDUAL, OF_OTHERS, OF_ITSELF } ConvResidual;

typedef struct ConvRow {
  const char *src, *weights, *bias, *attrs, *dst; /* as net.h spells them; bias NULL: none */
  ConvResidual residual;                          /* source 3 */
  WeirPostOp post[4];
  bool is_bf16;     /* in that precision, in which the last of a network gives f32 */
  const char *next; /* weights of another 1x1 convolution behind it; NULL: there is none */
} ConvRow;

Net *conv_net_new (const ConvRow *row);

/* Each asserts for n rows. `name`: of the implementation, as the plan describes it. */
/* It is taken (NULL: whichever), and the results are within `tolerance` beside the largest one of
 * `ref`. */
void check_near_reference (const ConvRow *rows, uint32_t n, const char *name, double tolerance);
/* The first item of a batch of 3 is the item alone; parts are the whole. */
void check_same_bytes (const ConvRow *rows, uint32_t n);
/* Another one is taken. */
void check_other_way (const ConvRow *rows, uint32_t n, const char *name);
