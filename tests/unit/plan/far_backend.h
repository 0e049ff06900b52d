/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backend with memory of its own, which nobody else can touch: `ref` on the far side of addresses
 * that trap. */
#pragma once

#include "engine/plan/backend.h"
#include "engine/pre/pictures.h"

extern const WeirBackend far_backend;

/* What it declines: some operators, and to change layouts. */
typedef struct FarTaste {
  uint32_t n_declined;
  WeirOp declined[4];
  bool declines_reorders;
  const GError *new_error, *hold_error; /* of pictures; NULL: they are made */
} FarTaste;

void far_backend_set_taste (const FarTaste *taste);
/* Of all slots there are now. */
uint32_t far_backend_n_memories (void);
/* What it says that its memory has left, from now on; all there is where it is never called. */
void far_backend_set_left (uint64_t n_bytes);
/* Frames that went up, and rows that were made from them, since the taste was set. */
uint32_t far_backend_n_frames (void);
uint32_t far_backend_n_pictures (void);
/* The bytes behind an address of the far side. */
void *far_backend_reach (void *address);
