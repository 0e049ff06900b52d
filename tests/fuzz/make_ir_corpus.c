/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the corpus of fuzz_ir into a folder: a small net, and the first layer of each type in
 * ir_layers.txt, in XML, some of them as text too. */
#include "tests/unit/formats/ir_builder.h"

#include <stdio.h>
#include <string.h>

enum { N_LAYERS = 12 /* of one net */, N_APART = 5 /* of the lines */ };

static void write_file (const char *folder, const char *name, const char *bytes, size_t n_bytes)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  if (!g_file_set_contents (path, bytes, (gssize) n_bytes, NULL))
    g_error ("%s cannot be written", path);
}

/* XML, a 0 and the weights. */
static void write_net (const char *folder, const char *name, const IrBuilder *b)
{
  g_autofree char *xml = ir_builder_xml (b);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_byte_array_append (bytes, (const guint8 *) xml, (guint) strlen (xml) + 1);
  g_byte_array_append (bytes, b->bin->data, b->bin->len);
  write_file (folder, name, (const char *) bytes->data, bytes->len);
}

/* The first line of each type. */
static GPtrArray *pick_lines (char **lines)
{
  GPtrArray *picked = g_ptr_array_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i] && g_hash_table_add (seen, g_strndup (lines[i], strcspn (lines[i], "-;"))))
      g_ptr_array_add (picked, lines[i]);
  return picked;
}

int main (int argc, char **argv)
{
  g_autofree char *text = NULL;
  if (argc != 3 || !g_file_get_contents (argv[2], &text, NULL, NULL)) {
    fprintf (stderr, "usage: %s FOLDER ir_layers.txt\n", argv[0]);
    return 1;
  }
  g_autoptr (IrBuilder) small = ir_builder_small_net ();
  write_net (argv[1], "small.ir", small);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) picked = pick_lines (lines);
  for (guint i = 0; i < picked->len; i += N_LAYERS) {
    g_autoptr (IrBuilder) b = ir_builder_new ();
    g_autofree char *name = g_strdup_printf ("layers-%02u.ir", i / N_LAYERS);
    for (guint k = i; k < MIN (i + N_LAYERS, picked->len); k++)
      ir_builder_add_line (b, g_ptr_array_index (picked, k), k % 2);
    write_net (argv[1], name, b);
  }
  for (guint i = 0; i < picked->len; i += N_APART) {
    const char *line = g_ptr_array_index (picked, i);
    g_autofree char *type = g_strndup (line, strcspn (line, "-;"));
    g_autofree char *name = g_strdup_printf ("%s.txt", type);
    write_file (argv[1], name, line, strlen (line));
  }
  return 0;
}
