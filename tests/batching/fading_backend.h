/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that are lost, or have no memory, on command: the reference backend on memory of their
 * own, as many as there are candidates with different `index`. They are opened by way of
 * weir_session_auto_hook. Thread-safety: safe. */
#pragma once

#include "engine/plan/backend.h"

#define FADING_N_DEVICES 3

/* What of a batch fails. */
typedef enum FadingStage {
  FADING_UPLOAD,
  FADING_RUN,
  FADING_DOWNLOAD,
  FADING_N_STAGES
} FadingStage;

typedef struct Fading {
  FadingStage stage;
  uint32_t at;         /* the at-th of these and all behind it fail; 0: none does */
  uint32_t n_doubtful; /* instead so many, which may or may not be the device; two are */
  bool fails_to_open;
  bool is_slow_to_open; /* until fading_let_open */
  size_t most_bytes;    /* memories that are larger are not to be had; 0: all are */
} Fading;

extern const WeirBackend fading_backend;

/* Of all devices, in order; forgets what was. */
void fading_set (const Fading fading[FADING_N_DEVICES]);
/* Until a device that is slow to open is being opened; lets it open. */
void fading_wait_opening (void);
void fading_let_open (void);
/* How many of device `index` are open, and how many memories there are on it. */
uint32_t fading_n_open (uint32_t index);
uint32_t fading_n_memories (uint32_t index);
