/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of 8-bit kernels share: random operands with extremes among them, the plain
 * requantisation, and results between canaries. */
#pragma once

#include "kernels/requantise.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KIT_CANARY 64 /* bytes on either side */

static inline uint32_t kit_random (uint32_t *state)
{
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

/* A quarter of them at the ends of u8 or i8. */
static inline uint8_t *kit_codes_new (size_t n, uint32_t seed)
{
  static const uint8_t ends[] = { 0, 127, 128, 255 };
  uint8_t *codes = malloc (n);
  for (size_t i = 0; i < n; i++) {
    uint32_t r = kit_random (&seed);
    codes[i] = r % 4 ? (uint8_t) (r >> 8) : ends[r >> 4 & 3];
  }
  return codes;
}

static inline float *kit_numbers_new (size_t n, uint32_t seed, float low, float high)
{
  float *numbers = malloc (n * sizeof *numbers);
  for (size_t i = 0; i < n; i++)
    numbers[i] = low + (high - low) * (float) kit_random (&seed) * 0x1p-24f;
  return numbers;
}

/* As kernels/requantise.h says. */
static inline uint8_t kit_code (const WeirRequantise *codes, int32_t sum, size_t channel)
{
  float code = rintf (fmaf ((float) sum, codes->scale[channel], codes->bias[channel]));
  code = fminf (fmaxf (code, codes->low), codes->high);
  return (uint8_t) ((uint8_t) code ^ codes->flip);
}

/* Room for n results. */
static inline uint8_t *kit_results_new (size_t n)
{
  uint8_t *room = malloc (n + 2 * KIT_CANARY);
  memset (room, 0xa5, n + 2 * KIT_CANARY);
  return room + KIT_CANARY;
}

/* Frees them; nothing may have been written beside them. */
static inline void kit_results_free (uint8_t *results, size_t n)
{
  for (size_t i = 0; i < KIT_CANARY; i++)
    ck_assert (results[i + n] == 0xa5 && results[i - KIT_CANARY] == 0xa5);
  free (results - KIT_CANARY);
}
