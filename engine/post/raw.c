/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw: every output as a tensor; what unknown networks get. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"

static bool match (const WeirModelFacts *facts, const char **why)
{
  return weir_facts_recognise (why, "no family of networks has these outputs");
}

const WeirDecoder weir_decoder_raw = {
  .name = "raw",
  .blurb = "every output as a tensor",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = weir_nothing_prepare,
  .release = weir_nothing_release,
  .decode = weir_nothing_decode,
};
