/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirPublishFile: one element's use of an output of JSON objects. Elements of the process that
 * name the same output share it, and no line is torn. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum WeirPublishFormat {
  WEIR_PUBLISH_JSON_LINES = 0, /* one object a line */
  WEIR_PUBLISH_JSON,           /* one array */
} WeirPublishFormat;

/* Thread-safety: one thread at a time; the output behind it is shared safely. */
typedef struct WeirPublishFile WeirPublishFile;

/* What weir_publish_file_open would refuse, as far as that is to be seen without opening. */
gboolean weir_publish_file_check (
    const gchar *location, WeirPublishFormat format, gboolean append, GError **error);
/* `location` is a path or "-" for the standard output. The first user creates or, without `append`,
 * empties the file; later ones write behind it. To be checked before. Errors (G_FILE_ERROR) name
 * the output and the cause. */
WeirPublishFile *weir_publish_file_open (
    const gchar *location, WeirPublishFormat format, gboolean append, GError **error);
/* Writes one JSON object, whole and at once; blocks as long as the output does. */
gboolean weir_publish_file_write (
    WeirPublishFile *file, const gchar *json, gsize n_bytes, GError **error);
/* No more objects for now. The array is closed when all users have finished; an object that comes
 * after that opens it again. */
gboolean weir_publish_file_finish (WeirPublishFile *file, GError **error);
/* Finishes and frees, whatever happens. */
gboolean weir_publish_file_close (WeirPublishFile *file, GError **error);

G_END_DECLS
