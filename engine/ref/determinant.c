/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Det: the product of the pivots of an elimination with row exchanges. */
#include "engine/ref/ref.h"

#include <math.h>

size_t weir_ref_det_scratch (const WeirShapeJob *job)
{
  int64_t n = job->src[0].dims[job->src[0].rank - 1];
  return (size_t) n * (size_t) n * sizeof (double);
}

/* Brings the largest element of column k to the diagonal; whether rows were exchanged. */
static bool pivot (double *m, int64_t n, int64_t k)
{
  int64_t best = k;
  for (int64_t row = k + 1; row < n; row++)
    if (fabs (m[row * n + k]) > fabs (m[best * n + k]))
      best = row;
  for (int64_t i = 0; best != k && i < n; i++) {
    double other = m[k * n + i];
    m[k * n + i] = m[best * n + i];
    m[best * n + i] = other;
  }
  return best != k;
}

static double eliminate (double *m, int64_t n)
{
  double product = 1;
  for (int64_t k = 0; k < n; k++) {
    if (pivot (m, n, k))
      product = -product;
    product *= m[k * n + k];
    if (m[k * n + k] == 0)
      return product;
    for (int64_t row = k + 1; row < n; row++) {
      double factor = m[row * n + k] / m[k * n + k];
      for (int64_t i = k; i < n; i++)
        m[row * n + i] -= factor * m[k * n + i];
    }
  }
  return product;
}

bool weir_ref_det (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n = src->dims[src->rank - 1];
  double *m = scratch;
  for (int64_t k = 0; k < weir_ref_n (&job->dst[0]); k++) {
    for (int64_t i = 0; i < n * n; i++)
      m[i] = (double) weir_ref_f32 (src)[k * n * n + i];
    weir_ref_dst_f32 (&job->dst[0])[k] = (float) eliminate (m, n);
  }
  return true;
}
