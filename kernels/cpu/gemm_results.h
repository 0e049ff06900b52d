/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of the sums of a matrix product: what is added, the activation, and the results.
 *
 * Including files include the vector (f32_….h) and the elements (gemm_f32.h, say) first. */
#include "kernels/cpu/activation_simd.h"
#include "kernels/gemm.h"

#include <stdint.h>

#define MAX_SUMS 32

/* Where the results of a tile go: from its first row and column on. */
typedef struct Target {
  const char *added;
  char *dst;
  Mask last;     /* of the last vector */
  bool is_whole; /* the last vector is */
  StoredClip clip;
} Target;

/* What is constant where a tile's results are read or written. */
typedef struct Results {
  size_t n_rows, n_vectors, bytes; /* of one */
  bool is_whole;                   /* the last vector too */
} Results;

ALWAYS_INLINE size_t result_at (const WeirGemm *task, size_t row, size_t vector, size_t bytes)
{
  return (row * task->dst_row + vector * LANES) * bytes;
}

/* Columns of the last one before vector `end`; LANES or more: all. */
ALWAYS_INLINE size_t count_last (const WeirGemm *task, size_t end)
{
  return task->n_columns - (end - 1) * LANES;
}

ALWAYS_INLINE Target target_at (
    const WeirGemm *task, size_t row, size_t vector, size_t n_vectors, StoredClip clip)
{
  size_t at = result_at (task, row, vector, RESULT_BYTES (task));
  size_t n_last = count_last (task, vector + n_vectors);
  return (Target){ .added = task->added ? (const char *) task->added + at : NULL,
    .dst = (char *) task->dst + at,
    .last = lanes (0, n_last < LANES ? n_last : LANES),
    .is_whole = n_last >= LANES,
    .clip = clip };
}

ALWAYS_INLINE void skip_rows (const WeirGemm *task, Target *target, size_t n)
{
  size_t n_bytes = result_at (task, n, 0, RESULT_BYTES (task));
  target->dst += n_bytes;
  if (target->added)
    target->added += n_bytes;
}

ALWAYS_INLINE Vec add_at (const WeirGemm *task, const Target *target, Vec v, size_t row,
    size_t vector, const Results *results)
{
  const char *from = target->added + result_at (task, row, vector, results->bytes);
  if (results->is_whole || vector + 1 < results->n_vectors)
    return add_results (v, from, results->bytes);
  return add_some_results (v, from, target->last, results->bytes);
}

ALWAYS_INLINE void store_at (const WeirGemm *task, const Target *target, Vec v, size_t row,
    size_t vector, const Results *results)
{
  char *to = target->dst + result_at (task, row, vector, results->bytes);
  if (results->is_whole || vector + 1 < results->n_vectors)
    store_results (to, v, target->clip, results->bytes);
  else
    store_some_results (to, v, target->clip, target->last, results->bytes);
}

/* One loop for rows and vectors, here and below: of two clang keeps sums in memory. */
ALWAYS_INLINE void add_added (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
  const size_t n = results->n_vectors;
  UNROLL (32)
  for (size_t i = 0; i < results->n_rows * n; i++)
    sums[i] = add_at (task, target, sums[i], i / n, i % n, results);
}

ALWAYS_INLINE void store_sums (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
  const size_t n = results->n_vectors, n_whole = results->is_whole ? n : n - 1;
  const size_t n_paired = stores_two && results->bytes == sizeof (Element) ? n_whole & ~1u : 0;
  UNROLL (32)
  for (size_t i = 0; i < results->n_rows * n; i++) {
    size_t r = i / n, j = i % n;
    if (j >= n_paired)
      store_at (task, target, sums[i], r, j, results);
    else if (j % 2 == 0)
      store_two_results (
          target->dst + result_at (task, r, j, results->bytes), sums[i], sums[i + 1], target->clip);
  }
}

