/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picked channels of 4 bytes with AVX-512. */
#include <stdint.h>

#define CHANNELS weir_channels_avx512_4
typedef uint32_t Element;
#define load_some(p, mask)     _mm512_maskz_loadu_epi32 (mask, p)
#define store_some(p, v, mask) _mm512_mask_storeu_epi32 (p, mask, v)
#include "kernels/cpu/channels_zmm.h"
