/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NonZero, TopK and Unique: counting, and comparing elements of any type as integers. */
#include "engine/graph/selection.h"

#include "engine/base/half.h"
#include "engine/graph/geometry.h"

#include <math.h>
#include <string.h>

static int64_t key_of_double (double value)
{
  int64_t bits;
  if (isnan (value))
    return INT64_MAX;
  value += 0.0; /* -0 becomes 0 */
  memcpy (&bits, &value, sizeof bits);
  return bits < 0 ? bits ^ INT64_MAX : bits;
}

int64_t weir_sort_key (const WeirTensor *tensor, int64_t i)
{
  size_t size = weir_dtype_bytes (tensor->dtype);
  uint64_t bits = 0;
  float single;
  double wide;
  memcpy (&bits, (const char *) weir_tensor_data (tensor) + (size_t) i * size, size);
  switch (tensor->dtype) {
  case WEIR_DTYPE_F32:
    memcpy (&single, &bits, sizeof single);
    return key_of_double ((double) single);
  case WEIR_DTYPE_F64:
    memcpy (&wide, &bits, sizeof wide);
    return key_of_double (wide);
  case WEIR_DTYPE_F16:
    return key_of_double ((double) weir_f16_to_f32 ((uint16_t) bits));
  case WEIR_DTYPE_BF16:
    return key_of_double ((double) weir_bf16_to_f32 ((uint16_t) bits));
  case WEIR_DTYPE_I8:
    return (int8_t) bits;
  case WEIR_DTYPE_I16:
    return (int16_t) bits;
  case WEIR_DTYPE_I32:
    return (int32_t) bits;
  case WEIR_DTYPE_U64:
    return (int64_t) (bits ^ (UINT64_C (1) << 63));
  default: /* i64 and what fits into it */
    return (int64_t) bits;
  }
}

int64_t weir_nonzero_count (const WeirTensor *tensor, int64_t n)
{
  static const uint64_t zero_bits;
  WeirTensor zero = { .dtype = tensor->dtype, .buffer = (void *) (uintptr_t) &zero_bits };
  int64_t zero_key = weir_sort_key (&zero, 0), n_nonzero = 0;
  for (int64_t i = 0; i < n; i++)
    n_nonzero += weir_sort_key (tensor, i) != zero_key;
  return n_nonzero;
}

bool weir_top_k_is_largest (const WeirNode *node)
{
  if (node->op == WEIR_OP_OV_TOP_K)
    return g_ascii_strcasecmp (weir_node_string (node, "mode", "max"), "min") != 0;
  return weir_node_int (node, "largest", 1) != 0;
}

bool weir_top_k_keeps_order (const WeirNode *node)
{
  return node->op == WEIR_OP_OV_TOP_K &&
         g_ascii_strcasecmp (weir_node_string (node, "sort", "value"), "index") == 0;
}

bool weir_top_k_resolve (
    const WeirShapeJob *job, uint32_t *axis, int64_t *k, bool *is_known, GError **error)
{
  const WeirTensor *src = &job->src[0], *number = weir_job_src (job, 1);
  int64_t n_numbers;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", -1), src->rank, axis, error))
    return false;
  int64_t n = src->dims[*axis];
  *is_known = !number || number->buffer;
  *k = number ? n : weir_node_int (job->node, "k", -1);
  if (number && (!weir_tensor_n_elements (number, &n_numbers) || n_numbers != 1))
    return weir_job_fail ("k is not one number");
  if (number && number->buffer && !weir_known_int (number, 0, k))
    return weir_job_fail ("k is %s, expected i64", weir_dtype_name (number->dtype));
  return (*k >= 0 && *k <= n) ||
         weir_job_fail ("k is %" G_GINT64_FORMAT ", but axis %u has %" G_GINT64_FORMAT " elements",
             *k, *axis, n);
}

/* Items to be sorted by their keys. */
typedef struct Items {
  const int64_t *keys; /* [n_outer][n_items][n_inner] */
  const WeirUnique *unique;
} Items;

