/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Widens (f64: narrows) floating types to f32. */
#include "engine/formats/widen.h"

#include "engine/base/half.h"

static float read_f16 (const uint8_t *bytes)
{
  uint16_t half;
  memcpy (&half, bytes, sizeof half);
  return weir_f16_to_f32 (half);
}

static float read_bf16 (const uint8_t *bytes)
{
  uint16_t half;
  memcpy (&half, bytes, sizeof half);
  return weir_bf16_to_f32 (half);
}

static float read_f64 (const uint8_t *bytes)
{
  double value;
  memcpy (&value, bytes, sizeof value);
  return (float) value;
}

static float (*const wideners[WEIR_N_DTYPES]) (const uint8_t *) = {
  [WEIR_DTYPE_F16] = read_f16,
  [WEIR_DTYPE_BF16] = read_bf16,
  [WEIR_DTYPE_F64] = read_f64,
};

WeirDtype weir_widened (WeirDtype dtype)
{
  return wideners[dtype] ? WEIR_DTYPE_F32 : dtype;
}

void weir_widen (float *dst, WeirDtype src_dtype, const uint8_t *src, size_t stride, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dst[i] = wideners[src_dtype](src + i * stride);
}
