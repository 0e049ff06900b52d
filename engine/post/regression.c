/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Regression: a few numbers that mean what the outputs are called: an age, angles, a direction. */
#include "engine/post/decoders.h"
#include "engine/post/heads.h"
#include "engine/post/outputs.h"

/* Of longer vectors nothing is known. */
#define MAX_NUMBERS 64u

static bool fits (const WeirModelFacts *facts, uint32_t k)
{
  uint32_t n = weir_facts_vector (facts, k);
  return n >= 1 && n <= MAX_NUMBERS && weir_facts_is_float (facts, k);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (!fits (facts, k))
      return false;
    g_string_append_printf (
        names, "%s'%s' (%u)", k ? ", " : "", facts->output_names[k], weir_facts_vector (facts, k));
  }
  return facts->n_outputs > 0 && weir_facts_recognise (why, "numbers of %s", names->str);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (fits (facts, k))
      continue;
    weir_facts_refuse (facts, k, "regression", error, "up to %u numbers, [1,numbers]", MAX_NUMBERS);
    return NULL;
  }
  return weir_nothing_prepare (facts, input, error);
}

const WeirDecoder weir_decoder_regression = {
  .name = "regression",
  .blurb = "a few numbers an output (an age, angles), as tensors",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = weir_nothing_release,
  .decode = weir_nothing_decode,
};
