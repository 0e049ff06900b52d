/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing on a device (WeirBackend.pictures): a frame goes up once, all its regions are taken
 * from that. */
#pragma once

#include "engine/pre/pre.h"

G_BEGIN_DECLS

struct WeirDevice;

/* A frame, and what of it is to be seen; checked by weir_pre_check. */
typedef struct WeirSeen {
  const WeirFrame *frame;
  uint64_t number; /* never that of two frames, nor with other regions; 0: of none that was */
  WeirRegion part; /* in which all regions lie; the region itself where it is the only one */
  bool is_single;
} WeirSeen;

/* Thread-safety of what `new` makes: one thread at a time. */
typedef struct WeirPictures {
  /* For one worker. DEVICE, MEMORY: the device cannot. */
  void *(*new) (struct WeirDevice *device, const WeirInputSpec *spec, GError **error);
  void (*free) (void *pictures); /* NULL is fine */
  /* Sends up what of a frame is to be seen, for the memory that `input` lies in; what is there of a
   * frame of the same number is used again. The frame's planes may go when this returns. MEMORY,
   * UNSUPPORTED: it is too large for the device. */
  bool (*hold) (void *pictures, const WeirSeen *seen, const WeirTensor *input, GError **error);
  /* Enqueues: row `row` of `input` (as for weir_pre_run, F32 or F16, its data an address of the
   * device's memory: weir_slot_picture) becomes the region, one of those that `hold` was told of
   * last; by the arithmetic of weir_pre_run, to the bit. */
  bool (*write) (void *pictures, const WeirRegion *region, const WeirTensor *input, uint32_t row,
      GError **error);
} WeirPictures;

G_END_DECLS
