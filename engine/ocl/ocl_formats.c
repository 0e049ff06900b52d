/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats of the OpenCL backend: layouts as strides, and what can be on the device. */
#include "engine/ocl/ocl.h"

WeirFormat weir_ocl_format_as (const WeirDevice *device, WeirLayout layout)
{
  return (WeirFormat){ device->dtype, layout, true };
}

WeirFormat weir_ocl_format (const WeirDevice *device, uint32_t rank)
{
  return weir_ocl_format_as (device, rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN);
}

WeirFormat weir_ocl_format_plain (const WeirDevice *device)
{
  return weir_ocl_format_as (device, WEIR_LAYOUT_PLAIN);
}

WeirFormat weir_ocl_format_packed (void)
{
  return (WeirFormat){ WEIR_DTYPE_NONE, WEIR_LAYOUT_PLAIN, false };
}

/* Kernels count elements in 32 bits. */
bool weir_ocl_takes (const WeirTensor *tensor)
{
  int64_t n;
  return (tensor->dtype == WEIR_DTYPE_F32 || tensor->dtype == WEIR_DTYPE_F16 ||
             tensor->dtype == WEIR_DTYPE_BF16) &&
         weir_tensor_n_elements (tensor, &n) && n > 0 && n <= INT32_MAX;
}

bool weir_ocl_takes_codes (const WeirTensor *tensor)
{
  int64_t n;
  return weir_int8_is_code (tensor->dtype) && weir_tensor_n_elements (tensor, &n) && n > 0 &&
         n <= INT32_MAX;
}

bool weir_ocl_moves (const WeirTensor *tensor)
{
  return weir_ocl_takes (tensor) || weir_ocl_takes_codes (tensor);
}

WeirFormat weir_ocl_format_moved (
    const WeirDevice *device, const WeirTensor *tensor, WeirLayout layout)
{
  WeirFormat format = weir_ocl_format_as (device, layout);
  if (weir_int8_is_code (tensor->dtype))
    format.dtype = tensor->dtype;
  return format;
}

WeirFormat weir_ocl_format_last (const WeirDevice *device, const WeirTensor *tensor)
{
  return weir_ocl_format_moved (
      device, tensor, tensor->rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN);
}

uint32_t weir_ocl_n_elements (const WeirTensor *tensor)
{
  int64_t n = 0;
  weir_tensor_n_elements (tensor, &n);
  return (uint32_t) n;
}

void weir_ocl_strides (const WeirTensor *tensor, uint32_t strides[WEIR_MAX_RANK])
{
  int64_t wide[WEIR_MAX_RANK];
  weir_tensor_strides (tensor, wide);
  for (uint32_t i = 0; i < tensor->rank; i++)
    strides[i] = (uint32_t) wide[i];
}

const char *weir_ocl_dtype_option (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F16  ? " -DWEIR_F16"
         : dtype == WEIR_DTYPE_U8 ? " -DWEIR_U8"
         : dtype == WEIR_DTYPE_I8 ? " -DWEIR_I8"
                                  : "";
}
