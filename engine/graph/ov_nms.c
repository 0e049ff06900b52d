/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenVINO's NonMaxSuppression: greedy, or with a sigma Soft-NMS (Bodla et al., 2017), which suppresses
 * by the score alone.
 *
 * Candidates of a class are a heap. The best is compared with those kept since it was last looked
 * at; where that lowers its score it goes back into the heap, else it is kept. */
#include "engine/error.h"
#include "engine/graph/openvino.h"
#include "engine/graph/score_order.h"

#include <math.h>

typedef struct Box {
  float x0, y0, x1, y1;
} Box;

typedef struct Nms {
  const WeirTensor *boxes, *scores;
  bool is_centre;
  int64_t n_most;                               /* of a class */
  float iou_threshold, score_threshold, factor; /* factor: of iou² in the exponent; 0: greedy */
  WeirScored *heap; /* label: how many of `kept` it has been compared with */
  WeirScored *kept;
  Box *all; /* of the image at hand */
  GArray *rows;
} Nms;

static Box read_box (const Nms *nms, int64_t image, int64_t i)
{
  float v[4] = { 0 };
  for (int k = 0; k < 4; k++)
    weir_known_float (nms->boxes, (image * nms->boxes->dims[1] + i) * 4 + k, &v[k]);
  if (nms->is_centre) /* x, y, width, height */
    return (Box){ v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2 };
  return (Box){ MIN (v[1], v[3]), MIN (v[0], v[2]), MAX (v[1], v[3]), MAX (v[0], v[2]) };
}

static float overlap (Box a, Box b)
{
  float area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  float width = MIN (a.x1, b.x1) - MAX (a.x0, b.x0), height = MIN (a.y1, b.y1) - MAX (a.y0, b.y0);
  if (area_a <= 0 || area_b <= 0 || !(width > 0 && height > 0))
    return 0;
  return width * height / (area_a + area_b - width * height);
}

static int64_t gather (Nms *nms, int64_t image, int64_t label)
{
  int64_t n = 0, n_boxes = nms->boxes->dims[1];
  int64_t first = (image * nms->scores->dims[1] + label) * n_boxes;
  for (int64_t i = 0; i < n_boxes; i++) {
    float score = 0;
    weir_known_float (nms->scores, first + i, &score);
    if (score > nms->score_threshold)
      nms->heap[n++] = (WeirScored){ score, 0, (int32_t) i };
  }
  weir_scored_heapify (nms->heap, n);
  return n;
}

/* Its score after comparison with those kept since; false where it goes. */
static bool compare (const Nms *nms, int64_t n_kept, WeirScored *candidate)
{
  for (int64_t i = n_kept; i-- > candidate->label;) {
    float iou = overlap (nms->all[candidate->index], nms->all[nms->kept[i].index]);
    if (nms->factor != 0)
      candidate->score *= expf (nms->factor * iou * iou);
    else if (iou > nms->iou_threshold)
      return false;
    if (!(candidate->score > nms->score_threshold))
      return false;
  }
  candidate->label = (int32_t) n_kept;
  return true;
}

static void select_class (Nms *nms, int64_t image, int64_t label)
{
  int64_t n = gather (nms, image, label), n_kept = 0;
  while (n > 0 && n_kept < nms->n_most) {
    WeirScored candidate = nms->heap[0];
    if (!compare (nms, n_kept, &candidate)) {
      nms->heap[0] = nms->heap[--n];
    } else if (candidate.score != nms->heap[0].score) {
      nms->heap[0] = candidate;
    } else {
      WeirOvNmsRow row = { image, label, candidate.index, candidate.score };
      g_array_append_val (nms->rows, row);
      nms->kept[n_kept++] = candidate;
      nms->heap[0] = nms->heap[--n];
    }
    weir_scored_sift (nms->heap, n, 0);
  }
}

static gint compare_rows (gconstpointer a, gconstpointer b)
{
  const WeirOvNmsRow *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  if (x->image != y->image)
    return x->image < y->image ? -1 : 1;
  if (x->label != y->label)
    return x->label < y->label ? -1 : 1;
  return x->box < y->box ? -1 : x->box > y->box;
}

static float read_float (const WeirShapeJob *job, uint32_t i)
{
  const WeirTensor *tensor = weir_job_src (job, i);
  float value = 0;
  if (tensor)
    weir_known_float (tensor, 0, &value);
  return value;
}

GArray *weir_ov_nms_select (const WeirShapeJob *job, GError **error)
{
  Nms nms = { .boxes = &job->src[0], .scores = &job->src[1] };
  const WeirTensor *most = weir_job_src (job, 2);
  const char *encoding = weir_node_string (job->node, "box_encoding", "corner");
  float sigma = read_float (job, 5);
  int64_t n_boxes = nms.boxes->dims[1];
  if (most && !weir_known_int (most, 0, &nms.n_most))
    nms.n_most = 0;
  nms.n_most = CLAMP (nms.n_most, 0, n_boxes);
  nms.is_centre = g_ascii_strcasecmp (encoding, "center") == 0;
  nms.iou_threshold = read_float (job, 3);
  nms.score_threshold = read_float (job, 4);
  nms.factor = sigma > 0 ? -0.5f / sigma : 0;
  g_autofree WeirScored *heap = g_try_new (WeirScored, (gsize) n_boxes + 1);
  g_autofree WeirScored *kept = g_try_new (WeirScored, (gsize) nms.n_most + 1);
  g_autofree Box *all = g_try_new (Box, (gsize) n_boxes + 1);
  if (!heap || !kept || !all) {
    weir_node_error (job->graph, job->node, WEIR_ERROR_MEMORY, error, "no memory to sort");
    return NULL;
  }
  nms.heap = heap;
  nms.kept = kept;
  nms.all = all;
  nms.rows = g_array_new (FALSE, FALSE, sizeof (WeirOvNmsRow));
  for (int64_t image = 0; image < nms.scores->dims[0]; image++) {
    for (int64_t i = 0; i < n_boxes; i++)
      all[i] = read_box (&nms, image, i);
    for (int64_t label = 0; label < nms.scores->dims[1]; label++)
      select_class (&nms, image, label);
  }
  if (weir_ov_bool (job->node, "sort_result_descending", true))
    g_array_sort (nms.rows, compare_rows);
  return nms.rows;
}
