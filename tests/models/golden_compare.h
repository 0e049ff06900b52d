/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares an output with its reference as the index of the reference tensors says. */
#pragma once

#include "engine/weir.h"

#include <json-glib/json-glib.h>

/* Row `row` of `got`, which has n_rows of them, with `ref`. `output` is the entry of the index with
 * name, kind and tolerances. NULL where it is within them, else what is wrong, newly allocated.
 * *distance: the largest difference of a number; of labels, how many differ; of detections, of a
 * confidence. */
char *golden_compare (JsonObject *output, const char *precision, const WeirTensor *ref,
    const WeirTensor *got, uint32_t row, uint32_t n_rows, double *distance);
