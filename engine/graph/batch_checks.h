/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of batch_proof.c for operators that address elements by index or by letter: whether what
 * they give for n samples is what they give for each, stacked. NULL or what is wrong. */
#pragma once

#include "engine/graph/shape.h"

const char *weir_batch_check_elements (const WeirShapeJob *job, uint32_t batch_axis);
const char *weir_batch_check_gather_nd (const WeirShapeJob *job, uint32_t batch_axis);
const char *weir_batch_check_scatter_nd (const WeirShapeJob *job, uint32_t batch_axis);
const char *weir_batch_check_top_k (const WeirShapeJob *job, uint32_t batch_axis);
const char *weir_batch_check_reverse_sequence (const WeirShapeJob *job, uint32_t batch_axis);
const char *weir_batch_check_regions (const WeirShapeJob *job, uint32_t batch_axis);
/* At two batch sizes: no letter that is summed may carry the batch. */
const char *weir_batch_compare_einsum (const WeirShapeJob *one, const WeirShapeJob *two);
