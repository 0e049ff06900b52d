/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors in ONNX TensorProto files (input_0.pb, output_0.pb), and their values one by one. */
#pragma once

#include "export.h"

#include "error.h"
#include "tensor.h"

WEIR_BEGIN_PUBLIC

/* Reads one file. The tensor is plain and owns its memory: free it with weir_tensor_clear. `name`
 * (may be NULL) receives the tensor's name, newly allocated, "" where the file has none. */
bool weir_tensor_load_pb (const char *path, WeirTensor *tensor, char **name, GError **error);
/* Writes a plain tensor under `name`. */
bool weir_tensor_save_pb (
    const char *path, const char *name, const WeirTensor *tensor, GError **error);
/* Frees the memory of a tensor that weir_tensor_load_pb filled and empties it. Nothing on an empty
 * one. */
void weir_tensor_clear (WeirTensor *tensor);

/* The first n elements of a plain tensor of any type, widened. */
void weir_tensor_to_doubles (const WeirTensor *tensor, size_t n, double *dst);

WEIR_END_PUBLIC
