/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders: a network's outputs become objects, attributes or tensors. One row of a table each. */
#pragma once

#include "engine/pre/pre.h"
#include "engine/result.h"

G_BEGIN_DECLS

/* What is known of a model when its decoder is chosen. Dims are those of n = 1. */
typedef struct WeirModelFacts {
  uint32_t n_inputs, n_outputs;
  const char *const *input_names;
  const WeirTensor *inputs;
  const char *const *output_names;
  const WeirTensor *outputs;
  GHashTable *metadata;      /* string to string, may be NULL; keys "weir.decoder", "weir.strides", … */
  const char *const *labels; /* NULL-terminated; NULL: none */
  uint32_t n_labels;
} WeirModelFacts;

/* What the caller wants of a decoder; per request. */
typedef struct WeirDecodeOptions {
  float threshold;      /* confidence a result must have, >= */
  float iou_threshold;  /* NMS: a box goes when its IoU with a kept one is greater */
  uint32_t max_detections;
  uint32_t top_k;
  bool attach_tensors;  /* outputs as tensors, even where the decoder does not attach them itself */
} WeirDecodeOptions;

#define WEIR_DECODE_OPTIONS_DEFAULT \
  { .threshold = 0.5f, .iou_threshold = 0.45f, .max_detections = 200, .top_k = 1 }

typedef struct WeirDecodeJob {
  const WeirModelFacts *facts;
  const WeirInputSpec *input;
  const WeirMapping *mapping;        /* network input pixels ↔ region pixels */
  uint32_t region_width_px, region_height_px;
  const WeirTensor *outputs;         /* of one item: dim 0 is 1; plain; f32, or an integer type */
  const WeirDecodeOptions *options;
  const void *state;                 /* what `prepare` made */
} WeirDecodeJob;

typedef struct WeirDecoder {
  const char *name;  /* "yolox" */
  const char *blurb; /* one line for `weir decoders` */
  bool is_detector;  /* gives objects; else attributes and tensors of the region */
  /* Preprocessing that the family was trained with; what the user or the file says goes first. */
  WeirColor color;
  WeirResize resize;
  float mean[3], scale[3];
  uint8_t pad;
  /* True where names and shapes fit; *why (static or g_intern_string) says what was recognised. */
  bool (*match) (const WeirModelFacts *facts, const char **why);
  /* Checks the outputs when the decoder is forced or chosen; tables for decode. NULL + error where
   * the outputs do not fit: names the output, its shape and what was expected. */
  void *(*prepare) (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error);
  void (*release) (void *state);
  /* Fills result->objects (region coordinates 0..1, clipped, empty ones dropped, best first),
   * ->attributes and ->tensors, all from result->arena. Any bytes may stand in the outputs, NaN and
   * infinities too: such candidates are dropped. Thread-safe: state is const. */
  bool (*decode) (const WeirDecodeJob *job, WeirResult *result, GError **error);
} WeirDecoder;

/* NULL-terminated, in the order in which they are tried. */
extern const WeirDecoder *const weir_decoders[];

const WeirDecoder *weir_decoder_find (const char *name);
/* metadata "weir.decoder", else the first that matches; NULL where none does. */
const WeirDecoder *weir_decoder_choose (const WeirModelFacts *facts, const char **why);

/* nms.h: candidates of one picture. */
typedef struct WeirCandidate {
  double x0, y0, x1, y1; /* network input pixels, or 0..1 */
  float confidence;
  int32_t label_id;
  uint32_t index; /* in the output: ties are broken by the lower one */
} WeirCandidate;

/* Greedy, per class (shared/golden §2). Sorts, keeps at most max_kept, returns how many; the kept
 * stand first, best first. */
uint32_t weir_nms (WeirCandidate *candidates, uint32_t n, float iou_threshold, uint32_t max_kept);

G_END_DECLS
