/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensor kernels for every CPU. */
#define TENSOR_KERNELS weir_tensor_kernels_c
#include "kernels/cpu/tensor_loops.h"
