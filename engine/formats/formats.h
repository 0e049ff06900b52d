/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of model and label files. */
#pragma once

#include "engine/base/proc.h"
#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* Reads an ONNX file, operator sets 1 to 22 (newer ones are tried). The graph is as the file has
 * it, sorted, nothing folded, but
 *
 * - sequences of tensors are resolved: SequenceAt is the tensor that is meant, and so on;
 * - nodes of operator sets below 7 are put into the words of 7;
 * - all floating types are widened (f64: narrowed) to f32, in constants, attributes, declared
 * inputs and targets of Cast: no backend sees f16, bf16 or f64;
 * - constants that the file lists among its inputs are no inputs;
 * - nodes whose results nobody reads are left out; a g_message names unknown operators among them.
 *
 * Constants in external files are mapped; such a file lies in the model's folder or below.
 * `metadata` receives the model's metadata_props (string to string, both newly allocated) when not
 * NULL; make it with g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free).
 * Errors name the file and, where there is one, the node:
 *
 * - NOT_FOUND: missing, unreadable
 * - FORMAT: not ONNX, truncated, tensors whose size does not fit their dims, cycles
 * - UNSUPPORTED: operators that are not in ops.def, all of them in one message */
WeirGraph *weir_onnx_load (const char *path, GHashTable *metadata, GError **error);

/* One TensorProto file (input_0.pb of ONNX's node tests) in its own type: name and tensor live in
 * `arena`. `name` may be NULL. */
bool weir_onnx_load_tensor (
    const char *path, WeirArena *arena, const char **name, WeirTensor *tensor, GError **error);
/* Writes a plain tensor as a TensorProto file. */
bool weir_onnx_save_tensor (
    const char *path, const char *name, const WeirTensor *tensor, GError **error);

/* Reads an OpenVINO IR file of version 10 or 11 (.xml) with its weights, which lie beside it under
 * the same name (.bin) and are mapped. Layers become nodes of ONNX's meaning, or those of
 * "openvino:" in ops.def where ONNX has none. The graph is sorted, nothing folded, but
 *
 * - all floating types are f32, as in weir_onnx_load: conversions between them are no nodes;
 * - layers that lead to no Result are left out; a g_message names unknown types among them.
 *
 * Inputs are the Parameters and outputs what feeds the Results, in the file's order; values are
 * named as the layers. `metadata` (as in weir_onnx_load) receives the entries of rt_info and
 * meta_data: "model_info.NAME" for those of model_info, "rt_info.A.B" and "meta_data.A.B" else.
 * Errors name the file and, where there is one, the layer:
 *
 * - NOT_FOUND: missing, unreadable, the weights too
 * - FORMAT: not IR, truncated, constants past the end of the weights, cycles, wrong attributes
 * - UNSUPPORTED: other versions (3 to 9: the message says how to convert them); layers of types
 * that the engine has not, all of them in one message */
WeirGraph *weir_ir_load (const char *path, GHashTable *metadata, GError **error);

/* Labels: a file with one a line, or "a,b,c" where no such file exists and the text has a comma.
 * The line as it stands without its line end; a UTF-8 mark is dropped, the empty last line too.
 * Errors: NOT_FOUND, FORMAT (not UTF-8, empty, over 1,000,000 lines). NULL-terminated. */
char **weir_labels_load (const char *text, GError **error);
/* The same of a file's bytes, which may hold anything; FORMAT errors begin with `where`. */
char **weir_labels_parse (const char *where, const void *bytes, size_t n_bytes, GError **error);

/* What fills an input that takes no picture: metadata key WEIR_FILL_KEY + its name, or the bare key
 * for every other one; value WEIR_FILL_ONES, or WEIR_FILL_IMAGE_INFO + " " + scale: height, width,
 * then the scale in every further place. */
#define WEIR_FILL_KEY        "weir.fill."
#define WEIR_FILL_ONES       "ones"
#define WEIR_FILL_IMAGE_INFO "image-info"

/* Reads a model-proc file of DL Streamer, schema 2.x (its documentation: "Model-proc File"; at most
 * 10 MB). output_postproc is returned; a layer_names of NULL speaks of all outputs, the converter
 * names of schema 2.0 are given as today's, label files are looked for beside the file first.
 * input_preproc sets or replaces keys of `metadata` (string to string, both newly allocated):
 * weir.picture (name of the input that takes the picture), weir.resize, weir.color-format,
 * weir.mean, weir.scale, weir.pad, WEIR_FILL_KEY…. Members that cannot be honoured (strides of
 * padding, alignment_points) are named by a g_message.
 * Errors: NOT_FOUND, FORMAT, UNSUPPORTED (schema 1.x, YUV, cut-out corners). */
WeirProc *weir_modelproc_load (const char *path, GHashTable *metadata, GError **error);

/* Says in "weir." keys what exporters wrote into the model's metadata in their own way, where the
 * key is not there yet: Ultralytics (names, task, imgsz, stride, kpt_shape; also metadata.yaml
 * beside an .xml), model_info of OpenVINO (keys "model_info.NAME"), Model Optimizer's parameters
 * ("rt_info.conversion_parameters.NAME", "meta_data.cli_parameters.NAME"), ONNX's image metadata,
 * labels and classes of others. Keys: weir.labels (lines), weir.task (detect, segment, classify,
 * pose, obb, semantic), weir.input-size ("HxW", for open dims), weir.strides, weir.keypoints,
 * weir.color-format, weir.resize, weir.mean, weir.scale, weir.pad, weir.method, weir.threshold,
 * weir.iou-threshold. What cannot be understood is passed over. */
void weir_metadata_translate (const char *path, GHashTable *metadata);

G_END_DECLS
