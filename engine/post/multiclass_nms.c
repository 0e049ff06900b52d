/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What PaddlePaddle's multiclass_nms leaves: rows of class, score and corners in pixels, and how
 * many there are. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/row_form.h"

static const WeirRowForm form = { .n_columns = 6, .label = 0, .score = 1, .corners = 2 };

static bool is_rows (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  return weir_facts_is_float (facts, k) && output->rank == 2 && output->dims[1] == form.n_columns;
}

static bool is_count (const WeirModelFacts *facts, uint32_t k)
{
  return weir_facts_is_integer (facts, k) && facts->outputs[k].rank <= 1;
}

static bool fit (const WeirModelFacts *facts, uint32_t *k)
{
  for (*k = 0; *k < facts->n_outputs && facts->n_outputs <= 2; ++*k)
    if (is_rows (facts, *k))
      return facts->n_outputs == 1 || is_count (facts, 1 - *k);
  return false;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t k;
  return facts->n_outputs == 2 && fit (facts, &k) &&
         weir_facts_recognise (why, "rows [N,6] of class, score and corners, and their number");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  uint32_t k;
  if (fit (facts, &k))
    return g_memdup2 (&k, sizeof k);
  weir_facts_refuse_count (
      facts, "multiclass_nms", "rows f32[N,6], and perhaps their number, i32[1]", error);
  return NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const uint32_t *k = job->state;
  return weir_row_form_decode (&form, job, *k, result, error);
}

const WeirDecoder weir_decoder_multiclass_nms = {
  .name = "multiclass_nms",
  .blurb = "Objects as PaddlePaddle's multiclass_nms leaves them: rows [N,6] and their number",
  .is_detector = true,
  WEIR_TRAINED_ON_UNIT,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
