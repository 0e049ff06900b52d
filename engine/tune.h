/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirTuning: which of a device's kernels are fastest for a model, measured once and kept. */
#pragma once

#include "export.h"

#include "session.h"

WEIR_BEGIN_PUBLIC

typedef struct WeirTuneOptions {
  const uint32_t *batches; /* sizes of batches; NULL: 1 and the session's largest */
  uint32_t n_batches;
  double seconds; /* to spend, compiling of kernels included; > 0 */
  /* Before a shape is measured, `done` of `n` are done; on the calling thread. May be NULL. */
  void (*progress) (uint32_t done, uint32_t n, const char *shape, uint32_t batch, void *user);
  void *user;
} WeirTuneOptions;

/* One shape of the network's plans, at one size of batch. Texts belong to the tuning. */
typedef struct WeirTuneRow {
  const char *shape;          /* "f32 64x56x56 -> 64x56x56, window 3x3, pad 1x1" */
  uint32_t batch, n_steps;    /* of the plan: so many have this shape */
  const char *before, *after; /* the kernels taken untuned, and from now on */
  double before_ns, after_ns; /* of one step; 0: it was not measured, and stays untuned */
} WeirTuneRow;

typedef struct WeirTuning {
  const char *device, *precision;
  const char *folder;         /* where the result is kept; NULL: nowhere */
  uint32_t n_rows, n_left;    /* left: not measured, for the time was out or memory lacked */
  WeirTuneRow *rows;          /* what was expected to take longest first */
  double before_ns, after_ns; /* of all steps that were measured, all batches together */
  struct WeirArena *arena;
} WeirTuning;

/* Opens the model as weir_session_open does and measures every way to compute the shapes of its
 * convolutions that the device has. Sessions that are opened on it from now on use what was found,
 * in this process and, where there is a cache folder, in later ones. Results stay within rounding.
 * Blocks; meant for an idle device. NULL: as weir_session_open; UNSUPPORTED: the device has nothing
 * to tune; OPTION: a batch beyond the session's largest, seconds that are not > 0. */
WeirTuning *weir_session_tune (
    const WeirSessionOptions *session, const WeirTuneOptions *options, GError **error);
void weir_tuning_free (WeirTuning *tuning); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirTuning, weir_tuning_free)

WEIR_END_PUBLIC
