/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Yolo-FastestV2: per stride a map of three boxes a cell, their objectness, and one set of classes
 * for all three: [1,12,H,W], [1,3,H,W] and [1,C,H,W], or joined and with rows last, [1,H,W,15 + C],
 * where sigmoid and softmax are done. Box: x = (2 s (tx) - 0.5 + column) · stride,
 * w = (2 s (tw))² · anchor. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include <math.h>

enum { N_ANCHORS = 3, N_BOX = 4, N_LEVELS = 2, FIRST_OBJECTNESS = N_ANCHORS * N_BOX };
#define FIRST_CLASS ((uint32_t) FIRST_OBJECTNESS + N_ANCHORS)

/* Strides 16 and 32, of COCO. */
static const double anchors_px[N_LEVELS][N_ANCHORS][2] = {
  { { 12.64, 19.39 }, { 37.88, 51.48 }, { 55.71, 138.31 } },
  { { 126.91, 78.23 }, { 131.57, 214.55 }, { 279.92, 258.87 } },
};

typedef enum Part { BOXES, OBJECTNESS, CLASSES, N_PARTS } Part;

typedef struct Level {
  uint32_t stride_px, width, height;
  uint32_t outputs[N_PARTS];
} Level;

typedef struct Fastest {
  bool is_joined; /* one output a level, channels last */
  bool is_raw[N_PARTS];
  uint32_t n_classes;
  Level levels[N_LEVELS];
} Fastest;

static bool fit_size (const WeirModelFacts *facts, uint32_t k, bool is_joined, uint32_t width_px,
    uint32_t height_px, uint32_t stride_px)
{
  const WeirTensor *output = &facts->outputs[k];
  uint32_t y = is_joined ? 1 : 2;
  return weir_facts_is_float (facts, k) && output->rank == 4 && output->dims[0] == 1 &&
         width_px % stride_px == 0 && height_px % stride_px == 0 &&
         output->dims[y] == height_px / stride_px && output->dims[y + 1] == width_px / stride_px;
}

