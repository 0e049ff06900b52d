/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Semantic segmentation: a class for every pixel of the region, at the network's resolution and
 * without the borders of a letterbox, and which classes there are, with their share of the pixels.
 */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/planes.h"
#include <math.h>

/* Of a class map: what a network says beyond it is no class. */
#define MAX_CLASSES 65536u
#define MAX_ANSWERS 256u
/* Heads that have fewer pixels than this share of the input's are feature maps. */
#define MIN_SHARE (1.0 / 64)

typedef enum Kind {
  KIND_SCORES, /* the best of C planes */
  KIND_MASK,   /* one plane: class 1 from `edge` up */
  KIND_NUMBERS /* one plane of class numbers */
} Kind;

typedef struct Segmentation {
  Kind kind;
  WeirPlanes planes;
  uint32_t n_classes;
  float edge;
  const char *name; /* of the attribute: borrowed from the facts */
} Segmentation;

/* Numbers of classes of VOC, Cityscapes, CamVid, ADE20K, COCO-Stuff, LIP, with and without a
 * background. */
static const uint32_t usual_numbers[] = { 11, 12, 19, 20, 21, 30, 34, 59, 60, 91, 150, 151, 171,
  182 };

static bool has_same_shapes (const WeirModelFacts *facts)
{
  const WeirTensor *first = &facts->outputs[0];
  for (uint32_t k = 1; k < facts->n_outputs; k++)
    if (facts->outputs[k].rank != first->rank ||
        memcmp (facts->outputs[k].dims, first->dims, first->rank * sizeof *first->dims) != 0)
      return false;
  return facts->n_outputs > 0;
}

/* Of several outputs of one shape, the first: the others are auxiliary heads. */
static bool fit (const WeirModelFacts *facts, Segmentation *state, GError **error)
{
  *state = (Segmentation){ .edge = 0.5f };
  if (!has_same_shapes (facts))
    return weir_facts_refuse_count (facts, "segmentation", "one, or several of one shape", error);
  if (!weir_facts_is_planes (facts, 0, &state->planes) ||
      weir_planes_n_values (&state->planes) / state->planes.n <= 1)
    return weir_facts_refuse (facts, 0, "segmentation", error,
        "class scores [1,classes,h,w], or class numbers [1,1,h,w] or [1,h,w]");
  uint32_t traits = weir_facts_traits (facts, 0);
  bool is_numbers = !weir_facts_is_float (facts, 0) || (traits & WEIR_OUTPUT_INDEX);
  if (state->planes.n == 1) {
    state->kind = is_numbers ? KIND_NUMBERS : KIND_MASK;
    state->n_classes = is_numbers ? MAX_CLASSES : 2;
    if ((traits & WEIR_OUTPUT_KNOWN) && !(traits & (WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_EXP)))
      state->edge = 0;
    return true;
  }
  state->kind = KIND_SCORES;
  state->n_classes = state->planes.n;
  return true;
}

static bool is_usual_number (uint32_t n)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (usual_numbers); i++)
    if (usual_numbers[i] == n)
      return true;
  return false;
}

/* One plane of numbers is a depth, or a class map, or a mask; three are a picture. */
static bool is_of_classes (const WeirModelFacts *facts, const Segmentation *state)
{
  uint32_t traits = weir_facts_traits (facts, 0), n = state->planes.n;
  if (state->kind == KIND_NUMBERS)
    return true;
  if (state->kind == KIND_MASK)
    return facts->outputs[0].rank == 4 && (traits & WEIR_OUTPUT_SIGMOID);
  if ((traits & (WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_LOG_SOFTMAX)) ||
      (facts->labels && facts->n_labels == n))
    return true;
  return weir_planes_are_full (facts, &state->planes) ? n != 3 : is_usual_number (n);
}

static bool has_enough_pixels (const WeirPlanes *planes, uint32_t width_px, uint32_t height_px)
{
  return (double) planes->width * planes->height >= MIN_SHARE * width_px * height_px &&
         planes->width <= 2 * width_px && planes->height <= 2 * height_px;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  const char *task = weir_facts_metadata (facts, "weir.task");
  uint32_t width_px, height_px;
  Segmentation state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) || !fit (facts, &state, NULL) ||
      !has_enough_pixels (&state.planes, width_px, height_px))
    return false;
  if (task ? !g_str_equal (task, "semantic") : !is_of_classes (facts, &state))
    return false;
  uint32_t width = state.planes.width, height = state.planes.height;
  if (state.kind == KIND_SCORES)
    return weir_facts_recognise (
        why, "scores of %u classes for %u×%u pixels", state.n_classes, width, height);
  return weir_facts_recognise (why, "%s %u×%u pixels",
      state.kind == KIND_MASK ? "a mask of" : "the class numbers of", width, height);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  Segmentation state;
  return fit (facts, &state, NULL) && state.kind == KIND_SCORES ? state.n_classes : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Segmentation *state = g_new0 (Segmentation, 1);
  const char *name = weir_facts_metadata (facts, "weir.attribute");
  const WeirProcOutput *entry =
      facts->n_outputs ? weir_proc_find (facts->proc, facts->output_names[0]) : NULL;
  if (!fit (facts, state, error))
    return NULL;
  state->name = entry && entry->attribute_name ? entry->attribute_name
                : name && *name                ? name
                                               : "segmentation";
  return g_steal_pointer (&state);
}

