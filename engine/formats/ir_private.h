/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the OpenVINO IR reader share: the document as it stands in the file, and the
 * jobs that turn its layers into nodes. */
#pragma once

#include "engine/error.h"
#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* --- ir_xml.c: the document ------------------------------------------------------------------ */

/* One attribute of a layer's <data>. */
typedef struct WeirIrText {
  const char *name, *value;
} WeirIrText;

typedef struct WeirIrPort {
  int64_t id;
  const char *precision, *names; /* outputs; NULL: not said */
  uint32_t rank;                 /* dims beyond WEIR_MAX_RANK are counted, not kept */
  int64_t dims[WEIR_MAX_RANK];   /* -1: dynamic */
  uint32_t src_layer, src_port;  /* inputs: whose output; WEIR_NONE: not connected */
  uint32_t value;                /* outputs: in the graph; WEIR_NONE until it is made */
  bool is_read;                  /* outputs: an edge begins here */
} WeirIrPort;

typedef struct WeirIrLayer {
  int64_t id;
  const char *name, *type;
  const char *version; /* "opset8" */
  uint32_t opset;      /* 8; 0 where the version is of another form */
  uint32_t first_text, n_texts;
  uint32_t first_src, n_src; /* in ports */
  uint32_t first_dst, n_dst;
} WeirIrLayer;

typedef struct WeirIrEdge {
  int64_t from_layer, from_port, to_layer, to_port;
} WeirIrEdge;

/* Thread-safety: one thread. Strings live in `strings`. */
typedef struct WeirIrDocument {
  GStringChunk *strings;
  GArray *layers; /* WeirIrLayer, file order */
  GArray *ports;  /* WeirIrPort */
  GArray *texts;  /* WeirIrText */
  GArray *edges;  /* WeirIrEdge */
} WeirIrDocument;

/* Reads the XML and connects the edges. Nested bodies (TensorIterator, If …) and everything else
 * that is not named here is skipped. `metadata` as in weir_ir_load, may be NULL. Errors as there.
 */
WeirIrDocument *weir_ir_read (
    const char *path, const char *xml, size_t n_bytes, GHashTable *metadata, GError **error);
void weir_ir_document_free (WeirIrDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirIrDocument, weir_ir_document_free)

static inline WeirIrLayer *weir_ir_layer (const WeirIrDocument *document, uint32_t i)
{
  return &g_array_index (document->layers, WeirIrLayer, i);
}

static inline WeirIrPort *weir_ir_port (const WeirIrDocument *document, uint32_t i)
{
  return &g_array_index (document->ports, WeirIrPort, i);
}

/* ir_edges.c: src_layer, src_port and is_read of every port. */
bool weir_ir_connect (const char *path, WeirIrDocument *document, GError **error);

/* --- ir_text.c: attributes ------------------------------------------------------------------- */

/* "1,2, 3"; at most `max` of them; "" gives none. A boolean counts as a number. */
bool weir_ir_parse_ints (const char *text, int64_t *values, uint32_t max, uint32_t *n);
bool weir_ir_parse_floats (const char *text, float *values, uint32_t max, uint32_t *n);
/* "true", "False", "1". */
bool weir_ir_parse_bool (const char *text, bool *value);
/* A dim of a Parameter or a port: -1 for "?", "-1" and ranges ("1..4", "2..") of more than one. */
bool weir_ir_parse_dim (const char *text, int64_t *dim);
/* "f32" or "FP32"; WEIR_DTYPE_NONE for those that the engine has not. */
WeirDtype weir_ir_dtype (const char *text);
/* The same with f32 for every floating type. */
WeirDtype weir_ir_widened_dtype (const char *text);

/* --- ir.c: the loader ------------------------------------------------------------------------ */

/* What is known of a value before shapes are inferred: its type, f32 for every floating one, and
 * its dims, -1 where they are open. */
typedef struct WeirIrInfo {
  WeirDtype dtype; /* NONE: not known */
  bool has_rank;
  uint32_t rank;
  int64_t dims[WEIR_MAX_RANK];
} WeirIrInfo;

/* The weights: the bytes of the .bin. */
typedef struct WeirIrBin {
  const char *path;
  const char *why; /* it could not be read; NULL: it is there */
  const uint8_t *bytes;
  size_t n_bytes;
} WeirIrBin;

typedef struct WeirIrLoader {
  const char *path;
  WeirIrDocument *document;
  const WeirIrBin *bin;
  WeirGraph *graph;
  GArray *infos; /* WeirIrInfo, by value id */
} WeirIrLoader;

/* weir_ir_load on bytes in memory; `path` is for messages. bin->bytes must outlive the graph. */
WeirGraph *weir_ir_parse (const char *path, const char *xml, size_t n_bytes, const WeirIrBin *bin,
    GHashTable *metadata, GError **error);

/* --- ir_operators.c: the table --------------------------------------------------------------- */

typedef struct WeirIrJob WeirIrJob;
typedef bool (*WeirIrConvertFn) (WeirIrJob *job);

