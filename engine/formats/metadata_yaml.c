/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metadata.yaml that Ultralytics writes beside an OpenVINO IR: top-level keys with a scalar, a
 * flow list or dict, or a block of "- item" or "key: item" lines. Nothing else of YAML. */
#include "engine/formats/metadata_private.h"

#include "engine/base/file.h"
#include "engine/formats/label_text.h"

#include <string.h>

#define MAX_BYTES (1u << 20)

/* A key with what was gathered of its block. */
typedef struct Block {
  char *key;
  WeirNames *items;
  bool is_dict;
} Block;

/* 'it''s': only quotes are special. NULL where the quote is not closed. */
static char *read_single_quoted (const char *text)
{
  GString *value = g_string_new (NULL);
  for (text++; *text && (*text != '\'' || text[1] == '\''); text++) {
    text += *text == '\'';
    g_string_append_c (value, *text);
  }
  return g_string_free (value, !*text);
}

/* Bare scalars end at a comment. */
static char *read_scalar (const char *text)
{
  if (*text == '\'')
    return read_single_quoted (text);
  bool is_quoted = *text == '"';
  char *value = weir_scalar_read (&text, "");
  char *comment = value && !is_quoted ? strstr (value, " #") : NULL;
  if (comment)
    *comment = '\0';
  return value ? g_strchomp (value) : NULL;
}

static void end_block (Block *block, GHashTable *metadata)
{
  g_autofree char *joined = block->items->len ? weir_names_join (block->items) : NULL;
  if (joined && strcmp (block->key, "names") == 0)
    weir_metadata_add (metadata, "weir.labels", joined);
  else if (joined && !block->is_dict) {
    g_strdelimit (joined, "\n", ',');
    g_autofree char *list = g_strdup_printf ("[%s]", joined);
    weir_metadata_add (metadata, block->key, list);
  }
  g_clear_pointer (&block->key, g_free);
  g_ptr_array_set_size (block->items, 0);
  block->is_dict = false;
}

/* One line of a block: "- item" or "  3: item". */
static void read_item (Block *block, const char *line)
{
  line += strspn (line, " ");
  if (line[0] == '-' && line[1] == ' ') {
    g_autofree char *value = read_scalar (line + 2 + strspn (line + 2, " "));
    if (value)
      weir_names_set (block->items, block->items->len, value);
    return;
  }
  guint64 number;
  g_autofree char *key = weir_scalar_read (&line, ":");
  if (!key || *line != ':' || !g_ascii_string_to_unsigned (key, 10, 0, G_MAXUINT32, &number, NULL))
    return;
  g_autofree char *value = read_scalar (line + 1 + strspn (line + 1, " "));
  if (value && weir_names_set (block->items, number, value))
    block->is_dict = true;
}

static void read_line (Block *block, const char *line, GHashTable *metadata)
{
  bool is_inner = line[0] == ' ' || (line[0] == '-' && line[1] == ' ');
  if (!*line || *line == '#' || g_str_has_prefix (line, "---"))
    return;
  if (is_inner) {
    if (block->key)
      read_item (block, line);
    return;
  }
  if (block->key)
    end_block (block, metadata);
  g_autofree char *key = weir_scalar_read (&line, ":");
  if (!key || *line != ':')
    return;
  line += 1 + strspn (line + 1, " ");
  if (!*line)
    block->key = g_steal_pointer (&key);
  else if (*line == '{' || *line == '[')
    weir_metadata_add (metadata, key, line);
  else {
    g_autofree char *value = read_scalar (line);
    if (value)
      weir_metadata_add (metadata, key, value);
  }
}

void weir_metadata_read_yaml (const char *text, size_t n_bytes, GHashTable *metadata)
{
  if (n_bytes > MAX_BYTES || !n_bytes || !g_utf8_validate (text, (gssize) n_bytes, NULL))
    return;
  Block block = { .items = weir_names_new () };
  g_autofree char *copy = g_strndup (text, n_bytes);
  for (char *line = copy, *next; line; line = next) {
    next = strchr (line, '\n');
    if (next)
      *next++ = '\0';
    read_line (&block, g_strchomp (line), metadata);
  }
  if (block.key)
    end_block (&block, metadata);
  g_ptr_array_unref (block.items);
}

void weir_metadata_load_yaml (const char *model_path, GHashTable *metadata)
{
  g_autofree char *folder = g_path_get_dirname (model_path);
  g_autofree char *path = g_build_filename (folder, "metadata.yaml", NULL);
  if (!g_str_has_suffix (model_path, ".xml") || !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return;
  g_autoptr (WeirFile) file = weir_file_map (path, NULL);
  if (file)
    weir_metadata_read_yaml ((const char *) file->bytes, file->n_bytes, metadata);
}
