/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unary nodes as post-ops: the operator with its parameters as two numbers. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

/* Fills op, alpha and beta of a UNARY node: its ONNX attributes or their defaults; Clip's minimum
 * and maximum also from its known inputs, infinite where not given; Selu's alpha and gamma;
 * Shrink's lambd and bias; RoundToCodes' scale and low; RoundToLevels' low and high; alpha 1 for
 * the Gelu with tanh. False for other nodes and where a parameter is not known. */
bool weir_post_op_resolve (const WeirShapeJob *job, WeirPostOp *post);

G_END_DECLS
