/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors in files, for applications: over the ONNX reader, with memory of their own. */
#include "engine/tensor_file.h"

#include "engine/base/half.h"
#include "engine/formats/formats.h"

#include <stdlib.h>
#include <string.h>

bool weir_tensor_load_pb (const char *path, WeirTensor *tensor, char **name, GError **error)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  const char *stored_name = NULL;
  WeirTensor loaded;
  size_t n_bytes;
  if (!weir_onnx_load_tensor (path, arena, &stored_name, &loaded, error))
    return false;
  if (!weir_tensor_bytes (&loaded, &n_bytes)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: size overflow", path);
    return false;
  }
  *tensor = loaded;
  tensor->offset_bytes = 0;
  tensor->buffer = g_malloc (MAX (n_bytes, 1));
  memcpy (tensor->buffer, weir_tensor_data (&loaded), n_bytes);
  if (name)
    *name = g_strdup (stored_name ? stored_name : "");
  return true;
}

bool weir_tensor_save_pb (
    const char *path, const char *name, const WeirTensor *tensor, GError **error)
{
  return weir_onnx_save_tensor (path, name, tensor, error);
}

void weir_tensor_clear (WeirTensor *tensor)
{
  g_free (tensor->buffer);
  *tensor = (WeirTensor){ 0 };
}

#define WIDEN(Type, expression)       \
  for (size_t i = 0; i < n; i++) {    \
    Type x = ((const Type *) src)[i]; \
    dst[i] = (double) (expression);   \
  }                                   \
  break

void weir_tensor_to_doubles (const WeirTensor *tensor, size_t n, double *dst)
{
  const void *src = weir_tensor_data (tensor);
  switch (tensor->dtype) {
  case WEIR_DTYPE_F32:
    WIDEN (float, x);
  case WEIR_DTYPE_F64:
    WIDEN (double, x);
  case WEIR_DTYPE_F16:
    WIDEN (uint16_t, weir_f16_to_f32 (x));
  case WEIR_DTYPE_BF16:
    WIDEN (uint16_t, weir_bf16_to_f32 (x));
  case WEIR_DTYPE_U8:
  case WEIR_DTYPE_BOOL:
    WIDEN (uint8_t, x);
  case WEIR_DTYPE_I8:
    WIDEN (int8_t, x);
  case WEIR_DTYPE_U16:
    WIDEN (uint16_t, x);
  case WEIR_DTYPE_I16:
    WIDEN (int16_t, x);
  case WEIR_DTYPE_U32:
    WIDEN (uint32_t, x);
  case WEIR_DTYPE_I32:
    WIDEN (int32_t, x);
  case WEIR_DTYPE_U64:
    WIDEN (uint64_t, x);
  case WEIR_DTYPE_I64:
    WIDEN (int64_t, x);
  default:
    memset (dst, 0, n * sizeof *dst);
  }
}
