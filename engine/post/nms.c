/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Non-maximum suppression, greedy and per class. The sort is our own heap sort: qsort may allocate.
 */
#include "engine/post/boxes.h"

static bool is_before (const WeirCandidate *a, const WeirCandidate *b)
{
  return a->confidence > b->confidence || (a->confidence == b->confidence && a->index < b->index);
}

/* Heap with the last in order at its root. */
static void sift_down (WeirCandidate *heap, uint32_t n, uint32_t root)
{
  WeirCandidate moving = heap[root];
  for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && is_before (&heap[child], &heap[child + 1]))
      child++;
    if (!is_before (&moving, &heap[child]))
      break;
    heap[root] = heap[child];
  }
  heap[root] = moving;
}

void weir_candidates_sort (WeirCandidate *candidates, uint32_t n)
{
  for (uint32_t root = n / 2; root-- > 0;)
    sift_down (candidates, n, root);
  for (uint32_t end = n; end-- > 1;) {
    WeirCandidate last = candidates[0];
    candidates[0] = candidates[end];
    candidates[end] = last;
    sift_down (candidates, end, 0);
  }
}

static double area (const WeirCandidate *box)
{
  return (box->x1 - box->x0) * (box->y1 - box->y0);
}

static bool overlaps (const WeirCandidate *a, const WeirCandidate *b, double iou_threshold)
{
  double width = MIN (a->x1, b->x1) - MAX (a->x0, b->x0);
  double height = MIN (a->y1, b->y1) - MAX (a->y0, b->y0);
  if (width <= 0 || height <= 0)
    return false;
  double shared = width * height;
  return shared / (area (a) + area (b) - shared) > iou_threshold;
}

static bool is_suppressed (const WeirCandidate *kept, uint32_t n_kept,
    const WeirCandidate *candidate, double iou_threshold)
{
  for (uint32_t i = 0; i < n_kept; i++)
    if (kept[i].label_id == candidate->label_id && overlaps (&kept[i], candidate, iou_threshold))
      return true;
  return false;
}

uint32_t weir_nms (WeirCandidate *candidates, uint32_t n, float iou_threshold, uint32_t max_kept)
{
  uint32_t n_kept = 0;
  weir_candidates_sort (candidates, n);
  for (uint32_t i = 0; i < n && n_kept < max_kept; i++)
    if (!is_suppressed (candidates, n_kept, &candidates[i], (double) iou_threshold))
      candidates[n_kept++] = candidates[i];
  return n_kept;
}
