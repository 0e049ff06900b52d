/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The byte kernels for AVX-512 with VBMI: a table of 256 is four registers. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define BYTES 64

/* Each permutation looks at the lowest seven bits. */
static inline __m512i pick (const __m512i table[4], __m512i codes)
{
  __m512i low = _mm512_permutex2var_epi8 (table[0], codes, table[1]);
  __m512i high = _mm512_permutex2var_epi8 (table[2], codes, table[3]);
  return _mm512_mask_mov_epi8 (low, _mm512_movepi8_mask (codes), high);
}

static void look_up_vbmi (uint8_t *dst, const uint8_t *src, const uint8_t *table, size_t n)
{
  const __m512i all[] = { _mm512_loadu_si512 (table), _mm512_loadu_si512 (table + BYTES),
    _mm512_loadu_si512 (table + 2 * BYTES), _mm512_loadu_si512 (table + 3 * BYTES) };
  size_t i = 0;
  for (; i + BYTES <= n; i += BYTES)
    _mm512_storeu_si512 (dst + i, pick (all, _mm512_loadu_si512 (src + i)));
  if (i < n) {
    __mmask64 mask = _cvtu64_mask64 (~0ull >> (BYTES - (n - i)));
    _mm512_mask_storeu_epi8 (dst + i, mask, pick (all, _mm512_maskz_loadu_epi8 (mask, src + i)));
  }
}

#define BYTE_LOOK_UP look_up_vbmi
#define BYTE_KERNELS weir_byte_kernels_avx512vbmi
#include "kernels/cpu/byte_loops.h"
