/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file of lines, each the SHA-256 of what was proved, the newest last.
 *
 * There is nothing in it but these keys: a line that a disk or an editor has changed is the key of
 * nothing, so whatever the file holds, the worst it can do is to have a proof made again. */
#include "engine/sched/proof_cache.h"

#include "engine/base/cache_file.h"
#include "kernels/kernels.h"

#include <dlfcn.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME  "proofs-1"
#define KEY_CHARS  64u
#define LINE_CHARS (KEY_CHARS + 1)
#define MAX_BYTES  ((size_t) WEIR_PROOF_CACHE_MAX * LINE_CHARS)

static bool is_key (const char *line)
{
  return strspn (line, "0123456789abcdef") == KEY_CHARS && line[KEY_CHARS] == '\0';
}

/* The keys that the file holds; none where it is larger than any that is written here. */
static GPtrArray *read_keys (const char *path)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = g_malloc (MAX_BYTES + 1);
  size_t n_bytes;
  int fd = weir_cache_file_open (path, &n_bytes);
  if (fd < 0)
    return keys;
  size_t n_read = n_bytes <= MAX_BYTES ? weir_cache_file_read (fd, text, n_bytes, 0) : 0;
  close (fd);
  text[n_read] = '\0';
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (uint32_t i = 0; lines[i]; i++)
    if (is_key (lines[i]))
      g_ptr_array_add (keys, g_strdup (lines[i]));
  return keys;
}

static bool has (const GPtrArray *keys, const char *key)
{
  for (uint32_t i = 0; i < keys->len; i++)
    if (strcmp (keys->pdata[i], key) == 0)
      return true;
  return false;
}

bool weir_proof_cache_has (const char *folder, const char *key)
{
  g_autofree char *path = g_build_filename (folder, FILE_NAME, NULL);
  g_autoptr (GPtrArray) keys = read_keys (path);
  return has (keys, key);
}

void weir_proof_cache_add (const char *folder, const char *key)
{
  g_autofree char *path = g_build_filename (folder, FILE_NAME, NULL);
  g_autoptr (GPtrArray) keys = read_keys (path);
  g_autoptr (GString) text = g_string_sized_new (MAX_BYTES);
  g_autoptr (GError) error = NULL;
  if (!is_key (key) || has (keys, key))
    return;
  uint32_t n_dropped = keys->len - MIN (keys->len, WEIR_PROOF_CACHE_MAX - 1);
  for (uint32_t i = n_dropped; i < keys->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) keys->pdata[i]);
  g_string_append_printf (text, "%s\n", key);
  g_mkdir_with_parents (folder, 0700);
  if (!g_file_set_contents_full (
          path, text->str, (gssize) text->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
    g_debug ("a proof is not kept: %s", error->message);
}

void weir_proof_cache_add_build (WeirDigest *digest)
{
  Dl_info library;
  struct stat info;
  weir_digest_add_text (digest, WEIR_VERSION);
  weir_digest_add_number (digest, weir_cpu_isa ());
  weir_digest_add_number (digest, weir_cpu_has_bf16 ());
  weir_digest_add_number (digest, weir_cpu_has_int8 ());
  /* Builds of one version differ: by where, how large and how old the file is. */
  if (!dladdr ((const void *) FILE_NAME, &library) || g_stat (library.dli_fname, &info) != 0)
    return;
  weir_digest_add_text (digest, library.dli_fname);
  weir_digest_add_number (digest, (uint64_t) info.st_size);
  weir_digest_add (digest, &info.st_mtim, sizeof info.st_mtim);
}
