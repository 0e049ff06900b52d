/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small ONNX files for tests, made with the same messages that the loader reads. */
#pragma once

#include <glib.h>

#include "engine/base/arena.h"
#include "engine/formats/onnx.pb-c.h"

/* Everything lives in `arena`; the messages may be changed directly before packing. */
typedef struct OnnxBuilder {
  WeirArena *arena;
  Onnx__ModelProto *model;
  Onnx__GraphProto *graph;
} OnnxBuilder;

OnnxBuilder *onnx_builder_new (int64_t opset);
void onnx_builder_free (OnnxBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OnnxBuilder, onnx_builder_free)

/* Dims as "1,3,n,5": what is no number is a named, dynamic one. NULL: no shape at all. */
void onnx_builder_input (OnnxBuilder *builder, const char *name, int32_t type, const char *dims);
void onnx_builder_output (OnnxBuilder *builder, const char *name);
Onnx__TensorProto *onnx_builder_constant (OnnxBuilder *builder, const char *name, int32_t type,
    const char *dims, const void *raw, size_t n_bytes);
/* Rank 1, i64, "1,-1,4". */
void onnx_builder_ints (OnnxBuilder *builder, const char *name, const char *values);
/* Any rank, f32, filled with 0, 1, 2, …. */
void onnx_builder_ramp (OnnxBuilder *builder, const char *name, const char *dims);
/* Names as "x,,w". Attributes as "axis=1 kernel_shape=3,3 alpha=0.5 mode='nearest'": with a dot a
 * float, with a comma ints, in quotes a string. */
Onnx__NodeProto *onnx_builder_node (
    OnnxBuilder *builder, const char *op, const char *src, const char *dst, const char *attrs);
Onnx__AttributeProto *onnx_builder_attr (
    OnnxBuilder *builder, Onnx__NodeProto *node, const char *name, int type);

void onnx_builder_metadata (OnnxBuilder *builder, const char *key, const char *value);

GBytes *onnx_builder_pack (const OnnxBuilder *builder);
/* A new temporary folder; onnx_builder_remove deletes it with its files. */
char *onnx_builder_folder (void);
void onnx_builder_remove (char *folder);
/* Packs into folder/name; the path, newly allocated. */
char *onnx_builder_write (const OnnxBuilder *builder, const char *folder, const char *name);

/* Conv, Relu, Reshape with a baked batch, Gemm: one of each kind of message. */
OnnxBuilder *onnx_builder_small_net (void);
