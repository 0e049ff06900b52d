/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v7: rows that its export has chosen (picture, corners in pixels, class, score), or the maps
 * of its own anchors. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/row_form.h"
#include "engine/post/yolo_kinds.h"

static const WeirRowForm form = {
  .n_columns = 7, .corners = 1, .label = 5, .score = 6, .has_picture = true
};
#define N_PER_CELL 3u

static const WeirRegionFamily family = { .name = "yolo-v7",
  .n_levels = 3,
  .n_per_cell = N_PER_CELL,
  .has_squares = true,
  .scale_xy = { 2, 2, 2 },
  .anchors = {
      { 12, 16, 19, 36, 40, 28 }, { 36, 75, 76, 55, 72, 146 }, { 142, 110, 192, 243, 459, 401 } } };

static bool is_rows (const WeirModelFacts *facts)
{
  const WeirTensor *output = &facts->outputs[0];
  return facts->n_outputs == 1 && weir_facts_is_float (facts, 0) && output->rank == 2 &&
         output->dims[1] == form.n_columns;
}

/* A classifier of seven classes has one row of seven numbers. */
static bool match (const WeirModelFacts *facts, const char **why)
{
  if (weir_yolo_recognise (facts, WEIR_YOLO_V7, why))
    return true;
  if (!is_rows (facts) || facts->n_labels == form.n_columns)
    return false;
  uint32_t traits = weir_facts_traits (facts, 0);
  if (traits & WEIR_OUTPUT_KNOWN ? !(traits & WEIR_OUTPUT_SELECTED)
                                 : facts->outputs[0].dims[0] == 1)
    return false;
  return weir_facts_recognise (why, "rows [N,7] of boxes that the network has chosen");
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  return weir_regions_n_classes (facts, N_PER_CELL);
}

/* A zeroed WeirRegions (no levels) stands for rows. */
static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  return facts->n_outputs && is_rows (facts) ? g_new0 (WeirRegions, 1)
                                             : weir_regions_new (facts, &family, input, error);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const WeirRegions *regions = job->state;
  return regions->n_levels ? weir_regions_decode (job, result, error)
                           : weir_row_form_decode (&form, job, 0, result, error);
}

const WeirDecoder weir_decoder_yolo_v7 = {
  .name = "yolo-v7",
  .blurb = "YOLO v7 objects: rows [N,7] chosen by the network, or maps of v7's anchors",
  .is_detector = true,
  .color = WEIR_COLOR_RGB,
  .resize = WEIR_RESIZE_LETTERBOX_CENTRE,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .pad = 114,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
