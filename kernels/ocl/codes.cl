/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From numbers to 8-bit codes: to nearest, halves to even, then the zero point, kept within bounds, as
 * ONNX's QuantizeLinear has it. NaN becomes the least. */
typedef struct Codes {
  float scale, inverse; /* a step; 1 / scale */
  float low, high;      /* bounds of codes less the zero point: whole numbers */
  int zero;
} Codes;

/* x in steps: a division by a product with the reciprocal and one correction (P. Markstein, IA-64 and
 * Elementary Functions, 2000, section 8). What is far beyond all codes needs none. */
float to_steps (float x, Codes codes)
{
  float steps = x * codes.inverse;
  return fabs (steps) > 1024 ? steps : fma (fma (-steps, codes.scale, x), codes.inverse, steps);
}

/* The bounds are whole numbers: they may come before the rounding. */
uchar to_code (float steps, Codes codes)
{
  return (uchar) (convert_int_rte (fmin (fmax (steps, codes.low), codes.high)) + codes.zero);
}
