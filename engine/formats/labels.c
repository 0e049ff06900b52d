/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Label lists: a file with one label a line, or the labels themselves with commas. */
#include "engine/formats/formats.h"

#include "engine/base/file.h"
#include "engine/error.h"

#include <string.h>

#define MAX_LABELS 1000000u

static char **labels_error (const char *where, GError **error, const char *text)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: %s", where, text);
  return NULL;
}

/* One label for each line end, and one for what follows the last, unless that is nothing. */
static char **split_lines (const char *path, const char *text, GError **error)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  while (*text && lines->len <= MAX_LABELS) {
    const char *end = strchr (text, '\n');
    size_t n = end ? (size_t) (end - text) : strlen (text);
    bool has_return = n && text[n - 1] == '\r';
    g_ptr_array_add (lines, g_strndup (text, has_return ? n - 1 : n));
    text += end ? n + 1 : n;
  }
  if (!lines->len)
    return labels_error (path, error, "has no labels, expected one a line");
  if (lines->len > MAX_LABELS)
    return labels_error (path, error, "has more than 1000000 lines, expected one label a line");
  g_ptr_array_add (lines, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&lines), FALSE);
}

char **weir_labels_parse (const char *where, const void *bytes, size_t n_bytes, GError **error)
{
  if (n_bytes && !g_utf8_validate (bytes, (gssize) n_bytes, NULL))
    return labels_error (where, error, "is not UTF-8 text, expected one label a line");
  g_autofree char *text = g_strndup (n_bytes ? bytes : "", n_bytes);
  bool has_mark = g_str_has_prefix (text, "\xEF\xBB\xBF");
  return split_lines (where, text + (has_mark ? 3 : 0), error);
}

static char **read_file (const char *path, GError **error)
{
  g_autoptr (WeirFile) file = weir_file_map (path, error);
  return file ? weir_labels_parse (path, file->bytes, file->n_bytes, error) : NULL;
}

static char **split_commas (const char *text, GError **error)
{
  if (!g_utf8_validate (text, -1, NULL))
    return labels_error ("labels", error, "the list is not UTF-8");
  char **labels = g_strsplit (text, ",", (gint) MAX_LABELS + 1);
  if (g_strv_length (labels) <= MAX_LABELS)
    return labels;
  g_strfreev (labels);
  return labels_error ("labels", error, "the list has more than 1000000 labels");
}

char **weir_labels_load (const char *text, GError **error)
{
  if (strchr (text, ',') && !g_file_test (text, G_FILE_TEST_EXISTS))
    return split_commas (text, error);
  return read_file (text, error);
}