/* Classes of `n` pixels of a row; the first of equals. Pixels without a number are of class 0.
 * `best` has room for n values. */
static void find_classes (
    const Segmentation *state, const float *row, uint32_t n, float *best, float *dst)
{
  size_t step = state->planes.pixel_step;
  for (uint32_t x = 0; x < n; x++)
    best[x] = -INFINITY;
  for (uint32_t class = 0; class < state->planes.n; class ++) {
    const float *values = row + class * state->planes.plane_step;
    for (uint32_t x = 0; x < n; x++) {
      bool is_better = values[x * step] > best[x];
      best[x] = is_better ? values[x * step] : best[x];
      dst[x] = is_better ? (float) class : dst[x];
    }
  }
}

static void find_numbers (const Segmentation *state, const float *row, uint32_t n, float *dst)
{
  for (uint32_t x = 0; x < n; x++) {
    float value = row[x * state->planes.pixel_step];
    if (state->kind == KIND_MASK)
      dst[x] = value >= state->edge;
    else
      dst[x] = value >= 0 && value < (float) MAX_CLASSES ? floorf (value) : 0;
  }
}

/* A mask of one label is of that label and what is around it. */
static const char *label_of (const WeirDecodeJob *job, uint32_t class, WeirArena *arena)
{
  const Segmentation *state = job->state;
  if (state->kind == KIND_MASK && job->facts->labels && job->facts->n_labels == 1)
    return class ? job->facts->labels[0] : "background";
  return weir_facts_label (job->facts, (int32_t) class, NULL, arena);
}

/* The classes that are there, the most frequent first, at equal frequency the lower number. */
static void add_shares (
    const WeirDecodeJob *job, const float *classes, size_t n_pixels, WeirResult *result)
{
  const Segmentation *state = job->state;
  uint32_t greatest = 0, n_found = 0;
  for (size_t i = 0; i < n_pixels; i++)
    greatest = MAX (greatest, (uint32_t) classes[i]);
  uint32_t *counts = weir_arena_new_array (result->arena, uint32_t, greatest + 1);
  for (size_t i = 0; i < n_pixels; i++)
    n_found += counts[(uint32_t) classes[i]]++ == 0;
  uint32_t n = MIN (CLAMP (job->options->top_k, 1, MAX_ANSWERS), n_found);
  WeirClass *answer = weir_arena_new_array (result->arena, WeirClass, n);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t best = 0;
    for (uint32_t class = 1; class <= greatest; class ++)
      best = counts[class] > counts[best] ? class : best;
    answer[i] = (WeirClass){ .label_id = (int32_t) best,
      .confidence = (float) counts[best] / (float) n_pixels,
      .label = label_of (job, best, result->arena) };
    counts[best] = 0;
  }
  if (answer[0].confidence < job->options->threshold)
    return;
  result->attributes = weir_arena_new_array (result->arena, WeirAttribute, 1);
  result->attributes[0] = (WeirAttribute){
    .name = weir_arena_strdup (result->arena, state->name), .n_classes = n, .classes = answer
  };
  result->n_attributes = 1;
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Segmentation *state = job->state;
  const WeirPlanes *planes = &state->planes;
  const float *values = weir_job_f32 (job, 0, weir_planes_n_values (planes), result->arena, error);
  if (!values || !weir_job_attach (job, false, result, error))
    return false;
  WeirPlanesPart part = weir_planes_part (planes, job);
  const int64_t dims[] = { part.height, part.width };
  float *dst = weir_result_add_tensor (result, "segmentation", 2, dims);
  float *best = weir_arena_new_array (result->arena, float, part.width);
  for (uint32_t y = 0; y < part.height; y++) {
    const float *row = values + (part.y + y) * planes->row_step + part.x * planes->pixel_step;
    if (state->kind == KIND_SCORES)
      find_classes (state, row, part.width, best, dst + (size_t) y * part.width);
    else
      find_numbers (state, row, part.width, dst + (size_t) y * part.width);
  }
  add_shares (job, dst, (size_t) part.width * part.height, result);
  return true;
}

const WeirDecoder weir_decoder_segmentation = {
  .name = "segmentation",
  .blurb = "a class for every pixel: scores [1,classes,h,w], a mask, or class numbers",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
