/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the quantising pass: what its rules share. They are rules of fuse.h. */
#pragma once

#include "engine/graph/fuse.h"

G_BEGIN_DECLS

/* Scale and zero point of a tensor of 8 bits: value ids of constants of one element, and what they
 * hold. */
typedef struct WeirQuantiser {
  uint32_t scale, zero; /* zero: WEIR_NONE where there is none, which is 0 */
  float scale_value;
  int32_t zero_value;
  WeirDtype dtype; /* u8 or i8 */
} WeirQuantiser;

/* False where they are no such constants, or no positive scale. */
bool weir_quantiser_read (
    const WeirFuse *fuse, uint32_t scale, uint32_t zero, WeirQuantiser *quantiser);
bool weir_quantiser_equal (const WeirQuantiser *a, const WeirQuantiser *b);
/* The smallest code of the type: 0 or -128. The largest is 255 more. */
static inline int32_t weir_quantiser_lowest (const WeirQuantiser *quantiser)
{
  return quantiser->dtype == WEIR_DTYPE_I8 ? -128 : 0;
}

/* The node that dequantises to value from a tensor, as a whole; NULL else. */
WeirNode *weir_quantise_find_source (
    const WeirFuse *fuse, uint32_t value, WeirQuantiser *quantiser);
/* True where the node quantises a tensor as a whole to 8 bits. */
bool weir_quantise_is_quantiser (
    const WeirFuse *fuse, const WeirNode *node, WeirQuantiser *quantiser);
/* A constant with room for the elements of a type; WEIR_NONE where memory is out. */
uint32_t weir_quantise_add_constant (
    WeirFuse *fuse, const char *name, const WeirTensor *shape, void **data);
/* One number as a constant of type f32, u8 or i8. */
uint32_t weir_quantise_add_number (
    WeirFuse *fuse, const char *name, WeirDtype dtype, double number);
uint32_t weir_quantise_add_value (WeirFuse *fuse, const char *name);
/* A new node that dequantises `src` to `dst`, or quantises. Pointers to nodes are invalid then. */
void weir_quantise_add_node (
    WeirFuse *fuse, WeirOp op, uint32_t src, const WeirQuantiser *quantiser, uint32_t dst);

/* Weights on a grid of 8 bits, zero point 0. */
typedef struct WeirQuantisedWeights {
  uint32_t codes, scales, zero; /* constants: i8 of the weights' dims; one scale per channel; 0 */
} WeirQuantisedWeights;
/* True where a value is computed from constants alone, by a chain of nodes. */
bool weir_quantise_is_static (const WeirFuse *fuse, uint32_t value);
/* Such a floating value of one number or one for each of n columns, [1, n] too, as a constant of
 * rank 1. */
bool weir_quantise_row (WeirFuse *fuse, uint32_t value, int64_t n_columns, uint32_t *row);
/* The grid of such a floating value with one scale for each index of an axis: false where it has
 * none, or none of 8 bits. */
bool weir_quantise_weights (
    WeirFuse *fuse, uint32_t value, uint32_t axis, WeirQuantisedWeights *weights);

/* quantise.c: zero points where there are none; the other rules know quantisers with one only. */
bool weir_quantise_add_zero (WeirFuse *fuse, uint32_t id);
/* quantise_fake.c: FakeQuantize becomes a pair of quantisers. */
bool weir_quantise_fake (WeirFuse *fuse, uint32_t id);
/* quantise_move.c: whether a node puts in a number, which is no code, where it leaves its source.
 */
bool weir_quantise_extrapolates (const WeirNode *node);
/* What Relu or Clip keep values to. False for other nodes, and where that is not known. */
bool weir_quantise_read_bounds (const WeirFuse *fuse, const WeirNode *node, float bounds[2]);
/* Relu and Clip that do no more than the ends of the codes do, before the quantiser `id`. */
bool weir_quantise_drop_bounds (WeirFuse *fuse, uint32_t id);
/* Brings quantisers together. */
extern const WeirFuseRule weir_quantise_moves[];
/* quantise_compute.c: what lies between them. */
extern const WeirFuseRule weir_quantise_computes[];
/* quantise_lookup.c: arithmetic on single elements between them becomes a table. */
bool weir_quantise_lookup (WeirFuse *fuse, uint32_t id);
/* quantise_split.c: a convolution over a Concat of different scales, as a sum of convolutions. */
bool weir_quantise_split (WeirFuse *fuse, uint32_t id);
/* True where that will be done to a node, but for weights that are not quantised. */
bool weir_quantise_is_split (const WeirFuse *fuse, const WeirNode *node);
/* quantise_unsigned.c: i8 tensors between quantised nodes become u8, whose zero point is 128 more,
 * where all of them can. */
bool weir_quantise_unsigned (WeirGraph *graph, const WeirShapes *shapes, GError **error);

G_END_DECLS
