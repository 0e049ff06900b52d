/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the fusing pass: the graph under rewrite, and the steps its rules are made of. */
#pragma once

#include "engine/graph/geometry.h"

G_BEGIN_DECLS

typedef struct WeirFuse {
  WeirGraph *graph;
  WeirEvaluateFn evaluate;
  const WeirShapes *shapes;     /* at n = 1 */
  const WeirShapes *shapes_two; /* at n = 2; NULL where the graph does not batch */
  GArray *n_uses;               /* uint32_t by value */
  bool is_out_of_memory;
} WeirFuse;

/* Tries to rewrite around node `id`; true where it did. */
typedef bool (*WeirFuseRule) (WeirFuse *fuse, uint32_t id);

/* Applies each list of rules, in order, until none of its rules changes anything, then prunes and
 * sorts. Lists end with NULL. */
bool weir_fuse_apply (WeirGraph *graph, WeirEvaluateFn evaluate, const WeirFuseRule *const *lists,
    uint32_t n_lists, GError **error);

/* fuse_pattern.c */
bool weir_fuse_identity (WeirFuse *fuse, uint32_t id);
bool weir_fuse_shape_source (WeirFuse *fuse, uint32_t id);
bool weir_fuse_variadic (WeirFuse *fuse, uint32_t id);
bool weir_fuse_transposes (WeirFuse *fuse, uint32_t id);
bool weir_fuse_shuffle (WeirFuse *fuse, uint32_t id);
bool weir_fuse_pad (WeirFuse *fuse, uint32_t id);
bool weir_fuse_hard_sigmoid (WeirFuse *fuse, uint32_t id);
bool weir_fuse_gate (WeirFuse *fuse, uint32_t id);
bool weir_fuse_slope (WeirFuse *fuse, uint32_t id);
/* fuse_space.c */
bool weir_fuse_focus (WeirFuse *fuse, uint32_t id);
bool weir_fuse_halves (WeirFuse *fuse, uint32_t id);
/* fuse_channels.c: the second after the first, which looks through channel shuffles */
bool weir_fuse_parts (WeirFuse *fuse, uint32_t id);
bool weir_fuse_shuffled (WeirFuse *fuse, uint32_t id);
/* fuse_affine.c */
bool weir_fuse_batch_norm (WeirFuse *fuse, uint32_t id);
bool weir_fuse_constant_operand (WeirFuse *fuse, uint32_t id);
bool weir_fuse_scales (WeirFuse *fuse, uint32_t id);
bool weir_fuse_scaled_input (WeirFuse *fuse, uint32_t id); /* behind those, which are exacter */
/* fuse_split.c */
bool weir_fuse_split (WeirFuse *fuse, uint32_t id);
/* quantise_fuse.c */
bool weir_fuse_quantiser (WeirFuse *fuse, uint32_t id);
bool weir_fuse_quantised_residual (WeirFuse *fuse, uint32_t id);
/* fuse.c */

/* A quantised convolution or product whose result is still f32: it takes arithmetic and post-ops.
 */
static inline bool weir_fuse_is_open (const WeirNode *node)
{
  return (node->op == WEIR_OP_QUANTISED_CONV || node->op == WEIR_OP_QUANTISED_MAT_MUL) &&
         (node->n_src <= WEIR_QUANTISED_RESULT || node->src[WEIR_QUANTISED_RESULT] == WEIR_NONE);
}

/* The node that makes a value; NULL for inputs and constants. */
WeirNode *weir_fuse_producer (const WeirFuse *fuse, uint32_t value);
/* True where one node input reads the value and nothing else does. */
bool weir_fuse_is_private (const WeirFuse *fuse, uint32_t value);
/* Shape of a value at n = 1. Valid for values that were there at the start. */
const WeirTensor *weir_fuse_shape (const WeirFuse *fuse, uint32_t value);
/* At every n that is looked at. */
bool weir_fuse_same_shape (const WeirFuse *fuse, uint32_t a, uint32_t b);
/* An f32 constant with contents, NULL else. */
const WeirTensor *weir_fuse_constant (const WeirFuse *fuse, uint32_t value);
/* True where the value is an f32 constant with one element equal to `expected`. */
bool weir_fuse_is_number (const WeirFuse *fuse, uint32_t value, float expected);
/* A new f32 constant with the dims of `like`; WEIR_NONE where memory is out. *data is to be filled.
 */
uint32_t weir_fuse_add_constant (
    WeirFuse *fuse, const char *name, const WeirTensor *like, float **data);
/* `keeper` gives what `absorbed` gave; `absorbed` is gone. */
void weir_fuse_absorb (WeirFuse *fuse, WeirNode *keeper, WeirNode *absorbed);
/* Readers of the node's result read `value`. False where the result is an output of the graph. */
bool weir_fuse_bypass (WeirFuse *fuse, WeirNode *node, uint32_t value);
void weir_fuse_append_src (WeirFuse *fuse, WeirNode *node, uint32_t value);
/* The node becomes an operator of one source without attributes. */
void weir_fuse_become_unary (WeirNode *node, WeirOp op, uint32_t src);

G_END_DECLS
