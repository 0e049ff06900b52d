/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Windows of pools over up to three dims: which taps are within the source. */

/* By spatial dim, the last innermost; missing ones are 1 in front. */
typedef struct Window {
  int src[3], dst[3], size[3], stride[3], dilation[3], pad[3];
  int limit[3]; /* of the places that count in an average: AVERAGE divides by those before it */
  int counts_pads, n_channels, n_pixels;
} Window;

/* What is to be read along a dim for place `at` of the result: taps first to end, from `origin` on. */
typedef struct Taps {
  int origin, first, end, n;
} Taps;

int divide_up (int a, int b)
{
  return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

Taps find_taps (Window w, int d, int at)
{
  Taps taps;
  taps.origin = at * w.stride[d] - w.pad[d];
  taps.first = max (0, divide_up (-taps.origin, w.dilation[d]));
  taps.end = min (w.size[d], divide_up (w.src[d] - taps.origin, w.dilation[d]));
  taps.end = max (taps.end, taps.first);
  int padded = min (w.size[d], divide_up (w.limit[d] - taps.origin, w.dilation[d]));
  taps.n = w.counts_pads ? max (padded, 0) : taps.end - taps.first;
  return taps;
}
