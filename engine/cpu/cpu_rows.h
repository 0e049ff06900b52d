/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of f32 or bf16 for the tensor kernels, which compute in f32. */
#pragma once

#include "engine/base/half.h"
#include "engine/tensor.h"
#include "kernels/tensor_kernels.h"

#include <string.h>

#define WEIR_CPU_ROW 1024 /* most elements at once */

/* n elements `step` apart from element `at`. Gives them in place where they are f32 and step is 0
 * (one element is enough) or 1, else in `buffer`. */
static inline const float *weir_cpu_row_load (const WeirTensorKernels *kernels, WeirDtype dtype,
    const void *data, int64_t at, int64_t step, size_t n, float *buffer)
{
  const float *f32 = (const float *) data + at;
  const uint16_t *bf16 = (const uint16_t *) data + at;
  if (dtype == WEIR_DTYPE_F32 && (step == 0 || step == 1))
    return f32;
  if (step == 0)
    n = 1;
  if (dtype == WEIR_DTYPE_BF16 && step == 1)
    kernels->f32_from_bf16 (buffer, bf16, n);
  else if (dtype == WEIR_DTYPE_BF16)
    for (size_t i = 0; i < n; i++)
      buffer[i] = weir_bf16_to_f32 (bf16[(int64_t) i * step]);
  else
    for (size_t i = 0; i < n; i++)
      buffer[i] = f32[(int64_t) i * step];
  return buffer;
}

static inline void weir_cpu_row_store (const WeirTensorKernels *kernels, WeirDtype dtype,
    void *data, int64_t at, size_t n, const float *row)
{
  if (dtype == WEIR_DTYPE_BF16)
    kernels->bf16_from_f32 ((uint16_t *) data + at, row, n);
  else
    memcpy ((float *) data + at, row, n * sizeof *row);
}
