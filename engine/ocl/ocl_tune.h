/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The search for the variants that are fastest on a device: what plans ask for is measured. Without
 * OpenCL types, and there in builds without OpenCL too, where no device can be opened. */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* From now on what plans that are made on the device ask for is remembered, each window and number
 * of items once. Thread-safety of these: one thread at a time. */
void weir_ocl_tune_begin (WeirOclDevice *device);
/* Forgets it, which weir_ocl_tune_run has done. */
void weir_ocl_tune_end (WeirOclDevice *device);

/* A window and number of items. */
typedef struct WeirOclTuneRow {
  char *window; /* as weir_ocl_window_text */
  uint32_t n_items;
  uint32_t n_steps;           /* of the plans that asked */
  char *before, *after;       /* variants: untuned, and chosen */
  double before_ns, after_ns; /* 0: time was out before it was measured, or it could not run */
} WeirOclTuneRow;

typedef struct WeirOclTuneOptions {
  double seconds; /* to be spent, building programs included; what is left then stays untuned */
  /* Before each row, `done` of `n` are done. May be NULL. */
  void (*progress) (uint32_t done, uint32_t n, const char *window, uint32_t n_items, void *user);
  void *user;
} WeirOclTuneOptions;

/* Measures what was asked for and has the device choose by it, see weir_ocl_device_keep_tuning; an
 * array of WeirOclTuneRow, those that take longest first. What was fused behind a window is left
 * out. NULL: DEVICE, it failed; or the result could not be written. */
GArray *weir_ocl_tune_run (
    WeirOclDevice *device, const WeirOclTuneOptions *options, GError **error);

G_END_DECLS
