/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guess, from shapes at n = 1, which axis of each value carries the batch. */
#pragma once

#include "engine/graph/shape.h"

/* By value id, WEIR_NONE for constants and for what is known from shapes alone. Newly allocated. A
 * guess: batch_proof.h tells whether what follows from it is right. */
uint32_t *weir_batch_axes (const WeirGraph *graph, const WeirShapes *shapes);
