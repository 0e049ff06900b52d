/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a CPU can do at most: loops that are nothing but one kind of arithmetic in registers, and
 * one that is nothing but reading and writing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum WeirPeakKind {
  WEIR_PEAK_F32 = 0, /* multiply-adds of f32 */
  WEIR_PEAK_BF16,    /* products of bf16 summed in f32 */
  WEIR_PEAK_INT8,    /* products of u8 and i8 summed in i32 */
  WEIR_N_PEAKS
} WeirPeakKind;

#define WEIR_PEAK_MAX_ROUNDS (1u << 18)

typedef struct WeirPeakLoop {
  const char *name; /* of the instructions: "avx512_vnni" */
  /* Runs n_rounds, at most WEIR_PEAK_MAX_ROUNDS. The multiply-adds that were done, as their results
   * themselves count them. */
  double (*run) (uint32_t n_rounds);
} WeirPeakLoop;

/* The i-th of the loops that this CPU can run, the one that does most at once first; NULL behind
 * the last. There is one for f32 on every CPU; for bf16 only where the CPU has such products. */
const WeirPeakLoop *weir_peak_loop (WeirPeakKind kind, size_t i);

#define WEIR_STREAM_BLOCK 64 /* elements */

/* dst[i] = a[i] + b[i], n a multiple of WEIR_STREAM_BLOCK: three streams, 12 bytes an element. */
typedef void (*WeirStreamFn) (float *dst, const float *a, const float *b, size_t n);

/* For this CPU. Every variant gives the same bytes. */
WeirStreamFn weir_stream (void);
/* Variant `isa` of kernels.h (a single bit), NULL where this build or CPU has none. */
WeirStreamFn weir_stream_variant (unsigned isa);
