/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders: a network's outputs become objects, attributes or tensors. One row of a table each. */
#pragma once

#include "engine/base/proc.h"
#include "engine/pre/pre.h"
#include "engine/result.h"

G_BEGIN_DECLS

/* How an output is computed, as far as it tells families of equal names and shapes apart
 * (traits.h). */
typedef enum WeirOutputTraits {
  WEIR_OUTPUT_KNOWN = 1 << 0, /* the graph was looked at: a bit that is not set means "no" */
  /* what computes it; views, casts, parts and joins may follow */
  WEIR_OUTPUT_SOFTMAX = 1 << 1,
  WEIR_OUTPUT_SIGMOID = 1 << 2,
  WEIR_OUTPUT_LOG_SOFTMAX = 1 << 3,
  WEIR_OUTPUT_INDEX = 1 << 4, /* ArgMax, or the second result of TopK: numbers of classes */
  WEIR_OUTPUT_CTC = 1 << 5,   /* CTCGreedyDecoder: numbers of labels, ended by -1 */
  WEIR_OUTPUT_DETECTION_OUTPUT = 1 << 6,
  WEIR_OUTPUT_REGION = 1 << 7, /* RegionYolo */
  /* the data decide its size: dims are the largest, or just a guess; those of job->outputs are true
   */
  WEIR_OUTPUT_DYNAMIC = 1 << 8,
  /* somewhere after the last convolutions and matrix products stand */
  WEIR_OUTPUT_EXP = 1 << 9,            /* an Exp */
  WEIR_OUTPUT_GRID = 1 << 10,          /* constants that differ from place to place, computed with:
                                        * a grid of cells, anchors, priors */
  WEIR_OUTPUT_CONSTANT_PART = 1 << 11, /* a Concat with a constant */
  WEIR_OUTPUT_SELECTED = 1 << 12,      /* NonMaxSuppression, TopK or their like */
  WEIR_OUTPUT_ANY_SIGMOID = 1 << 13,   /* a Sigmoid, of a part of it at least */
  WEIR_OUTPUT_ANGLE = 1 << 24,         /* a sine or a cosine */
  /* of the whole network: */
  WEIR_OUTPUT_NET_MISH = 1 << 14,   /* Mish, or what computes it */
  WEIR_OUTPUT_NET_SILU = 1 << 15,   /* Swish, or what computes it */
  WEIR_OUTPUT_NET_SPLIT = 1 << 16,  /* channels are split or sliced */
  WEIR_OUTPUT_NET_CONCAT = 1 << 17, /* channels are joined */
  WEIR_OUTPUT_NET_POOL = 1 << 18,   /* maxima of 2×2, two apart */
  WEIR_OUTPUT_NET_SCALES = 1 << 19, /* the picture is scaled by constants before any weights */
} WeirOutputTraits;

/* What is known of a model when its decoder is chosen. Dims are those of n = 1. */
typedef struct WeirModelFacts {
  uint32_t n_inputs, n_outputs;
  const char *const *input_names;
  const WeirTensor *inputs;
  const char *const *output_names;
  const WeirTensor *outputs;
  GHashTable *metadata; /* string to string, may be NULL; keys "weir.decoder", "weir.strides", … */
  const char *const *labels; /* NULL-terminated; NULL: none */
  uint32_t n_labels;
  const uint32_t *output_traits; /* WeirOutputTraits of every output; NULL: nothing known */
  const WeirProc *proc; /* what a model-proc file says of the outputs; NULL: there is none */
  uint32_t picture;     /* the input that takes the picture; 0 where none does */
} WeirModelFacts;

/* What the caller wants of a decoder; per request. */
typedef struct WeirDecodeOptions {
  float threshold;     /* confidence a result must have, >= */
  float iou_threshold; /* NMS: a box goes when its IoU with a kept one is greater */
  uint32_t max_detections;
  uint32_t top_k;
  bool attach_tensors; /* outputs as tensors, even where the decoder does not attach them itself */
} WeirDecodeOptions;

/* A threshold of a model-proc file holds where the caller leaves it at this. */
#define WEIR_IOU_THRESHOLD_DEFAULT 0.45f

#define WEIR_DECODE_OPTIONS_DEFAULT                                                        \
  {                                                                                        \
    .threshold = 0.5f, .iou_threshold = WEIR_IOU_THRESHOLD_DEFAULT, .max_detections = 200, \
    .top_k = 1                                                                             \
  }

typedef struct WeirDecodeJob {
  const WeirModelFacts *facts;
  const WeirInputSpec *input;
  const WeirMapping *mapping; /* network input pixels ↔ region pixels */
  uint32_t region_width_px, region_height_px;
  const WeirTensor *outputs; /* of one item: dim 0 is 1; plain; f32, or an integer type. Dims that
                              * depend on the data are the true ones here */
  const WeirDecodeOptions *options;
  const void *state; /* what `prepare` made */
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
  /* True where names and shapes fit; *why (static or g_intern_string) says what was recognised.
   * metadata "weir.strides" ("8,16,32") replaces a family's own strides. */
  bool (*match) (const WeirModelFacts *facts, const char **why);
  /* How many labels the outputs call for; 0: any number, or outputs that do not fit. */
  uint32_t (*n_classes) (const WeirModelFacts *facts);
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

/* By name or alias ("yolo_v5", "tensor_to_bbox_ssd"); '-' and '_' count for nothing. */
const WeirDecoder *weir_decoder_find (const char *name);
/* metadata "weir.decoder" (unless it is "auto"), else the converters of the model-proc file
 * (`label` and `text` mean classification, with method `index` ctc), else the first that matches;
 * `raw` always does. NULL where metadata or file name a decoder that does not exist; *why says so
 * then. `why` may be NULL. */
const WeirDecoder *weir_decoder_choose (const WeirModelFacts *facts, const char **why);

/* A candidate of one picture; numbers finite. */
typedef struct WeirCandidate {
  double x0, y0, x1, y1; /* any unit: network input pixels in the decoders */
  float confidence;
  int32_t label_id;
  uint32_t index; /* in the output: ties are broken by the lower one */
} WeirCandidate;

/* Greedy, per class: best first, at equal confidence the lower index; a box goes when its IoU with
 * a kept one of its class is greater than the threshold. Keeps at most max_kept, returns how many;
 * the kept stand first, best first, what follows them is undefined. Does not allocate. */
uint32_t weir_nms (WeirCandidate *candidates, uint32_t n, float iou_threshold, uint32_t max_kept);

G_END_DECLS
