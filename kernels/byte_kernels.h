/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels on rows of 8-bit codes for the CPU backend.
 *
 * Codes are u8, or i8 read as bytes: `flip` is 0x80 for i8, else 0, and turns such a byte into a
 * number from 0 on; zero points count from there, too. Rounding is to nearest, halves to even. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tensor's codes: value = (code - zero) · scale. */
typedef struct WeirCodes {
  float scale;
  float zero; /* 0 to 255 */
  uint8_t flip;
} WeirCodes;

typedef struct WeirByteKernels {
  /* dst[i] = round (src[i] / scale) + zero, kept within the codes; NaN gives the lowest */
  void (*quantise) (uint8_t *dst, const float *src, WeirCodes codes, size_t n);
  void (*dequantise) (float *dst, const uint8_t *src, WeirCodes codes, size_t n);
  /* a + b, or a · b, as codes of dst; a step of 0 repeats the first element */
  void (*add) (uint8_t *dst, WeirCodes to, const uint8_t *a, size_t a_step, WeirCodes codes_a,
      const uint8_t *b, size_t b_step, WeirCodes codes_b, size_t n);
  void (*multiply) (uint8_t *dst, WeirCodes to, const uint8_t *a, size_t a_step, WeirCodes codes_a,
      const uint8_t *b, size_t b_step, WeirCodes codes_b, size_t n);
  /* dst[i] = table[src[i]], of 256 bytes */
  void (*look_up) (uint8_t *dst, const uint8_t *src, const uint8_t *table, size_t n);
  /* dst[i] = src[i] · scale[i] + offset[i], rounded and kept within low to high; |offset[i]|, and
   * |scale[i]| · 255, are below 2^21 */
  void (*follow_lines) (uint8_t *dst, const uint8_t *src, const float *scale, const float *offset,
      uint8_t low, uint8_t high, size_t n);
  /* sum[i] += src[i] ^ flip */
  void (*accumulate) (uint32_t *sum, const uint8_t *src, uint8_t flip, size_t n);
  /* range[0], range[1]: the least and the most of the elements and 0; NaN does not count */
  void (*find_range) (float range[2], const float *src, size_t n);
} WeirByteKernels;

/* For this CPU. Every variant gives the same bytes. */
const WeirByteKernels *weir_byte_kernels (void);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
const WeirByteKernels *weir_byte_kernels_variant (unsigned isa);
