/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peaks of devices as profiles tell them. */
#pragma once

#include "engine/profile.h"
#include "engine/sched/session_types.h"

void weir_peaks_of_device (const WeirDevicePeaks *device, WeirPeaks *peaks);
