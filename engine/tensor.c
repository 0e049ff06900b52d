/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element types by table; sizes only through checked arithmetic. */
#include "engine/tensor.h"

#include "engine/base/checked.h"

static const struct {
  const char *name;
  size_t bytes;
} dtypes[WEIR_N_DTYPES] = {
  [WEIR_DTYPE_NONE] = { "none", 0 },
  [WEIR_DTYPE_F32] = { "f32", 4 },
  [WEIR_DTYPE_F16] = { "f16", 2 },
  [WEIR_DTYPE_BF16] = { "bf16", 2 },
  [WEIR_DTYPE_F64] = { "f64", 8 },
  [WEIR_DTYPE_U8] = { "u8", 1 },
  [WEIR_DTYPE_I8] = { "i8", 1 },
  [WEIR_DTYPE_U16] = { "u16", 2 },
  [WEIR_DTYPE_I16] = { "i16", 2 },
  [WEIR_DTYPE_U32] = { "u32", 4 },
  [WEIR_DTYPE_I32] = { "i32", 4 },
  [WEIR_DTYPE_U64] = { "u64", 8 },
  [WEIR_DTYPE_I64] = { "i64", 8 },
  [WEIR_DTYPE_BOOL] = { "bool", 1 },
};

size_t weir_dtype_bytes (WeirDtype dtype)
{
  return (unsigned) dtype < WEIR_N_DTYPES ? dtypes[dtype].bytes : 0;
}

const char *weir_dtype_name (WeirDtype dtype)
{
  return (unsigned) dtype < WEIR_N_DTYPES ? dtypes[dtype].name : "?";
}

bool weir_tensor_n_elements (const WeirTensor *tensor, int64_t *n_elements)
{
  int64_t n = 1;
  bool is_empty = false;
  for (uint32_t i = 0; i < tensor->rank; i++) {
    if (tensor->dims[i] < 0)
      return false;
    if (tensor->dims[i] == 0)
      is_empty = true;
    else if (!weir_checked_mul_i64 (n, tensor->dims[i], &n))
      return false;
  }
  *n_elements = is_empty ? 0 : n;
  return true;
}

bool weir_tensor_bytes (const WeirTensor *tensor, size_t *n_bytes)
{
  int64_t n_elements;
  size_t size = weir_dtype_bytes (tensor->dtype);
  return size && weir_tensor_n_elements (tensor, &n_elements) &&
         (uint64_t) n_elements <= SIZE_MAX && weir_checked_mul ((size_t) n_elements, size, n_bytes);
}

char *weir_tensor_describe (const WeirTensor *tensor)
{
  GString *text = g_string_new (weir_dtype_name (tensor->dtype));
  g_string_append_c (text, '[');
  for (uint32_t i = 0; i < tensor->rank && i < WEIR_MAX_RANK; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "," : "", tensor->dims[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

bool weir_tensor_same_shape (const WeirTensor *a, const WeirTensor *b)
{
  if (a->rank != b->rank)
    return false;
  for (uint32_t i = 0; i < a->rank; i++)
    if (a->dims[i] != b->dims[i])
      return false;
  return true;
}
