/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constant weights in the form that a kernel of our own wants: one copy for all plans of a device.
 */
#pragma once

#include "engine/cpu/cpu.h"

G_BEGIN_DECLS

typedef struct WeirCpuPacked WeirCpuPacked;

/* Writes `n_bytes` of the form from the constant's values. */
typedef void (*WeirCpuPackFn) (void *data, const float *values, const void *job);

/* The form `form` (a literal) of `constant`, of any floating type; made where the device has none.
 * Forms of one name, constant and size must be the same. */
WeirCpuPacked *weir_cpu_packed_ref (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_bytes, WeirCpuPackFn pack, const void *job, GError **error);
void weir_cpu_packed_unref (WeirDevice *device, WeirCpuPacked *packed); /* NULL: nothing */
/* On 64 bytes. */
const void *weir_cpu_packed_data (const WeirCpuPacked *packed);

G_END_DECLS
