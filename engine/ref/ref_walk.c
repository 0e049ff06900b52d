/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operator families share: elements of any type, strides, windows. */
#include "engine/base/half.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

double weir_ref_load (WeirDtype dtype, const void *data, int64_t i)
{
  switch (dtype) {
  case WEIR_DTYPE_F32:
    return (double) ((const float *) data)[i];
  case WEIR_DTYPE_F64:
    return ((const double *) data)[i];
  case WEIR_DTYPE_F16:
    return (double) weir_f16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_BF16:
    return (double) weir_bf16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_U64:
    return (double) ((const uint64_t *) data)[i];
  default:
    return (double) weir_ref_load_int (dtype, data, i);
  }
}

int64_t weir_ref_load_int (WeirDtype dtype, const void *data, int64_t i)
{
  switch (dtype) {
  case WEIR_DTYPE_U8:
  case WEIR_DTYPE_BOOL:
    return ((const uint8_t *) data)[i];
  case WEIR_DTYPE_I8:
    return ((const int8_t *) data)[i];
  case WEIR_DTYPE_U16:
    return ((const uint16_t *) data)[i];
  case WEIR_DTYPE_I16:
    return ((const int16_t *) data)[i];
  case WEIR_DTYPE_U32:
    return ((const uint32_t *) data)[i];
  case WEIR_DTYPE_I32:
    return ((const int32_t *) data)[i];
  case WEIR_DTYPE_U64:
  case WEIR_DTYPE_I64:
    return ((const int64_t *) data)[i];
  default:
    return 0;
  }
}

void weir_ref_store_int (WeirDtype dtype, void *data, int64_t i, int64_t value)
{
  switch (dtype) {
  case WEIR_DTYPE_BOOL:
    ((uint8_t *) data)[i] = value != 0;
    break;
  case WEIR_DTYPE_U8:
  case WEIR_DTYPE_I8:
    ((uint8_t *) data)[i] = (uint8_t) value;
    break;
  case WEIR_DTYPE_U16:
  case WEIR_DTYPE_I16:
    ((uint16_t *) data)[i] = (uint16_t) value;
    break;
  case WEIR_DTYPE_U32:
  case WEIR_DTYPE_I32:
    ((uint32_t *) data)[i] = (uint32_t) value;
    break;
  case WEIR_DTYPE_U64:
  case WEIR_DTYPE_I64:
    ((int64_t *) data)[i] = value;
    break;
  default:
    weir_ref_store (dtype, data, i, (double) value);
    break;
  }
}

static int64_t saturate (double value, double lowest, double highest)
{
  return isnan (value) ? 0 : (int64_t) CLAMP (value, lowest, highest);
}

static void store_saturated (WeirDtype dtype, void *data, int64_t i, double value)
{
  static const double limits[WEIR_N_DTYPES][2] = {
    [WEIR_DTYPE_U8] = { 0, UINT8_MAX },
    [WEIR_DTYPE_I8] = { INT8_MIN, INT8_MAX },
    [WEIR_DTYPE_U16] = { 0, UINT16_MAX },
    [WEIR_DTYPE_I16] = { INT16_MIN, INT16_MAX },
    [WEIR_DTYPE_U32] = { 0, UINT32_MAX },
    [WEIR_DTYPE_I32] = { INT32_MIN, INT32_MAX },
  };
  if (dtype == WEIR_DTYPE_I64) /* 2^63 itself is a double, INT64_MAX is not */
    ((int64_t *) data)[i] = value >= 0x1p63 ? INT64_MAX : saturate (value, -0x1p63, 0x1p63);
  else if (dtype == WEIR_DTYPE_U64)
    ((uint64_t *) data)[i] = value >= 0x1p64 ? UINT64_MAX : value > 0 ? (uint64_t) value : 0;
  else
    weir_ref_store_int (dtype, data, i, saturate (value, limits[dtype][0], limits[dtype][1]));
}

void weir_ref_store (WeirDtype dtype, void *data, int64_t i, double value)
{
  switch (dtype) {
  case WEIR_DTYPE_F32:
    ((float *) data)[i] = (float) value;
    break;
  case WEIR_DTYPE_F64:
    ((double *) data)[i] = value;
    break;
  case WEIR_DTYPE_F16:
    ((uint16_t *) data)[i] = weir_f32_to_f16 ((float) value);
    break;
  case WEIR_DTYPE_BF16:
    ((uint16_t *) data)[i] = weir_f32_to_bf16 ((float) value);
    break;
  case WEIR_DTYPE_BOOL:
    ((uint8_t *) data)[i] = value != 0;
    break;
  default:
    store_saturated (dtype, data, i, value);
    break;
  }
}

/* What quantised weights are made of is converted at every load. False: of another type. */
static bool widen_row (WeirRefRow src, float *dst, int64_t n)
{
  const uint8_t *bytes = (const uint8_t *) src.data + src.offset;
  if (src.dtype == WEIR_DTYPE_U8)
    for (int64_t i = 0; i < n; i++)
      dst[i] = bytes[i];
  else if (src.dtype == WEIR_DTYPE_I8)
    for (int64_t i = 0; i < n; i++)
      dst[i] = (int8_t) bytes[i];
  else
    return false;
  return true;
}

