/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of model and label files. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Reads an ONNX file. The graph is as the file has it: unsorted operators refused, nothing folded.
 * `metadata` receives the model's metadata_props (string to string) when not NULL.
 * Errors name the file and, where there is one, the node:
 *   NOT_FOUND    missing, unreadable
 *   FORMAT       not ONNX, truncated, tensors whose size does not fit their dims, cycles
 *   UNSUPPORTED  operators that are not in ops.def: all of them in one message
 * Nodes of unknown operators whose results nobody reads are dropped with a g_message. */
WeirGraph *weir_onnx_load (const char *path, GHashTable *metadata, GError **error);

/* One TensorProto file (input_0.pb of ONNX's node tests): name and tensor live in `arena`. */
bool weir_onnx_load_tensor (const char *path, WeirArena *arena, const char **name,
    WeirTensor *tensor, GError **error);
/* Writes a plain tensor as a TensorProto file. */
bool weir_onnx_save_tensor (const char *path, const char *name, const WeirTensor *tensor,
    GError **error);

/* Labels: a file with one a line, or "a,b,c" where no such file exists and the text has a comma.
 * The line as it stands without its line end; a UTF-8 mark is dropped, the empty last line too.
 * Errors: NOT_FOUND, FORMAT (not UTF-8, empty, over 1,000,000 lines). NULL-terminated. */
char **weir_labels_load (const char *text, GError **error);

G_END_DECLS
