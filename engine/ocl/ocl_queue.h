/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In-order queues: what a slot has its device do. */
#pragma once

#include "engine/ocl/ocl_call.h"

G_BEGIN_DECLS

/* Runs what it is given one after the other. Thread-safety: one thread at a time. */
typedef struct WeirOclQueue WeirOclQueue;

/* When one thing that was enqueued ran, on the device's clock. */
typedef struct WeirOclTiming {
  const char *what; /* the kernel's name, "write", "read", "copy"; static */
  uint32_t step;    /* weir_ocl_queue_enter_step; 0 without */
  uint64_t start_ns, end_ns;
} WeirOclTiming;

/* `has_timings`: each command is timed (which costs a little): see weir_ocl_queue_take_timings. */
WeirOclQueue *weir_ocl_queue_new (WeirOclDevice *device, bool has_timings, GError **error);
void weir_ocl_queue_free (WeirOclQueue *queue); /* waits for what runs; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclQueue, weir_ocl_queue_free)

/* All of these enqueue and return; `done` (may be NULL) is an event of the caller's own. Addresses
 * of the device are those of WeirOclMemory; INTERNAL where they are not, or reach beyond its end.
 */
bool weir_ocl_queue_run (
    WeirOclQueue *queue, const WeirOclCall *call, cl_event *done, GError **error);
/* `src` must stay as it is until it is done. */
bool weir_ocl_queue_write (WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes,
    cl_event *done, GError **error);
bool weir_ocl_queue_read (WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes,
    cl_event *done, GError **error);
/* From the device to the device; the ranges do not overlap. */
bool weir_ocl_queue_copy (WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes,
    cl_event *done, GError **error);
/* Has the device begin with what is enqueued, which it otherwise may put off. */
bool weir_ocl_queue_flush (WeirOclQueue *queue, GError **error);
/* Waits for an event of this queue, and releases it also where that fails. DEVICE: the command or
 * one before it failed. */
bool weir_ocl_queue_wait (WeirOclQueue *queue, cl_event done, GError **error);
/* The same, whose queue may be gone; it has been told to begin (weir_ocl_queue_flush). */
bool weir_ocl_event_wait (WeirOclDevice *device, cl_event done, GError **error);
/* Reads, and waits for that: what a plan's last download does. */
bool weir_ocl_queue_download (
    WeirOclQueue *queue, void *dst, const void *src, size_t n_bytes, GError **error);

/* What is enqueued from now on has this number in its WeirOclTiming. */
void weir_ocl_queue_enter_step (WeirOclQueue *queue, uint32_t step);
/* Waits for all that is enqueued and appends a WeirOclTiming each to `timings`, in order. */
bool weir_ocl_queue_take_timings (WeirOclQueue *queue, GArray *timings, GError **error);

G_END_DECLS
