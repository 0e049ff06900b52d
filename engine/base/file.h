/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file mapped read-only. */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Thread-safety: immutable after weir_file_map. */
typedef struct WeirFile {
  char *path;
  const uint8_t *bytes; /* NULL for an empty file */
  size_t n_bytes;
  GMappedFile *mapped;
} WeirFile;

/* Maps a regular file. Errors name the path: NOT_FOUND (missing, a folder, unreadable). */
WeirFile *weir_file_map (const char *path, GError **error);
void weir_file_free (WeirFile *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirFile, weir_file_free)

G_END_DECLS
