/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v8, v9 and v11 with masks: the anchor-free head, then M coefficients a candidate; the second
 * output has M prototypes, and an object's mask is the sigmoid of their weighted sum within its box
 * (Bolya et al., "YOLACT", 2019). The mask is given on a grid that covers the box exactly, about a
 * prototype pixel a cell, interpolated before the sigmoid. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/planes.h"
#include "engine/post/yolo_head.h"
#include <math.h>

enum { FIRST_CLASS = 4 };
/* In one direction: many objects with masks of a hostile file's size would take all memory. */
#define MAX_MASK_CELLS 1024.0

typedef struct YoloSeg {
  uint32_t head_output, proto_output;
  WeirYoloHead head;
  WeirPlanes protos;
} YoloSeg;

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px, YoloSeg *state,
    GError **error)
{
  *state = (YoloSeg){ 0 };
  if (facts->n_outputs != 2)
    return weir_facts_refuse_count (
        facts, "yolo-seg", "two, [1,4 + classes + M,P] and [1,M,h,w]", error);
  state->head_output = facts->outputs[0].rank == 3 ? 0 : 1;
  state->proto_output = 1 - state->head_output;
  uint32_t k = state->proto_output;
  if (facts->outputs[k].rank != 4 || !weir_facts_is_float (facts, k) ||
      !weir_facts_is_planes (facts, k, &state->protos))
    return weir_facts_refuse (facts, k, "yolo-seg", error, "prototypes, f32[1,M,h,w]");
  return weir_yolo_head_fit (facts, state->head_output, FIRST_CLASS, state->protos.n, width_px,
      height_px, &state->head, "yolo-seg", error);
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  bool is_named;
  YoloSeg state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_yolo_task_allows (facts, "segment", &is_named) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  return weir_facts_recognise (why,
      "%u cells × (4 + %u classes + %u coefficients), prototypes of %u×%u", state.head.n_rows,
      state.head.n_classes, state.protos.n, state.protos.width, state.protos.height);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  YoloSeg state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, width_px, height_px, &state, NULL)
             ? state.head.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree YoloSeg *state = g_new0 (YoloSeg, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

/* Cells of a mask in one direction, and the prototype pixels they are interpolated from. */
typedef struct Span {
  double start, step; /* of the cells' centres, in prototype pixels */
  uint32_t n_cells;
  uint32_t first, n; /* prototype pixels */
} Span;

/* Of a box from `low` to `high`, in prototype pixels from the edge of the first of `size`. */
static Span make_span (double low, double high, uint32_t size)
{
  double n_cells = fmin (fmax (rint (high - low), 1), fmin (size, MAX_MASK_CELLS));
  Span span = { .n_cells = (uint32_t) n_cells, .step = (high - low) / n_cells };
  span.start = low + span.step / 2 - 0.5;
  double first = fmin (fmax (floor (span.start), 0), size - 1.0);
  double last =
      fmin (fmax (floor (low + (n_cells - 0.5) * span.step - 0.5) + 1, first), size - 1.0);
  span.first = (uint32_t) first;
  span.n = (uint32_t) (last - first) + 1;
  return span;
}

/* Of cell i: the two pixels, counted from the first of the span, and the share of the second. */
static double locate (const Span *span, uint32_t i, uint32_t *low, uint32_t *high)
{
  double at = fmin (fmax (span->start + i * span->step - span->first, 0), span->n - 1.0);
  *low = (uint32_t) at;
  *high = MIN (*low + 1, span->n - 1);
  return at - *low;
}

/* The weighted sum of the prototypes in the rectangle of the spans. */
static void mix (const YoloSeg *state, const float *protos, const float *coefficients,
    const Span *x, const Span *y, float *dst)
{
  const WeirPlanes *planes = &state->protos;
  memset (dst, 0, (size_t) x->n * y->n * sizeof *dst);
  for (uint32_t m = 0; m < planes->n; m++) {
    const float *plane = protos + m * planes->plane_step;
    for (uint32_t j = 0; j < y->n; j++) {
      const float *row = plane + (y->first + j) * planes->row_step + x->first * planes->pixel_step;
      float *sums = dst + (size_t) j * x->n;
      for (uint32_t i = 0; i < x->n; i++)
        sums[i] += coefficients[m] * row[i * planes->pixel_step];
    }
  }
}

static void add_mask (
    const Span *x, const Span *y, const float *sums, WeirObject *object, WeirArena *arena)
{
  const int64_t dims[] = { y->n_cells, x->n_cells };
  float *dst = weir_object_add_values (object, "mask", 2, dims, arena);
  for (uint32_t j = 0; j < y->n_cells; j++) {
    uint32_t y0, y1, x0, x1;
    double v = locate (y, j, &y0, &y1);
    const float *upper = sums + (size_t) y0 * x->n, *lower = sums + (size_t) y1 * x->n;
    for (uint32_t i = 0; i < x->n_cells; i++) {
      double u = locate (x, i, &x0, &x1);
      double above = upper[x0] + u * ((double) upper[x1] - (double) upper[x0]);
      double below = lower[x0] + u * ((double) lower[x1] - (double) lower[x0]);
      double p = weir_sigmoid (above + v * (below - above));
      dst[(size_t) j * x->n_cells + i] = isfinite (p) ? (float) p : 0;
    }
  }
}

/* The box of an object, already clipped to the region, in prototype pixels. */
static void find_spans (const WeirDecodeJob *job, const WeirObject *object, Span *x, Span *y)
{
  const YoloSeg *state = job->state;
  const WeirMapping *mapping = job->mapping;
  double ratio_x = (double) state->protos.width / job->input->width_px;
  double ratio_y = (double) state->protos.height / job->input->height_px;
  double width = job->region_width_px * mapping->scale_x;
  double height = job->region_height_px * mapping->scale_y;
  *x = make_span ((object->x_min * width + mapping->offset_x_px) * ratio_x,
      (object->x_max * width + mapping->offset_x_px) * ratio_x, state->protos.width);
  *y = make_span ((object->y_min * height + mapping->offset_y_px) * ratio_y,
      (object->y_max * height + mapping->offset_y_px) * ratio_y, state->protos.height);
}

static void add_masks (const WeirDecodeJob *job, const float *values, const float *protos,
    const WeirBoxes *boxes, WeirResult *result)
{
  const YoloSeg *state = job->state;
  const WeirYoloHead *head = &state->head;
  size_t n_pixels = (size_t) state->protos.width * state->protos.height;
  float *sums = weir_arena_new_array (result->arena, float, n_pixels);
  float *coefficients = weir_arena_new_array (result->arena, float, state->protos.n);
  for (uint32_t i = 0; i < result->n_objects; i++) {
    Span x, y;
    for (uint32_t m = 0; m < state->protos.n; m++)
      coefficients[m] =
          weir_yolo_head_value (head, values, boxes->items[i].index, head->first_extra + m);
    find_spans (job, &result->objects[i], &x, &y);
    mix (state, protos, coefficients, &x, &y, sums);
    add_mask (&x, &y, sums, &result->objects[i], result->arena);
  }
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const YoloSeg *state = job->state;
  const float *values = weir_job_f32 (
      job, state->head_output, weir_yolo_head_n_values (&state->head), result->arena, error);
  const float *protos = values ? weir_job_f32 (job, state->proto_output,
                                     weir_planes_n_values (&state->protos), result->arena, error)
                               : NULL;
  if (!protos)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  weir_yolo_head_add (&state->head, values, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  if (result->n_objects)
    add_masks (job, values, protos, &boxes, result);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_seg = {
  .name = "yolo-seg",
  .blurb = "YOLO v8, v9, v11 objects with masks: [1,4 + classes + M,P] and [1,M,h,w]",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
