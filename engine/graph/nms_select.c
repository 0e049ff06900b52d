/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NonMaxSuppression.
 *
 * The candidates of a class are a heap, from which only as many are taken as it needs to fill the
 * result: most networks keep some hundred of ten thousand. Each is compared with those kept. */
#include "engine/graph/geometry.h"
#include "engine/graph/selection.h"

#include <math.h>
#include <string.h>

typedef struct Box {
  float x0, y0, x1, y1, area;
} Box;

typedef struct Candidate {
  float score;
  uint32_t box;
} Candidate;

typedef struct Nms {
  int64_t n_images, n_boxes, n_classes, n_most;
  float iou_threshold, score_threshold;
  bool is_centre, has_score_threshold;
  Box *boxes;            /* [n_boxes], of the image at hand */
  Candidate *candidates; /* a heap: the best is the first */
  Box *kept;
  GArray *rows;
} Nms;

static bool is_better (const Candidate *a, const Candidate *b)
{
  return a->score > b->score || (a->score == b->score && a->box < b->box);
}

static void sift_down (Candidate *heap, uint32_t n, uint32_t i)
{
  Candidate moving = heap[i];
  for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
    child += child + 1 < n && is_better (&heap[child + 1], &heap[child]);
    if (!is_better (&heap[child], &moving))
      break;
    heap[i] = heap[child];
  }
  heap[i] = moving;
}

static Box read_box (const Nms *nms, const WeirTensor *boxes, int64_t i)
{
  float v[4];
  memcpy (v, (const char *) weir_tensor_data (boxes) + (size_t) i * sizeof v, sizeof v);
  if (nms->is_centre) { /* x, y, width, height */
    Box box = { v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2, 0 };
    box.area = (box.x1 - box.x0) * (box.y1 - box.y0);
    return box;
  }
  /* y, x of any two opposite corners */
  Box box = { fminf (v[1], v[3]), fminf (v[0], v[2]), fmaxf (v[1], v[3]), fmaxf (v[0], v[2]), 0 };
  box.area = (box.x1 - box.x0) * (box.y1 - box.y0);
  return box;
}

static bool overlaps (const Box *a, const Box *b, float threshold)
{
  float x0 = a->x0 > b->x0 ? a->x0 : b->x0, x1 = a->x1 < b->x1 ? a->x1 : b->x1;
  float y0 = a->y0 > b->y0 ? a->y0 : b->y0, y1 = a->y1 < b->y1 ? a->y1 : b->y1;
  if (!(x1 > x0 && y1 > y0) || a->area <= 0 || b->area <= 0)
    return false;
  float common = (x1 - x0) * (y1 - y0), all = a->area + b->area - common;
  return all > 0 && common / all > threshold;
}

/* A NaN goes last: no threshold lets it through, and without one it has the least score. */
static uint32_t gather_candidates (Nms *nms, const WeirTensor *scores, int64_t first)
{
  uint32_t n = 0;
  for (int64_t i = 0; i < nms->n_boxes; i++) {
    float score;
    memcpy (&score, (const char *) weir_tensor_data (scores) + (size_t) (first + i) * sizeof score,
        sizeof score);
    if (nms->has_score_threshold && !(score > nms->score_threshold))
      continue;
    nms->candidates[n++] = (Candidate){ isnan (score) ? -INFINITY : score, (uint32_t) i };
  }
  for (uint32_t i = n / 2; i-- > 0;)
    sift_down (nms->candidates, n, i);
  return n;
}

static void select_class (Nms *nms, const WeirTensor *scores, int64_t image, int64_t label)
{
  uint32_t n = gather_candidates (nms, scores, (image * nms->n_classes + label) * nms->n_boxes);
  int64_t n_kept = 0;
  while (n > 0 && n_kept < nms->n_most) {
    uint32_t box = nms->candidates[0].box;
    nms->candidates[0] = nms->candidates[--n];
    sift_down (nms->candidates, n, 0);
    const Box *candidate = &nms->boxes[box];
    int64_t i = 0;
    while (i < n_kept && !overlaps (candidate, &nms->kept[i], nms->iou_threshold))
      i++;
    if (i < n_kept)
      continue;
    nms->kept[n_kept++] = *candidate;
    WeirNmsRow row = { image, label, box };
    g_array_append_val (nms->rows, row);
  }
}

static bool read_limits (const WeirShapeJob *job, Nms *nms, GError **error)
{
  const WeirTensor *most = weir_job_src (job, 2), *iou = weir_job_src (job, 3),
                   *score = weir_job_src (job, 4);
  int64_t n_most = 0;
  if ((most && !weir_known_int (most, 0, &n_most)) ||
      (iou && !weir_known_float (iou, 0, &nms->iou_threshold)) ||
      (score && !weir_known_float (score, 0, &nms->score_threshold)))
    return weir_job_fail ("limits are not an i64 and two f32");
  if (!(nms->iou_threshold >= 0 && nms->iou_threshold <= 1))
    return weir_job_fail ("iou_threshold is %g, expected 0 to 1", (double) nms->iou_threshold);
  nms->n_most = CLAMP (n_most, 0, nms->n_boxes);
  nms->has_score_threshold = score != NULL;
  nms->is_centre = weir_node_int (job->node, "center_point_box", 0) != 0;
  return true;
}

bool weir_nms_select (const WeirShapeJob *job, GArray **rows, GError **error)
{
  const WeirTensor *boxes = &job->src[0], *scores = &job->src[1];
  Nms nms = { boxes->dims[0], boxes->dims[1], scores->dims[1], 0, 0, 0, false, false, NULL, NULL,
    NULL, NULL };
  if (!read_limits (job, &nms, error))
    return false;
  size_t n = (size_t) nms.n_boxes + 1;
  g_autofree Box *all = g_try_new (Box, n), *kept = g_try_new (Box, (size_t) nms.n_most + 1);
  g_autofree Candidate *candidates = g_try_new (Candidate, n);
  if (!all || !kept || !candidates)
    return weir_node_error (job->graph, job->node, WEIR_ERROR_MEMORY, error, "no memory to sort");
  nms.boxes = all;
  nms.kept = kept;
  nms.candidates = candidates;
  *rows = nms.rows = g_array_new (FALSE, FALSE, sizeof (WeirNmsRow));
  for (int64_t image = 0; image < nms.n_images && nms.n_most; image++) {
    for (int64_t i = 0; i < nms.n_boxes; i++)
      all[i] = read_box (&nms, boxes, image * nms.n_boxes + i);
    for (int64_t label = 0; label < nms.n_classes; label++)
      select_class (&nms, scores, image, label);
  }
  return true;
}
