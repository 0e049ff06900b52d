/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Built programs on disk: one file each, checked before a driver sees it. */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* Programs that are kept, and their bytes together: beyond either the longest unused go. */
#define WEIR_OCL_PROGRAM_CACHE_MAX   512u
#define WEIR_OCL_PROGRAM_CACHE_BYTES ((size_t) 256 << 20)

/* The text that names a program: a digest of the device, its driver's and platform's versions, the
 * source's digest and the options. Newly allocated. */
char *weir_ocl_program_cache_key (
    const WeirOclFacts *facts, const char *source_digest, const char *options);
/* What was written for that key; NULL where there is none, or it is not what was written (another
 * key, cut, changed, too large). Marks it as used. Newly allocated. */
void *weir_ocl_program_cache_read (const char *folder, const char *key, size_t *n_bytes);
/* Writes atomically, making the folder, then makes room. Where that fails, so be it: one debug
 * line. Processes may read and write at once. */
void weir_ocl_program_cache_write (
    const char *folder, const char *key, const void *bytes, size_t n_bytes);

G_END_DECLS
