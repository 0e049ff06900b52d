/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisation of each channel of a channels-last picture by its own statistics. */
#pragma once

#include "engine/cpu/cpu.h"

G_BEGIN_DECLS

/* y = (x - mean) / deviation · scale + shift by channels. */
typedef struct WeirCpuChannelNorm {
  double epsilon;
  bool is_outside;      /* epsilon is added to the deviation, not to the variance */
  float *scale, *shift; /* by channel; NULL: 1, 0 */
} WeirCpuChannelNorm;

/* True where the tensor's layout and number of channels are right for it. */
bool weir_cpu_channel_norm_can (const WeirTensor *src);
/* Takes norm's arrays. */
WeirCpuKernel *weir_cpu_channel_norm_new (
    WeirDevice *device, const WeirStepSpec *spec, const WeirCpuChannelNorm *norm);

G_END_DECLS
