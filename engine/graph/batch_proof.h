/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof that a graph run on n samples at once gives what it gives on each of them alone. */
#pragma once

#include "engine/graph/shape.h"

/* Infers the graph (has_batch set) at n = 1, 2, 3 and proves that every output is stacked: its dim
 * 0 is n, and row i is the result of sample i. NULL when proved, else why not, newly allocated. */
char *weir_batch_prove (const WeirGraph *graph, WeirEvaluateFn evaluate);

/* batch_ov.c: NULL where an operator of OpenVINO IR does not look along the axis of the batch, else
 * how it does. */
const char *weir_batch_check_ov (const WeirShapeJob *job, uint32_t batch_axis);
