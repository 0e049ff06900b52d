/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an OpenCL device can do at most, measured with kernels/ocl/peak.cl. */
#pragma once

#include "engine/ocl/ocl_device.h"
#include "engine/plan/backend.h"

G_BEGIN_DECLS

/* The best of several runs each, some 0.2 s in all: multiply-adds in f32 and, where the device
 * computes in them, in f16 and of 8-bit numbers; three streams within the cache that it names and
 * within its memory; copies from and to pinned memory of the host; kernels that do nothing. Takes
 * up to 384 MB of the device meanwhile. Meant for an idle device. MEMORY and DEVICE errors. */
bool weir_ocl_peaks_measure (WeirOclDevice *device, WeirDevicePeaks *peaks, GError **error);

G_END_DECLS
