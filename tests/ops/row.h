/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of tests/ops/NAME.txt: an operator, its inputs and attributes, and what must come out.
 *
 *   Conv f32[1,4,5,5] f32[6,2,3,3]! - group=2 pads=[1,1,1,1] -> f32[1,6,5,5]
 *
 * - tensor: type[dims], then (low,high) for the range of random contents, ! for a constant, {a,b,…}
 *   for contents; `-` is an input that is not given
 * - attribute: name=value; 3 is an int, 0.5 a float, [1,2] ints, [1.0,2.0] floats, type[dims]{…} a
 *   tensor, all else a string. `opset` (default 13) is the node's version
 * - post-op: post:Relu, post:Clip(0,6), post:Add(3) where 3 is the input that is added
 * - after `->` the outputs: with contents, they are compared; without, the oracle of the operator
 *   gives them. `-> error SHAPE` or UNSUPPORTED: shape inference must refuse the node
 * - # starts a comment */
#pragma once

#include "engine/graph/graph.h"

#define ROW_MAX_TENSORS 16
#define ROW_MAX_ATTRS   16

typedef struct RowTensor {
  WeirTensor tensor; /* contents in the row's arena; plain */
  bool is_constant;
  bool has_contents; /* written in the row */
} RowTensor;

typedef struct Row {
  WeirArena *arena;
  const char *file;
  uint32_t line;
  const char *text; /* the whole line, for messages */
  WeirNode node;    /* not of a graph: src and dst are not set */
  RowTensor src[ROW_MAX_TENSORS], dst[ROW_MAX_TENSORS];
  bool expects_error;
  int error_code;
} Row;

/* NULL where the line does not parse: the error says where. */
Row *row_parse (const char *file, uint32_t line, const char *text, GError **error);
void row_free (Row *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Row, row_free)

/* A graph with the row's one node, inputs that are not constants and all outputs. */
WeirGraph *row_make_graph (const Row *row);
