/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs single nodes on any backend, with plain tensors at both ends. */
#pragma once

#include "engine/plan/backend.h"

/* A backend under test; tolerances are against the reference, relative and absolute. */
typedef struct StepTarget {
  const WeirBackend *backend;
  WeirPrecision precision;
  double rtol, atol;
} StepTarget;

typedef enum StepResult {
  STEP_DONE,
  STEP_REFUSED, /* the backend leaves the node to another one */
  STEP_FAILED,
} StepResult;

/* propose, compile, bind, run; tensors are converted to the formats that the backend wants and
 * back. src are plain with buffers (those of constants are shown to `propose` and `compile`); dst
 * have their inferred shapes and receive buffers from `arena`. */
StepResult step_run (const StepTarget *target, WeirDevice *device, const WeirGraph *graph,
    const WeirNode *node, const WeirTensor *src, const bool *is_constant, WeirTensor *dst,
    WeirArena *arena, GError **error);

/* Copies into a fresh buffer of another type and layout. */
bool step_convert (const WeirTensor *src, WeirDtype dtype, WeirLayout layout, WeirTensor *dst,
    WeirArena *arena, GError **error);

/* Element i of a plain tensor. */
double step_element (const WeirTensor *tensor, int64_t i);

/* NULL where equal: shapes, integers exactly, floating elements within rtol * |expected| + atol
 * (NaN equals NaN); else what differs, newly allocated. */
char *step_compare (const WeirTensor *actual, const WeirTensor *expected, double rtol, double atol);