static int compare_items (const Items *items, int64_t a, int64_t b)
{
  const WeirUnique *u = items->unique;
  for (int64_t o = 0; o < u->n_outer; o++)
    for (int64_t k = 0; k < u->n_inner; k++) {
      int64_t x = items->keys[(o * u->n_items + a) * u->n_inner + k];
      int64_t y = items->keys[(o * u->n_items + b) * u->n_inner + k];
      if (x != y)
        return x < y ? -1 : 1;
    }
  return 0;
}

static int compare_places (const void *a, const void *b, void *data)
{
  int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
  int order = compare_items (data, x, y);
  return order ? order : x < y ? -1 : x > y;
}

/* Numbers the groups of equal items of the sorted list. */
static void group_items (const Items *items, const int64_t *sorted, WeirUnique *unique)
{
  for (int64_t i = 0; i < unique->n_items; i++) {
    if (i == 0 || compare_items (items, sorted[i - 1], sorted[i]) != 0) {
      unique->first[unique->n_unique] = sorted[i];
      unique->count[unique->n_unique++] = 0;
    }
    unique->count[unique->n_unique - 1]++;
    unique->inverse[sorted[i]] = unique->n_unique - 1;
  }
}

/* From sorted order to that of first appearance. `count` and `first` by group are copied to `old`.
 */
static void reorder_groups (WeirUnique *unique, int64_t *old_count, int64_t *new_place)
{
  int64_t n = 0;
  memcpy (old_count, unique->count, (size_t) unique->n_unique * sizeof *old_count);
  for (int64_t i = 0; i < unique->n_unique; i++)
    new_place[i] = -1;
  for (int64_t i = 0; i < unique->n_items; i++) {
    int64_t group = unique->inverse[i];
    if (new_place[group] < 0) {
      new_place[group] = n;
      unique->first[n] = i;
      unique->count[n++] = old_count[group];
    }
    unique->inverse[i] = new_place[group];
  }
}

static bool set_items (const WeirShapeJob *job, WeirUnique *unique, GError **error)
{
  const WeirTensor *src = &job->src[0];
  const WeirAttr *given = weir_node_attr (job->node, "axis");
  uint32_t axis;
  int64_t n;
  memset (unique, 0, sizeof *unique);
  unique->n_outer = unique->n_inner = 1;
  if (!given) {
    if (weir_tensor_n_elements (src, &n))
      unique->n_items = n;
    return true;
  }
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), src->rank, &axis, error))
    return false;
  unique->n_items = src->dims[axis];
  for (uint32_t i = 0; i < src->rank; i++)
    if (i != axis)
      *(i < axis ? &unique->n_outer : &unique->n_inner) *= src->dims[i];
  return true;
}

bool weir_unique_resolve (const WeirShapeJob *job, WeirUnique *unique, GError **error)
{
  if (!set_items (job, unique, error))
    return false;
  size_t n_items = (size_t) unique->n_items + 1;
  int64_t n_keys = unique->n_outer * unique->n_items * unique->n_inner;
  g_autofree int64_t *keys = g_try_new (int64_t, (size_t) n_keys + 1);
  g_autofree int64_t *sorted = g_try_new (int64_t, n_items);
  g_autofree int64_t *spare = g_try_new (int64_t, n_items);
  unique->first = g_try_new (int64_t, n_items);
  unique->count = g_try_new (int64_t, n_items);
  unique->inverse = g_try_new (int64_t, n_items);
  if (!keys || !sorted || !spare || !unique->first || !unique->count || !unique->inverse) {
    weir_unique_clear (unique);
    return weir_node_error (job->graph, job->node, WEIR_ERROR_MEMORY, error, "no memory to sort");
  }
  for (int64_t i = 0; i < n_keys; i++)
    keys[i] = weir_sort_key (&job->src[0], i);
  for (int64_t i = 0; i < unique->n_items; i++)
    sorted[i] = i;
  Items items = { keys, unique };
  if (unique->n_items)
    g_qsort_with_data (sorted, (gint) unique->n_items, sizeof *sorted, compare_places, &items);
  group_items (&items, sorted, unique);
  if (!weir_node_int (job->node, "sorted", 1))
    reorder_groups (unique, sorted, spare);
  return true;
}

void weir_unique_clear (WeirUnique *unique)
{
  g_clear_pointer (&unique->first, g_free);
  g_clear_pointer (&unique->count, g_free);
  g_clear_pointer (&unique->inverse, g_free);
}
