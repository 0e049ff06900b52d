/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirOclStaging: memory of the host that a device fetches from by itself, while the host goes on.
 */
#pragma once

#include "engine/ocl/ocl_queue.h"

G_BEGIN_DECLS

/* Two buffers in turns: one is filled while the other is fetched. Both are kept, and grow to the
 * largest that was asked for. Thread-safety: one thread at a time. */
typedef struct WeirOclStaging WeirOclStaging;

WeirOclStaging *weir_ocl_staging_new (WeirOclDevice *device);
void weir_ocl_staging_free (WeirOclStaging *staging); /* NULL is fine */

/* n_bytes to be filled for the next `send`. Waits for what was sent from there, which is not the
 * last but the one before. MEMORY: there is none. */
void *weir_ocl_staging_get (WeirOclStaging *staging, size_t n_bytes, GError **error);
/* Enqueues the upload of what was filled, and has the device begin with it. */
bool weir_ocl_staging_send (
    WeirOclStaging *staging, WeirOclQueue *queue, void *dst, size_t n_bytes, GError **error);
/* Waits for what was sent last. False: it has not arrived. */
bool weir_ocl_staging_wait (WeirOclStaging *staging);

G_END_DECLS
