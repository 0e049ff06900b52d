/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables that are rounded lines: batch norms, and Relu behind them, between two quantisers.
 *
 * Code x becoming t says that the line is within t ± 1/2 at x, and at an end of all results only
 * that it is beyond. A line fits where it lies above all points (x, t - 1/2) and below all
 * (x, t + 1/2): the corners of their hulls say so, and the room between the two is a concave
 * function of the slope (O'Rourke: An on-line algorithm for fitting straight lines between data
 * ranges, CACM 1981). What the kernel then gives is compared with the tables. */
#include "engine/cpu/cpu_int8.h"

#include <math.h>

#define N_CODES  256
#define STEEPEST 512.0
#define ENOUGH   1e-2 /* room, in steps: rounding errors of the line's values are below 1e-4 */
#define N_TRIES  48

typedef struct Point {
  double x, y;
} Point;

typedef struct Hull {
  uint32_t n;
  Point points[N_CODES];
} Hull;

/* Points come from left to right; what lies on the side of `sign` stays. */
static void add_point (Hull *hull, double x, double y, double sign)
{
  for (; hull->n >= 2; hull->n--) {
    Point a = hull->points[hull->n - 2], b = hull->points[hull->n - 1];
    if (((b.y - a.y) * (x - a.x) - (y - a.y) * (b.x - a.x)) * sign > 0)
      break;
  }
  hull->points[hull->n++] = (Point){ x, y };
}

/* The corner that a line of this slope meets first when it comes from the side of `sign`. */
static Point first_met (const Hull *hull, double slope, double sign)
{
  Point met = hull->points[0];
  for (uint32_t i = 1; i < hull->n; i++)
    if ((hull->points[i].y - slope * hull->points[i].x) * sign > (met.y - slope * met.x) * sign)
      met = hull->points[i];
  return met;
}

static void fit (const Hull *above, const Hull *below, float *scale, float *offset)
{
  double least = -STEEPEST, most = STEEPEST, slope = 0, top = 0, bottom = 0;
  for (int i = 0; i < N_TRIES; i++) {
    slope = (least + most) / 2;
    Point upper = first_met (above, slope, -1), lower = first_met (below, slope, 1);
    top = upper.y - slope * upper.x;
    bottom = lower.y - slope * lower.x;
    if (top - bottom >= ENOUGH || upper.x == lower.x)
      break;
    *(lower.x > upper.x ? &least : &most) = slope;
  }
  *scale = (float) slope;
  *offset = (float) ((top + bottom) / 2);
}

static void fit_table (const uint8_t *table, const WeirCpuLines *lines, float *scale, float *offset)
{
  Hull above = { 0 }, below = { 0 };
  for (int x = 0; x < N_CODES; x++) {
    if (table[x] < lines->high)
      add_point (&above, x, table[x] + 0.5, -1);
    if (table[x] > lines->low)
      add_point (&below, x, table[x] - 0.5, 1);
  }
  *scale = 0;
  *offset = above.n ? lines->low : lines->high; /* all results are one end */
  if (above.n && below.n)
    fit (&above, &below, scale, offset);
}

/* Every code of every channel, code by code. */
static bool gives (const WeirCpuLines *lines, const uint8_t *tables, size_t n_channels)
{
  const WeirByteKernels *kernels = weir_byte_kernels ();
  g_autofree uint8_t *src = g_malloc (n_channels), *dst = g_malloc (n_channels);
  bool is_same = true;
  for (int x = 0; x < N_CODES && is_same; x++) {
    memset (src, x, n_channels);
    kernels->follow_lines (
        dst, src, lines->scale, lines->offset, lines->low, lines->high, n_channels);
    for (size_t c = 0; c < n_channels; c++)
      is_same = is_same && dst[c] == tables[c * N_CODES + (size_t) x];
  }
  return is_same;
}

bool weir_cpu_fit_lines (const uint8_t *tables, size_t n_channels, WeirCpuLines *lines)
{
  lines->low = UINT8_MAX;
  lines->high = 0;
  for (size_t i = 0; i < n_channels * N_CODES; i++) {
    lines->low = MIN (lines->low, tables[i]);
    lines->high = MAX (lines->high, tables[i]);
  }
  for (size_t c = 0; c < n_channels; c++)
    fit_table (tables + c * N_CODES, lines, &lines->scale[c], &lines->offset[c]);
  return gives (lines, tables, n_channels);
}
