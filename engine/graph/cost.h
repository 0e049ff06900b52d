/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much arithmetic a node is, from shapes alone. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Multiply-adds of a convolution or matrix product; 0 of other operators. src and dst are those of
 * the node, shapes known. */
double weir_node_macs (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);
/* Arithmetic operations, of which a multiply-add is two: those of products, of pooling windows, and
 * one for each element that another operator or a post-op computes. Moving elements takes none. */
double weir_node_flops (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);
/* Index of the source that holds the weights of a convolution or matrix product in f32 or 8 bits;
 * WEIR_NONE: another operator. */
uint32_t weir_node_weights (const WeirNode *node);
/* No less than the steps, roughly, that the reference takes to evaluate it. A file of a few bytes
 * can ask for any number of them. */
double weir_node_steps (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst);

G_END_DECLS
