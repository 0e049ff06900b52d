/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory planner: packs the lifetimes of values into one block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_MEMPLAN_ALIGNMENT 64

typedef struct WeirLifetime {
  size_t n_bytes;
  uint32_t first_step, last_step; /* inclusive: it exists while these steps run */
  size_t offset_bytes;            /* out: multiple of WEIR_MEMPLAN_ALIGNMENT */
} WeirLifetime;

/* Assigns offsets so that no two lifetimes that share a step share a byte; *total_bytes is the size
 * of the block. Greedy by size (largest first, lowest fitting gap): Pisarchyk and Lee, "Efficient
 * Memory Management for Deep Neural Net Inference", 2020, §4.3. False on overflow. */
bool weir_memplan (WeirLifetime *lifetimes, uint32_t n_lifetimes, size_t *total_bytes);
