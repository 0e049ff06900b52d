/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensor kernels for AVX2. */
#define TENSOR_KERNELS weir_tensor_kernels_avx2
#include "kernels/cpu/tensor_loops.h"
