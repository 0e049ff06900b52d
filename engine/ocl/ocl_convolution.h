/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a step's convolution to its window. */
#pragma once

#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_window.h"

G_BEGIN_DECLS

/* Conv, ConvTranspose, and their quantised forms; posts are the node's, `dtype` is taken over.
 * False where it is beyond what kernels count. */
bool weir_ocl_convolution_window (
    const WeirStepSpec *spec, const WeirTensor *weights, WeirDtype dtype, WeirOclWindow *window);

G_END_DECLS
