/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AdaptiveAvgPool and AdaptiveMaxPool: window i of n covers elements floor (i src / n) up to
 * ceil ((i + 1) src / n) of an axis of src. */
#include "engine/ref/ref.h"

#include <math.h>

/* Dims as three, missing ones of 1 in front. */
typedef struct Sizes {
  int64_t src[3], dst[3];
} Sizes;

static Sizes find_sizes (const WeirTensor *src, const WeirTensor *dst)
{
  Sizes sizes = { { 1, 1, 1 }, { 1, 1, 1 } };
  for (uint32_t i = 2; i < src->rank; i++) {
    sizes.src[3 - src->rank + i] = src->dims[i];
    sizes.dst[3 - src->rank + i] = dst->dims[i];
  }
  return sizes;
}

typedef struct Pooled {
  float sum, largest;
  int64_t count, place; /* place: of the largest, first one, in the plane */
} Pooled;

static Pooled pool (const Sizes *s, const float *plane, const int64_t at[3])
{
  Pooled pooled = { 0, -INFINITY, 0, -1 };
  int64_t begin[3], end[3];
  for (int i = 0; i < 3; i++) {
    begin[i] = at[i] * s->src[i] / s->dst[i];
    end[i] = ((at[i] + 1) * s->src[i] - 1) / s->dst[i] + 1;
  }
  for (int64_t z = begin[0]; z < end[0]; z++)
    for (int64_t y = begin[1]; y < end[1]; y++)
      for (int64_t x = begin[2]; x < end[2]; x++) {
        int64_t place = (z * s->src[1] + y) * s->src[2] + x;
        pooled.sum += plane[place];
        pooled.count++;
        if (plane[place] > pooled.largest || pooled.place < 0) {
          pooled.largest = plane[place];
          pooled.place = place;
        }
      }
  return pooled;
}

bool weir_ref_ov_adaptive_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  bool is_max = job->node->op == WEIR_OP_OV_ADAPTIVE_MAX_POOL;
  void *places = is_max && weir_job_wants (job, 1) ? weir_tensor_data (&job->dst[1]) : NULL;
  Sizes s = find_sizes (src, dst);
  int64_t n_src = s.src[0] * s.src[1] * s.src[2], n_dst = s.dst[0] * s.dst[1] * s.dst[2];
  for (int64_t i = 0; i < weir_ref_n (dst); i++) {
    int64_t k = i % n_dst;
    int64_t at[3] = { k / (s.dst[1] * s.dst[2]), k / s.dst[2] % s.dst[1], k % s.dst[2] };
    Pooled pooled = pool (&s, weir_ref_f32 (src) + i / n_dst * n_src, at);
    weir_ref_dst_f32 (dst)[i] = is_max ? pooled.largest : pooled.sum / (float) pooled.count;
    if (places)
      weir_ref_store_int (job->dst[1].dtype, places, i, pooled.place);
  }
  return true;
}
