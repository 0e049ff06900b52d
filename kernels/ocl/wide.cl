/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels of which a work item takes WIDTH channels (1 or 4). With 4, channels are a multiple of 4 and
 * all is aligned. */
#include "types.cl"

#ifndef WIDTH
#define WIDTH 1
#endif
#if WIDTH == 4
typedef float4 reals;
#define FETCH load4_aligned
#define PUT   store4_aligned
#else
typedef float reals;
#define FETCH load
#define PUT   store
#endif
