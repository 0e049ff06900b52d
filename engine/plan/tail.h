/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirTail: the nodes of a plan whose sizes only the data know (what follows NonMaxSuppression,
 * NonZero and the like).
 *
 * They cannot be planned. After the plan's steps they run one by one on the reference functions,
 * each with the sizes that the one before it really gave. */
#pragma once

#include "engine/plan/plan_types.h"

G_BEGIN_DECLS

/* Thread-safety: one thread at a time. */
typedef struct WeirTail WeirTail;

/* Of a plan that has such nodes; it must outlive the tail. */
WeirTail *weir_tail_new (const WeirPlan *plan);
void weir_tail_free (WeirTail *tail);
/* Where a value that the plan's steps compute lies: plain, f32 or an integer type. */
void weir_tail_set_source (WeirTail *tail, uint32_t value, const WeirTensor *tensor);
/* Runs all nodes. Errors: an index out of range, no memory. */
bool weir_tail_run (WeirTail *tail, GError **error);
/* A value with its true size; valid until the next run. */
const WeirTensor *weir_tail_value (const WeirTail *tail, uint32_t value);

G_END_DECLS
