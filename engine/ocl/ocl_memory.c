/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers with the ranges of addresses that stand for them, sorted by address in their device. */
#include "engine/ocl/ocl_memory.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl_private.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u
/* Of cl_amd_device_attribute_query: two sizes in KB, what is free and the largest piece of it. */
#define AMD_FREE_MEMORY 0x4039

/* How many memories of the device begin at or before `address`. */
static uint32_t count_before (const WeirOclDevice *device, const uint8_t *address)
{
  uint32_t low = 0, high = device->memories->len;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const WeirOclMemory *memory = device->memories->pdata[middle];
    if (memory->base <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

WeirOclMemory *weir_ocl_memory_find (
    WeirOclDevice *device, const void *address, size_t *offset_bytes)
{
  WeirOclMemory *found = NULL;
  weir_mutex_lock (&device->lock);
  uint32_t n = count_before (device, address);
  if (n)
    found = device->memories->pdata[n - 1];
  weir_mutex_unlock (&device->lock);
  *offset_bytes = found ? (size_t) ((const uint8_t *) address - found->base) : 0;
  return *offset_bytes < (found ? found->n_bytes : 0) ? found : NULL;
}

/* A page more than there are bytes: what points just behind one range is in no other. */
static bool reserve (WeirOclMemory *memory, GError **error)
{
  bool fits = weir_checked_add (memory->n_bytes, PAGE_BYTES, &memory->n_reserved) &&
              weir_checked_align (memory->n_reserved, PAGE_BYTES, &memory->n_reserved);
  void *base = fits ? mmap (NULL, memory->n_reserved, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                    : MAP_FAILED;
  if (base != MAP_FAILED) {
    memory->base = base;
    return true;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no range of %zu addresses is free",
      memory->device->label, memory->n_bytes);
  return false;
}

/* Filled and waited for, since drivers may allocate as late as at the first use. */
static cl_int make_buffer (WeirOclMemory *memory)
{
  const WeirOclDevice *device = memory->device;
  const cl_uchar zero = 0;
  cl_int code;
  memory->buffer =
      clCreateBuffer (device->context, CL_MEM_READ_WRITE, memory->n_bytes, NULL, &code);
  if (code == CL_SUCCESS)
    code = clEnqueueFillBuffer (
        device->queue, memory->buffer, &zero, sizeof zero, 0, memory->n_bytes, 0, NULL, NULL);
  return code == CL_SUCCESS ? clFinish (device->queue) : code;
}

static bool allocate (WeirOclMemory *memory, GError **error)
{
  const WeirOclFacts *facts = memory->device->facts;
  bool fits = memory->n_bytes <= facts->memory_bytes;
  cl_int code = fits ? make_buffer (memory) : CL_MEM_OBJECT_ALLOCATION_FAILURE;
  if (code == CL_SUCCESS)
    return true;
  if (code == CL_OUT_OF_RESOURCES) /* what some drivers say when memory is out */
    code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  g_autofree char *call =
      g_strdup_printf ("a buffer of %zu MB (the device has %zu MB, and promises "
                       "%zu MB in one)",
          memory->n_bytes >> 20, (size_t) (facts->memory_bytes >> 20),
          (size_t) (facts->max_alloc_bytes >> 20));
  return weir_ocl_device_check (memory->device, code, call, error);
}

WeirOclMemory *weir_ocl_memory_new (
    WeirOclDevice *device, size_t n_bytes, bool has_queue, bool has_timings, GError **error)
{
  g_autoptr (WeirOclMemory) memory = g_new0 (WeirOclMemory, 1);
  memory->device = device;
  memory->n_bytes = n_bytes;
  if (!allocate (memory, error) || !reserve (memory, error))
    return NULL;
  if (has_queue && !(memory->queue = weir_ocl_queue_new (device, has_timings, error)))
    return NULL;
  weir_mutex_lock (&device->lock);
  g_ptr_array_insert (device->memories, (gint) count_before (device, memory->base), memory);
  weir_mutex_unlock (&device->lock);
  return g_steal_pointer (&memory);
}

void weir_ocl_memory_free (WeirOclMemory *memory)
{
  if (!memory)
    return;
  weir_ocl_queue_free (memory->queue);
  weir_mutex_lock (&memory->device->lock);
  g_ptr_array_remove (memory->device->memories, memory);
  weir_mutex_unlock (&memory->device->lock);
  if (memory->buffer)
    clReleaseMemObject (memory->buffer);
  if (memory->base)
    munmap (memory->base, memory->n_reserved);
  g_free (memory);
}

bool weir_ocl_memory_start_timings (WeirOclMemory *memory, GError **error)
{
  WeirOclQueue *queue = weir_ocl_queue_new (memory->device, true, error);
  if (!queue)
    return false;
  weir_ocl_queue_free (memory->queue);
  memory->queue = queue;
  return true;
}

uint64_t weir_ocl_memory_left (WeirOclDevice *device)
{
  uint64_t all_bytes = device->facts->memory_bytes, used_bytes = 0;
  size_t free_kb[2] = { 0 };
  weir_mutex_lock (&device->lock);
  for (uint32_t i = 0; i < device->memories->len; i++)
    used_bytes += ((const WeirOclMemory *) device->memories->pdata[i])->n_bytes;
  weir_mutex_unlock (&device->lock);
  uint64_t left_bytes = all_bytes - MIN (used_bytes, all_bytes);
  bool tells =
      strstr (device->facts->extensions, " cl_amd_device_attribute_query ") &&
      clGetDeviceInfo (device->id, AMD_FREE_MEMORY, sizeof free_kb, free_kb, NULL) == CL_SUCCESS;
  return tells ? MIN (left_bytes, (uint64_t) free_kb[0] * 1024) : left_bytes;
}

bool weir_ocl_memory_upload (
    WeirOclMemory *memory, size_t offset_bytes, const void *src, size_t n_bytes, GError **error)
{
  WeirOclDevice *device = memory->device;
  size_t end;
  if (!weir_checked_add (offset_bytes, n_bytes, &end) || end > memory->n_bytes) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL,
        "%s: an upload of %zu bytes at %zu ends behind the %zu of its buffer", device->label,
        n_bytes, offset_bytes, memory->n_bytes);
    return false;
  }
  cl_int code = clEnqueueWriteBuffer (
      device->queue, memory->buffer, CL_TRUE, offset_bytes, n_bytes, src, 0, NULL, NULL);
  return weir_ocl_device_check (device, code, "clEnqueueWriteBuffer", error);
}
