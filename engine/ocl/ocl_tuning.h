/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `weir tune` has found: for a window and a number of items the name of the variant that was
 * fastest. In memory a table; on disk one file for each device, driver and version of the kernels.
 */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

#define WEIR_OCL_TUNING_MAX   2048u /* entries of a table: beyond it the oldest go */
#define WEIR_OCL_TUNING_CHARS 160u  /* of a window's or a variant's text */

/* Texts have no tabs, no line ends and at most WEIR_OCL_TUNING_CHARS bytes: others are not taken.
 * Thread-safety: one thread at a time. */
typedef struct WeirOclTuning WeirOclTuning;

WeirOclTuning *weir_ocl_tuning_new (void);
void weir_ocl_tuning_free (WeirOclTuning *tuning); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclTuning, weir_ocl_tuning_free)
uint32_t weir_ocl_tuning_n (const WeirOclTuning *tuning);
/* All that is known of a window. */
void weir_ocl_tuning_forget (WeirOclTuning *tuning, const char *window);
/* In place of what was known of this window and number of items. */
void weir_ocl_tuning_set (
    WeirOclTuning *tuning, const char *window, uint32_t n_items, const char *variant);
/* Of the number of items that is nearest by ratio, which becomes *n_items; NULL: the window is not
 * known. Valid until the table changes. */
const char *weir_ocl_tuning_find (
    const WeirOclTuning *tuning, const char *window, uint32_t *n_items);

/* What weir_ocl_tuning_write wrote for such a device and such sources , an
 * empty table where there is none, or where it is not what was written. Never NULL. */
WeirOclTuning *weir_ocl_tuning_read (
    const char *folder, const WeirOclFacts *facts, const char *source_digest);
/* Atomically; processes may read and write at once, the last one's table stays. */
bool weir_ocl_tuning_write (const WeirOclTuning *tuning, const char *folder,
    const WeirOclFacts *facts, const char *source_digest, GError **error);

/* Copies all of `other`, whose windows replace those of the same name. */
void weir_ocl_tuning_merge (WeirOclTuning *tuning, const WeirOclTuning *other);

G_END_DECLS
