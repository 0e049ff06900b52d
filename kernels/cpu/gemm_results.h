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

ALWAYS_INLINE void add_added (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
#pragma GCC unroll 32
  for (size_t r = 0; r < results->n_rows; r++)
#pragma GCC unroll 4
    for (size_t j = 0; j < results->n_vectors; j++) {
      Vec *sum = &sums[r * results->n_vectors + j];
      *sum = add_at (task, target, *sum, r, j, results);
    }
}

ALWAYS_INLINE void store_sums (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
#pragma GCC unroll 32
  for (size_t r = 0; r < results->n_rows; r++) {
    const Vec *row = sums + r * results->n_vectors;
#pragma GCC unroll 4
    for (size_t j = 0; j < results->n_vectors; j++) {
      bool is_last = j + (results->is_whole ? 1 : 2) >= results->n_vectors;
      if (stores_two && !is_last && results->bytes == sizeof (Element)) {
        char *to = target->dst + result_at (task, r, j, results->bytes);
        store_two_results (to, row[j], row[j + 1], target->clip);
        j++;
      } else {
        store_at (task, target, row[j], r, j, results);
      }
    }
  }
}

typedef void (*ResultsFn) (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results);

/* Calls fn, inline, such that nothing is chosen between the vectors. */
ALWAYS_INLINE void for_results (const WeirGemm *task, const Target *target, Vec *sums,
    size_t n_rows, size_t n_vectors, ResultsFn fn)
{
  if (RESULT_BYTES (task) != sizeof (Element))
    fn (task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (float), false });
  else if (target->is_whole)
    fn (task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), true });
  else
    fn (task, target, sums, &(const Results){ n_rows, n_vectors, sizeof (Element), false });
}

/* Behind the sums there are as many vectors as make the last step whole. */
ALWAYS_INLINE void activate_and_store (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results, bool adds)
{
  Vec v[MAX_LONG];
  for (size_t i = 0, r = 0, j = 0; r < results->n_rows; i += MAX_LONG) {
#pragma GCC unroll 8
    for (size_t k = 0; k < MAX_LONG; k++)
      v[k] = sums[i + k];
    if (adds && is_short_activation (&task->activation))
      activate_short (&task->activation, v, MAX_LONG);
    else
      activate_long (&task->activation, v, MAX_LONG);
#pragma GCC unroll 8
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

ALWAYS_INLINE void store_activated (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
  activate_and_store (task, target, sums, results, false);
}

ALWAYS_INLINE void store_added (
    const WeirGemm *task, const Target *target, Vec *sums, const Results *results)
{
  activate_and_store (task, target, sums, results, true);
}

/* Where the activation is long, or something is added behind it. */
static __attribute__ ((noinline)) void store_long (
    const WeirGemm *task, const Target *target, Vec *sums, size_t n_rows, size_t n_vectors)
{
  if (target->added && task->adds_last)
    for_results (task, target, sums, n_rows, n_vectors, store_added);
  else
    for_results (task, target, sums, n_rows, n_vectors, store_activated);
}

/* By copies of what a store might change for all the compiler knows, which would load it again
 * behind each. */
ALWAYS_INLINE void store_tile (const WeirGemm *given_task, const Target *given_target, Vec *sums,
    size_t n_rows, size_t n_vectors)
{
  const WeirGemm task = *given_task;
  const Target target = *given_target;
  if (!target.clip.is_exact)
    activate_short (&task.activation, sums, n_rows * n_vectors);
  for_results (&task, &target, sums, n_rows, n_vectors, store_sums);
}

/* Adds, activates and stores the sums. */
ALWAYS_INLINE void finish_sums (
    const WeirGemm *task, const Target *target, Vec *sums, size_t n_rows, size_t n_vectors)
{
  const size_t n_sums = n_rows * n_vectors;
  if (target->added && !task->adds_last)
    for_results (task, target, sums, n_rows, n_vectors, add_added);
  if (is_short_activation (&task->activation) && !(target->added && task->adds_last)) {
    store_tile (task, target, sums, n_rows, n_vectors);
    return;
  }
  Vec stored[MAX_SUMS]; /* of its own, or sums would not stay in registers */
#pragma GCC unroll 32
  for (size_t i = 0; i < (n_sums + MAX_LONG - 1) / MAX_LONG * MAX_LONG; i++)
    stored[i] = i < n_sums ? sums[i] : set (0.0f);
  store_long (task, target, stored, n_rows, n_vectors);
}
