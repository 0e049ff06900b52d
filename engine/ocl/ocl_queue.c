/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enqueues and waits. Nothing here blocks but what says so. */
#include "engine/ocl/ocl_queue.h"

#include "engine/base/checked.h"
#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_private.h"

/* Drivers may put off what is enqueued until they are told. */
#define FLUSH_EVERY 16

typedef struct Timed {
  const char *what;
  uint32_t step;
  cl_event event;
} Timed;

struct WeirOclQueue {
  WeirOclDevice *device;
  cl_command_queue handle;
  GArray *timed; /* of Timed, not yet taken; NULL: commands are not timed */
  uint32_t step; /* to which they belong */
  uint32_t n_unflushed;
};

WeirOclQueue *weir_ocl_queue_new (WeirOclDevice *device, bool has_timings, GError **error)
{
  cl_int code;
  cl_command_queue handle = clCreateCommandQueue (
      device->context, device->id, has_timings ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
  if (!weir_ocl_device_check (device, code, "clCreateCommandQueue", error))
    return NULL;
  WeirOclQueue *queue = g_new0 (WeirOclQueue, 1);
  queue->device = device;
  queue->handle = handle;
  if (has_timings)
    queue->timed = g_array_new (FALSE, FALSE, sizeof (Timed));
  return queue;
}

static void drop_timed (WeirOclQueue *queue)
{
  for (uint32_t i = 0; i < queue->timed->len; i++)
    clReleaseEvent (g_array_index (queue->timed, Timed, i).event);
  g_array_set_size (queue->timed, 0);
}

void weir_ocl_queue_free (WeirOclQueue *queue)
{
  if (!queue)
    return;
  clFinish (queue->handle);
  if (queue->timed) {
    drop_timed (queue);
    g_array_unref (queue->timed);
  }
  clReleaseCommandQueue (queue->handle);
  g_free (queue);
}

/* What an enqueue is to fill: the caller's event, one to time it with, or none. */
static cl_event *pick_event (const WeirOclQueue *queue, cl_event *done, cl_event *own)
{
  return done ? done : queue->timed ? own : NULL;
}

/* After the enqueue: keeps the event where commands are timed. */
static bool finish_enqueue (WeirOclQueue *queue, cl_int code, const char *what,
    const cl_event *event, bool is_callers, GError **error)
{
  if (!weir_ocl_device_check (queue->device, code, what, error))
    return false;
  if (!queue->timed)
    return true;
  Timed timed = { what, queue->step, *event };
  if (is_callers)
    clRetainEvent (*event);
  g_array_append_val (queue->timed, timed);
  return true;
}

bool weir_ocl_queue_run (
    WeirOclQueue *queue, const WeirOclCall *call, cl_event *done, GError **error)
{
  cl_event own, *event = pick_event (queue, done, &own);
  cl_int code = clEnqueueNDRangeKernel (queue->handle, call->kernel, call->grid.n_dims, NULL,
      call->grid.global, call->grid.local, 0, NULL, event);
  if (++queue->n_unflushed % FLUSH_EVERY == 0)
    clFlush (queue->handle); /* where that fails, so does what is waited for */
  return finish_enqueue (queue, code, call->name, event, done != NULL, error);
}

/* The buffer of n_bytes from `address`, and where they begin in it. */
static bool find_range (const WeirOclQueue *queue, const void *address, size_t n_bytes,
    const char *what, cl_mem *buffer, size_t *offset_bytes, GError **error)
{
  const WeirOclMemory *memory = weir_ocl_memory_find (queue->device, address, offset_bytes);
  size_t end;
  if (memory && weir_checked_add (*offset_bytes, n_bytes, &end) && end <= memory->n_bytes) {
    *buffer = memory->buffer;
    return true;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL,
      "%s: %s: %zu bytes at %p are not memory of the device", queue->device->label, what, n_bytes,
      address);
  return false;
}

bool weir_ocl_queue_write (
    WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes, cl_event *done, GError **error)
{
  cl_event own, *event = pick_event (queue, done, &own);
  cl_mem buffer;
  size_t offset_bytes;
  if (!find_range (queue, dst, n_bytes, "write", &buffer, &offset_bytes, error))
    return false;
  cl_int code = clEnqueueWriteBuffer (
      queue->handle, buffer, CL_FALSE, offset_bytes, n_bytes, src, 0, NULL, event);
  return finish_enqueue (queue, code, "write", event, done != NULL, error);
}

bool weir_ocl_queue_read (
    WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes, cl_event *done, GError **error)
{
  cl_event own, *event = pick_event (queue, done, &own);
  cl_mem buffer;
  size_t offset_bytes;
  if (!find_range (queue, src, n_bytes, "read", &buffer, &offset_bytes, error))
    return false;
  cl_int code = clEnqueueReadBuffer (
      queue->handle, buffer, CL_FALSE, offset_bytes, n_bytes, dst, 0, NULL, event);
  return finish_enqueue (queue, code, "read", event, done != NULL, error);
}

bool weir_ocl_queue_copy (
    WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes, cl_event *done, GError **error)
{
  cl_event own, *event = pick_event (queue, done, &own);
  cl_mem from, to;
  size_t from_bytes, to_bytes;
  if (!find_range (queue, src, n_bytes, "copy", &from, &from_bytes, error) ||
      !find_range (queue, dst, n_bytes, "copy", &to, &to_bytes, error))
    return false;
  cl_int code =
      clEnqueueCopyBuffer (queue->handle, from, to, from_bytes, to_bytes, n_bytes, 0, NULL, event);
  return finish_enqueue (queue, code, "copy", event, done != NULL, error);
}

bool weir_ocl_queue_flush (WeirOclQueue *queue, GError **error)
{
  return weir_ocl_device_check (queue->device, clFlush (queue->handle), "clFlush", error);
}

bool weir_ocl_event_wait (WeirOclDevice *device, cl_event done, GError **error)
{
  cl_int status = CL_COMPLETE, code = clWaitForEvents (1, &done);
  /* The event's own status says more than that waiting failed. */
  if (clGetEventInfo (done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL) ==
          CL_SUCCESS &&
      status < 0)
    code = status;
  clReleaseEvent (done);
  return weir_ocl_device_check (device, code, "clWaitForEvents", error);
}

bool weir_ocl_queue_wait (WeirOclQueue *queue, cl_event done, GError **error)
{
  clFlush (queue->handle); /* where that fails, so does waiting */
  return weir_ocl_event_wait (queue->device, done, error);
}

bool weir_ocl_queue_download (
    WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes, GError **error)
{
  cl_event done;
  int n_doubts = weir_ocl_device_doubts (queue->device);
  if (!weir_ocl_queue_read (queue, dst, src, n_bytes, &done, error) ||
      !weir_ocl_queue_wait (queue, done, error))
    return false;
  weir_ocl_device_is_well (queue->device, n_doubts);
  return true;
}

void weir_ocl_queue_enter_step (WeirOclQueue *queue, uint32_t step)
{
  queue->step = step;
}

bool weir_ocl_queue_take_timings (WeirOclQueue *queue, GArray *timings, GError **error)
{
  cl_int code = clFinish (queue->handle);
  for (uint32_t i = 0; queue->timed && i < queue->timed->len && code == CL_SUCCESS; i++) {
    const Timed *timed = &g_array_index (queue->timed, Timed, i);
    WeirOclTiming timing = { .what = timed->what, .step = timed->step };
    cl_ulong ns[2] = { 0 };
    code = clGetEventProfilingInfo (
        timed->event, CL_PROFILING_COMMAND_START, sizeof ns[0], &ns[0], NULL);
    if (code == CL_SUCCESS)
      code = clGetEventProfilingInfo (
          timed->event, CL_PROFILING_COMMAND_END, sizeof ns[1], &ns[1], NULL);
    timing.start_ns = ns[0];
    timing.end_ns = ns[1];
    g_array_append_val (timings, timing);
  }
  if (queue->timed)
    drop_timed (queue);
  return weir_ocl_device_check (queue->device, code, "reading times", error);
}
