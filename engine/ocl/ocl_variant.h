/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which variant computes a window: as tuning has found, else as the device's family suggests.
 *
 * Variants of one way with as many parts of the sum give the same bytes. Which of these classes is
 * taken depends on the window without its number of items, so that an item's results are the same
 * in every batch; which tile, and whether parts are computed at once, is chosen for each number. */
#pragma once

#include "engine/ocl/ocl_tuning.h"
#include "engine/ocl/ocl_window.h"

G_BEGIN_DECLS

/* "f32 64x56x56 -> 64x56x56, window 3x3, pad 1x1": all of the window but its number of items and
 * its posts. Newly allocated. */
char *weir_ocl_window_text (const WeirOclWindow *window);
/* "product 128x64/8x8x8", "depthwise 4x128". Newly allocated. */
char *weir_ocl_variant_text (const WeirOclVariant *variant);
bool weir_ocl_variant_is_alike (const WeirOclVariant *a, const WeirOclVariant *b);

/* Rows have the variants of one window for some numbers of items, with what they cost. */
/* The least cost of those that are alike (NULL: of all); NULL: none has a finite one. */
const WeirOclVariant *weir_ocl_variants_best (const GArray *row, const WeirOclVariant *alike);
/* By how much those that are alike cost more than the best of each row, in the geometric mean. */
double weir_ocl_variants_score (GArray *const *rows, uint32_t n_rows, const WeirOclVariant *alike);
/* One of those that score best; NULL: none can be had in all rows. */
const WeirOclVariant *weir_ocl_variants_pick (GArray *const *rows, uint32_t n_rows);

/* What the family suggests; false: the device has no room for any. */
bool weir_ocl_variant_suggest (
    const WeirOclFacts *facts, const WeirOclWindow *window, WeirOclVariant *variant);
/* What `tuning` says, where it is a variant that the device has; else as above. */
bool weir_ocl_variant_choose (const WeirOclFacts *facts, const WeirOclTuning *tuning,
    const WeirOclWindow *window, WeirOclVariant *variant, bool *is_tuned);
/* The same of an opened device. UNSUPPORTED where it has no room for any. Thread-safety: safe. */
bool weir_ocl_device_choose (WeirOclDevice *device, const WeirOclWindow *window,
    WeirOclVariant *variant, bool *is_tuned, GError **error);
/* Of the device's cache folder; empty where it has none. */
WeirOclTuning *weir_ocl_device_read_tuning (const WeirOclDevice *device);
/* Plans that are made from now on choose by what was found, in this process and, where the device
 * has a cache folder, in later ones. Thread-safety: safe. */
bool weir_ocl_device_keep_tuning (
    WeirOclDevice *device, const WeirOclTuning *found, GError **error);

G_END_DECLS
