/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times of a window's variants on the device. */
#pragma once

#include "engine/ocl/ocl_window.h"

G_BEGIN_DECLS

/* A window that a plan has asked for; without its posts. */
typedef struct WeirOclAsked {
  WeirOclWindow window;
  char *text; /* weir_ocl_window_text */
  uint32_t n_steps;
} WeirOclAsked;

/* For weir_ocl_device_choose: one entry for each window and number of items. */
GArray *weir_ocl_asked_new (void);
void weir_ocl_asked_add (GArray *asked, const WeirOclWindow *window);

/* Puts the time of each of the variants (WeirOclVariant), ns, into its cost; INFINITY where it
 * could not be run or none was left until `end_ns` (weir_now_ns). `first` is measured whatever the
 * time is. False where the device has no memory for it, or failed. */
bool weir_ocl_trial_run (WeirOclDevice *device, const WeirOclWindow *window, GArray *variants,
    const WeirOclVariant *first, uint64_t end_ns, GError **error);

G_END_DECLS
