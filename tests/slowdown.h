/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often tests repeat themselves where every instruction costs more: tests/run sets
 * WEIR_SLOWDOWN for sanitizers and valgrind. */
#pragma once

#include "tests/sanitized.h"

#include <stdbool.h>
#include <stdlib.h>

/* 1, or how many times slower this runs: also what rates of live cameras are divided by, so that
 * they idle as much as elsewhere. */
static inline unsigned slowdown (void)
{
  const char *text = getenv ("WEIR_SLOWDOWN");
  unsigned factor = text ? (unsigned) strtoul (text, NULL, 10) : 1;
  return factor ? factor : 1;
}

/* How long to wait for what takes less than that elsewhere. */
static inline unsigned patience (unsigned time)
{
  return time * slowdown ();
}

/* That part of `n` repetitions, but `at_least`. */
static inline unsigned repeat (unsigned n, unsigned at_least)
{
  unsigned part = n / slowdown ();
  return part > at_least ? part : at_least;
}

/* Whether times say something of the code here. */
static inline bool is_timed (void)
{
  return !IS_SANITIZED && slowdown () == 1;
}
