/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Landmarks: coordinates of points, as the network gives them (0..1 of the region, mostly). */
#include "engine/post/decoders.h"
#include "engine/post/heads.h"
#include "engine/post/outputs.h"

static bool match (const WeirModelFacts *facts, const char **why)
{
  if (facts->n_outputs != 1 || !weir_facts_is_landmarks (facts, 0))
    return false;
  g_autofree char *shape = weir_tensor_describe (&facts->outputs[0]);
  return weir_facts_recognise (why, "output '%s', %s, has the size of points of a face or a body",
      facts->output_names[0], shape);
}

/* [1,values] or [1,points,2 or 3]. */
static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  uint32_t n_columns;
  if (facts->n_outputs != 1) {
    weir_facts_refuse_count (facts, "landmarks", "one, [1,2 points]", error);
    return NULL;
  }
  if (weir_facts_vector (facts, 0) < 2 &&
      !(weir_facts_is_table (facts, 0, -1, &n_columns) && (n_columns == 2 || n_columns == 3))) {
    weir_facts_refuse (
        facts, 0, "landmarks", error, "a vector of coordinates, or [1,points,2] or [1,points,3]");
    return NULL;
  }
  return weir_nothing_prepare (facts, input, error);
}

const WeirDecoder weir_decoder_landmarks = {
  .name = "landmarks",
  .blurb = "coordinates of points of a face or a body, as a tensor",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = weir_nothing_release,
  .decode = weir_nothing_decode,
};
