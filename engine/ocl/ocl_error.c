/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codes of OpenCL 1.2 and of the ICD loader, by name. */
#include "engine/ocl/ocl_error.h"

typedef struct Code {
  cl_int code;
  const char *name;
  WeirOclFault fault;
} Code;

#define CODE(name, fault)               \
  {                                     \
    name, #name, WEIR_OCL_FAULT_##fault \
  }
#define PLATFORM_NOT_FOUND_KHR (-1001) /* of cl_khr_icd */

/* Drivers tell of a kernel that trapped with CL_OUT_OF_RESOURCES, and from then on with
 * CL_INVALID_COMMAND_QUEUE or CL_INVALID_CONTEXT, which are made by nobody else here. */
static const Code codes[] = {
  CODE (CL_SUCCESS, NONE),
  CODE (CL_DEVICE_NOT_FOUND, CALL),
  CODE (CL_DEVICE_NOT_AVAILABLE, LOST),
  CODE (CL_COMPILER_NOT_AVAILABLE, CALL),
  CODE (CL_MEM_OBJECT_ALLOCATION_FAILURE, MEMORY),
  CODE (CL_OUT_OF_RESOURCES, LOST),
  CODE (CL_OUT_OF_HOST_MEMORY, MEMORY),
  CODE (CL_PROFILING_INFO_NOT_AVAILABLE, CALL),
  CODE (CL_MEM_COPY_OVERLAP, CALL),
  CODE (CL_IMAGE_FORMAT_MISMATCH, CALL),
  CODE (CL_IMAGE_FORMAT_NOT_SUPPORTED, CALL),
  CODE (CL_BUILD_PROGRAM_FAILURE, CALL),
  CODE (CL_MAP_FAILURE, MEMORY),
  CODE (CL_MISALIGNED_SUB_BUFFER_OFFSET, CALL),
  CODE (CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, LOST),
  CODE (CL_COMPILE_PROGRAM_FAILURE, CALL),
  CODE (CL_LINKER_NOT_AVAILABLE, CALL),
  CODE (CL_LINK_PROGRAM_FAILURE, CALL),
  CODE (CL_DEVICE_PARTITION_FAILED, CALL),
  CODE (CL_KERNEL_ARG_INFO_NOT_AVAILABLE, CALL),
  CODE (CL_INVALID_VALUE, CALL),
  CODE (CL_INVALID_DEVICE_TYPE, CALL),
  CODE (CL_INVALID_PLATFORM, CALL),
  CODE (CL_INVALID_DEVICE, CALL),
  CODE (CL_INVALID_CONTEXT, LOST),
  CODE (CL_INVALID_QUEUE_PROPERTIES, CALL),
  CODE (CL_INVALID_COMMAND_QUEUE, LOST),
  CODE (CL_INVALID_HOST_PTR, CALL),
  CODE (CL_INVALID_MEM_OBJECT, CALL),
  CODE (CL_INVALID_IMAGE_FORMAT_DESCRIPTOR, CALL),
  CODE (CL_INVALID_IMAGE_SIZE, CALL),
  CODE (CL_INVALID_SAMPLER, CALL),
  CODE (CL_INVALID_BINARY, CALL),
  CODE (CL_INVALID_BUILD_OPTIONS, CALL),
  CODE (CL_INVALID_PROGRAM, CALL),
  CODE (CL_INVALID_PROGRAM_EXECUTABLE, CALL),
  CODE (CL_INVALID_KERNEL_NAME, CALL),
  CODE (CL_INVALID_KERNEL_DEFINITION, CALL),
  CODE (CL_INVALID_KERNEL, CALL),
  CODE (CL_INVALID_ARG_INDEX, CALL),
  CODE (CL_INVALID_ARG_VALUE, CALL),
  CODE (CL_INVALID_ARG_SIZE, CALL),
  CODE (CL_INVALID_KERNEL_ARGS, CALL),
  CODE (CL_INVALID_WORK_DIMENSION, CALL),
  CODE (CL_INVALID_WORK_GROUP_SIZE, CALL),
  CODE (CL_INVALID_WORK_ITEM_SIZE, CALL),
  CODE (CL_INVALID_GLOBAL_OFFSET, CALL),
  CODE (CL_INVALID_EVENT_WAIT_LIST, CALL),
  CODE (CL_INVALID_EVENT, CALL),
  CODE (CL_INVALID_OPERATION, CALL),
  CODE (CL_INVALID_GL_OBJECT, CALL),
  CODE (CL_INVALID_BUFFER_SIZE, MEMORY),
  CODE (CL_INVALID_MIP_LEVEL, CALL),
  CODE (CL_INVALID_GLOBAL_WORK_SIZE, CALL),
  CODE (CL_INVALID_PROPERTY, CALL),
  CODE (CL_INVALID_IMAGE_DESCRIPTOR, CALL),
  CODE (CL_INVALID_COMPILER_OPTIONS, CALL),
  CODE (CL_INVALID_LINKER_OPTIONS, CALL),
  CODE (CL_INVALID_DEVICE_PARTITION_COUNT, CALL),
  { PLATFORM_NOT_FOUND_KHR, "CL_PLATFORM_NOT_FOUND_KHR", WEIR_OCL_FAULT_CALL },
};

static const struct {
  WeirErrorCode code;
  const char *meaning;
} faults[] = {
  [WEIR_OCL_FAULT_MEMORY] = { WEIR_ERROR_MEMORY, ": out of memory" },
  [WEIR_OCL_FAULT_LOST] = { WEIR_ERROR_DEVICE, ": the device is lost, or a kernel failed on it" },
  [WEIR_OCL_FAULT_CALL] = { WEIR_ERROR_DEVICE, "" },
};

static const Code *find_code (cl_int code)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (codes); i++)
    if (codes[i].code == code)
      return &codes[i];
  return NULL;
}

WeirOclFault weir_ocl_fault (cl_int code)
{
  const Code *row = find_code (code);
  /* NVIDIA's driver has -9999 for a read or write where it may not. */
  return row ? row->fault : code == -9999 ? WEIR_OCL_FAULT_LOST : WEIR_OCL_FAULT_CALL;
}

bool weir_ocl_is_doubtful (cl_int code)
{
  return code == CL_OUT_OF_RESOURCES || code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
}

const char *weir_ocl_code_name (cl_int code)
{
  const Code *row = find_code (code);
  return row ? row->name : "a code that OpenCL 1.2 does not have";
}

bool weir_ocl_check (cl_int code, const char *where, const char *call, GError **error)
{
  if (code == CL_SUCCESS)
    return true;
  WeirOclFault fault = weir_ocl_fault (code);
  g_set_error (error, WEIR_ERROR, faults[fault].code, "%s: %s gives %s (%d)%s", where, call,
      weir_ocl_code_name (code), code, faults[fault].meaning);
  return false;
}
