/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v8 and v11 for poses: the anchor-free head, then x, y (in input pixels) and visibility of K
 * points a candidate. */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_head.h"
#include <math.h>

enum { FIRST_CLASS = 4 };
/* COCO's persons: 4 + 1 class + 17 points. */
enum { COCO_POINTS = 17, COCO_COLUMNS = 56 };
#define MAX_POINTS       4096u
#define MIN_POINTS       4u /* that are recognised without metadata */
#define POINT_NUMBERS    3u
#define POINT_NUMBERS_2D 2u

typedef struct YoloPose {
  WeirYoloHead head;
  uint32_t n_points, n_numbers; /* numbers of a point: 2 or 3 */
} YoloPose;

/* "17,3". */
static bool read_shape (const WeirModelFacts *facts, YoloPose *state, GError **error)
{
  double numbers[2];
  uint32_t n;
  if (!weir_facts_numbers (facts, 0, "keypoints", 2, numbers, &n, error))
    return false;
  state->n_numbers = POINT_NUMBERS;
  if (n == 0)
    return true;
  bool is_right = numbers[0] >= 1 && numbers[0] <= MAX_POINTS &&
                  (n == 1 || numbers[1] == POINT_NUMBERS || numbers[1] == POINT_NUMBERS_2D);
  if (!is_right) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "weir.keypoints: a number of points up to %u, then 2 or 3, are expected", MAX_POINTS);
    return false;
  }
  state->n_points = (uint32_t) numbers[0];
  if (n == 2)
    state->n_numbers = (uint32_t) numbers[1];
  return true;
}

/* Behind as many classes as there are labels, else behind one. */
static uint32_t guess_points (const WeirModelFacts *facts)
{
  uint32_t dims[2];
  if (!weir_facts_is_matrix (facts, 0, &dims[0], &dims[1]))
    return 0;
  uint32_t n_columns = MIN (dims[0], dims[1]), n_labels = facts->labels ? facts->n_labels : 1;
  if (n_columns <= FIRST_CLASS || n_labels >= n_columns - FIRST_CLASS)
    return 0;
  uint32_t n = n_columns - FIRST_CLASS - n_labels;
  return n % POINT_NUMBERS == 0 ? MIN (n / POINT_NUMBERS, MAX_POINTS) : 0;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    YoloPose *state, GError **error)
{
  *state = (YoloPose){ 0 };
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "yolo-pose", "one, [1,4 + classes + 3·points,P]", error);
  if (!read_shape (facts, state, error))
    return false;
  if (!state->n_points)
    state->n_points = guess_points (facts);
  if (!state->n_points)
    return weir_facts_refuse (
        facts, 0, "yolo-pose", error, "[1,4 + classes + 3·points,P], or metadata weir.keypoints");
  return weir_yolo_head_fit (facts, 0, FIRST_CLASS, state->n_points * state->n_numbers, width_px,
      height_px, &state->head, "yolo-pose", error);
}

/* The number of columns alone could be one of classes: metadata, labels or COCO's number say it. */
static bool is_pose (const WeirModelFacts *facts, const YoloPose *state, bool is_named)
{
  if (is_named || weir_facts_metadata (facts, "weir.keypoints"))
    return true;
  if (state->head.column_step == 1)
    return false;
  if (facts->labels)
    return facts->n_labels == state->head.n_classes && state->n_points >= MIN_POINTS;
  return state->head.n_columns == COCO_COLUMNS && state->n_points == COCO_POINTS;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  bool is_named;
  YoloPose state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_yolo_task_allows (facts, "pose", &is_named) ||
      !fit (facts, width_px, height_px, &state, NULL) || !is_pose (facts, &state, is_named))
    return false;
  return weir_facts_recognise (why, "one output of %u cells × (4 + %u classes + %u points of %u)",
      state.head.n_rows, state.head.n_classes, state.n_points, state.n_numbers);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  YoloPose state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, width_px, height_px, &state, NULL)
             ? state.head.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree YoloPose *state = g_new0 (YoloPose, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

static void add_points (const WeirDecodeJob *job, const float *values, uint32_t row,
    WeirObject *object, WeirArena *arena)
{
  const YoloPose *state = job->state;
  const int64_t n_points = state->n_points;
  double *points_px = weir_arena_new_array (arena, double, 2 * (size_t) state->n_points);
  float *confidences = NULL;
  for (uint32_t i = 0; i < 2 * state->n_points; i++)
    points_px[i] = (double) weir_yolo_head_value (
        &state->head, values, row, state->head.first_extra + i / 2 * state->n_numbers + i % 2);
  weir_object_add_points (object, job, "keypoints", points_px, state->n_points, arena);
  if (state->n_numbers == POINT_NUMBERS)
    confidences = weir_object_add_values (object, "keypoints_confidence", 1, &n_points, arena);
  for (uint32_t i = 0; confidences && i < state->n_points; i++) {
    float value = weir_yolo_head_value (
        &state->head, values, row, state->head.first_extra + i * POINT_NUMBERS + 2);
    confidences[i] = isfinite (value) ? value : 0;
  }
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const YoloPose *state = job->state;
  const float *values =
      weir_job_f32 (job, 0, weir_yolo_head_n_values (&state->head), result->arena, error);
  if (!values)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  weir_yolo_head_add (&state->head, values, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  for (uint32_t i = 0; i < result->n_objects; i++)
    add_points (job, values, boxes.items[i].index, &result->objects[i], result->arena);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_pose = {
  .name = "yolo-pose",
  .blurb = "YOLO v8, v11 objects with keypoints: [1,4 + classes + 3·points,P]",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
