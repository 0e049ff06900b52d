/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small graphs for tests of the batch: built, loaded, and computed by the reference backend. */
#pragma once

#include "engine/graph/graph.h"
#include "tests/unit/formats/onnx_builder.h"

/* Operator set 13, an f32 input "x" of these dims, an output "y" that a node has yet to make. */
OnnxBuilder *batch_kit_net (const char *dims);
/* The graph of the file, folded. */
WeirGraph *batch_kit_parse (const OnnxBuilder *builder);
/* Asserts that three random samples in one batch give what each gives alone. */
void batch_kit_check (const WeirGraph *graph);
