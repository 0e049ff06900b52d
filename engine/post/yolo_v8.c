/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v6, v8, v9, v11 and v12, whose boxes the network decodes: no objectness, or (v6) one that is
 * always 1. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_head.h"

enum { FIRST_CLASS = 4, FIRST_CLASS_V6 = 5 };

/* Rows that lie along dim 1 are what YOLOX and v6 have too. v6 puts constant ones before its
 * classes; where the graph does not tell, the number of labels does. */
static bool is_v6 (const WeirModelFacts *facts, const WeirYoloHead *head)
{
  if (head->column_step != 1 || head->n_columns <= FIRST_CLASS_V6)
    return false;
  return (weir_facts_traits (facts, 0) & WEIR_OUTPUT_CONSTANT_PART) ||
         facts->n_labels == head->n_columns - FIRST_CLASS_V6;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    WeirYoloHead *head, GError **error)
{
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "yolo-v8", "one, [1,4 + classes,P]", error);
  if (!weir_yolo_head_fit (facts, 0, FIRST_CLASS, 0, width_px, height_px, head, "yolo-v8", error))
    return false;
  return !is_v6 (facts, head) || weir_yolo_head_fit (facts, 0, FIRST_CLASS_V6, 0, width_px,
                                     height_px, head, "yolo-v8", error);
}

/* Rows along dim 1: YOLOX unless something speaks for a network that has decoded its boxes. */
static bool is_decoded (const WeirModelFacts *facts, const WeirYoloHead *head, bool is_named)
{
  uint32_t traits = weir_facts_traits (facts, 0);
  if (head->column_step != 1 || is_named)
    return true;
  if (traits & WEIR_OUTPUT_KNOWN)
    return (traits & WEIR_OUTPUT_GRID) && !(traits & WEIR_OUTPUT_EXP);
  return facts->n_labels == head->n_columns - FIRST_CLASS;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  bool is_named;
  WeirYoloHead head;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_yolo_task_allows (facts, "detect", &is_named) ||
      !fit (facts, width_px, height_px, &head, NULL) || !is_decoded (facts, &head, is_named))
    return false;
  g_autofree char *strides = weir_grid_describe (&head.grid);
  return weir_facts_recognise (why,
      "one output of the %u cells of strides %s × (%u + %u classes), boxes decoded by the network",
      head.n_rows, strides, head.first_class, head.n_classes);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  WeirYoloHead head;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, width_px, height_px, &head, NULL)
             ? head.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree WeirYoloHead *head = g_new0 (WeirYoloHead, 1);
  return fit (facts, input->width_px, input->height_px, head, error) ? g_steal_pointer (&head)
                                                                     : NULL;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const WeirYoloHead *head = job->state;
  const float *values = weir_job_f32 (job, 0, weir_yolo_head_n_values (head), result->arena, error);
  if (!values)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  weir_yolo_head_add (head, values, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_v8 = {
  .name = "yolo-v8",
  .blurb = "YOLO v6, v8, v9, v11, v12 objects: [1,4 + classes,P] without anchors",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
