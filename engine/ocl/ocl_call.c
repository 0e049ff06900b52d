/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels with their arguments. Each call has a cl_kernel of its own, so that running it is one
 * enqueue and no other thread can change what it is given. */
#include "engine/ocl/ocl_call.h"

#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_private.h"

WeirOclGrid weir_ocl_grid (
    size_t n0, size_t n1, size_t n2, size_t local0, size_t local1, size_t local2)
{
  const size_t n[] = { n0, n1, n2 }, local[] = { local0, local1, local2 };
  WeirOclGrid grid = { 0 };
  for (; grid.n_dims < 3 && local[grid.n_dims]; grid.n_dims++) {
    uint32_t d = grid.n_dims;
    grid.local[d] = local[d];
    grid.global[d] = (n[d] + local[d] - 1) / local[d] * local[d];
  }
  return grid;
}

WeirOclGrid weir_ocl_row_grid (
    const WeirOclDevice *device, size_t n_items, size_t n_rows, uint32_t group, uint32_t max_groups)
{
  uint32_t length = 1;
  group = MIN (group, MAX (weir_ocl_device_facts (device)->max_group, 1));
  while (2 * length <= group && length < n_items)
    length *= 2;
  size_t height = n_rows == 1 ? 1 : group / length;
  return weir_ocl_grid (n_items, MIN (n_rows, max_groups * height), 0, length, height, 0);
}

bool weir_ocl_calls_add (GPtrArray *calls, WeirOclCall *call)
{
  if (call)
    g_ptr_array_add (calls, call);
  return call != NULL;
}

/* base and offset. */
static bool set_address (
    WeirOclCall *call, const WeirOclArgument *argument, cl_uint *index, GError **error)
{
  const WeirOclDevice *device = call->device;
  size_t offset_bytes = 0;
  WeirOclMemory *memory =
      argument->address ? weir_ocl_memory_find (call->device, argument->address, &offset_bytes)
                        : NULL;
  cl_mem buffer = memory ? memory->buffer : NULL;
  size_t offset = offset_bytes / argument->element_bytes;
  cl_uint narrow = (cl_uint) offset;
  if ((argument->address && !memory) || offset_bytes % argument->element_bytes ||
      narrow != offset) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL,
        "%s: kernel %s: argument %u is not the address of an element on the device", device->label,
        call->name, *index);
    return false;
  }
  cl_int code = clSetKernelArg (call->kernel, (*index)++, sizeof buffer, buffer ? &buffer : NULL);
  if (code == CL_SUCCESS)
    code = clSetKernelArg (call->kernel, (*index)++, sizeof narrow, &narrow);
  return weir_ocl_device_check (call->device, code, call->name, error);
}

bool weir_ocl_call_set_arguments (
    WeirOclCall *call, const WeirOclArgument *arguments, uint32_t n_arguments, GError **error)
{
  cl_uint index = 0;
  for (uint32_t i = 0; i < n_arguments; i++) {
    if (arguments[i].element_bytes) {
      if (!set_address (call, &arguments[i], &index, error))
        return false;
      continue;
    }
    cl_int code = clSetKernelArg (call->kernel, index++, arguments[i].n_bytes, arguments[i].value);
    g_autofree char *what = g_strdup_printf ("kernel %s: argument %u", call->name, index - 1);
    if (!weir_ocl_device_check (call->device, code, what, error))
      return false;
  }
  return true;
}

/* Registers can make the largest group smaller than the device's. */
static bool fits (const WeirOclCall *call, GError **error)
{
  size_t most = 0, n = 1;
  for (uint32_t d = 0; d < call->grid.n_dims; d++)
    n *= call->grid.local[d];
  cl_int code = clGetKernelWorkGroupInfo (
      call->kernel, call->device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
  if (!weir_ocl_device_check (call->device, code, "clGetKernelWorkGroupInfo", error))
    return false;
  if (n <= most)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_DEVICE,
      "%s: kernel %s: a group of %zu work items; expected is at most %zu", call->device->label,
      call->name, n, most);
  return false;
}

WeirOclCall *weir_ocl_call_new_array (WeirOclDevice *device, cl_program program, const char *kernel,
    WeirOclGrid grid, const WeirOclArgument *arguments, uint32_t n_arguments, GError **error)
{
  g_autoptr (WeirOclCall) call = g_new0 (WeirOclCall, 1);
  cl_int code;
  call->device = device;
  call->name = g_intern_string (kernel);
  call->grid = grid;
  call->kernel = clCreateKernel (program, kernel, &code);
  g_autofree char *what = g_strdup_printf ("clCreateKernel (%s)", kernel);
  if (!weir_ocl_device_check (device, code, what, error) ||
      !weir_ocl_call_set_arguments (call, arguments, n_arguments, error) || !fits (call, error))
    return NULL;
  return g_steal_pointer (&call);
}

void weir_ocl_call_free (WeirOclCall *call)
{
  if (!call)
    return;
  if (call->kernel)
    clReleaseKernel (call->kernel);
  g_free (call);
}
