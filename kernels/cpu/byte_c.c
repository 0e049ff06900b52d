/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The byte kernels for plain C. */
#define BYTE_KERNELS weir_byte_kernels_c
#include "kernels/cpu/byte_loops.h"
