/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: bytes as an OpenVINO IR file, folded and made to batch. What begins with '<' is its
 * XML, and behind a 0 its weights; anything else is a layer as text (ir_builder_line), which gets
 * further than XML with a broken tag. */
#include "engine/base/file.h"
#include "engine/error.h"
#include "engine/formats/ir_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/fuzz/replay.h"
#include "tests/unit/formats/ir_builder.h"

#include <string.h>

static void pin_dynamic (WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    WeirTensor *tensor =
        &weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i))->tensor;
    for (uint32_t k = 1; k < tensor->rank; k++)
      if (tensor->dims[k] < 0)
        tensor->dims[k] = 8;
  }
}

static void load (const char *xml, size_t n_bytes, const WeirIrBin *bin)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (WeirGraph) graph = weir_ir_parse ("fuzz.xml", xml, n_bytes, bin, metadata, &error);
  const char *reason;
  bool rewritten;
  if (graph) {
    pin_dynamic (graph);
    if (weir_fold (graph, weir_ref_evaluate, &error))
      weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, &error);
  }
  if (error && (error->domain != WEIR_ERROR || !g_utf8_validate (error->message, -1, NULL)))
    g_error ("not an error of ours: %s", error->message);
}

static void load_line (const char *line, bool opens)
{
  g_autoptr (IrBuilder) b = ir_builder_line (line, opens);
  if (!b)
    return;
  g_autofree char *xml = ir_builder_xml (b);
  const WeirIrBin bin = { "fuzz.bin", NULL, b->bin->data, b->bin->len };
  load (xml, strlen (xml), &bin);
}

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  const uint8_t *zero = n_bytes ? memchr (bytes, 0, n_bytes) : NULL;
  if (!n_bytes || *bytes == '<') {
    size_t n_xml = zero ? (size_t) (zero - bytes) : n_bytes;
    const WeirIrBin bin = { "fuzz.bin", NULL, zero ? zero + 1 : NULL,
      zero ? n_bytes - n_xml - 1 : 0 };
    load ((const char *) bytes, n_xml, &bin);
    return 0;
  }
  g_autofree char *line = g_strndup ((const char *) bytes, n_bytes);
  load_line (line, false);
  load_line (line, true);
  return 0;
}

#ifndef WEIR_FUZZ_ENGINE
int main (int argc, char **argv)
{
  return fuzz_replay (argc, argv);
}
#endif
