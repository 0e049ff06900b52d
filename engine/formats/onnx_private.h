/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the ONNX reader share. */
#pragma once

#include "engine/formats/onnx.pb-c.h"
#include "engine/graph/graph.h"

/* weir_onnx_load on bytes in memory; `path` tells the folder of external data and is for messages.
 */
WeirGraph *weir_onnx_parse (
    const char *path, const uint8_t *bytes, size_t n_bytes, GHashTable *metadata, GError **error);

/* Walks the wire format before protobuf-c allocates for it: everything in bounds, no nesting that
 * would exhaust the stack, no message field given twice, a bounded number of messages. */
bool weir_onnx_scan (
    const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t n_bytes);

/* Where tensors come from and go to. Thread-safety: one thread. */
typedef struct WeirOnnxSource {
  const char *name;   /* file, for messages */
  const char *folder; /* of external data; NULL: external data is refused */
  WeirArena *arena;
  GPtrArray *files; /* WeirFile: mapped external data */
  bool widens;      /* f16, bf16 and f64 become f32 */
} WeirOnnxSource;

/* WEIR_DTYPE_NONE where the engine has no such type. */
WeirDtype weir_onnx_dtype (int32_t data_type);
/* The number that the loader makes of a type's: that of f32 for every floating one. */
int64_t weir_onnx_widened_type (int64_t data_type);
/* "FLOAT" and the like, as the first operator sets have it; 0 where there is none. */
int32_t weir_onnx_type_number (const char *name);
/* Type, dims and bytes, all checked. `name` is for messages. */
bool weir_onnx_read_tensor (const WeirOnnxSource *source, const char *name,
    const Onnx__TensorProto *proto, WeirTensor *tensor, GError **error);

/* A node's attributes, into the arena. */
bool weir_onnx_read_attrs (
    const WeirOnnxSource *source, const Onnx__NodeProto *proto, WeirNode *node, GError **error);
/* A node of an old operator set, in the words of the seventh: attributes, and nodes added before it
 * where need be. UNSUPPORTED errors name what cannot be said so. */
bool weir_onnx_modernise (WeirGraph *graph, WeirNode *node, GError **error);
/* A graph input's type and dims; -1 for dynamic ones. */
bool weir_onnx_read_type (const WeirOnnxSource *source, const Onnx__ValueInfoProto *proto,
    WeirTensor *tensor, GError **error);

/* "" and "ai.onnx". */
bool weir_onnx_is_domain (const char *domain);
/* WEIR_N_OPS where the engine has none. */
WeirOp weir_onnx_operator (const Onnx__NodeProto *node);
/* Which nodes have results that lead to an output of the graph, 1 each; newly allocated. Where one
 * of them has an unknown operator: NULL and one error naming all of these (or where two make the
 * same); other unknown operators are named by a g_message. At most UINT32_MAX - 1 nodes. */
uint8_t *weir_onnx_check_operators (
    const char *path, const Onnx__GraphProto *graph, GError **error);

/* Sequences of tensors, which are resolved while nodes are read, in the file's order.
 * Thread-safety: one thread. */
typedef struct WeirOnnxSequences WeirOnnxSequences;

WeirOnnxSequences *weir_onnx_sequences_new (WeirGraph *graph); /* which outlives it */
void weir_onnx_sequences_free (WeirOnnxSequences *all);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOnnxSequences, weir_onnx_sequences_free)
/* SequenceAt and the like. */
bool weir_onnx_is_sequence_operator (const Onnx__NodeProto *proto);
/* Whether the node works on sequences: to be given to weir_onnx_sequences_take instead of the
 * graph. */
bool weir_onnx_sequences_want (
    const WeirOnnxSequences *all, const Onnx__NodeProto *proto, const WeirNode *node);
/* Adds nodes on tensors for it, where it needs any. UNSUPPORTED errors where the file alone does
 * not tell what is meant. */
bool weir_onnx_sequences_take (
    WeirOnnxSequences *all, const Onnx__NodeProto *proto, const WeirNode *node, GError **error);
