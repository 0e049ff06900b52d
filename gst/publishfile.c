/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table from canonical path to output, counted by its users. Each object goes out in one write
 * behind the output's lock; with O_APPEND other processes do not tear it either.
 *
 * Lock order: outputs_lock (the table, n_users), then Output.lock (everything else). */
#include "gst/publishfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Output {
  gchar *name; /* canonical path, or "-": the key */
  guint n_users;
  WeirPublishFormat format;
  GMutex lock;
  int fd;
  gboolean is_regular;
  guint n_active;     /* users that have not finished */
  guint64 n_objects;  /* of the array */
  gsize closed_bytes; /* length of the array's written end; 0: it is open */
  GString *pending;
} Output;

struct WeirPublishFile {
  Output *output;
  gboolean finished;
};

static GMutex outputs_lock;
static GHashTable *outputs; /* NULL while empty */

static void set_error (GError **error, const gchar *path, const gchar *what, int code)
{
  const gchar *name = g_str_equal (path, "-") ? "standard output" : path;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "%s: %s: %s", name, what,
      g_strerror (code));
}

static void output_free (Output *output)
{
  g_free (output->name);
  g_string_free (output->pending, TRUE);
  g_mutex_clear (&output->lock);
  g_free (output);
}

/* Takes over `name`. */
static Output *output_new (gchar *name, WeirPublishFormat format, gboolean append, GError **error)
{
  Output *output = g_new0 (Output, 1);
  struct stat status;

  output->name = name;
  output->format = format;
  output->pending = g_string_new (NULL);
  g_mutex_init (&output->lock);
  if (g_str_equal (name, "-")) {
    output->fd = STDOUT_FILENO;
    return output;
  }
  output->fd =
      open (name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC), 0666);
  if (output->fd < 0) {
    set_error (error, output->name, "cannot be opened for writing", errno);
    output_free (output);
    return NULL;
  }
  output->is_regular = fstat (output->fd, &status) == 0 && S_ISREG (status.st_mode);
  return output;
}

/* Called with outputs_lock held. */
static Output *find_or_open (
    const gchar *location, WeirPublishFormat format, gboolean append, GError **error)
{
  g_autofree gchar *name =
      g_str_equal (location, "-") ? g_strdup (location) : g_canonicalize_filename (location, NULL);
  Output *output = outputs ? g_hash_table_lookup (outputs, name) : NULL;

  if (output && output->format != format) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "%s: another element writes it in another format; one output has one format", name);
    return NULL;
  }
  if (output)
    return output;
  output = output_new (g_steal_pointer (&name), format, append, error);
  if (!output)
    return NULL;
  if (!outputs)
    outputs = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_insert (outputs, output->name, output);
  return output;
}

/* What opening a path for writing would say, but for what only opening can find out. */
static int find_obstacle (const gchar *path)
{
  g_autofree gchar *folder = g_path_get_dirname (path);

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return EISDIR;
  if (g_access (g_file_test (path, G_FILE_TEST_EXISTS) ? path : folder, W_OK) != 0)
    return errno;
  return 0;
}

gboolean weir_publish_file_check (
    const gchar *location, WeirPublishFormat format, gboolean append, GError **error)
{
  const int code = g_str_equal (location, "-") ? 0 : find_obstacle (location);

  if (append && format == WEIR_PUBLISH_JSON) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "%s: append=true needs format=json-lines: nothing can follow the end of an array",
        location);
    return FALSE;
  }
  if (code)
    set_error (error, location, "cannot be opened for writing", code);
  return code == 0;
}

WeirPublishFile *weir_publish_file_open (
    const gchar *location, WeirPublishFormat format, gboolean append, GError **error)
{
  WeirPublishFile *file;
  Output *output;

  g_mutex_lock (&outputs_lock);
  output = find_or_open (location, format, append, error);
  if (output) {
    output->n_users++;
    g_mutex_lock (&output->lock);
    output->n_active++;
    g_mutex_unlock (&output->lock);
  }
  g_mutex_unlock (&outputs_lock);
  if (!output)
    return NULL;
  file = g_new0 (WeirPublishFile, 1);
  file->output = output;
  return file;
}