void weir_ref_convert (WeirRefRow src, WeirRefRow dst, int64_t n)
{
  bool is_integer = !weir_dtype_is_floating (src.dtype) && !weir_dtype_is_floating (dst.dtype);
  if (src.dtype == dst.dtype && src.stride == 1 && dst.stride == 1) {
    size_t size = weir_dtype_bytes (src.dtype);
    if (n > 0)
      memcpy ((char *) dst.data + (size_t) dst.offset * size,
          (const char *) src.data + (size_t) src.offset * size, (size_t) n * size);
    return;
  }
  if (dst.dtype == WEIR_DTYPE_F32 && src.stride == 1 && dst.stride == 1 &&
      widen_row (src, (float *) dst.data + dst.offset, n))
    return;
  for (int64_t i = 0; i < n; i++) {
    int64_t from = src.offset + i * src.stride, to = dst.offset + i * dst.stride;
    if (is_integer)
      weir_ref_store_int (dst.dtype, dst.data, to, weir_ref_load_int (src.dtype, src.data, from));
    else
      weir_ref_store (dst.dtype, dst.data, to, weir_ref_load (src.dtype, src.data, from));
  }
}

void weir_ref_strides (const WeirTensor *tensor, int64_t stride[WEIR_MAX_RANK])
{
  int64_t n = 1;
  for (uint32_t i = tensor->rank; i-- > 0;) {
    stride[i] = n;
    n *= tensor->dims[i];
  }
}

void weir_ref_broadcast_strides (
    const WeirTensor *src, const WeirTensor *dst, int64_t stride[WEIR_MAX_RANK])
{
  int64_t own[WEIR_MAX_RANK];
  weir_ref_strides (src, own);
  for (uint32_t i = 0; i < dst->rank; i++) {
    uint32_t missing = dst->rank - src->rank;
    stride[i] = i < missing || src->dims[i - missing] == 1 ? 0 : own[i - missing];
  }
}

/* One row of elements that are `stride` apart; the sizes are spelled out so that each copy is one
 * load and one store. */
static void copy_row (char *dst, const char *src, size_t element_bytes, int64_t n, int64_t stride)
{
  ptrdiff_t step = (ptrdiff_t) stride * (ptrdiff_t) element_bytes;
  if (stride == 1) {
    memcpy (dst, src, (size_t) n * element_bytes);
    return;
  }
  for (int64_t i = 0; i < n; i++, dst += element_bytes, src += step)
    switch (element_bytes) {
    case 1:
      *dst = *src;
      break;
    case 2:
      memcpy (dst, src, 2);
      break;
    case 4:
      memcpy (dst, src, 4);
      break;
    default:
      memcpy (dst, src, 8);
      break;
    }
}

void weir_ref_copy_strided (void *dst, const void *src, size_t element_bytes, uint32_t rank,
    const int64_t *dims, const int64_t *stride)
{
  WeirWalk walk = { .rank = rank ? rank - 1 : 0 };
  int64_t n_row = rank ? dims[rank - 1] : 1, row_stride = rank ? stride[rank - 1] : 1;
  char *to = dst;
  for (uint32_t i = 0; i < rank; i++)
    if (dims[i] == 0)
      return;
  memcpy (walk.dims, dims, walk.rank * sizeof *dims);
  memcpy (walk.stride[0], stride, walk.rank * sizeof *stride);
  do {
    copy_row (to, (const char *) src + walk.offset[0] * (ptrdiff_t) element_bytes, element_bytes,
        n_row, row_stride);
    to += (size_t) n_row * element_bytes;
  } while (weir_walk_next (&walk));
}

void weir_ref_split_axes (
    const WeirTensor *src, const bool is_reduced[WEIR_MAX_RANK], WeirWalk *outer, WeirWalk *inner)
{
  int64_t stride[WEIR_MAX_RANK];
  weir_ref_strides (src, stride);
  memset (outer, 0, sizeof *outer);
  memset (inner, 0, sizeof *inner);
  for (uint32_t i = 0; i < src->rank; i++) {
    WeirWalk *walk = is_reduced[i] ? inner : outer;
    walk->dims[walk->rank] = src->dims[i];
    walk->stride[0][walk->rank++] = stride[i];
  }
}

void weir_ref_grid_init (WeirGrid *grid, const WeirWindow *window, const WeirTensor *src)
{
  uint32_t n_missing = 3 - window->n_spatial;
  grid->n_src = grid->n_dst = grid->n_kernel = 1;
  for (uint32_t i = 0; i < 3; i++) {
    bool is_there = i >= n_missing;
    uint32_t k = is_there ? i - n_missing : 0;
    grid->src[i] = is_there ? src->dims[2 + k] : 1;
    grid->dst[i] = is_there ? window->dst[k] : 1;
    grid->kernel[i] = is_there ? window->kernel[k] : 1;
    grid->stride[i] = is_there ? window->stride[k] : 1;
    grid->dilation[i] = is_there ? window->dilation[k] : 1;
    grid->pad[i] = is_there ? window->pad_begin[k] : 0;
    grid->pad_end[i] = is_there ? window->pad_end[k] : 0;
    grid->n_src *= grid->src[i];
    grid->n_dst *= grid->dst[i];
    grid->n_kernel *= grid->kernel[i];
  }
}
