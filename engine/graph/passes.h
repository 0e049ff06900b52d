/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The passes that a freshly loaded graph goes through, in this order. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

/* fold.c: nodes whose inputs are all constants become constants (weights that are dequantised,
 * widened, transposed; Constant nodes). Independent of n. */
bool weir_fold (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error);
/* The same, but leaves what makes floats of quantised weights: DequantizeLinear, FakeQuantize, Cast
 * of 8 bits, and what follows them. */
bool weir_fold_but_quantisers (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error);

/* batch.c: makes the graph run at any n. Declares dim 0 of every input the batch; a file that bakes
 * 1 into constants (targets of Reshape, sizes of Resize, Expand, Tile …) is rewritten where that is
 * provably right for shapes: inference at n = 1, 2, 3 must give outputs whose dim 0 is n and whose
 * other dims do not change. *reason is NULL when the graph batches, else why it must stay at n = 1
 * (then the graph is as it was, but first dims of inputs that were dynamic are pinned to 1; static
 * or arena string). *rewritten tells whether constants were changed: the caller then proves the
 * values too (a batch [x, y] equals x and y alone). */
bool weir_batch_rewrite (WeirGraph *graph, WeirEvaluateFn evaluate, const char **reason,
    bool *rewritten, GError **error);

/* quantise_floats.c: for a graph that computes in floats: QuantizeLinear and DequantizeLinear with
 * one scale and zero point of 8 bits, and nothing between them, become RoundToCodes; FakeQuantize
 * of 256 levels from a range to itself becomes RoundToLevels: post-ops of what stands before. Relu
 * and Clip before them go where they do no more. Results stay the same bytes, but for NaN. After
 * weir_fold, before weir_fuse. */
bool weir_quantise_floats (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error);

/* fuse.c: batch norm and per-channel Mul/Add into convolution and Gemm weights; bias; Sigmoid·Mul
 * into Swish, HardSigmoid·Mul and friends into HardSwish; channel shuffles; activations and
 * residual Add into post-ops. Results agree with the unfused graph up to rounding. */
bool weir_fuse (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error);

/* quantise.c: makes a graph, folded but for quantisers, compute in 8 bits what lies between
 * quantisers: FakeQuantize becomes QuantizeLinear and DequantizeLinear where it is equivalent;
 * these move over operators that only move elements; Conv, MatMul and Gemm become QuantisedConv and
 * QuantisedMatMul, sums, products and pools their quantised forms, other arithmetic a Lookup; 8-bit
 * tensors become u8. weir_fold and weir_fuse are to follow. *n_quantised: convolutions and products
 * that run in 8 bits, *n_total: all that there are. */
bool weir_quantise (WeirGraph *graph, WeirEvaluateFn evaluate, uint32_t *n_quantised,
    uint32_t *n_total, GError **error);

G_END_DECLS
