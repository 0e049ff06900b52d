/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codes on the device: how numbers become codes, and convolutions and matrix products of them,
 * below the steps of a plan. */
#pragma once

#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_window.h"

G_BEGIN_DECLS

/* As in codes.cl. */
typedef struct WeirOclCodes {
  cl_float scale, inverse, low, high;
  cl_int zero;
} WeirOclCodes;

/* As in int8_result.cl. */
typedef struct WeirOclRest {
  WeirOclCodes codes;
  cl_float added_scale, added_zero;
  cl_int n;
} WeirOclRest;

/* False where the scale is so small that kernels do not divide by it. */
bool weir_ocl_codes_init (WeirOclCodes *codes, const WeirInt8Scale *scale, WeirDtype dtype);
/* What kernels read codes of that type as: "uchar" or "char". */
const char *weir_ocl_code_type (WeirDtype dtype);
/* Codes of the type as i8: what is added to them. 0 or -128. */
int32_t weir_ocl_code_offset (WeirDtype dtype);

/* For kernels whose work items take elements that are as far apart as there are items. */
WeirOclGrid weir_ocl_codes_grid (WeirDevice *device, uint32_t n);

/* A convolution of codes; products of matrices have windows of one pixel. */
typedef struct WeirOclInt8 {
  WeirOclWindow window; /* without posts; its dtype means nothing */
  WeirDtype src_dtype, dst_dtype;
  int32_t zero; /* the source's, as i8: what stands outside of the picture */
  WeirOclRest rest;
  cl_float8 parameters;
  uint32_t added_bytes; /* of an element */
  char options[320];    /* of int8_result.cl */
} WeirOclInt8;

/* On the device. */
typedef struct WeirOclInt8Places {
  const void *src, *dst, *added; /* added: NULL: nothing is */
  const void *weights, *numbers; /* packed by the way; as int8_result.cl has them */
} WeirOclInt8Places;

/* What is packed: the window, and weights as i8, those of a channel in ONNX's order. */
typedef struct WeirOclInt8Weights {
  const WeirOclWindow *window;
  const int8_t *codes;
} WeirOclInt8Weights;

/* A way to compute some of them. */
typedef struct WeirOclInt8Way {
  const char *name;
  size_t (*n_bytes) (const WeirOclWindow *window);     /* of packed weights; 0: too many */
  void (*pack) (uint8_t *packed, const void *weights); /* WeirOclInt8Weights */
  WeirOclCall *(*call_new) (WeirOclDevice *device, const WeirOclInt8 *node,
      const WeirOclInt8Places *places, GError **error);
} WeirOclInt8Way;

extern const WeirOclInt8Way weir_ocl_int8_way_product;   /* ocl_int8_product.c: any */
extern const WeirOclInt8Way weir_ocl_int8_way_depthwise; /* ocl_int8_depthwise.c */

/* A tile of int8_product.cl; sizes as of WeirOclTile, the step in words of four codes. */
typedef struct WeirOclInt8Tile {
  uint32_t m, n, item_m, item_n, step;
  uint32_t speed; /* where it fills the device, relative to the others */
} WeirOclInt8Tile;
/* All of them, for tests. */
const WeirOclInt8Tile *weir_ocl_int8_tiles (bool is_cpu, uint32_t *n);
/* Options of dot.cl: how products of four are added up on such a device; "": in plain C. Static. */
const char *weir_ocl_dot_options (const WeirOclFacts *facts);
/* The product with a given tile. */
WeirOclCall *weir_ocl_int8_product_new (WeirOclDevice *device, const WeirOclInt8 *node,
    const WeirOclInt8Tile *tile, const WeirOclInt8Places *places, GError **error);

G_END_DECLS
