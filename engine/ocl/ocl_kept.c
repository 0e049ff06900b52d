/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files "<prefix><32 of the key's characters>": a header of three lines, then what is kept.
 *
 *   <magic>\n <key>\n <digest of the rest>\n
 *
 * Drivers crash on binaries that a disk or an editor has changed, so nothing is handed out before
 * its digest has been made anew. */
#include "engine/ocl/ocl_kept.h"

#include "engine/base/cache_file.h"
#include "engine/base/digest.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

#define KEY_CHARS 64u

static size_t header_bytes (const WeirOclKept *kind)
{
  return strlen (kind->magic) + 1 + 2 * (KEY_CHARS + 1);
}

char *weir_ocl_kept_key (const WeirOclKept *kind, const WeirOclFacts *facts,
    const char *source_digest, const char *options)
{
  const char *const texts[] = { kind->magic, facts->name, facts->vendor, facts->version,
    facts->driver_version, facts->platform, facts->platform_version, source_digest, options };
  WeirDigest digest = WEIR_DIGEST_INIT;
  for (uint32_t i = 0; i < G_N_ELEMENTS (texts); i++)
    weir_digest_add_text (&digest, texts[i]);
  return weir_digest_text (&digest);
}

static char *make_path (const WeirOclKept *kind, const char *folder, const char *key)
{
  g_autofree char *name = g_strdup_printf ("%s%.32s", kind->prefix, key);
  return g_build_filename (folder, name, NULL);
}

/* header_bytes and the 0 behind, for the keys that are made here. Newly allocated. */
static char *make_header (
    const WeirOclKept *kind, const char *key, const void *bytes, size_t n_bytes)
{
  WeirDigest digest = WEIR_DIGEST_INIT;
  weir_digest_add (&digest, bytes, n_bytes);
  g_autofree char *text = weir_digest_text (&digest);
  return g_strdup_printf ("%s\n%s\n%s\n", kind->magic, key, text);
}

void *weir_ocl_kept_read (
    const WeirOclKept *kind, const char *folder, const char *key, size_t *n_bytes)
{
  g_autofree char *path = make_path (kind, folder, key);
  size_t n_file, n_header = header_bytes (kind);
  int fd = weir_cache_file_open (path, &n_file);
  if (fd < 0)
    return NULL;
  bool fits = n_file > n_header && n_file <= kind->max_file_bytes;
  g_autofree char *bytes = fits ? g_try_malloc (n_file) : NULL;
  size_t n_read = bytes ? weir_cache_file_read (fd, bytes, n_file, 0) : 0;
  close (fd);
  if (n_read <= n_header)
    return NULL;
  *n_bytes = n_read - n_header;
  g_autofree char *header = make_header (kind, key, bytes + n_header, *n_bytes);
  if (strncmp (header, bytes, n_header) != 0) {
    g_debug ("%s: is ignored: is not what was written here", path);
    return NULL;
  }
  g_utime (path, NULL);
  return g_memdup2 (bytes + n_header, *n_bytes);
}

typedef struct Entry {
  char *path;
  size_t n_bytes;
  struct timespec used;
} Entry;

static int compare_used (gconstpointer a, gconstpointer b)
{
  const struct timespec *x = &((const Entry *) a)->used, *y = &((const Entry *) b)->used;
  if (x->tv_sec != y->tv_sec)
    return x->tv_sec > y->tv_sec ? -1 : 1;
  return x->tv_nsec == y->tv_nsec ? 0 : x->tv_nsec > y->tv_nsec ? -1 : 1;
}

static void clear_entry (gpointer entry)
{
  g_free (((Entry *) entry)->path);
}

/* What is kept in the folder, the last used first. */
static GArray *list_entries (const WeirOclKept *kind, const char *folder)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;
  g_array_set_clear_func (entries, clear_entry);
  while (dir && (name = g_dir_read_name (dir))) {
    GStatBuf info;
    g_autofree char *path = g_build_filename (folder, name, NULL);
    if (!g_str_has_prefix (name, kind->prefix) || g_lstat (path, &info) != 0 ||
        !S_ISREG (info.st_mode))
      continue;
    Entry entry = { g_steal_pointer (&path), (size_t) info.st_size, info.st_mtim };
    g_array_append_val (entries, entry);
  }
  if (dir)
    g_dir_close (dir);
  g_array_sort (entries, compare_used);
  return entries;
}

static void make_room (const WeirOclKept *kind, const char *folder)
{
  g_autoptr (GArray) entries = list_entries (kind, folder);
  size_t n_bytes = 0;
  for (uint32_t i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);
    n_bytes += entry->n_bytes;
    if (i >= kind->max_files || n_bytes > kind->max_bytes)
      g_unlink (entry->path);
  }
}

bool weir_ocl_kept_write (const WeirOclKept *kind, const char *folder, const char *key,
    const void *bytes, size_t n_bytes, GError **error)
{
  g_autofree char *path = make_path (kind, folder, key);
  g_autofree char *header = make_header (kind, key, bytes, n_bytes);
  g_autoptr (GString) content = g_string_sized_new (header_bytes (kind));
  if (n_bytes == 0 || n_bytes > kind->max_file_bytes - header_bytes (kind)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: %zu bytes; expected are 1 to %zu", path,
        n_bytes, kind->max_file_bytes - header_bytes (kind));
    return false;
  }
  g_string_append (content, header);
  g_string_append_len (content, bytes, (gssize) n_bytes);
  g_mkdir_with_parents (folder, 0700);
  if (!g_file_set_contents_full (
          path, content->str, (gssize) content->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error))
    return false;
  make_room (kind, folder);
  return true;
}
