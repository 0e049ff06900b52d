/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: bytes as a model-proc file. */
#include "engine/error.h"
#include "engine/formats/modelproc_private.h"
#include "tests/fuzz/replay.h"

#include <math.h>

static void check_output (const WeirProcOutput *output)
{
  GHashTableIter iter;
  gpointer name, text;
  g_assert_true (isnan (output->threshold) || isfinite (output->threshold));
  g_assert_true (isfinite (output->text_scale));
  g_assert_cmpint (output->text_precision, >=, -1);
  g_assert_cmpuint (output->n_labels, ==, output->labels ? g_strv_length (output->labels) : 0);
  g_hash_table_iter_init (&iter, output->members);
  while (g_hash_table_iter_next (&iter, &name, &text))
    g_assert_true (g_utf8_validate (text, -1, NULL));
}

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirProc) proc =
      weir_modelproc_parse ("nowhere/fuzz.json", bytes, n_bytes, metadata, &error);
  for (uint32_t i = 0; proc && i < proc->n_outputs; i++)
    check_output (&proc->outputs[i]);
  if (!proc && (error->domain != WEIR_ERROR || !g_utf8_validate (error->message, -1, NULL)))
    g_error ("not an error of ours: %s", error->message);
  return 0;
}

#ifndef WEIR_FUZZ_ENGINE
int main (int argc, char **argv)
{
  return fuzz_replay (argc, argv);
}
#endif
