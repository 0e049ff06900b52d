/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolution of one row of a channels-last f32 picture. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct WeirDepthwise {
  size_t n_channels;
  size_t kernel_height, kernel_width;
  size_t stride, dilation, pad; /* along the row; pad: columns of zeros before it */
  size_t src_width, dst_width;
  float least, most; /* results are clipped to these */
} WeirDepthwise;

/* dst: dst_width · n_channels. rows: one address per row of the kernel, NULL for rows of zeros.
 * weights: [kernel_height][kernel_width][n_channels]. bias: n_channels. Nothing outside is read. */
typedef void (*WeirDepthwiseFn) (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias);

/* For this CPU; NULL where it has no fused multiply-add. Every variant gives the same bytes. */
WeirDepthwiseFn weir_depthwise (void);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
WeirDepthwiseFn weir_depthwise_variant (unsigned isa);
