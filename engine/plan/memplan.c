/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Greedy by size: the largest value is placed first, each at the lowest gap that is free of every
 * value already placed whose lifetime meets its own. Quadratic in the number of values, which is in
 * the thousands at most; done once per plan. */
#include "engine/plan/memplan.h"

#include "engine/base/checked.h"

#include <glib.h>

static int by_size_then_start (const void *a, const void *b)
{
  const WeirLifetime *x = *(WeirLifetime *const *) a, *y = *(WeirLifetime *const *) b;
  if (x->n_bytes != y->n_bytes)
    return x->n_bytes < y->n_bytes ? 1 : -1;
  if (x->first_step != y->first_step)
    return x->first_step < y->first_step ? -1 : 1;
  return x < y ? -1 : 1;
}

static bool lifetimes_meet (const WeirLifetime *a, const WeirLifetime *b)
{
  return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

/* `placed` is ordered by offset. Returns the position to insert at. */
static bool place (WeirLifetime *item, GPtrArray *placed, size_t *end)
{
  size_t offset = 0, size;
  if (!weir_checked_align (item->n_bytes, WEIR_MEMPLAN_ALIGNMENT, &size))
    return false;
  for (guint i = 0; i < placed->len; i++) {
    const WeirLifetime *other = placed->pdata[i];
    if (!lifetimes_meet (item, other))
      continue;
    if (other->offset_bytes >= offset && other->offset_bytes - offset >= size)
      break;
    size_t other_end = other->offset_bytes + ((other->n_bytes + WEIR_MEMPLAN_ALIGNMENT - 1) &
                                                 ~(size_t) (WEIR_MEMPLAN_ALIGNMENT - 1));
    offset = MAX (offset, other_end);
  }
  item->offset_bytes = offset;
  return weir_checked_add (offset, size, end);
}

static guint insert_position (const GPtrArray *placed, const WeirLifetime *item)
{
  guint i = 0;
  while (i < placed->len &&
         ((const WeirLifetime *) placed->pdata[i])->offset_bytes < item->offset_bytes)
    i++;
  return i;
}

bool weir_memplan (WeirLifetime *lifetimes, uint32_t n_lifetimes, size_t *total_bytes)
{
  g_autofree WeirLifetime **order = g_new (WeirLifetime *, n_lifetimes + 1);
  g_autoptr (GPtrArray) placed = g_ptr_array_new ();
  for (uint32_t i = 0; i < n_lifetimes; i++)
    order[i] = &lifetimes[i];
  qsort (order, n_lifetimes, sizeof *order, by_size_then_start);
  *total_bytes = 0;
  for (uint32_t i = 0; i < n_lifetimes; i++) {
    size_t end;
    if (!place (order[i], placed, &end))
      return false;
    g_ptr_array_insert (placed, (gint) insert_position (placed, order[i]), order[i]);
    *total_bytes = MAX (*total_bytes, end);
  }
  return true;
}
