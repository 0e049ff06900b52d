/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classification: one vector of classes becomes one attribute with its best entries. Softmax is
 * added unless the network has it: the graph says so where it is known, else every vector for
 * itself. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include <math.h>

#define SUM_TOLERANCE 1e-3

typedef enum Form {
  FORM_UNKNOWN, /* a distribution where it looks like one, else logits */
  FORM_LOGITS,
  FORM_PROBABILITIES, /* as they stand */
} Form;

typedef struct Classification {
  uint32_t n_classes;
  Form form;
  char *attribute;
} Classification;

static uint32_t count_classes (const WeirModelFacts *facts)
{
  const WeirTensor *output = facts->n_outputs == 1 ? &facts->outputs[0] : NULL;
  bool is_vector = output && (output->rank == 2 || output->rank == 4) && output->dims[0] == 1 &&
                   output->dims[1] >= 2 && output->dims[1] <= INT32_MAX;
  if (!is_vector || (output->rank == 4 && (output->dims[2] != 1 || output->dims[3] != 1)))
    return 0;
  return (uint32_t) output->dims[1];
}

static Form find_form (const WeirModelFacts *facts)
{
  uint32_t traits = weir_facts_traits (facts, 0);
  if (traits & (WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_SIGMOID))
    return FORM_PROBABILITIES;
  return (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_EXP) ? FORM_LOGITS : FORM_UNKNOWN;
}

/* Embeddings have the same shape; these are the sizes they come in. */
static bool is_embedding (const WeirModelFacts *facts, uint32_t n)
{
  bool is_usual = n == 128 || n == 256 || n == 512;
  return is_usual && !facts->labels && find_form (facts) != FORM_PROBABILITIES;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  static const char *const forms[] = {
    [FORM_UNKNOWN] = "softmax added where it is no distribution",
    [FORM_LOGITS] = "softmax added",
    [FORM_PROBABILITIES] = "probabilities given by the network",
  };
  uint32_t n = count_classes (facts);
  if (!n || is_embedding (facts, n))
    return false;
  return weir_facts_recognise (why, "one vector of %u classes%s, %s", n,
      facts->labels ? "" : " without labels", forms[find_form (facts)]);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  const char *attribute = weir_facts_metadata (facts, "weir.attribute");
  uint32_t n = count_classes (facts);
  if (facts->n_outputs != 1) {
    weir_facts_refuse_count (facts, "classification", "one, [1,classes]", error);
    return NULL;
  }
  if (!n) {
    weir_facts_refuse (
        facts, 0, "classification", error, "[1,classes] or [1,classes,1,1] of at least 2 classes");
    return NULL;
  }
  Classification *state = g_new (Classification, 1);
  *state = (Classification){ .n_classes = n,
    .form = find_form (facts),
    .attribute = g_strdup (attribute && *attribute ? attribute : "classification") };
  return state;
}

static void release (void *data)
{
  Classification *state = data;
  if (!state)
    return;
  g_free (state->attribute);
  g_free (state);
}

static bool is_distribution (const float *values, uint32_t n)
{
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (!(values[i] >= 0 && values[i] <= 1))
      return false;
    sum += (double) values[i];
  }
  return fabs (sum - 1) <= SUM_TOLERANCE;
}

/* Of the finite values; the others get 0. */
static void softmax (const float *values, uint32_t n, float *dst)
{
  double greatest = -INFINITY, sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (isfinite (values[i]) && (double) values[i] > greatest)
      greatest = (double) values[i];
  for (uint32_t i = 0; i < n; i++)
    sum += isfinite (values[i]) ? exp ((double) values[i] - greatest) : 0;
  for (uint32_t i = 0; i < n; i++)
    dst[i] = isfinite (values[i]) ? (float) (exp ((double) values[i] - greatest) / sum) : 0;
}

/* The best `most` finite entries, best first, the first of equals before the others. */
static uint32_t pick_best (
    const float *confidences, const float *values, uint32_t n, uint32_t most, WeirClass *classes)
{
  uint32_t n_kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (!isfinite (values[i]))
      continue;
    bool is_full = n_kept == most;
    if (is_full && !(confidences[i] > classes[n_kept - 1].confidence))
      continue;
    uint32_t at = is_full ? n_kept - 1 : n_kept++;
    for (; at > 0 && confidences[i] > classes[at - 1].confidence; at--)
      classes[at] = classes[at - 1];
    classes[at] = (WeirClass){ .label_id = (int32_t) i, .confidence = confidences[i] };
  }
  return n_kept;
}

static void add_attribute (
    const WeirDecodeJob *job, const float *confidences, const float *values, WeirResult *result)
{
  const Classification *state = job->state;
  uint32_t most = CLAMP (job->options->top_k, 1, state->n_classes);
  WeirClass *classes = weir_arena_new_array (result->arena, WeirClass, most);
  uint32_t n = pick_best (confidences, values, state->n_classes, most, classes);
  if (n == 0 || !(classes[0].confidence >= job->options->threshold))
    return;
  for (uint32_t i = 0; i < n; i++) {
    classes[i].confidence = CLAMP (classes[i].confidence, 0, 1);
    classes[i].label = weir_facts_label (job->facts, classes[i].label_id, NULL, result->arena);
  }
  result->attributes = weir_arena_new_array (result->arena, WeirAttribute, 1);
  WeirAttribute *attribute = &result->attributes[0];
  attribute->name = weir_arena_strdup (result->arena, state->attribute);
  attribute->n_classes = n;
  attribute->classes = classes;
  result->n_attributes = 1;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Classification *state = job->state;
  uint32_t n = state->n_classes;
  const float *values = weir_job_f32 (job, 0, n, result->arena, error);
  if (!values)
    return false;
  const float *confidences = values;
  bool is_logits =
      state->form == FORM_LOGITS || (state->form == FORM_UNKNOWN && !is_distribution (values, n));
  if (is_logits) {
    float *dst = weir_arena_new_array (result->arena, float, n);
    softmax (values, n, dst);
    confidences = dst;
  }
  add_attribute (job, confidences, values, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_classification = {
  .name = "classification",
  .blurb = "classes of the region: [1,classes] or [1,classes,1,1], softmax inside or added",
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match,
  .n_classes = count_classes,
  .prepare = prepare,
  .release = release,
  .decode = decode,
};
