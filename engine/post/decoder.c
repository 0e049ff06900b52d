/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of decoders: those that ask for most come first, `raw`, which takes anything, is last.
 */
#include "engine/post/decoders.h"

#include "engine/post/outputs.h"

const WeirDecoder *const weir_decoders[] = {
  &weir_decoder_detection_output,
  &weir_decoder_boxes_labels,
  &weir_decoder_boxes_labels_scores,
  &weir_decoder_ultraface_raw,
  &weir_decoder_ultraface,
  &weir_decoder_yunet,
  &weir_decoder_nanodet,
  &weir_decoder_yolo_v8,
  &weir_decoder_yolox,
  &weir_decoder_fastestdet,
  &weir_decoder_classification,
  &weir_decoder_raw,
  NULL,
};

const WeirDecoder *weir_decoder_find (const char *name)
{
  for (uint32_t i = 0; name && weir_decoders[i]; i++)
    if (g_str_equal (weir_decoders[i]->name, name))
      return weir_decoders[i];
  return NULL;
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
  for (uint32_t i = 0; weir_decoders[i]; i++)
    if (weir_decoders[i]->match (facts, why))
      return weir_decoders[i];
  return NULL;
}
