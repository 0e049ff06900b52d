/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picked channels of 2 bytes with AVX-512. */
#include <stdint.h>

#define CHANNELS weir_channels_avx512_2
typedef uint16_t Element;
#define load_some(p, mask)     _mm512_cvtepu16_epi32 (_mm256_maskz_loadu_epi16 (mask, p))
#define store_some(p, v, mask) _mm256_mask_storeu_epi16 (p, mask, _mm512_cvtepi32_epi16 (v))
#include "kernels/cpu/channels_zmm.h"
