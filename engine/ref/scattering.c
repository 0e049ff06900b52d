/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that address elements by index: writing, in the order of the indices. */
#include "engine/graph/indexing.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

static float reduce_f32 (WeirScatterReduction reduction, float a, float b)
{
  switch (reduction) {
  case WEIR_SCATTER_ADD:
    return a + b;
  case WEIR_SCATTER_MUL:
    return a * b;
  case WEIR_SCATTER_MAX:
    return isnan (a) || a > b ? a : b;
  case WEIR_SCATTER_MIN:
    return isnan (a) || a < b ? a : b;
  default:
    return b;
  }
}

/* Integers wrap; 64 unsigned bits compare as such. */
static int64_t reduce_int (WeirScatterReduction reduction, bool is_u64, int64_t a, int64_t b)
{
  uint64_t ua = (uint64_t) a, ub = (uint64_t) b;
  bool is_less = is_u64 ? ua < ub : a < b;
  switch (reduction) {
  case WEIR_SCATTER_ADD:
    return (int64_t) (ua + ub);
  case WEIR_SCATTER_MUL:
    return (int64_t) (ua * ub);
  case WEIR_SCATTER_MAX:
    return is_less ? b : a;
  case WEIR_SCATTER_MIN:
    return is_less ? a : b;
  default:
    return b;
  }
}

/* n elements of src, onto those of dst from `at` on. */
static void update (WeirScatterReduction reduction, const WeirTensor *dst, int64_t at,
    const WeirTensor *src, int64_t from, int64_t n)
{
  WeirDtype dtype = dst->dtype;
  size_t size = weir_dtype_bytes (dtype);
  char *to = (char *) weir_tensor_data (dst) + (size_t) at * size;
  const char *updates = (const char *) weir_tensor_data (src) + (size_t) from * size;
  if (reduction == WEIR_SCATTER_NONE) {
    memcpy (to, updates, (size_t) n * size);
    return;
  }
  if (dtype == WEIR_DTYPE_F32) {
    float *sum = (float *) (void *) to;
    const float *values = (const float *) (const void *) updates;
    for (int64_t i = 0; i < n; i++)
      sum[i] = reduce_f32 (reduction, sum[i], values[i]);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    weir_ref_store_int (dtype, to, i,
        reduce_int (reduction, dtype == WEIR_DTYPE_U64, weir_ref_load_int (dtype, to, i),
            weir_ref_load_int (dtype, updates, i)));
}

static bool copy_data (const WeirShapeJob *job, WeirScatterReduction *reduction, GError **error)
{
  const WeirTensor *data = &job->src[0];
  size_t n_bytes = (size_t) weir_ref_n (data) * weir_dtype_bytes (data->dtype);
  if (!weir_scatter_resolve (job, reduction, error))
    return false;
  if (n_bytes)
    memcpy (weir_tensor_data (&job->dst[0]), weir_tensor_data (data), n_bytes);
  return true;
}

bool weir_ref_scatter_elements (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  WeirScatterReduction reduction;
  WeirElementWalk walk;
  uint32_t axis;
  int64_t k, at = 0;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), data->rank, &axis, error) ||
      !copy_data (job, &reduction, error))
    return false;
  if (weir_ref_n (indices) == 0)
    return true;
  weir_ref_element_walk (data, indices, axis, &walk);
  do {
    for (int64_t i = 0; i < walk.n_row; i++, at++) {
      if (!weir_ref_index (job, indices, at, data->dims[axis], &k, error))
        return false;
      update (reduction, &job->dst[0], walk.outer.offset[0] + i * walk.step + k * walk.chosen,
          &job->src[2], at, 1);
    }
  } while (weir_walk_next (&walk.outer));
  return true;
}

bool weir_ref_scatter_nd (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirScatterReduction reduction;
  WeirTuples tuples;
  int64_t offset;
  if (!copy_data (job, &reduction, error))
    return false;
  weir_ref_tuples_init (job, 0, &tuples);
  for (int64_t i = 0; i < tuples.n; i++) {
    if (!weir_ref_tuple (job, &tuples, i, &offset, error))
      return false;
    if (tuples.n_slice)
      update (reduction, &job->dst[0], offset, &job->src[2], i * tuples.n_slice, tuples.n_slice);
  }
  return true;
}