/* A layer type in some versions. Without `convert` it becomes one node of the same inputs and
 * outputs; `attrs` names those of <data> that it takes: "name:kind", "name>new:kind" and
 * "name:kind=default", separated by spaces, kinds i (number or boolean), f, s, I and F (lists). */
typedef struct WeirIrOperator {
  const char *type;
  uint32_t since, until; /* opsets; until 0: all later ones */
  WeirOp op;
  uint32_t opset; /* the ONNX version of its meaning; 0: that of the layer */
  const char *attrs;
  WeirIrConvertFn convert;
} WeirIrOperator;

/* NULL where there is none. The case of the type does not matter. */
const WeirIrOperator *weir_ir_operator (const WeirIrLayer *layer);
/* Adds the nodes of the job's layer. */
bool weir_ir_convert (WeirIrJob *job);
/* Adds the one node of the row, with its attributes and other sources. */
bool weir_ir_emit_row (WeirIrJob *job, const uint32_t *src, uint32_t n_src);

/* --- ir_build.c: one layer's job ------------------------------------------------------------- */

struct WeirIrJob {
  WeirIrLoader *loader;
  const WeirIrLayer *layer;
  const WeirIrOperator *row;
  uint32_t n_src;
  uint32_t *src; /* value ids; WEIR_NONE: not connected */
  GError **error;
};

/* "net.xml: layer 'conv' (Convolution): …". Always false. */
bool weir_ir_fail (WeirIrJob *job, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);
#define ir_refuse(job, ...)    weir_ir_fail ((job), WEIR_ERROR_UNSUPPORTED, __VA_ARGS__)
#define ir_malformed(job, ...) weir_ir_fail ((job), WEIR_ERROR_FORMAT, __VA_ARGS__)

/* Attributes of the layer. Absent: the fallback, or *n = 0. False and an error where the text is
 * not of the kind. */
const char *weir_ir_string (const WeirIrJob *job, const char *name, const char *fallback);
bool weir_ir_int (WeirIrJob *job, const char *name, int64_t fallback, int64_t *value);
bool weir_ir_bool (WeirIrJob *job, const char *name, bool fallback, bool *value);
bool weir_ir_float (WeirIrJob *job, const char *name, float fallback, float *value);
bool weir_ir_ints (WeirIrJob *job, const char *name, int64_t values[WEIR_MAX_RANK], uint32_t *n);
/* Whether a choice is `value`, `fallback` where it is absent; the case does not matter. */
bool weir_ir_is (const WeirIrJob *job, const char *name, const char *fallback, const char *value);

/* Source i: WEIR_NONE where it is not given. */
static inline uint32_t weir_ir_src (const WeirIrJob *job, uint32_t i)
{
  return i < job->n_src ? job->src[i] : WEIR_NONE;
}
/* Error unless sources 0..n-1 are given. */
bool weir_ir_need (WeirIrJob *job, uint32_t n);
WeirIrInfo weir_ir_info (const WeirIrJob *job, uint32_t value);
/* The same of output port i, as the file says. */
WeirIrInfo weir_ir_dst_info (const WeirIrJob *job, uint32_t i);
/* Rank of source i; an error where the file does not tell it. */
bool weir_ir_rank (WeirIrJob *job, uint32_t i, uint32_t *rank);
/* All dims of source i from `first` on; false, without an error, where one is open. */
bool weir_ir_static_dims (const WeirIrJob *job, uint32_t i, uint32_t first, WeirIrInfo *info);
/* Elements of source i where it is a constant of whole numbers, at most WEIR_MAX_RANK of them. */
bool weir_ir_known_ints (
    const WeirIrJob *job, uint32_t i, int64_t values[WEIR_MAX_RANK], uint32_t *n);
bool weir_ir_known_float (const WeirIrJob *job, uint32_t i, float *value);
/* The same, with an error; *n = 0 where the source is not given. */
bool weir_ir_need_ints (WeirIrJob *job, uint32_t i, int64_t values[WEIR_MAX_RANK], uint32_t *n);
/* `value` as one of 0..rank-1; an error where it is none. */
bool weir_ir_check_axis (WeirIrJob *job, int64_t value, uint32_t rank, uint32_t *axis);
/* The same for the number in source i, or the fallback. */
bool weir_ir_axis (WeirIrJob *job, uint32_t i, int64_t fallback, uint32_t rank, uint32_t *axis);

/* Gives a value of weir_ir_dst its tensor: a constant, or an input's type and dims. */
void weir_ir_set_value (WeirIrJob *job, uint32_t value, const WeirTensor *tensor, bool is_constant);
/* New constants. The tensor's buffer must live as long as the graph. */
uint32_t weir_ir_add_constant (WeirIrJob *job, const WeirTensor *tensor);
uint32_t weir_ir_add_ints (WeirIrJob *job, const int64_t *values, uint32_t n); /* i64[n] */
uint32_t weir_ir_add_float (WeirIrJob *job, float value);                      /* f32[] */
/* Whole numbers of the type, as a list or, where rank is 0, one number. */
uint32_t weir_ir_add_list (
    WeirIrJob *job, WeirDtype dtype, const int64_t *values, uint32_t n, uint32_t rank);
