/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling of one row of a channels-last picture. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct WeirMaxPool {
  size_t n_channels;
  size_t kernel_width, stride, pad; /* along the row; pad < kernel_width: columns before it */
  size_t src_width, dst_width;      /* each window meets the row */
} WeirMaxPool;

typedef enum WeirMaxPoolType {
  WEIR_MAX_POOL_F32,
  WEIR_MAX_POOL_BF16,
  WEIR_MAX_POOL_U8
} WeirMaxPoolType;

/* dst: dst_width · n_channels. rows: those that the window covers, n_rows >= 1. Nothing outside is
 * read. */
typedef void (*WeirMaxPoolFn) (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);

/* For this CPU; NULL where it has no vectors, for bf16 no AVX-512. Variants give the same bytes. */
WeirMaxPoolFn weir_max_pool (WeirMaxPoolType type);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
WeirMaxPoolFn weir_max_pool_variant (unsigned isa, WeirMaxPoolType type);
