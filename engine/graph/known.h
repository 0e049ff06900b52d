/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Results that follow from constants alone, kept over inferences.
 *
 * Passes infer a graph again and again, at several n. What is computed from constants, such as a
 * quantised model's weights in f32, is the same each time. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Thread-safety: one thread at a time. Whoever sets `known` of a graph takes it away again before
 * the memory of any constant that the graph had meanwhile can be reused. */
typedef struct WeirKnown WeirKnown;

WeirKnown *weir_known_new (void);
void weir_known_free (WeirKnown *known);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirKnown, weir_known_free)

/* What a node of the same operator, attributes and sources (by address) gave: n_dst tensors, which
 * are `known`'s. NULL: there was none. */
const WeirTensor *weir_known_find (
    const WeirKnown *known, const WeirNode *node, const WeirTensor *src);
/* Gives the results that are wanted buffers, which are `known`'s; false where that would be too
 * much memory. */
bool weir_known_allocate (WeirKnown *known, const WeirNode *node, WeirTensor *dst);
/* Remembers what the node gave. Addresses in `src` stay what they are as long as `known` is. */
void weir_known_add (
    WeirKnown *known, const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);

G_END_DECLS
