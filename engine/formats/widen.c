/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Widens (f64: narrows) floating types to f32. */
#include "engine/formats/widen.h"

#include "engine/base/half.h"

WeirDtype weir_widened (WeirDtype dtype)
{
  bool widens = dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 || dtype == WEIR_DTYPE_F64;
  return widens ? WEIR_DTYPE_F32 : dtype;
}

static void widen_f16 (float *dst, const uint8_t *src, size_t stride, size_t n)
{
  uint16_t half;
  for (size_t i = 0; i < n; i++) {
    memcpy (&half, src + i * stride, sizeof half);
    dst[i] = weir_f16_to_f32 (half);
  }
}

static void widen_bf16 (float *dst, const uint8_t *src, size_t stride, size_t n)
{
  uint16_t half;
  for (size_t i = 0; i < n; i++) {
    memcpy (&half, src + i * stride, sizeof half);
    dst[i] = weir_bf16_to_f32 (half);
  }
}

static void widen_f64 (float *dst, const uint8_t *src, size_t stride, size_t n)
{
  double value;
  for (size_t i = 0; i < n; i++) {
    memcpy (&value, src + i * stride, sizeof value);
    dst[i] = (float) value;
  }
}

void weir_widen (float *dst, WeirDtype src_dtype, const uint8_t *src, size_t stride, size_t n)
{
  if (src_dtype == WEIR_DTYPE_F16)
    widen_f16 (dst, src, stride, n);
  else if (src_dtype == WEIR_DTYPE_BF16)
    widen_bf16 (dst, src, stride, n);
  else
    widen_f64 (dst, src, stride, n);
}
