/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies between strided views on the device (kernels/ocl/copy.cl): behind every operator that
 * moves elements. */
#pragma once

#include "engine/ocl/ocl_call.h"
#include "engine/tensor.h"

G_BEGIN_DECLS

#define WEIR_OCL_COPY_RANK 10

/* Strides and offsets in elements, modulo 2^32: negative ones go backwards. */
typedef struct WeirOclCopy {
  WeirDtype src_dtype, dst_dtype; /* each F32 or F16; both U8, both I8 */
  uint32_t rank;
  uint32_t sizes[WEIR_OCL_COPY_RANK]; /* none is 0 */
  uint32_t src_strides[WEIR_OCL_COPY_RANK], dst_strides[WEIR_OCL_COPY_RANK];
  uint32_t src_offset, dst_offset;
} WeirOclCopy;

bool weir_ocl_copy_can (WeirDtype src, WeirDtype dst);
/* The kernel with its arguments: src and dst are addresses on the device, which the offsets count
 * from. */
WeirOclCall *weir_ocl_copy_new (
    WeirOclDevice *device, const WeirOclCopy *copy, const void *src, void *dst, GError **error);
/* n elements become `value`. */
WeirOclCall *weir_ocl_fill_new (
    WeirOclDevice *device, void *dst, WeirDtype dtype, uint32_t n, float value, GError **error);
/* Channels of channels-last pixels from one tensor to another. */
typedef struct WeirOclGather {
  WeirDtype dtype;
  const void *table; /* on the device: n pairs of uint32_t, channel of the source and the result */
  uint32_t n, n_pixels, n_src_channels, n_dst_channels;
} WeirOclGather;
WeirOclCall *weir_ocl_gather_new (
    WeirOclDevice *device, const WeirOclGather *gather, const void *src, void *dst, GError **error);

G_END_DECLS
