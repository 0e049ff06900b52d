/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenCL's error codes as errors of the engine. */
#pragma once

#include "engine/error.h"
#include "engine/ocl/ocl_cl.h"

#include <stdbool.h>

G_BEGIN_DECLS

/* What a code means for the caller. */
typedef enum WeirOclFault {
  WEIR_OCL_FAULT_NONE = 0,
  WEIR_OCL_FAULT_MEMORY, /* the device's or the driver's memory is out: WEIR_ERROR_MEMORY */
  WEIR_OCL_FAULT_LOST,   /* it stopped: nothing runs on this context any more: WEIR_ERROR_DEVICE */
  WEIR_OCL_FAULT_CALL,   /* a call that was wrong or is not supported: WEIR_ERROR_DEVICE */
} WeirOclFault;

WeirOclFault weir_ocl_fault (cl_int code);
/* Of those that mean a loss: once, it may also be a single launch that asked for too much, or a
 * command that failed behind another. */
bool weir_ocl_is_doubtful (cl_int code);
/* "CL_OUT_OF_RESOURCES"; "a code that …" for those that the standard does not know. Static. */
const char *weir_ocl_code_name (cl_int code);

/* True for CL_SUCCESS. Else false and an error with the device (`where`: its label), the call, the
 * code's name and what it means. */
bool weir_ocl_check (cl_int code, const char *where, const char *call, GError **error);

G_END_DECLS
