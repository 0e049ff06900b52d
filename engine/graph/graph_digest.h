/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a graph computes, as a hash. */
#pragma once

#include "engine/base/digest.h"
#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Nodes with attributes and post-ops, constants with their bytes, inputs and outputs; not names. */
void weir_graph_digest (const WeirGraph *graph, WeirDigest *digest);

G_END_DECLS
