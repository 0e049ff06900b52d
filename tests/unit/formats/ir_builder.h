/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small OpenVINO IR files for tests: XML and weights, as text from short words. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Layers get the numbers 0, 1, 2, … in the order of their making; each call returns it. */
typedef struct IrBuilder {
  GString *layers, *edges;
  GByteArray *bin;
  GArray *ports;    /* guint: of each layer, the first number of its outputs */
  const char *root; /* attributes of <net>; "version=\"11\"" where it is NULL */
  const char *tail; /* more elements before </net>; NULL: none */
} IrBuilder;

IrBuilder *ir_builder_new (void);
void ir_builder_free (IrBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IrBuilder, ir_builder_free)

/* Dims as "1,3,?,5"; types as "f32". */
guint ir_builder_parameter (IrBuilder *b, const char *name, const char *type, const char *dims);
/* The bytes are appended to the weights, aligned to `alignment`. */
guint ir_builder_constant (IrBuilder *b, const char *name, const char *type, const char *dims,
    const void *bytes, size_t n_bytes, guint alignment);
guint ir_builder_ints (IrBuilder *b, const char *values); /* i64, "1,-1,4" */
guint ir_builder_floats (
    IrBuilder *b, const char *dims, const char *values); /* f32; the last one repeats */
/* A layer "NAME" of type "Type" or "Type-8" for opset8. `data` are attributes: "axis='1'". `src`
 * names layers, "3,0,5.1" for output 1 of the last; `outputs` is their types and dims:
 * "f32:1,3,4,4 i64:2". */
guint ir_builder_layer (IrBuilder *b, const char *type, const char *name, const char *data,
    const char *src, const char *outputs);
guint ir_builder_result (IrBuilder *b, const char *src);

/* The XML; newly allocated. */
char *ir_builder_xml (const IrBuilder *builder);
/* Writes folder/net.xml and folder/net.bin; the former's path, newly allocated. */
char *ir_builder_write (const IrBuilder *builder, const char *folder);

/* "f32[2,3]=1,2,3,4,5,6"; without values they are ((7 i + 3) mod 11 - 5) / 4. */
typedef struct IrTensor {
  char type[16], dims[64];
  double *values; /* the caller's, g_free */
  size_t n;
} IrTensor;

/* False where it is none, or one of more than 65536 elements. */
bool ir_builder_parse (const char *word, IrTensor *tensor);
/* One layer between constants and Results: "Type-OPSET; attributes; inputs; results", inputs and
 * results being tensors as above with spaces between; "-" is an input that is not connected. With
 * `opens` inputs of f32 are Parameters of open dimensions, named as they stand in the line. NULL
 * where the line is not of this form. */
IrBuilder *ir_builder_line (const char *line, bool opens);
/* Adds the layer of another line to the same net. */
bool ir_builder_add_line (IrBuilder *b, const char *line, bool opens);

/* Convolution, PReLU, Reshape with a baked batch, MatMul; f16 weights. */
IrBuilder *ir_builder_small_net (void);
