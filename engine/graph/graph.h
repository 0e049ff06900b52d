/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirGraph: a network as nodes and values, addressed by number, in one arena.
 *
 * Loaders (engine/formats) fill it through weir_graph_add_*; passes (fold, batch, fuse) rewrite it;
 * afterwards it is const. Nodes stand in topological order once weir_graph_sort has run. Constants
 * point into the mapped file where they can, else into the arena. */
#pragma once

#include "engine/base/arena.h"
#include "engine/tensor.h"

G_BEGIN_DECLS

#define WEIR_NONE UINT32_MAX

typedef enum WeirOp {
#define WEIR_OP(id, ...) WEIR_OP_##id,
#include "engine/graph/ops.def"
#undef WEIR_OP
  WEIR_N_OPS
} WeirOp;

typedef enum WeirOpKind {
  WEIR_OP_KIND_UNARY,
  WEIR_OP_KIND_BINARY,
  WEIR_OP_KIND_VIEW,
  WEIR_OP_KIND_MOVE,
  WEIR_OP_KIND_OTHER,
} WeirOpKind;

typedef struct WeirOpInfo {
  const char *name;
  uint32_t min_src, max_src, min_dst, max_dst;
  WeirOpKind kind;
} WeirOpInfo;

const WeirOpInfo *weir_op_info (WeirOp op);
/* By ONNX name, WEIR_N_OPS where there is none. Of names with a domain only those of
 * "com.microsoft:" are found: internal ones ("weir:…") and those of other formats are not. */
WeirOp weir_op_find (const char *onnx_name);

typedef enum WeirAttrKind {
  WEIR_ATTR_INT,
  WEIR_ATTR_FLOAT,
  WEIR_ATTR_STRING,
  WEIR_ATTR_INTS,
  WEIR_ATTR_FLOATS,
  WEIR_ATTR_TENSOR,
} WeirAttrKind;

typedef struct WeirAttr {
  const char *name;
  WeirAttrKind kind;
  uint32_t n; /* elements of ints or floats; 1 else */
  union {
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    WeirTensor tensor;
  };
} WeirAttr;

/* An operation that a backend applies to the node's result before storing it, in order.
 * UNARY ops (RELU, CLIP, LEAKY_RELU, SIGMOID, SWISH, HARD_SWISH, …) use alpha and beta as their
 * ONNX attributes (Clip: minimum and maximum; HardSigmoid: alpha, beta); ADD takes node->src[src], of
 * the result's shape. */
typedef struct WeirPostOp {
  WeirOp op;
  float alpha, beta;
  uint32_t src; /* index into node->src, WEIR_NONE for unary ones */
} WeirPostOp;

#define WEIR_MAX_POST_OPS 4

typedef struct WeirNode {
  WeirOp op;
  uint32_t opset;   /* the version of the operator set the node was written for */
  const char *name; /* never NULL; for messages */
  uint32_t n_src, n_dst;
  uint32_t *src; /* value ids; WEIR_NONE: optional input not given */
  uint32_t *dst; /* value ids; WEIR_NONE: optional output not wanted */
  uint32_t n_attrs;
  WeirAttr *attrs;
  uint32_t n_post;
  WeirPostOp post[WEIR_MAX_POST_OPS];
} WeirNode;

typedef struct WeirValue {
  const char *name;
  uint32_t producer;   /* node id; WEIR_NONE for inputs and constants */
  uint8_t batch_axis; /* of inputs, where the graph has a batch: which dim it is */
  bool is_constant;    /* `tensor` holds its bytes, plain layout */
  WeirTensor tensor;   /* constants: everything; inputs: declared type and dims, -1 = dynamic */
} WeirValue;

/* Thread-safety: one owner while it is built, immutable afterwards. */
typedef struct WeirGraph {
  WeirArena *arena;
  const char *source; /* the file's base name, for messages */
  GArray *nodes;      /* WeirNode */
  GArray *values;     /* WeirValue */
  GArray *inputs;     /* uint32_t value ids, file order */
  GArray *outputs;    /* uint32_t value ids, file order */
  bool has_batch;     /* dim batch_axis of every input is the batch, given by the caller */
  GPtrArray *files;   /* WeirFile: what constants point into */
  struct WeirKnown *known; /* known.h: whose who runs the passes, and while they run; else NULL */
} WeirGraph;

WeirGraph *weir_graph_new (const char *source);
void weir_graph_free (WeirGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirGraph, weir_graph_free)
/* The same nodes and values, with the same ids, to be rewritten on their own. It shares names,
 * attributes and constants: `graph` must outlive it. */
WeirGraph *weir_graph_copy (const WeirGraph *graph);

static inline WeirNode *
weir_graph_node (const WeirGraph *graph, uint32_t id)
{
  return &g_array_index (graph->nodes, WeirNode, id);
}

static inline WeirValue *
weir_graph_value (const WeirGraph *graph, uint32_t id)
{
  return &g_array_index (graph->values, WeirValue, id);
}

/* All return the new id. Pointers to nodes and values are invalid after an add. `name` is copied. */
uint32_t weir_graph_add_value (WeirGraph *graph, const char *name);
/* `tensor->buffer` must live as long as the graph (its arena, a file of graph->files). */
uint32_t weir_graph_add_constant (WeirGraph *graph, const char *name, const WeirTensor *tensor);
/* Sets the producer of every dst. The id arrays are copied, attrs are taken as they are (arena). */
uint32_t weir_graph_add_node (WeirGraph *graph, const WeirNode *node);

/* Attributes: the default where the node has none of that name or it is of another kind. */
const WeirAttr *weir_node_attr (const WeirNode *node, const char *name);
int64_t weir_node_int (const WeirNode *node, const char *name, int64_t fallback);
float weir_node_float (const WeirNode *node, const char *name, float fallback);
const char *weir_node_string (const WeirNode *node, const char *name, const char *fallback);
/* NULL and *n = 0 where there is none. */
const int64_t *weir_node_ints (const WeirNode *node, const char *name, uint32_t *n);
void weir_graph_set_int (WeirGraph *graph, WeirNode *node, const char *name, int64_t value);

/* Number of readers of a value: node inputs (each counts) plus one for being an output of the graph. */
uint32_t weir_graph_n_uses (const WeirGraph *graph, uint32_t value);
/* Every use of value `from`, as node input or graph output, becomes one of `to`. */
void weir_graph_replace_uses (WeirGraph *graph, uint32_t from, uint32_t to);

/* Orders nodes topologically and checks: ids in range, every value has one producer, numbers of
 * inputs and outputs as in ops.def, no cycle. FORMAT errors name the node. */
bool weir_graph_sort (WeirGraph *graph, GError **error);
/* Drops nodes whose results nobody reads. */
void weir_graph_prune (WeirGraph *graph);
/* Gives back the bytes, where the arena can, of constants that no node reads: neither one of this
 * graph nor one of `sharer`, a copy of it or what it is a copy of, or NULL. They are values that
 * nobody makes then, and keep their ids. */
void weir_graph_forget_constants (WeirGraph *graph, const WeirGraph *sharer);
/* "yolo.onnx: node 'Conv_12' (Conv): " prefixed error. Always returns false. */
bool weir_node_error (const WeirGraph *graph, const WeirNode *node, int code, GError **error,
    const char *format, ...) G_GNUC_PRINTF (5, 6);

G_END_DECLS
