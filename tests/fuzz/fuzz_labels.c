/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: bytes as labels in each of the notations: lines, a list with commas, the dicts and
 * lists of exporters, metadata.yaml, and as any value of a model's metadata. */
#include "engine/error.h"
#include "engine/formats/label_text.h"
#include "engine/formats/metadata_private.h"
#include "tests/fuzz/replay.h"

#include <string.h>

static void check_error (const GError *error)
{
  if (error->domain != WEIR_ERROR || !g_utf8_validate (error->message, -1, NULL))
    g_error ("not an error of ours: %s", error->message);
}

static void check_metadata (GHashTable *metadata)
{
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, metadata);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_str_has_prefix (key, "weir."))
      g_assert_true (g_utf8_validate (value, -1, NULL));
}

/* Under one key, that the length chooses. */
static void read_as_metadata (const char *text, size_t n_bytes)
{
  static const char *const keys[] = { "names", "labels", "imgsz", "stride", "kpt_shape",
    "model_info.mean_values", "model_info.scale_values", "model_info.pad_value",
    "model_info.model_type", "rt_info.conversion_parameters.mean_values" };
  const char *key = keys[n_bytes % G_N_ELEMENTS (keys)];
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert (metadata, g_strdup (key), g_strdup (text));
  weir_metadata_translate ("nowhere/net.onnx", metadata);
  check_metadata (metadata);
}

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GError) line_error = NULL, list_error = NULL;
  g_autofree char *text = g_strndup ((const char *) bytes, n_bytes);
  g_autofree char *list = g_strconcat (",", text, NULL); /* no file's name */
  g_auto (GStrv) lines = weir_labels_parse ("fuzz.txt", bytes, n_bytes, &line_error);
  g_auto (GStrv) labels = weir_labels_load (list, &list_error);
  g_autofree char *names = weir_names_parse (text);
  weir_metadata_read_yaml (text, n_bytes ? strlen (text) : 0, metadata);
  check_metadata (metadata);
  read_as_metadata (text, n_bytes);
  if (!lines)
    check_error (line_error);
  if (!labels)
    check_error (list_error);
  g_assert_true (!names || g_utf8_validate (names, -1, NULL));
  return 0;
}

#ifndef WEIR_FUZZ_ENGINE
int main (int argc, char **argv)
{
  return fuzz_replay (argc, argv);
}
#endif
