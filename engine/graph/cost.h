/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much arithmetic a node is, from shapes alone. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Multiply-adds of a convolution or matrix product; 0 of other operators. src and dst are those of
 * the node, shapes known. */
double weir_node_macs (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);
/* No less than the steps, roughly, that the reference takes to evaluate it. A file of a few bytes
 * can ask for any number of them. */
double weir_node_steps (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);

G_END_DECLS
