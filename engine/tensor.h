/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirTensor: a typed, shaped view of memory that somebody else owns. */
#pragma once

#include "export.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

WEIR_BEGIN_PUBLIC

typedef enum WeirDtype {
  WEIR_DTYPE_NONE = 0, /* absent: an optional input that is not given */
  WEIR_DTYPE_F32,
  WEIR_DTYPE_F16,
  WEIR_DTYPE_BF16,
  WEIR_DTYPE_F64,
  WEIR_DTYPE_U8,
  WEIR_DTYPE_I8,
  WEIR_DTYPE_U16,
  WEIR_DTYPE_I16,
  WEIR_DTYPE_U32,
  WEIR_DTYPE_I32,
  WEIR_DTYPE_U64,
  WEIR_DTYPE_I64,
  WEIR_DTYPE_BOOL, /* one byte, 0 or 1 */
  WEIR_N_DTYPES
} WeirDtype;

/* How the elements of a tensor lie in memory. `dims` is always the logical order of the model
 * (N, C, H, W); only the memory order differs. */
typedef enum WeirLayout {
  WEIR_LAYOUT_PLAIN = 0,     /* row-major in the order of dims */
  WEIR_LAYOUT_CHANNELS_LAST, /* dim 1 varies fastest: N, H, W, C; only for rank >= 3 */
} WeirLayout;

#define WEIR_MAX_RANK 8

/* Thread-safety: a value. Owns nothing. */
typedef struct WeirTensor {
  WeirDtype dtype;
  WeirLayout layout;
  uint32_t rank;
  int64_t dims[WEIR_MAX_RANK];
  void *buffer;        /* host memory, or a backend's handle; NULL: no memory attached */
  size_t offset_bytes; /* of the first element in `buffer` */
} WeirTensor;

/* Size of one element; 0 for WEIR_DTYPE_NONE and unknown values. */
size_t weir_dtype_bytes (WeirDtype dtype);
/* "f32", "bf16", …; "?" for unknown values. */
const char *weir_dtype_name (WeirDtype dtype);

/* Number of elements; false where a dim is negative or the product exceeds INT64_MAX. */
bool weir_tensor_n_elements (const WeirTensor *tensor, int64_t *n_elements);
/* Number of bytes; false as above, on size_t overflow and for unknown dtypes. */
bool weir_tensor_bytes (const WeirTensor *tensor, size_t *n_bytes);
/* "f32[1,3,240,320]": newly allocated. */
char *weir_tensor_describe (const WeirTensor *tensor);
bool weir_tensor_same_shape (const WeirTensor *a, const WeirTensor *b);

/* Host address of the first element. */
static inline void *
weir_tensor_data (const WeirTensor *tensor)
{
  return tensor->buffer ? (char *) tensor->buffer + tensor->offset_bytes : NULL;
}

WEIR_END_PUBLIC
