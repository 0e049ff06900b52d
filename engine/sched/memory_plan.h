/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory a session may take, and which batch that allows: reckoned before it is taken.
 *
 * What is counted: the constants and packed weights, once; and for each worker one block, in which
 * its slots of all n lie over one another, of the size that the largest batch needs: activations,
 * scratch, inputs and outputs. Not counted: frames, results, and the code and tables of plans,
 * which are small beside these or the caller's. */
#pragma once

#include <stdint.h>

typedef struct WeirMemoryPlan {
  uint64_t weight_bytes;    /* constants and packed weights, once */
  uint64_t slot_bytes_1;    /* activations, scratch, inputs and outputs of a batch of 1 */
  uint64_t slot_bytes_2;    /* of 2; 0: not known, twice those of 1 */
  uint32_t n_slots;         /* workers: each has one */
  uint32_t batch_max;       /* asked for */
  uint64_t available_bytes; /* weir_memory_available, with the weights already taken */
} WeirMemoryPlan;

/* Bytes that this process can still take: the least of what the kernel calls available, what every
 * control group above the process leaves (version 2, or the memory controller of version 1; file
 * pages that were not used of late count as free), and what RLIMIT_AS leaves. `root` is "" but in
 * tests: the folder that holds proc/ and sys/. What is missing or makes no sense limits nothing:
 * UINT64_MAX where nothing can be read. */
uint64_t weir_memory_available (const char *root);
/* The largest batch, 1..batch_max, whose slots take at most half of what is available; 1 where even
 * that takes more. */
uint32_t weir_memory_plan_batch (const WeirMemoryPlan *plan);
/* Weights and all slots at batches of n; saturates. */
uint64_t weir_memory_plan_bytes (const WeirMemoryPlan *plan, uint32_t n);
