/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of decoders: those that ask for most come first, `raw`, which takes anything, is last.
 */
#include "engine/post/decoders.h"

#include "engine/post/outputs.h"

const WeirDecoder *const weir_decoders[] = {
  &weir_decoder_detection_output,
  &weir_decoder_boxes_labels,
  &weir_decoder_boxes_labels_scores,
  &weir_decoder_multiclass_nms,
  &weir_decoder_ultraface_raw,
  &weir_decoder_ultraface,
  &weir_decoder_yunet,
  &weir_decoder_yunet_2022,
  &weir_decoder_retinaface,
  &weir_decoder_scrfd,
  &weir_decoder_blazeface,
  &weir_decoder_centerface,
  &weir_decoder_centernet,
  &weir_decoder_picodet,
  &weir_decoder_nanodet,
  &weir_decoder_yolo_fastestv2,
  &weir_decoder_yolo_seg,
  &weir_decoder_yolo_pose,
  &weir_decoder_yolo_obb,
  &weir_decoder_yolo_v7,
  &weir_decoder_yolo_v5,
  &weir_decoder_yolo_v4,
  &weir_decoder_yolo_v4_boxes,
  &weir_decoder_yolo_v3,
  &weir_decoder_yolo_v3_region,
  &weir_decoder_yolo_v3_nms,
  &weir_decoder_yolo_v2,
  &weir_decoder_yolo_v2_scaled,
  &weir_decoder_yolo_v2_region,
  &weir_decoder_yolo_v8,
  &weir_decoder_yolo_v10,
  &weir_decoder_nanodet_plus,
  &weir_decoder_ppyoloe,
  &weir_decoder_damo_yolo,
  &weir_decoder_yolo_nas,
  &weir_decoder_rtdetr,
  &weir_decoder_yolox,
  &weir_decoder_fastestdet,
  &weir_decoder_ctc,
  &weir_decoder_keypoints,
  &weir_decoder_segmentation,
  &weir_decoder_landmarks,
  &weir_decoder_embedding,
  &weir_decoder_classification,
  &weir_decoder_regression,
  &weir_decoder_raw,
  NULL,
};

/* Other names, as model-proc files and users write them; spelled without '-' and '_'. */
static const struct {
  const char *alias, *name;
} aliases[] = {
  { "tensortobboxssd", "detection_output" },
  { "ssd", "detection_output" },
  { "tensortobboxyolov2", "yolo-v2" },
  { "tensortobboxyolov2tf", "yolo-v2" },
  { "tensortobboxyolov3", "yolo-v3" },
  { "tensortobboxyolov3tf", "yolo-v3" },
  { "tensortobboxatss", "boxes_labels" },
  { "boxesscores", "boxes_labels_scores" },
  { "yolov6", "yolo-v8" },
  { "yolov9", "yolo-v8" },
  { "yolov11", "yolo-v8" },
  { "yolo11", "yolo-v8" },
  { "yolov12", "yolo-v8" },
  { "yolo12", "yolo-v8" },
  { "yolov26", "yolo-v10" },
  { "yolo26", "yolo-v10" },
};

/* Letters in lower case, without '-' and '_'. */
static void spell (const char *name, char *dst, size_t n_bytes)
{
  size_t n = 0;
  for (; *name && n + 1 < n_bytes; name++)
    if (*name != '-' && *name != '_')
      dst[n++] = g_ascii_tolower (*name);
  dst[n] = '\0';
}

const WeirDecoder *weir_decoder_find (const char *name)
{
  char wanted[64], known[64];
  if (!name || strlen (name) >= sizeof wanted)
    return NULL;
  spell (name, wanted, sizeof wanted);
  for (uint32_t i = 0; i < G_N_ELEMENTS (aliases); i++)
    if (g_str_equal (aliases[i].alias, wanted))
      spell (aliases[i].name, wanted, sizeof wanted);
  for (uint32_t i = 0; weir_decoders[i]; i++) {
    spell (weir_decoders[i]->name, known, sizeof known);
    if (g_str_equal (known, wanted))
      return weir_decoders[i];
  }
  return NULL;
}

/* Converters of model-proc files that are called otherwise here. */
static const struct {
  const char *converter, *decoder;
} converters[] = {
  { "label", "classification" },
  { "tensor_to_label", "classification" },
  { "text", "classification" },
  { "tensor_to_text", "classification" },
  { "keypoints_hrnet", "keypoints" },
  { "semantic_mask", "segmentation" },
  { "paddle_ocr", "ctc" },
  { "yolo_v8_obb", "yolo-obb" },
  { "yolo_v8_pose", "yolo-pose" },
  { "yolo_v8_seg", "yolo-seg" },
  { "yolo_v11_obb", "yolo-obb" },
  { "yolo_v11_pose", "yolo-pose" },
  { "yolo_v11_seg", "yolo-seg" },
  { "raw_data_copy", "raw" },
  { "tensor_copy", "raw" },
};

/* Labels joined by their numbers are a text, unless the output is one number. */
static bool is_spelling (const WeirModelFacts *facts, const WeirProcOutput *entry)
{
  return entry->method && g_str_equal (entry->method, "index") && facts->n_outputs == 1 &&
         weir_facts_vector (facts, 0) > 1;
}

static const WeirDecoder *find_converter (const WeirModelFacts *facts, const WeirProcOutput *entry)
{
  const char *name = is_spelling (facts, entry) ? "ctc" : entry->converter;
  for (uint32_t i = 0; i < G_N_ELEMENTS (converters); i++)
    if (g_str_equal (converters[i].converter, name))
      name = converters[i].decoder;
  return weir_decoder_find (name);
}

/* By the converters of the model-proc file: the first that asks for more than tensors. NULL where
 * the file names none (*why stays) or none that exists (*why says it). */
static const WeirDecoder *choose_by_proc (const WeirModelFacts *facts, const char **why)
{
  const WeirDecoder *chosen = NULL;
  for (uint32_t i = 0; facts->proc && i < facts->proc->n_outputs; i++) {
    const WeirProcOutput *entry = &facts->proc->outputs[i];
    if (!entry->converter || (chosen && !g_str_equal (chosen->name, "raw")))
      continue;
    const WeirDecoder *decoder = find_converter (facts, entry);
    chosen = decoder ? decoder : chosen;
    if (decoder)
      weir_facts_recognise (why, "the model-proc file names converter %s", entry->converter);
    else if (!chosen)
      weir_facts_recognise (
          why, "the model-proc file names converter %s, which does not exist", entry->converter);
  }
  return chosen;
}

const WeirDecoder *weir_decoder_choose (const WeirModelFacts *facts, const char **why)
{
  const char *ignored;
  const char *name = weir_facts_metadata (facts, "weir.decoder");
  if (!why)
    why = &ignored;
  if (name && !g_str_equal (name, "auto")) {
    const WeirDecoder *decoder = weir_decoder_find (name);
    *why = decoder ? "the model's metadata name it in weir.decoder"
                   : "the model's metadata name a decoder in weir.decoder that does not exist";
    return decoder;
  }
  *why = NULL;
  const WeirDecoder *decoder = choose_by_proc (facts, why);
  if (decoder || *why)
    return decoder;
  for (uint32_t i = 0; weir_decoders[i]; i++)
    if (weir_decoders[i]->match (facts, why))
      return weir_decoders[i];
  return NULL;
}
