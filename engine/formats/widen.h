/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loaders give every floating type to the engine as f32. */
#pragma once

#include "engine/tensor.h"

/* f32 for f16, bf16 and f64; the type itself else. */
WeirDtype weir_widened (WeirDtype dtype);
/* n elements of f16, bf16 or f64, `stride` bytes apart and at any address, as f32. */
void weir_widen (float *dst, WeirDtype src_dtype, const uint8_t *src, size_t stride, size_t n);
