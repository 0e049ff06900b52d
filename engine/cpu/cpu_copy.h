/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies between strided views, changing the element type where asked: the one loop behind every
 * operator that moves elements. */
#pragma once

#include "engine/tensor.h"
#include "kernels/tensor_kernels.h"

G_BEGIN_DECLS

#define WEIR_CPU_COPY_RANK 10

/* Strides and offsets in elements. */
typedef struct WeirCpuCopy {
  WeirDtype src_dtype, dst_dtype;
  uint32_t rank;
  int64_t dims[WEIR_CPU_COPY_RANK];
  int64_t src_strides[WEIR_CPU_COPY_RANK], dst_strides[WEIR_CPU_COPY_RANK];
  int64_t src_offset, dst_offset;
  /* filled by weir_cpu_copy_prepare */
  const WeirTensorKernels *kernels;
  void (*tile) (char *dst, const char *src, const struct WeirCpuCopy *copy, int64_t n_rows);
  int64_t n_units, rows_per_unit, units_per_outer;
} WeirCpuCopy;

/* True where there is a loop for these types. */
bool weir_cpu_copy_can (WeirDtype src, WeirDtype dst);
/* Drops, sorts and merges dims so that the run walks memory in order. */
void weir_cpu_copy_prepare (WeirCpuCopy *copy, const WeirTensorKernels *kernels);
void weir_cpu_copy_run (const WeirCpuCopy *copy, uint32_t n_threads, void *dst, const void *src);

G_END_DECLS
