/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What steps keep on the device besides packed weights: constants as they are, tables of numbers.
 */
#pragma once

#include "engine/ocl/ocl.h"

G_BEGIN_DECLS

/* A constant in the device's type, in that layout; shared. */
WeirOclWeights *weir_ocl_constant_ref (
    WeirDevice *device, const WeirTensor *constant, WeirLayout layout, GError **error);

/* Bytes as they are, of one kernel. */
WeirOclMemory *weir_ocl_table_new (
    WeirDevice *device, const void *data, size_t n_bytes, GError **error);
void weir_ocl_table_free (WeirDevice *device, WeirOclMemory *table); /* NULL is fine */

G_END_DECLS
