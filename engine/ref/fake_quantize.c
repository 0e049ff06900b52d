/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FakeQuantize: onto `levels` steps of the input range, then onto the output range, in the order of
 * operations of the specification, since networks sit on ties. */
#include "engine/ref/ref.h"

#include <math.h>

#define N_OPERANDS 5 /* data, and the ends of both ranges */

/* Round to nearest, halves to even, for 0 <= x <= 2^22: 1.5 · 2^23 + x has no bits for a fraction.
 * Unlike rintf it is no call on any CPU, so that rows become vectors. */
static inline float round_small (float x)
{
  const float magic = 0x1.8p23f;
  return (x + magic) - magic;
}

static inline float quantise (
    float x, float low, float high, float out_low, float out_high, float n_steps)
{
  float step = (x - low) / (high - low) * n_steps;
  float rounded = n_steps <= 0x1p22f ? round_small (step) : rintf (step);
  float y = rounded / n_steps * (out_high - out_low) + out_low;
  y = x > MAX (low, high) ? out_high : y;
  return x <= MIN (low, high) ? out_low : y;
}

float weir_ref_fake_quantized (float x, float low, float high)
{
  return quantise (x, low, high, low, high, 255);
}

typedef struct Rows {
  uint32_t rank; /* of the axes in front of a row */
  int64_t n;     /* elements of a row */
  int64_t dims[WEIR_MAX_RANK];
  int64_t stride[N_OPERANDS][WEIR_MAX_RANK]; /* of those axes */
  int64_t step[N_OPERANDS];                  /* within a row */
} Rows;

static bool is_constant_along (
    const WeirShapeJob *job, int64_t stride[][WEIR_MAX_RANK], uint32_t axis)
{
  bool is_constant = stride[0][axis] || job->dst[0].dims[axis] == 1;
  for (int k = 1; k < N_OPERANDS; k++)
    is_constant = is_constant && stride[k][axis] == 0;
  return is_constant;
}

/* A row is as many of the last axes as have one range, or else the last axis. */
static void make_rows (const WeirShapeJob *job, Rows *rows)
{
  const WeirTensor *dst = &job->dst[0];
  *rows = (Rows){ .rank = dst->rank, .n = 1 };
  memcpy (rows->dims, dst->dims, sizeof rows->dims);
  for (int k = 0; k < N_OPERANDS; k++)
    weir_ref_broadcast_strides (&job->src[k], dst, rows->stride[k]);
  while (rows->rank && is_constant_along (job, rows->stride, rows->rank - 1))
    rows->n *= dst->dims[--rows->rank];
  rows->step[0] = 1;
  if (rows->rank == dst->rank && rows->rank) {
    rows->n = dst->dims[--rows->rank];
    for (int k = 0; k < N_OPERANDS; k++)
      rows->step[k] = rows->stride[k][rows->rank];
  }
}

static void locate (const Rows *rows, int64_t row, int64_t offset[N_OPERANDS])
{
  memset (offset, 0, N_OPERANDS * sizeof *offset);
  for (uint32_t axis = rows->rank; axis-- > 0;) {
    int64_t index = row % rows->dims[axis];
    row /= rows->dims[axis];
    for (int k = 0; k < N_OPERANDS; k++)
      offset[k] += index * rows->stride[k][axis];
  }
}

static void quantise_row (
    const Rows *rows, float *dst, const float *const src[N_OPERANDS], float n_steps)
{
  const float *x = src[0], *low = src[1], *high = src[2], *out_low = src[3], *out_high = src[4];
  const int64_t *step = rows->step;
  if (step[0] == 1 && !(step[1] | step[2] | step[3] | step[4]))
    for (int64_t i = 0; i < rows->n; i++)
      dst[i] = quantise (x[i], *low, *high, *out_low, *out_high, n_steps);
  else
    for (int64_t i = 0; i < rows->n; i++)
      dst[i] = quantise (x[i * step[0]], low[i * step[1]], high[i * step[2]], out_low[i * step[3]],
          out_high[i * step[4]], n_steps);
}

bool weir_ref_ov_fake_quantize (const WeirShapeJob *job, void *scratch, GError **error)
{
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  float n_steps = (float) (weir_node_int (job->node, "levels", 256) - 1);
  int64_t n = weir_ref_n (&job->dst[0]);
  Rows rows;
  make_rows (job, &rows);
  for (int64_t row = 0; n && row < n / rows.n; row++) {
    int64_t offset[N_OPERANDS];
    const float *src[N_OPERANDS];
    locate (&rows, row, offset);
    for (int k = 0; k < N_OPERANDS; k++)
      src[k] = weir_ref_f32 (&job->src[k]) + offset[k];
    quantise_row (&rows, dst + row * rows.n, src, n_steps);
  }
  return true;
}
