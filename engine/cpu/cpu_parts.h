/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A primitive's result in ranges of items, rows or channels, so that several threads can make it.
 *
 * In plain and channels-last memory a range of the first dimension is one piece, and of one item a
 * range of rows: each is the result of a primitive of its own, on the rows that it needs. Of small
 * pictures with large weights a part is a range of channels, which it gives densely, to be copied
 * to their places. */
#pragma once

#include "engine/cpu/cpu.h"

G_BEGIN_DECLS

/* Where a part begins, in bytes from the beginning of the whole. */
typedef struct WeirCpuPart {
  size_t src_bytes, dst_bytes;
  size_t added_bytes[WEIR_DNNL_MAX_POST]; /* by index in spec->post */
  int64_t first_channel, n_channels;      /* of the results; n_channels 0: all */
} WeirCpuPart;

/* Into how many parts it pays to cut `whole` for n_threads: 1 where there is too little work, no
 * dimension to cut, or so little of it a part that reading the weights anew costs more. */
uint32_t weir_cpu_count_parts (const WeirDnnlSpec *whole, uint32_t n_threads);
/* Part k of n_parts: its primitive into `spec`, which shares what `whole` points to. With channels
 * of its own it has so many weights, biases and scales, from the first channel's on, and dst is
 * dense. */
WeirCpuPart weir_cpu_cut_part (
    const WeirDnnlSpec *whole, uint32_t n_parts, uint32_t k, WeirDnnlSpec *spec);

G_END_DECLS
