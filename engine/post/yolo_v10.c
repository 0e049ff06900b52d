/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v10 and v26, and exports with suppression inside: rows of corners in pixels, score, class.
 */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/row_form.h"
#include "engine/post/yolo_head.h"

static const WeirRowForm form = { .n_columns = 6, .corners = 0, .score = 4, .label = 5 };
/* That are recognised where the graph does not tell. */
#define MIN_ROWS 10
#define MAX_ROWS 1000

static bool is_rows (const WeirModelFacts *facts)
{
  const WeirTensor *output = &facts->outputs[0];
  return facts->n_outputs == 1 && weir_facts_is_float (facts, 0) && output->rank == 3 &&
         output->dims[0] == 1 && output->dims[2] == form.n_columns;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  bool is_named;
  if (!is_rows (facts) || !weir_yolo_task_allows (facts, "detect", &is_named))
    return false;
  uint32_t traits = weir_facts_traits (facts, 0);
  bool is_chosen = (traits & WEIR_OUTPUT_SELECTED) != 0;
  int64_t n_rows = facts->outputs[0].dims[1];
  if (!is_chosen && ((traits & WEIR_OUTPUT_KNOWN) || n_rows < MIN_ROWS || n_rows > MAX_ROWS ||
                        weir_grid_has_rows (facts, n_rows)))
    return false;
  return weir_facts_recognise (
      why, "rows [1,N,6] of corners, score and class%s", is_chosen ? " chosen by the network" : "");
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  if (is_rows (facts))
    return weir_nothing_prepare (facts, input, error);
  if (facts->n_outputs == 1)
    weir_facts_refuse (facts, 0, "yolo-v10", error, "f32[1,N,6]");
  else
    weir_facts_refuse_count (facts, "yolo-v10", "one, f32[1,N,6]", error);
  return NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  return weir_row_form_decode (&form, job, 0, result, error);
}

const WeirDecoder weir_decoder_yolo_v10 = {
  .name = "yolo-v10",
  .blurb = "YOLO v10 and v26 objects, and rows with suppression inside: [1,N,6]",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = weir_nothing_release,
  .decode = decode,
};
