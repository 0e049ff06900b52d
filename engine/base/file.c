/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps files read-only through GLib. */
#include "engine/base/file.h"

#include "engine/error.h"

WeirFile *weir_file_map (const char *path, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "%s: is a folder, a file is expected", path);
    return NULL;
  }
  g_autoptr (GError) cause = NULL;
  GMappedFile *mapped = g_mapped_file_new (path, FALSE, &cause);
  if (!mapped) {
    const char *why =
        g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? "no such file" : cause->message;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "%s: cannot be read: %s", path, why);
    return NULL;
  }
  WeirFile *file = g_new0 (WeirFile, 1);
  file->path = g_strdup (path);
  file->mapped = mapped;
  file->bytes = (const uint8_t *) g_mapped_file_get_contents (mapped);
  file->n_bytes = g_mapped_file_get_length (mapped);
  return file;
}

void weir_file_free (WeirFile *file)
{
  if (!file)
    return;
  g_mapped_file_unref (file->mapped);
  g_free (file->path);
  g_free (file);
}
