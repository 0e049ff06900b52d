/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A heap, of which only as much is sorted as is asked for. */
#include "engine/graph/score_order.h"

bool weir_scored_before (const WeirScored *a, const WeirScored *b)
{
  if (a->score != b->score)
    return a->score > b->score;
  return a->index != b->index ? a->index < b->index : a->label < b->label;
}

static void swap (WeirScored *a, WeirScored *b)
{
  WeirScored t = *a;
  *a = *b;
  *b = t;
}

void weir_scored_sift (WeirScored *heap, int64_t n, int64_t at)
{
  for (;;) {
    int64_t first = at, child = 2 * at + 1;
    for (int64_t i = child; i < n && i < child + 2; i++)
      if (weir_scored_before (&heap[i], &heap[first]))
        first = i;
    if (first == at)
      return;
    swap (&heap[first], &heap[at]);
    at = first;
  }
}

void weir_scored_heapify (WeirScored *heap, int64_t n)
{
  for (int64_t i = n / 2; i-- > 0;)
    weir_scored_sift (heap, n, i);
}

/* The best go to the end of the heap's memory one by one; turned round, they stand in front. */
void weir_scored_sort (WeirScored *scored, int64_t n, int64_t n_best)
{
  int64_t n_heap = n;
  weir_scored_heapify (scored, n);
  while (n_heap > 1 && n - n_heap < n_best) {
    swap (&scored[0], &scored[--n_heap]);
    weir_scored_sift (scored, n_heap, 0);
  }
  for (int64_t i = 0; i < n / 2; i++)
    swap (&scored[i], &scored[n - 1 - i]);
}
