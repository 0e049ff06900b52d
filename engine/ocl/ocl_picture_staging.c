/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mapped buffers of CL_MEM_ALLOC_HOST_PTR: pinned where a driver knows such memory, so that writes
 * from them neither are copied first nor wait. */
#include "engine/ocl/ocl_picture_staging.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl_private.h"

#define N_BUFFERS   2
#define GRAIN_BYTES ((size_t) 64 << 10)

typedef struct Buffer {
  cl_mem handle;
  void *bytes; /* mapped */
  size_t n_bytes;
  cl_event sent; /* NULL: nothing is on its way from here */
} Buffer;

struct WeirOclStaging {
  WeirOclDevice *device;
  Buffer buffers[N_BUFFERS];
  uint32_t next;
};

WeirOclStaging *weir_ocl_staging_new (WeirOclDevice *device)
{
  WeirOclStaging *staging = g_new0 (WeirOclStaging, 1);
  staging->device = device;
  return staging;
}

static bool wait_for (WeirOclStaging *staging, Buffer *buffer)
{
  cl_event sent = g_steal_pointer (&buffer->sent);
  return !sent || weir_ocl_event_wait (staging->device, sent, NULL);
}

static void drop (WeirOclStaging *staging, Buffer *buffer)
{
  wait_for (staging, buffer);
  if (buffer->bytes) {
    clEnqueueUnmapMemObject (staging->device->queue, buffer->handle, buffer->bytes, 0, NULL, NULL);
    clFinish (staging->device->queue);
  }
  if (buffer->handle)
    clReleaseMemObject (buffer->handle);
  *buffer = (Buffer){ 0 };
}

void weir_ocl_staging_free (WeirOclStaging *staging)
{
  if (!staging)
    return;
  for (uint32_t i = 0; i < N_BUFFERS; i++)
    drop (staging, &staging->buffers[i]);
  g_free (staging);
}

static bool grow (WeirOclStaging *staging, Buffer *buffer, size_t n_bytes, GError **error)
{
  WeirOclDevice *device = staging->device;
  cl_int code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  n_bytes = MAX (n_bytes, 2 * buffer->n_bytes); /* so that it does not grow often */
  drop (staging, buffer);
  if (weir_checked_align (n_bytes, GRAIN_BYTES, &n_bytes))
    buffer->handle = clCreateBuffer (
        device->context, CL_MEM_READ_ONLY | CL_MEM_ALLOC_HOST_PTR, n_bytes, NULL, &code);
  if (code == CL_SUCCESS)
    buffer->bytes = clEnqueueMapBuffer (device->queue, buffer->handle, CL_TRUE,
        CL_MAP_WRITE_INVALIDATE_REGION, 0, n_bytes, 0, NULL, NULL, &code);
  if (weir_ocl_device_check (device, code, "a buffer to send frames from", error)) {
    buffer->n_bytes = n_bytes;
    return true;
  }
  buffer->bytes = NULL;
  drop (staging, buffer);
  return false;
}

void *weir_ocl_staging_get (WeirOclStaging *staging, size_t n_bytes, GError **error)
{
  Buffer *buffer = &staging->buffers[staging->next];
  wait_for (staging, buffer); /* whoever waits for its results is told where it failed */
  if (n_bytes > buffer->n_bytes && !grow (staging, buffer, n_bytes, error))
    return NULL;
  return buffer->bytes;
}

bool weir_ocl_staging_send (
    WeirOclStaging *staging, WeirOclQueue *queue, void *dst, size_t n_bytes, GError **error)
{
  Buffer *buffer = &staging->buffers[staging->next];
  staging->next = (staging->next + 1) % N_BUFFERS;
  return weir_ocl_queue_write (queue, dst, buffer->bytes, n_bytes, &buffer->sent, error) &&
         weir_ocl_queue_flush (queue, error);
}

bool weir_ocl_staging_wait (WeirOclStaging *staging)
{
  return wait_for (staging, &staging->buffers[(staging->next + N_BUFFERS - 1) % N_BUFFERS]);
}
