/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the seam to oneDNN share; they alone include its header.
 *
 * 2.x describes an operation in a struct and makes a primitive descriptor from it; its memory
 * descriptors are structs. 3.x makes primitive descriptors directly; its memory descriptors are
 * handles. Both are pointers here (WeirDnnlDesc), so that only their life, attributes and the
 * making of primitive descriptors differ: the blocks under DNNL_VERSION_MAJOR. */
#pragma once

#include "engine/cpu/dnnl.h"

#include "engine/error.h"

#include <dnnl.h>

G_BEGIN_DECLS

#define WEIR_DNNL_MAX_ARGS (7 + WEIR_DNNL_MAX_POST)

_Static_assert(WEIR_DNNL_MAX_RANK == DNNL_MAX_NDIMS, "shapes are passed on as they are");

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t WeirDnnlDesc;
typedef const_dnnl_memory_desc_t WeirDnnlConstDesc;
#else
typedef dnnl_memory_desc_t *WeirDnnlDesc;
typedef const dnnl_memory_desc_t *WeirDnnlConstDesc;
#endif

struct WeirDnnl {
  dnnl_engine_t engine;
};

struct WeirDnnlLayout {
  WeirDnnlDesc desc;
};

/* A value that a primitive reads or writes: oneDNN's argument number, and where its address is. */
typedef struct WeirDnnlArg {
  int number;
  size_t offset; /* of the address in WeirDnnlArgs */
} WeirDnnlArg;

struct WeirDnnlPrimitive {
  dnnl_engine_t engine;
  WeirDnnlKind kind;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  uint32_t n_args;
  WeirDnnlArg args[WEIR_DNNL_MAX_ARGS];
  WeirDnnlDesc descs[WEIR_DNNL_MAX_ARGS];
};

/* dnnl.c */
bool weir_dnnl_check (dnnl_status_t status, const char *what, GError **error);
/* The primitive takes an argument; `desc` is copied. */
void weir_dnnl_add_arg (
    WeirDnnlPrimitive *primitive, int number, size_t offset, WeirDnnlConstDesc desc);

/* dnnl_memory.c. `is_any`: strides are oneDNN's choice. NULL where oneDNN takes no such shape. */
WeirDnnlDesc weir_dnnl_desc_new (const WeirDnnlShape *shape, bool is_any);
WeirDnnlDesc weir_dnnl_desc_copy (WeirDnnlConstDesc desc);
void weir_dnnl_desc_free (WeirDnnlDesc desc);
/* Takes `desc`. */
WeirDnnlLayout *weir_dnnl_layout_new (WeirDnnlDesc desc);

/* dnnl_attributes.c: the attributes of a primitive to be, with the arguments that they need. */
bool weir_dnnl_attributes_new (WeirDnnlPrimitive *primitive, const WeirDnnlSpec *spec,
    dnnl_primitive_attr_t *attr, GError **error);

G_END_DECLS
