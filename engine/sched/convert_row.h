/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request's tensor row, in the type and layout that the plan's input wants. */
#pragma once

#include "engine/tensor.h"

/* src: one plain row of f32, f16, bf16, f64 or u8; dst: one row of [k, c, spatial] in f32 or bf16,
 * plain or channels-last. k is 1 but in models without a batch. */
void weir_convert_row (const void *src, WeirDtype src_dtype, const WeirTensor *dst);