/* The outputs of one stride: three in the order of the parts, or one. */
static bool fit_level (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    uint32_t stride_px, Fastest *state, Level *level)
{
  uint32_t n = 0, n_parts = state->is_joined ? 1 : N_PARTS;
  *level = (Level){
    .stride_px = stride_px, .width = width_px / stride_px, .height = height_px / stride_px
  };
  for (uint32_t k = 0; k < facts->n_outputs; k++)
    if (fit_size (facts, k, state->is_joined, width_px, height_px, stride_px) && n++ < n_parts)
      level->outputs[n - 1] = k;
  if (n != n_parts)
    return false;
  int64_t n_classes = state->is_joined ? facts->outputs[level->outputs[BOXES]].dims[3] - FIRST_CLASS
                                       : facts->outputs[level->outputs[CLASSES]].dims[1];
  if (n_classes < 1 || n_classes > INT32_MAX || (state->n_classes && n_classes != state->n_classes))
    return false;
  state->n_classes = (uint32_t) n_classes;
  return state->is_joined || (facts->outputs[level->outputs[BOXES]].dims[1] == FIRST_OBJECTNESS &&
                                 facts->outputs[level->outputs[OBJECTNESS]].dims[1] == N_ANCHORS);
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, Fastest *state,
    GError **error)
{
  static const char expected[] =
      "2: f32[1,H,W,15 + classes] of strides 16 and 32, or 6: f32[1,12,H,W], f32[1,3,H,W] and "
      "f32[1,classes,H,W] of each";
  *state = (Fastest){ .is_joined = facts->n_outputs == N_LEVELS };
  if (facts->n_outputs != N_LEVELS && facts->n_outputs != N_LEVELS * N_PARTS)
    return weir_facts_refuse_count (facts, "yolo-fastestv2", expected, error);
  for (uint32_t i = 0; i < N_LEVELS; i++)
    if (!fit_level (facts, width_px, height_px, 16u << i, state, &state->levels[i]))
      return weir_facts_refuse (facts, 0, "yolo-fastestv2", error, "one of %s", expected);
  for (Part part = 0; part < N_PARTS && !state->is_joined; part++)
    state->is_raw[part] = !(weir_facts_traits (facts, state->levels[0].outputs[part]) &
                            (WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_SOFTMAX));
  return true;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Fastest state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         fit (facts, width_px, height_px, &state, NULL) &&
         (!facts->n_labels || facts->n_labels == state.n_classes) &&
         weir_facts_recognise (why,
             "%s of strides 16 and 32 with 3 boxes and one set of %u classes a cell",
             state.is_joined ? "maps" : "boxes, objectness and classes", state.n_classes);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  Fastest state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, width_px, height_px, &state, NULL)
             ? state.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Fastest *state = g_new0 (Fastest, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

/* The values of one part of one cell. */
typedef struct Values {
  const float *first;
  size_t step;
} Values;

static double at (const Values *values, uint32_t channel, bool is_raw)
{
  double v = (double) values->first[channel * values->step];
  return is_raw && isfinite (v) ? weir_sigmoid (v) : v;
}

static double rate_class (const Fastest *state, const Values *classes, int32_t *label_id)
{
  float best;
  *label_id = (int32_t) weir_argmax (classes->first, state->n_classes, classes->step, &best);
  if (!state->is_raw[CLASSES])
    return (double) best;
  return weir_softmax_of_best (classes->first, state->n_classes, classes->step, best);
}

static void add_cell (const Fastest *state, uint32_t i, uint32_t x, uint32_t y,
    const Values parts[N_PARTS], uint32_t index, WeirBoxes *boxes)
{
  const Level *level = &state->levels[i];
  int32_t label_id;
  double stride_px = level->stride_px, class_score = rate_class (state, &parts[CLASSES], &label_id);
  for (uint32_t a = 0; a < N_ANCHORS; a++) {
    double box[N_BOX];
    for (uint32_t k = 0; k < N_BOX; k++)
      box[k] = 2 * at (&parts[BOXES], a * N_BOX + k, state->is_raw[BOXES]);
    double objectness = at (&parts[OBJECTNESS], a, state->is_raw[OBJECTNESS]);
    WeirCandidate candidate = {
      .confidence = (float) (objectness * class_score), .label_id = label_id, .index = index + a
    };
    weir_boxes_add_centre (boxes, (box[0] - 0.5 + x) * stride_px, (box[1] - 0.5 + y) * stride_px,
        box[2] * box[2] * anchors_px[i][a][0], box[3] * box[3] * anchors_px[i][a][1], candidate);
  }
}

/* Maps of one level; joined ones are one map. */
static bool open_parts (const WeirDecodeJob *job, uint32_t i, const float *maps[N_PARTS],
    WeirArena *arena, GError **error)
{
  const Fastest *state = job->state;
  const Level *level = &state->levels[i];
  const size_t channels[N_PARTS] = { FIRST_OBJECTNESS, N_ANCHORS, state->n_classes };
  size_t n_cells = (size_t) level->width * level->height;
  for (Part part = 0; part < N_PARTS; part++) {
    if (state->is_joined && part > BOXES) {
      maps[part] = maps[part - 1] + channels[part - 1];
      continue;
    }
    size_t n = n_cells * (state->is_joined ? FIRST_CLASS + state->n_classes : channels[part]);
    maps[part] = weir_job_f32 (job, level->outputs[part], n, arena, error);
    if (!maps[part])
      return false;
  }
  return true;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Fastest *state = job->state;
  uint32_t index = 0;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < N_LEVELS; i++) {
    const Level *level = &state->levels[i];
    const float *maps[N_PARTS];
    uint32_t n_cells = level->width * level->height;
    size_t cell_step = state->is_joined ? FIRST_CLASS + state->n_classes : 1;
    if (!open_parts (job, i, maps, result->arena, error))
      return false;
    for (uint32_t cell = 0; cell < n_cells; cell++, index += N_ANCHORS) {
      Values parts[N_PARTS];
      for (Part part = 0; part < N_PARTS; part++)
        parts[part] =
            (Values){ maps[part] + cell * cell_step, state->is_joined ? 1 : (size_t) n_cells };
      add_cell (state, i, cell % level->width, cell / level->width, parts, index, &boxes);
    }
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_fastestv2 = {
  .name = "yolo-fastestv2",
  .blurb = "Yolo-FastestV2 objects: [1,H,W,15 + classes] of strides 16 and 32, or their parts",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 0, 0, 0 },
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
