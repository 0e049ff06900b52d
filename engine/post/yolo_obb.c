/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YOLO v8 and v11 for turned boxes: the anchor-free head, then the angle in radians by which the
 * box is turned around its centre. Suppression compares the turned boxes as Gaussians (Llerena et
 * al., "Gaussian Bounding Boxes and Probabilistic Intersection-over-Union for Object Detection",
 * 2021): upright boxes around long things that lie side by side overlap although the things do not.
 */
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/yolo_head.h"
#include <math.h>

enum { FIRST_CLASS = 4, N_ANGLES = 1, N_CORNERS = 4 };
#define EPSILON 1e-7
/* DOTA's 15 classes at their usual size. */
enum { DOTA_COLUMNS = 20, DOTA_SIZE_PX = 1024 };

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    WeirYoloHead *head, GError **error)
{
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "yolo-obb", "one, [1,4 + classes + 1,P]", error);
  return weir_yolo_head_fit (
      facts, 0, FIRST_CLASS, N_ANGLES, width_px, height_px, head, "yolo-obb", error);
}

/* The angle could be a class: metadata, labels, sines in the graph or DOTA's numbers speak for it.
 */
static bool is_turned (
    const WeirModelFacts *facts, const WeirYoloHead *head, uint32_t width_px, bool is_named)
{
  uint32_t traits = weir_facts_traits (facts, 0);
  if (is_named || (traits & WEIR_OUTPUT_ANGLE))
    return true;
  if (head->column_step == 1)
    return false;
  if (facts->labels)
    return facts->n_labels == head->n_classes;
  return !(traits & WEIR_OUTPUT_KNOWN) && head->n_columns == DOTA_COLUMNS &&
         width_px == DOTA_SIZE_PX;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  bool is_named;
  WeirYoloHead head;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !weir_yolo_task_allows (facts, "obb", &is_named) ||
      !fit (facts, width_px, height_px, &head, NULL) ||
      !is_turned (facts, &head, width_px, is_named))
    return false;
  return weir_facts_recognise (
      why, "one output of %u cells × (4 + %u classes + an angle)", head.n_rows, head.n_classes);
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

typedef struct Turned {
  double x, y, width, height; /* pixels of the network's input */
  double cosine, sine;
} Turned;

static Turned read_turned (const WeirYoloHead *head, const float *values, uint32_t row)
{
  double numbers[FIRST_CLASS];
  for (uint32_t k = 0; k < FIRST_CLASS; k++)
    numbers[k] = (double) weir_yolo_head_value (head, values, row, k);
  double angle = (double) weir_yolo_head_value (head, values, row, head->first_extra);
  return (Turned){ .x = numbers[0],
    .y = numbers[1],
    .width = numbers[2],
    .height = numbers[3],
    .cosine = cos (angle),
    .sine = sin (angle) };
}

/* Its upright box is the candidate. */
static void add_turned (
    const WeirYoloHead *head, const float *values, const WeirCandidate *best, void *user)
{
  Turned box = read_turned (head, values, best->index);
  if (!(box.width > 0 && box.height > 0))
    return;
  weir_boxes_add_centre (user, box.x, box.y,
      fabs (box.width * box.cosine) + fabs (box.height * box.sine),
      fabs (box.width * box.sine) + fabs (box.height * box.cosine), *best);
}

/* Variances of x and y and their covariance, of points spread evenly over the box. */
typedef struct Spread {
  double xx, yy, xy;
} Spread;

static Spread spread (const Turned *box)
{
  double along = box->width * box->width / 12, across = box->height * box->height / 12;
  double c = box->cosine, s = box->sine;
  return (Spread){ .xx = along * c * c + across * s * s,
    .yy = along * s * s + across * c * c,
    .xy = (along - across) * c * s };
}

/* 1 less the Hellinger distance of the two Gaussians. */
static double likeness (const Turned *a, const Turned *b)
{
  Spread p = spread (a), q = spread (b);
  double xx = p.xx + q.xx, yy = p.yy + q.yy, xy = p.xy + q.xy;
  double dx = a->x - b->x, dy = a->y - b->y;
  double determinant = xx * yy - xy * xy;
  double own = fmax (p.xx * p.yy - p.xy * p.xy, 0) * fmax (q.xx * q.yy - q.xy * q.xy, 0);
  double far = (xx * dy * dy + yy * dx * dx - 2 * xy * dx * dy) / (determinant + EPSILON) / 4;
  double unlike = log (determinant / (4 * sqrt (own) + EPSILON) + EPSILON) / 2;
  double distance = fmin (fmax (far + unlike, EPSILON), 100);
  return 1 - sqrt (1 - exp (-distance) + EPSILON);
}

/* As weir_nms does it with upright boxes. */
static void suppress (
    const WeirYoloHead *head, const float *values, const WeirDecodeJob *job, WeirBoxes *boxes)
{
  uint32_t n_kept = 0, most = job->options->max_detections;
  Turned *kept = weir_arena_new_array (boxes->arena, Turned, MIN (most, boxes->n));
  weir_candidates_sort (boxes->items, boxes->n);
  for (uint32_t i = 0; i < boxes->n && n_kept < most; i++) {
    Turned box = read_turned (head, values, boxes->items[i].index);
    bool is_new = true;
    for (uint32_t k = 0; k < n_kept && is_new; k++)
      is_new = boxes->items[k].label_id != boxes->items[i].label_id ||
               !(likeness (&kept[k], &box) > (double) boxes->iou_threshold);
    if (!is_new)
      continue;
    boxes->items[n_kept] = boxes->items[i];
    kept[n_kept++] = box;
  }
  boxes->n = n_kept;
  boxes->iou_threshold = WEIR_NO_NMS;
}

/* Corners as they would stand in an upright box, clockwise from the upper left one. */
static void add_corners (
    const WeirDecodeJob *job, const Turned *box, WeirObject *object, WeirArena *arena)
{
  static const double signs[N_CORNERS][2] = { { -1, -1 }, { 1, -1 }, { 1, 1 }, { -1, 1 } };
  double points_px[2 * N_CORNERS];
  for (uint32_t i = 0; i < N_CORNERS; i++) {
    double along = signs[i][0] * box->width / 2, across = signs[i][1] * box->height / 2;
    points_px[2 * i] = box->x + along * box->cosine - across * box->sine;
    points_px[2 * i + 1] = box->y + along * box->sine + across * box->cosine;
  }
  weir_object_add_points (object, job, "rotated_box", points_px, N_CORNERS, arena);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const WeirYoloHead *head = job->state;
  const float *values = weir_job_f32 (job, 0, weir_yolo_head_n_values (head), result->arena, error);
  if (!values)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  weir_yolo_head_each (head, values, boxes.threshold, add_turned, &boxes);
  suppress (head, values, job, &boxes);
  weir_boxes_finish (&boxes, job, NULL, result);
  for (uint32_t i = 0; i < result->n_objects; i++) {
    Turned box = read_turned (head, values, boxes.items[i].index);
    add_corners (job, &box, &result->objects[i], result->arena);
  }
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_yolo_obb = {
  .name = "yolo-obb",
  .blurb = "YOLO v8, v11 objects in turned boxes: [1,4 + classes + 1,P]",
  .is_detector = true,
  WEIR_TRAINED_ON_LETTERBOXES,
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
