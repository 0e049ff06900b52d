/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How 32-bit sums of products of codes become codes. */
#pragma once

#include <stdint.h>

/* code = sum · scale + bias, a fused multiplication and addition, rounded to nearest with halves to
 * even, kept within low to high, xor flip. |sum · scale + bias| must stay below 2^31 and sums below
 * 2^24. */
typedef struct WeirRequantise {
  const float *scale; /* by channel: a step of the sums in steps of the result */
  const float *bias;  /* by channel, in steps of the result, its zero point included */
  uint8_t src_zero;   /* the sums are those of the source's codes less this */
  uint8_t low, high;  /* of codes that count from 0 on */
  uint8_t flip;       /* 0x80 where the result is i8, else 0 */
} WeirRequantise;