/* Behind the sums there are as many vectors as make the last step whole. */
ALWAYS_INLINE void activate_and_store (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results, bool adds)
{
  Vec v[MAX_LONG];
  for (size_t i = 0, r = 0, j = 0; r < results->n_rows; i += MAX_LONG) {
    UNROLL (8)
    for (size_t k = 0; k < MAX_LONG; k++)
      v[k] = sums[i + k];
    if (adds && is_short_activation (&task->activation))
      activate_short (&task->activation, v, MAX_LONG);
    else
      activate_long (&task->activation, v, MAX_LONG);
    UNROLL (8)
    for (size_t k = 0; k < MAX_LONG; k++) {
      if (r == results->n_rows)
        break;
      store_at (
          task, target, adds ? add_at (task, target, v[k], r, j, results) : v[k], r, j, results);
      r += ++j == results->n_vectors;
      j = j == results->n_vectors ? 0 : j;
    }
  }
}

/* What is done with results. */
typedef enum Deed { ADD_ADDED, STORE_SUMS, STORE_ACTIVATED, STORE_ADDED } Deed;

/* No function is called by its address: clang would make one call of several, and variables of what
 * was constant. */
ALWAYS_INLINE void do_with_results (
    Deed deed, const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
  if (deed == ADD_ADDED)
    add_added (task, target, sums, results);
  else if (deed == STORE_SUMS)
    store_sums (task, target, sums, results);
  else
    activate_and_store (task, target, sums, results, deed == STORE_ADDED);
}

/* Such that nothing is chosen between the vectors. */
ALWAYS_INLINE void for_results (Deed deed, const WeirGemm *task, const Target *target, Vec *sums,
    size_t n_rows, size_t n_vectors)
{
  if (RESULT_BYTES (task) != sizeof (Element))
    do_with_results (
        deed, task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (float), false });
  else if (target->is_whole)
    do_with_results (
        deed, task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), true });
  else
    do_with_results (
        deed, task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), false });
}

/* Where the activation is long, or something is added behind it. */
static __attribute__ ((noinline)) void store_long (
    const WeirGemm *task, const Target *target, Vec *sums, size_t n_rows, size_t n_vectors)
{
  if (target->added && task->adds_last)
    for_results (STORE_ADDED, task, target, sums, n_rows, n_vectors);
  else
    for_results (STORE_ACTIVATED, task, target, sums, n_rows, n_vectors);
}

/* What was summed, in registers. By copies of what a store might change for all the compiler knows,
 * which would load it again behind each. */
ALWAYS_INLINE void finish_short (const WeirGemm *given_task, const Target *given_target, Vec *sums,
    size_t n_rows, size_t n_vectors, bool stores)
{
  const WeirGemm task = *given_task;
  const Target target = *given_target;
  if (target.added && !task.adds_last)
    for_results (ADD_ADDED, &task, &target, sums, n_rows, n_vectors);
  if (!stores)
    return;
  if (!target.clip.is_exact)
    activate_short (&task.activation, sums, n_rows * n_vectors);
  for_results (STORE_SUMS, &task, &target, sums, n_rows, n_vectors);
}

/* Adds, activates and stores the sums. */
ALWAYS_INLINE void finish_sums (
    const WeirGemm *task, const Target *target, Vec *sums, size_t n_rows, size_t n_vectors)
{
  const size_t n_sums = n_rows * n_vectors;
  if (is_short_activation (&task->activation) && !(target->added && task->adds_last)) {
    finish_short (task, target, sums, n_rows, n_vectors, true);
    return;
  }
  finish_short (task, target, sums, n_rows, n_vectors, false);
  Vec stored[MAX_SUMS]; /* of its own, or sums would not stay in registers */
  UNROLL (32)
  for (size_t i = 0; i < (n_sums + MAX_LONG - 1) / MAX_LONG * MAX_LONG; i++)
    stored[i] = i < n_sums ? sums[i] : set (0.0f);
  store_long (task, target, stored, n_rows, n_vectors);
}
