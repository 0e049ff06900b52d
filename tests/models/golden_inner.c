/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits IR as text: a Result and an edge for each edge into the layer. */
#include "tests/models/golden_inner.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *match (const char *text, const char *pattern, gint group)
{
  g_autoptr (GRegex) regex =
      g_regex_new (pattern, (GRegexCompileFlags) 0, (GRegexMatchFlags) 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;
  return g_regex_match (regex, text, (GRegexMatchFlags) 0, &info) ? g_match_info_fetch (info, group)
                                                                  : NULL;
}

/* " from-layer=… from-port=…" of the edge into a port. */
static char *find_source (const char *xml, const char *layer, guint port)
{
  g_autofree char *pattern = g_strdup_printf (
      "<edge( from-layer=\"[0-9]+\" from-port=\"[0-9]+\") to-layer=\"%s\" to-port=\"%u\"", layer,
      port);
  return match (xml, pattern, 1);
}

static char *insert (const char *xml, const char *before, const char *text)
{
  const char *at = strstr (xml, before);
  return g_strdup_printf ("%.*s%s%s", (int) (at - xml), xml, text, at);
}

char *golden_expose_inner (const char *path, const char *folder, guint n_inner)
{
  g_autofree char *xml = NULL;
  if (!g_file_get_contents (path, &xml, NULL, NULL))
    return NULL;
  g_autofree char *layer =
      match (xml, "<layer id=\"([0-9]+)\"[^>]* type=\"(DetectionOutput|CTCGreedyDecoder)\"", 1);
  g_autoptr (GString) results = g_string_new (NULL), edges = g_string_new (NULL);
  for (guint i = 0; layer && i < n_inner; i++) {
    g_autofree char *source = find_source (xml, layer, i);
    if (!source)
      return NULL;
    g_string_append_printf (results,
        "<layer id=\"%u\" name=\"inner_%u\" type=\"Result\" version=\"opset1\"><input><port "
        "id=\"0\"/></input></layer>",
        900000 + i, i);
    g_string_append_printf (edges, "<edge%s to-layer=\"%u\" to-port=\"0\"/>", source, 900000 + i);
  }
  g_autofree char *with_results = layer ? insert (xml, "</layers>", results->str) : NULL;
  g_autofree char *whole = layer ? insert (with_results, "</edges>", edges->str) : NULL;
  char *target = g_build_filename (folder, "inner.xml", NULL);
  g_autofree char *bin = g_build_filename (folder, "inner.bin", NULL);
  g_autofree char *bin_source = g_strdup_printf ("%.*s.bin", (int) strlen (path) - 4, path);
  g_unlink (bin);
  if (whole && g_file_set_contents (target, whole, -1, NULL) && symlink (bin_source, bin) == 0)
    return target;
  g_free (target);
  return NULL;
}
