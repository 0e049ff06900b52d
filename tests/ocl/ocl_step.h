/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One node on the device through the backend's functions, against the reference. */
#pragma once

#include "tests/unit/cpu/net.h"

#define STEP_MAX_SRC 6

/* A node of one operator. Sources: "in 3,5,7" an input, whose batch stands in front; "const 5,1,1"
 * a constant from -1 to 1; "pos 5" one from 0.5 to 1.5; "ints 2,3"; "shape 3,5" the same with the
 * batch in front; "-" not given; NULL ends. */
typedef struct StepRow {
  const char *op, *attrs;
  const char *src[STEP_MAX_SRC];
  WeirPostOp post[WEIR_MAX_POST_OPS]; /* ADD takes the source whose number it has */
  uint32_t opset;                     /* 0: 13 */
  uint32_t n_dst;                     /* 0: 1 */
} StepRow;

/* What of a row is tried: layout of inputs of rank 3 and more, storage, batch. */
typedef struct StepCase {
  WeirLayout layout;
  WeirPrecision precision;
  uint32_t n;
} StepCase;

/* Opens the backend on the first device, or ends the program as skipped (77). */
void step_start (void);
/* Fails the test where the device declines, fails, or differs from the reference by more than
 * `tolerance` relative to the largest element. */
void step_check (const StepRow *row, const StepCase *step_case, double tolerance);
/* Fails it where the device does not decline. */
void step_check_declined (const StepRow *row);
/* A tensor "2,3,5" up to the device as `from`, on the device into `to`, and back: byte by byte what
 * the reference makes of it. */
void step_check_reorder (const char *dims, WeirFormat from, WeirFormat to);
