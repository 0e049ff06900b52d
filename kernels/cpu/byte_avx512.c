/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The byte kernels for AVX-512. */
#define BYTE_KERNELS weir_byte_kernels_avx512
#include "kernels/cpu/byte_loops.h"
