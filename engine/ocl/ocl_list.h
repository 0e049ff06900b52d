/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of devices, for those who make them. */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* Room for n_max, none yet. */
WeirOclDevices *weir_ocl_devices_new_empty (uint32_t n_max);
/* Into the order that weir_ocl_devices_new tells. */
void weir_ocl_devices_sort (WeirOclDevices *devices);

G_END_DECLS
