/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that select by value: TopK, NonZero, Unique, NonMaxSuppression. */
#include "engine/graph/selection.h"
#include "engine/ref/ref.h"

#include <stdlib.h>
#include <string.h>

/* One element that is kept, with its key negated where the least are wanted. */
typedef struct Kept {
  int64_t key, index;
} Kept;

size_t weir_ref_top_k_scratch (const WeirShapeJob *job)
{
  uint32_t axis;
  int64_t k;
  bool is_known;
  return weir_top_k_resolve (job, &axis, &k, &is_known, NULL) ? (size_t) k * sizeof (Kept) : 0;
}

/* Equal elements: the lower index first. */
static bool is_worse (const Kept *a, const Kept *b)
{
  return a->key < b->key || (a->key == b->key && a->index > b->index);
}

/* A heap with the worst in front. */
static void sift_down (Kept *heap, int64_t n, int64_t i)
{
  Kept moving = heap[i];
  for (int64_t child; (child = 2 * i + 1) < n; i = child) {
    child += child + 1 < n && is_worse (&heap[child + 1], &heap[child]);
    if (!is_worse (&heap[child], &moving))
      break;
    heap[i] = heap[child];
  }
  heap[i] = moving;
}

/* The k best of n elements, `stride` apart from `first` on; the best comes first. */
static void keep_best (const WeirTensor *src, int64_t first, int64_t stride, int64_t n, int64_t k,
    bool is_largest, Kept *heap)
{
  for (int64_t i = 0; i < n; i++) {
    int64_t key = weir_sort_key (src, first + i * stride);
    Kept next = { is_largest ? key : ~key, i };
    if (i < k) {
      heap[i] = next;
      for (int64_t at = i + 1 == k ? k / 2 : 0; at-- > 0;)
        sift_down (heap, k, at);
    } else if (is_worse (&heap[0], &next)) {
      heap[0] = next;
      sift_down (heap, k, 0);
    }
  }
  for (int64_t m = k - 1; m > 0; m--) {
    Kept worst = heap[0];
    heap[0] = heap[m];
    heap[m] = worst;
    sift_down (heap, m, 0);
  }
}

static int compare_places (const void *a, const void *b)
{
  int64_t x = ((const Kept *) a)->index, y = ((const Kept *) b)->index;
  return x < y ? -1 : x > y;
}

bool weir_ref_top_k (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  size_t size = weir_dtype_bytes (src->dtype);
  char *values = weir_tensor_data (&job->dst[0]);
  void *indices = job->node->n_dst > 1 ? weir_tensor_data (&job->dst[1]) : NULL;
  bool is_largest = weir_top_k_is_largest (job->node), is_known;
  Kept *heap = scratch;
  uint32_t axis;
  int64_t k;
  if (!weir_top_k_resolve (job, &axis, &k, &is_known, error))
    return false;
  int64_t n = src->dims[axis], n_inner = weir_ref_product (src, axis + 1, src->rank);
  for (int64_t o = 0; k && o < weir_ref_product (src, 0, axis); o++)
    for (int64_t i = 0; i < n_inner; i++) {
      int64_t first = o * n * n_inner + i;
      keep_best (src, first, n_inner, n, k, is_largest, heap);
      if (weir_top_k_keeps_order (job->node))
        qsort (heap, (size_t) k, sizeof *heap, compare_places);
      for (int64_t m = 0; m < k; m++) {
        int64_t to = (o * k + m) * n_inner + i, from = first + heap[m].index * n_inner;
        if (values)
          weir_ref_copy_element (values + (size_t) to * size,
              (const char *) weir_tensor_data (src) + (size_t) from * size, size);
        if (indices)
          weir_ref_store_int (job->dst[1].dtype, indices, to, heap[m].index);
      }
    }
  return true;
}

bool weir_ref_non_zero (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t *dst = weir_tensor_data (&job->dst[0]), n_dst = job->dst[0].dims[1], at = 0;
  WeirWalk walk = { .rank = src->rank };
  memcpy (walk.dims, src->dims, sizeof src->dims);
  if (weir_ref_n (&job->dst[0]) == 0)
    return true;
  WeirTensor element = *src;
  for (int64_t i = 0; at < n_dst; i++) {
    element.offset_bytes = src->offset_bytes + (size_t) i * weir_dtype_bytes (src->dtype);
    if (weir_nonzero_count (&element, 1)) {
      for (uint32_t axis = 0; axis < src->rank; axis++)
        dst[axis * n_dst + at] = walk.index[axis];
      at++;
    }
    if (!weir_walk_next (&walk))
      break;
  }
  return true;
}

bool weir_ref_unique (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  char *values = weir_tensor_data (&job->dst[0]);
  WeirUnique unique;
  if (!weir_unique_resolve (job, &unique, error))
    return false;
  size_t n_bytes = (size_t) unique.n_inner * weir_dtype_bytes (src->dtype);
  for (int64_t o = 0; values && n_bytes && o < unique.n_outer; o++)
    for (int64_t i = 0; i < unique.n_unique; i++, values += n_bytes)
      memcpy (values,
          (const char *) weir_tensor_data (src) +
              (size_t) (o * unique.n_items + unique.first[i]) * n_bytes,
          n_bytes);
  const int64_t *lists[] = { unique.first, unique.inverse, unique.count };
  for (uint32_t i = 1; i < job->node->n_dst; i++)
    if (job->dst[i].buffer && weir_ref_n (&job->dst[i]))
      memcpy (weir_tensor_data (&job->dst[i]), lists[i - 1],
          (size_t) weir_ref_n (&job->dst[i]) * sizeof (int64_t));
  weir_unique_clear (&unique);
  return true;
}

bool weir_ref_non_max_suppression (const WeirShapeJob *job, void *scratch, GError **error)
{
  g_autoptr (GArray) rows = NULL;
  if (!weir_nms_select (job, &rows, error))
    return false;
  if (rows->len)
    memcpy (weir_tensor_data (&job->dst[0]), rows->data, rows->len * sizeof (WeirNmsRow));
  return true;
}
