/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a device from earlier runs, on disk: one file for each key, checked before it is
 * used. Processes may read and write at once. */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* One kind of such files. Beyond either limit of all together the longest unused go. */
typedef struct WeirOclKept {
  const char *prefix, *magic; /* of the file's name, and its first line */
  size_t max_file_bytes;
  uint32_t max_files;
  size_t max_bytes;
} WeirOclKept;

/* The text that names a file: a digest of the kind, the device, its driver's and platform's
 * versions, the sources' digest and the options. Newly allocated. */
char *weir_ocl_kept_key (const WeirOclKept *kind, const WeirOclFacts *facts,
    const char *source_digest, const char *options);
/* What was written for that key; NULL where there is none, or it is not what was written (another
 * key, cut, changed, too large). Marks it as used. Newly allocated. */
void *weir_ocl_kept_read (
    const WeirOclKept *kind, const char *folder, const char *key, size_t *n_bytes);
/* Writes atomically, making the folder, then makes room. */
bool weir_ocl_kept_write (const WeirOclKept *kind, const char *folder, const char *key,
    const void *bytes, size_t n_bytes, GError **error);

G_END_DECLS
