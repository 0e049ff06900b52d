/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw: every output as a tensor; what embeddings, regressions and unknown networks get. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"

static bool match (const WeirModelFacts *facts, const char **why)
{
  const WeirTensor *output = facts->n_outputs == 1 ? &facts->outputs[0] : NULL;
  if (output && output->rank == 2 && output->dims[0] == 1 && output->dims[1] >= 2)
    return weir_facts_recognise (why,
        "one vector of %" G_GINT64_FORMAT " numbers without labels is taken as an embedding",
        output->dims[1]);
  return weir_facts_recognise (why, "no family of networks has these outputs");
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return 0;
}

/* Nothing to remember; decode needs only the job. */
static const char nothing[] = "";

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return (void *) nothing;
}

static void release (void *state)
{
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  return weir_job_attach (job, true, result, error);
}

const WeirDecoder weir_decoder_raw = {
  .name = "raw",
  .blurb = "every output as a tensor",
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1, 1, 1 },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = release,
  .decode = decode,
};
