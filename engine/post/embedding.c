/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Embeddings: one vector that stands for what is seen, to be compared with others of its kind. */
#include "engine/post/decoders.h"
#include "engine/post/heads.h"
#include "engine/post/outputs.h"

static bool match (const WeirModelFacts *facts, const char **why)
{
  if (facts->n_outputs != 1 || !weir_facts_is_embedding (facts, 0))
    return false;
  return weir_facts_recognise (
      why, "one vector of %u numbers without labels or softmax", weir_facts_vector (facts, 0));
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  if (facts->n_outputs != 1) {
    weir_facts_refuse_count (facts, "embedding", "one, [1,numbers]", error);
    return NULL;
  }
  if (!weir_facts_vector (facts, 0)) {
    weir_facts_refuse (facts, 0, "embedding", error, "one vector, [1,numbers]");
    return NULL;
  }
  return weir_nothing_prepare (facts, input, error);
}

const WeirDecoder weir_decoder_embedding = {
  .name = "embedding",
  .blurb = "one vector to compare regions by, as a tensor",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = weir_nothing_release,
  .decode = weir_nothing_decode,
};
