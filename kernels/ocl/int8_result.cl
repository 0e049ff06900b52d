/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of sums of products of codes before they are stored.
 *
 * Numbers of a channel: where its sum starts (an integer bias, and what the source's zero point adds to
 * all sums alike), a factor, a bias. Then the posts of results.cl. Options: TO_CODES: the result is
 * bytes, else floats; IN_UNITS: the posts compute in units, not in steps of the result; ADDED: the type
 * that the addition among the posts reads (float, uchar, char); those of results.cl. */
#include "codes.cl"
#include "results.cl"

#ifndef ADDED
#define ADDED float
#endif

typedef struct Rest {
  Codes codes;
  float added_scale, added_zero; /* floats: 1 and 0 */
  int n; /* from each of a channel's numbers to the next */
} Rest;

#ifdef TO_CODES
typedef uchar result;
typedef uchar4 result4;
#else
typedef float result;
typedef float4 result4;
#endif

#ifdef ADDED_AFTER
#define FETCH_ADDED(added, i) ((convert_float ((added)[i]) - rest.added_zero) * rest.added_scale)
#else
#define FETCH_ADDED(added, i) 0.0f
#endif

/* `numbers`: those of the sum's channel. One rounding for the product and the bias, the same on every
 * device. */
result finish_sum (int sum, __global const int *numbers, float added, Rest rest, float8 parameters)
{
  float x = fma (convert_float (sum + numbers[0]), as_float (numbers[rest.n]),
      as_float (numbers[2 * rest.n]));
  x = finish (x, added, parameters);
#ifdef IN_UNITS
  x = to_steps (x, rest.codes);
#endif
#ifdef TO_CODES
  return to_code (x, rest.codes);
#else
  return x;
#endif
}

void put_sum (int sum, __global const int *numbers, __global const ADDED *added,
    __global result *dst, int at, Rest rest, float8 parameters)
{
  dst[at] = finish_sum (sum, numbers, FETCH_ADDED (added, at), rest, parameters);
}

/* Of four neighbouring channels, at a multiple of 4. */
void put_sum4 (int4 sum, __global const int *numbers, __global const ADDED *added,
    __global result *dst, int at, Rest rest, float8 parameters)
{
  *(__global result4 *) (dst + at) = (result4) (
      finish_sum (sum.s0, numbers, FETCH_ADDED (added, at), rest, parameters),
      finish_sum (sum.s1, numbers + 1, FETCH_ADDED (added, at + 1), rest, parameters),
      finish_sum (sum.s2, numbers + 2, FETCH_ADDED (added, at + 2), rest, parameters),
      finish_sum (sum.s3, numbers + 3, FETCH_ADDED (added, at + 3), rest, parameters));
}
