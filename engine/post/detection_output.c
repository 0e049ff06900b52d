/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of OpenVINO's DetectionOutput: image, class, confidence, corners in 0..1. The network has
 * chosen among overlapping boxes already. A row of image -1 ends them. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/row_form.h"

static const WeirRowForm form = {
  .n_columns = 7, .label = 1, .score = 2, .corners = 3, .has_picture = true, .is_unit = true
};

/* [1,1,N,7], [1,N,7] or [N,7]; N may be known only when the network has run. */
static bool has_rows (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *output = &facts->outputs[k];
  if (!weir_facts_is_float (facts, k) || output->rank < 2 || output->rank > 4 ||
      output->dims[output->rank - 1] != form.n_columns)
    return false;
  for (uint32_t i = 0; i + 2 < output->rank; i++)
    if (output->dims[i] != 1)
      return false;
  return true;
}

static bool is_certain (const WeirModelFacts *facts, uint32_t k)
{
  return (weir_facts_traits (facts, k) & WEIR_OUTPUT_DETECTION_OUTPUT) != 0;
}

/* The output that DetectionOutput writes, else the first that has such rows. */
static uint32_t find_rows (const WeirModelFacts *facts)
{
  uint32_t found = facts->n_outputs;
  for (uint32_t k = facts->n_outputs; k-- > 0;)
    if (has_rows (facts, k) &&
        (found == facts->n_outputs || !is_certain (facts, found) || is_certain (facts, k)))
      found = k;
  return found;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t k = find_rows (facts);
  if (k == facts->n_outputs)
    return false;
  if (is_certain (facts, k))
    return weir_facts_recognise (why, "DetectionOutput writes output '%s'", facts->output_names[k]);
  if (facts->n_outputs != 1 || facts->outputs[k].rank != 4)
    return false;
  return weir_facts_recognise (
      why, "one output of rows of seven numbers [1,1,N,7], as DetectionOutput gives them");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  uint32_t k = find_rows (facts);
  if (k < facts->n_outputs)
    return g_memdup2 (&k, sizeof k);
  if (facts->n_outputs == 1)
    weir_facts_refuse (facts, 0, "detection_output", error, "f32[1,1,N,7]");
  else
    weir_facts_refuse_count (facts, "detection_output", "one of them f32[1,1,N,7]", error);
  return NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const uint32_t *k = job->state;
  return weir_row_form_decode (&form, job, *k, result, error);
}

const WeirDecoder weir_decoder_detection_output = {
  .name = "detection_output",
  .blurb = "SSD objects as OpenVINO's DetectionOutput gives them: [1,1,N,7]",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
