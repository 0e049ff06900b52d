/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to a sum before it is stored: the chain of posts.cl, and another tensor added behind
 * the first ADDED_AFTER of it (0 to 4; without this option nothing is added). */
#include "posts.cl"

#ifdef ADDED_AFTER
#define ADD_HERE(x, added, n) x = (n) == ADDED_AFTER ? (x) + (added) : (x)
#else
#define ADD_HERE(x, added, n)
#endif

float finish (float x, float added, float8 p)
{
  ADD_HERE (x, added, 0);
  x = POST_1 (x, p.s0, p.s1);
  ADD_HERE (x, added, 1);
  x = POST_2 (x, p.s2, p.s3);
  ADD_HERE (x, added, 2);
  x = POST_3 (x, p.s4, p.s5);
  ADD_HERE (x, added, 3);
  return POST_4 (x, p.s6, p.s7);
}

float4 finish4 (float4 x, float4 added, float8 p)
{
  return (float4) (finish (x.s0, added.s0, p), finish (x.s1, added.s1, p),
      finish (x.s2, added.s2, p), finish (x.s3, added.s3, p));
}

/* Stores sums of neighbouring elements from dst[at] on. */
#ifdef ADDED_AFTER
#define ADDED_1(p, i) load (p, i)
#define ADDED_4(p, i) load4_aligned (p, i)
#else
#define ADDED_1(p, i) 0.0f
#define ADDED_4(p, i) ((float4) (0.0f))
#endif

void put (float x, __global const real *added, __global real *dst, int at, float8 p)
{
  store (finish (x, ADDED_1 (added, at), p), dst, at);
}

void put4 (float4 x, __global const real *added, __global real *dst, int at, float8 p)
{
  store4_aligned (finish4 (x, ADDED_4 (added, at), p), dst, at);
}
