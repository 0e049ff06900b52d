/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table and its file: lines of a window, a number of items and a variant, tabs in between. */
#include "engine/ocl/ocl_tuning.h"

#include "engine/ocl/ocl_kept.h"

#include <string.h>

#define MAX_BYTES ((size_t) 4 << 20) /* of the largest table, and more */

static const WeirOclKept kind = { "tuning-", "weir-tuning/1", MAX_BYTES, 16, 4 * MAX_BYTES };

typedef struct Entry {
  char *window, *variant;
  uint32_t n_items;
} Entry;

struct WeirOclTuning {
  GArray *entries; /* of Entry, the oldest first */
};

static void clear_entry (gpointer data)
{
  Entry *entry = data;
  g_free (entry->window);
  g_free (entry->variant);
}

WeirOclTuning *weir_ocl_tuning_new (void)
{
  WeirOclTuning *tuning = g_new (WeirOclTuning, 1);
  tuning->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (tuning->entries, clear_entry);
  return tuning;
}

void weir_ocl_tuning_free (WeirOclTuning *tuning)
{
  if (!tuning)
    return;
  g_array_unref (tuning->entries);
  g_free (tuning);
}

uint32_t weir_ocl_tuning_n (const WeirOclTuning *tuning)
{
  return tuning->entries->len;
}

static const Entry *entry_of (const WeirOclTuning *tuning, uint32_t i)
{
  return &g_array_index (tuning->entries, Entry, i);
}

/* Entries of the window; of all numbers of items where that is 0. */
static void forget (WeirOclTuning *tuning, const char *window, uint32_t n_items)
{
  for (uint32_t i = tuning->entries->len; i-- > 0;) {
    const Entry *entry = entry_of (tuning, i);
    if (strcmp (entry->window, window) == 0 && (n_items == 0 || entry->n_items == n_items))
      g_array_remove_index (tuning->entries, i);
  }
}

void weir_ocl_tuning_forget (WeirOclTuning *tuning, const char *window)
{
  forget (tuning, window, 0);
}

static bool is_text (const char *text)
{
  return *text && strlen (text) <= WEIR_OCL_TUNING_CHARS && !strpbrk (text, "\t\n\r");
}

void weir_ocl_tuning_set (
    WeirOclTuning *tuning, const char *window, uint32_t n_items, const char *variant)
{
  if (!is_text (window) || !is_text (variant) || n_items == 0)
    return;
  forget (tuning, window, n_items);
  if (tuning->entries->len >= WEIR_OCL_TUNING_MAX)
    g_array_remove_index (tuning->entries, 0);
  Entry entry = { g_strdup (window), g_strdup (variant), n_items };
  g_array_append_val (tuning->entries, entry);
}

/* By how much two numbers differ, >= 1. */
static double ratio_of (uint32_t a, uint32_t b)
{
  return a > b ? (double) a / b : (double) b / a;
}

const char *weir_ocl_tuning_find (
    const WeirOclTuning *tuning, const char *window, uint32_t *n_items)
{
  const Entry *nearest = NULL;
  for (uint32_t i = 0; i < tuning->entries->len; i++) {
    const Entry *entry = entry_of (tuning, i);
    if (strcmp (entry->window, window) == 0 &&
        (!nearest || ratio_of (entry->n_items, *n_items) < ratio_of (nearest->n_items, *n_items)))
      nearest = entry;
  }
  if (nearest)
    *n_items = nearest->n_items;
  return nearest ? nearest->variant : NULL;
}

/* A line that makes no sense is left out: a later version may write others. */
static void read_line (WeirOclTuning *tuning, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, "\t", 4);
  guint64 n_items;
  if (g_strv_length (words) == 3 &&
      g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXUINT32, &n_items, NULL))
    weir_ocl_tuning_set (tuning, words[0], (uint32_t) n_items, words[2]);
}

WeirOclTuning *weir_ocl_tuning_read (
    const char *folder, const WeirOclFacts *facts, const char *source_digest)
{
  WeirOclTuning *tuning = weir_ocl_tuning_new ();
  g_autofree char *key = weir_ocl_kept_key (&kind, facts, source_digest, "");
  size_t n_bytes = 0;
  g_autofree char *bytes = weir_ocl_kept_read (&kind, folder, key, &n_bytes);
  g_autofree char *text = bytes ? g_strndup (bytes, n_bytes) : g_strdup ("");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++)
    read_line (tuning, *line);
  return tuning;
}

bool weir_ocl_tuning_write (const WeirOclTuning *tuning, const char *folder,
    const WeirOclFacts *facts, const char *source_digest, GError **error)
{
  g_autofree char *key = weir_ocl_kept_key (&kind, facts, source_digest, "");
  g_autoptr (GString) text = g_string_new (NULL);
  for (uint32_t i = 0; i < tuning->entries->len; i++) {
    const Entry *entry = entry_of (tuning, i);
    g_string_append_printf (text, "%s\t%u\t%s\n", entry->window, entry->n_items, entry->variant);
  }
  return weir_ocl_kept_write (&kind, folder, key, text->str, text->len, error);
}

void weir_ocl_tuning_merge (WeirOclTuning *tuning, const WeirOclTuning *other)
{
  for (uint32_t i = 0; i < other->entries->len; i++)
    forget (tuning, entry_of (other, i)->window, 0);
  for (uint32_t i = 0; i < other->entries->len; i++) {
    const Entry *entry = entry_of (other, i);
    weir_ocl_tuning_set (tuning, entry->window, entry->n_items, entry->variant);
  }
}
