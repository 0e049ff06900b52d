/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classification: outputs of classes become attributes, one or several, beside outputs of numbers.
 */
#include "engine/post/decoders.h"
#include "engine/post/heads.h"
#include "engine/post/outputs.h"

/* Labels that the user gives are those of the only output of classes. */
static uint32_t count_classes (const WeirModelFacts *facts)
{
  WeirHeads heads;
  uint32_t n = 0;
  if (!weir_heads_init (&heads, facts, NULL))
    return 0;
  if (heads.n_answers == 1)
    for (uint32_t k = 0; k < heads.n; k++)
      if (heads.items[k].kind == WEIR_HEAD_CLASSES)
        n = heads.items[k].n_values;
  weir_heads_clear (&heads);
  return n;
}

/* A feature map beside the classes is unusual: labels must speak for them then. */
static bool fits_outputs (const WeirModelFacts *facts)
{
  for (uint32_t k = 0; k < facts->n_outputs; k++)
    if (!weir_facts_vector (facts, k) && !facts->labels)
      return false;
  return true;
}

/* Networks that look at two pictures (both eyes, say) cannot be given one. */
static bool has_one_picture (const WeirModelFacts *facts)
{
  for (uint32_t k = 0; k < facts->n_inputs; k++)
    if (k != facts->picture && facts->inputs[k].rank == 4)
      return false;
  return true;
}

static const char *describe_form (const WeirHead *head)
{
  return head->form == WEIR_FORM_PROBABILITIES ? "probabilities given by the network"
         : head->form == WEIR_FORM_UNKNOWN     ? "softmax added where it is no distribution"
                                               : "softmax added";
}

static bool recognise (const WeirModelFacts *facts, const WeirHeads *heads, const char **why)
{
  const WeirHead *head = &heads->items[0];
  if (heads->n == 1 && head->kind == WEIR_HEAD_CLASSES)
    return weir_facts_recognise (why, "one vector of %u classes%s, %s", head->n_values,
        facts->labels ? "" : " without labels", describe_form (head));
  g_autofree char *text = weir_heads_describe (heads, facts);
  return weir_facts_recognise (why, "%s", text);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  WeirHeads heads;
  if (!fits_outputs (facts) || !has_one_picture (facts) || !weir_heads_init (&heads, facts, NULL))
    return false;
  bool is_match = heads.n_answers > 0 && recognise (facts, &heads, why);
  weir_heads_clear (&heads);
  return is_match;
}

/* Asked for by name: a single vector is taken for classes, whatever its size. */
static bool force (WeirHeads *heads, const WeirModelFacts *facts)
{
  WeirHead *head = &heads->items[0];
  if (heads->n != 1 || head->n_values < 2 || !weir_facts_is_float (facts, 0))
    return false;
  head->kind = WEIR_HEAD_CLASSES;
  head->name = g_strdup ("classification");
  heads->n_answers = 1;
  return true;
}

static void release (void *data)
{
  WeirHeads *heads = data;
  if (heads)
    weir_heads_clear (heads);
  g_free (heads);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  WeirHeads *heads = g_new0 (WeirHeads, 1);
  if (!weir_heads_init (heads, facts, error)) {
    g_free (heads);
    return NULL;
  }
  if (heads->n_answers || force (heads, facts))
    return heads;
  release (heads);
  if (facts->n_outputs == 1)
    weir_facts_refuse (
        facts, 0, "classification", error, "[1,classes] or [1,classes,1,1] of at least 2 classes");
  else
    weir_facts_refuse_count (facts, "classification", "one of them at least of classes", error);
  return NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  return weir_heads_decode (job->state, job, result, error);
}

const WeirDecoder weir_decoder_classification = {
  .name = "classification",
  .blurb = "classes of the region, one vector [1,classes] or several, with numbers beside them",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = count_classes,
  .prepare = prepare,
  .release = release,
  .decode = decode,
};
