/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n) measured on a worker before the first items come, or read from the cache. */
#pragma once

#include "engine/sched/session_types.h"

/* Runs n = 1, 2 and the largest batch, three times each after a first run that does not count, on
 * zeros; stops as soon as items wait, the session stops, or the budget of 250 ms is spent (a run or
 * a plan that would not fit by what is known is not begun). Sizes that the cache knows are not run.
 * What was found goes into session->queue.service (under its lock) and the cache; the memory is
 * given back, the plans stay. To be called by one worker's thread. Does nothing where every batch
 * is 1 or the hint is latency. */
void weir_calibrate (WeirWorker *worker);
/* Writes what running has taught since, where the line moved by more than a quarter. At the end of
 * the session, when its workers have stopped. */
void weir_calibrate_save (WeirSession *session);
