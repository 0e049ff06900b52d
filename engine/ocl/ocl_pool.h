/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Windows of pools as kernels take them (kernels/ocl/taps.cl). */
#pragma once

#include "engine/graph/geometry.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_rows.h"

G_BEGIN_DECLS

/* As in taps.cl. */
typedef struct WeirOclPoolWindow {
  cl_int src[3], dst[3], kernel[3], stride[3], dilation[3], pad[3], limit[3];
  cl_int counts_pads, n_channels, n_pixels;
} WeirOclPoolWindow;

/* False where sizes are beyond what kernels count. */
bool weir_ocl_pool_can_count (const WeirWindow *window);
/* Of src[0] and dst[0], channels-last. */
void weir_ocl_pool_fill (
    const WeirStepSpec *spec, const WeirWindow *window, WeirOclPoolWindow *result);

G_END_DECLS
