/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Max pooling of one row of a channels-last picture. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WeirMaxPool {
  size_t n_channels;
  size_t kernel_width, stride, pad; /* along the row; pad < kernel_width: columns before it */
  size_t src_width, dst_width;      /* each window meets the row */
} WeirMaxPool;

/* dst: dst_width · n_channels. rows: those that the window covers, n_rows >= 1. Nothing outside is
 * read. */
typedef void (*WeirMaxPoolFn) (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);

/* For this CPU, of f32 or of u8; NULL where it has no vectors. Every variant gives the same bytes. */
WeirMaxPoolFn weir_max_pool (bool is_f32);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
WeirMaxPoolFn weir_max_pool_variant (unsigned isa, bool is_f32);
