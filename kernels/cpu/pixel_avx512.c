/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels with AVX-512 (F, BW, DQ, VL): sixteen pixels a vector. */
#include "kernels/cpu/pixel_zmm.h"

/* Sums of products of 16-bit pairs, added to sum. */
#define v_madd_add(sum, a, b)                                _mm512_add_epi32 (sum, _mm512_madd_epi16 (a, b))

#define v_pick_windows(row, table, i, src, n_windows, bytes) _mm512_setzero_si512 ()
#define V_WITH_WINDOWS(make, row, line)                      make (row, line, 0)

/* Vector k of the stream, from pixels of three bytes a dword. */
static inline V v_spread (V pixels, int k)
{
  V found = _mm512_permutexvar_epi32 (v_stream_pixels (k), pixels);
  V first = _mm512_add_epi32 (_mm512_set4_epi32 (12, 8, 4, 0), v_stream_channels (k));
  return _mm512_maskz_shuffle_epi8 (0x1111111111111111u, found, first);
}

#include "kernels/cpu/pixel_simd.h"

const WeirPixelKernels weir_pixel_kernels_avx512 = PIXEL_KERNELS ("avx512", WEIR_ISA_AVX512, false);
