/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirOclMemory: a device's memory under host addresses that nobody can read.
 *
 * Plans calculate with addresses: base of an arena + offset. So each buffer of a device reserves a
 * range of addresses, never accessible, that stands for it; weir_ocl_memory_find goes from an
 * address in it to the buffer. */
#pragma once

#include "engine/ocl/ocl_queue.h"

G_BEGIN_DECLS

/* Thread-safety: immutable, but for the queue. */
typedef struct WeirOclMemory {
  WeirOclDevice *device;
  cl_mem buffer;
  uint8_t *base; /* what stands for its first byte; aligned to 4096; no access: it traps */
  size_t n_bytes;
  size_t n_reserved;   /* of addresses */
  WeirOclQueue *queue; /* that works on it; NULL: has none (weights) */
} WeirOclMemory;

/* Zeroed, and really there: drivers that allocate at first use are made to. n_bytes > 0. With
 * `has_queue` it has a queue of its own: a slot's. MEMORY errors say how much was asked for, and
 * how much the device has. */
WeirOclMemory *weir_ocl_memory_new (
    WeirOclDevice *device, size_t n_bytes, bool has_queue, bool has_timings, GError **error);
void weir_ocl_memory_free (WeirOclMemory *memory); /* waits for its queue; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclMemory, weir_ocl_memory_free)

/* Its queue becomes one that times what it does (weir_ocl_queue_take_timings). Nothing was bound to
 * the one before. */
bool weir_ocl_memory_start_timings (WeirOclMemory *memory, GError **error);

/* Bytes of the device that this process can still take: all that it has, less what this process
 * took, or what the driver says is free, where it does (AMD's). What other processes took is not
 * known else. Thread-safety: safe. */
uint64_t weir_ocl_memory_left (WeirOclDevice *device);

/* The memory that `address` is in (base to base + n_bytes - 1), and how far; NULL where it is none
 * of this device's. Thread-safety: safe. */
WeirOclMemory *weir_ocl_memory_find (
    WeirOclDevice *device, const void *address, size_t *offset_bytes);
/* Writes at once and waits: weights. Thread-safety: safe. */
bool weir_ocl_memory_upload (
    WeirOclMemory *memory, size_t offset_bytes, const void *src, size_t n_bytes, GError **error);

G_END_DECLS