/* One element [] of the type. */
uint32_t weir_ir_add_scalar (WeirIrJob *job, WeirDtype dtype, double value);

/* TensorProto.DataType of ONNX, as Cast takes it. */
int64_t weir_ir_onnx_type (WeirDtype dtype);
/* Attributes, values copied. */
static inline WeirAttr weir_ir_attr_int (const char *name, int64_t value)
{
  return (WeirAttr){ .name = name, .kind = WEIR_ATTR_INT, .n = 1, .i = value };
}
static inline WeirAttr weir_ir_attr_float (const char *name, float value)
{
  return (WeirAttr){ .name = name, .kind = WEIR_ATTR_FLOAT, .n = 1, .f = value };
}
/* `text` is a constant of the program. */
static inline WeirAttr weir_ir_attr_text (const char *name, const char *text)
{
  return (WeirAttr){ .name = name, .kind = WEIR_ATTR_STRING, .n = 1, .s = text };
}
WeirAttr weir_ir_attr_ints (WeirIrJob *job, const char *name, const int64_t *values, uint32_t n);

/* The value of output port i, made at the first call; WEIR_NONE where nobody reads it, unless it
 * is output 0. */
uint32_t weir_ir_dst (WeirIrJob *job, uint32_t i);
/* Output port i is that value, under another name. */
void weir_ir_alias (WeirIrJob *job, uint32_t i, uint32_t value);
/* A helper's result becomes output port i: it takes that name and type. */
void weir_ir_rename (WeirIrJob *job, uint32_t i, uint32_t value);
/* What a value that a helper makes will be. */
void weir_ir_set_info (WeirIrJob *job, uint32_t value, const WeirIrInfo *info);
/* The name of the value of port i of a layer; newly allocated. */
char *weir_ir_port_name (const WeirIrDocument *document, const WeirIrLayer *layer, uint32_t i);
/* A node that writes output port 0; an error where there is none. */
bool weir_ir_emit (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src, uint32_t n_src,
    const WeirAttr *attrs, uint32_t n_attrs);
/* A node that writes the outputs given. */
void weir_ir_emit_to (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src,
    uint32_t n_src, const uint32_t *dst, uint32_t n_dst, const WeirAttr *attrs, uint32_t n_attrs);
/* A helper node; its result. */
uint32_t weir_ir_apply (WeirIrJob *job, WeirOp op, uint32_t opset, const uint32_t *src,
    uint32_t n_src, const WeirAttr *attrs, uint32_t n_attrs);
uint32_t weir_ir_unary (WeirIrJob *job, WeirOp op, uint32_t src);
uint32_t weir_ir_binary (WeirIrJob *job, WeirOp op, uint32_t a, uint32_t b);
uint32_t weir_ir_cast (WeirIrJob *job, uint32_t src, WeirDtype dtype);
uint32_t weir_ir_transpose (WeirIrJob *job, uint32_t src, const int64_t *perm, uint32_t rank);
uint32_t weir_ir_reshape (WeirIrJob *job, uint32_t src, const int64_t *dims, uint32_t rank);
uint32_t weir_ir_unsqueeze (WeirIrJob *job, uint32_t src, const int64_t *axes, uint32_t n);
/* The permutation that takes the axis at `from` to `to`; those between move by one. */
void weir_ir_move_axis (int64_t *perm, uint32_t rank, uint32_t from, uint32_t to);
/* The value as i64 or i32, as lists of numbers must be. */
uint32_t weir_ir_as_ints (WeirIrJob *job, uint32_t value);

/* --- converters, by family ------------------------------------------------------------------- */
#define IR_CONVERTERS(X)                                                                          \
  X (convolution)                                                                                 \
  X (group_convolution)                                                                           \
  X (backprop)                                                                                    \
  X (group_backprop)                                                                              \
  X (max_pool)                                                                                    \
  X (avg_pool)                                                                                    \
  X (adaptive_pool) X (mat_mul) X (binary) X (divide) X (floor_mod) X (mod) X (not_equal)         \
      X (squared_difference) X (clamp) X (hard_sigmoid) X (h_sigmoid) X (swish) X (gelu) X (selu) \
          X (prelu) X (round) X (select) X (convert) X (convert_like) X (is_finite)               \
              X (logical_reduce) X (reduce) X (batch_norm) X (lrn) X (shape_of) X (reshape)       \
                  X (squeeze) X (unsqueeze) X (transpose) X (split) X (variadic_split) X (tile)   \
                      X (strided_slice) X (slice) X (broadcast) X (pad) X (reverse)               \
                          X (shuffle_channels) X (depth_to_space) X (space_to_depth)              \
                              X (batch_to_space) X (space_to_batch) X (gather) X (gather_nd)      \
                                  X (gather_elements) X (scatter_update) X (scatter_elements)     \
                                      X (scatter_nd) X (one_hot) X (top_k) X (range) X (non_zero) \
                                          X (cum_sum) X (reverse_sequence) X (interpolate)        \
                                              X (ctc_seq_len)
#define X(name) bool weir_ir_convert_##name (WeirIrJob *job);
IR_CONVERTERS (X)
#undef X

G_END_DECLS