/* A descriptor that somebody made non-blocking says EAGAIN. */
static gboolean wait_writable (int fd)
{
  GPollFD poll = { .fd = fd, .events = G_IO_OUT };

  return g_poll (&poll, 1, -1) >= 0 || errno == EINTR;
}

/* Shortens the output; false where it is not a file. */
static gboolean take_back (Output *output, gsize n_bytes)
{
  struct stat status;

  return output->is_regular && fstat (output->fd, &status) == 0 &&
         status.st_size >= (off_t) n_bytes &&
         ftruncate (output->fd, status.st_size - (off_t) n_bytes) == 0;
}

/* Writes what is pending. A line that does not fit is taken back, where that is possible. */
static gboolean flush (Output *output, GError **error)
{
  gsize done = 0;

  while (done < output->pending->len) {
    gssize n = write (output->fd, output->pending->str + done, output->pending->len - done);
    int code = errno;
    if (n >= 0) {
      done += (gsize) n;
    } else if (code == EAGAIN && wait_writable (output->fd)) {
      continue;
    } else if (code != EINTR) {
      if (done > 0)
        take_back (output, done);
      set_error (error, output->name, "cannot be written", code);
      return FALSE;
    }
  }
  return TRUE;
}

/* What stands in front of an object of an array; an end that cannot be taken back begins a new one.
 */
static const gchar *begin_element (Output *output)
{
  if (output->closed_bytes > 0 && !take_back (output, output->closed_bytes))
    output->n_objects = 0;
  output->closed_bytes = 0;
  return output->n_objects++ > 0 ? ",\n" : "[\n";
}

gboolean weir_publish_file_write (
    WeirPublishFile *file, const gchar *json, gsize n_bytes, GError **error)
{
  Output *output = file->output;
  gboolean ok;

  g_mutex_lock (&output->lock);
  if (file->finished)
    output->n_active++;
  file->finished = FALSE;
  g_string_truncate (output->pending, 0);
  if (output->format == WEIR_PUBLISH_JSON)
    g_string_append (output->pending, begin_element (output));
  g_string_append_len (output->pending, json, (gssize) n_bytes);
  if (output->format == WEIR_PUBLISH_JSON_LINES)
    g_string_append_c (output->pending, '\n');
  ok = flush (output, error);
  g_mutex_unlock (&output->lock);
  return ok;
}

gboolean weir_publish_file_finish (WeirPublishFile *file, GError **error)
{
  Output *output = file->output;
  gboolean ok = TRUE;

  g_mutex_lock (&output->lock);
  if (!file->finished && --output->n_active == 0 && output->format == WEIR_PUBLISH_JSON &&
      output->closed_bytes == 0) {
    g_string_assign (output->pending, output->n_objects > 0 ? "\n]\n" : "[\n]\n");
    output->closed_bytes = output->pending->len;
    ok = flush (output, error);
  }
  file->finished = TRUE;
  g_mutex_unlock (&output->lock);
  return ok;
}

gboolean weir_publish_file_close (WeirPublishFile *file, GError **error)
{
  Output *output = file->output;
  gboolean ok = weir_publish_file_finish (file, error);

  g_free (file);
  g_mutex_lock (&outputs_lock);
  if (--output->n_users > 0) {
    g_mutex_unlock (&outputs_lock);
    return ok;
  }
  g_hash_table_remove (outputs, output->name);
  if (g_hash_table_size (outputs) == 0)
    g_clear_pointer (&outputs, g_hash_table_unref);
  g_mutex_unlock (&outputs_lock);
  if (output->fd != STDOUT_FILENO && close (output->fd) != 0 && ok) {
    set_error (error, output->name, "cannot be closed", errno);
    ok = FALSE;
  }
  output_free (output);
  return ok;
}
