/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replays a corpus, mutated with a fixed seed. */
#include "tests/fuzz/replay.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Shared by the files of a corpus: a sanitizer makes a run thirty times slower. */
enum { N_RUNS = 24000 };

/* Flips, overwrites, removes or repeats a few bytes. */
static void mutate (GByteArray *bytes, GRand *random)
{
  for (int n = g_rand_int_range (random, 1, 5); n > 0 && bytes->len > 8; n--) {
    guint at = (guint) g_rand_int_range (random, 0, (gint32) bytes->len);
    guint length = (guint) g_rand_int_range (random, 1, 9);
    length = MIN (length, bytes->len - at);
    switch (g_rand_int_range (random, 0, 5)) {
    case 0:
      bytes->data[at] ^= (guint8) (1u << g_rand_int_range (random, 0, 8));
      break;
    case 1:
      bytes->data[at] = (guint8) g_rand_int (random);
      break;
    case 2:
      memset (bytes->data + at, g_rand_boolean (random) ? 0xff : 0x00, length);
      break;
    case 3:
      g_byte_array_remove_range (bytes, at, length);
      break;
    default: {
      guint8 part[8];
      memcpy (part, bytes->data + at, length);
      g_byte_array_append (bytes, part, length);
    }
    }
  }
}

static bool replay (const char *path, int n_mutations)
{
  g_autofree char *text = NULL;
  gsize n_bytes;
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  if (!g_file_get_contents (path, &text, &n_bytes, NULL))
    return false;
  LLVMFuzzerTestOneInput ((const uint8_t *) text, n_bytes);
  for (int i = 0; i < n_mutations; i++) {
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    g_byte_array_append (bytes, (const guint8 *) text, (guint) n_bytes);
    mutate (bytes, random);
    LLVMFuzzerTestOneInput (bytes->data, bytes->len);
  }
  return true;
}

static void ignore_message (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
}

int fuzz_replay (int argc, char **argv)
{
  int n_files = 0, n_replayed = 0;
  g_autoptr (GDir) dir = argc > 1 ? g_dir_open (argv[1], 0, NULL) : NULL;
  while (dir && g_dir_read_name (dir))
    n_files++;
  if (!n_files)
    return 1;
  g_dir_rewind (dir);
  g_log_set_handler ("weir", G_LOG_LEVEL_MESSAGE, ignore_message, NULL);
  for (const char *name; (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (argv[1], name, NULL);
    n_replayed += replay (path, N_RUNS / n_files);
  }
  printf ("%d files of the corpus, each with %d mutations\n", n_replayed, N_RUNS / n_files);
  return n_replayed < n_files;
}
